/** One client that means harm, or is broken: what it does is its kind; when it is thrown out it comes back at once. */
import { randomBytes } from 'node:crypto'
import {
  encodeAuth, encodeBind, encodeHello, encodeMessage, encodePing, encodeResponse, type Frame,
} from '../../protocol/generated/frames.js'
import { FRAME } from '../../protocol/generated/registry.js'
import { ScramClient } from '../../protocol/scram-client.js'
import { NODE_CRYPTO } from '../session/node-crypto.js'
import { openWire, type Wire, writeFrames } from './wire.js'

/** Those who never get in, then those who do. */
export const STRANGERS = ['silent', 'drip', 'garbage', 'oversize'] as const
/**
 * deaf: never reads; mute: reads and never acknowledges; flood: as many messages as the server answers; overrun: far more than it may
 * leave unanswered; pings: a stream of the smallest frames; large: a frame above the limit within the session.
 */
export const INSIDERS = ['deaf', 'mute', 'flood', 'overrun', 'pings', 'large'] as const
export type AbuseKind = (typeof STRANGERS)[number] | (typeof INSIDERS)[number]

export interface AbuserOptions {
  readonly kind: AbuseKind
  readonly url: string
  readonly user: string
  /** Whom to flood. */
  readonly victims: readonly string[]
  /** Called with each code that the server closed with; 0: it ended the connection without one. */
  readonly onClosed: (code: number) => void
}

const HELLO = encodeHello([1], 'abuser')
const COME_BACK_MS = 200
const TEXT = Buffer.from('x'.repeat(200))
/** Within what welcome allows. */
const FLOOD_IN_FLIGHT = 1000
const OVERRUN = 5000
const PINGS = Buffer.concat(Array.from({ length: 4096 }, (_, at) => encodePing(at + 1)))
/** A frame that says it is 10 MB long. */
const OVERSIZE_HEAD = Buffer.from([0x80, 0x80, 0x80, 0x05, 0x12])
const BLOCK = Buffer.alloc(65_536, 0x41)
const WRITE_AHEAD_BYTES = 262_144

export class Abuser {
  readonly #options: AbuserOptions
  #wire: Wire | null = null
  #timer: NodeJS.Timeout | null = null
  #token: Uint8Array | null = null
  #scram: ScramClient | null = null
  #outboxEpoch = 0
  #clientId = 0
  #inFlight = 0
  #code = 0
  #isInside = false
  #isStopped = false
  bytesOut = 0

  constructor(options: AbuserOptions) {
    this.#options = options
  }

  start(): void {
    this.#code = 0
    this.#isInside = false
    this.#wire = openWire(this.#options.url, {
      opened: () => { this.#opened() },
      frame: (frame) => { this.#handle(frame) },
      chunkHandled: () => { if (this.#options.kind === 'flood' && this.#isInside) this.#flood() },
      ended: (closeCode) => { this.#ended(closeCode) },
    })
  }

  stop(): void {
    this.#isStopped = true
    this.#repeat(0, () => {})
    this.#wire?.destroy()
  }

  #ended(closeCode: number): void {
    // 4000 and above are the codes of the protocol.
    this.#options.onClosed(this.#code !== 0 ? this.#code : closeCode > 4000 ? closeCode - 4000 : 0)
    this.#repeat(0, () => {})
    if (!this.#isStopped) setTimeout(() => { if (!this.#isStopped) this.start() }, COME_BACK_MS)
  }

  #repeat(everyMs: number, act: () => void): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = everyMs === 0 ? null : setInterval(act, everyMs)
  }

  #write(bytes: Uint8Array): void {
    this.bytesOut += bytes.length
    this.#wire?.write(bytes)
  }

  /** Keeps so many bytes on the way. */
  #stream(bytes: Uint8Array): void {
    this.#repeat(10, () => { while (this.#wire !== null && this.#wire.bytesWaiting < WRITE_AHEAD_BYTES && this.#code === 0) this.#write(bytes) })
  }

  #opened(): void {
    const { kind, user } = this.#options
    let sent = 0
    switch (kind) {
      case 'silent': return
      case 'drip': this.#repeat(300, () => { this.#write(HELLO.subarray(sent, ++sent)) }); return
      case 'garbage': this.#write(randomBytes(2000)); return
      case 'oversize':
        this.#write(OVERSIZE_HEAD)
        this.#stream(BLOCK)
        return
      default:
        if (this.#token !== null) this.#write(Buffer.concat([HELLO, encodeAuth('TOKEN', Buffer.concat([Buffer.from(`${user}\0phone\0`), this.#token])), this.#bind()]))
        else {
          this.#scram = new ScramClient({ user, password: `pw-${user}`, binding: 'none', crypto: NODE_CRYPTO })
          this.#write(Buffer.concat([HELLO, encodeAuth(this.#scram.mechanism, this.#scram.first())]))
        }
    }
  }

  #bind(): Uint8Array { return encodeBind('phone', '', 0, 0, this.#outboxEpoch, 0) }

  #handle(frame: Frame): void {
    switch (frame.type) {
      case FRAME.challenge:
        void this.#scram?.final(frame.data).then((final) => { if (typeof final !== 'string') this.#write(encodeResponse(final)) })
        return
      case FRAME.authenticated: if (this.#scram !== null) this.#write(this.#bind()); this.#scram = null; return
      case FRAME.welcome:
        if (frame.token.length > 0) this.#token = Uint8Array.prototype.slice.call(frame.token)
        if (frame.outboxEpoch !== this.#outboxEpoch) this.#clientId = 0
        this.#outboxEpoch = frame.outboxEpoch
        this.#inside()
        return
      case FRAME.ack:
      case FRAME.refuse: this.#inFlight--; return
      case FRAME.close: this.#code = frame.error; return
      default:
    }
  }

  #inside(): void {
    this.#inFlight = 0
    this.#isInside = true
    switch (this.#options.kind) {
      case 'deaf':
        this.#wire?.pause()
        this.#repeat(500, () => { this.#write(encodePing(1)) })
        return
      case 'mute': this.#repeat(500, () => { this.#write(encodePing(1)) }); return
      case 'flood': this.#flood(); return
      case 'overrun': this.bytesOut += writeFrames(this.#wire, Array.from({ length: OVERRUN }, () => this.#message())); return
      case 'pings': this.#stream(PINGS); return
      case 'large': this.#write(OVERSIZE_HEAD); this.#stream(BLOCK); return
      default:
    }
  }

  #flood(): void {
    const frames: Uint8Array[] = []
    for (; this.#inFlight < FLOOD_IN_FLIGHT; this.#inFlight++) frames.push(this.#message())
    this.bytesOut += writeFrames(this.#wire, frames)
  }

  #message(): Uint8Array {
    const { victims } = this.#options
    const clientId = ++this.#clientId
    return encodeMessage(clientId, victims[clientId % victims.length]!, TEXT)
  }
}
