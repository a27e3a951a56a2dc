/** Bugs to be planted in the nodes of a cluster: what the simulation is worth shows in whether it finds them. */
import type { Batch } from '../../../../storage/engine.js'
import type { MemoryEngine } from '../../../../storage/memory-engine.js'
import { OpBatch } from '../../../../storage/op-batch.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { STATE_KEY } from '../../shard-rows.js'
import type { ModelStore } from '../model-store.js'

export interface NodePlants {
  /** A commit resolves before it is anywhere. */
  readonly acknowledgesEarly?: boolean
  /** A commit is in the engine before it is in the changelog. */
  readonly engineFirst?: boolean
  /** The position is written in a commit of its own, before the rows. */
  readonly positionApart?: boolean
  /** The node takes its lease for longer than it is. */
  readonly trustsLease?: boolean
  /** A standby has a commit before it is in the changelog. */
  readonly standbyFirst?: boolean
}

export function plantDisk(engine: MemoryEngine, { positionApart }: NodePlants): void {
  if (positionApart !== true) return
  const commit = engine.commit.bind(engine)
  engine.commit = async (batch: Batch) => {
    if (!(batch instanceof OpBatch)) return
    const [position, rest] = [new OpBatch(), new OpBatch()]
    batch.keys.forEach((key, i) => {
      const value = batch.values[i] ?? null
      const part = Buffer.compare(key, STATE_KEY) === 0 ? position : rest
      if (value === null) part.delete(key)
      else part.put(key, value)
    })
    await commit(position)
    await commit(rest)
  }
}

/** In the engine of an owner. `own` and `other`: its disk, and that of a standby. */
export function plantOwner(engine: ReplicatedEngine, plants: NodePlants, own: MemoryEngine, other: MemoryEngine): void {
  if (plants.acknowledgesEarly === true) engine.commit = early(engine)
  if (plants.engineFirst === true) engine.commit = innerFirst(engine, own)
  if (plants.standbyFirst === true) engine.commit = innerFirst(engine, other)
}

function early(engine: ReplicatedEngine): ReplicatedEngine['commit'] {
  const commit = engine.commit.bind(engine)
  return (batch) => {
    commit(batch).catch(() => undefined)
    return Promise.resolve()
  }
}

function innerFirst(engine: ReplicatedEngine, disk: MemoryEngine): ReplicatedEngine['commit'] {
  const commit = engine.commit.bind(engine)
  return async (batch) => {
    // One that has nothing of the shard yet would take that for foreign data, and take no part.
    if (await disk.get(STATE_KEY) !== undefined) {
      const copy = disk.batch()
      if (batch instanceof OpBatch) batch.keys.forEach((key, i) => { copy.put(key, batch.values[i] ?? new Uint8Array(0)) })
      await disk.commit(copy)
    }
    await commit(batch)
  }
}

export function plantTrust(store: ModelStore): void {
  const acquire = store.acquire.bind(store)
  const renew = store.renew.bind(store)
  store.acquire = (request) => acquire({ ...request, leaseMs: request.leaseMs / 4 })
  store.renew = (request) => renew({ ...request, leaseMs: request.leaseMs / 4 })
}
