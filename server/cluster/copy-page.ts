/**
 * How a node gets the content of the shard from its owner, while that goes on serving: page by page in the order of the keys, each as it is
 * when it is read. Between two pages the reader follows the changelog for the keys that it has. That makes it whole in the end:
 *
 * - the owner reads a page no earlier than it has applied what the reader has followed (`position` of the request), so nothing that the
 *   reader left out, because its key was still to come, is missing from the page;
 * - what the page has beyond that comes once more by the changelog, in order, and changes nothing; until it has (`seen`) the copy does not
 *   count as whole.
 *
 * So the changelog is trimmed behind a reader that copies as behind any other. Pages go as bytes, by whatever connects two nodes.
 */
import type { Engine, Entry } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'
import { everything } from '../../storage/owner-keys.js'
import { STORE_FORMAT } from '../../storage/metadata.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { newerFormat } from './change-record.js'
import { isToken, type Position } from './position.js'
import { STATE_KEY } from './shard-rows.js'

/** Of requests, which a node of any version may send to any other. A page says the format of its rows instead. */
const REQUEST_VERSION = 1
const ROWS_MAX = 8192

export interface PageRequest {
  readonly lineage: string
  /** What the reader has followed the changelog to; null at the beginning: from where the owner is. */
  readonly position: Position | null
  /** The last key it has; empty: none. */
  readonly after: Uint8Array
}

export interface CopyPage {
  readonly lineage: string
  /** What the owner had applied before it read. */
  readonly position: Position
  /** The last change that the page can hold a part of. */
  readonly seen: number
  readonly rows: readonly Entry[]
  /** The page has all keys up to this one. */
  readonly end: Uint8Array
}

/** Behind every key. */
const END = everything().lt

export function isEnd(key: Uint8Array): boolean {
  return Buffer.compare(key, END) >= 0
}

/** Reads a page behind a key. Rejects with StorageError. */
export async function readPage(engine: Engine, after: Uint8Array, bytesMax: number): Promise<Pick<CopyPage, 'rows' | 'end'>> {
  const { gte, lt } = everything()
  const from = after.length === 0 ? gte : Buffer.concat([after, Buffer.of(0)])
  const found = await engine.range({ gte: from, lt, limit: ROWS_MAX, bytesMax })
  const rows = found.filter(([key]) => Buffer.compare(key, STATE_KEY) !== 0)
  return { rows, end: found.at(-1)?.[0] ?? END }
}

const writer = new ValueWriter()

export function packRequest({ lineage, position, after }: PageRequest): Buffer {
  writer.begin().uint(REQUEST_VERSION).string(lineage).bytes(after).bool(position !== null)
  if (position !== null) writePosition(position)
  return writer.take()
}

/** Throws StorageError 'corrupt'. */
export function unpackRequest(bytes: Uint8Array): PageRequest {
  const reader = new ValueReader(bytes)
  if (reader.uint() !== REQUEST_VERSION) throw new StorageError('corrupt', 'another node asks for a copy in a way that this version does not know')
  const lineage = reader.string()
  const after = reader.bytes()
  return { lineage, after, position: reader.bool() ? readPosition(reader) : null }
}

export function packPage({ lineage, position, seen, rows, end }: CopyPage): Buffer {
  writer.begin().uint(STORE_FORMAT).string(lineage)
  writePosition(position)
  writer.uint(seen).bytes(end).uint(rows.length)
  for (const [key, value] of rows) writer.bytes(key).bytes(value)
  return writer.take()
}

/** Rows are views of the bytes. Throws StorageError 'newer-format' for what a later program has written, and 'corrupt'. */
export function unpackPage(bytes: Uint8Array): CopyPage {
  const reader = new ValueReader(bytes)
  const format = reader.uint()
  if (format > STORE_FORMAT) throw newerFormat('copy', format)
  const lineage = reader.string()
  const position = readPosition(reader)
  const seen = reader.uint()
  const end = reader.bytes()
  const rows: Entry[] = []
  for (let left = reader.uint(); left > 0; left--) rows.push([reader.bytes(), reader.bytes()])
  return { lineage, position, seen, rows, end }
}

function writePosition({ epoch, number, token }: Position): void {
  writer.uint(epoch).uint(number).string(token)
}

function readPosition(reader: ValueReader): Position {
  const position = { epoch: reader.uint(), number: reader.uint(), token: reader.string() }
  if (!isToken(position.token)) throw new StorageError('corrupt', 'a position that another node sent is damaged')
  return position
}
