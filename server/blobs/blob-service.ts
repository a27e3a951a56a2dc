/** Blobs as the rest of the server sees them: what sessions ask, connections that are taken, and the end of it; the bytes may be elsewhere. */
import type { ConnectionTaker, TakenConnection } from '../listeners/connection-taker.js'
import type { Log } from '../log.js'
import type { BlobCommands } from './blob-router.js'
import { BlobDesk } from './blob-desk.js'
import { isBlobTarget } from './blob-http.js'
import { BlobSide, type BlobSideOptions } from './blob-side.js'
import type { BlobStorage } from './blob-storage.js'
import { Capabilities } from './capability.js'

export interface BlobService extends ConnectionTaker {
  readonly desk: BlobDesk
  /** Ends uploads at once and downloads after `graceMs`, and closes the store. A second call waits for the first. */
  close(graceMs: number): Promise<void>
}

/** All of it in this process, beside the messages. */
export class LocalBlobs implements BlobService {
  readonly desk: BlobDesk
  readonly #side: BlobSide

  constructor(options: BlobSideOptions) {
    const { config, clock, secret, commands, counters } = options
    this.#side = new BlobSide(options)
    options.storage.eraser.onForgotten = (objects) => { this.#side.forgotten(objects) }
    this.desk = new BlobDesk({ capabilities: new Capabilities(secret.key), commands, uploads: this.#side.uploads, config: config.blobs, clock, counters })
  }

  takes(target: string): boolean {
    return isBlobTarget(target)
  }

  take({ socket, head, address, left, giveBack }: TakenConnection): void {
    this.#side.server.accept({ socket, head, address, closed: left, leftOver: (bytes) => { giveBack(socket, bytes) } })
  }

  close(graceMs: number): Promise<void> {
    return this.#side.close(graceMs)
  }
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
    if (!isClosing()) log.warn({ error: error instanceof Error ? error : new Error(String(error)) }, 'staging-not-swept')
  }
}
