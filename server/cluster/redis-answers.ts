/** Commands to Redis and their answers, with a time by which each has to be there. */
import type { Command } from 'ioredis'
import { ClusterStoreError } from './cluster-store.js'
import type { RedisClient } from './redis-connect.js'

interface Asked {
  readonly command: Command
  readonly redis: RedisClient
  readonly timeoutMs: number
  readonly dueMs: number
}

export class RedisAnswers {
  /** In the order in which they were sent. Those that have been answered go with the next one. */
  readonly #asked: Asked[] = []
  /** One for all that are under way: almost every answer comes long before it, and a timer for each costs more than noting it here. */
  #timer: NodeJS.Timeout | null = null
  #timerMs = 0

  /** Rejects with what `storeError` takes; also where the answer is not there in time. Then the connection is made anew. */
  to(redis: RedisClient, command: Command, timeoutMs: number): Promise<unknown> {
    while (this.#asked.length > 0 && this.#asked[0]!.command.isSettled) this.#asked.shift()
    const dueMs = performance.now() + timeoutMs
    this.#asked.push({ command, redis, timeoutMs, dueMs })
    if (this.#timer === null || dueMs < this.#timerMs) this.#lookAt(dueMs)
    return redis.sendCommand(command) as Promise<unknown>
  }

  /** Does not keep the process alive: a connection does, while anything can come. */
  #lookAt(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timerMs = ms
    this.#timer = setTimeout(() => { this.#look() }, Math.max(0, ms - performance.now())).unref()
  }

  #look(): void {
    this.#timer = null
    const nowMs = performance.now()
    let nextMs = Infinity
    for (const { command, redis, timeoutMs, dueMs } of this.#asked) {
      if (command.isSettled) continue
      if (dueMs > nowMs) {
        nextMs = Math.min(nextMs, dueMs)
        continue
      }
      command.reject(new ClusterStoreError('unreachable', `Redis has not answered within ${String(timeoutMs)} ms`))
      // What hangs would be answered into nothing, and what comes behind it hangs as well.
      if (redis.status === 'ready') redis.disconnect(true)
    }
    if (nextMs < Infinity) this.#lookAt(nextMs)
  }
}

/** What the client says of a command that it can't write. */
const AWAY = /^(Stream isn't writeable|Cluster isn't ready|Connection is closed)/

/** Answers of Redis that say that nothing has happened, and that asking again at once changes nothing. */
const REFUSED = /^(OOM|NOPERM|NOAUTH|WRONGPASS|MISCONF|WRONGTYPE|NOREPLICAS|ERR )/

/** Behind it, where a script was refused: the line of the script is no news to anybody, and another one each time where there are several. */
const OF_SCRIPT = / script: [0-9a-f]{40}, on @user_script:\d+\.?$/

/** What a command was rejected with, as the store says it. `failure`: why the connection is away, as far as that is known. */
export function storeError(error: unknown, failure = ''): ClusterStoreError {
  if (error instanceof ClusterStoreError) return error
  const message = (error instanceof Error ? error.message : String(error)).replace(OF_SCRIPT, '')
  const isReply = error instanceof Error && error.name === 'ReplyError'
  // Whatever a script throws it throws before its first write, or at it.
  const isRefused = isReply && REFUSED.test(message.replace(/^ERR Error running script.*?: /, '')) && !message.includes('NOSCRIPT')
  const text = AWAY.test(message) ? `Redis can't be reached${failure === '' ? '' : `: ${failure}`}` : `Redis: ${message}`
  return new ClusterStoreError(isRefused ? 'refused' : 'unreachable', text, { cause: error })
}
