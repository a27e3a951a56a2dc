/**
 * Sizes and writes the field types of the registry. Encoders add up the sizes first, take one piece of memory and fill every byte of
 * it. A value outside its range is a mistake of the program and throws a RangeError; sizes are always asked first, so writers need
 * not check again.
 */
import { utf8Size, writeUtf8 } from './utf8.js'

const TIME_MAX = 2 ** 48 - 1

/** Bytes of a uint. Throws a RangeError for anything but an integer from 0 to 2^53 - 1. */
export function uintSize(value: number): number {
  if (value >>> 0 === value) {
    if (value < 0x80) return 1
    if (value < 0x4000) return 2
    if (value < 0x200000) return 3
    return value < 0x10000000 ? 4 : 5
  }
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not an unsigned integer: ${value}`)
  if (value < 2 ** 35) return 5
  if (value < 2 ** 42) return 6
  return value < 2 ** 49 ? 7 : 8
}

/** Writes what uintSize has approved; returns the position behind it. [FRM-2] */
export function writeUint(bytes: Uint8Array, position: number, value: number): number {
  let rest = value
  // Beyond 32 bits shifts lie, so divide until they don't.
  while (rest > 0xffffffff) {
    bytes[position++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    bytes[position++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[position++] = rest
  return position
}

/** The uint that stands for a signed integer. [FRM-18] Throws a RangeError below -2^52 and above 2^52 - 1. */
export function zigzag(value: number): number {
  const uint = value < 0 ? -2 * value - 1 : 2 * value
  if (!Number.isSafeInteger(value) || uint > Number.MAX_SAFE_INTEGER) throw new RangeError(`not an integer of 53 bits: ${value}`)
  // 2 * -0 is -0, which is not the integer 0 to uintSize.
  return uint + 0
}

/** Bytes of a time, always 6. Throws a RangeError for anything but an integer from 0 to 2^48 - 1. */
export function timeSize(value: number): 6 {
  if (!Number.isInteger(value) || value < 0 || value > TIME_MAX) throw new RangeError(`not a time in milliseconds: ${value}`)
  return 6
}

export function writeTime(bytes: Uint8Array, position: number, value: number): number {
  const high = Math.floor(value / 0x100000000)
  const low = value >>> 0
  bytes[position] = high >>> 8
  bytes[position + 1] = high
  bytes[position + 2] = low >>> 24
  bytes[position + 3] = low >>> 16
  bytes[position + 4] = low >>> 8
  bytes[position + 5] = low
  return position + 6
}

/** Writes a string whose utf8Size is `size`, its length first; returns the position behind it. */
export function writeString(bytes: Uint8Array, position: number, text: string, size: number): number {
  return writeUtf8(bytes, writeUint(bytes, position, size), text, size)
}

/** Writes bytes, their length first; returns the position behind them. */
export function writeByteString(bytes: Uint8Array, position: number, value: Uint8Array): number {
  return writeRaw(bytes, writeUint(bytes, position, value.length), value)
}

/** Writes bytes as they are; returns the position behind them. */
export function writeRaw(bytes: Uint8Array, position: number, value: Uint8Array): number {
  if (value.length !== 0) bytes.set(value, position)
  return position + value.length
}

/** Bytes of a string with its length. */
export function stringSize(text: string): number {
  const size = utf8Size(text)
  return uintSize(size) + size
}

/** Bytes of a list of uints with its count. */
export function uintListSize(list: readonly number[]): number {
  let size = uintSize(list.length)
  for (const value of list) size += uintSize(value)
  return size
}

export function writeUintList(bytes: Uint8Array, position: number, list: readonly number[]): number {
  position = writeUint(bytes, position, list.length)
  for (const value of list) position = writeUint(bytes, position, value)
  return position
}

/** Bytes of a list of strings with its count. */
export function stringListSize(list: readonly string[]): number {
  let size = uintSize(list.length)
  for (const value of list) size += stringSize(value)
  return size
}

export function writeStringList(bytes: Uint8Array, position: number, list: readonly string[]): number {
  position = writeUint(bytes, position, list.length)
  for (const value of list) position = writeString(bytes, position, value, utf8Size(value))
  return position
}
