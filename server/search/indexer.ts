/**
 * Makes segments of the index: the one that a search misses, at once; and where the operator wants it, those that nobody has searched yet, in
 * the background, some at once with pauses between. Then the path of a message pays for noticing that it was the last of a segment, and for
 * nothing else. The list of what is due may be lost with the process: a search makes what it needs.
 */
import type { Engine, Entry } from '../../storage/engine.js'
import { type ConversationKeys, conversationKeys } from '../../storage/conversation-keys.js'
import { numberAt } from '../../storage/owner-keys.js'
import { searchKeys } from '../../storage/search-keys.js'
import { decodeState, type MessageState } from '../operations/message-state.js'
import { readable } from '../shard/entry-reader.js'
import { LogHeads } from '../shard/log-heads.js'
import { RUN_RECORDS_MAX } from '../shard/log-run.js'
import type { Shard } from '../shard/shard.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { isEncrypted } from './may-read.js'
import { SEGMENT_MESSAGES, SegmentBuilder, segmentEnd } from './segment.js'
import { WorkBudget } from './work-budget.js'
import { Turns } from '../shard/turns.js'

/** Segments that wait; beyond it they are left to be found again. */
const DUE_MAX = 10_000
/** From the first that is due on: others become due meanwhile. */
const GATHER_MS = 100
/**
 * Made one behind another: a segment alone, after a pause, costs twice as much CPU, since nothing that it needs is in the processor's caches
 * and every thread has to be woken. Each turn of the event loop is bounded all the same, see work-budget.ts.
 */
const SEGMENTS_AT_ONCE = 16
/** So many letters end that as well; usual texts have a twentieth of it. */
const LETTERS_AT_ONCE = 100_000
/** The pause for each segment, which takes about a millisecond, or more by its letters: at most a tenth of the processor. */
const PAUSE_MS = 10
const LETTERS_PER_PAUSE_MS = 1000
/** What was made waits so long for others to be committed with, and for about so much of it: messages share the commit. */
const COMMIT_MS = 200
const COMMIT_BYTES = 128 * 1024
/** The store is away: look again after this. */
const RETRY_PAUSE_MS = 10_000
/** Rows of the log read at once: to ask for a page costs as much as some twenty rows. */
const PAGE_ROWS = 128
const PAGE_BYTES = 64 * 1024

interface Due {
  readonly name: string
  readonly end: number
}

export interface MadeSegment {
  readonly row: Uint8Array
  /** What it took. */
  readonly letters: number
}

/** A segment that is being made. */
class Making implements Due {
  readonly name: string
  readonly end: number
  /** A text in it has changed since it was begun: it may hold words that are gone. */
  isStale = false
  /** What it takes. */
  letters = 0

  constructor(name: string, end: number) {
    this.name = name
    this.end = end
  }

  get first(): number {
    return this.end - SEGMENT_MESSAGES + 1
  }
}

export class Indexer {
  readonly #shard: Shard
  readonly #isAhead: boolean
  readonly #due = new Map<string, Due>()
  readonly #underWay = new Set<Making>()
  /** Made for searches and not known to be on the disk, by name and end: several may miss the same one. */
  readonly #made = new Map<string, Promise<MadeSegment | null>>()
  /** Of these the keys of those in the open transaction, or one behind it, and what their rows take. */
  #uncommitted: string[] = []
  #uncommittedBytes = 0
  /** For the next segment; null: there was none yet, or it is in use. */
  #builder: SegmentBuilder | null = null
  #isRunning = false
  #isCommitDue = false
  /** Shared by all that look through texts. */
  readonly budget: WorkBudget
  /** A user's searches come one after the other: each may hold something of all its conversations. */
  readonly searching = new Turns()
  /** Counters, for metrics: segments made, searches answered, and what they cost in rows. */
  made = 0
  searches = 0
  searchRows = 0
  readonly #run = (): void => {
    if (this.#shard.isClosed) return
    if (this.#due.size === 0) {
      this.#isRunning = false
      return
    }
    if (!this.#shard.isAvailable) {
      this.#later(RETRY_PAUSE_MS)
      return
    }
    this.#makeSome().then(
      (pauseMs) => { this.#later(pauseMs) },
      (error: unknown) => {
        if (this.#shard.isClosed) return
        this.#shard.environment.log.warn({ err: error }, 'a segment could not be indexed')
        this.#later(RETRY_PAUSE_MS)
      },
    )
  }

  constructor(shard: Shard) {
    this.#shard = shard
    this.#isAhead = shard.environment.limits.searchIndexAhead
    this.budget = new WorkBudget(shard.environment.scheduler)
  }

  /** Segments that wait to be made. */
  get waiting(): number {
    return this.#due.size
  }

  /** Hot, once a commit and conversation: its log is committed up to `last`, and was up to `committedTail`. */
  appended({ name, committedTail }: ConversationState, last: number): void {
    if (!this.#isAhead) return
    for (let end = segmentEnd(committedTail + 1); end <= last; end += SEGMENT_MESSAGES) this.#isDue(name, end)
  }

  /** The text of a message has changed, and its segment was taken from the index with it: one that is being made does not count. */
  textChanged({ name, committedTail }: ConversationState, seq: number): void {
    const end = segmentEnd(seq)
    this.#made.delete(keyOf(name, end))
    for (const making of this.#underWay) if (making.end === end && making.name === name) making.isStale = true
    if (this.#isAhead && end <= committedTail) this.#isDue(name, end)
  }

  /** A page was answered. */
  searched(rows: number): void {
    this.searches++
    this.searchRows += rows
  }

  /** The segment that ends here is complete, and not in the index. */
  #isDue(name: string, end: number): void {
    if (this.#due.size >= DUE_MAX) return
    this.#due.set(keyOf(name, end), { name, end })
    if (this.#isRunning) return
    this.#isRunning = true
    this.#later(GATHER_MS)
  }

  /**
   * The segment that ends here, from the log, put into the open transaction, too; null: some of it is gone, damaged or has changed, and is
   * looked for in the log. Rejects with RouterError 'unavailable' where the store is away.
   */
  make(name: string, end: number): Promise<MadeSegment | null> {
    const key = keyOf(name, end)
    const known = this.#made.get(key)
    if (known !== undefined) return known
    const made = this.makeAnew(name, end)
    this.#made.set(key, made)
    // Nothing that is on its way to the disk: the next one tries again.
    const forget = (): void => { if (this.#made.get(key) === made) this.#made.delete(key) }
    made.then((segment) => { if (segment === null) forget() }, forget)
    return made
  }

  /** The same, whatever was made before. */
  async makeAnew(name: string, end: number): Promise<MadeSegment | null> {
    const making = new Making(name, end)
    if (this.#uncommittedBytes >= COMMIT_BYTES) await this.#commit()
    const row = await this.#make(making)
    if (row === null) return null
    this.#uncommitted.push(keyOf(name, end))
    this.#uncommittedBytes += row.length
    this.#commitSoon()
    return { row, letters: making.letters }
  }

  /** Makes those that wait longest, one behind another, and says which pause they have earned. */
  async #makeSome(): Promise<number> {
    let made = 0
    let letters = 0
    for (const [key, { name, end }] of this.#due) {
      this.#due.delete(key)
      const making = new Making(name, end)
      if (await this.#make(making) !== null) this.#commitSoon()
      letters += making.letters
      if (++made === SEGMENTS_AT_ONCE || letters >= LETTERS_AT_ONCE) break
    }
    return Math.max(made * PAUSE_MS, Math.ceil(letters / LETTERS_PER_PAUSE_MS))
  }

  async #make(making: Making): Promise<Uint8Array | null> {
    this.#underWay.add(making)
    const builder = this.#builder ?? new SegmentBuilder()
    this.#builder = null
    try {
      const row = await indexSegment(this.#shard, this.budget, making, builder)
      if (row !== null) this.made++
      return row
    } finally {
      this.#underWay.delete(making)
      builder.clear()
      this.#builder = builder
    }
  }

  #commitSoon(): void {
    if (this.#isCommitDue) return
    this.#isCommitDue = true
    this.#shard.environment.scheduler.after(COMMIT_MS, () => {
      this.#isCommitDue = false
      this.#commit().catch(() => { /* lost with the transaction: the next search makes it again */ })
    })
  }

  /** Has what was made so far committed: then it is found in the store, and needs no place here. Rejects as `committed` does. */
  async #commit(): Promise<void> {
    const keys = this.#uncommitted
    const made = keys.map((key) => this.#made.get(key))
    this.#uncommitted = []
    this.#uncommittedBytes = 0
    try {
      await this.#shard.committed()
    } finally {
      for (const [at, key] of keys.entries()) if (this.#made.get(key) === made[at]) this.#made.delete(key)
    }
  }

  #later(pauseMs: number): void {
    this.#shard.environment.scheduler.after(pauseMs, this.#run)
  }
}

function keyOf(name: string, end: number): string {
  return `${name} ${String(end)}`
}

async function indexSegment(shard: Shard, budget: WorkBudget, making: Making, builder: SegmentBuilder): Promise<Uint8Array | null> {
  const { name, first, end } = making
  const keys = conversationKeys(name)
  // What was done to texts so far has to be on the disk.
  if (!shard.isSettledButForLate(await shard.conversation(name))) await shard.committed()
  // Asked for together, so that the threads of the store are woken once.
  const [states, firstPage] = await Promise.all([
    shard.reading(readable(presentStates(shard.engine, keys, first, end))), readPage(shard, keys, first, end),
  ])
  if (states === null) return null
  for (let page = firstPage; ;) {
    const lastKey = page?.at(-1)?.[0]
    if (page === null || lastKey === undefined) return null
    for (const [key, row] of page) if (await readable(addRow(builder, row, numberAt(key), making, states, budget)) === null) return null
    const last = numberAt(lastKey)
    if (last >= end) break
    page = await readPage(shard, keys, last + 1, end)
  }
  const conversation = await shard.conversation(name)
  // Retention may have come by: the words of what is gone must not stay. What goes from now on takes the row along.
  if (making.isStale) return null
  if (conversation.trimmedTo >= first || conversation.committedTail < end) return null
  const row = builder.take()
  shard.transaction.batch.put(searchKeys(name).segment(end), row)
  return row
}

/** Rows of the log from this seq on, for a segment that ends at `end`; null: damaged. A run may end behind the segment. */
function readPage(shard: Shard, keys: ConversationKeys, from: number, end: number): Promise<Entry[] | null> {
  const range = keys.logRange(from, end + RUN_RECORDS_MAX)
  return shard.reading(readable(shard.engine.range({ ...range, limit: PAGE_ROWS, bytesMax: PAGE_BYTES })))
}

/** What operations have made of messages, by seq. */
async function presentStates(engine: Engine, keys: ConversationKeys, first: number, end: number): Promise<Map<number, MessageState>> {
  const rows = await engine.range({ ...keys.states(first, end + 1), limit: SEGMENT_MESSAGES })
  return new Map(rows.map(([key, row]) => [numberAt(key), decodeState(row)]))
}

/** The records of a row of the log that belong to the segment. Rejects with StorageError 'corrupt'. */
async function addRow(
  builder: SegmentBuilder, row: Uint8Array, last: number, making: Making, states: ReadonlyMap<number, MessageState>, budget: WorkBudget,
): Promise<true> {
  const heads = new LogHeads(row, last)
  while (heads.next()) {
    if (heads.seq < making.first || heads.seq > making.end) continue
    if (budget.isOver) await budget.next()
    const letters = addRecord(builder, heads, making.first, states.get(heads.seq))
    budget.spend(letters)
    making.letters += letters
  }
  return true
}

/** Returns what it took, in letters. */
function addRecord(builder: SegmentBuilder, { seq, from, timeMs, text, extensions }: LogHeads, first: number, state: MessageState | undefined): number {
  builder.begin(seq - first, from, timeMs)
  if (isEncrypted(extensions)) return 0
  let letters = builder.text(text)
  if (state === undefined || state.edit === null) return letters
  // Who may not see an edit sees the words before it: all lead here.
  for (const edit of state.pastEdits) letters += builder.text(edit.text)
  return letters + builder.text(state.edit.text)
}
