/**
 * The router of a node in a cluster. It hands everything to the owner of the shard, whoever that is: to the local router, or over a link
 * (`RouterSource`; see OwnerRoutes). When the owner changes, or a link is lost, sessions keep their connections: each takes a place at
 * the next owner, sends again what was not answered, under the same client ids, and goes on behind the entries that its device was
 * sent. So nothing is lost, doubled or reordered, and people see a pause.
 *
 * In which order: give it its source, then open listeners. When the node stops owning the shard, have the source say so before the shard
 * closes. `close` last, when the connections are gone.
 *
 * A session that finds no owner within `ownerWaitMs` is ended with `storage-unavailable`, on which clients back off. Calls wait for an
 * owner as long; those that come to the same when they are made twice are asked again where an answer was lost, others are rejected as
 * `unavailable`.
 */
import { asError } from '../../protocol/as-error.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Desk } from '../blobs/blob-desk.js'
import type { Clock } from '../clock.js'
import { LinkLostError } from '../link/asked-calls.js'
import type { Log } from '../log.js'
import type { Scheduler } from '../shard/environment.js'
import { CallingRouter } from './calling-router.js'
import { type CallTargets, isRepeatable, performCall, remoteDesk } from './calls.js'
import { ClusterSession, Place, type SessionHost } from './cluster-session.js'
import type { Visitor, VisitPlace, VisitSink } from './home-router.js'
import { type Attached, type AttachRequest, type Attachment, type DeviceSink, RouterError } from './router.js'

/** Where the shard is reached at present. */
export interface RouterSource {
  /** null: nobody is known to own it, or it can't be reached. */
  readonly targets: CallTargets | null
  /** Called, in the turn in which it happens or a later one, when `targets` has changed. */
  onChange: () => void
}

export interface ClusterRouterOptions {
  readonly source: RouterSource
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
  readonly log: Log
  /** How long sessions and calls wait for an owner. */
  readonly ownerWaitMs: number
  /** As every node of the cluster is configured: whether blobs are kept, and of how many bytes. */
  readonly hasBlobs: boolean
  readonly blobBytesMax: number
}

/** Sessions that are attached again at once; the others wait their turn, so that the first ones go on soon. */
const RESUMES_AT_ONCE = 256
/** Before what failed for want of an owner is tried again. */
const RETRY_MS = 100
/** Before sessions that go on watch again: whom they watch have to find their places, too. */
const WATCH_AGAIN_MS = 2000
/** How often to look for who has waited too long. */
const SWEEP_MS = 250

interface Waiter {
  readonly untilMs: number
  readonly resume: () => void
}

export class ClusterRouter extends CallingRouter implements SessionHost {
  readonly #options: ClusterRouterOptions
  readonly #sessions = new Set<ClusterSession>()
  /** Those without a place, by when they lost it; and of them those to be attached next. */
  readonly #lost = new Set<ClusterSession>()
  #due: ClusterSession[] = []
  #resuming = 0
  #isPumping = false
  #isSweeping = false
  #isClosed = false
  /** Those that take their first place, and where. */
  readonly #attaching = new Map<DeviceSink, Place>()
  /** Calls, and sessions that open, that wait for an owner. */
  #waiters: Waiter[] = []
  #onRoom: (() => void)[] = []
  #toCatchUp: ClusterSession[] = []
  #toWatch: ClusterSession[] = []
  /** What sessions ask about blobs. */
  readonly desk: Desk | null
  /** Sessions that went on at another place, and those that ended because there was none, for metrics. */
  resumed = 0
  abandoned = 0

  constructor(options: ClusterRouterOptions) {
    super(options.hasBlobs)
    this.#options = options
    this.desk = options.hasBlobs ? remoteDesk((name, args) => this.ask(name, args), options.blobBytesMax) : null
    options.source.onChange = () => this.#changed()
  }

  /** Sessions of this node, and those of them that wait for a place. */
  get sessions(): number {
    return this.#sessions.size
  }

  get waitingSessions(): number {
    return this.#lost.size
  }

  get hasOwner(): boolean {
    return this.#options.source.targets !== null
  }

  get isReachable(): boolean {
    return this.hasOwner
  }

  /** It lasts as long as the owner and the link do. */
  visit(visitor: Visitor, sink: VisitSink): VisitPlace {
    const { targets } = this.#options.source
    if (targets === null) throw unavailable()
    return targets.router.visit(visitor, sink)
  }

  /** Ends every session that is left, and lets nobody wait any more. */
  close(): void {
    this.#isClosed = true
    for (const session of [...this.#sessions]) session.end(ERROR.storageUnavailable)
    this.#wake()
  }

  // Sessions

  async attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    const session = new ClusterSession(this, request, sink)
    const { place, attached } = await this.#insist(true, async (targets) => {
      if (sink.isGone === true) throw new RouterError(ERROR.replaced, 'the connection has ended')
      const place = new Place(session, targets.router)
      this.#attaching.set(sink, place)
      const attached = await targets.router.attach(request, place)
      // Its owner went in the same moment.
      if (place.hasEnded && !session.isOver) throw new LinkLostError(true)
      return { place, attached }
    }).finally(() => this.#attaching.delete(sink))
    if (session.isOver) return { ...attached, attachment: session }
    this.#sessions.add(session)
    session.begin(place, attached)
    if (place.router !== this.#options.source.targets?.router) session.lose()
    return { ...attached, attachment: session }
  }

  abandon(sink: DeviceSink): void {
    const place = this.#attaching.get(sink)
    place?.router.abandon(place)
  }

  start(attachment: Attachment): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.start()
  }

  detach(attachment: Attachment): void {
    sessionOf(attachment).leave()
  }

  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.message(clientId, to, text, extensions)
  }

  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.mark(clientId, conversation, mark, seq)
  }

  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.operate(clientId, conversation, target, kind, text)
  }

  cursor(attachment: Attachment, index: number): boolean {
    const session = sessionOf(attachment)
    return session.isOver || session.cursor(index)
  }

  activity(attachment: Attachment, activity: number): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.activity(activity)
  }

  watch(attachment: Attachment, users: readonly string[]): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.watch(users)
  }

  unwatch(attachment: Attachment, users: readonly string[]): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.unwatch(users)
  }

  typing(attachment: Attachment, conversation: string, kind: number): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.typing(conversation, kind)
  }

  get isCrowded(): boolean {
    return this.#options.source.targets?.router.isCrowded ?? true
  }

  whenRoom(task: () => void): void {
    const { source, scheduler } = this.#options
    if (source.targets !== null) source.targets.router.whenRoom(task)
    else if (this.#isClosed) scheduler.defer(task)
    else this.#onRoom.push(task)
  }

  // Where sessions are

  /** @internal */
  lost(session: ClusterSession): void {
    session.lostMs = this.#options.clock.monotonicMs()
    this.#lost.add(session)
    this.#due.push(session)
    this.#pumpLater()
    this.#sweepLater()
  }

  /** @internal */
  over(session: ClusterSession): void {
    this.#sessions.delete(session)
    this.#lost.delete(session)
  }

  /** @internal */
  catchUpLater(session: ClusterSession): void {
    this.#toCatchUp.push(session)
    if (this.#toCatchUp.length > 1) return
    this.#options.scheduler.defer(() => {
      const sessions = this.#toCatchUp
      this.#toCatchUp = []
      for (const session of sessions) session.catchUp()
    })
  }

  /** @internal */
  watchLater(session: ClusterSession): void {
    this.#toWatch.push(session)
    if (this.#toWatch.length > 1) return
    this.#options.scheduler.after(WATCH_AGAIN_MS, () => {
      const sessions = this.#toWatch
      this.#toWatch = []
      for (const session of sessions) session.watchAgain()
    })
  }

  #changed(): void {
    const { targets } = this.#options.source
    for (const session of [...this.#sessions]) if (session.place !== null && session.place.router !== targets?.router) session.lose()
    if (targets !== null) this.#wake()
    this.#pumpLater()
  }

  /** There is an owner, or there will be none. */
  #wake(): void {
    const waiters = this.#waiters
    this.#waiters = []
    for (const { resume } of waiters) resume()
    const tasks = this.#onRoom
    this.#onRoom = []
    if (tasks.length > 0) this.#options.scheduler.defer(() => { for (const task of tasks) task() })
  }

  /** In a later turn: sessions are lost within calls of the shard. */
  #pumpLater(): void {
    if (this.#isPumping || this.#due.length === 0) return
    this.#isPumping = true
    this.#options.scheduler.defer(() => {
      this.#isPumping = false
      const { targets } = this.#options.source
      if (targets === null) return
      const count = Math.max(0, RESUMES_AT_ONCE - this.#resuming)
      const due = this.#due.slice(0, count)
      this.#due = this.#due.slice(count)
      for (const session of due) this.#resume(session, targets)
    })
  }

  #resume(session: ClusterSession, { router }: CallTargets): void {
    if (session.isOver || !this.#lost.has(session)) return
    this.#resuming++
    const place = new Place(session, router)
    router.attach(session.resumption(), place).then((attached) => {
      if (session.isOver || place.hasEnded) {
        if (!place.hasEnded) router.detach(attached.attachment)
        if (!session.isOver) this.#resumeLater(session)
      } else if (router !== this.#options.source.targets?.router) {
        router.detach(attached.attachment)
        this.#resumeLater(session)
      } else if (session.resume(place, attached)) {
        this.#lost.delete(session)
        this.resumed++
      } else {
        router.detach(attached.attachment)
        session.end(ERROR.storageUnavailable)
      }
    }, (error: unknown) => {
      // Who can say which of two sessions is the later one? Its client may, by coming again. Told that it was replaced it would not.
      if (error instanceof RouterError && error.code === ERROR.replaced) session.end(ERROR.storageUnavailable)
      else if (!isPassing(error) && error instanceof RouterError && error.code < 300) session.end(error.code)
      else this.#resumeLater(session)
    }).finally(() => {
      this.#resuming--
      this.#pumpLater()
    }).catch((error: unknown) => this.#options.log.error({ error: asError(error) }, 'resume-failed'))
  }

  #resumeLater(session: ClusterSession): void {
    if (session.isOver) return
    this.#options.scheduler.after(RETRY_MS, () => {
      if (session.isOver || !this.#lost.has(session)) return
      this.#due.push(session)
      this.#pumpLater()
    })
  }

  #sweepLater(): void {
    if (this.#isSweeping || (this.#lost.size === 0 && this.#waiters.length === 0)) return
    this.#isSweeping = true
    this.#options.scheduler.after(SWEEP_MS, () => {
      this.#isSweeping = false
      this.#sweep()
      this.#sweepLater()
    })
  }

  #sweep(): void {
    const { clock, ownerWaitMs, log } = this.#options
    const nowMs = clock.monotonicMs()
    let ended = 0
    for (const session of this.#lost) {
      if (nowMs - session.lostMs < ownerWaitMs) break
      session.end(ERROR.storageUnavailable)
      ended++
    }
    this.abandoned += ended
    if (ended > 0) log.warn({ sessions: ended }, 'sessions-without-owner')
    const over = this.#waiters.filter(({ untilMs }) => untilMs <= nowMs)
    this.#waiters = this.#waiters.filter(({ untilMs }) => untilMs > nowMs)
    for (const { resume } of over) resume()
  }

  // Calls

  ask(name: string, args: readonly unknown[]): Promise<unknown> {
    return this.#insist(isRepeatable(name), (targets) => {
      const asked = performCall(targets, name, args)
      if (asked === null) throw new RouterError(ERROR.unavailable, `there is no call ${name} at the node in charge`)
      return asked
    })
  }

  /** Asks the owner, once there is one; and the next one, where the answer was lost and it does no harm. */
  async #insist<T>(isRepeatable: boolean, ask: (targets: CallTargets) => Promise<T>): Promise<T> {
    const { source, clock, ownerWaitMs, scheduler } = this.#options
    const untilMs = clock.monotonicMs() + ownerWaitMs
    for (;;) {
      if (this.#isClosed) throw unavailable()
      const { targets } = source
      if (targets === null) {
        if (clock.monotonicMs() >= untilMs) throw unavailable()
        await this.#owner(untilMs)
        continue
      }
      try {
        return await ask(targets)
      } catch (error) {
        const mayAgain = isRepeatable || (error instanceof LinkLostError && !error.wasSent)
        if (!mayAgain || !isPassing(error) || clock.monotonicMs() + RETRY_MS >= untilMs) throw error
        await new Promise<void>((resolve) => { scheduler.after(RETRY_MS, resolve) })
      }
    }
  }

  #owner(untilMs: number): Promise<void> {
    return new Promise((resume) => {
      this.#waiters.push({ untilMs, resume })
      this.#sweepLater()
    })
  }
}

/** It may be over when there is another owner, or another link to this one. */
function isPassing(error: unknown): boolean {
  if (error instanceof LinkLostError) return true
  return error instanceof RouterError && error.code === ERROR.storageUnavailable
}

function unavailable(): RouterError {
  return new RouterError(ERROR.storageUnavailable, 'no node is in charge at present', { retryAfterMs: 1000 })
}

function sessionOf(attachment: Attachment): ClusterSession {
  if (!(attachment instanceof ClusterSession)) throw new TypeError('not an attachment of this router')
  return attachment
}
