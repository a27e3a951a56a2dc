/**
 * What is common to all that a shard keeps in memory of users, conversations, invites and blobs in use. All of it can be read back from
 * the store; nothing is ahead of that but what the open transaction holds, and when a commit fails everything is thrown away.
 */

/** In every state object: when it was last used by a transaction, what keeps it, and whether it is still the one in memory. */
export class Resident {
  readonly name: string
  /** Number of the last transaction that changed it: not evicted before that one is committed. */
  lastTransaction = 0
  /** The same for changes of more than a device's cursor. */
  lastChange = 0
  /** What of it waits for some transaction to write it; see late-writes.ts. Until then it is not on disk. */
  lateWrites = 0
  /** Commands that need it in memory until they are done; see gates.ts. */
  holds = 0
  /** `lastTransaction` when the sweep last came by; see residents.ts. */
  sweptAt = -1
  /** Counts the states that were let go: while it stands still, whoever was alive is. */
  static deaths = 0
  #isAlive = true

  constructor(name: string) {
    this.name = name
  }

  /** false once evicted or thrown away: whoever holds it must look it up again. */
  get alive(): boolean {
    return this.#isAlive
  }

  die(): void {
    this.#isAlive = false
    Resident.deaths++
  }
}
