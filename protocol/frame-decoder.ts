/** From the pieces a transport delivers to frames: one decoder for each connection. [FRM-1] */
import { EMPTY_BYTES } from './bytes.js'
import { decodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { ERROR, LIMIT } from './generated/registry.js'
import type { ErrorCode } from './generated/registry.js'

/** First memory for a frame in pieces: most frames fit. */
const PARTIAL_BYTES_FIRST = 128

/**
 * Usage: `push` each chunk, then call `next` until it returns null. [FRM-5]
 *
 * A frame that lies whole in one chunk is decoded where it is, without a copy. Only the first part of a frame that a chunk cuts off
 * is copied, into memory that grows with the bytes received, never with the length announced [FRM-19]. Byte fields of a frame are views: of
 * the chunk pushed, or of memory that the decoder never uses again. Once `next` has returned null the decoder holds no reference to
 * the chunk, so whoever owns it may reuse it, if no frame of it is in use any more; copy what you keep.
 */
export class FrameDecoder {
  /** Largest body accepted from the next frame on, in bytes. Raise it when the session opens. [OPN-5] */
  frameBytesMax: number
  /** What is not decoded yet is #chunk[#position, #chunk.length), behind the first part of a frame in #partial. */
  #chunk: Uint8Array
  #position: number
  #partial: Uint8Array
  #partialSize: number
  /** Set by the first error: the stream can't be read any further. */
  #error: ErrorCode | 0

  constructor(frameBytesMax: number = LIMIT.openFrameBytesMax) {
    this.frameBytesMax = frameBytesMax
    this.#chunk = EMPTY_BYTES
    this.#position = 0
    this.#partial = EMPTY_BYTES
    this.#partialSize = 0
    this.#error = 0
  }

  /** Whether the bytes so far end within a frame. Ask after `next` returned null. [FRM-12] */
  get isWithinFrame(): boolean {
    return this.#partialSize !== 0
  }

  /** Bytes received and not decoded yet: what this decoder holds in memory. */
  get bytesWaiting(): number {
    return this.#partialSize + this.#chunk.length - this.#position
  }

  /**
   * Takes the next bytes of the stream. Call `next` until null before the next push; what was left is copied together otherwise,
   * which is right, but slow.
   */
  push(chunk: Uint8Array): void {
    if (this.#error !== 0) return
    if (this.#position < this.#chunk.length) {
      const left = this.#chunk.subarray(this.#position)
      const joined = new Uint8Array(left.length + chunk.length)
      joined.set(left)
      joined.set(chunk, left.length)
      this.#chunk = joined
    } else {
      this.#chunk = chunk
    }
    this.#position = 0
  }

  /**
   * The next frame; null when it needs more bytes; or the code of the error that the connection has to be closed with:
   * frame-too-large [FRM-3], malformed-frame [FRM-2] [FRM-4] [FRM-11], unsupported-frame [FRM-6] or
   * unsupported-critical-extension [FRM-7]. After an error it returns that error for ever. Unknown frames that are to be ignored are
   * passed over. Never throws.
   */
  next(): Frame | ErrorCode | null {
    if (this.#error !== 0) return this.#error
    while (this.#position < this.#chunk.length) {
      const frame = this.#partialSize === 0 ? this.#nextInChunk() : this.#nextInPartial()
      if (typeof frame === 'number') return this.#stop(frame)
      if (frame !== null) return frame
    }
    this.#chunk = EMPTY_BYTES
    this.#position = 0
    return null
  }

  /** One frame from the chunk; null if it was ignored, or cut off and kept. */
  #nextInChunk(): Frame | ErrorCode | null {
    const chunk = this.#chunk
    const start = this.#position
    const header = readHeader(chunk, start, chunk.length, this.frameBytesMax)
    if (header < 0) return -header as ErrorCode
    const bodyStart = start + headerSize
    if (header === 0 || header > chunk.length - bodyStart) {
      this.#keep(chunk.length, header === 0 ? 0 : headerSize + header)
      return null
    }
    this.#position = bodyStart + header
    return decodeFrame(chunk, bodyStart, bodyStart + header)
  }

  /** Adds to the frame that was cut off as much of the chunk as belongs to it. */
  #nextInPartial(): Frame | ErrorCode | null {
    let header = readHeader(this.#partial, 0, this.#partialSize, this.frameBytesMax)
    while (header === 0 && this.#position < this.#chunk.length) {
      this.#keep(this.#position + 1, 0)
      header = readHeader(this.#partial, 0, this.#partialSize, this.frameBytesMax)
    }
    if (header < 0) return -header as ErrorCode
    if (header === 0) return null
    const bodyStart = headerSize
    const size = bodyStart + header
    this.#keep(Math.min(this.#chunk.length, this.#position + size - this.#partialSize), size)
    if (this.#partialSize < size) return null
    const whole = this.#partial
    this.#partial = EMPTY_BYTES
    this.#partialSize = 0
    return decodeFrame(whole, bodyStart, size)
  }

  /** Moves #chunk[#position, end) behind what is kept of the frame; `size` is that of the whole frame, 0 while unknown. */
  #keep(end: number, size: number): void {
    const added = end - this.#position
    const needed = this.#partialSize + added
    if (needed > this.#partial.length) {
      const doubled = Math.max(PARTIAL_BYTES_FIRST, needed, 2 * this.#partial.length)
      const grown = new Uint8Array(size === 0 ? doubled : Math.max(needed, Math.min(doubled, size)))
      grown.set(this.#partial.subarray(0, this.#partialSize))
      this.#partial = grown
    }
    this.#partial.set(this.#chunk.subarray(this.#position, end), this.#partialSize)
    this.#partialSize = needed
    this.#position = end
  }

  #stop(error: ErrorCode): ErrorCode {
    this.#error = error
    this.#chunk = EMPTY_BYTES
    this.#position = 0
    this.#partial = EMPTY_BYTES
    this.#partialSize = 0
    return error
  }
}

/** Bytes of the length that readHeader read last. */
let headerSize = 0

/**
 * The length of the body that begins behind `start`, and its own size in `headerSize`; 0 when it needs more bytes; a negated error
 * code. A first byte of 0 is the empty frame, a last byte of 0 a length in a longer form than needed: both malformed.
 */
function readHeader(bytes: Uint8Array, start: number, end: number, max: number): number {
  let value = 0
  let scale = 1
  for (let position = start; position < end; position++) {
    const byte = bytes[position]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) {
      headerSize = position - start + 1
      if (byte === 0) return -ERROR.malformedFrame
      return value > max ? -ERROR.frameTooLarge : value
    }
    // What follows can only make it larger. [FRM-3]
    if (value > max) return -ERROR.frameTooLarge
    if (position - start === LIMIT.uintBytesMax - 1) return -ERROR.malformedFrame
    scale *= 0x80
  }
  return 0
}
