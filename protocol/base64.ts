/** Base64 (RFC 4648, section 4) without Node's Buffer, and strict: one text for the same bytes, so that nothing hides in spare bits. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const SHAPE = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const values: ReadonlyMap<string, number> = new Map([...ALPHABET].map((letter, index) => [letter, index]))

/** Base64 with padding. */
export function encodeBase64(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const group = (bytes[index]! << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += ALPHABET[group >> 18]! + ALPHABET[(group >> 12) & 63]!
    text += index + 1 < bytes.length ? ALPHABET[(group >> 6) & 63]! : '='
    text += index + 2 < bytes.length ? ALPHABET[group & 63]! : '='
  }
  return text
}

/** The bytes, in new memory; null for anything that encodeBase64 would not have written: spaces, missing padding, spare bits. */
export function decodeBase64(text: string): Uint8Array | null {
  if (!SHAPE.test(text)) return null
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  let position = 0
  for (let index = 0; index < text.length; index += 4) {
    let group = 0
    for (let offset = 0; offset < 4; offset++) group = (group << 6) | (values.get(text[index + offset]!) ?? 0)
    for (let shift = 16; shift >= 0 && position < bytes.length; shift -= 8) bytes[position++] = (group >> shift) & 255
    const spare = padding === 2 ? 0xffff : padding === 1 ? 0xff : 0
    if (index + 4 === text.length && (group & spare) !== 0) return null
  }
  return bytes
}
