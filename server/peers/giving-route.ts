/** The way to another shard: a link that is dialled again when it has ended, for as long as it is wanted. */
import { asError } from '../../protocol/as-error.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { closeName, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import type { GivingLink } from './giving-link.js'

const RETRY_MS_FIRST = 50
const RETRY_MS_MAX = 1000
/** A link that lasts so long makes up for those that could not be opened before. */
const STABLE_MS = 5000

export interface GivingRouteOptions {
  readonly shard: number
  /** Opens a link. Rejects with LinkError. */
  readonly open: () => Promise<GivingLink>
  readonly environment: LinkEnvironment
  /** For jitter: from 0 up to, without, 1. */
  readonly random: () => number
}

export class GivingRoute {
  readonly #options: GivingRouteOptions
  #link: GivingLink | null = null
  #openedMs = 0
  #retryMs = RETRY_MS_FIRST
  /** Counts what is wanted: a dialling, or a wait, that began before is in vain. */
  #turn = 0
  #isWanted = false
  #isDialling = false
  /** Why the other one took nothing the last time, where only an operator can mend that. */
  #refusal: LinkClose | null = null
  /** It is in the log already. */
  #wasTold = false

  constructor(options: GivingRouteOptions) {
    this.#options = options
  }

  /** null: there is none at present. */
  get link(): GivingLink | null {
    return this.#link
  }

  /** Whether the other one runs an earlier version, which can't read what this one gives. */
  get isOutdated(): boolean {
    return this.#isWanted && this.#link?.isGreeted !== true && this.#refusal === LINK_CLOSE.unsupportedVersion
  }

  start(): void {
    if (this.#isWanted) return
    this.#isWanted = true
    this.#retryMs = RETRY_MS_FIRST
    this.#dial()
  }

  stop(): void {
    this.#isWanted = false
    this.#isDialling = false
    this.#turn++
    this.#link?.link.close(LINK_CLOSE.closed)
    this.#link = null
  }

  /** The other process is there, as one can tell: it is not waited any longer. */
  wake(): void {
    if (this.#isWanted && this.#link === null && !this.#isDialling) this.#dial()
  }

  /** The shard is, or may be, in another process than before: one that does not have it is left. */
  moved(isAt: (node: string) => boolean): void {
    // Of who has it now nothing is known yet.
    this.#refusal = null
    if (this.#link !== null && !isAt(this.#link.node)) this.#link.link.close(LINK_CLOSE.notOwner)
    this.wake()
  }

  #dial(): void {
    const turn = ++this.#turn
    const { open, environment: { log }, shard } = this.#options
    this.#isDialling = true
    open().then((link) => {
      if (turn !== this.#turn) {
        link.link.close(LINK_CLOSE.closed)
        return
      }
      this.#isDialling = false
      if (link.link.hasEnded) this.#again()
      else this.#opened(link)
    }, (error: unknown) => {
      if (turn !== this.#turn) return
      this.#isDialling = false
      if (error instanceof LinkError) this.#refused(error.reason)
      log.debug({ shard, error: asError(error) }, 'shard-not-reached')
      this.#again()
    }).catch((error: unknown) => { log.error({ shard, error: asError(error) }, 'shard-route-failed') })
  }

  #opened(link: GivingLink): void {
    const { environment: { clock, log }, shard } = this.#options
    this.#link = link
    this.#openedMs = clock.monotonicMs()
    link.onEnd = (reason) => {
      if (this.#link !== link) return
      this.#link = null
      if (clock.monotonicMs() - this.#openedMs >= STABLE_MS) this.#retryMs = RETRY_MS_FIRST
      if (link.isGreeted) {
        this.#refusal = null
        this.#wasTold = false
      }
      log.info({ shard, reason: closeName(reason) }, 'shard-lost')
      this.#refused(reason)
      this.#again()
    }
    log.info({ shard }, 'shard-reached')
  }

  #refused(reason: LinkClose): void {
    if (reason !== LINK_CLOSE.otherShards && reason !== LINK_CLOSE.unsupportedVersion) return
    this.#refusal = reason
    if (this.#wasTold) return
    this.#wasTold = true
    const { environment: { log }, shard } = this.#options
    log.error({ shard, reason: closeName(reason) }, 'a shard can\'t be given to: the two are not of the same federation, or not of the same version')
  }

  /** After a while, a random part of it: many lose their links to a process at once. */
  #again(): void {
    const { environment: { scheduler }, random } = this.#options
    const turn = ++this.#turn
    const waitMs = Math.ceil(this.#retryMs * (0.5 + random() / 2))
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs)
    scheduler.after(waitMs, () => { if (turn === this.#turn && this.#isWanted) this.#dial() })
  }
}
