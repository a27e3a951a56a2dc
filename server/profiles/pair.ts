/**
 * How the two users of a pair stand to each other: has one blocked the other, have both written, is one among the other's contacts.
 * It is kept in the conversation, so that the path of a message asks no third party. Pure; sides are replaced, never changed.
 */
import type { ValueReader, ValueWriter } from '../../storage/value.js'

/** Seqs from `first` to `last`, both included. */
export interface Interval {
  readonly first: number
  readonly last: number
}

/** Times of being blocked that are told apart: beyond it the two with the fewest messages between them become one. */
const HIDDEN_INTERVALS_MAX = 128

const NONE: readonly Interval[] = []

/** One of the two, as it looks at the other. */
export class PairSide {
  /** Seq of the first message that this side does not get, since it has blocked the other; 0: it has not. */
  readonly blockedFrom: number
  /** It has the other among its contacts. */
  readonly isContact: boolean
  /** It has written here. */
  readonly hasWritten: boolean
  /** What it does not see: ascending, apart from each other. All of it was written by the other. */
  readonly hidden: readonly Interval[]

  constructor(blockedFrom: number, isContact: boolean, hasWritten: boolean, hidden: readonly Interval[]) {
    this.blockedFrom = blockedFrom
    this.isContact = isContact
    this.hasWritten = hasWritten
    this.hidden = hidden
  }

  get isBlocking(): boolean {
    return this.blockedFrom > 0
  }

  /** Whether the message exists for this side. [PRF-10] */
  hides(seq: number): boolean {
    if (this.isBlocking && seq >= this.blockedFrom) return true
    for (let i = this.hidden.length - 1; i >= 0; i--) {
      const { first, last } = this.hidden[i]!
      if (seq > last) return false
      if (seq >= first) return true
    }
    return false
  }

  /** The highest seq up to this one that is not hidden, or 0. [PRF-12] [PRF-14] */
  visible(seq: number): number {
    let top = this.isBlocking ? Math.min(seq, this.blockedFrom - 1) : seq
    for (let i = this.hidden.length - 1; i >= 0; i--) {
      const { first, last } = this.hidden[i]!
      if (top > last) break
      if (top >= first) top = first - 1
    }
    return top
  }

  /** What is not hidden, ascending; null: everything. */
  get visibleIntervals(): readonly { readonly from: number; readonly to: number }[] | null {
    if (!this.isBlocking && this.hidden.length === 0) return null
    const visible: { from: number; to: number }[] = []
    let from = 1
    for (const { first, last } of this.hidden) {
      if (first > from) visible.push({ from, to: first - 1 })
      from = last + 1
    }
    const to = this.isBlocking ? this.blockedFrom - 1 : Infinity
    if (from <= to) visible.push({ from, to })
    return visible
  }

  /** From now on it gets nothing of the other; the conversation ends at `tail`. */
  block(tail: number): PairSide {
    return this.isBlocking ? this : new PairSide(tail + 1, this.isContact, this.hasWritten, this.hidden)
  }

  unblock(tail: number): PairSide {
    if (!this.isBlocking) return this
    const hidden = tail < this.blockedFrom ? this.hidden : joined(this.hidden, { first: this.blockedFrom, last: tail })
    return new PairSide(0, this.isContact, this.hasWritten, hidden)
  }

  /** Blocking on, it sees what it did itself at `seq`, the conversation's last. */
  without(seq: number): PairSide {
    return this.unblock(seq - 1).block(seq)
  }

  withContact(isContact: boolean): PairSide {
    return isContact === this.isContact ? this : new PairSide(this.blockedFrom, isContact, this.hasWritten, this.hidden)
  }

  withWritten(): PairSide {
    return this.hasWritten ? this : new PairSide(this.blockedFrom, this.isContact, true, this.hidden)
  }
}

/** With the interval at the end, which lies behind all others. */
function joined(hidden: readonly Interval[], interval: Interval): readonly Interval[] {
  const last = hidden.at(-1)
  if (last !== undefined && last.last + 1 === interval.first) return [...hidden.slice(0, -1), { first: last.first, last: interval.last }]
  const all = [...hidden, interval]
  if (all.length <= HIDDEN_INTERVALS_MAX) return all
  let narrowest = 0
  const gap = (at: number): number => all[at + 1]!.first - all[at]!.last
  for (let at = 1; at + 1 < all.length; at++) if (gap(at) < gap(narrowest)) narrowest = at
  all.splice(narrowest, 2, { first: all[narrowest]!.first, last: all[narrowest + 1]!.last })
  return all
}

/** In the order of the conversation's members. */
export type Pair = readonly [PairSide, PairSide]

const STRANGER = new PairSide(0, false, false, NONE)
const ACQUAINTED = new PairSide(0, false, true, NONE)
/** Two who have never met. */
export const STRANGERS: Pair = [STRANGER, STRANGER]
/** Two who have both written, and nothing else: nearly all pairs, which share it. A conversation older than such rows is taken for one. */
export const ACQUAINTANCES: Pair = [ACQUAINTED, ACQUAINTED]

/** The pair with another side in place of one of the two; the same object where nothing is said that is not said by it. */
export function withSide(pair: Pair, position: number, side: PairSide): Pair {
  if (pair[position] === side) return pair
  const changed: Pair = position === 0 ? [side, pair[1]] : [pair[0], side]
  return changed.every(isOrdinary) ? ACQUAINTANCES : changed
}

/** Who both have written need no contact to write. */
function isOrdinary(side: PairSide): boolean {
  return side.hasWritten && !side.isBlocking && side.hidden.length === 0
}

const VERSION = 1

export function encodePair(writer: ValueWriter, pair: Pair): Uint8Array {
  writer.begin().uint(VERSION)
  for (const { blockedFrom, isContact, hasWritten, hidden } of pair) {
    writer.uint(blockedFrom).bool(isContact).bool(hasWritten).uint(hidden.length)
    for (const { first, last } of hidden) writer.uint(first).uint(last)
  }
  return writer.take()
}

/** `reader` stands behind the version. */
export function decodePair(reader: ValueReader): Pair {
  const pair: Pair = [decodeSide(reader), decodeSide(reader)]
  return pair.every(isOrdinary) ? ACQUAINTANCES : pair
}

function decodeSide(reader: ValueReader): PairSide {
  const blockedFrom = reader.uint()
  const isContact = reader.bool()
  const hasWritten = reader.bool()
  const hidden: Interval[] = []
  for (let count = reader.uint(); count > 0; count--) hidden.push({ first: reader.uint(), last: reader.uint() })
  return new PairSide(blockedFrom, isContact, hasWritten, hidden.length === 0 ? NONE : hidden)
}
