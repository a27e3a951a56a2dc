/** Batches of changes as JSON: what the file storage writes. Bytes are base64. */
import { decodeBase64, encodeBase64 } from '../base64.js'
import { EMPTY_BYTES } from '../bytes.js'
import type { StorageChange } from './state.js'

interface StoredBytes {
  readonly $bytes: string
}

/** One line of JSON. */
export function encodeChanges(changes: readonly StorageChange[]): string {
  return JSON.stringify(changes, replaceBytes)
}

/** The batch; null if the text is none. The checksum has vouched for the content, so that only its form is checked. */
export function decodeChanges(text: string): readonly StorageChange[] | null {
  try {
    const value: unknown = JSON.parse(text, reviveBytes)
    return Array.isArray(value) ? value as readonly StorageChange[] : null
  } catch {
    return null
  }
}

function replaceBytes(this: unknown, key: string, value: unknown): unknown {
  // A Buffer is turned into something else by its toJSON before it gets here, so look at what it was.
  const original = (this as Record<string, unknown>)[key]
  return original instanceof Uint8Array ? { $bytes: encodeBase64(original) } : value
}

function reviveBytes(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$bytes' in value)) return value
  return decodeBase64((value as StoredBytes).$bytes) ?? EMPTY_BYTES
}
