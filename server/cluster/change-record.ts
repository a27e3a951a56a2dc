/**
 * A batch as bytes of the changelog.
 *
 *     version   1 byte: the format of the rows in it (storage/metadata.ts); a change of what is said here raises that, too
 *     flags     1 byte
 *     then operations, up to the end:
 *     head      varint: length of the key × 4 + kind (0 delete, 1 put, 2 trim)
 *     key       the first key of the range, for trim
 *     put: length of the value as varint, value; trim: length of the first key behind the range, that key
 *
 * What is larger than a part goes as several entries, so that no single one holds Redis up: the flags say whether an entry goes on the one
 * before, and whether another one goes on it. They are applied together or not at all.
 */
import { StorageError, type KeyRange } from '../../storage/engine.js'
import { STORE_FORMAT } from '../../storage/metadata.js'
import type { OpBatch } from '../../storage/op-batch.js'

const HEAD_BYTES = 2

/** Another entry belongs to this one. */
const MORE = 1
/** It belongs to the one before. */
const REST = 2
/** The owner has given the shard up, and whoever can should take it. */
const RELEASED = 4
const KNOWN_FLAGS = MORE | REST | RELEASED

const DELETE = 0
const PUT = 1
const TRIM = 2

/** More than any batch of the shard by far; a reader holds the parts of one record in memory. */
export const RECORD_BYTES_MAX = 256 << 20

/** The batch, behind what is to be trimmed before it, in entries of about `partBytes` each. Throws StorageError 'io' where it is too large. */
export function encodeRecord(trims: readonly KeyRange[], batch: OpBatch | null, partBytes: number): Buffer[] {
  const bytes = HEAD_BYTES + sizeOf(trims, batch)
  if (bytes > RECORD_BYTES_MAX) throw new StorageError('io', `a commit of ${String(bytes)} bytes is too large for the changelog`)
  const record = Buffer.allocUnsafe(bytes)
  record[0] = STORE_FORMAT
  record[1] = 0
  let at = HEAD_BYTES
  for (const { gte, lt } of trims) {
    at = putBytes(record, putVarint(record, at, gte.length * 4 + TRIM), gte)
    at = putBytes(record, putVarint(record, at, lt.length), lt)
  }
  const count = batch === null ? 0 : batch.keys.length
  for (let i = 0; i < count; i++) {
    const key = batch!.keys[i]!
    const value = batch!.values[i]!
    if (value === null) {
      at = putBytes(record, putVarint(record, at, key.length * 4 + DELETE), key)
    } else {
      at = putBytes(record, putVarint(record, at, key.length * 4 + PUT), key)
      at = putBytes(record, putVarint(record, at, value.length), value)
    }
  }
  return bytes <= partBytes + HEAD_BYTES ? [record] : cut(record, partBytes)
}

/** A record without operations. */
export function emptyRecord(isRelease = false): Buffer[] {
  return [Buffer.of(STORE_FORMAT, isRelease ? RELEASED : 0)]
}

function cut(record: Buffer, partBytes: number): Buffer[] {
  const parts: Buffer[] = []
  for (let from = HEAD_BYTES; from < record.length; from += partBytes) {
    const to = Math.min(record.length, from + partBytes)
    const flags = (from > HEAD_BYTES ? REST : 0) | (to < record.length ? MORE : 0)
    parts.push(Buffer.concat([Buffer.of(STORE_FORMAT, flags), record.subarray(from, to)]))
  }
  return parts
}

/** The head of an entry. Throws StorageError 'newer-format' for one of a later program, and 'corrupt' for what no node writes. */
export function readHead(entry: Uint8Array): { readonly isRest: boolean, readonly hasMore: boolean, readonly isRelease: boolean } {
  if (entry.length < HEAD_BYTES) throw damaged('it is too short')
  const format = entry[0]!
  if (format > STORE_FORMAT) throw newerFormat('changelog', format)
  if (format === 0) throw damaged('it has no version')
  const flags = entry[1]!
  if ((flags & ~KNOWN_FLAGS) !== 0) throw damaged(`it has flags ${String(flags)}`)
  return { isRest: (flags & REST) !== 0, hasMore: (flags & MORE) !== 0, isRelease: (flags & RELEASED) !== 0 }
}

/** What the operations of a record are handed to, in their order; keys and values are views of it. */
export interface ChangeVisitor {
  put(key: Uint8Array, value: Uint8Array): void
  delete(key: Uint8Array): void
  trim(range: KeyRange): void
}

/** Whether a record begins with what is to be trimmed; it does wherever there is any. */
export function beginsWithTrim(entry: Uint8Array): boolean {
  return entry.length > HEAD_BYTES && entry[HEAD_BYTES]! % 4 === TRIM
}

/** Walks one record, from the entries it came in. Throws StorageError 'corrupt'; the visitor may have had a part of it then. */
export function decodeRecord(entries: readonly Uint8Array[], visitor: ChangeVisitor): void {
  const bodies = entries.map((entry) => entry.subarray(HEAD_BYTES))
  const record = bodies.length === 1 ? bufferOf(bodies[0]!) : Buffer.concat(bodies)
  const cursor = { at: 0 }
  while (cursor.at < record.length) {
    const head = takeVarint(record, cursor)
    const key = takeBytes(record, cursor, Math.floor(head / 4))
    switch (head % 4) {
      case DELETE: visitor.delete(key); break
      case PUT: visitor.put(key, takeBytes(record, cursor, takeVarint(record, cursor))); break
      case TRIM: visitor.trim({ gte: key, lt: takeBytes(record, cursor, takeVarint(record, cursor)) }); break
      default: throw damaged('it has an unknown operation')
    }
  }
}

function sizeOf(trims: readonly KeyRange[], batch: OpBatch | null): number {
  let bytes = 0
  for (const { gte, lt } of trims) bytes += varintBytes(gte.length * 4) + gte.length + varintBytes(lt.length) + lt.length
  if (batch === null) return bytes
  bytes += batch.bytes
  for (let i = 0; i < batch.keys.length; i++) {
    const value = batch.values[i]!
    bytes += varintBytes(batch.keys[i]!.length * 4) + (value === null ? 0 : varintBytes(value.length))
  }
  return bytes
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

function putVarint(into: Buffer, at: number, value: number): number {
  let rest = value
  while (rest >= 0x80) {
    into[at++] = (rest & 0x7f) | 0x80
    rest = rest >>> 7
  }
  into[at++] = rest
  return at
}

function putBytes(into: Buffer, at: number, bytes: Uint8Array): number {
  into.set(bytes, at)
  return at + bytes.length
}

/** Lengths are below 2^30 here, so that the arithmetic of 32 bits does. */
function takeVarint(from: Buffer, cursor: { at: number }): number {
  let result = 0
  for (let shift = 0; shift <= 28; shift += 7) {
    const byte = from[cursor.at++]
    if (byte === undefined) throw damaged('it ends within a number')
    result += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) {
      if (byte === 0 && shift > 0) throw damaged('a number is longer than it needs to be')
      return result
    }
  }
  throw damaged('a number is too long')
}

function takeBytes(from: Buffer, cursor: { at: number }, length: number): Buffer {
  const end = cursor.at + length
  if (end > from.length) throw damaged('a key or a value is longer than the record')
  const bytes = from.subarray(cursor.at, end)
  cursor.at = end
  return bytes
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

function damaged(what: string): StorageError {
  return new StorageError('corrupt', `an entry of the changelog is damaged: ${what}`)
}

/** What this node can't read, since another one has the shard that runs a later program. */
export function newerFormat(where: string, format: number): StorageError {
  return new StorageError('newer-format', `the owner's ${where} has rows of format ${String(format)}, and this node reads formats up to ${String(STORE_FORMAT)}: ` +
    'bring it to the version that the owner runs; until then it takes no part in the shard')
}
