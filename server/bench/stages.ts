/** The stages of scenarios that store and drain: many senders at once, recipients that come back, and what it took. */
import { setTimeout as sleep } from 'node:timers/promises'
import { client, closeAll, idOf, open, pool, text, until } from './load.js'
import type { RawClient } from './raw-client.js'

/** Messages without an ack that a sender keeps under way. */
export const WINDOW = 32
const DRAIN_TIMEOUT_MS = 240_000
/** After this long without another entry a drain is over, complete or not. */
const SILENCE_MS = 8000

export interface Stored {
  readonly acked: number
  readonly seconds: number
}

/** Sends `total` messages, each sender to its recipient with `window` without an ack; resolves when all are acked. */
export async function store(
  senders: readonly RawClient[], recipients: readonly string[], total: number, window = WINDOW, textOf: (id: number) => string = text,
): Promise<Stored> {
  const share = total / senders.length
  const sent = new Array<number>(senders.length).fill(0)
  let acked = 0
  const startMs = performance.now()
  let lastMs = startMs
  const sendOne = (at: number): void => {
    const id = at * share + sent[at]!++
    senders[at]!.send(recipients[at]!, textOf(id), id)
  }
  senders.forEach((sender, at) => {
    sender.onAccepted(() => {
      if (++acked === total) lastMs = performance.now()
      if (sent[at]! < share) sendOne(at)
    })
  })
  for (let n = 0; n < Math.min(window, share); n++) for (let at = 0; at < senders.length; at++) sendOne(at)
  if (!await until(() => acked >= total, DRAIN_TIMEOUT_MS)) lastMs = performance.now()
  return { acked, seconds: (lastMs - startMs) / 1000 }
}

export interface Drained {
  readonly got: number
  readonly doubled: number
  readonly seconds: number
}

/** Connects every recipient and takes what waits for it. */
export async function drain(port: number, recipients: readonly string[], total: number): Promise<Drained> {
  const seen = new Uint8Array(total)
  let got = 0
  let doubled = 0
  const startMs = performance.now()
  let lastMs = startMs
  const clients = await pool(recipients, async (user, at) => {
    const one = client(port, at)
    one.onDelivery((_, received) => {
      const id = idOf(received)
      lastMs = performance.now()
      if (seen[id] === 1) doubled++
      else {
        seen[id] = 1
        got++
      }
    })
    await open(one, user)
    return one
  }, 100)
  await until(() => got >= total || performance.now() - lastMs > SILENCE_MS, DRAIN_TIMEOUT_MS)
  await sleep(300) // a doubled entry would come now, and the last cursors go out
  await closeAll(clients)
  return { got, doubled, seconds: (lastMs - startMs) / 1000 }
}

/** Microseconds for each unit; null where the system does not say. */
export const perUnit = (before: number | null, after: number | null, units: number): number | null =>
  before === null || after === null ? null : (after - before) * 1e6 / units
