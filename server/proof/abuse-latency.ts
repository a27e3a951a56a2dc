/**
 * What normal users feel of a hundred abusers: the time from send to delivery, in turn quiet, while the abusers are at another server of
 * the same machine, and while they are at this one. What the middle one shows is the machine's, which gives its two cores to more
 * processes; what the last one shows beyond that is the server's.
 */
import { Abuse, abusingUsers, KINDS, mega } from './abuse.js'
import { Chatd } from './chatd.js'
import { RawDevice } from './raw-device.js'
import { Recorder } from './record.js'
import { seeded } from '../seeded-random.js'
import { delay, type Scope, until } from './scope.js'

/** Messages a second in all, sent when they are due, whatever the answers do. */
const OFFERED_PER_SECOND = 200
const MEASURE_MS = 8000
/** For the abusers to come in, and for what they left behind. */
const SETTLE_MS = 4000

export interface AbuseLatencyOptions {
  /** Pairs of normal users. */
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

interface Quantiles {
  readonly p50: number
  readonly p99: number
  readonly count: number
}

/** Prints the quantiles of each phase and the ratio of the medians. Not a test: it needs a machine with nothing else to do. */
export async function abuseLatency(scope: Scope, { clients, rounds, seed }: AbuseLatencyOptions): Promise<{ ratio: number }> {
  const abusers = 10 * KINDS.length
  const users = Array.from({ length: clients * 2 }, (_, at) => `user-${at}`)
  const settings = { CHATD_LOG_LEVEL: 'warn' }
  const chatd = await Chatd.start(scope, [...users, ...abusingUsers(KINDS, abusers)], { settings })
  const elsewhere = await Chatd.start(scope, abusingUsers(KINDS, abusers), { settings })
  const meter = new Meter()
  const random = seeded(seed)
  const devices = users.map((user, at) => new RawDevice({
    url: at % 4 < 2 ? chatd.tcp : chatd.ws, user, device: 'phone', recorder: new Recorder(user, 'phone'), random, readShare: 0,
    onMessage: (text) => { meter.arrived(text) },
  }))
  scope.after(() => { for (const device of devices) device.stop() })
  for (const device of devices) device.start()
  await until('all to be online', () => devices.every((device) => device.isOnline))
  await meter.measure(devices, SETTLE_MS)
  const phases: Record<string, Quantiles[]> = { quiet: [], 'abusers elsewhere': [], 'abusers here': [] }
  for (let round = 1; round <= rounds; round++) {
    for (const [phase, found] of Object.entries(phases)) {
      const abuse = phase === 'quiet' ? null : new Abuse(scope, phase === 'abusers here' ? chatd : elsewhere, KINDS, abusers)
      if (abuse !== null) await meter.measure(devices, SETTLE_MS)
      found.push(await meter.measure(devices, MEASURE_MS))
      const sent = abuse === null ? '' : `, ${abusers} abusers sent ${mega(abuse.report.bytesOut)}`
      scope.note(`${phase}: ${show(found.at(-1)!)}${sent}; server ${mega(chatd.residentBytes)}`)
      abuse?.check()
      abuse?.stop()
      if (abuse !== null) await meter.measure(devices, SETTLE_MS)
    }
  }
  const [quiet = NaN, machine = NaN, abused = NaN] = Object.values(phases).map((found) => median(found.map(({ p99 }) => p99)))
  const ratio = abused / quiet
  scope.note(`p99 of normal users, medians of ${rounds} rounds: quiet ${quiet.toFixed(2)} ms, abusers elsewhere ${machine.toFixed(2)} ms, `
    + `here ${abused.toFixed(2)} ms: ${ratio.toFixed(2)} times quiet, ${(abused / machine).toFixed(2)} times elsewhere`)
  return { ratio }
}

export class Meter {
  readonly #sentMs = new Map<string, number>()
  #takenMs: number[] = []
  #count = 0

  arrived(text: string): void {
    const sentMs = this.#sentMs.get(text)
    if (sentMs === undefined) return
    this.#sentMs.delete(text)
    this.#takenMs.push(performance.now() - sentMs)
  }

  /** The server is measured, not this process: a message counts from when it is handed over. */
  async measure(devices: readonly RawDevice[], lengthMs: number): Promise<Quantiles> {
    this.#takenMs = []
    const beganMs = performance.now()
    for (let due = beganMs; due < beganMs + lengthMs; due += 1000 / OFFERED_PER_SECOND) {
      const waitMs = due - performance.now()
      if (waitMs > 1) await delay(waitMs)
      const from = devices[this.#count % devices.length]!
      const to = devices[(this.#count % devices.length) ^ 1]!
      const text = `latency ${++this.#count}`
      this.#sentMs.set(text, performance.now())
      from.send(to.options.user, text)
    }
    await until('the last messages to arrive', () => this.#sentMs.size === 0)
    const taken = this.#takenMs.sort((a, b) => a - b)
    const at = (share: number): number => taken[Math.min(taken.length - 1, Math.floor(share * taken.length))] ?? NaN
    return { p50: at(0.5), p99: at(0.99), count: taken.length }
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? NaN
}

export function show({ p50, p99, count }: Quantiles): string {
  return `p50 ${p50.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms (${count})`
}
