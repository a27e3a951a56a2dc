/** The client's adapter, whatever it is reached by: it is told commands, and answers each. */
import type { Command } from './case.js'
import type { Signal } from './signal.js'

/** How the adapter failed, apart from what it answered. */
export class AdapterFailure extends Error {
  readonly kind: 'crash' | 'timeout'

  constructor(kind: 'crash' | 'timeout', message: string) {
    super(message)
    this.kind = kind
  }
}

export interface Answer {
  readonly id: number
  readonly unsupported?: boolean
  readonly error?: string
  readonly refused?: string
  readonly [key: string]: unknown
}

/** A longer line is none: nothing may fill the runner's memory. */
export const lineBytesMax = 8 * 1024 * 1024

/** One life of an adapter: from when it can be spoken to until it is killed, or goes. */
export abstract class Adapter {
  /** Of the case that uses it. */
  #signal: Signal
  readonly #answers = new Map<number, Answer>()
  #nextId = 1
  #failure: string | null = null
  /** What becomes of it is the suite's doing. */
  protected isKilled = false
  /** The end of what it wrote to stderr, where it has one. */
  stderr = ''

  constructor(signal: Signal) {
    this.#signal = signal
  }

  protected abstract write(line: string): void

  /** Another case goes on with it. */
  lend(signal: Signal): void {
    this.#signal = signal
    this.stderr = ''
  }

  /** Why nothing more is to be had from it; null: it runs, or was killed. */
  get failure(): string | null {
    return this.isKilled ? null : this.#failure
  }

  /** Throws an AdapterFailure. */
  async ask(command: Command, timeoutMs: number): Promise<Answer> {
    const id = this.#nextId++
    this.write(JSON.stringify({ id, ...command }))
    const answer = await this.#signal.until(performance.now() + timeoutMs, () => this.#answers.get(id) ?? this.#failure)
    if (typeof answer === 'string') throw new AdapterFailure('crash', answer)
    if (answer === null) throw new AdapterFailure('timeout', `the adapter did not answer ${JSON.stringify(command.do)} within ${String(timeoutMs)} ms`)
    this.#answers.delete(id)
    return answer
  }

  /** A line that it wrote; `what` says where. */
  protected take(line: string, what: string): void {
    try {
      const answer = JSON.parse(line) as Answer | null
      if (typeof answer?.id !== 'number') throw new TypeError('no id')
      this.#answers.set(answer.id, answer)
    } catch {
      this.fail(`the adapter ${what} that is no answer: ${line.slice(0, 200)}`)
    }
    this.#signal.notify()
  }

  protected fail(reason: string): void {
    this.#failure ??= reason
    this.#signal.notify()
  }
}

/** Where a run has its adapters from. */
export interface Adapters {
  /** One that remembers no case, as soon as there is one. Rejects with an AdapterFailure where there will be none. */
  take(signal: Signal): Promise<Adapter>
  /** Ends the client without warning; its storage stays. Resolves when it is gone. */
  kill(adapter: Adapter): Promise<void>
  /** After `kill`: its next life. Rejects with an AdapterFailure. */
  revive(adapter: Adapter, signal: Signal): Promise<Adapter>
  /** `isReusable`: it has answered `stop`. */
  giveBack(adapter: Adapter, isReusable: boolean): Promise<void>
  /** The cases that are played now fail, and no other begins. */
  stop(): void
  close(): Promise<void>
}
