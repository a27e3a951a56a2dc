/** What the disks of all shards say of files, and the store has of them: throws Breach where one is not as it has to be. */
import type { Engine } from '../../../storage/engine.js'
import { objectsOf } from '../../holdings/merge.js'
import { type Audit, auditBlobs, auditShards, BlobBreach, checkShares } from '../../holdings/testing/audit.js'
import { Breach } from './breach.js'

/** At any moment. `disks`: by the numbers of the shards, as they were when the store had these objects. */
export function auditFiles(disks: readonly Engine[], stored: ReadonlySet<string>): Promise<readonly Audit[]> {
  return asBreach(() => disks.length === 1 ? Promise.all(disks.map((disk) => auditBlobs(disk, stored))) : auditShards(disks, stored))
}

/** When nothing is on its way any more, and what ends by its time has ended: shards agree, and nothing is kept that nothing carries. */
export async function checkFilesAtRest(audits: readonly Audit[], stored: ReadonlySet<string>, homeOf: (name: string) => number): Promise<void> {
  for (const { blobs, carried } of audits) for (const id of blobs.keys()) if (!carried.has(id)) throw new Breach(`nothing carries ${id}, and it is there still`)
  if (audits.length > 1) await asBreach(() => { checkShares(audits, homeOf) })
  const kept = audits.flatMap(({ blobs, homes }) => [...[...blobs.values()], ...[...homes.values()].flat()])
  const named = new Set(kept.flatMap(({ blob }) => objectsOf(blob)))
  for (const object of stored) if (!named.has(object)) throw new Breach('the store has an object that nothing names')
}

async function asBreach<T>(audit: () => T | Promise<T>): Promise<T> {
  try {
    return await audit()
  } catch (error) {
    throw error instanceof BlobBreach ? new Breach(error.message, { cause: error }) : error
  }
}
