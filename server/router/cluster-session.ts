/**
 * A session of this node whose shard may have another owner at any time. All that its next place needs is kept here: epochs, cursor,
 * what the device was sent, the stanzas without an answer, whom it watches. A place is what it has at one owner over one link; when that
 * is lost the session waits for the next one, and its client hears nothing of it.
 *
 *     attach ─▶ PLACED ──lost──▶ LOST ──resume──▶ PLACED …        ended by the shard, or lost for too long: over
 */
import { normalizeUser } from '../../protocol/address.js'
import { ACTIVITY, ERROR, type ErrorCode, FRAME, RESUME } from '../../protocol/generated/registry.js'
import { Reader } from '../../protocol/reader.js'
import type { Attached, AttachRequest, Attachment, DeviceSink, Router } from './router.js'
import { Unanswered } from './unanswered.js'

/** What a session asks of the router that it belongs to. */
export interface SessionHost {
  /** It has no place any more, and wants another one. */
  lost(session: ClusterSession): void
  /** It is over, whoever ended it. */
  over(session: ClusterSession): void
  /** Has `catchUp` called in a later turn. */
  catchUpLater(session: ClusterSession): void
  /** Has `watchAgain` called when most sessions have found their places: until then everybody would seem to have gone. */
  watchLater(session: ClusterSession): void
}

const NO_WATCHES: ReadonlySet<string> = new Set()
const lengthReader = new Reader()

export class ClusterSession implements Attachment {
  readonly host: SessionHost
  readonly request: AttachRequest
  readonly sink: DeviceSink
  readonly #unanswered = new Unanswered()
  place: Place | null = null
  /** When it lost its last place, in monotonic milliseconds; see ClusterRouter. */
  lostMs = 0
  isOver = false
  #isStarted = false
  #queueEpoch = 0
  #outboxEpoch = 0
  #window = 0
  #stamp = 0
  /** Index up to which the device has acknowledged, and up to which it was sent entries. */
  #acknowledged = 0
  #sentTo = 0
  #isDone = false
  #isInactive = false
  /** Normal names of those it watches. */
  #watched: ReadonlySet<string> = NO_WATCHES

  constructor(host: SessionHost, request: AttachRequest, sink: DeviceSink) {
    this.host = host
    this.request = request
    this.sink = sink
  }

  get outboxEpoch(): number {
    return this.#outboxEpoch
  }

  /** The device's first place. */
  begin(place: Place, attached: Attached): void {
    this.#queueEpoch = attached.queueEpoch
    this.#outboxEpoch = attached.outboxEpoch
    this.#window = attached.window
    this.#acknowledged = attached.cursor
    this.#sentTo = attached.cursor
    this.#take(place, attached)
  }

  /** What to ask for so that the session goes on. */
  resumption(): AttachRequest {
    return {
      ...this.request,
      queueEpoch: this.#queueEpoch, cursor: this.#acknowledged, outboxEpoch: this.#outboxEpoch, window: this.#window, resumes: this.#stamp,
    }
  }

  /**
   * Goes on at another place: the router's first, then everything without an answer is sent again, in order. false: the owner knows the
   * queue or the outbox under other epochs, or not so far back; then the session can't go on.
   */
  resume(place: Place, attached: Attached): boolean {
    if (attached.queueEpoch !== this.#queueEpoch || attached.outboxEpoch !== this.#outboxEpoch || attached.resume !== RESUME.resumed) return false
    this.#take(place, attached)
    if (this.#isStarted) this.#open(place)
    return true
  }

  #take(place: Place, attached: Attached): void {
    this.#stamp = attached.stamp
    place.attachment = attached.attachment
    place.position = attached.cursor
    place.acknowledged = attached.cursor
    this.place = place
  }

  start(): void {
    this.#isStarted = true
    if (this.place !== null) this.#open(this.place)
  }

  #open(place: Place): void {
    const { router, attachment } = place
    if (attachment === null) return
    router.start(attachment)
    if (this.#isInactive) router.activity(attachment, ACTIVITY.inactive)
    if (this.#watched.size > 0) this.host.watchLater(this)
    this.#unanswered.sendTo(router, attachment)
    this.host.catchUpLater(this)
  }

  watchAgain(): void {
    const { place } = this
    if (place !== null && place.attachment !== null && this.#watched.size > 0) place.router.watch(place.attachment, [...this.#watched])
  }

  /** The place is no more, or not the one of the present owner. */
  lose(): void {
    const { place } = this
    if (place === null || this.isOver) return
    this.place = null
    place.giveUp()
    this.host.lost(this)
  }

  /** It ends from this side, without a word. */
  leave(): void {
    if (this.isOver) return
    this.isOver = true
    this.place?.giveUp()
    this.place = null
    this.host.over(this)
  }

  end(error: ErrorCode): void {
    if (this.isOver) return
    this.leave()
    this.sink.ended(error)
  }

  // From the device

  message(clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    this.#unanswered.message(clientId, to, text, extensions)
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.message(place.attachment, clientId, to, text, extensions)
  }

  mark(clientId: number, conversation: string, mark: number, seq: number): void {
    this.#unanswered.mark(clientId, conversation, mark, seq)
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.mark(place.attachment, clientId, conversation, mark, seq)
  }

  operate(clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    this.#unanswered.operate(clientId, conversation, target, kind, text)
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.operate(place.attachment, clientId, conversation, target, kind, text)
  }

  /** false: the index was never sent to the device or runs backwards. [QUE-5] */
  cursor(index: number): boolean {
    if (index < this.#acknowledged || index > this.#sentTo) return false
    this.#acknowledged = index
    this.catchUp()
    return true
  }

  /** Tells the owner of what the device has acknowledged, as far as it has sent it itself. */
  catchUp(): void {
    const { place } = this
    if (place === null || place.attachment === null) return
    const index = Math.min(this.#acknowledged, place.position)
    if (index <= place.acknowledged) return
    place.acknowledged = index
    place.router.cursor(place.attachment, index)
  }

  activity(activity: number): void {
    if (activity === ACTIVITY.active || activity === ACTIVITY.inactive) this.#isInactive = activity === ACTIVITY.inactive
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.activity(place.attachment, activity)
  }

  watch(users: readonly string[]): void {
    const watched = new Set(this.#watched)
    for (const user of users) {
      const name = normalizeUser(user)
      if (name !== null) watched.add(name)
    }
    this.#watched = watched
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.watch(place.attachment, users)
  }

  unwatch(users: readonly string[]): void {
    this.#forget(users.length === 0 ? [...this.#watched] : users)
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.unwatch(place.attachment, users)
  }

  #forget(users: readonly string[]): void {
    if (this.#watched.size === 0) return
    const watched = new Set(this.#watched)
    for (const user of users) watched.delete(normalizeUser(user) ?? user)
    this.#watched = watched
  }

  typing(conversation: string, kind: number): void {
    const { place } = this
    if (place !== null && place.attachment !== null) place.router.typing(place.attachment, conversation, kind)
  }

  // From its place

  acked(clientId: number, seq: number, timeMs: number, expiresMs: number | undefined): void {
    if (this.#unanswered.answered(clientId)) this.sink.acked(clientId, seq, timeMs, expiresMs)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    if (this.#unanswered.answered(clientId)) this.sink.refused(clientId, error, retryAfterMs)
  }

  /** What the device was sent over an earlier place is left out: it has it, or will say that it has not by its cursor. */
  entries(frames: Uint8Array, last: number, count: number): void {
    if (this.place !== null && this.place.acknowledged < this.#acknowledged) this.host.catchUpLater(this)
    const sentTo = this.#sentTo
    if (last <= sentTo) return
    this.#sentTo = last
    const known = sentTo - (last - count)
    // A skip stands alone and covers what it likes.
    if (known <= 0 || count === 1) this.sink.entries(frames, last, count)
    else this.sink.entries(behindFrames(frames, known), last, count - known)
  }

  done(index: number): void {
    if (this.#isDone) return
    this.#isDone = true
    this.sink.done(index)
  }

  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    if (frame === FRAME.watch) this.#forget(names)
    this.sink.declined(frame, names, error, retryAfterMs)
  }

  /** The owner has ended the place: with the session, or because it can't keep it. */
  endedAt(place: Place, error: ErrorCode): void {
    // Not attached yet: whoever attaches hears of it.
    if (this.place !== place) {
      if (error !== ERROR.storageUnavailable) this.end(error)
      return
    }
    if (error === ERROR.storageUnavailable) this.lose()
    else this.end(error)
  }
}

/** What a session has at one owner. Once it is given up nothing of it counts any more. */
export class Place implements DeviceSink {
  readonly session: ClusterSession
  readonly router: Router
  attachment: Attachment | null = null
  /** Index of the last entry that came by this place, and of the last one acknowledged to it. */
  position = 0
  acknowledged = 0
  /** It was given up from this side. */
  isOver = false
  /** The owner has ended it. */
  hasEnded = false

  constructor(session: ClusterSession, router: Router) {
    this.session = session
    this.router = router
  }

  get isGone(): boolean {
    return this.isOver || this.session.isOver || this.session.sink.isGone === true
  }

  giveUp(): void {
    if (this.isOver) return
    this.isOver = true
    if (!this.hasEnded && this.attachment !== null) this.router.detach(this.attachment)
  }

  acked(clientId: number, seq: number, timeMs: number, expiresMs?: number): void {
    if (!this.isOver) this.session.acked(clientId, seq, timeMs, expiresMs)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    if (!this.isOver) this.session.refused(clientId, error, retryAfterMs)
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    if (this.isOver) return
    this.position = last
    this.session.entries(frames, last, count)
  }

  done(index: number): void {
    if (!this.isOver) this.session.done(index)
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    return this.isOver || this.session.sink.presence(user, state, lastSeenMs)
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void {
    if (!this.isOver) this.session.sink.typing(conversation, from, kind, expiresMs)
  }

  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    if (!this.isOver) this.session.declined(frame, names, error, retryAfterMs)
  }

  ended(error: ErrorCode): void {
    if (this.isOver || this.hasEnded) return
    this.hasEnded = true
    this.session.endedAt(this, error)
  }
}

/** Without the first `count` of these frames, each with its length. */
function behindFrames(frames: Uint8Array, count: number): Uint8Array {
  lengthReader.reset(frames, 0, frames.length)
  for (let left = count; left > 0; left--) {
    const length = lengthReader.uint()
    lengthReader.position += length
  }
  return frames.subarray(lengthReader.position)
}
