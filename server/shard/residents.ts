/**
 * The states in memory, read from the store when first needed. What is in use stays, and so does what a command holds until it is done;
 * as many others stay as the limit says, and the rest goes, oldest first: memory is bounded by active users, not by stored data.
 */
import type { Resident } from './resident.js'

/** States looked at for each that was loaded, where many are in use; and in one turn of the event loop. */
const SWEEP_FOR_EACH = 64
const SWEEP_MAX = 2048

export class Residents<T extends Resident> {
  readonly #states = new Map<string, T>()
  readonly #loading = new Map<string, Promise<T>>()
  readonly #max: number
  readonly #read: (name: string) => Promise<T>
  /** Whether a state may go: nothing uncommitted, nobody attached. */
  readonly #mayGo: (state: T) => boolean
  readonly #inUse: () => number
  readonly #defer: (task: () => void) => void
  #isSweepDue = false
  /** States that may still be looked at for what was loaded. */
  #owed = 0
  #isClosed = false
  /** Called for each state that is let go. */
  onGone: () => void = () => {}

  /** @param inUse how many are in memory anyway, beside which `max` have room */
  constructor(
    max: number, read: (name: string) => Promise<T>, mayGo: (state: T) => boolean, defer: (task: () => void) => void, inUse = (): number => 0,
  ) {
    this.#max = max
    this.#read = read
    this.#mayGo = mayGo
    this.#defer = defer
    this.#inUse = inUse
  }

  get size(): number {
    return this.#states.size
  }

  get(name: string): T | undefined {
    return this.#states.get(name)
  }

  /** Every state in memory. */
  [Symbol.iterator](): Iterator<T> {
    return this.#states.values()
  }

  /** The state, from memory or the store. It may be gone again by the time the caller runs: check `alive`. */
  load(name: string): Promise<T> {
    const present = this.#states.get(name)
    if (present !== undefined) return Promise.resolve(present)
    let loading = this.#loading.get(name)
    if (loading === undefined) {
      loading = this.#load(name)
      this.#loading.set(name, loading)
    }
    return loading
  }

  /** Lets a state go that is not to be kept, whoever holds it. */
  drop(state: T): void {
    this.#states.delete(state.name)
    state.die()
    this.onGone()
  }

  get #isFull(): boolean {
    return this.#states.size - this.#inUse() > this.#max
  }

  /** Throws everything away; states still being read will not be kept either. */
  close(): void {
    this.#isClosed = true
    for (const state of this.#states.values()) state.die()
    this.#states.clear()
    this.#loading.clear()
  }

  async #load(name: string): Promise<T> {
    try {
      const state = await this.#read(name)
      // A commit may have failed while it was read: then this is of the life before.
      if (this.#isClosed) state.die()
      else {
        this.#states.set(name, state)
        this.#owed += SWEEP_FOR_EACH
        this.#sweepLater()
      }
      return state
    } finally {
      this.#loading.delete(name)
    }
  }

  /** Not at once: whoever waits for what was just loaded must find it, or two could drive each other out for ever. */
  #sweepLater(): void {
    if (this.#isSweepDue || this.#isClosed) return
    if (!this.#isFull || this.#owed <= 0) {
      this.#owed = 0
      return
    }
    this.#isSweepDue = true
    this.#defer(() => {
      this.#isSweepDue = false
      this.#sweep()
      this.#sweepLater()
    })
  }

  /** Second chance: a state used since it was last looked at moves to the back of the line. */
  #sweep(): void {
    let looks = Math.min(this.#owed, SWEEP_MAX, 2 * this.#states.size)
    this.#owed -= SWEEP_MAX
    for (const [name, state] of this.#states) {
      if (!this.#isFull || looks-- === 0) return
      this.#states.delete(name)
      if (state.holds === 0 && this.#mayGo(state) && state.sweptAt === state.lastTransaction) {
        state.die()
        this.onGone()
      } else {
        state.sweptAt = state.lastTransaction
        this.#states.set(name, state)
      }
    }
  }
}
