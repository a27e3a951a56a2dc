/** The rows that say who holds which blob: what stands in their values. Reading throws StorageError 'corrupt' for bytes that are no such row. */
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import type { Blob, RenditionKind, StoredObject, StoredRendition, Upload } from '../blobs/blob-router.js'

const VERSION = 1
const RENDITION_KINDS: readonly RenditionKind[] = ['thumbnail', 'square-640', 'square-96']

const writer = new ValueWriter()
const NOWHERE: readonly number[] = []

/** A blob that the shard holds, and for how many users: 1 or more. Of several shards each has a row of its own. */
export interface BlobRow {
  readonly blob: Blob
  readonly holders: number
}

/** Of a blob, so that a message is checked without reading it. */
export interface HeldFacts {
  readonly size: number
  readonly type: string
}

/** A user's share in a blob. */
export interface HoldingRow extends HeldFacts {
  /** Messages of the user in this shard that carry it, and pictures that it is. */
  readonly references: number
  /** It is held as long without any; then its end is listed. 0: that is over. */
  readonly heldUntilMs: number
  /** Other shards, in which messages of the user carry it; only where the user is at home. */
  readonly elsewhere: readonly number[]
}

/** Whether the shard has to have the blob for it. */
export function keepsBlob(row: HoldingRow | null): boolean {
  return row !== null && (row.references > 0 || row.heldUntilMs > 0)
}

/** What the home of a blob has promised to keep for a shard that is about to hold it. */
export interface Loan {
  readonly shard: number
  /** Tells loans apart: of one content and shard only the last counts. */
  readonly number: number
  /** Then the shard is asked whether it is still to come. */
  readonly endsMs: number
}

/** Bytes in the store that are one content of a blob, and which shards have to do with them; nobody: they go. */
export interface SharedContent {
  readonly blob: Blob
  readonly holders: readonly number[]
  readonly loans: readonly Loan[]
}

export interface UploadRow {
  readonly upload: Upload
  /** Names of what has been put into the store for it, or is about to be. */
  readonly objects: readonly string[]
  /** Id of the blob that it has become; '': it is under way. Kept until the upload would have ended, for who has missed the answer. */
  readonly blob: string
}

/** What a user's blobs take of its quota, loaded with the user. */
export interface BlobUse {
  /** Bytes of held blobs. */
  readonly heldBytes: number
  /** Uploads under way. */
  readonly uploads: readonly { readonly id: string, readonly size: number }[]
}

export const NO_BLOB_USE: BlobUse = { heldBytes: 0, uploads: [] }

/** What all blobs and uploads of the shard take. */
export interface BlobTotals {
  /** Bytes of blobs and their renditions, each once. */
  readonly storedBytes: number
  /** Bytes that uploads under way will have. */
  readonly underWayBytes: number
}

/** Which blobs something carries, and who holds them for it. */
export interface ReferenceRow {
  readonly user: string
  readonly blobs: readonly string[]
}

export function encodeBlob({ blob, holders }: BlobRow): Uint8Array {
  return writeBlob(writer.begin().uint(VERSION).uint(holders), blob).take()
}

export function decodeBlob(row: Uint8Array): BlobRow {
  const reader = open(row, 'blob')
  const holders = reader.uint()
  return { blob: readBlob(reader), holders }
}

/** As it goes from shard to shard. */
export function encodeDescription(blob: Blob): Uint8Array {
  return writeBlob(writer.begin().uint(VERSION), blob).take()
}

export function decodeDescription(bytes: Uint8Array): Blob {
  return readBlob(open(bytes, 'description'))
}

export function encodeContents(contents: readonly SharedContent[]): Uint8Array {
  writer.begin().uint(VERSION).uint(contents.length)
  for (const { blob, holders, loans } of contents) {
    writeNumbers(writeBlob(writer, blob), holders).uint(loans.length)
    for (const { shard, number, endsMs } of loans) writer.uint(shard).uint(number).time(endsMs)
  }
  return writer.take()
}

export function decodeContents(row: Uint8Array): SharedContent[] {
  const reader = open(row, 'blob of several shards')
  const contents: SharedContent[] = []
  for (let count = reader.uint(); count > 0; count--) {
    const [blob, holders, loans] = [readBlob(reader), readNumbers(reader), [] as Loan[]]
    for (let lent = reader.uint(); lent > 0; lent--) loans.push({ shard: reader.uint(), number: reader.uint(), endsMs: reader.time() })
    contents.push({ blob, holders, loans })
  }
  return contents
}

export function encodeHolding({ references, heldUntilMs, size, type, elsewhere }: HoldingRow): Uint8Array {
  writer.begin().uint(VERSION).uint(references).time(heldUntilMs).uint(size).string(type)
  return elsewhere.length === 0 ? writer.take() : writeNumbers(writer, elsewhere).take()
}

export function decodeHolding(row: Uint8Array): HoldingRow {
  const reader = open(row, 'holding')
  return {
    references: reader.uint(), heldUntilMs: reader.time(), size: reader.uint(), type: reader.string(), elsewhere: reader.more ? readNumbers(reader) : NOWHERE,
  }
}

export function encodeUpload({ upload, objects, blob }: UploadRow): Uint8Array {
  const { user, size, hash, type, strip, picture, key, expiresMs } = upload
  writer.begin().uint(VERSION).string(user).uint(size).bytes(bytesOf(hash)).string(type).bool(strip).bool(picture).bytes(key).time(expiresMs)
  writer.bytes(bytesOf(blob)).uint(objects.length)
  for (const object of objects) writer.bytes(bytesOf(object))
  return writer.take()
}

export function decodeUpload(row: Uint8Array, id: string): UploadRow {
  const reader = open(row, 'upload')
  const upload = {
    id, user: reader.string(), size: reader.uint(), hash: hexOf(reader.bytes()), type: reader.string(), strip: reader.bool(),
    picture: reader.bool(), key: copyOf(reader.bytes()), expiresMs: reader.time(),
  }
  const blob = hexOf(reader.bytes())
  const objects: string[] = []
  for (let count = reader.uint(); count > 0; count--) objects.push(hexOf(reader.bytes()))
  return { upload, objects, blob }
}

export function encodeBlobUse({ heldBytes, uploads }: BlobUse): Uint8Array {
  writer.begin().uint(VERSION).uint(heldBytes).uint(uploads.length)
  for (const { id, size } of uploads) writer.bytes(bytesOf(id)).uint(size)
  return writer.take()
}

export function decodeBlobUse(row: Uint8Array): BlobUse {
  const reader = open(row, 'use of blobs')
  const heldBytes = reader.uint()
  const uploads: BlobUse['uploads'][number][] = []
  for (let count = reader.uint(); count > 0; count--) uploads.push({ id: hexOf(reader.bytes()), size: reader.uint() })
  return { heldBytes, uploads }
}

export function encodeTotals({ storedBytes, underWayBytes }: BlobTotals): Uint8Array {
  return writer.begin().uint(VERSION).uint(storedBytes).uint(underWayBytes).take()
}

export function decodeTotals(row: Uint8Array): BlobTotals {
  const reader = open(row, 'totals of blobs')
  return { storedBytes: reader.uint(), underWayBytes: reader.uint() }
}

export function encodeReference({ user, blobs }: ReferenceRow): Uint8Array {
  writer.begin().uint(VERSION).string(user).uint(blobs.length)
  for (const blob of blobs) writer.bytes(bytesOf(blob))
  return writer.take()
}

export function decodeReference(row: Uint8Array): ReferenceRow {
  const reader = open(row, 'reference')
  const user = reader.string()
  const blobs: string[] = []
  for (let count = reader.uint(); count > 0; count--) blobs.push(hexOf(reader.bytes()))
  return { user, blobs }
}

/** A version; the key says everything. */
export const LISTED = Uint8Array.of(VERSION)

function writeBlob(to: ValueWriter, { content, width, height, placeholder, renditions }: Blob): ValueWriter {
  writeObject(to, content).uint(width).uint(height).bytes(placeholder).uint(renditions.length)
  for (const rendition of renditions) {
    writeObject(to.uint(RENDITION_KINDS.indexOf(rendition.kind)), rendition).uint(rendition.width).uint(rendition.height)
  }
  return to
}

function readBlob(reader: ValueReader): Blob {
  const content = readObject(reader)
  const shown = { width: reader.uint(), height: reader.uint(), placeholder: copyOf(reader.bytes()) }
  const renditions: StoredRendition[] = []
  for (let count = reader.uint(); count > 0; count--) {
    const kind = RENDITION_KINDS[reader.uint()] ?? 'thumbnail'
    renditions.push({ kind, ...readObject(reader), width: reader.uint(), height: reader.uint() })
  }
  return { content, ...shown, renditions }
}

function writeNumbers(to: ValueWriter, numbers: readonly number[]): ValueWriter {
  to.uint(numbers.length)
  for (const number of numbers) to.uint(number)
  return to
}

function readNumbers(reader: ValueReader): number[] {
  const numbers: number[] = []
  for (let count = reader.uint(); count > 0; count--) numbers.push(reader.uint())
  return numbers
}

function writeObject(to: ValueWriter, { object, key, hash, size, type }: StoredObject): ValueWriter {
  return to.bytes(bytesOf(object)).bytes(key).bytes(bytesOf(hash)).uint(size).string(type)
}

function readObject(reader: ValueReader): StoredObject {
  return { object: hexOf(reader.bytes()), key: copyOf(reader.bytes()), hash: hexOf(reader.bytes()), size: reader.uint(), type: reader.string() }
}

function open(row: Uint8Array, what: string): ValueReader {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `a row of a ${what} has the unknown version ${String(version)}`)
  return reader
}

function bytesOf(hex: string): Uint8Array {
  return Buffer.from(hex, 'hex')
}

function hexOf(bytes: Buffer): string {
  return bytes.toString('hex')
}

/** A copy: the state outlives the page that the row came in. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Uint8Array.prototype.slice.call(bytes)
}
