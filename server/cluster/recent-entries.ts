/** The last entries that an owner has appended: the bytes of the newest, to append them again, and how large the older ones were. */
import type { LogEntry } from './cluster-store.js'
import type { Position } from './position.js'

interface Size {
  readonly position: Position
  readonly bytes: number
}

export class RecentEntries {
  readonly #bytesMax: number
  #entries: LogEntry[] = []
  #entryBytes = 0
  #sizes: Size[] = []
  #sizeBytes = 0

  /** `bytesMax`: of the entries that are kept whole; the last one always is. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  /** The entry's bytes must not be changed any more. */
  add(entry: LogEntry): void {
    const bytes = entry.bytes.length
    this.#entries.push(entry)
    this.#entryBytes += bytes
    this.#sizes.push({ position: entry.position, bytes })
    this.#sizeBytes += bytes
  }

  /** The engine has everything up to this number on its disk. What is behind it stays, whatever it takes: the owner itself would need it. */
  stored(number: number): void {
    if (this.#entryBytes <= this.#bytesMax) return
    // A quarter at a time: an array loses its first elements only by a copy of the rest.
    let dropped = 0
    while (dropped < this.#entries.length - 1 && this.#entries[dropped]!.position.number <= number && this.#entryBytes > this.#bytesMax * 0.75) this.#entryBytes -= this.#entries[dropped++]!.bytes.length
    this.#entries = this.#entries.slice(dropped)
  }

  /** All that are kept whole. */
  get all(): readonly LogEntry[] {
    return this.#entries
  }

  /** All entries behind this number; null where some of them are not kept any more, or another one came before the first of them. */
  behind(after: Position): readonly LogEntry[] | null {
    const from = this.#entries.findIndex(({ position }) => position.number > after.number)
    if (from < 0) return null
    const first = this.#entries[from]!
    return first.position.number === after.number + 1 && first.previousToken === after.token ? this.#entries.slice(from) : null
  }

  /** The first entry that was added and not trimmed. */
  get first(): Position | null {
    return this.#sizes[0]?.position ?? null
  }

  /** The first entry that may stay for the rest to be of this size at most; null: all may. */
  firstWithin(bytesMax: number): Position | null {
    let over = this.#sizeBytes - bytesMax
    for (let i = 0; i < this.#sizes.length && over > 0; i++) {
      over -= this.#sizes[i]!.bytes
      if (over <= 0) return this.#sizes[i + 1]?.position ?? null
    }
    return null
  }

  /** Forgets the sizes of entries before this number: they have been trimmed. Their bytes stay for as long as there is room. */
  trimmed(number: number): void {
    let gone = 0
    while (gone < this.#sizes.length && this.#sizes[gone]!.position.number < number) this.#sizeBytes -= this.#sizes[gone++]!.bytes
    if (gone > 0) this.#sizes = this.#sizes.slice(gone)
  }
}
