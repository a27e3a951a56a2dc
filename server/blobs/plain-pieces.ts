/**
 * Blobs as they are sent: read from the store, decrypted, and for a while kept in memory. A picture that was sent to a group is downloaded
 * by all of it within a minute; only the first pays for the store and the cipher. Pieces lie at multiples of their size, so that ranges
 * and whole downloads share them. Memory is bounded, and what nobody has used for a minute is forgotten.
 */
import type { Readable } from 'node:stream'
import { BlobError, type BlobStore } from '../../storage/blobs/blob-store.js'
import type { Churn } from '../process/young-objects.js'
import type { StoredObject } from './blob-router.js'
import { BlobCipher } from './cipher.js'

/** As much as the store of files reads at once. */
export const PIECE_BYTES = 256 * 1024
/** What a piece costs beside its bytes, roughly. */
const PIECE_OVERHEAD_BYTES = 512
const UNUSED_MS = 60_000
const SWEEP_MS = 15_000

export interface PlainPiecesOptions {
  readonly store: BlobStore
  readonly churn: Churn
  /** Memory for pieces that are kept; 0: none is. */
  readonly bytesMax: number
}

interface Kept {
  readonly bytes: Buffer
  usedMs: number
}

export class PlainPieces {
  readonly #options: PlainPiecesOptions
  /** Those used longest ago first. */
  readonly #kept = new Map<string, Kept>()
  /** What somebody is reading; whoever else wants it waits for that. */
  readonly #loading = new Map<string, Promise<Buffer>>()
  #keptBytes = 0
  #sweeper: NodeJS.Timeout | null = null

  constructor(options: PlainPiecesOptions) {
    this.#options = options
  }

  /** Memory that kept pieces take. */
  get keptBytes(): number {
    return this.#keptBytes
  }

  /** The bytes from `start` to before `end` of an object. Ends with `destroy`, always. */
  open(object: StoredObject, start: number, end: number): PieceReader {
    return new PieceReader(this, this.#options, object, start, end)
  }

  /** Nothing of these objects is kept any longer. What somebody is reading goes to its end, and may be kept for its minute. */
  forgotten(objects: ReadonlySet<string>): void {
    for (const name of this.#kept.keys()) if (objects.has(name.slice(0, name.indexOf('/')))) this.#forget(name)
  }

  /** Forgets all. */
  close(): void {
    if (this.#sweeper !== null) clearInterval(this.#sweeper)
    this.#sweeper = null
    this.#kept.clear()
    this.#keptBytes = 0
  }

  /** The piece of this name: kept, being loaded, or loaded now. @internal */
  async piece(name: string, load: () => Promise<Buffer>): Promise<Buffer> {
    const kept = this.#kept.get(name)
    if (kept !== undefined) {
      kept.usedMs = performance.now()
      this.#kept.delete(name)
      this.#kept.set(name, kept)
      return kept.bytes
    }
    for (let others = this.#loading.get(name); others !== undefined; others = this.#loading.get(name)) {
      // Whoever loads it may have given up; that says nothing about us.
      const bytes = await others.catch(() => null)
      if (bytes !== null) return bytes
    }
    const loading = load()
    this.#loading.set(name, loading)
    try {
      const bytes = await loading
      this.#keep(name, bytes)
      return bytes
    } finally {
      if (this.#loading.get(name) === loading) this.#loading.delete(name)
    }
  }

  #keep(name: string, bytes: Buffer): void {
    const { bytesMax } = this.#options
    if (bytes.length + PIECE_OVERHEAD_BYTES > bytesMax) return
    this.#forget(name)
    this.#kept.set(name, { bytes, usedMs: performance.now() })
    this.#keptBytes += bytes.length + PIECE_OVERHEAD_BYTES
    for (const [oldest] of this.#kept) {
      if (this.#keptBytes <= bytesMax) break
      this.#forget(oldest)
    }
    this.#sweeper ??= setInterval(() => { this.#sweep() }, SWEEP_MS).unref()
  }

  #forget(name: string): void {
    const kept = this.#kept.get(name)
    if (kept === undefined) return
    this.#kept.delete(name)
    this.#keptBytes -= kept.bytes.length + PIECE_OVERHEAD_BYTES
  }

  #sweep(): void {
    const before = performance.now() - UNUSED_MS
    for (const [name, { usedMs }] of this.#kept) {
      if (usedMs > before) break
      this.#forget(name)
    }
    if (this.#kept.size > 0 || this.#sweeper === null) return
    clearInterval(this.#sweeper)
    this.#sweeper = null
  }
}

/** One download. */
export class PieceReader {
  readonly #pieces: PlainPieces
  readonly #options: PlainPiecesOptions
  readonly #object: StoredObject
  readonly #end: number
  #at: number
  #source: Source | null = null
  #isDestroyed = false

  constructor(pieces: PlainPieces, options: PlainPiecesOptions, object: StoredObject, start: number, end: number) {
    this.#pieces = pieces
    this.#options = options
    this.#object = object
    this.#at = start
    this.#end = end
  }

  /** What comes next, up to PIECE_BYTES; others may have the same memory, so nobody changes it. null: that was all. Rejects with a BlobError. */
  async next(): Promise<Buffer | null> {
    if (this.#at >= this.#end) return null
    const index = Math.floor(this.#at / PIECE_BYTES)
    const start = index * PIECE_BYTES
    const piece = await this.#pieces.piece(`${this.#object.object}/${String(index)}`, () => this.#load(start, Math.min(start + PIECE_BYTES, this.#object.size)))
    const wanted = piece.subarray(this.#at - start, this.#end - start)
    this.#at += wanted.length
    return wanted
  }

  destroy(): void {
    this.#isDestroyed = true
    this.#source?.destroy()
  }

  async #load(start: number, end: number): Promise<Buffer> {
    if (this.#source?.at !== start) {
      this.#source?.destroy()
      this.#source = null
      const { object, key, size } = this.#object
      const last = Math.min(size, Math.ceil(this.#end / PIECE_BYTES) * PIECE_BYTES)
      const stream = await this.#options.store.read(object, start, last)
      this.#source = new Source(stream, new BlobCipher(key, start), start, this.#options)
      // Whoever wanted it may be gone since.
      if (this.#isDestroyed) this.#source.destroy()
    }
    return this.#source.next(end - start)
  }
}

/** A stream of the store, in pieces of given lengths, decrypted. */
class Source {
  readonly #stream: Readable
  readonly #chunks: AsyncIterator<Buffer>
  readonly #cipher: BlobCipher
  readonly #options: PlainPiecesOptions
  /** Decrypted, and more than was asked for. */
  #rest: Buffer = Buffer.alloc(0)
  /** Where the next piece begins. */
  at: number

  constructor(stream: Readable, cipher: BlobCipher, at: number, options: PlainPiecesOptions) {
    this.#stream = stream
    this.#chunks = (stream as AsyncIterable<Buffer>)[Symbol.asyncIterator]()
    this.#cipher = cipher
    this.#options = options
    this.at = at
  }

  async next(length: number): Promise<Buffer> {
    const parts: Buffer[] = []
    let have = this.#rest.length
    if (have > 0) parts.push(this.#rest)
    while (have < length) {
      const chunk = await this.#chunks.next()
      // The store has promised not to end early.
      if (chunk.done === true) throw new BlobError('damaged', 'the store gave fewer bytes than it has')
      const plain = this.#cipher.update(chunk.value)
      this.#options.churn.allocated(plain.length)
      this.#options.store.recycle?.(chunk.value)
      parts.push(plain)
      have += plain.length
    }
    const all = parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    this.#rest = all.subarray(length)
    this.at += length
    return all.length === length ? all : all.subarray(0, length)
  }

  destroy(): void {
    this.#stream.destroy()
  }
}
