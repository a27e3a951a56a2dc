/**
 * How the values of rows are written: numbers as LEB128, bytes and strings behind their length, nothing else. The meaning of a row is
 * its owner's; by convention its first field is a version, and fields are only ever added at the end.
 */
import { StorageError } from './engine.js'

const TWO_32 = 0x1_0000_0000
/** Shared by all fields without a byte. */
const NONE = Buffer.alloc(0)

/** Builds one value after another; each `take` hands out bytes of their own, so that one writer serves all rows there are. */
export class ValueWriter {
  #buffer = Buffer.allocUnsafeSlow(256)
  #length = 0

  /** Begins a value, whatever has become of the one before. */
  begin(): this {
    this.#length = 0
    return this
  }

  /** 0 to 2^53 - 1. */
  uint(value: number): this {
    if (!(value >= 0 && value <= Number.MAX_SAFE_INTEGER && Math.floor(value) === value)) throw new RangeError('not an unsigned integer')
    this.#reserve(8)
    let rest = value
    while (rest >= 0x80) {
      this.#buffer[this.#length++] = (rest % 0x80) | 0x80
      rest = rest < TWO_32 ? rest >>> 7 : Math.floor(rest / 0x80)
    }
    this.#buffer[this.#length++] = rest
    return this
  }

  bool(value: boolean): this {
    return this.uint(value ? 1 : 0)
  }

  /** Unix time in ms; fractions are cut off. */
  time(ms: number): this {
    return this.uint(Math.floor(ms))
  }

  bytes(value: Uint8Array): this {
    this.uint(value.length)
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** As they are, without a length: the last field. */
  rest(value: Uint8Array): this {
    this.#reserve(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
    return this
  }

  /** UTF-8. */
  string(value: string): this {
    const length = Buffer.byteLength(value)
    this.uint(length)
    this.#reserve(length)
    this.#length += this.#buffer.write(value, this.#length)
    return this
  }

  /** The value, which is yours. */
  take(): Buffer {
    const value = Buffer.allocUnsafe(this.#length)
    this.#buffer.copy(value, 0, 0, this.#length)
    this.#length = 0
    return value
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#length + bytes, this.#buffer.length * 2))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

/**
 * Reads one value, field by field. Never reads past its end: a field that would, or that no writer wrote, throws StorageError
 * 'corrupt', since only a damaged file or another program's row can be its cause.
 */
export class ValueReader {
  readonly #value: Buffer
  #at = 0
  #end: number

  constructor(value: Uint8Array) {
    this.#value = Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    this.#end = value.length
  }

  /** Begins with another value of the same memory. The caller guarantees 0 <= start <= end <= its length. */
  reset(start: number, end: number): void {
    this.#at = start
    this.#end = end
  }

  /** Whether there are fields left; rows of older versions have fewer. */
  get more(): boolean {
    return this.#at < this.#end
  }

  uint(): number {
    let result = 0
    let scale = 1
    for (;;) {
      if (this.#at >= this.#end) throw corrupt('it ends within a number')
      const byte = this.#value[this.#at++]!
      result += (byte & 0x7f) * scale
      if (result > Number.MAX_SAFE_INTEGER) throw corrupt('a number is too large')
      if (byte < 0x80) {
        if (byte === 0 && scale > 1) throw corrupt('a number is longer than it needs to be')
        return result
      }
      scale *= 0x80
      if (scale > Number.MAX_SAFE_INTEGER) throw corrupt('a number is too long')
    }
  }

  bool(): boolean {
    const value = this.uint()
    if (value > 1) throw corrupt('a truth value is neither 0 nor 1')
    return value === 1
  }

  /** Unix time in ms. */
  time(): number {
    return this.uint()
  }

  /** A view of the value, not a copy. */
  bytes(): Buffer {
    const end = this.#endOfField()
    if (end === this.#at) return NONE
    const bytes = this.#value.subarray(this.#at, end)
    this.#at = end
    return bytes
  }

  /** All that is left, a view. */
  rest(): Buffer {
    const bytes = this.#value.subarray(this.#at, this.#end)
    this.#at = this.#end
    return bytes
  }

  string(): string {
    const end = this.#endOfField()
    const text = this.#value.toString('utf8', this.#at, end)
    this.#at = end
    return text
  }

  /** A string of ASCII; `known` itself where it is the same, so that a name that repeats is made once. */
  name(known: string): string {
    const end = this.#endOfField()
    const start = this.#at
    this.#at = end
    return this.#isAt(start, end, known) ? known : this.#value.toString('latin1', start, end)
  }

  #isAt(start: number, end: number, text: string): boolean {
    if (end - start !== text.length) return false
    for (let at = 0; at < text.length; at++) if (this.#value[start + at] !== text.charCodeAt(at)) return false
    return true
  }

  #endOfField(): number {
    const length = this.uint()
    if (length > this.#end - this.#at) throw corrupt('a field is longer than the row')
    return this.#at + length
  }
}

function corrupt(what: string): StorageError {
  return new StorageError('corrupt', `a row of the store is damaged: ${what}`)
}
