/** One connection to the server under test: what came of it, in order, and what is sent to it. */
import type { Decoded, WireFrame } from './decode.js'
import type { Dialled, DialTwist, Target } from './dial.js'
import { dial } from './dial.js'
import { encodeFrame, frameToXml } from './frame-xml.js'
import { Intake } from './intake.js'
import type { Pipe, PipeHandlers } from './pipe.js'
import type { Fault } from './referee.js'
import type { DeviceRecord, ServerReferee } from './server-referee.js'
import { SessionState } from './server-referee.js'
import { ThrottledWriter } from './throttle.js'
import type { Trace } from './trace.js'

export interface ServerConnectionHost {
  readonly referee: ServerReferee
  readonly trace: Trace
  fault(fault: Fault): void
  notify(): void
}

/** Of the first ping that the suite sends by itself. */
const firstOwnNonce = 1_000_000_000

export class ServerConnection implements PipeHandlers {
  readonly number: number
  readonly state = new SessionState()
  readonly record: DeviceRecord
  /** Frames that no step has looked at yet. */
  inbox: WireFrame[] = []
  /** All since the opening, or the last `forget`. */
  seen: WireFrame[] = []
  /** The server's close. */
  close: WireFrame | null = null
  /** When the server ended its side, `performance.now()`; 0: it has not. */
  endedMs = 0
  /** The WebSocket close code; 0: none. */
  endCode = 0
  /** Answers no ping, sends none. */
  isSilent = false
  isFrozen = false
  #isLeft = false
  #pipe: Pipe | null = null
  #channelBinding: Buffer | null = null
  #facts: Readonly<Record<string, string>> = {}
  readonly #host: ServerConnectionHost
  readonly #intake = new Intake({
    bodyBytesMax: () => this.#host.referee.bodyBytesMax(this.state),
    take: (decoded) => { this.#take(decoded) },
    broken: ({ message, requirement }, bytes) => {
      this.#host.trace.add('server', this.number, `what does not decode: ${message}`, bytes)
      this.#host.fault({ requirement, text: message })
    },
  })
  readonly #writer = new ThrottledWriter()
  #lastSentMs = 0
  #nonce = firstOwnNonce

  private constructor(number: number, record: DeviceRecord, host: ServerConnectionHost) {
    this.number = number
    this.record = record
    this.#host = host
  }

  /** Rejects where the transport does not come to be. */
  static async open(number: number, target: Target, twist: DialTwist, record: DeviceRecord, host: ServerConnectionHost): Promise<ServerConnection> {
    const connection = new ServerConnection(number, record, host)
    const { pipe, channelBinding, facts }: Dialled = await dial(target, twist, connection)
    connection.#pipe = pipe
    connection.#channelBinding = channelBinding
    connection.#facts = facts
    return connection
  }

  get channelBinding(): Buffer | null {
    return this.#channelBinding
  }

  /** What was negotiated below the frames. */
  get facts(): Readonly<Record<string, string>> {
    return this.#facts
  }

  /** Frames can be sent, and answers come. */
  get isUsable(): boolean {
    return this.endedMs === 0 && !this.#isLeft && !this.isFrozen && !this.state.isClosed
  }

  // ——— What comes ———

  onData(bytes: Uint8Array, isMessage: boolean): void {
    if (this.isFrozen) return
    this.#intake.push(bytes, isMessage)
    this.#host.notify()
  }

  onOdd(what: string): void {
    this.#host.trace.add('server', this.number, what)
    this.#host.fault({ requirement: 'FRM-12', text: what })
  }

  onEnd(code: number): void {
    if (this.isFrozen) return
    this.endedMs = performance.now()
    this.endCode = code
    this.#host.trace.add('server', this.number, code === 0 ? 'ends the connection' : `ends the connection with ${String(code)}`)
    this.#pipe?.end(0)
    this.#host.notify()
  }

  onGone(): void {
    // What counts for a case is the end of the server's side.
  }

  #take({ type, frame, bytes }: Decoded): void {
    const { referee, trace } = this.#host
    if (frame === null) {
      trace.add('server', this.number, `a frame of the unknown type ${String(type)}`, bytes)
      referee.receivedUnknown(type)
      return
    }
    trace.add('server', this.number, frameToXml(frame), bytes)
    const isOwnPong = frame.frame === 'pong' && this.#isOwn(frame.values['nonce'] as number)
    referee.received(this.state, this.record, frame)
    if (isOwnPong) return
    this.inbox.push(frame)
    this.seen.push(frame)
    if (frame.frame === 'ping' && !this.isSilent) this.send([{ frame: 'pong', values: { nonce: frame.values['nonce']! }, extensions: {} }])
    if (frame.frame !== 'close') return
    this.close = frame
    // [CLS-2] A client sends nothing more but the transport's end.
    this.#pipe?.end(0)
  }

  /** A ping of the suite's own had this nonce. */
  #isOwn(nonce: number): boolean {
    return nonce > firstOwnNonce && nonce <= this.#nonce
  }

  // ——— What goes out ———

  /** Frames in one write. */
  send(frames: readonly WireFrame[]): void {
    const bytes = frames.map((frame) => {
      const encoded = encodeFrame(frame)
      this.#host.trace.add('client', this.number, frameToXml(frame), encoded)
      this.#host.referee.sent(this.state, this.record, frame)
      return encoded
    })
    this.#write(Buffer.concat(bytes))
  }

  raw(bytes: Uint8Array): void {
    this.#host.trace.add('client', this.number, 'raw bytes', bytes)
    this.#write(bytes)
  }

  text(text: string): void {
    this.#host.trace.add('client', this.number, `a text message: ${text}`)
    this.#pipe?.writeText(text)
  }

  #write(bytes: Uint8Array): void {
    if (this.isFrozen || this.#pipe === null) return
    this.#lastSentMs = performance.now()
    this.#writer.write(this.#pipe, bytes)
  }

  /** Says that it is there, where it has been silent for a while. [KAL-1] */
  keepAlive(): void {
    if (!this.isUsable || this.isSilent || !this.state.hasWelcome || performance.now() - this.#lastSentMs < this.state.keepAliveMs / 3) return
    this.send([{ frame: 'ping', values: { nonce: ++this.#nonce }, extensions: {} }])
  }

  throttle(bytes: number, everyMs: number): void {
    this.#writer.throttle(bytes, everyMs)
  }

  /** Resolves when all that was throttled is out. */
  flushed(): Promise<void> {
    return this.#writer.flushed()
  }

  end(how: 'end' | 'reset'): void {
    this.#isLeft = true
    this.#host.trace.add('client', this.number, how === 'end' ? 'ends the connection' : 'resets the connection')
    if (how === 'end') this.#pipe?.end(0)
    else this.#pipe?.reset()
  }

  freeze(): void {
    this.isFrozen = true
    this.#host.trace.add('client', this.number, 'neither reads nor writes any more')
    this.#pipe?.freeze()
  }

  /** Nothing of it is left, whatever the server does. */
  drop(): void {
    this.isFrozen = true
    this.#pipe?.reset()
  }
}
