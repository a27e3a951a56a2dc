/**
 * Who should have a shard: rendezvous hashing (highest random weight, Thaler and Ravishankar 1998), so that all nodes agree without asking,
 * and a node that comes or goes moves no shard but its own.
 */
import { createHash } from 'node:crypto'

/** The nodes, the one that should have it first. */
export function ranked(shard: number, nodes: readonly string[]): string[] {
  return nodes
    .map((node) => ({ node, weight: createHash('sha256').update(`${String(shard)}\0${node}`).digest('hex') }))
    .sort((one, other) => one.weight < other.weight ? 1 : one.weight > other.weight ? -1 : 0)
    .map(({ node }) => node)
}
