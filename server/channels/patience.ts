/**
 * Questions to other shards that something waits behind which needs nothing of them. A shard that does not answer in time is taken for one that
 * can't be asked, and is asked nothing more until it has answered: else each question would be waited for as long as the first.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { Scheduler } from '../shard/environment.js'

/** A shard that never answers is asked again after so long: the question may have been lost. */
export const SILENT_MAX_MS = 60_000
const RETRY_MS = 1000

export class Patience {
  readonly #scheduler: Scheduler
  /** Of each shard that says nothing, the question that it has not answered. */
  readonly #unanswered = new Map<number, object>()

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  /** Rejects as the question does, and with RouterError unavailable where there is no answer after `answerMs`, or would be none. */
  ask<T>(shard: number, answerMs: number, question: () => Promise<T>): Promise<T> {
    if (this.#unanswered.has(shard)) return Promise.reject(silent())
    return new Promise<T>((resolve, reject) => {
      let isOver = false
      const answered = (): void => {
        isOver = true
        this.#unanswered.delete(shard)
      }
      this.#scheduler.after(answerMs, () => {
        if (isOver) return
        this.#note(shard)
        reject(silent())
      })
      question().finally(answered).then(resolve, reject)
    })
  }

  #note(shard: number): void {
    const question = {}
    this.#unanswered.set(shard, question)
    this.#scheduler.after(SILENT_MAX_MS, () => {
      if (this.#unanswered.get(shard) === question) this.#unanswered.delete(shard)
    })
  }
}

function silent(): RouterError {
  return new RouterError(ERROR.unavailable, 'another shard does not answer', { retryAfterMs: RETRY_MS })
}
