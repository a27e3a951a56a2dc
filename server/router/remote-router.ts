/**
 * The router of a node without the shard: everything goes over one link to the node that owns it. It lives as long as the link. When
 * that ends every session is told `storage-unavailable`, every call is rejected with LinkLostError, and all that comes later, too.
 * Whoever wants sessions to outlive links uses a ClusterRouter, which has a RemoteRouter for each.
 */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { AskedCalls, LinkLostError } from '../link/asked-calls.js'
import { decodeValue, encodeValue } from '../link/call-codec.js'
import type { LinkIdentity } from '../link/handshake.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import {
  appendAttach, appendMark, appendMessage, appendNames, appendNumber, appendOperate, appendSession, appendTyping, appendVisit, LINK, LINK_CLOSE,
  type LinkClose,
} from '../link/link-frames.js'
import { openLink } from '../link/open-link.js'
import type { Transport } from '../listeners/transport.js'
import { CallingRouter } from './calling-router.js'
import type { Visitor, VisitPlace, VisitSink } from './home-router.js'
import { LatePresences } from './late-presences.js'
import { readNames } from './link-commands.js'
import { routerPurpose, type ShardDetails } from './link-server.js'
import type { Attached, AttachRequest, Attachment, DeviceSink } from './router.js'

/** Opens a link for a router. Rejects with LinkError. `expects`: the node's name; '' takes any of the cluster. */
export function dialRouter(transport: Transport, identity: LinkIdentity, expects: string, environment: LinkEnvironment, shard = 0): Promise<RemoteRouter> {
  return openLink(transport, identity, { expects, purpose: routerPurpose(shard) }, environment,
    ({ link, details }) => new RemoteRouter(link, environment, decodeValue(details) as ShardDetails))
}

/** A session's place over the link. */
class RemotePlace implements Attachment {
  readonly id: number
  readonly sink: DeviceSink
  outboxEpoch = 0
  stamp = 0
  /** Index of the last entry that came, and of the last one acknowledged. */
  position = 0
  acknowledged = 0
  isOver = false

  constructor(id: number, sink: DeviceSink) {
    this.id = id
    this.sink = sink
  }
}

/** A place without a queue: it is told answers, and its end, alone. */
class RemoteVisit implements Attachment {
  readonly id: number
  readonly sink: VisitSink
  readonly outboxEpoch: number
  isOver = false

  constructor(id: number, sink: VisitSink, outboxEpoch: number) {
    this.id = id
    this.sink = sink
    this.outboxEpoch = outboxEpoch
  }
}

export class RemoteRouter extends CallingRouter implements LinkHandler {
  readonly link: LinkConnection
  readonly #environment: LinkEnvironment
  readonly #places = new Map<number, RemotePlace>()
  readonly #visits = new Map<number, RemoteVisit>()
  #lastId = 0
  /** Those that are being attached. */
  readonly #attaching = new Map<DeviceSink, RemotePlace>()
  readonly #calls: AskedCalls
  /** The other node wants those to wait who can. */
  #isToldCrowded = false
  #onRoom: (() => void)[] = []
  readonly #late: LatePresences
  /** Called once, when the link has ended, after everybody was told. */
  onEnd: (reason: LinkClose) => void = () => {}

  constructor(link: LinkConnection, environment: LinkEnvironment, { hasBlobs }: ShardDetails) {
    super(hasBlobs)
    this.link = link
    this.#environment = environment
    this.#calls = new AskedCalls(link)
    this.#late = new LatePresences(environment.scheduler)
  }

  /** Ends the link, and what goes over it. */
  close(): void {
    this.link.close(LINK_CLOSE.closed)
  }

  // Sessions

  async attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    const place = new RemotePlace(++this.#lastId, sink)
    this.#places.set(place.id, place)
    this.#attaching.set(sink, place)
    try {
      const bytes = encodeValue(request)
      const attached = await this.#calls.send(
        bytes.length, (call) => appendAttach(this.link.beginSend(), place.id, call, bytes), (answer) => beginPlace(place, answer as Attached),
      ) as Omit<Attached, 'attachment'>
      return { ...attached, attachment: place }
    } catch (error) {
      if (place.isOver) throw error
      this.#places.delete(place.id)
      place.isOver = true
      // It may be on its way.
      appendSession(this.link.beginSend(), LINK.detach, place.id)
      this.link.endSend()
      throw error
    } finally {
      this.#attaching.delete(sink)
    }
  }

  /** Tells the other node at once, which may not have come to it yet. */
  abandon(sink: DeviceSink): void {
    const place = this.#attaching.get(sink)
    if (place !== undefined) this.detach(place)
  }

  start(attachment: Attachment): void {
    const place = placeOf(attachment)
    if (place.isOver) return
    appendSession(this.link.beginSend(), LINK.start, place.id)
    this.link.endSend()
  }

  get isReachable(): boolean {
    return !this.link.hasEnded
  }

  visit({ user, deviceNumber, outboxEpoch }: Visitor, sink: VisitSink): VisitPlace {
    if (this.link.hasEnded) throw new LinkLostError(false)
    const visit = new RemoteVisit(++this.#lastId, sink, outboxEpoch)
    this.#visits.set(visit.id, visit)
    appendVisit(this.link.beginSend(), visit.id, user, deviceNumber, outboxEpoch)
    this.link.endSend()
    return { router: this, attachment: visit }
  }

  detach(attachment: Attachment): void {
    const place = speakerOf(attachment)
    if (place.isOver) return
    this.#over(place)
    appendSession(this.link.beginSend(), LINK.detach, place.id)
    this.link.endSend()
  }

  #over(speaker: RemotePlace | RemoteVisit): void {
    speaker.isOver = true
    if (speaker instanceof RemoteVisit) {
      this.#visits.delete(speaker.id)
      return
    }
    this.#places.delete(speaker.id)
    this.#late.forget(speaker)
  }

  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const place = speakerOf(attachment)
    if (place.isOver) return
    appendMessage(this.link.beginSend(), place.id, clientId, to, text, extensions)
    this.link.endSend()
  }

  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    const place = speakerOf(attachment)
    if (place.isOver) return
    appendMark(this.link.beginSend(), place.id, clientId, conversation, mark, seq)
    this.link.endSend()
  }

  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    const place = speakerOf(attachment)
    if (place.isOver) return
    appendOperate(this.link.beginSend(), place.id, clientId, conversation, target, kind, text)
    this.link.endSend()
  }

  /** Looked at here, by what came over the link: nothing more was ever sent to the device. [QUE-5] */
  cursor(attachment: Attachment, index: number): boolean {
    const place = placeOf(attachment)
    if (place.isOver) return true
    if (index < place.acknowledged || index > place.position) return false
    place.acknowledged = index
    appendNumber(this.link.beginSend(), LINK.cursor, place.id, index)
    this.link.endSend()
    return true
  }

  activity(attachment: Attachment, activity: number): void {
    const place = placeOf(attachment)
    if (place.isOver) return
    this.#late.setActivity(place, activity)
    appendNumber(this.link.beginSend(), LINK.activity, place.id, activity)
    this.link.endSend()
  }

  watch(attachment: Attachment, users: readonly string[]): void {
    this.#names(placeOf(attachment), LINK.watch, users)
  }

  unwatch(attachment: Attachment, users: readonly string[]): void {
    const place = placeOf(attachment)
    this.#late.unwatch(place, users)
    this.#names(place, LINK.unwatch, users)
  }

  #names(place: RemotePlace, type: number, users: readonly string[]): void {
    if (place.isOver) return
    appendNames(this.link.beginSend(), type, place.id, users)
    this.link.endSend()
  }

  typing(attachment: Attachment, conversation: string, kind: number): void {
    const place = placeOf(attachment)
    if (place.isOver || this.link.isBlocked) return
    appendTyping(this.link.beginSend(), place.id, conversation, kind)
    this.link.endSend()
  }

  get isCrowded(): boolean {
    return this.#isToldCrowded || (this.link.isBlocked && this.link.waitingBytes > this.#environment.limits.crowdedBytes)
  }

  whenRoom(task: () => void): void {
    if (this.isCrowded && !this.link.hasEnded) this.#onRoom.push(task)
    else this.#environment.scheduler.defer(task)
  }

  #tellRoom(): void {
    if (this.#onRoom.length === 0 || (this.isCrowded && !this.link.hasEnded)) return
    const tasks = this.#onRoom
    this.#onRoom = []
    this.#environment.scheduler.defer(() => { for (const task of tasks) task() })
  }

  // Calls

  ask(name: string, args: readonly unknown[]): Promise<unknown> {
    return this.#calls.ask(name, args)
  }

  // From the shard

  frame(type: number, reader: Reader): void {
    switch (type) {
      case LINK.result:
      case LINK.attached:
        this.#calls.answered(reader)
        return
      case LINK.failed:
        this.#calls.failed(reader)
        return
      case LINK.crowded:
        this.#isToldCrowded = reader.uint() !== 0
        this.#tellRoom()
        return
      default: {
        const id = reader.uint()
        const place = this.#places.get(id)
        const visit = place === undefined ? this.#visits.get(id) : undefined
        // To neither what was on its way when the session was detached.
        const isKnown = place !== undefined ? this.#tell(type, place, reader) : visit === undefined || this.#tellSpeaker(type, visit, reader)
        if (!isKnown) this.link.close(LINK_CLOSE.malformed)
      }
    }
  }

  /** Passes one frame on to its session; false: there is no such frame. */
  #tell(type: number, place: RemotePlace, reader: Reader): boolean {
    const { sink } = place
    switch (type) {
      case LINK.entries: {
        const last = reader.uint()
        const count = reader.uint()
        const frames = reader.rest()
        if (reader.failed) return true
        place.position = last
        sink.entries(frames, last, count)
        return true
      }
      case LINK.done: {
        const index = reader.uint()
        if (!reader.failed) sink.done(index)
        return true
      }
      default: return this.#tellSpeaker(type, place, reader) || this.#tellEphemeral(type, place, reader)
    }
  }

  /** What visits are told, too. */
  #tellSpeaker(type: number, speaker: RemotePlace | RemoteVisit, reader: Reader): boolean {
    const { sink } = speaker
    switch (type) {
      case LINK.acked: {
        const clientId = reader.uint()
        const seq = reader.uint()
        const timeMs = reader.time()
        const expiresMs = reader.uint()
        if (!reader.failed) sink.acked(clientId, seq, timeMs, expiresMs)
        return true
      }
      case LINK.refused: {
        const clientId = reader.uint()
        const error = reader.uint()
        const retryAfterMs = reader.uint()
        if (!reader.failed) sink.refused(clientId, error as ErrorCode, retryAfterMs)
        return true
      }
      case LINK.ended: {
        const error = reader.uint()
        if (!reader.failed) this.#end(speaker, error as ErrorCode)
        return true
      }
      default: return false
    }
  }

  #tellEphemeral(type: number, place: RemotePlace, reader: Reader): boolean {
    switch (type) {
      case LINK.presence: {
        const user = reader.string()
        const state = reader.uint()
        const lastSeenMs = reader.uint()
        if (!reader.failed) this.#late.tell(place, user, state, lastSeenMs)
        return true
      }
      case LINK.typed: {
        const conversation = reader.string()
        const from = reader.string()
        const kind = reader.uint()
        const expiresMs = reader.uint()
        if (!reader.failed) place.sink.typing(conversation, from, kind, expiresMs)
        return true
      }
      case LINK.declined: {
        const frame = reader.uint()
        const error = reader.uint()
        const retryAfterMs = reader.uint()
        const names = readNames(reader)
        if (!reader.failed) place.sink.declined(frame, names, error as ErrorCode, retryAfterMs)
        return true
      }
      default: return false
    }
  }

  #end(speaker: RemotePlace | RemoteVisit, error: ErrorCode): void {
    this.#over(speaker)
    speaker.sink.ended(error)
  }

  drained(): void {
    this.#tellRoom()
  }

  ended(reason: LinkClose): void {
    this.#environment.counters.linksEnded++
    this.#calls.end()
    for (const speaker of [...this.#places.values(), ...this.#visits.values()]) this.#end(speaker, ERROR.storageUnavailable)
    this.#isToldCrowded = false
    this.#tellRoom()
    this.onEnd(reason)
  }
}

/** Before anything behind the answer is looked at. */
function beginPlace(place: RemotePlace, { outboxEpoch, stamp, cursor }: Attached): void {
  place.outboxEpoch = outboxEpoch
  place.stamp = stamp
  place.position = cursor
  place.acknowledged = cursor
}

function placeOf(attachment: Attachment): RemotePlace {
  if (!(attachment instanceof RemotePlace)) throw new TypeError('not an attachment of this router')
  return attachment
}

function speakerOf(attachment: Attachment): RemotePlace | RemoteVisit {
  return attachment instanceof RemoteVisit ? attachment : placeOf(attachment)
}
