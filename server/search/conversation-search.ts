/**
 * A search in one conversation, from its end downwards, a step at a time: which messages may match is asked of the index, segment by
 * segment; a segment that is not there is made. What can't be in the index, such as the end of the log, is read there. Every message is
 * read and compared before it is a result. [SCH-4]
 */
import { searchKeys } from '../../storage/search-keys.js'
import { readableBy, tailWithin } from '../groups/access.js'
import type { StoredMessage } from '../router/router.js'
import { withPresent } from '../operations/present.js'
import { readable } from '../shard/entry-reader.js'
import { readHistory, seqAtTime } from '../shard/history.js'
import { runWith } from '../shard/log-reader.js'
import type { Shard } from '../shard/shard.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Indexer } from './indexer.js'
import { mayRead, searchableText } from './may-read.js'
import type { SearchPosition } from './search-router.js'
import { Segment, SEGMENT_MESSAGES, segmentEnd } from './segment.js'
import { fold, isMatch, lettersOf, type WordQuery } from './words.js'

/** Messages of the log read at once. */
const SCAN_MESSAGES = 64
/** Compared in one step, in rows: then it is looked anew which conversation has the newest, and whether the page has cost enough. */
const STEP_ROWS = 64
/** What costs as much as reading a row: letters to compare, and bytes of a segment. */
const LETTERS_PER_ROW = 500
const SEGMENT_BYTES_PER_ROW = 16_384
/** A segment that is made, beside its letters and what is written of it. */
const MADE_ROWS = 64
const WRITTEN_BYTES_PER_ROW = 1024
/** Reads of the log by which a time is found. */
const TIME_ROWS = 16

export interface SearchTerms {
  readonly user: string
  readonly words: WordQuery
  readonly from: string | undefined
  readonly sinceMs: number
  readonly untilMs: number
  readonly after: SearchPosition | undefined
}

export class ConversationSearch implements SearchPosition {
  /** As the user addresses it. */
  readonly conversation: string
  rowsRead = 0
  readonly #shard: Shard
  readonly #indexer: Indexer
  readonly #state: ConversationState
  readonly #terms: SearchTerms
  /** Found and not taken, ascending. */
  #results: StoredMessage[] = []
  /** What lies above has been looked at; nothing at or below it is younger than `#belowTimeMs`. */
  #below: number
  #belowTimeMs: number
  /** Seqs that the segment around `#below` names, ascending, and what is below it. */
  #candidates: number[] = []
  #segmentFirst = 0
  #segmentTimeMs = 0
  /** Nothing at or below it is for the user: it was not a member yet, or it is gone. */
  readonly #floor: number
  /** Messages that were read and not compared yet, ascending: right below what has been looked at. */
  #unseen: StoredMessage[] = []
  /** The run of the log that was read last. */
  #run: readonly StoredMessage[] = []

  constructor(shard: Shard, indexer: Indexer, state: ConversationState, address: string, terms: SearchTerms) {
    this.#shard = shard
    this.#indexer = indexer
    this.#state = state
    this.#terms = terms
    this.conversation = address
    const intervals = readableBy(state, terms.user)
    this.#floor = Math.max(state.trimmedTo, (intervals[0]?.from ?? Infinity) - 1)
    this.#below = tailWithin(intervals, state.committedTail)
    this.#belowTimeMs = state.lastTimeMs
  }

  /** The next result, where it is found; null: `step` may find it. */
  get result(): StoredMessage | null {
    return this.#results.at(-1) ?? null
  }

  /** Of the next result, or the latest that it may have. */
  get timeMs(): number {
    return this.result?.timeMs ?? this.#belowTimeMs
  }

  get seq(): number {
    return this.result?.seq ?? this.#below
  }

  get isDone(): boolean {
    return this.#results.length === 0 && (this.#below <= this.#floor || this.#belowTimeMs < this.#terms.sinceMs)
  }

  /** Goes down to where the search begins. */
  async begin(): Promise<void> {
    const { after, untilMs } = this.#terms
    if (after?.conversation === this.conversation) {
      this.#below = Math.min(this.#below, after.seq - 1)
      this.#belowTimeMs = Math.min(this.#belowTimeMs, after.timeMs)
    }
    const endMs = Math.min(untilMs, after === undefined ? Infinity : this.#endOf(after))
    if (this.#belowTimeMs >= endMs && this.#below > this.#floor) {
      const end = await this.#read(seqAtTime(this.#shard.engine, this.#state, endMs), TIME_ROWS)
      this.#below = Math.min(this.#below, end - 1)
      this.#belowTimeMs = endMs - 1
    }
  }

  /** Time of the first message here that comes before this place: of one moment those of lower addresses do. */
  #endOf({ timeMs, conversation }: SearchPosition): number {
    return this.conversation < conversation ? timeMs : timeMs + 1
  }

  take(): StoredMessage | null {
    return this.#results.pop() ?? null
  }

  /** Where there is no result: looks at the next messages below. */
  async step(): Promise<void> {
    if (this.#candidates.length > 0) await this.#lookAtCandidate()
    else if (this.#unseen.length > 0) await this.#compareSome()
    else await this.#enterSegment()
  }

  async #enterSegment(): Promise<void> {
    const end = segmentEnd(this.#below)
    const first = end - SEGMENT_MESSAGES + 1
    // Neither what is not full yet nor what is partly gone is in the index.
    const segment = end <= this.#state.committedTail && this.#state.trimmedTo < first ? await this.#segment(end) : null
    if (segment === null) {
      await this.#scan(first)
      return
    }
    const places = await readable(candidatesIn(segment, this.#terms))
    if (places === null) {
      await this.#scan(first)
      return
    }
    this.#segmentFirst = first
    this.#segmentTimeMs = segment.firstTimeMs
    this.#candidates = places.map((place) => first + place).filter((seq) => seq <= this.#below).reverse()
    if (this.#candidates.length === 0) this.#leaveSegment()
  }

  #leaveSegment(): void {
    this.#below = this.#segmentFirst - 1
    this.#belowTimeMs = Math.min(this.#belowTimeMs, this.#segmentTimeMs)
  }

  /** Made where it is not there, or can't be read; null: it can't be made. */
  async #segment(end: number): Promise<Segment | null> {
    const row = await this.#read(readable(this.#shard.engine.get(searchKeys(this.#state.name).segment(end))), 1)
    const { budget } = this.#indexer
    if (budget.isOver) await budget.next()
    const segment = row === undefined || row === null ? null : await readable(openSegment(row))
    if (segment === null || row === undefined || row === null) return this.#makeSegment(end)
    this.#spend(row.length / SEGMENT_BYTES_PER_ROW)
    return segment
  }

  async #makeSegment(end: number): Promise<Segment | null> {
    const made = await this.#indexer.make(this.#state.name, end)
    // The budget of the turn has been told by who made it.
    this.rowsRead += MADE_ROWS
    if (made === null) return null
    this.rowsRead += made.letters / LETTERS_PER_ROW + made.row.length / WRITTEN_BYTES_PER_ROW
    return openSegment(made.row)
  }

  async #lookAtCandidate(): Promise<void> {
    const seq = this.#candidates.pop()!
    let found = this.#run.find((each) => each.seq === seq)
    if (found === undefined) {
      this.#run = await this.#read(readable(runWith(this.#shard.engine, this.#state, seq)), 1) ?? []
      found = this.#run.find((each) => each.seq === seq)
    }
    const { user } = this.#terms
    const { budget } = this.#indexer
    if (budget.isOver) await budget.next()
    // As it is now: what was deleted is not found, and what was edited only by what is left of its words. [OPS-12]
    const [message] = found === undefined ? [] : await this.#read(
      withPresent(this.#shard.engine, this.#state, [found], readableBy(this.#state, user), user, this.#shard.nowMs), 1)
    this.#below = seq - 1
    if (message !== undefined) {
      this.#belowTimeMs = Math.min(this.#belowTimeMs, message.timeMs)
      if (this.#isResult(message)) this.#results = [message]
    }
    if (this.#candidates.length === 0) this.#leaveSegment()
  }

  /** Some messages of the log, not below `first`. */
  async #scan(first: number): Promise<void> {
    const limit = Math.min(SCAN_MESSAGES, this.#below - first + 1)
    const { user } = this.#terms
    // What the user may not read is passed over, so that the page may reach below `first`.
    const request = { before: this.#below + 1, limit }
    const page = readHistory(this.#shard.engine, this.#state, request, readableBy(this.#state, user), user, this.#shard.nowMs)
    const { messages } = await this.#read(page, 1)
    this.#spend(messages.length)
    this.#unseen = [...messages]
    if (messages.length > 0) await this.#compareSome()
    // Nothing there: trimmed meanwhile, or damaged. Then the search goes on below it.
    else this.#below = first - 1
  }

  async #compareSome(): Promise<void> {
    const rowsMax = this.rowsRead + STEP_ROWS
    const { budget } = this.#indexer
    const results: StoredMessage[] = []
    while (this.rowsRead < rowsMax) {
      if (budget.isOver) await budget.next()
      const message = this.#unseen.pop()
      if (message === undefined) break
      if (this.#isResult(message)) results.push(message)
      this.#below = Math.min(this.#below, message.seq - 1)
      this.#belowTimeMs = Math.min(this.#belowTimeMs, message.timeMs)
    }
    this.#results = results.reverse()
  }

  /** Compares the message, which costs time by its letters. */
  #isResult(message: StoredMessage): boolean {
    const { user, words, from, sinceMs, untilMs, after } = this.#terms
    const { seq, timeMs } = message
    if (!mayRead(this.#state, user, seq) || timeMs < sinceMs || timeMs >= untilMs) return false
    if (from !== undefined && message.from !== from) return false
    if (after !== undefined && !isBehind({ timeMs, conversation: this.conversation, seq }, after)) return false
    const folded = fold(searchableText(message))
    this.#spend(lettersOf(folded) / LETTERS_PER_ROW)
    return isMatch(folded, words)
  }

  async #read<T>(read: Promise<T>, rows: number): Promise<T> {
    this.#spend(rows)
    return this.#shard.reading(read)
  }

  #spend(rows: number): void {
    this.rowsRead += rows
    this.#indexer.budget.spend(rows * LETTERS_PER_ROW)
  }
}

/** Whether `one` comes behind `other` in the order of results. [SCH-3] */
export function isBehind(one: SearchPosition, other: SearchPosition): boolean {
  if (one.timeMs !== other.timeMs) return one.timeMs < other.timeMs
  if (one.conversation !== other.conversation) return one.conversation > other.conversation
  return one.seq < other.seq
}

async function openSegment(row: Uint8Array): Promise<Segment> {
  return new Segment(row)
}

async function candidatesIn(segment: Segment, { words, from }: SearchTerms): Promise<number[]> {
  return segment.candidates(words, from)
}
