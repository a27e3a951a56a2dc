/**
 * One request at a time writes to an upload. Who comes later does so because its connection is the newer one: the server may not have
 * noticed yet that the earlier one is dead. So the earlier one is asked to stop, and the later one goes on behind what came by then.
 */

/** Why a body is not read any further. */
export type StopReason = 'contended' | 'idle' | 'slow' | 'shutdown'

/** The right to write. Ends with `release`, once. */
export class UploadHold {
  readonly #controller = new AbortController()
  readonly #locks: UploadLocks
  readonly id: string

  constructor(locks: UploadLocks, id: string) {
    this.#locks = locks
    this.id = id
  }

  /** Aborted, with a StopReason, when the body is not to be read any further. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get stopReason(): StopReason | null {
    return this.signal.aborted ? this.signal.reason as StopReason : null
  }

  stop(reason: StopReason): void {
    this.#controller.abort(reason)
  }

  release(): void {
    this.#locks.released(this)
  }
}

interface Lock {
  hold: UploadHold
  readonly waiting: Waiting[]
}

interface Waiting {
  readonly resolve: (hold: UploadHold | null) => void
  readonly timer: NodeJS.Timeout
}

/** More that wait for one upload than this are not clients that reconnect. */
const WAITING_MAX = 8

export class UploadLocks {
  readonly #locks = new Map<string, Lock>()
  readonly #waitMs: number
  #isStopping = false

  /** `waitMs`: how long who holds an upload may take to end, once asked. */
  constructor(waitMs: number) {
    this.#waitMs = waitMs
  }

  /** Asks who has it to stop, and waits for that. Null: it does not end in time, or too many wait. */
  async take(id: string): Promise<UploadHold | null> {
    const lock = this.#locks.get(id)
    if (lock === undefined) return this.#give(id)
    if (lock.waiting.length >= WAITING_MAX) return null
    return new Promise((resolve) => {
      const waiting: Waiting = {
        resolve,
        timer: setTimeout(() => {
          lock.waiting.splice(lock.waiting.indexOf(waiting), 1)
          resolve(null)
        }, this.#waitMs),
      }
      lock.waiting.push(waiting)
      lock.hold.stop('contended')
    })
  }

  /** Only if nobody has it; asks nobody to stop. */
  takeIfFree(id: string): UploadHold | null {
    return this.#locks.has(id) ? null : this.#give(id)
  }

  /** Everybody is asked to stop, also who has it later: one that waited would read on, and hold up the end of the server. */
  stopAll(): void {
    this.#isStopping = true
    for (const lock of this.#locks.values()) lock.hold.stop('shutdown')
  }

  /** Uploads that somebody holds. */
  get size(): number {
    return this.#locks.size
  }

  /** @internal */
  released(hold: UploadHold): void {
    const lock = this.#locks.get(hold.id)
    if (lock?.hold !== hold) throw new Error('released what is not held')
    const next = lock.waiting.shift()
    if (next === undefined) {
      this.#locks.delete(hold.id)
      return
    }
    clearTimeout(next.timer)
    lock.hold = this.#newHold(hold.id)
    // Somebody newer waits already.
    if (lock.waiting.length > 0) lock.hold.stop('contended')
    next.resolve(lock.hold)
  }

  #give(id: string): UploadHold {
    const hold = this.#newHold(id)
    this.#locks.set(id, { hold, waiting: [] })
    return hold
  }

  #newHold(id: string): UploadHold {
    const hold = new UploadHold(this, id)
    if (this.#isStopping) hold.stop('shutdown')
    return hold
  }
}
