/**
 * A run: consecutive entries of one queue as they stand in one row of the store, whole frames one behind another, ready to send. What
 * one commit appends to a queue is one run, so that a busy queue costs a row for many entries, and a drain reads and sends many at
 * once. The row's key carries the index of the run's last entry: whoever looks for an entry seeks its index and finds its run.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { appendSkip, encodeFrame, type Frame } from '../../protocol/generated/frames.js'
import { EntryHeads } from './entry-heads.js'
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

export class EntryRun {
  /** Index of the last entry. A skip stands alone and covers all from the one before to its own. */
  last = 0
  readonly frames = new ByteBuffer()
  /** Of each entry: where its frame ends in `frames`… */
  readonly ends: number[] = []
  /** …and where and what the device's acknowledgement counts as delivered; seq 0: nowhere. [RCP-1] */
  readonly conversations: string[] = []
  readonly seqs: number[] = []
  /** …and in a group at home here by which route, at which place among its members; null: none of them is in one. */
  routes: (Route | undefined)[] | null = null
  places: (number | undefined)[] | null = null
  /** Whether a message or operation of it carries any. Of runs that were read; of others nothing is known. */
  hasExtensions = false
  /** Of one that is being appended: its number in the commit's row of the journal; -1: it gets a row of its own. */
  journalRun = -1
  /** Whether all of its entries go into other queues as well. */
  isShared = true
  /** The commit whose row of the journal holds it; null: none does, or it has a row of its own as well. */
  journaled: JournaledCommit | null = null

  get count(): number {
    return this.ends.length
  }

  /** Index of the first entry. */
  get first(): number {
    return this.last - this.ends.length + 1
  }

  get isFull(): boolean {
    return this.ends.length >= RUN_ENTRIES_MAX || this.frames.length >= RUN_BYTES_MAX
  }

  /** To be called when the frame of the entry with this index has been appended to `frames`. */
  push(index: number, conversation: string, seq: number): void {
    this.last = index
    this.ends.push(this.frames.length)
    this.conversations.push(conversation)
    this.seqs.push(seq)
  }

  /** The entry that was pushed last is counted in a group, at this place among its members. */
  setRoute(route: Route, place: number): void {
    const at = this.ends.length - 1
    this.routes ??= []
    this.places ??= []
    this.routes[at] = route
    this.places[at] = place
  }

  /** Lets routes go that hold states that are not in memory any more: the entries are counted by name then. */
  forgetStale(): void {
    for (const [at, route] of (this.routes ?? []).entries()) if (route?.isAlive === false) this.routes![at] = undefined
  }

  /** Bytes of the entries from position `from` up to, without, `to`. */
  bytesOf(from: number, to: number): number {
    return (this.ends[to - 1] ?? 0) - (from === 0 ? 0 : this.ends[from - 1] ?? 0)
  }

  /** Frames of the entries from position `from` up to, without, `to`: a view. */
  framesOf(from: number, to: number): Uint8Array {
    if (from === 0 && to === this.ends.length) return this.frames.view()
    return this.frames.bytes.subarray(from === 0 ? 0 : this.ends[from - 1], this.ends[to - 1])
  }
}

/** The run in a row whose key says `last`; null where the row does not hold what its key says. [QUE-14] */
export function readRun(row: Uint8Array, last: number, user: string): EntryRun | null {
  const run = new EntryRun()
  run.frames.bytes = row
  run.frames.length = row.length
  const heads = new EntryHeads(row, user)
  while (heads.next()) {
    if (run.count > 0 && heads.index !== run.last + 1) return null
    run.last = heads.index
    run.ends.push(heads.end)
    run.conversations.push(heads.conversation)
    run.seqs.push(heads.seq)
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
    other.push(run.first + position, run.conversations[position] ?? '', run.seqs[position] ?? 0)
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
