/** When the text of a message is gone: the extension that a server sets and nobody else. [DIS-2] */
import { EMPTY_BYTES } from './bytes.js'
import { decodeExtensions, encodeExtensions, type Extension } from './extensions.js'
import { EXTENSION, LIMIT } from './generated/registry.js'
import { Reader } from './reader.js'
import { uintSize, writeUint } from './writer.js'

const reader = new Reader()

/** Unix time in milliseconds; 0: it does not expire, or what says so is damaged. */
export function expiryOf(extensions: Uint8Array): number {
  if (extensions.length === 0) return 0
  const value = decodeExtensions(extensions)?.find(({ key }) => key === EXTENSION.expires)?.value
  if (value === undefined) return 0
  reader.reset(value, 0, value.length)
  const timeMs = reader.uint()
  const isWhole = !reader.failed && reader.position === reader.end
  reader.reset(EMPTY_BYTES, 0, 0)
  return isWhole ? timeMs : 0
}

/** Whether what expires then has expired by now; 0 never does. */
export function isExpired(expiresMs: number, nowMs: number): boolean {
  return expiresMs > 0 && expiresMs <= nowMs
}

/** Whether withExpiry can be called: whether there are fewer than extensionsMax. */
export function hasRoomForExpiry(extensions: Uint8Array): boolean {
  return extensions.length === 0 || othersThanExpiry(extensions).length < LIMIT.extensionsMax
}

/** The same extensions, expiring then. Throws a RangeError where there is no room. */
export function withExpiry(extensions: Uint8Array, timeMs: number): Uint8Array {
  const value = new Uint8Array(uintSize(timeMs))
  writeUint(value, 0, timeMs)
  return encodeExtensions([...othersThanExpiry(extensions), { key: EXTENSION.expires, value }])
}

/** What its sender has said. */
export function withoutExpiry(extensions: Uint8Array): Uint8Array {
  return expiryOf(extensions) === 0 ? extensions : encodeExtensions(othersThanExpiry(extensions))
}

/** Whether there is an expiry, well-formed or not. */
export function hasExpiry(extensions: Uint8Array): boolean {
  return extensions.length > 0 && decodeExtensions(extensions)?.some(({ key }) => key === EXTENSION.expires) === true
}

function othersThanExpiry(extensions: Uint8Array): Extension[] {
  return (decodeExtensions(extensions) ?? []).filter(({ key }) => key !== EXTENSION.expires)
}
