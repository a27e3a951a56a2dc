/** Blobs as the rest of the server sees them: what sessions ask, connections that are taken, and the end of it; the bytes may be elsewhere. */
import { asError } from '../../protocol/as-error.js'
import type { ConnectionTaker } from '../listeners/connection-taker.js'
import type { Log } from '../log.js'
import type { BlobCommands } from './blob-router.js'
import type { BlobDesk } from './blob-desk.js'
import type { BlobStorage } from './blob-storage.js'

export interface BlobService extends ConnectionTaker {
  readonly desk: BlobDesk
  /** Ends uploads at once and downloads after `graceMs`, and closes the store. A second call waits for the first. */
  close(graceMs: number): Promise<void>
}

/**
 * Removes what an earlier process has staged and nobody knows any more: pictures that were made for an upload, and uploads whose end it
 * did not live to see. Never rejects.
 */
export async function sweepStaged(ids: readonly string[], { staging }: Pick<BlobStorage, 'staging'>, commands: BlobCommands, log: Log, isClosing: () => boolean): Promise<void> {
  try {
    for (const id of ids) {
      if (isClosing()) return
      if (await commands.upload(id) === null) await staging.remove(id)
    }
  } catch (error) {
    if (!isClosing()) log.warn({ error: asError(error) }, 'staging-not-swept')
  }
}
