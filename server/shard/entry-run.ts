/**
 * A run: consecutive entries of one queue as they stand in one row of the store, whole frames one behind another, ready to send. What
 * one commit appends to a queue is one run, so that a busy queue costs a row for many entries, and a drain reads and sends many at
 * once. The row's key carries the index of the run's last entry: whoever looks for an entry seeks its index and finds its run.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { appendSkip, encodeFrame, type Frame } from '../../protocol/generated/frames.js'
import { EntryHeads } from './entry-heads.js'
import type { SharedEntry } from './shared-entry.js'
import type { Route } from './transaction.js'

/** A commit that has a row in the journal. */
export interface JournaledCommit {
  readonly number: number
  /** Runs that stand nowhere else and are not acknowledged by all devices. */
  left: number
}

/** A run of more entries or bytes ends and the next one begins: a page of the store and a device's window hold several. */
export const RUN_ENTRIES_MAX = 64
export const RUN_BYTES_MAX = 32_768

/** What the acknowledgement of an entry counts as delivered, and where. [RCP-1] */
export class EntryHead {
  readonly conversation: string
  readonly seq: number
  /** To the conversation, where it is a group at home here; null: it is found by its name. */
  route: Route | null = null

  constructor(conversation: string, seq: number) {
    this.conversation = conversation
    this.seq = seq
  }
}

/** Of an entry that counts nowhere: a receipt, or what the user has written. */
export const COUNTS_NOWHERE = new EntryHead('', 0)
/** The user's place is not known: it is found by its name. */
export const ANY_PLACE = -1

export class EntryRun {
  /** Index of the last entry. A skip stands alone and covers all from the one before to its own. */
  last = 0
  count = 0
  /** Bytes of the frames. */
  bytes = 0
  /** Of each entry its head; as many as `count` says, and then nothing that means anything. Most runs are of few. */
  readonly heads: EntryHead[] = [COUNTS_NOWHERE, COUNTS_NOWHERE, COUNTS_NOWHERE, COUNTS_NOWHERE]
  /** …and the user's place among the members of the group. */
  readonly places: number[] = [ANY_PLACE, ANY_PLACE, ANY_PLACE, ANY_PLACE]
  /** …and what of it goes into other queues as well, as long as all of them do: then their frames are written where they are needed. */
  #shared: SharedEntry[] | null = null
  /** The frames of all of them… */
  #frames: ByteBuffer | null = null
  /** …and where each ends. */
  #ends: number[] | null = null
  /** Whether a message or operation of it carries any. Of runs that were read; of others nothing is known. */
  hasExtensions = false
  /** Of one that is being appended: its number in the commit's row of the journal; -1: it gets a row of its own. */
  journalRun = -1
  /** The commit whose row of the journal holds it; null: none does, or it has a row of its own as well. */
  journaled: JournaledCommit | null = null

  /** Index of the first entry. */
  get first(): number {
    return this.last - this.count + 1
  }

  /** Whether all of its entries go into other queues as well, and nobody has asked for their frames. */
  get isShared(): boolean {
    return this.#frames === null
  }

  get isFull(): boolean {
    return this.count >= RUN_ENTRIES_MAX || this.bytes >= RUN_BYTES_MAX
  }

  /** The frames of all entries, to be looked at or appended to. */
  get frames(): ByteBuffer {
    return this.#frames ?? this.#writeOut()
  }

  /** An entry that goes into other queues as well, with the next index. */
  pushShared(index: number, entry: SharedEntry, head: EntryHead, place: number): void {
    const at = this.count
    this.#note(index, head, place)
    if (this.#frames !== null) {
      entry.append(this.#frames, index)
      this.#ends!.push(this.#frames.length)
      this.bytes = this.#frames.length
      return
    }
    this.bytes += entry.sizeWith(index)
    if (this.#shared === null) this.#shared = [entry, entry, entry, entry]
    else this.#shared[at] = entry
  }

  /** To be called when the frame of the entry with this index has been appended to `frames`. */
  push(index: number, conversation: string, seq: number): void {
    const { length } = this.frames
    this.#note(index, seq === 0 ? COUNTS_NOWHERE : new EntryHead(conversation, seq), ANY_PLACE)
    this.#ends!.push(length)
    this.bytes = length
  }

  #note(index: number, head: EntryHead, place: number): void {
    this.last = index
    this.heads[this.count] = head
    this.places[this.count] = place
    this.count++
  }

  #writeOut(): ByteBuffer {
    const frames = this.#frames = new ByteBuffer()
    const ends: number[] = this.#ends = []
    const { first } = this
    frames.expect(this.bytes)
    for (let at = 0; at < this.count; at++) {
      this.#shared![at]!.append(frames, first + at)
      ends.push(frames.length)
    }
    this.#shared = null
    return frames
  }

  /** Takes the frames as they were read; `end` of each entry comes with `pushRead`. */
  static read(row: Uint8Array): EntryRun {
    const run = new EntryRun()
    const frames = run.frames
    frames.bytes = row
    frames.length = row.length
    run.bytes = row.length
    return run
  }

  pushRead(index: number, conversation: string, seq: number, end: number): void {
    this.#note(index, seq === 0 ? COUNTS_NOWHERE : new EntryHead(conversation, seq), ANY_PLACE)
    this.#ends!.push(end)
  }

  /** Lets routes go that hold states that are not in memory any more: the entries are counted by name then. */
  forgetStale(): void {
    for (let at = 0; at < this.count; at++) {
      const head = this.heads[at]!
      if (head.route?.isAlive === false) head.route = null
    }
  }

  /** Bytes of the entries from position `from` up to, without, `to`. */
  bytesOf(from: number, to: number): number {
    if (from === 0 && to === this.count) return this.bytes
    if (to <= from) return 0
    if (this.#ends !== null) return this.#ends[to - 1]! - (from === 0 ? 0 : this.#ends[from - 1]!)
    let bytes = 0
    for (let at = from; at < to; at++) bytes += this.#shared![at]!.sizeWith(this.first + at)
    return bytes
  }

  /** Frames of the entries from position `from` up to, without, `to`: a view. */
  framesOf(from: number, to: number): Uint8Array {
    const { frames } = this
    if (from === 0 && to === this.count) return frames.view()
    const ends = this.#ends!
    return frames.bytes.subarray(from === 0 ? 0 : ends[from - 1], ends[to - 1])
  }

  /** Writes the same to where they are sent from. */
  writeTo(out: ByteBuffer, from: number, to: number): void {
    if (this.#frames !== null) {
      out.append(this.framesOf(from, to))
      return
    }
    const { first } = this
    for (let at = from; at < to; at++) this.#shared![at]!.append(out, first + at)
  }
}

/** The run in a row whose key says `last`; null where the row does not hold what its key says. [QUE-14] */
export function readRun(row: Uint8Array, last: number, user: string): EntryRun | null {
  const run = EntryRun.read(row)
  const heads = new EntryHeads(row, user)
  while (heads.next()) {
    if (run.count > 0 && heads.index !== run.last + 1) return null
    run.pushRead(heads.index, heads.conversation, heads.seq, heads.end)
  }
  run.hasExtensions = heads.hasExtensions
  return heads.end === row.length && run.last === last ? run : null
}

/** The frames of a run; none where they can't be decoded as a whole: a device would refuse it, or skip it. */
export function framesOf(run: EntryRun): Frame[] {
  const decoder = new FrameDecoder(run.frames.length)
  decoder.push(run.frames.view())
  const frames: Frame[] = []
  for (let frame = decoder.next(); frame !== null && typeof frame !== 'number'; frame = decoder.next()) frames.push(frame)
  return frames.length === run.count ? frames : []
}

/** The run with these frames in the place of its own. */
export function runOf(run: EntryRun, frames: readonly Frame[]): EntryRun {
  const other = new EntryRun()
  other.hasExtensions = run.hasExtensions
  frames.forEach((frame, position) => {
    other.frames.append(encodeFrame(frame))
    const { conversation, seq } = run.heads[position] ?? COUNTS_NOWHERE
    other.push(run.first + position, conversation, seq)
  })
  return other
}

/** A skip: nothing for the device up to its index. [QUE-12] */
export function skipRun(index: number): EntryRun {
  const run = new EntryRun()
  appendSkip(run.frames, index)
  run.push(index, '', 0)
  return run
}
