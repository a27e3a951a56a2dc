/** The command line of `chatd cluster`. */
import { usageFailure } from './failure.js'

export type ClusterCommand =
  | { readonly action: 'status', readonly json: boolean }
  | ClusterOrder
  | { readonly action: 'secret', readonly file: string }
  | { readonly action: 'leave' }

export type ClusterOrder =
  | { readonly action: 'drain' | 'stay' | 'forget', readonly node: string }
  | { readonly action: 'move', readonly shard: number, readonly node: string }

/** What stands behind `cluster`, but for options. Throws a CommandFailure. */
export function parseCluster(positionals: readonly string[], json: boolean, out: unknown): ClusterCommand {
  const [action, ...rest] = positionals
  switch (action) {
    case 'status':
    case 'leave':
      none(action, rest)
      return action === 'status' ? { action, json } : { action }
    case 'drain':
    case 'stay':
    case 'forget': return { action, node: one(action, rest) }
    case 'move': {
      const [shard, ...nodes] = rest
      if (shard === undefined || !/^\d{1,5}$/.test(shard)) throw usageFailure('chatd cluster move takes the number of a shard, from 0, and a node', 'cluster')
      return { action, shard: Number(shard), node: one(`move ${shard}`, nodes) }
    }
    case 'secret':
      none(action, rest)
      if (typeof out !== 'string') throw usageFailure('say where to write it with --out FILE', 'cluster')
      return { action, file: out }
    default: throw usageFailure(action === undefined ? 'say what to do: status, drain, stay, move, forget, secret or leave' : `there is no chatd cluster ${action}`, 'cluster')
  }
}

function none(action: string, rest: readonly string[]): void {
  if (rest.length > 0) throw usageFailure(`chatd cluster ${action} takes no ${rest[0]!}`, 'cluster')
}

function one(action: string, [node, more]: readonly string[]): string {
  if (node === undefined) throw usageFailure(`chatd cluster ${action} needs the name of a node`, 'cluster')
  if (more !== undefined) throw usageFailure(`${more} is too much`, 'cluster')
  return node
}
