/**
 * From the pieces that a link's transport delivers to its frames. Frames that lie whole in one chunk are read where they are. What a
 * chunk cuts off is kept with what follows and joined once, however large the frame.
 */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { Reader } from '../../protocol/reader.js'

/** Of a frame: results of calls may hold a page of history. */
export const LINK_FRAME_BYTES_MAX = 32 << 20
const LENGTH_BYTES_MAX = 5

/** What `next` returns beside a type. */
export const LINK_NEEDS_MORE = 0
export const LINK_MALFORMED = -1

export class LinkDecoder {
  /** Of the frame that `next` has returned the type of: its fields. Views hold as long as somebody holds them. */
  readonly reader = new Reader()
  /** Largest body that is taken, in bytes: small until the other side has proved who it is. */
  frameBytesMax: number
  #chunk: Uint8Array = EMPTY_BYTES
  #position = 0
  /** What waits for the rest of its frame: chunks, their bytes, and how many there have to be before it is worth a look. */
  #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #neededBytes = 0

  constructor(frameBytesMax: number) {
    this.frameBytesMax = frameBytesMax
  }

  /** Takes the next bytes, which are the decoder's from then on. To be called when `next` has returned LINK_NEEDS_MORE. */
  push(chunk: Uint8Array): void {
    if (this.#waiting.length === 0) {
      this.#chunk = chunk
      this.#position = 0
      return
    }
    this.#waiting.push(chunk)
    this.#waitingBytes += chunk.length
    if (this.#waitingBytes < this.#neededBytes) return
    this.#chunk = Buffer.concat(this.#waiting, this.#waitingBytes)
    this.#position = 0
    this.#waiting = []
    this.#waitingBytes = 0
  }

  /** The type of the next frame, whose fields `reader` is at; LINK_NEEDS_MORE or LINK_MALFORMED. */
  next(): number {
    const chunk = this.#chunk
    const start = this.#position
    const end = chunk.length
    let length = 0
    let scale = 1
    let position = start
    for (;;) {
      if (position === end) return this.#wait(0)
      if (position - start === LENGTH_BYTES_MAX) return LINK_MALFORMED
      const byte = chunk[position++]!
      length += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
    }
    if (length === 0 || length > this.frameBytesMax) return LINK_MALFORMED
    if (length > end - position) return this.#wait(position - start + length)
    this.#position = position + length
    this.reader.reset(chunk, position + 1, position + length)
    const type = chunk[position]!
    return type === 0 ? LINK_MALFORMED : type
  }

  /** `frameBytes`: of the whole frame, 0 while unknown. */
  #wait(frameBytes: number): 0 {
    const left = this.#chunk.length - this.#position
    if (left > 0) {
      this.#waiting.push(this.#position === 0 ? this.#chunk : this.#chunk.subarray(this.#position))
      this.#waitingBytes = left
      this.#neededBytes = frameBytes
    }
    this.#chunk = EMPTY_BYTES
    this.#position = 0
    return LINK_NEEDS_MORE
  }
}
