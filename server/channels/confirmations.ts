/** Those who wait until the other end of a channel has an entry on disk. */
import { unavailable } from '../shard/commit-loop.js'
import type { Scheduler } from '../shard/environment.js'
import type { Outgoing } from './outgoing.js'

interface Waiter {
  readonly channel: Outgoing
  readonly number: number
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class Confirmations {
  readonly #scheduler: Scheduler
  readonly #answerMs: number
  readonly #waiters = new Set<Waiter>()

  /** @param answerMs how long anybody waits at most */
  constructor(scheduler: Scheduler, answerMs: number) {
    this.#scheduler = scheduler
    this.#answerMs = answerMs
  }

  /** Resolves when the channel is confirmed up to this entry; rejects with RouterError storage-unavailable where that takes too long. */
  taken(channel: Outgoing, number: number): Promise<void> {
    if (number <= channel.sender.confirmed) return Promise.resolve()
    return new Promise((resolve, reject) => {
      const waiter = { channel, number, resolve, reject }
      this.#waiters.add(waiter)
      this.#scheduler.after(this.#answerMs, () => {
        if (this.#waiters.delete(waiter)) reject(unavailable())
      })
    })
  }

  /** The channel's other end has more of it. */
  confirmed(channel: Outgoing): void {
    for (const waiter of this.#waiters) {
      if (waiter.channel !== channel || waiter.number > channel.sender.confirmed) continue
      this.#waiters.delete(waiter)
      waiter.resolve()
    }
  }

  close(): void {
    for (const { reject } of this.#waiters) reject(unavailable())
    this.#waiters.clear()
  }
}
