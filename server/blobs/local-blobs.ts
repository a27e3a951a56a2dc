/** Blobs in the process that asks for them. A file of its own: it comes with all that handles bytes, which a server with a process of blobs has no need to load. */
import type { TakenConnection } from '../listeners/connection-taker.js'
import { BlobDesk } from './blob-desk.js'
import type { BlobService } from './blob-service.js'
import { BlobSide, type BlobSideOptions } from './blob-side.js'
import { isBlobTarget } from './blob-targets.js'
import { Capabilities } from './capability.js'

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
