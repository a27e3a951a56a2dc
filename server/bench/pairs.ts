/** Pairs of devices that talk to each other as fast as the server lets them. */
import { setTimeout as sleep } from 'node:timers/promises'
import { closeAll, connectAll, names, prepare, text, until } from './load.js'
import { measureStretch } from './measure.js'
import type { Options } from './options.js'
import type { RawClient } from './raw-client.js'
import { ServerProcess } from './server-process.js'
import { WINDOW } from './stages.js'
import type { Figures } from './statistics.js'

export const PAIRS = 100
export const WARM_UP_MS = 2000

export interface Pairs {
  readonly senders: readonly string[]
  readonly recipients: readonly string[]
}

const ANY: Pairs = { senders: names(1, PAIRS), recipients: names(1 + PAIRS, PAIRS) }

export async function withServer<T>(users: readonly string[], work: (server: ServerProcess) => Promise<T>, shards = 1): Promise<T> {
  const server = await ServerProcess.start(users, { shards })
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

export async function withPairs(
  work: (server: ServerProcess, senders: RawClient[], recipients: RawClient[]) => Promise<Figures[]>, pairs = ANY, shards = 1,
): Promise<Figures[]> {
  const users = [...pairs.senders, ...pairs.recipients]
  return withServer(users, async (server) => {
    await prepare(server.port, users)
    const senders = await connectAll(server.port, pairs.senders)
    const recipients = await connectAll(server.port, pairs.recipients)
    const figures = await work(server, senders, recipients)
    await closeAll([...senders, ...recipients])
    return figures
  }, shards)
}

/** Every sender has WINDOW messages whose delivered receipt it has not got; a receipt sends the next. */
export async function online({ seconds, runs }: Options, pairs = ANY, shards = 1): Promise<Figures[]> {
  return withPairs(async (server, senders, recipients) => {
    let sent = 0
    let delivered = 0
    let confirmed = 0
    let running = true
    const sendOne = (at: number): void => {
      if (running) senders[at]!.send(recipients[at]!.user, text(sent), sent++)
    }
    for (const recipient of recipients) recipient.onDelivery(() => { delivered++ })
    senders.forEach((sender, at) => { sender.onReceipt(() => { confirmed++; sendOne(at) }) })
    for (let n = 0; n < WINDOW; n++) for (let at = 0; at < senders.length; at++) sendOne(at)
    await sleep(WARM_UP_MS)
    const figures: Figures[] = []
    for (let run = 0; run < runs; run++) {
      const before = confirmed
      const end = measureStretch(server.pid)
      await sleep(seconds * 1000)
      figures.push({ ...end(confirmed - before) })
    }
    running = false
    await until(() => confirmed === sent, 10_000)
    return figures.map((figure) => ({ ...figure, lost: sent - delivered, unconfirmed: sent - confirmed }))
  }, pairs, shards)
}
