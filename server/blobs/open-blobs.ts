/** Whether a configuration keeps blobs, where their bytes are handled, and what the operator is told of it. */
import { SYSTEM_CLOCK } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import type { BlobService } from './blob-service.js'
import type { BlobSideOptions } from './blob-side.js'
import { type BlobStorage, openBlobStorage } from './blob-storage.js'
import { originOf } from './origin.js'
import { BlobProcess } from './process/blob-process.js'

/** Why no blobs are kept; empty: they are. */
export function noBlobsReason({ blobs, listen, cluster }: Config): string {
  if (!blobs.enabled) return 'blobs.enabled is false'
  if (blobs.publicUrl === '' && originOf(listen.urls) === null) return 'no ws:// or wss:// listener, and no blobs.publicUrl'
  const isNode = cluster.redis.length > 0
  return isNode && blobs.store === 'file' && !cluster.sharedFiles ? 'in a cluster blobs.store has to be s3, or cluster.sharedFiles true' : ''
}

/** null: none are kept. `steps`: where its end is noted. Rejects as openBlobStorage does. */
export async function openBlobs(config: Config, log: Log, steps: (() => Promise<void> | void)[], stopping: AbortSignal): Promise<BlobStorage | null> {
  if (noBlobsReason(config) !== '') return null
  const storage = await openBlobStorage(config, process.env, log, stopping)
  steps.push(() => storage.store.close())
  return storage
}

/** In a process of their own, unless that is turned off, or time is not the system's. */
export async function blobService(options: BlobSideOptions): Promise<BlobService> {
  const { config, clock, log, counters, secret, storage, commands } = options
  if (!config.blobs.ownProcess || clock !== SYSTEM_CLOCK) {
    const { LocalBlobs } = await import('./local-blobs.js')
    return new LocalBlobs(options)
  }
  return new BlobProcess({ config, clock, log, counters, key: secret.key, storage, commands })
}

/** Where there is no room the operator hears of it before the first user does. */
export async function logBlobs(storage: BlobStorage | null, config: Config, log: Log): Promise<void> {
  if (storage === null) {
    log.info({ reason: noBlobsReason(config) }, 'blobs-off')
    return
  }
  const { store, staging, room } = storage
  const free = await staging.freeBytes()
  log.info({ store: store.name, free }, 'blobs-on')
  if (!await room.has(1)) log.warn({ free, freeBytesMin: config.blobs.freeBytesMin, setting: 'blobs.freeBytesMin' }, 'blobs-no-room')
}
