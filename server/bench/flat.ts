/**
 * Whether a message costs the same however much is stored: two pairs on one server, one with a short conversation and queue, one with a
 * long one. They are measured in turn, so that what the machine does in between hits both.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { client, names, open, prepare, text, until } from './load.js'
import { memory, quiet, stealMeter } from './measure.js'
import type { Options } from './options.js'
import type { RawClient } from './raw-client.js'
import { ServerProcess } from './server-process.js'
import { perUnit } from './stages.js'
import type { Figures } from './statistics.js'

const SHORT = 1000
const LONG = 1_000_000
/** Messages of one measured stretch. */
const MEASURED = 10_000
const WINDOW = 32
/** While nothing is measured. */
const WINDOW_FILL = 512
const TIMEOUT_MS = 300_000

export async function flat({ runs, size }: Options): Promise<Figures[]> {
  const long = size === 0 ? LONG : size
  // A short pair for each run, since it does not stay short, and one that warms up the server.
  const users = names(1, 4 + 2 * runs)
  const server = await ServerProcess.start(users)
  try {
    await prepare(server.port, users)
    const longPair = new Pair(server, users[0]!, users[1]!)
    const shortPairs = Array.from({ length: runs }, (_, run) => new Pair(server, users[2 + 2 * run]!, users[3 + 2 * run]!))
    for (const pair of shortPairs) {
      await pair.fill(SHORT)
      await pair.part()
    }
    await server.renew()
    const pssShort = await settledPss(server, [shortPairs[0]!])
    await longPair.fill(long)
    await longPair.part()
    await server.renew()
    const pssLong = await settledPss(server, [longPair])
    await warmUp(new Pair(server, users.at(-2)!, users.at(-1)!))
    const figures: Figures[] = []
    const steal = stealMeter()
    for (const [run, pair] of shortPairs.entries()) figures.push(await compare(server, pair, longPair, run))
    return figures.map((figure) => ({ ...figure, pssMBShort: pssShort, pssMBLong: pssLong, stealPct: steal() }))
  } finally {
    await server.stop()
  }
}

async function warmUp(pair: Pair): Promise<void> {
  await pair.fill(MEASURED, WINDOW)
  await pair.drain()
  await pair.talk(MEASURED)
  await pair.part()
}

async function compare(server: ServerProcess, short: Pair, long: Pair, run: number): Promise<Figures> {
  const figures: Record<string, number | null> = {}
  // Whoever is first gains or loses by it.
  const order = run % 2 === 0 ? [short, long] : [long, short]
  let lost = 0
  for (const pair of order) {
    const name = pair === short ? 'Short' : 'Long'
    const waiting = pair.waiting
    figures[`storeUs${name}`] = await cost(server, MEASURED, () => pair.fill(MEASURED, WINDOW))
    figures[`drainUs${name}`] = await cost(server, waiting + MEASURED, async () => { lost += await pair.drain() })
    figures[`onlineUs${name}`] = await cost(server, MEASURED, () => pair.talk(MEASURED))
    await pair.part()
    if (pair === long) await pair.fill(waiting, WINDOW_FILL)
  }
  for (const stage of ['store', 'drain', 'online']) {
    const [one, other] = [figures[`${stage}UsShort`], figures[`${stage}UsLong`]]
    figures[`${stage}Ratio`] = one === null || other === null || one === undefined || other === undefined ? null : other / one
  }
  return { ...figures, lost }
}

/** Server CPU for each message. */
async function cost(server: ServerProcess, messages: number, work: () => Promise<void>): Promise<number | null> {
  const before = await quiet(server.pid)
  await work()
  return perUnit(before, await quiet(server.pid), messages)
}

/** Memory of a server that has just started and serves these senders, in MB. */
async function settledPss(server: ServerProcess, pairs: readonly Pair[]): Promise<number | null> {
  for (const pair of pairs) await pair.fill(WINDOW, WINDOW)
  await quiet(server.pid)
  await sleep(1000)
  const pss = memory(server.pid)
  for (const pair of pairs) await pair.part()
  return pss === null ? null : pss.pssBytes / 1e6
}

/** One who writes and one who is away, or takes what waits and stays. */
class Pair {
  readonly #server: ServerProcess
  readonly #senderName: string
  readonly #recipientName: string
  #sender: RawClient | null = null
  #recipient: RawClient | null = null
  #sent = 0
  /** Messages that wait for the recipient. */
  waiting = 0

  constructor(server: ServerProcess, sender: string, recipient: string) {
    this.#server = server
    this.#senderName = sender
    this.#recipientName = recipient
  }

  /** Stores messages for the absent recipient, `window` of them without an ack at a time. */
  async fill(count: number, window = WINDOW_FILL): Promise<void> {
    const sender = await this.#connectedSender()
    let acked = 0
    let left = count
    const sendOne = (): void => {
      left--
      sender.send(this.#recipientName, text(this.#sent), this.#sent++)
    }
    sender.onAccepted(() => {
      acked++
      if (left > 0) sendOne()
    })
    while (left > 0 && count - left < window) sendOne()
    if (!await until(() => acked >= count, TIMEOUT_MS)) throw new Error(`${String(acked)} of ${String(count)} messages were acknowledged`)
    sender.onAccepted(() => { /* nobody waits */ })
    this.waiting += count
  }

  /** The recipient takes all that waits and stays; returns how many did not come. */
  async drain(): Promise<number> {
    const recipient = client(this.#server.port, 1)
    let got = 0
    recipient.onDelivery(() => { got++ })
    await open(recipient, this.#recipientName)
    await until(() => got >= this.waiting, TIMEOUT_MS)
    this.#recipient = recipient
    const lost = this.waiting - got
    this.waiting = 0
    return lost
  }

  /** Messages to the recipient who is there; a receipt sends the next. */
  async talk(count: number): Promise<void> {
    const sender = await this.#connectedSender()
    let confirmed = 0
    let left = count
    const sendOne = (): void => {
      left--
      sender.send(this.#recipientName, text(this.#sent), this.#sent++)
    }
    sender.onReceipt(() => {
      confirmed++
      if (left > 0) sendOne()
    })
    while (left > 0 && count - left < WINDOW) sendOne()
    if (!await until(() => confirmed >= count, TIMEOUT_MS)) throw new Error(`${String(confirmed)} of ${String(count)} messages were confirmed`)
  }

  /** Both leave. */
  async part(): Promise<void> {
    await this.#sender?.close()
    await this.#recipient?.close()
    this.#sender = this.#recipient = null
  }

  async #connectedSender(): Promise<RawClient> {
    if (this.#sender !== null) return this.#sender
    const sender = client(this.#server.port, 0)
    await open(sender, this.#senderName)
    return this.#sender = sender
  }
}
