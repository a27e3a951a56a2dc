/** The parts of the HTTP side, put together: what becomes of connections and bytes, and how it ends. */
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import type { Log } from '../log.js'
import type { Counters } from '../metrics/metrics.js'
import type { ServerSecret } from '../session/server-secret.js'
import { Churn } from '../process/young-objects.js'
import { BlobHttp } from './blob-http.js'
import type { BlobCommands } from './blob-router.js'
import { BlobServer } from './blob-server.js'
import type { BlobStorage } from './blob-storage.js'
import { Capabilities } from './capability.js'
import { Downloads } from './downloads.js'
import { Finisher } from './finish.js'
import { KnownBlobs } from './known-blobs.js'
import { PREVIEW_DEFAULTS, PreviewPool } from './media/preview-pool.js'
import type { Previews } from './media/previews.js'
import { PlainPieces } from './plain-pieces.js'
import { RequestSlots } from './request-slots.js'
import { Tus } from './tus.js'
import { UploadLocks } from './upload-locks.js'
import { Uploads } from './uploads.js'

export interface BlobSideOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
  readonly secret: ServerSecret
  readonly storage: BlobStorage
  readonly commands: BlobCommands
  /** For tests; otherwise processes of our own. */
  readonly previews?: Previews
}

/** How long the holder of an upload may take to end: a disk that syncs, or a picture that is looked at. */
const LOCK_WAIT_MS = 15_000

export class BlobSide {
  readonly server: BlobServer
  readonly uploads: Uploads
  readonly #finisher: Finisher
  readonly #previews: Previews
  readonly #pieces: PlainPieces
  readonly #known: KnownBlobs
  readonly #storage: BlobStorage
  #closed: Promise<void> | null = null

  constructor({ config, clock, log, counters, secret, storage, commands, previews }: BlobSideOptions) {
    const { store, staging, room } = storage
    const { blobs, cluster, data, listen } = config
    const capabilities = new Capabilities(secret.key)
    const locks = new UploadLocks(LOCK_WAIT_MS)
    const churn = new Churn()
    this.#known = new KnownBlobs(commands, cluster.redis.length === 0 && data.shards === 1)
    this.#storage = storage
    this.#pieces = new PlainPieces({ store, churn, bytesMax: blobs.memoryBytes })
    this.#previews = previews ?? previewPool(blobs, log)
    this.#finisher = new Finisher({ commands, staging, store, previews: this.#previews, types: blobs.types, log, counters, churn, known: this.#known })
    const uploads = new Uploads({ commands, staging, finisher: this.#finisher, locks, room, config: blobs, counters, churn })
    const downloads = new Downloads({
      capabilities, known: this.#known, pieces: this.#pieces, clock, counters, idleMs: blobs.downloadIdleMs, resourcePolicy: listen.origins.length === 0 ? 'same-site' : 'cross-origin',
    })
    const tus = new Tus({ uploads, locks, sizeMax: blobs.sizeMax, uploadAgeMs: blobs.uploadAgeMs })
    const slots = new RequestSlots(config, counters)
    this.server = new BlobServer(new BlobHttp({ capabilities, uploads, downloads, tus, locks, slots, config, clock, log, counters }), config)
    this.uploads = uploads
  }

  /** Blobs with these objects are no more: nothing of them stays in memory. */
  forgotten(objects: readonly string[]): void {
    const all = new Set(objects)
    this.#known.forgotten(all)
    this.#pieces.forgotten(all)
  }

  /** Ends uploads at once and downloads after `graceMs`, and closes the store. A second call waits for the first. */
  close(graceMs: number): Promise<void> {
    return this.#closed ??= this.#close(graceMs)
  }

  async #close(graceMs: number): Promise<void> {
    await this.server.close(graceMs)
    await this.#finisher.close()
    await this.#previews.close()
    this.#pieces.close()
    await this.#storage.store.close()
  }
}

function previewPool(blobs: Config['blobs'], log: Log): PreviewPool {
  return new PreviewPool({
    processesMax: blobs.previewProcesses === 0 ? PREVIEW_DEFAULTS.processesMax : blobs.previewProcesses,
    waitingMax: blobs.previewWaitingMax,
    inputBytesMax: blobs.sizeMax,
    pixelsMax: blobs.previewPixelsMax,
    timeoutMs: blobs.previewTimeoutMs,
    memoryBytesMax: blobs.previewMemoryBytes,
    log,
  })
}
