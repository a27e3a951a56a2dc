/** Watermarks of users whose conversations are at home elsewhere, which wait for room in the channel there: of each conversation the last. */
import type { Transaction } from '../shard/transaction.js'
import type { Outgoing } from './outgoing.js'

interface HeldWatermark {
  readonly channel: Outgoing
  readonly user: string
  readonly conversation: string
  seq: number
  readonly applied: (() => void)[]
}

export interface HeldHost {
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  schedule(): void
}

export class HeldWatermarks {
  readonly #host: HeldHost
  readonly #held = new Map<string, HeldWatermark>()

  constructor(host: HeldHost) {
    this.#host = host
  }

  /** `applied` is called when it is in the open transaction. */
  hold(channel: Outgoing, user: string, conversation: string, seq: number, applied: () => void): void {
    const key = `${user} ${conversation}`
    const held = this.#held.get(key)
    if (held === undefined) this.#held.set(key, { channel, user, conversation, seq, applied: [applied] })
    else {
      held.seq = Math.max(held.seq, seq)
      held.applied.push(applied)
    }
  }

  /** There may be room by now. */
  release(): void {
    for (const [key, { channel, user, conversation, seq, applied }] of this.#held) {
      if (!channel.hasRoom) continue
      this.#held.delete(key)
      this.#host.transaction.channels.raise(channel, user, conversation, seq)
      for (const each of applied) each()
      this.#host.schedule()
    }
  }

  /** Who waits looks again, and finds that everything has changed. */
  close(): void {
    for (const { applied } of this.#held.values()) for (const each of applied) each()
    this.#held.clear()
  }
}
