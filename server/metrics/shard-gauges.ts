/** What several shards tell about themselves, as what one would. */
import type { ShardGauges } from './metrics.js'

/** As plain values, for another process. */
export function shardGauges({ isAvailable, waiting, lastCommitOperations, indexer }: ShardGauges): ShardGauges {
  return {
    isAvailable, waiting, lastCommitOperations,
    indexer: indexer === null ? null : { waiting: indexer.waiting, made: indexer.made, searches: indexer.searches, searchRows: indexer.searchRows },
  }
}

/** null stands for a shard that says nothing at present. What only grows within a process falls when that begins anew. */
export function sumOfGauges(all: readonly (ShardGauges | null)[]): ShardGauges {
  const known = all.filter((each) => each !== null)
  const indexers = known.flatMap(({ indexer }) => indexer ?? [])
  const sum = <T>(items: readonly T[], value: (item: T) => number): number => items.reduce((total, item) => total + value(item), 0)
  return {
    isAvailable: known.length === all.length && known.every(({ isAvailable }) => isAvailable),
    waiting: sum(known, ({ waiting }) => waiting),
    // Of one commit: the largest says most.
    lastCommitOperations: Math.max(0, ...known.map(({ lastCommitOperations }) => lastCommitOperations)),
    indexer: indexers.length === 0 ? null : {
      waiting: sum(indexers, ({ waiting }) => waiting),
      made: sum(indexers, ({ made }) => made),
      searches: sum(indexers, ({ searches }) => searches),
      searchRows: sum(indexers, ({ searchRows }) => searchRows),
    },
  }
}
