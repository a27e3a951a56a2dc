/**
 * Blobs in a process of their own: started when somebody needs it, and again when it has ended. The bytes of uploads and downloads never
 * pass through the event loop that carries messages, but for those of TLS, which it unwraps.
 */
import { asError } from '../../../protocol/as-error.js'
import { setTimeout as sleep } from 'node:timers/promises'
import { ERROR } from '../../../protocol/generated/registry.js'
import type { Clock } from '../../clock.js'
import type { Config } from '../../config/settings.js'
import type { TakenConnection } from '../../listeners/connection-taker.js'
import type { Log } from '../../log.js'
import type { Counters } from '../../metrics/metrics.js'
import { RepeatedLines } from '../../repeated-lines.js'
import { RouterError } from '../../router/router.js'
import { BlobDesk } from '../blob-desk.js'
import type { Blob, BlobCommands, Upload } from '../blob-router.js'
import { BlobServer } from '../blob-server.js'
import { type BlobService, sweepStaged } from '../blob-service.js'
import { type BlobStorage, stagedIds } from '../blob-storage.js'
import { isBlobTarget } from '../blob-targets.js'
import { Capabilities } from '../capability.js'
import { Unavailable } from '../unavailable.js'
import { BlobChild, BlobProcessEnded } from './blob-child.js'
import { SocketPairs } from './socket-pairs.js'

export interface BlobProcessOptions {
  readonly config: Config
  readonly clock: Clock
  readonly log: Log
  readonly counters: Counters
  readonly key: Uint8Array
  readonly storage: BlobStorage
  readonly commands: BlobCommands
  /** The compiled program of the process, for tests. */
  readonly program?: string
}

/** One that has ended by itself is not followed by the next before this. */
const RESTART_MS = 1000
/** Beyond the grace of downloads: what a disk or a bucket may need to take the last bytes in. */
const CLOSE_MS = 20_000

export class BlobProcess implements BlobService {
  readonly desk: BlobDesk
  readonly #options: BlobProcessOptions
  readonly #lines: RepeatedLines
  readonly #pairs = new SocketPairs()
  #child: BlobChild | null = null
  #starting: Promise<BlobChild> | null = null
  #noStartBeforeMs = 0
  /** Connections go one behind another. */
  #lastGiven: Promise<void> = Promise.resolve()
  /** For connections that no process can be had for, once there was one. */
  #refusing: BlobServer | null = null
  #isClosing = false
  #closed: Promise<void> | null = null

  constructor(options: BlobProcessOptions) {
    const { config, clock, commands, counters, key, storage } = options
    this.#options = options
    this.#lines = new RepeatedLines(options.log, () => clock.monotonicMs())
    this.desk = new BlobDesk({ capabilities: new Capabilities(key), commands, uploads: this, config: config.blobs, clock, counters })
    storage.eraser.onForgotten = (objects) => { this.#child?.forgotten(objects) }
    storage.eraser.eraseElsewhere = (uploadId) => this.#eraseStaged(uploadId)
  }

  /** Of the process; undefined: there is none now. For operators and tests. */
  get pid(): number | undefined { return this.#child?.pid }

  takes(target: string): boolean {
    return isBlobTarget(target)
  }

  take(connection: TakenConnection): void {
    // Who comes while it starts shares the outcome: one start after another would let the last wait for all of them.
    const running = this.#running()
    running.catch(() => { /* told below */ })
    this.#lastGiven = this.#lastGiven.then(() => this.#give(connection, running))
  }

  async whatBecame(user: string, uploadId: string): Promise<{ readonly blob: Blob } | { readonly upload: Upload, readonly offset: number }> {
    try {
      return await (await this.#running()).call('whatBecame', user, uploadId)
    } catch (error) {
      throw error instanceof BlobProcessEnded ? unavailable(error) : error
    }
  }

  close(graceMs: number): Promise<void> {
    return this.#closed ??= this.#close(graceMs)
  }

  /** Never rejects. */
  async #give(connection: TakenConnection, running: Promise<BlobChild>): Promise<void> {
    try {
      const started = await running
      const child = started.isEnded ? await this.#running() : started
      if (connection.socket.destroyed) connection.left()
      else await child.give(connection)
    } catch (error) {
      // That there is no process was logged; the client comes again.
      if (!(error instanceof RouterError || error instanceof BlobProcessEnded)) this.#options.log.warn({ error: asError(error) }, 'blob-connection-refused')
      this.#refuse(connection)
    }
  }

  /** What it asks for is answered here, with a word on when to come back. */
  #refuse({ socket, head, address, left }: TakenConnection): void {
    this.#refusing ??= new BlobServer(new Unavailable(2 * RESTART_MS / 1000), this.#options.config)
    this.#refusing.accept({ socket, head, address, closed: left, leftOver: () => { /* there is nothing behind the last answer */ } })
  }

  async #eraseStaged(uploadId: string): Promise<boolean> {
    if (this.#child === null || this.#child.isEnded) return false
    await this.#child.call('eraseStaged', uploadId)
    return true
  }

  async #running(): Promise<BlobChild> {
    if (this.#isClosing) throw unavailable()
    // A child that is there need not be ready.
    if (this.#starting !== null) return this.#starting
    if (this.#child !== null && !this.#child.isEnded) return this.#child
    return this.#starting = this.#start().finally(() => { this.#starting = null })
  }

  async #start(): Promise<BlobChild> {
    const { log, storage, commands } = this.#options
    const waitMs = this.#noStartBeforeMs - performance.now()
    if (waitMs > 0) await sleep(waitMs)
    try {
      const left = await stagedIds(storage.staging)
      if (this.#isClosing) throw unavailable()
      const { config, counters, key, program } = this.#options
      const child = new BlobChild({ config, key, commands, room: storage.room, counters, log, pairs: this.#pairs, program })
      this.#child = child
      await child.ready
      log.debug({ process: child.pid }, 'blob-process-started')
      void this.#watch(child)
      void sweepStaged(left, storage, commands, log, () => this.#isClosing)
      return child
    } catch (error) {
      this.#noStartBeforeMs = performance.now() + RESTART_MS
      this.#child?.kill()
      // One that is on its way out would be taken for one that is there.
      await this.#child?.ended
      if (!this.#isClosing) this.#lines.error({ error: asError(error) }, 'blob-process-not-started')
      throw unavailable(error)
    }
  }

  async #watch(child: BlobChild): Promise<void> {
    await child.ended
    if (this.#isClosing) return
    this.#noStartBeforeMs = performance.now() + RESTART_MS
    this.#options.log.error({ process: child.pid, reason: child.lastWords }, 'blob-process-ended')
  }

  async #close(graceMs: number): Promise<void> {
    this.#isClosing = true
    // One that is not ready yet has nothing to finish, and may never be.
    if (this.#starting !== null) this.#child?.kill()
    await this.#starting?.catch(() => undefined)
    const child = this.#child
    if (child !== null && !child.isEnded) {
      const timer = setTimeout(() => child.kill(), graceMs + CLOSE_MS)
      await child.call('close', graceMs).catch((error: unknown) => {
        this.#options.log.warn({ error: asError(error) }, 'blob-process-not-closed')
      })
      child.disconnect()
      await child.ended
      clearTimeout(timer)
    }
    await this.#lastGiven
    await this.#refusing?.close(0)
    this.#pairs.close()
    await this.#options.storage.store.close()
  }
}

function unavailable(cause?: unknown): RouterError {
  return new RouterError(ERROR.unavailable, 'uploads and downloads are not possible at present', { retryAfterMs: 2 * RESTART_MS, cause })
}
