/**
 * One socket and its codec. A chunk comes in, one synchronous loop handles its frames, and what they and the shards have to say goes
 * out in one write at the end of the turn. It ends exactly once, with one code of the registry: in the log, the metrics, the close
 * frame and the WebSocket close code.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { appendClose, encodePing, encodePong, type Frame } from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, type ErrorCode, FRAME } from '../../protocol/generated/registry.js'
import type { Transport, TransportHandler } from '../listeners/transport.js'
import { Opening } from '../session/opening.js'
import type { Session } from '../session/session.js'
import type { Connections } from './connections.js'

/** What waits is written in pieces of this size or a frame more: a write for a turn as a rule, and no huge WebSocket messages. */
const PIECE_BYTES = 32_768
/** What a frame costs of the rate in bytes beside its own: a flood of tiny frames is work, too. */
const FRAME_COST_BYTES = 512

/** Read and thrown away after close; a peer that has not seen the close by then sends more than one that behaves ever has under way. */
const DISCARD_BYTES_MAX = 1_048_576
/** The same of a stranger, who has little to say before it is let in. */
const STRANGER_DISCARD_BYTES_MAX = 65_536

/** Why no frames are handled at present; a set of bits. */
export const HOLD = { control: 1, rate: 2, backlog: 4, turn: 8 } as const

const PHASE_OPENING = 0
const PHASE_OPEN = 1
const PHASE_CLOSING = 2
const PHASE_ENDED = 3

interface WaitingChunk {
  readonly bytes: Uint8Array
  readonly isMessage: boolean
}

export class Connection implements TransportHandler {
  readonly transport: Transport
  readonly connections: Connections
  /** For the log: the session's id once it is open. */
  readonly id: string
  lastHeardMs: number
  lastSentMs: number
  /** When the ping without an answer was sent; 0: there is none. */
  pingSentMs: number
  isAuthenticated: boolean
  /** Before welcome; null afterwards. */
  #opening: Opening | null
  #session: Session | null
  #phase: number
  #hold: number
  readonly #decoder: FrameDecoder
  /** Bytes received before welcome; afterwards nobody counts. */
  #bytesReceived: number
  /** Chunks that came while the connection was on hold. */
  #chunks: WaitingChunk[]
  #discardedBytes: number
  #isWithinChunk: boolean
  #isWithinMessage: boolean
  /** What waits to be written: full pieces, and behind them the one that fills. */
  #pieces: Uint8Array[]
  #piecesBytes: number
  #piece: ByteBuffer | null
  #pendingFrames: number
  #isDirty: boolean
  #isBlocked: boolean

  constructor(transport: Transport, connections: Connections, id: string, nowMs: number) {
    this.transport = transport
    this.connections = connections
    this.id = id
    this.lastHeardMs = nowMs
    this.lastSentMs = nowMs
    this.pingSentMs = 0
    this.isAuthenticated = false
    this.#opening = new Opening(this, connections.environment)
    this.#session = null
    this.#phase = PHASE_OPENING
    this.#hold = 0
    this.#decoder = new FrameDecoder(connections.environment.config.limits.openFrameBytesMax)
    this.#bytesReceived = 0
    this.#chunks = NO_CHUNKS
    this.#discardedBytes = 0
    this.#isWithinChunk = false
    this.#isWithinMessage = false
    this.#pieces = NO_PIECES
    this.#piecesBytes = 0
    this.#piece = null
    this.#pendingFrames = 0
    this.#isDirty = false
    this.#isBlocked = false
  }

  get session(): Session | null {
    return this.#session
  }

  /** Still open or opening: neither closed from here nor ended by the peer. */
  get isAlive(): boolean {
    return this.#phase < PHASE_CLOSING
  }

  // Input

  received(chunk: Uint8Array, isMessage: boolean): void {
    if (this.#phase >= PHASE_CLOSING) {
      this.#discard(chunk.length)
      return
    }
    const { counters, clock } = this.connections.environment
    counters.bytesIn += chunk.length
    // [FRM-12]
    if (isMessage && chunk.length === 0) {
      this.close(ERROR.malformedFrame, 0, 'a WebSocket message without a frame')
      return
    }
    this.lastHeardMs = clock.monotonicMs()
    this.pingSentMs = 0
    if (this.#opening !== null) this.#bytesReceived += chunk.length
    else if (this.#session !== null) this.#session.spendBytes(chunk.length)
    if (this.#hold !== 0) {
      // Under way already when the transport was paused; or more than the one chunk that may wait for its turn.
      this.transport.pause()
      if (this.#chunks === NO_CHUNKS) this.#chunks = []
      this.#chunks.push({ bytes: chunk, isMessage })
      return
    }
    this.#decoder.push(chunk)
    this.#handleFrames(isMessage)
  }

  /** After close what still comes is read, so that the close frame arrives; but not for ever, where somebody goes on flooding. */
  #discard(bytes: number): void {
    this.#discardedBytes += bytes
    if (this.#discardedBytes > (this.isAuthenticated ? DISCARD_BYTES_MAX : STRANGER_DISCARD_BYTES_MAX)) this.transport.destroy()
  }

  #handleFrames(isMessage: boolean): void {
    const { counters } = this.connections.environment
    const before = counters.framesIn
    this.#decodeFrames(isMessage, this.connections.grant(this))
    const count = counters.framesIn - before
    this.connections.spend(this, count)
    this.#session?.spendBytes(count * FRAME_COST_BYTES)
  }

  #decodeFrames(isMessage: boolean, countMax: number): void {
    const { counters } = this.connections.environment
    const decoder = this.#decoder
    for (let count = 0; ; count++) {
      if (this.#phase >= PHASE_CLOSING) return
      if (count === countMax && decoder.bytesWaiting > 0) this.waitForTurn()
      if (this.#hold !== 0) {
        this.#isWithinChunk = true
        this.#isWithinMessage = isMessage
        return
      }
      const frame = decoder.next()
      if (typeof frame === 'number') {
        this.close(frame)
        return
      }
      if (this.#opening !== null && this.#isOverOpenBytes(frame === null ? 0 : decoder.bytesWaiting)) {
        this.close(ERROR.frameTooLarge, 0, 'too many bytes before welcome')
        return
      }
      if (frame === null) break
      counters.framesIn++
      this.#handleFrame(frame)
    }
    // [FRM-12]
    if (isMessage && decoder.isWithinFrame) this.close(ERROR.malformedFrame, 0, 'a WebSocket message ended within a frame')
  }

  #handleFrame(frame: Frame): void {
    switch (frame.type) {
      case FRAME.ping:
        this.send(encodePong(frame.nonce)) // [KAL-2]
        return
      case FRAME.pong:
        return
      case FRAME.close:
        this.#closedByPeer(frame.error, frame.reason)
        return
      default:
        if (this.#session !== null) this.#session.handle(frame)
        else this.#opening?.handle(frame)
    }
  }

  /** Whatever frames they are, ignored ones too. Those behind the frame at hand may belong to what follows welcome. [OPN-5] */
  #isOverOpenBytes(bytesBehind: number): boolean {
    const waiting = this.#chunks.reduce((sum, chunk) => sum + chunk.bytes.length, bytesBehind)
    return this.#bytesReceived - waiting > this.connections.environment.config.limits.openBytesMax
  }

  /** Handles no frames and reads nothing until every reason is released. */
  hold(reason: number): void {
    if (this.#phase < PHASE_CLOSING) this.transport.pause()
    this.#hold |= reason
  }

  /**
   * Holds until the others had their turn. The transport is paused by the next chunk only: most turns come before it, and to stop
   * and start a socket costs more than the frames of a turn.
   */
  waitForTurn(): void {
    if ((this.#hold & HOLD.turn) !== 0) return
    this.#hold |= HOLD.turn
    this.connections.waitForTurn(this)
  }

  /** Goes on where `hold` stopped, once no reason is left; frames may be handled before this returns. */
  release(reason: number): void {
    if ((this.#hold & reason) === 0) return
    this.#hold &= ~reason
    if (this.#hold !== 0 || this.#phase >= PHASE_CLOSING) return
    // What a step of the opening has kept back goes out also where it has nothing to add.
    if (this.#pendingBytes > 0) this.endSend(0)
    if (this.#isWithinChunk) {
      this.#isWithinChunk = false
      this.#handleFrames(this.#isWithinMessage)
    }
    while (this.#chunks.length > 0 && this.#canHandle()) {
      const { bytes, isMessage } = this.#chunks.shift()!
      this.#decoder.push(bytes)
      this.#handleFrames(isMessage)
    }
    if (this.#canHandle()) this.transport.resume()
  }

  /** Like `release`, but frames are handled in a later turn: for callers that can't have their own calls answered by new ones. */
  releaseLater(reason: number): void {
    if ((this.#hold & reason) === 0) return
    this.waitForTurn()
    this.#hold &= ~reason
  }

  #canHandle(): boolean {
    return this.#hold === 0 && this.#phase < PHASE_CLOSING
  }

  // Life

  /** Authentication is through: the connection no longer counts among those of strangers. */
  authenticated(): void {
    this.isAuthenticated = true
    this.connections.authenticated(this)
  }

  /** Opening is done: frames go to the session from now on, under its limits. [OPN-5] */
  opened(session: Session): void {
    this.#opening = null
    this.#session = session
    this.#phase = PHASE_OPEN
    this.#decoder.frameBytesMax = this.connections.environment.config.limits.frameBytesMax
    this.connections.opened(this)
  }

  /**
   * Ends the connection from this side: sends what waits and then close, and ends the transport. Whatever comes from the peer after
   * that is thrown away. Does nothing when it has ended already. `host`: with go-to-host alone. [CLS-1]
   */
  close(error: ErrorCode, retryAfterMs = 0, reason = '', host = ''): void {
    if (this.#phase >= PHASE_CLOSING) return
    if (error === ERROR.slowConsumer) this.#dropPending()
    appendClose(this.#piece ??= new ByteBuffer(), error, retryAfterMs, host, reason === '' ? ERRORS.get(error)?.doc ?? '' : reason)
    this.#pendingFrames++
    this.#end(error, 'server', reason)
    this.#writePending(true)
    this.transport.end(error)
    // Bytes that nobody reads would make the kernel reset the connection, and the close frame with it.
    this.transport.resume()
    this.connections.closing(this)
  }

  /** [CLS-2] */
  #closedByPeer(error: number, reason: string): void {
    this.#dropPending()
    this.#end(ERROR.closed, 'client', error === ERROR.closed ? reason : `${ERRORS.get(error)?.name ?? String(error)}: ${reason}`)
    this.transport.end(ERROR.closed)
    this.transport.resume()
    this.connections.closing(this)
  }

  failed(error: ErrorCode): void {
    this.close(error)
  }

  peerEnded(): void {
    if (this.#phase >= PHASE_CLOSING) return
    this.#end(ERROR.closed, 'client', 'ended without close') // [CLS-8]
    this.#writePending(true)
    this.transport.end(ERROR.closed)
    this.connections.closing(this)
  }

  gone(): void {
    if (this.#phase < PHASE_CLOSING) this.#end(ERROR.closed, 'client', 'lost')
    this.#phase = PHASE_ENDED
    this.#dropPending()
    this.connections.gone(this)
  }

  /** The one end: session and opening are let go, nothing more is read, sent or handled. */
  #end(error: ErrorCode, by: 'server' | 'client', reason: string): void {
    this.connections.ended(this, error, by, reason)
    this.#phase = PHASE_CLOSING
    this.#chunks = NO_CHUNKS
    this.#session?.end()
    this.#opening?.end()
    this.#opening = null
  }

  // Output

  /** Sends whole frames, `count` of them, at the end of the turn. They are copied. Closes a consumer that is too slow. [FLW-2] */
  send(frames: Uint8Array, count = 1): void {
    const out = this.beginSend()
    if (out === null) return
    out.append(frames)
    this.endSend(count)
  }

  /** Where to append frames that are to be sent at the end of the turn, with `endSend` behind them; null: it has ended. */
  beginSend(): ByteBuffer | null {
    return this.#phase >= PHASE_CLOSING ? null : this.#piece ??= new ByteBuffer()
  }

  endSend(count: number): void {
    this.#pendingFrames += count
    if (this.#piece !== null && this.#piece.length >= PIECE_BYTES) this.#finishPiece(this.#piece)
    if (this.#isDirty) return
    if (this.#isBlocked) {
      // Only where nothing moves can it pile up; the end of the turn would empty it otherwise.
      this.#checkOutgoing()
      return
    }
    this.#isDirty = true
    this.connections.flusher.add(this)
  }

  #finishPiece(piece: ByteBuffer): void {
    if (this.#pieces === NO_PIECES) this.#pieces = []
    this.#pieces.push(piece.view())
    this.#piecesBytes += piece.length
    this.#piece = null
  }

  get #pendingBytes(): number {
    return this.#piecesBytes + (this.#piece?.length ?? 0)
  }

  /** Whether the peer reads slower than it is sent: what can be left out should be. [PRS-1] */
  get isCongested(): boolean {
    return this.#isBlocked || this.#piecesBytes > 0
  }

  sendPing(nowMs: number): void {
    if (this.pingSentMs === 0) this.pingSentMs = nowMs
    this.connections.environment.counters.pings++
    this.send(encodePing(1 + Math.floor(Math.random() * 0xffff_ffff)))
  }

  flush(): void {
    this.#isDirty = false
    if (this.#phase >= PHASE_CLOSING || this.#isBlocked || this.#isAnswering) return
    this.#writePending(false)
    if (this.#isBlocked) this.#checkOutgoing()
  }

  /**
   * Whether a step of its opening is under way: what that will say goes out together with what is said already, so that the answer to a whole
   * flight is one write.
   */
  get #isAnswering(): boolean {
    return this.#opening !== null && (this.#hold & HOLD.control) !== 0
  }

  /** What waits here, and what the socket took but the kernel did not. */
  #checkOutgoing(): void {
    const waiting = this.#pendingBytes + this.transport.bufferedBytes
    if (waiting > this.connections.environment.config.limits.outgoingBytesMax) this.close(ERROR.slowConsumer)
  }

  drained(): void {
    this.#isBlocked = false
    if (this.#phase < PHASE_CLOSING && this.#pendingBytes > 0) this.#writePending(false)
  }

  /** Writes until the socket has enough; with `isLast` everything. */
  #writePending(isLast: boolean): void {
    const { counters, clock } = this.connections.environment
    while (this.#pendingBytes > 0 && (isLast || !this.#isBlocked)) {
      const piece = this.#takePiece()
      counters.bytesOut += piece.length
      counters.flushes++
      this.lastSentMs = clock.monotonicMs()
      if (!this.transport.write(piece)) this.#isBlocked = true
    }
    if (this.#pendingBytes > 0) return
    counters.framesOut += this.#pendingFrames
    this.#dropPending()
  }

  #takePiece(): Uint8Array {
    const full = this.#pieces.shift()
    if (full !== undefined) {
      this.#piecesBytes -= full.length
      return full
    }
    const piece = this.#piece?.view() ?? EMPTY_BYTES
    this.#piece = null
    return piece
  }

  #dropPending(): void {
    this.#pieces = NO_PIECES
    this.#piecesBytes = 0
    this.#piece = null
    this.#pendingFrames = 0
  }
}

/** Shared by all connections that have no full piece waiting; never written to. */
const NO_PIECES: Uint8Array[] = []
/** Shared by all connections that have no chunk waiting; never written to. */
const NO_CHUNKS: WaitingChunk[] = []
