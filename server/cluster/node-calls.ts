/** What the nodes of a cluster may ask of each other, by name; see node-links.ts for the way. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { ClientHosts } from '../connection/redirects.js'
import { RouterError } from '../router/router.js'
import type { ClusterNode } from './node.js'
import type { NodeCalls } from './node-links.js'

/** A call about one shard. Shard 0 goes without its number, as it did when there was no other: nodes of either version understand each other. */
export function aboutShard(shard: number, argument: unknown): unknown {
  return shard === 0 ? argument : { shard, argument }
}

/**
 * @param nodes this node's part in each shard, by their numbers; null while it starts
 * @param hosts how clients reach it
 */
export function nodeCalls(nodes: () => readonly ClusterNode[] | null, hosts: () => ClientHosts = () => ({})): NodeCalls {
  const started = (): readonly ClusterNode[] => {
    const all = nodes()
    if (all !== null) return all
    throw new RouterError(ERROR.unavailable, 'the node starts at this moment', { retryAfterMs: 1000 })
  }
  const inShard = (perform: (node: ClusterNode, argument: unknown) => unknown) => async (told: unknown): Promise<unknown> => {
    const { shard, argument } = isAboutShard(told) ? told : { shard: 0, argument: told }
    const node = started()[shard]
    if (node === undefined) throw new RouterError(ERROR.unavailable, `this node knows no shard ${String(shard)}: is it configured for as many?`)
    return perform(node, argument)
  }
  const inAll = (perform: (node: ClusterNode, argument: unknown) => unknown) => async (argument: unknown): Promise<void> => {
    await Promise.all(started().map((node) => perform(node, argument)))
  }
  return {
    copyPage: inShard((node, request) => node.copyPage(request as Uint8Array)),
    report: inShard((node) => node.report),
    hand: inShard(async (node, heir) => {
      if (!await node.hand(String(heir))) throw new RouterError(ERROR.unavailable, 'that node does not own the shard any more, or is being drained: look at chatd cluster status')
    }),
    drain: inAll((node) => node.resign()),
    stay: inAll((node) => node.stay()),
    forget: inAll((node, other) => node.forget(String(other))),
    hosts: async () => hosts(),
  }
}

function isAboutShard(told: unknown): told is { readonly shard: number, readonly argument: unknown } {
  return typeof told === 'object' && told !== null && 'shard' in told && 'argument' in told && Number.isSafeInteger(told.shard)
}
