/**
 * UTF-8 for the codec. The checks are written out because the platform's own either throw (TextDecoder, fatal) or silently mend
 * (Buffer), and a decoder that throws lets an attacker buy stack traces. The forms follow Table 3-7 of the Unicode Standard.
 */

type Slice = (this: Uint8Array, start: number, end: number) => string

const nodeBuffer = (globalThis as { Buffer?: { prototype: { utf8Slice?: Slice; latin1Slice?: Slice } } }).Buffer
const utf8Slice = nodeBuffer?.prototype.utf8Slice
const latin1Slice = nodeBuffer?.prototype.latin1Slice
const encoder = new TextEncoder()
/** ignoreBOM keeps U+FEFF in the text: it belongs to the sender. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** Up to here a loop over the characters beats a call into the runtime. */
const SHORT_LENGTH = 16

/**
 * Number of code points in `bytes[start, end)`, or -1 if it is not well-formed UTF-8 or holds U+0000, or `limit + 1` as soon as there
 * are more than `limit`. The caller has checked that the range lies within `bytes`.
 */
export function countCodePoints(bytes: Uint8Array, start: number, end: number, limit: number): number {
  let position = start
  /** Bytes that are no code point's first: what the position is ahead of the count. */
  let trailing = 0
  while (position < end) {
    const stop = Math.min(end, start + trailing + limit + 1)
    // Most text is ASCII: U+0001 to U+007F in one comparison.
    while (position < stop && ((bytes[position]! - 1) >>> 0) < 0x7f) position++
    if (position - start - trailing > limit) return limit + 1
    if (position >= end) break
    if (bytes[position] === 0) return -1
    const width = sequenceWidth(bytes, position, end)
    if (width === 0) return -1
    position += width
    trailing += width - 1
  }
  return position - start - trailing > limit ? limit + 1 : position - start - trailing
}

/** Bytes of the well-formed sequence of two or more bytes at `position`; 0 if there is none. */
function sequenceWidth(bytes: Uint8Array, position: number, end: number): number {
  const lead = bytes[position]!
  if (lead < 0xc2 || lead > 0xf4) return 0
  const width = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (position + width > end) return 0
  const second = bytes[position + 1]!
  // The second byte alone rules out overlong forms, surrogates and what lies above U+10FFFF.
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return 0
  for (let index = position + 2; index < position + width; index++) {
    if ((bytes[index]! & 0xc0) !== 0x80) return 0
  }
  return width
}

/**
 * The string in `bytes[start, end)`, or null if it is not well-formed UTF-8 or holds U+0000. [FRM-9] The caller has checked that the
 * range lies within `bytes`.
 */
export function decodeString(bytes: Uint8Array, start: number, end: number): string | null {
  for (let position = start; position < end; position++) {
    const byte = bytes[position]!
    if (byte === 0) return null
    if (byte >= 0x80) return decodeWide(bytes, start, end)
  }
  if (end - start <= SHORT_LENGTH) return shortAscii(bytes, start, end)
  return latin1Slice ? latin1Slice.call(bytes, start, end) : decoder.decode(bytes.subarray(start, end))
}

/** Four at a time: a call of fromCharCode with fixed arguments costs a third of as many with one, or of a call into the runtime. */
function shortAscii(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  let position = start
  for (; end - position >= 4; position += 4) {
    text += String.fromCharCode(bytes[position]!, bytes[position + 1]!, bytes[position + 2]!, bytes[position + 3]!)
  }
  switch (end - position) {
    case 3: return text + String.fromCharCode(bytes[position]!, bytes[position + 1]!, bytes[position + 2]!)
    case 2: return text + String.fromCharCode(bytes[position]!, bytes[position + 1]!)
    case 1: return text + String.fromCharCode(bytes[position]!)
    default: return text
  }
}

function decodeWide(bytes: Uint8Array, start: number, end: number): string | null {
  if (countCodePoints(bytes, start, end, Infinity) < 0) return null
  return utf8Slice ? utf8Slice.call(bytes, start, end) : decoder.decode(bytes.subarray(start, end))
}

/**
 * Bytes of `text` in UTF-8; a lone surrogate counts as U+FFFD, which is what writeUtf8 writes for it. Throws a RangeError for U+0000,
 * which no string on the wire may hold: that is a mistake of the program.
 */
export function utf8Size(text: string): number {
  const length = text.length
  let size = length
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x80) {
      if (unit === 0) throw new RangeError('a string must not hold U+0000')
    } else if (unit < 0x800) {
      size++
    } else {
      size += 2
      // A surrogate pair is two units and four bytes.
      if (unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(index + 1) & 0xfc00) === 0xdc00) index++
    }
  }
  return size
}

/** Writes `text`, whose `utf8Size` is `size`, at `position`; returns the position behind it. */
export function writeUtf8(bytes: Uint8Array, position: number, text: string, size: number): number {
  if (size === text.length && size <= SHORT_LENGTH * 4) {
    for (let index = 0; index < size; index++) bytes[position + index] = text.charCodeAt(index)
  } else {
    encoder.encodeInto(text, bytes.subarray(position, position + size))
  }
  return position + size
}

/** UTF-8 of any text, for control paths; the array is the caller's. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** The text in well-formed UTF-8 (as checkText has approved it); what is not well-formed becomes U+FFFD. */
export function decodeText(bytes: Uint8Array): string {
  return utf8Slice ? utf8Slice.call(bytes, 0, bytes.length) : decoder.decode(bytes)
}
