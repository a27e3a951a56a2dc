/** The time from send to delivery of pairs of people who chat: what a proof that is a measurement looks at, with and without something else. */
import type { Chatd } from './chatd.js'
import { RawDevice } from './raw-device.js'
import { Recorder } from './record.js'
import { delay, type Scope, until } from './scope.js'

/** Messages a second in all, sent when they are due, whatever the answers do. */
const OFFERED_PER_SECOND = 200
/** Of one phase. */
export const MEASURE_MS = 8000
/** For what is beside them to come in, and for what it left behind. */
const SETTLE_MS = 4000

export interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly count: number
}

/** The users of so many pairs. */
export function chattingUsers(pairs: number): string[] {
  return Array.from({ length: pairs * 2 }, (_, at) => `user-${at}`)
}

export class Chatting {
  readonly #devices: readonly RawDevice[]
  readonly #sentMs = new Map<string, number>()
  #takenMs: number[] = []
  #count = 0

  private constructor(scope: Scope, { tcp, ws }: Chatd, users: readonly string[], random: () => number) {
    this.#devices = users.map((user, at) => new RawDevice({
      url: at % 4 < 2 ? tcp : ws, user, device: 'phone', recorder: new Recorder(user, 'phone'), random, readShare: 0,
      onMessage: (text) => { this.#arrived(text) },
    }))
    scope.after(() => { for (const device of this.#devices) device.stop() })
  }

  /** Half of the pairs chat over TCP, half over WebSocket. Resolves when all are online and warm. */
  static async start(scope: Scope, chatd: Chatd, users: readonly string[], random: () => number): Promise<Chatting> {
    const chatting = new Chatting(scope, chatd, users, random)
    for (const device of chatting.#devices) device.start()
    await until('all to be online', () => chatting.#devices.every((device) => device.isOnline))
    await chatting.settle()
    return chatting
  }

  /** Chats on, and measures nothing. */
  async settle(): Promise<void> {
    await this.#chat(SETTLE_MS)
  }

  async measure(): Promise<Quantiles> {
    const taken = (await this.#chat(MEASURE_MS)).sort((a, b) => a - b)
    const at = (share: number): number => taken[Math.min(taken.length - 1, Math.floor(share * taken.length))] ?? NaN
    return { p50: at(0.5), p99: at(0.99), count: taken.length }
  }

  /** The server is measured, not this process: a message counts from when it is handed over. */
  async #chat(lengthMs: number): Promise<number[]> {
    this.#takenMs = []
    const beganMs = performance.now()
    for (let due = beganMs; due < beganMs + lengthMs; due += 1000 / OFFERED_PER_SECOND) {
      const waitMs = due - performance.now()
      if (waitMs > 1) await delay(waitMs)
      const from = this.#devices[this.#count % this.#devices.length]!
      const to = this.#devices[(this.#count % this.#devices.length) ^ 1]!
      const text = `latency ${++this.#count}`
      this.#sentMs.set(text, performance.now())
      from.send(to.options.user, text)
    }
    await until('the last messages to arrive', () => this.#sentMs.size === 0)
    return this.#takenMs
  }

  #arrived(text: string): void {
    const sentMs = this.#sentMs.get(text)
    if (sentMs === undefined) return
    this.#sentMs.delete(text)
    this.#takenMs.push(performance.now() - sentMs)
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

export function show({ p50, p99, count }: Quantiles): string {
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (${count})`
}
