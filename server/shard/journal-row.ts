/**
 * What one commit appends to queues whose devices are all there, in one row: an entry that goes into many queues stands in it once, with the
 * queues that get it. Most of it is acknowledged before it would be worth a row for each queue; journal.ts sees to what is not.
 *
 *     uint     version
 *     uint     number of runs, and of each:
 *       string   user
 *       uint     index of its first entry in the user's queue
 *       bytes    its frames; none where all of its entries are among those below
 *     bytes    entries that go into several queues, in the order in which they were appended:
 *       uint     type of its frame
 *       bytes    the frame behind its index
 *       uint     run + 1 of a queue that gets it, for each of them in order, then 0
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { uintSize, writeByteString, writeUint } from '../../protocol/writer.js'
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { EntryHeads } from './entry-heads.js'
import { ANY_PLACE, COUNTS_NOWHERE, EntryRun, readRun } from './entry-run.js'
import { SharedEntry } from './shared-entry.js'

const VERSION = 1
const NONE = new Uint8Array(0)

/** One for all rows, apart from that of records.ts: this one grows with what a commit may hold. */
const rowWriter = new ValueWriter()

/** A row in the making. */
export class JournalRow {
  readonly #users: string[] = []
  readonly #runs: EntryRun[] = []
  readonly #entries = new ByteBuffer()
  /** The entry whose queues are being listed. */
  #current: SharedEntry | null = null

  /** Runs that have begun in it. */
  get runs(): number {
    return this.#users.length
  }

  /** Takes in a run, which goes on to grow until the row is made. */
  begin(user: string, run: EntryRun): void {
    run.journalRun = this.#users.push(user) - 1
    this.#runs.push(run)
  }

  /** An entry that goes into several queues has been appended to a run of one of them; they come one after the other. */
  add(run: EntryRun, entry: SharedEntry): void {
    if (entry !== this.#current) {
      this.#endEntry()
      this.#current = entry
      const { type, rest } = entry
      const at = this.#entries.reserve(uintSize(type) + uintSize(rest.length) + rest.length)
      writeByteString(this.#entries.bytes, writeUint(this.#entries.bytes, at, type), rest)
    }
    const number = run.journalRun + 1
    const at = this.#entries.reserve(uintSize(number))
    writeUint(this.#entries.bytes, at, number)
  }

  row(): Uint8Array {
    this.#endEntry()
    const writer = rowWriter.begin().uint(VERSION).uint(this.#users.length)
    for (const [at, run] of this.#runs.entries()) writer.string(this.#users[at]!).uint(run.first).bytes(run.isShared ? NONE : run.frames.view())
    return writer.bytes(this.#entries.view()).take()
  }

  #endEntry(): void {
    if (this.#current === null) return
    this.#current = null
    const at = this.#entries.reserve(1)
    this.#entries.bytes[at] = 0
  }
}

export interface JournaledRun {
  readonly user: string
  readonly run: EntryRun
}

/** The runs of a row, each as a row of its own would hold it. Throws StorageError('corrupt') for bytes that are no such row. */
export function readJournalRow(row: Uint8Array): JournaledRun[] {
  const reader = new ValueReader(row)
  if (reader.uint() !== VERSION) throw corrupt('of an unknown version')
  const runs: JournaledRun[] = []
  for (let left = reader.uint(); left > 0; left--) {
    const user = reader.string()
    runs.push({ user, run: beginRun(user, reader.uint(), reader.bytes()) })
  }
  const entries = new ValueReader(reader.bytes())
  while (entries.more) {
    const entry = new SharedEntry(entries.uint(), entries.bytes())
    for (let number = entries.uint(); number > 0; number = entries.uint()) {
      const run = runs[number - 1]?.run
      if (run === undefined) throw corrupt('with an entry of a run that it has not')
      if (!run.isShared) continue
      // Where it counts as delivered nobody asks whoever writes it to a row.
      run.pushShared(run.last + 1, entry, COUNTS_NOWHERE, ANY_PLACE)
    }
  }
  return runs
}

/** With these frames in full, or with those to come. */
function beginRun(user: string, first: number, frames: Uint8Array): EntryRun {
  if (frames.length === 0) return Object.assign(new EntryRun(), { last: first - 1 })
  const heads = new EntryHeads(frames, user)
  let last = first - 1
  while (heads.next()) last++
  const run = readRun(frames, last, user)
  if (run === null) throw corrupt('with frames that are not those of its run')
  return run
}

function corrupt(what: string): StorageError {
  return new StorageError('corrupt', `a row of the journal is damaged: ${what}`)
}
