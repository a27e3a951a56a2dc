/** The extensions at the end of a frame: (key uint, length uint, bytes)*, keys rising. Even keys are critical, odd ones optional. */
import { EMPTY_BYTES } from './bytes.js'
import { EXTENSIONS_DEFINED, LIMIT } from './generated/registry.js'
import { Reader } from './reader.js'
import { uintSize, writeRaw, writeUint } from './writer.js'

export interface Extension {
  readonly key: number
  readonly value: Uint8Array
}

/**
 * What a block of extensions is worth: `ok`; `malformed`: breaks FRM-8; `critical`: well-formed, but with an even key that this
 * version does not define there. [FRM-7]
 */
export type ExtensionsCheck = 'ok' | 'malformed' | 'critical'

const reader = new Reader()

/**
 * Judges the raw extensions of a frame that carries no message, without allocating: critical ones are defined of messages alone. Never
 * throws. [FRM-7] [FRM-8]
 */
export function checkExtensions(bytes: Uint8Array): ExtensionsCheck {
  return check(bytes, false)
}

/** The same of a message, a delivery of one, or one in history. */
export function checkMessageExtensions(bytes: Uint8Array): ExtensionsCheck {
  return check(bytes, true)
}

function check(bytes: Uint8Array, isMessage: boolean): ExtensionsCheck {
  if (bytes.length === 0) return 'ok'
  reader.reset(bytes, 0, bytes.length)
  let result: ExtensionsCheck = 'ok'
  let last = -1
  for (let count = 1; reader.position < reader.end; count++) {
    const key = reader.uint()
    const size = reader.uint()
    if (reader.failed || key <= last || count > LIMIT.extensionsMax || size > reader.end - reader.position) {
      result = 'malformed'
      break
    }
    reader.position += size
    if (key % 2 === 0 && !(isMessage && EXTENSIONS_DEFINED.has(key))) result = 'critical'
    last = key
  }
  reader.reset(EMPTY_BYTES, 0, 0)
  return result
}

/** The value of one extension as a view of `bytes`, found without allocating a list; null: it is not there, or the block is malformed before it. */
export function findExtension(bytes: Uint8Array, wanted: number): Uint8Array | null {
  if (bytes.length === 0) return null
  let value: Uint8Array | null = null
  reader.reset(bytes, 0, bytes.length)
  while (reader.position < reader.end) {
    const key = reader.uint()
    const size = reader.uint()
    // Keys rise.
    if (reader.failed || key > wanted || size > reader.end - reader.position) break
    if (key === wanted) {
      value = bytes.subarray(reader.position, reader.position + size)
      break
    }
    reader.position += size
  }
  reader.reset(EMPTY_BYTES, 0, 0)
  return value
}

/** The extensions of a block, values as views of `bytes`; null if it is malformed. Critical ones are listed like all others. */
export function decodeExtensions(bytes: Uint8Array): Extension[] | null {
  if (checkExtensions(bytes) === 'malformed') return null
  const extensions: Extension[] = []
  reader.reset(bytes, 0, bytes.length)
  while (reader.position < reader.end) {
    const key = reader.uint()
    extensions.push({ key, value: reader.byteString() })
  }
  reader.reset(EMPTY_BYTES, 0, 0)
  return extensions
}

/**
 * The block for these extensions, in rising order of keys whatever order they come in. Throws a RangeError for a key given twice or
 * more than 16 extensions. [FRM-8]
 */
export function encodeExtensions(extensions: readonly Extension[]): Uint8Array {
  if (extensions.length === 0) return EMPTY_BYTES
  const sorted = [...extensions].sort((left, right) => left.key - right.key)
  if (sorted.length > LIMIT.extensionsMax) throw new RangeError('too many extensions')
  let size = 0
  let last = -1
  for (const { key, value } of sorted) {
    if (key === last) throw new RangeError(`extension ${key} is given twice`)
    size += uintSize(key) + uintSize(value.length) + value.length
    last = key
  }
  const bytes = new Uint8Array(size)
  let position = 0
  for (const { key, value } of sorted) {
    position = writeUint(bytes, position, key)
    position = writeUint(bytes, position, value.length)
    position = writeRaw(bytes, position, value)
  }
  return bytes
}
