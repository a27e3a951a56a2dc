/** One connection of the client under test: what came of it, in order, and what is sent to it. */
import { registry } from '../spec/registry.js'
import { StreamDecoder, WireFault, limitOf } from './decode.js'
import type { Decoded, WireFrame } from './decode.js'
import type { Device } from './device.js'
import { encodeFrame, frameToXml } from './frame-xml.js'
import { Intake } from './intake.js'
import type { Pipe, PipeHandlers, TlsFacts } from './pipe.js'
import { ConnectionState } from './referee.js'
import type { Fault, Referee } from './referee.js'
import { ThrottledWriter } from './throttle.js'
import type { Trace } from './trace.js'

export interface ConnectionHost {
  readonly device: Device
  readonly referee: Referee
  readonly trace: Trace
  fault(fault: Fault): void
  /** After the referee has seen it; ping is answered, close is noted. */
  onFrame(connection: Connection, frame: WireFrame): void
  notify(): void
}

export class Connection implements PipeHandlers {
  readonly number: number
  /** Name of the port that it came to; '' is the first. */
  readonly at: string
  readonly openedMs = performance.now()
  readonly state = new ConnectionState()
  /** Frames that no step has looked at yet. */
  inbox: WireFrame[] = []
  /** When the client ended its side; 0: it has not. */
  endedMs = 0
  /** Does not end its side when the client has. */
  holds = false
  isGone = false
  /** The WebSocket close code; 0: none. */
  endCode = 0
  /** The client's own close frame. */
  clientClose: WireFrame | null = null
  /** Neither reads nor writes. */
  isFrozen = false
  /** The case has said close, or ended it. */
  isOver = false
  readonly #pipe: Pipe
  readonly #host: ConnectionHost
  readonly #intake = new Intake({
    bodyBytesMax: () => this.#host.referee.bodyBytesMax(this.state),
    take: (decoded) => { this.#take(decoded) },
    broken: ({ message, requirement }, bytes) => {
      this.#host.trace.add('client', this.number, `what does not decode: ${message}`, bytes)
      this.#host.fault({ requirement, text: message })
    },
  })
  readonly #writer = new ThrottledWriter()

  constructor(number: number, at: string, pipe: Pipe, host: ConnectionHost) {
    this.number = number
    this.at = at
    this.#pipe = pipe
    this.#host = host
  }

  /** What TLS negotiated; null without it. */
  get tls(): TlsFacts | null {
    return this.#pipe.tls
  }

  // ——— What comes ———

  onData(bytes: Uint8Array, isMessage: boolean): void {
    if (this.isFrozen) return
    if (isMessage && bytes.length > limitOf('frameBytesMax') + limitOf('uintBytesMax')) {
      this.#host.fault({ requirement: 'FRM-20', text: `a WebSocket message of ${String(bytes.length)} bytes` })
    }
    this.#intake.push(bytes, isMessage)
    this.#host.notify()
  }

  onOdd(what: string): void {
    this.#host.trace.add('client', this.number, what)
    this.#host.fault({ requirement: 'FRM-12', text: what })
  }

  onEnd(code: number): void {
    if (this.isFrozen) return
    this.endedMs = performance.now()
    this.endCode = code
    this.#host.trace.add('client', this.number, code === 0 ? 'ends the connection' : `ends the connection with ${String(code)}`)
    if (!this.holds) this.#pipe.end(0)
    this.#host.notify()
  }

  onGone(): void {
    this.isGone = true
    this.#host.notify()
  }

  #take({ type, frame, bytes }: Decoded): void {
    const { referee, trace } = this.#host
    if (frame === null) {
      trace.add('client', this.number, `a frame of the unknown type ${String(type)}`, bytes)
      referee.receivedUnknown(type)
      return
    }
    trace.add('client', this.number, frameToXml(frame), bytes)
    referee.received(this.state, frame, bytes)
    if (frame.frame === 'close') this.clientClose = frame
    this.inbox.push(frame)
    this.#host.onFrame(this, frame)
  }

  // ——— What goes out ———

  /** Frames in one write. `isLost`: they count as sent, and never arrive. */
  send(frames: readonly WireFrame[], isLost = false): void {
    const { device, referee, trace } = this.#host
    const bytes = frames.map((frame) => {
      const encoded = encodeFrame(frame)
      trace.add('server', this.number, `${frameToXml(frame)}${isLost ? ' (lost)' : ''}`, encoded)
      if (isEntry(frame)) device.entries.set(frame.values['index'] as number, frame)
      if (!isLost) referee.sent(this.state, frame)
      else if (isEntry(frame)) device.lastIndex = Math.max(device.lastIndex, frame.values['index'] as number)
      return encoded
    })
    if (!isLost) this.write(Buffer.concat(bytes))
  }

  write(bytes: Uint8Array): void {
    if (this.isFrozen) return
    this.#writer.write(this.#pipe, bytes)
  }

  raw(bytes: Uint8Array): void {
    this.#host.trace.add('server', this.number, `raw bytes`, bytes)
    for (const frame of wholeFrames(bytes)) this.#host.referee.sent(this.state, frame)
    this.write(bytes)
  }

  text(text: string): void {
    this.#host.trace.add('server', this.number, `a text message: ${text}`)
    this.#pipe.writeText(text)
  }

  throttle(bytes: number, everyMs: number): void {
    this.#writer.throttle(bytes, everyMs)
  }

  /** Resolves when all that was throttled is out. */
  flushed(): Promise<void> {
    return this.#writer.flushed()
  }

  end(how: 'end' | 'reset', code = 0): void {
    this.isOver = true
    this.#host.trace.add('server', this.number, how === 'end' ? 'ends the connection' : 'resets the connection')
    if (how === 'end') this.#pipe.end(code)
    else this.#pipe.reset()
  }

  freeze(): void {
    this.isFrozen = true
    this.#host.trace.add('server', this.number, 'neither reads nor writes any more')
    this.#pipe.freeze()
  }
}

/** Frames that a client will read, as far as the bytes make any. */
function wholeFrames(bytes: Uint8Array): WireFrame[] {
  const decoder = new StreamDecoder()
  decoder.push(bytes)
  const frames: WireFrame[] = []
  try {
    for (let decoded = decoder.next(Infinity); decoded !== null; decoded = decoder.next(Infinity)) if (decoded.frame !== null) frames.push(decoded.frame)
  } catch (error) {
    if (!(error instanceof WireFault)) throw error
  }
  return frames
}

export function isEntry({ frame }: WireFrame): boolean {
  return registry.frames.find(({ name }) => name === frame)?.entry === true
}
