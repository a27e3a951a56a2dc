/** By what names the processes of one server know each other. */

/** Of all of them together, as links call it. */
export const LINK_CLUSTER = 'workers'
export const SUPERVISOR_NODE = 'supervisor'

/** The process that has a shard, in all its lives. */
export function shardNode(shard: number): string {
  return `shard-${String(shard)}`
}
