/** Data that must not be mixed with the cluster's, nor overwritten by it. */
import type { ShardView } from './cluster-store.js'

/** Why a node with such data takes no part, and what to do; '': it may. */
export function troubleWithData(view: ShardView, { lineage, isNew, hasForeignRows }: { readonly lineage: string | null, readonly isNew: boolean, readonly hasForeignRows: boolean }): string {
  if (view.lineage === null || view.lineage === lineage) return ''
  if (!isNew) {
    return `the data directory belongs to another founding of this cluster (${lineage ?? ''}) than the one that Redis knows (${view.lineage}): ` +
      'give this node an empty data directory, or stop the others, remove the keys of the cluster from Redis, and start this node first'
  }
  if (!hasForeignRows) return ''
  return 'the data directory holds the data of a server outside this cluster: give this node an empty data directory; a cluster ' +
    'begins with the data of the node that is started first'
}
