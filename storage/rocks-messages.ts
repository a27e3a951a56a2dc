/**
 * What passes between the engine and its threads: requests, answers, and the packed form in which rows travel in one transferred
 * buffer, without an object for a row:
 *
 *     int32 × 2n   length of key, length of value (-1: deleted, or none found)
 *     bytes        key, value, key, value …
 */
import type { Entry } from './engine.js'

/** Something to do for the engine. */
export type RocksWork =
  | { readonly id: number; readonly kind: 'commit'; readonly rows: ArrayBuffer; readonly count: number }
  | { readonly id: number; readonly kind: 'get'; readonly keys: readonly Uint8Array[] }
  | { readonly id: number; readonly kind: 'trim'; readonly gte: Uint8Array; readonly lt: Uint8Array }
  | {
    readonly id: number
    readonly kind: 'range'
    readonly gte: Uint8Array
    readonly lt: Uint8Array
    readonly reverse: boolean
    readonly limit: number
    readonly bytesMax: number
  }

/** 'stop' ends the thread and has no answer. */
export type RocksRequest = RocksWork | { readonly kind: 'stop' }

/** An error loses its code on the way between threads, hence the two texts; `rows` is null but for a reading. */
export interface RocksAnswer {
  readonly id: number
  readonly error: { readonly code: string; readonly message: string } | null
  readonly rows: ArrayBuffer | null
  readonly count: number
}

/** What a thread is started with: the native address of the open database, which threads of one process may share. */
export interface RocksThreadData {
  readonly handle: bigint
}

const LENGTHS_BYTES = 8

/** Packs rows of `bytes` altogether; a value is null for a deletion, or where there is none. */
export function packRows(keys: readonly Uint8Array[], values: readonly (Uint8Array | null)[], bytes: number): ArrayBuffer {
  const count = keys.length
  const packed = new ArrayBuffer(count * LENGTHS_BYTES + bytes)
  const lengths = new Int32Array(packed, 0, count * 2)
  const body = new Uint8Array(packed)
  let at = count * LENGTHS_BYTES
  for (let i = 0; i < count; i++) {
    const key = keys[i]
    const value = values[i]
    if (key === undefined || value === undefined) break
    lengths[2 * i] = key.length
    body.set(key, at)
    at += key.length
    if (value === null) {
      lengths[2 * i + 1] = -1
      continue
    }
    lengths[2 * i + 1] = value.length
    body.set(value, at)
    at += value.length
  }
  return packed
}

/** Walks packed rows; keys and values are views. */
export function eachRow(packed: ArrayBuffer, count: number, row: (key: Buffer, value: Buffer | null) => void): void {
  const lengths = new Int32Array(packed, 0, count * 2)
  const body = Buffer.from(packed)
  let at = count * LENGTHS_BYTES
  for (let i = 0; i < count; i++) {
    const keyEnd = at + (lengths[2 * i] ?? 0)
    const length = lengths[2 * i + 1] ?? 0
    if (length < 0) {
      row(body.subarray(at, keyEnd), null)
      at = keyEnd
    } else {
      row(body.subarray(at, keyEnd), body.subarray(keyEnd, keyEnd + length))
      at = keyEnd + length
    }
  }
}

/** The rows of a page as entries. */
export function unpackEntries(packed: ArrayBuffer, count: number): Entry[] {
  const entries: Entry[] = []
  eachRow(packed, count, (key, value) => {
    if (value !== null) entries.push([key, value])
  })
  return entries
}
