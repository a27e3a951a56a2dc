/**
 * How a turn of the event loop is shared among those who send more than their rate allows to go on for long: each waits here, and is
 * heard for a few frames at a time while the turn has room for them. So a turn takes a bounded time however many flood, and everybody
 * else is heard at once. Round robin, with frames for packets.
 */
import { Fifo } from '../shard/fifo.js'

/** All frames of one turn; the waiting get what the others leave of it. About a millisecond of messages. */
export const FRAMES_BY_TURN = 96
/** Of one that waits before the next one has its turn; also what the waiting get of a turn that the others have filled. */
export const FRAMES_BY_TAKER = 16

export class TurnQueue<T> {
  readonly #waiting = new Fifo<T>()
  /** Frames that this turn has room for. */
  #room = FRAMES_BY_TURN
  #hasServed = false

  get isEmpty(): boolean {
    return this.#waiting.length === 0
  }

  /** Somebody has handled so many frames. */
  spend(frames: number): void {
    this.#room -= frames
  }

  /** Enters it behind all who wait; it must not wait already. */
  wait(taker: T): void {
    this.#waiting.push(taker)
  }

  /** Who may handle FRAMES_BY_TAKER frames now; undefined: the turn is full, or nobody waits. */
  next(): T | undefined {
    if (this.#room <= 0 && this.#hasServed) return undefined
    this.#hasServed = true
    return this.#waiting.shift()
  }

  endTurn(): void {
    this.#room = FRAMES_BY_TURN
    this.#hasServed = false
  }
}
