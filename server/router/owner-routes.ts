/**
 * Follows who owns the shard: at this node the local router; elsewhere a link, which is dialled again as long as the directory says so.
 * Where the directory knows nobody a link that is there stays: the owner itself knows when it has to stop, and ends the link then.
 *
 * In which order: `refresh` when the local shard has opened, and before it closes (with `local` giving null from then on).
 */
import { asError } from '../../protocol/as-error.js'
import type { Clock } from '../clock.js'
import type { Log } from '../log.js'
import type { Scheduler } from '../shard/environment.js'
import type { CallTargets } from './calls.js'
import { remoteDesk } from './calls.js'
import type { RouterSource } from './cluster-router.js'
import type { RemoteRouter } from './remote-router.js'

/** Who owns the shard, as the directory knows it. */
export type ShardOwner =
  | { readonly kind: 'self' }
  /** Where its links are taken, see link-address.ts. */
  | { readonly kind: 'node', readonly node: string, readonly address: string }

export interface OwnerRoutesOptions {
  /** What this node's own shard is reached by; null: it is not open, or not this node's. */
  readonly local: () => CallTargets | null
  /** Opens a link. Rejects when there can't be one. */
  readonly dial: (node: string, address: string) => Promise<RemoteRouter>
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
  readonly log: Log
  /** For jitter: from 0 up to, without, 1. */
  readonly random: () => number
  /** Of blobs, as every node of the cluster is configured. */
  readonly blobBytesMax: number
}

const FIRST_RETRY_MS = 50
const RETRY_MS_MAX = 1000

export class OwnerRoutes implements RouterSource {
  readonly #options: OwnerRoutesOptions
  #owner: ShardOwner | null = null
  #targets: CallTargets | null = null
  /** The node that is dialled, or that the link leads to. */
  #wanted: { readonly node: string, readonly address: string } | null = null
  #link: RemoteRouter | null = null
  /** Counts what is wanted: a dialling that began for something else is in vain. */
  #turn = 0
  #retryMs = FIRST_RETRY_MS
  /** Of the last try to reach who owns the shard; '': there was none that failed. */
  #failure = ''
  #isClosed = false
  onChange: () => void = () => {}

  constructor(options: OwnerRoutesOptions) {
    this.#options = options
  }

  get targets(): CallTargets | null {
    return this.#targets
  }

  /** Why who owns the shard is not reached; '': it is, or nobody is known. */
  get unreached(): string {
    if (this.#wanted === null || this.#targets !== null) return ''
    const { node } = this.#wanted
    return this.#failure === '' ? `${node} owns it, and is not reached yet` : `${node} owns it, and can't be reached: ${this.#failure}`
  }

  /** What the directory says now. null: it knows nobody. */
  follow(owner: ShardOwner | null): void {
    this.#owner = owner
    this.refresh()
  }

  refresh(): void {
    if (this.#isClosed) return
    const owner = this.#owner
    if (owner?.kind === 'self') {
      this.#drop()
      this.#set(this.#options.local())
    } else if (owner === null) {
      // Nobody is known: it is not dialled any more, and a link that is there stays.
      if (this.#link === null) {
        this.#drop()
        this.#set(null)
      }
    } else if (this.#wanted === null || this.#wanted.node !== owner.node || this.#wanted.address !== owner.address) {
      this.#drop()
      this.#set(null)
      this.#wanted = owner
      this.#retryMs = FIRST_RETRY_MS
      this.#dial(owner)
    }
  }

  /** Ends the link, and dials no more. */
  close(): void {
    this.#isClosed = true
    this.#drop()
    this.#set(null)
  }

  #set(targets: CallTargets | null): void {
    const isSame = targets === this.#targets || (targets !== null && targets.router === this.#targets?.router && targets.desk === this.#targets.desk)
    this.#targets = targets
    if (!isSame) this.onChange()
  }

  #drop(): void {
    this.#turn++
    this.#wanted = null
    this.#failure = ''
    const link = this.#link
    this.#link = null
    link?.close()
  }

  #dial({ node, address }: { readonly node: string, readonly address: string }): void {
    const turn = ++this.#turn
    const { dial, log, blobBytesMax } = this.#options
    dial(node, address).then((router) => {
      if (turn !== this.#turn) {
        router.close()
        return
      }
      // Lost as soon as it was there.
      if (router.link.hasEnded) {
        this.#notReached(node, address, new Error('the link ended as soon as it was there'))
        this.#again()
        return
      }
      this.#retryMs = FIRST_RETRY_MS
      this.#failure = ''
      this.#link = router
      router.onEnd = () => this.#lost(router)
      log.info({ node, address }, 'owner-reached')
      this.#set({ router, desk: router.blobs === null ? null : remoteDesk((name, args) => router.ask(name, args), blobBytesMax) })
    }, (error: unknown) => {
      if (turn !== this.#turn) return
      this.#notReached(node, address, asError(error))
      this.#again()
    }).catch((error: unknown) => log.error({ error: asError(error) }, 'owner-routes-failed'))
  }

  /** Said again where the reason is another; and not of the first tries, for a node that dies is not reached until another owns its shard. */
  #notReached(node: string, address: string, error: Error): void {
    if (this.#retryMs < RETRY_MS_MAX || error.message === this.#failure) return
    this.#failure = error.message
    this.#options.log.warn({ node, address, reason: error.message }, 'owner-not-reached')
  }

  #lost(router: RemoteRouter): void {
    if (this.#link !== router) return
    this.#link = null
    this.#set(null)
    // Nobody is known any more: the next one to be known is dialled then.
    if (this.#owner === null) this.#wanted = null
    else this.#again()
  }

  /** After a while, a random part of it, for all nodes lose their links to an owner at once. */
  #again(): void {
    const { scheduler, random } = this.#options
    const turn = ++this.#turn
    const waitMs = Math.ceil(this.#retryMs * (0.5 + random() / 2))
    this.#retryMs = Math.min(RETRY_MS_MAX, 2 * this.#retryMs)
    scheduler.after(waitMs, () => {
      if (turn === this.#turn && this.#wanted !== null) this.#dial(this.#wanted)
    })
  }
}
