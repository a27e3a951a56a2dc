/**
 * Applies a changelog to an engine, in order, each batch together with the position that it reaches. Owners recover by it, standbys follow
 * by it, and a copy of another node's content takes changes by it while pages come in.
 *
 * While a copy is under way only keys up to the cursor are changed: the rest will come in a page, as it is by then.
 */
import type { Batch, Engine, KeyRange } from '../../storage/engine.js'
import { beginsWithTrim, decodeRecord, readHead, RECORD_BYTES_MAX } from './change-record.js'
import type { LogEntry } from './cluster-store.js'
import { type CopyPage, isEnd } from './copy-page.js'
import type { Position } from './position.js'
import { type CopyProgress, packState, type ShardState, STATE_KEY } from './shard-rows.js'

/** Records are applied together up to about this size. */
const BATCH_BYTES = 1 << 20

/** The changelog does not continue what the engine has: entries were trimmed, or it belongs to another history. */
export class LogGap extends Error {
  override readonly name = 'LogGap'
}

export class Follower {
  readonly #engine: Engine
  readonly #lineage: string
  /** On disk. */
  #applied: Position
  /** Seen, in order: ahead of `#applied` by what `#parts` and `#batch` hold. */
  #reached: Position
  /** The last record of which all parts have been seen. */
  #whole: Position
  #copy: CopyProgress | null
  #parts: Uint8Array[] = []
  #partBytes = 0
  #batch: Batch | null = null
  /** The last entry was a release. */
  #sawRelease = false

  constructor(engine: Engine, state: ShardState) {
    this.#engine = engine
    this.#lineage = state.lineage
    this.#applied = state.position
    this.#reached = state.position
    this.#whole = state.position
    this.#copy = state.copy
  }

  get lineage(): string {
    return this.#lineage
  }

  /** How far the engine has got. */
  get applied(): Position {
    return this.#applied
  }

  /** The last entry that was read. */
  get reached(): Position {
    return this.#reached
  }

  get copy(): CopyProgress | null {
    return this.#copy
  }

  /** Whether the last entry read gives the shard up. */
  get sawRelease(): boolean {
    return this.#sawRelease
  }

  /**
   * Applies entries that have been read behind `reached`. Rejects with LogGap where they do not continue it, and with StorageError where
   * one is damaged or the engine fails: then the engine is to be opened again and a new Follower begun.
   */
  async take(entries: readonly LogEntry[]): Promise<void> {
    for (const entry of entries) {
      const { position, previousToken, bytes } = entry
      if (position.number !== this.#reached.number + 1 || previousToken !== this.#reached.token) {
        await this.#flush()
        throw new LogGap(`entry ${String(position.number)} of the changelog does not continue ${String(this.#reached.number)}`)
      }
      const head = readHead(bytes)
      // A record whose owner did not come to its end has never been acknowledged.
      if (!head.isRest) this.#dropParts()
      this.#sawRelease = head.isRelease
      this.#parts.push(bytes)
      this.#partBytes += bytes.length
      this.#reached = position
      if (this.#partBytes > RECORD_BYTES_MAX) throw new LogGap('a record of the changelog is too large')
      if (!head.hasMore) await this.#applyRecord()
    }
    await this.#flush()
  }

  #dropParts(): void {
    this.#parts = []
    this.#partBytes = 0
  }

  async #applyRecord(): Promise<void> {
    const parts = this.#parts
    this.#dropParts()
    const trims: KeyRange[] = []
    // Behind every earlier row and before its own: then nothing that came later is trimmed.
    if (beginsWithTrim(parts[0]!)) await this.#flush()
    const batch = this.#batch ??= this.#engine.batch()
    const after = this.#copy?.after ?? null
    const isThere = (key: Uint8Array): boolean => after === null || Buffer.compare(key, after) <= 0
    decodeRecord(parts, {
      put: (key, value) => { if (isThere(key)) batch.put(key, value) },
      delete: (key) => { if (isThere(key)) batch.delete(key) },
      trim: (range) => { trims.push(range) },
    })
    for (const range of trims) await this.#engine.trim(after === null ? range : upTo(range, after))
    this.#whole = this.#reached
    if (batch.bytes >= BATCH_BYTES) await this.#flush()
  }

  /**
   * Takes a page of a copy: what the engine had between the cursor and the page's end goes, and the page's rows take its place. A crash in
   * between leaves the cursor where it was. The copy is over once the last page is there and the changelog has been followed to `seen`.
   */
  async takePage({ rows, end, seen }: CopyPage): Promise<void> {
    const copy = this.#copy
    if (copy === null) throw new TypeError('no copy is under way')
    await this.#flush()
    for (const range of withoutState(behind(copy.after), behind(end))) await this.#engine.trim(range)
    const batch = this.#engine.batch()
    for (const [key, value] of rows) batch.put(key, value)
    await this.#commitCopy(batch, { after: end, seen: Math.max(seen, copy.seen) })
    await this.finishCopy()
  }

  /** Ends the copy if all of it is there. */
  async finishCopy(): Promise<void> {
    const copy = this.#copy
    if (copy === null || !isEnd(copy.after) || this.#applied.number < copy.seen) return
    await this.#commitCopy(this.#engine.batch(), null)
  }

  async #commitCopy(batch: Batch, copy: CopyProgress | null): Promise<void> {
    batch.put(STATE_KEY, packState(this.#lineage, this.#applied, copy))
    await this.#engine.commit(batch)
    this.#copy = copy
  }

  /** Writes what has come, with the position of the last record that is whole: parts of another are read again after a crash. */
  async #flush(): Promise<void> {
    const batch = this.#batch ?? this.#engine.batch()
    this.#batch = null
    const position = this.#whole
    if (batch.size === 0 && position === this.#applied) return
    batch.put(STATE_KEY, packState(this.#lineage, position, this.#copy))
    await this.#engine.commit(batch)
    this.#applied = position
  }
}

/** The first key behind this one. */
function behind(key: Uint8Array): Buffer {
  return Buffer.concat([key, Buffer.of(0)])
}

/** The range, but for the one row that says what it is a state of. */
function withoutState(gte: Uint8Array, lt: Uint8Array): KeyRange[] {
  if (Buffer.compare(gte, STATE_KEY) > 0 || Buffer.compare(lt, STATE_KEY) <= 0) return [{ gte, lt }]
  return [{ gte, lt: STATE_KEY }, { gte: behind(STATE_KEY), lt }]
}

/** The part of a range up to this key, and with it. */
function upTo({ gte, lt }: KeyRange, key: Uint8Array): KeyRange {
  const end = behind(key)
  return { gte, lt: Buffer.compare(lt, end) < 0 ? lt : end }
}
