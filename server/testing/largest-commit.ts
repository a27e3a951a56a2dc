import type { Engine } from '../../storage/engine.js'

/** From now on how many bytes the largest commit of an engine had, as it is when it is asked. */
export function largestCommit(engine: Engine): () => number {
  const commit = engine.commit.bind(engine)
  let most = 0
  engine.commit = (batch) => {
    most = Math.max(most, batch.bytes)
    return commit(batch)
  }
  return () => most
}
