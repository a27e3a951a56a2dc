/** The command line of `chatd cluster`. */
import { usageFailure } from './failure.js'

export type ClusterCommand =
  | { readonly action: 'status', readonly json: boolean }
  | { readonly action: 'drain' | 'stay' | 'move' | 'forget', readonly node: string }
  | { readonly action: 'secret', readonly file: string }
  | { readonly action: 'leave' }

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
      if (shard !== '0') throw usageFailure(`chatd cluster move takes the number of a shard, which is 0 so far, and a node`, 'cluster')
      return { action, node: one('move 0', nodes) }
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
