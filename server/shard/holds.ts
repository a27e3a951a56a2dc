/**
 * What a command needs in memory all at once, however little room there is for what is not in use: states stay from when they are found
 * or read until the command is done. Otherwise the members of a large group would go while the last of them are still being read, and
 * the command would load them again and again.
 */
import type { Residents } from './residents.js'
import type { ConversationState } from './conversation-state.js'
import type { Resident } from './resident.js'
import type { UserState } from './user-state.js'

/** Users of a conversation that are read from the store at once: a large group must not take all of the store's reader. */
const LOADS_AT_ONCE = 32

export class Hold {
  readonly #states: Resident[] = []
  #isReleased = false

  async conversation(conversations: Residents<ConversationState>, name: string): Promise<ConversationState> {
    return this.#keep(conversations.get(name) ?? await conversations.load(name))
  }

  /** One of another kind. */
  async state<T extends Resident>(states: Residents<T>, name: string): Promise<T> {
    return this.#keep(states.get(name) ?? await states.load(name))
  }

  /** false: the store has failed meanwhile, and what is held is worth nothing. */
  get isAlive(): boolean {
    return this.#states.every(({ alive }) => alive)
  }

  async users(users: Residents<UserState>, names: readonly string[]): Promise<void> {
    const absent: string[] = []
    for (const name of names) {
      const user = users.get(name)
      if (user === undefined) absent.push(name)
      else this.#keep(user)
    }
    for (let at = 0; at < absent.length; at += LOADS_AT_ONCE) {
      // Kept one by one, in the turn in which each is there.
      await Promise.all(absent.slice(at, at + LOADS_AT_ONCE).map(async (name) => this.#keep(await users.load(name))))
    }
  }

  /** What is still being read is not kept. */
  release(): void {
    this.#isReleased = true
    for (const state of this.#states) state.holds--
    this.#states.length = 0
  }

  #keep<T extends Resident>(state: T): T {
    if (!this.#isReleased) {
      state.holds++
      this.#states.push(state)
    }
    return state
  }
}

/** Lets those in who hold many states, as long as all together hold no more than `max`; one always, however many it needs. */
export class Admission {
  readonly #max: number
  #held = 0
  readonly #waiting: { readonly count: number, readonly enter: () => void }[] = []

  constructor(max: number) {
    this.#max = max
  }

  /** Resolves when there is room, in the order of asking. What was taken is given back with `leave`. */
  enter(count: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#hasRoom(count)) {
      this.#held += count
      return Promise.resolve()
    }
    return new Promise((enter) => { this.#waiting.push({ count, enter }) })
  }

  leave(count: number): void {
    this.#held -= count
    let admitted = 0
    for (const { count: next, enter } of this.#waiting) {
      if (!this.#hasRoom(next)) break
      this.#held += next
      admitted++
      enter()
    }
    this.#waiting.splice(0, admitted)
  }

  #hasRoom(count: number): boolean {
    return this.#held === 0 || this.#held + count <= this.#max
  }
}
