/** How long the oldest entry of a channel has waited to be confirmed: to a quarter of a second, which needs few notes however many entries there are. Pure. */
import { Fifo } from '../shard/fifo.js'

/** Entries that are given within this time count as given with the first of them. */
const GRAIN_MS = 250

/** From this entry on, up to the next note, entries were given then. */
interface Note {
  readonly first: number
  readonly timeMs: number
}

export class WaitingTime {
  /** Of the oldest entry that waits; null: none does. */
  #oldest: Note | null = null
  #newest: Note | null = null
  /** Behind the oldest. */
  readonly #notes = new Fifo<Note>()

  /** Entries from `first` on have been given. */
  given(first: number, nowMs: number): void {
    if (this.#newest !== null && nowMs - this.#newest.timeMs < GRAIN_MS) return
    this.#newest = { first, timeMs: nowMs }
    if (this.#oldest === null) this.#oldest = this.#newest
    else this.#notes.push(this.#newest)
  }

  /** Entries up to this one are confirmed; `last` is the last that was given. */
  confirmed(number: number, last: number): void {
    for (let next = this.#notes.peek(); next !== undefined && (next.first <= number + 1 || number === last); next = this.#notes.peek()) {
      this.#oldest = next
      this.#notes.shift()
    }
    if (number === last) this.#oldest = this.#newest = null
  }

  /** 0: nothing waits. */
  sinceMs(nowMs: number): number {
    return this.#oldest === null ? 0 : Math.max(0, nowMs - this.#oldest.timeMs)
  }
}
