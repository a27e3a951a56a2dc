/**
 * Reads the field types of the registry from one frame body. A Reader never throws and never reads past `end`: at the first field
 * that does not decode it sets `failed` and from then on returns empty values, so that a caller reads all fields in a straight line
 * and looks at `failed` once.
 */
import { EMPTY_BYTES } from './bytes.js'
import { decodeString } from './utf8.js'

const UINT_MAX = Number.MAX_SAFE_INTEGER
const UINT_BYTES_MAX = 8

export class Reader {
  bytes: Uint8Array
  position: number
  end: number
  /** A field did not decode: everything read since is worthless. */
  failed: boolean

  constructor() {
    this.bytes = EMPTY_BYTES
    this.position = 0
    this.end = 0
    this.failed = false
  }

  /** Begins with `bytes[start, end)`; the caller guarantees 0 <= start <= end <= bytes.length. */
  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes
    this.position = start
    this.end = end
    this.failed = false
  }

  /** Marks the frame as malformed and stops all further reading. */
  fail(): 0 {
    this.failed = true
    this.position = this.end
    return 0
  }

  /** [FRM-2] LEB128 in its shortest form, at most 2^53 - 1. */
  uint(): number {
    const bytes = this.bytes
    const end = this.end
    let position = this.position
    if (position >= end) return this.fail()
    let byte = bytes[position++]!
    if (byte < 0x80) {
      this.position = position
      return byte
    }
    let value = byte & 0x7f
    let scale = 0x80
    for (let count = 1; count < UINT_BYTES_MAX; count++) {
      if (position >= end) return this.fail()
      byte = bytes[position++]!
      // Multiplied, not shifted: shifts end at 32 bits. Up to 2^53 - 1 the sum is exact, beyond it stays beyond.
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        if (byte === 0 || value > UINT_MAX) return this.fail()
        this.position = position
        return value
      }
      scale *= 0x80
    }
    return this.fail()
  }

  /** Zigzag: 0, -1, 1, -2 … from 0, 1, 2, 3 …; from -2^52 to 2^52 - 1. */
  int(): number {
    const value = this.uint()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** Unix time in milliseconds, 6 bytes big-endian. */
  time(): number {
    const bytes = this.bytes
    const position = this.position
    if (this.end - position < 6) return this.fail()
    this.position = position + 6
    const high = bytes[position]! * 0x100 + bytes[position + 1]!
    const low = bytes[position + 2]! * 0x1000000
      + ((bytes[position + 3]! << 16) | (bytes[position + 4]! << 8) | bytes[position + 5]!)
    return high * 0x100000000 + low
  }

  /** [FRM-9] */
  string(): string {
    const size = this.uint()
    const start = this.position
    if (size > this.end - start) {
      this.fail()
      return ''
    }
    const text = decodeString(this.bytes, start, start + size)
    if (text === null) {
      this.fail()
      return ''
    }
    this.position = start + size
    return text
  }

  /** A view of the frame's memory, not a copy. */
  byteString(): Uint8Array {
    const size = this.uint()
    const start = this.position
    if (size > this.end - start) {
      this.fail()
      return EMPTY_BYTES
    }
    this.position = start + size
    return view(this.bytes, start, size)
  }

  /** All that is left, as a view of the frame's memory. */
  rest(): Uint8Array {
    const start = this.position
    this.position = this.end
    return view(this.bytes, start, this.end - start)
  }

  /** A list's count; more than `max` items are malformed, so that nobody's number makes us loop. */
  count(max: number): number {
    const count = this.uint()
    return count > max ? this.fail() : count
  }
}

/** Always a plain Uint8Array, whatever class the chunk has: one shape for those who read it. */
function view(bytes: Uint8Array, start: number, size: number): Uint8Array {
  return size === 0 ? EMPTY_BYTES : new Uint8Array(bytes.buffer, bytes.byteOffset + start, size)
}
