/**
 * What passes between the engine and its threads: requests to the reading one, answers, and the packed form in which rows travel in
 * one piece of memory, without an object for a row:
 *
 *     int32 × 2n   length of key, length of value (-1: deleted, or none found)
 *     bytes        key, value, key, value …
 */
import type { Entry } from './engine.js'
import type { RocksDatabase } from './rocks-binding.js'

/** Something to do for the engine. */
export type RocksWork =
  | { readonly id: number; readonly kind: 'get'; readonly keys: readonly Uint8Array[] }
  | {
    readonly id: number
    readonly kind: 'range'
    readonly gte: Uint8Array
    readonly lt: Uint8Array
    readonly reverse: boolean
    readonly limit: number
    readonly bytesMax: number
  }

/** What was asked for in one turn of the event loop; each is answered. 'stop' ends the thread and has no answer. */
export type RocksRequest = readonly RocksWork[] | 'stop'

/** An error loses its code on the way between threads, hence the two texts. */
export interface RocksFailure {
  readonly code: string
  readonly message: string
}

/** `rows` is null with an error. */
export interface RocksAnswer {
  readonly id: number
  readonly error: RocksFailure | null
  readonly rows: ArrayBuffer | null
  readonly count: number
}

/** A thread's error for the way between threads. */
export function failureOf(error: unknown): RocksFailure {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return { code: typeof code === 'string' ? code : '', message: String(message) }
}

/** What `failureOf` was given, as far as it survived. */
export function errorOf(failure: RocksFailure): Error {
  return Object.assign(new Error(failure.message), { code: failure.code })
}

/** One page of a range, on a thread that may wait. Rows are key, value, key, value … */
export function query(
  db: RocksDatabase, range: { gte: Uint8Array; lt: Uint8Array; reverse: boolean; limit: number; bytesMax: number },
): Buffer[] {
  return db.querySync({
    gte: range.gte,
    lt: range.lt,
    reverse: range.reverse,
    limit: range.limit,
    // The binding stops when more than this has been read, we promise to stop when as much has been.
    highWaterMarkBytes: range.bytesMax - 1,
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  }).rows
}

/** What a thread is started with: the native address of the open database, which threads of one process may share. */
export interface RocksThreadData {
  readonly handle: bigint
}

const LENGTHS_BYTES = 8

/** Memory that `count` rows take whose keys and values have `bytes` altogether. */
export function packedBytes(count: number, bytes: number): number {
  return count * LENGTHS_BYTES + bytes
}

/** Packs rows of `bytes` altogether into memory of their own; a value is null for a deletion, or where there is none. */
export function packRows(keys: readonly Uint8Array[], values: readonly (Uint8Array | null)[], bytes: number): ArrayBuffer {
  const packed = new ArrayBuffer(packedBytes(keys.length, bytes))
  packInto(packed, keys, values)
  return packed
}

/** Packs rows into memory that is large enough, from its beginning. */
export function packInto(packed: ArrayBufferLike, keys: readonly Uint8Array[], values: readonly (Uint8Array | null)[]): void {
  const count = keys.length
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
}

/** Walks packed rows; keys and values are views. */
export function eachRow(packed: ArrayBufferLike, count: number, row: (key: Buffer, value: Buffer | null) => void): void {
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
