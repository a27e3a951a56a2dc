/** A device as a client would be that does all the pages say: an outbox, a cursor, and no patience for what was lost, doubled or out of order. */
import assert from 'node:assert/strict'
import type { Frame } from '../../../protocol/generated/frames.js'
import { ERROR, type ErrorCode, ERRORS, FRAME, PRESENCE } from '../../../protocol/generated/registry.js'
import { decodeEntries } from '../../testing/entries.js'
import type { Attached, DeviceSink, Router } from '../router.js'

const RECONNECT_MS = 50

export interface SentMessage {
  readonly clientId: number
  readonly to: string
  readonly text: string
}

export interface Received {
  readonly conversation: string
  readonly seq: number
  readonly text: string
}

/** Of one connection to a node; a device that reconnects has another one. */
class SimSession implements DeviceSink {
  readonly device: SimDevice
  attached: Attached | null = null
  isOver = false

  get isGone(): boolean {
    return this.isOver
  }

  constructor(device: SimDevice) {
    this.device = device
  }

  acked(clientId: number, seq: number): void { this.#tell(() => this.device.acked(clientId, seq)) }
  refused(clientId: number, error: ErrorCode): void {
    this.#tell(() => assert.fail(`${this.device.name}: ${String(clientId)} is refused with ${ERRORS.get(error)?.name ?? String(error)}`))
  }

  entries(frames: Uint8Array, last: number, count: number): void { this.#tell(() => this.device.entries(decodeEntries(frames), last, count)) }
  done(): void { if (!this.isOver) this.device.done++ }
  ended(error: ErrorCode): void {
    if (this.isOver) return
    this.isOver = true
    this.device.ended(error)
  }

  presence(user: string, state: number): boolean {
    if (!this.isOver) this.device.presences.set(user, state === PRESENCE.online)
    return true
  }

  typing(): void {}
  declined(_frame: number, names: readonly string[], error: ErrorCode): void {
    this.#tell(() => assert.fail(`${this.device.name} may not watch ${names.join(' ')}: ${String(error)}`))
  }

  /** What is wrong is heard where nothing stands between it and the simulation. */
  #tell(hear: () => void): void {
    if (this.isOver) return
    try {
      hear()
    } catch (error) {
      this.isOver = true
      this.device.report(error)
    }
  }
}

export class SimDevice {
  readonly user: string
  readonly id: string
  readonly report: (error: unknown) => void
  readonly outbox: SentMessage[] = []
  readonly acks = new Map<number, { readonly message: SentMessage, readonly seq: number }>()
  readonly received: Received[] = []
  readonly presences = new Map<string, boolean>()
  watches: readonly string[] = []
  /** Sessions that were ended by the server, by code. */
  readonly endings: ErrorCode[] = []
  done = 0
  #session: SimSession | null = null
  #router: Router | null = null
  #queueEpoch = 0
  #outboxEpoch = 0
  #lastIndex = 0
  #acknowledged = 0
  #nextClientId = 1
  #cutMs = -Infinity

  constructor(user: string, id: string, report: (error: unknown) => void) {
    this.user = user
    this.id = id
    this.report = report
  }

  get name(): string {
    return `${this.user}/${this.id}`
  }

  /** Of others' messages that came, and of its user's other devices. Its own come too, as its user's; what changes in a group has no text. */
  get texts(): string[] {
    return this.received.map(({ text }) => text).filter((text) => text !== '' && !text.startsWith(`${this.name} `))
  }

  get isConnected(): boolean {
    return this.#session !== null
  }

  get isOpen(): boolean {
    return this.#session?.attached !== null && this.#session !== null
  }

  get router(): Router | null {
    return this.#router
  }

  /** Connects to a node; its session is open later, or ends. Not at once: what it said over the last connection is through by then. */
  connect(router: Router, nowMs: number): void {
    if (nowMs - this.#cutMs < RECONNECT_MS) return
    const session = new SimSession(this)
    this.#session = session
    this.#router = router
    this.done = 0
    router.attach({
      user: this.user, device: this.id, deviceName: '', queueEpoch: this.#queueEpoch, cursor: this.#lastIndex, outboxEpoch: this.#outboxEpoch,
      window: 4, usedTokenHash: null, freshTokenHash: new Uint8Array(32).fill(1),
    }, session).then((attached) => {
      if (this.#session !== session || session.isOver) {
        if (!session.isOver) router.detach(attached.attachment)
        return
      }
      this.#opened(session, attached, router)
    }, (error: unknown) => {
      if (this.#session !== session || session.isOver) return
      this.#session = null
      if (!(error instanceof Error) || !('code' in error) || error.code !== ERROR.storageUnavailable) throw error
    }).catch(this.report)
  }

  #opened(session: SimSession, attached: Attached, router: Router): void {
    assert.ok(this.#queueEpoch === 0 || attached.resume === 1, `${this.name} is told that it is too far behind`)
    assert.ok(this.#outboxEpoch === 0 || attached.outboxEpoch === this.#outboxEpoch, `${this.name} has another outbox`)
    session.attached = attached
    this.#queueEpoch = attached.queueEpoch
    this.#outboxEpoch = attached.outboxEpoch
    this.#acknowledged = attached.cursor
    this.#lastIndex = attached.cursor
    router.start(attached.attachment)
    for (const message of this.outbox) this.#send(session, message)
    if (this.watches.length > 0) router.watch(attached.attachment, this.watches)
  }

  /** The connection is gone; a node that still lives notices. */
  cut(isNodeAlive: boolean, nowMs: number): void {
    this.#cutMs = nowMs
    const session = this.#session
    this.#session = null
    if (session === null) return
    const wasOver = session.isOver
    session.isOver = true
    if (!isNodeAlive || wasOver) return
    if (session.attached === null) this.#router?.abandon(session)
    else this.#router?.detach(session.attached.attachment)
  }

  write(to: string, text: string): void {
    const message = { clientId: this.#nextClientId++, to, text }
    this.outbox.push(message)
    if (this.#session !== null && this.#session.attached !== null) this.#send(this.#session, message)
  }

  #send({ attached }: SimSession, { clientId, to, text }: SentMessage): void {
    if (attached === null) return
    const bytes = Buffer.from(text)
    this.#router?.message(attached.attachment, clientId, to, bytes, new Uint8Array(0))
    // It was copied before the call returned.
    bytes.fill(0)
  }

  acknowledge(): void {
    const attached = this.#session?.attached ?? null
    if (attached === null || this.#lastIndex === this.#acknowledged) return
    this.#acknowledged = this.#lastIndex
    assert.ok(this.#router?.cursor(attached.attachment, this.#lastIndex), `${this.name} may not acknowledge what it was sent`)
  }

  setActivity(activity: number): void {
    const attached = this.#session?.attached ?? null
    if (attached !== null) this.#router?.activity(attached.attachment, activity)
  }

  // From the server

  acked(clientId: number, seq: number): void {
    const at = this.outbox.findIndex((message) => message.clientId === clientId)
    assert.ok(at >= 0, `${this.name} gets an ack for ${String(clientId)}, which waits for none`)
    this.acks.set(clientId, { message: this.outbox[at]!, seq })
    this.outbox.splice(at, 1)
  }

  entries(frames: readonly Frame[], last: number, count: number): void {
    assert.equal(frames.length, count, `${this.name} is told another number of entries than it gets`)
    for (const frame of frames) {
      assert.ok('index' in frame && (frame.index === this.#lastIndex + 1 || (frame.type === FRAME.skip && frame.index > this.#lastIndex)),
        `${this.name} has ${String(this.#lastIndex)} and gets ${String('index' in frame ? frame.index : -1)}`)
      this.#lastIndex = frame.index
      if (frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom) {
        this.received.push({ conversation: frame.conversation, seq: frame.seq, text: Buffer.from(frame.text).toString() })
      }
    }
    assert.equal(this.#lastIndex, last)
  }

  ended(error: ErrorCode): void {
    this.#session = null
    this.endings.push(error)
  }
}
