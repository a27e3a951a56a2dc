/**
 * One end of a link: a transport, the decoder, what waits to be written. Frames are handled in the order in which they come; what is
 * to be sent is appended and goes out in one write at the end of the turn. It ends once, with one reason.
 *
 * Heartbeats go both ways: an end that has sent nothing for `heartbeatMs` sends a ping, and one that has heard nothing for `silenceMs`
 * takes the other for dead.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { ERROR } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import type { Flushable } from '../connection/flusher.js'
import type { Transport, TransportHandler } from '../listeners/transport.js'
import type { LinkEnvironment } from './link-environment.js'
import { appendClose, appendPing, LINK, LINK_CLOSE, type LinkClose } from './link-frames.js'
import { LINK_MALFORMED, LINK_NEEDS_MORE, LinkDecoder } from './link-decoder.js'

/** A frame before the other side has proved who it is. */
const OPENING_FRAME_BYTES_MAX = 4096
/** What waits is written in pieces of this size or a frame more. */
const PIECE_BYTES = 65_536
/** First memory of a piece: small ones come from Node's pool. */
const PIECE_BYTES_FIRST = 2048
/** Bytes from here on are sent from where they are; fewer are copied into the piece. */
const COPY_BYTES_MAX = 16_384

/** What a link's user does with it. Calls come one at a time, none after `ended`. */
export interface LinkHandler {
  /** A frame but ping and close; its fields are read from `reader` before this returns, views stay good. Not to call `destroy`. */
  frame(type: number, reader: Reader): void
  /** What waited to be written is written, after `isBlocked` was true. */
  drained(): void
  ended(reason: LinkClose): void
}

export class LinkConnection implements TransportHandler, Flushable {
  readonly transport: Transport
  readonly environment: LinkEnvironment
  #handler: LinkHandler
  readonly #decoder = new LinkDecoder(OPENING_FRAME_BYTES_MAX)
  #hasEnded = false
  #pieces: Uint8Array[] = []
  #piecesBytes = 0
  #piece: ByteBuffer | null = null
  #isDirty = false
  #isBlocked = false
  #isOverflowing = false
  #lastHeardMs: number
  #lastSentMs: number
  #lastTickMs: number
  readonly #tick = (): void => this.#beat()

  constructor(transport: Transport, environment: LinkEnvironment, handler: LinkHandler) {
    this.transport = transport
    this.environment = environment
    this.#handler = handler
    const nowMs = environment.clock.monotonicMs()
    this.#lastHeardMs = nowMs
    this.#lastSentMs = nowMs
    this.#lastTickMs = nowMs
  }

  get hasEnded(): boolean {
    return this.#hasEnded
  }

  /** Whether the other end takes less than it is sent. */
  get isBlocked(): boolean {
    return this.#isBlocked
  }

  /** Bytes that wait to be sent, also those that the transport has taken and not passed on. */
  get waitingBytes(): number {
    return this.#piecesBytes + (this.#piece?.length ?? 0) + this.transport.bufferedBytes
  }

  /** To be called once, in the turn in which the transport was made. */
  start(): void {
    this.transport.start(this)
    this.environment.scheduler.after(this.environment.limits.heartbeatMs, this.#tick)
  }

  /** The opening is done: who handles frames from the next one on. */
  opened(handler: LinkHandler): void {
    this.#handler = handler
    this.#decoder.frameBytesMax = this.environment.limits.frameBytesMax
  }

  // Output

  /** Where to append frames that go out at the end of the turn, with `endSend` behind them. Thrown away once the link has ended. */
  beginSend(): ByteBuffer {
    if (this.#piece !== null) return this.#piece
    this.#piece = new ByteBuffer()
    this.#piece.bytes = Buffer.allocUnsafe(PIECE_BYTES_FIRST)
    return this.#piece
  }

  endSend(): void {
    const piece = this.#piece
    if (piece === null) return
    if (this.#hasEnded) {
      this.#piece = null
      return
    }
    if (piece.length >= PIECE_BYTES) this.#finishPiece(piece)
    if (this.#isBlocked) {
      // Only where nothing moves can it pile up; the end of the turn would empty it otherwise.
      this.#checkOutgoing()
    } else if (!this.#isDirty) {
      this.#isDirty = true
      this.environment.flusher.add(this)
    }
  }

  /** The rest of a frame whose head was appended: as it is, without a copy where it is long. It must not change afterwards. */
  sendBytes(bytes: Uint8Array): void {
    const piece = this.beginSend()
    if (bytes.length <= COPY_BYTES_MAX) {
      piece.append(bytes)
    } else {
      this.#finishPiece(piece)
      this.#pieces.push(bytes)
      this.#piecesBytes += bytes.length
    }
    this.beginSend()
    this.endSend()
  }

  #finishPiece(piece: ByteBuffer): void {
    if (piece.length > 0) this.#pieces.push(piece.view())
    this.#piecesBytes += piece.length
    this.#piece = null
  }

  flush(): void {
    this.#isDirty = false
    if (this.#hasEnded || this.#isBlocked) return
    this.#write(false)
    if (this.#isBlocked) this.#checkOutgoing()
  }

  #write(isLast: boolean): void {
    if (this.#piece !== null) this.#finishPiece(this.#piece)
    const { counters, clock } = this.environment
    let index = 0
    for (; index < this.#pieces.length && (isLast || !this.#isBlocked); index++) {
      const piece = this.#pieces[index]!
      this.#piecesBytes -= piece.length
      counters.linkBytesOut += piece.length
      if (!this.transport.write(piece)) this.#isBlocked = true
    }
    this.#pieces = index === this.#pieces.length ? [] : this.#pieces.slice(index)
    this.#lastSentMs = clock.monotonicMs()
  }

  /** In a later turn: who has something to say may be in the middle of telling many. */
  #checkOutgoing(): void {
    if (this.#isOverflowing || this.waitingBytes <= this.environment.limits.outgoingBytesMax) return
    this.#isOverflowing = true
    this.environment.scheduler.defer(() => this.close(LINK_CLOSE.overflow))
  }

  drained(): void {
    if (!this.#isBlocked) return
    this.#isBlocked = false
    if (this.#hasEnded) return
    this.#write(false)
    if (!this.#isBlocked) this.#handler.drained()
  }

  // Input

  received(chunk: Uint8Array): void {
    if (this.#hasEnded) return
    this.environment.counters.linkBytesIn += chunk.length
    this.#lastHeardMs = this.environment.clock.monotonicMs()
    const decoder = this.#decoder
    decoder.push(chunk)
    for (let type = decoder.next(); type !== LINK_NEEDS_MORE; type = decoder.next()) {
      const { reader } = decoder
      if (type === LINK_MALFORMED) this.close(LINK_CLOSE.malformed)
      else if (type === LINK.close) this.#closedByPeer(reader.uint())
      else if (type !== LINK.ping) this.#handler.frame(type, reader)
      if (reader.failed) this.close(LINK_CLOSE.malformed)
      if (this.#hasEnded) return
    }
  }

  // Its end

  /** Ends the link from this side: says why behind what waits. What still comes is not looked at. */
  close(reason: LinkClose): void {
    if (this.#hasEnded) return
    // Who doesn't read would have all of it kept.
    const isStuck = reason === LINK_CLOSE.overflow || reason === LINK_CLOSE.silent
    if (!isStuck) {
      appendClose(this.beginSend(), reason)
      this.#write(true)
    }
    this.#end(reason)
    if (isStuck) this.transport.destroy()
    else this.#endTransport()
  }

  #endTransport(): void {
    this.transport.end(ERROR.closed)
    // Bytes that nobody reads would make the kernel reset the connection, and the reason with it.
    this.transport.resume()
    this.environment.scheduler.after(this.environment.limits.openTimeoutMs, () => this.transport.destroy())
  }

  #closedByPeer(code: number): void {
    this.#end(code as LinkClose)
    this.#endTransport()
  }

  failed(): void {
    this.close(LINK_CLOSE.malformed)
  }

  peerEnded(): void {
    if (this.#hasEnded) return
    this.#end(LINK_CLOSE.lost)
    this.#endTransport()
  }

  gone(): void {
    this.#end(LINK_CLOSE.lost)
  }

  #end(reason: LinkClose): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#pieces = []
    this.#piecesBytes = 0
    this.#piece = null
    this.#handler.ended(reason)
  }

  // Heartbeats

  #beat(): void {
    if (this.#hasEnded) return
    const { clock, limits, scheduler } = this.environment
    const nowMs = clock.monotonicMs()
    // A process that was stopped, or busy, has not listened: what came meanwhile waits to be read.
    if (nowMs - this.#lastTickMs > limits.heartbeatMs + limits.silenceMs / 2) this.#lastHeardMs = nowMs
    this.#lastTickMs = nowMs
    if (nowMs - this.#lastHeardMs >= limits.silenceMs) {
      this.close(LINK_CLOSE.silent)
      return
    }
    if (nowMs - this.#lastSentMs >= limits.heartbeatMs / 2) {
      appendPing(this.beginSend())
      this.endSend()
    }
    scheduler.after(limits.heartbeatMs, this.#tick)
  }
}
