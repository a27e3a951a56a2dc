/**
 * The work that is measured, in the same terms as benches of other servers: pairs that talk, storing for absent devices and draining,
 * idle sessions, bytes on the wire, a kill. Each scenario gets a fresh server and returns the figures of its runs; every one checks
 * that nothing was lost or doubled, for a fast server that loses messages is not fast.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { blobs1, blobs16, blobsMemory } from './blobs.js'
import { disk } from './disk.js'
import { flat } from './flat.js'
import { group, groups } from './groups.js'
import { closeAll, connectAll, idOf, names, prepare, text, until } from './load.js'
import { cpuSeconds, measureStretch, memory, quiet, stealMeter } from './measure.js'
import type { Options, Scenario } from './options.js'
import { online, PAIRS, WARM_UP_MS, withPairs, withServer } from './pairs.js'
import { phones } from './phones.js'
import { previews } from './previews.js'
import type { RawClient } from './raw-client.js'
import type { ServerProcess } from './server-process.js'
import { onShards } from './shards.js'
import { drain, perUnit, store, WINDOW } from './stages.js'
import { type Figures, percentile } from './statistics.js'

const RATE_PER_SECOND = 2000

/** Messages offered at a fixed rate, whatever the server does: what one costs and how long it takes when there is little to batch. */
async function latency({ seconds, runs }: Options): Promise<Figures[]> {
  return withPairs(async (server, senders, recipients) => {
    const sentAt = new Float64Array(RATE_PER_SECOND * (seconds * runs + 10))
    let sent = 0
    let deliveries: number[] = []
    let receipts: number[] = []
    for (const recipient of recipients) recipient.onDelivery((_, received) => { deliveries.push(performance.now() - sentAt[idOf(received)]!) })
    for (const sender of senders) sender.onReceipt((id) => { receipts.push(performance.now() - sentAt[id]!) })
    const drive = async (count: number): Promise<void> => {
      const startMs = performance.now()
      for (let n = 0; n < count;) {
        const due = Math.min(count, Math.floor((performance.now() - startMs) * RATE_PER_SECOND / 1000) + 1)
        for (; n < due; n++, sent++) {
          sentAt[sent] = performance.now()
          senders[sent % PAIRS]!.send(recipients[sent % PAIRS]!.user, text(sent), sent)
        }
        await sleep(1)
      }
    }
    await drive(RATE_PER_SECOND * WARM_UP_MS / 1000)
    await sleep(500)
    const figures: Figures[] = []
    for (let run = 0; run < runs; run++) {
      deliveries = []
      receipts = []
      const count = RATE_PER_SECOND * seconds
      const end = measureStretch(server.pid)
      await drive(count)
      await until(() => receipts.length >= count && deliveries.length >= count, 3000)
      const stretch = end(count)
      const [delivery, receipt] = [Float64Array.from(deliveries).sort(), Float64Array.from(receipts).sort()]
      figures.push({
        ...stretch,
        p50Ms: percentile(delivery, 0.5), p99Ms: percentile(delivery, 0.99), maxMs: percentile(delivery, 1),
        receiptP50Ms: percentile(receipt, 0.5), receiptP99Ms: percentile(receipt, 0.99),
        missing: count - deliveries.length,
      })
    }
    return figures
  })
}

async function offline({ runs, size }: Options): Promise<Figures[]> {
  const total = size === 0 ? 20_000 : Math.ceil(size / PAIRS) * PAIRS
  const users = names(1, 2 * PAIRS)
  return withServer(users, async (server) => {
    await prepare(server.port, users)
    const senders = await connectAll(server.port, users.slice(0, PAIRS))
    const recipients = users.slice(PAIRS)
    const figures: Figures[] = []
    // Code and memory tables of a server that has just started are cold: one round that does not count, as the other scenarios have.
    await store(senders, recipients, total)
    await drain(server.port, recipients, total)
    for (let run = 0; run < runs; run++) {
      await quiet(server.pid)
      const steal = stealMeter()
      const cpuStart = cpuSeconds(server.pid)
      const stored = await store(senders, recipients, total)
      const cpuStored = await quiet(server.pid)
      const drained = await drain(server.port, recipients, total)
      const cpuDrained = await quiet(server.pid)
      figures.push({
        storedPerSecond: stored.acked / stored.seconds, storeCpuUs: perUnit(cpuStart, cpuStored, total),
        drainedPerSecond: drained.got / drained.seconds, drainCpuUs: perUnit(cpuStored, cpuDrained, total),
        lost: stored.acked - drained.got, doubled: drained.doubled, stealPct: steal(),
      })
    }
    await closeAll(senders)
    return figures
  })
}

/** Stores until all is acked, kills the server at once, starts it again and counts what is left. */
async function crash({ runs, size }: Options): Promise<Figures[]> {
  const total = size === 0 ? 20_000 : Math.ceil(size / PAIRS) * PAIRS
  const users = names(1, 2 * PAIRS)
  const figures: Figures[] = []
  for (let run = 0; run < runs; run++) {
    figures.push(await withServer(users, async (server) => {
      await prepare(server.port, users)
      const senders = await connectAll(server.port, users.slice(0, PAIRS))
      const { acked } = await store(senders, users.slice(PAIRS), total)
      for (const sender of senders) sender.fail = () => { /* the end is expected */ }
      await server.kill()
      for (const sender of senders) sender.drop()
      const startMs = performance.now()
      await server.restart()
      const restartMs = performance.now() - startMs
      const { got, doubled } = await drain(server.port, users.slice(PAIRS), total)
      return { acked, lost: acked - got, doubled, restartMs }
    }))
  }
  return figures
}

/** Until a server that has become quiet has given back what it only needed for its work; the same before the wave and after it. */
const SETTLE_MS = 15_000

/** A wave of devices that come back with their tokens to a server that has just started, then all of them idle. */
async function idle({ runs, size }: Options): Promise<Figures[]> {
  const count = size === 0 ? 10_000 : size
  const users = names(1, count)
  const figures: Figures[] = []
  for (let run = 0; run < runs; run++) figures.push(await withServer(users, async (server) => idleOnce(server, users)))
  return figures
}

async function idleOnce(server: ServerProcess, users: readonly string[]): Promise<Figures> {
  const count = users.length
  await prepare(server.port, users)
  // The heap that the first logins grew would hide what a session takes.
  await server.renew()
  await quiet(server.pid)
  await sleep(SETTLE_MS)
  const before = memory(server.pid)
  const cpuBefore = cpuSeconds(server.pid)
  const wave = measureStretch(server.pid)
  const clients = await connectAll(server.port, users, PAIRS)
  const { perSecond, generatorCores, stealPct } = wave(count)
  const cpuAfter = await quiet(server.pid, 30_000)
  await sleep(SETTLE_MS)
  const after = memory(server.pid)
  const cpuIdle = cpuSeconds(server.pid)
  await sleep(10_000)
  const cpuIdleEnd = cpuSeconds(server.pid)
  const alive = clients.filter((one) => !one.sock.destroyed).length
  await closeAll(clients)
  return {
    connections: count, ended: count - alive, coldLoginsPerSecond: perSecond, coldLoginCpuUs: perUnit(cpuBefore, cpuAfter, count),
    pssKBPerConnection: before === null || after === null ? null : (after.pssBytes - before.pssBytes) / count / 1000,
    rssKBPerConnection: before === null || after === null ? null : (after.rssBytes - before.rssBytes) / count / 1000,
    totalPssMB: after === null ? null : after.pssBytes / 1e6,
    idleCorePct: cpuIdle === null || cpuIdleEnd === null ? null : (cpuIdleEnd - cpuIdle) * 10,
    generatorCores, stealPct,
  }
}

/** Devices come and go with their tokens: what one return costs, its leaving included. */
async function login({ seconds, runs }: Options): Promise<Figures[]> {
  const users = names(1, 1000)
  return withServer(users, async (server) => {
    await prepare(server.port, users)
    const wave = async (): Promise<void> => { await closeAll(await connectAll(server.port, users, PAIRS)) }
    await wave()
    const figures: Figures[] = []
    for (let run = 0; run < runs; run++) {
      await quiet(server.pid)
      const end = measureStretch(server.pid)
      let logins = 0
      for (const endMs = performance.now() + seconds * 1000; performance.now() < endMs; logins += users.length) await wave()
      figures.push({ ...end(logins) })
    }
    return figures
  })
}

/** TCP payload of one message at a time, both clients, both directions, acks and receipts included. */
async function bytes({ size }: Options): Promise<Figures[]> {
  const count = size === 0 ? 200 : size
  const users = names(1, 2)
  return withServer(users, async (server) => {
    await prepare(server.port, users)
    const [sender, recipient] = await connectAll(server.port, users) as [RawClient, RawClient]
    let confirmed = 0
    sender.onReceipt(() => { confirmed++ })
    const sendOne = async (id: number): Promise<void> => {
      const goal = confirmed + 1
      sender.send(recipient.user, text(id), id)
      await until(() => confirmed >= goal, 2000)
    }
    for (let id = 0; id < 20; id++) await sendOne(id)
    await sleep(1100) // longer than a device may hold an acknowledgement back: start and end with none pending
    const read = (): number[] => [sender.bytesOut, sender.bytesIn, recipient.bytesIn, recipient.bytesOut]
    const before = read()
    for (let id = 20; id < 20 + count; id++) await sendOne(id)
    await sleep(1100)
    const [senderUp, senderDown, recipientDown, recipientUp] = read().map((value, at) => (value - before[at]!) / count) as [number, number, number, number]
    await closeAll([sender, recipient])
    return [{ senderUp, senderDown, recipientDown, recipientUp, total: senderUp + senderDown + recipientDown + recipientUp, messages: count }]
  })
}

/** Figures that have to be zero, or the server broke a promise and its speed means nothing. */
export const faults: ReadonlySet<string> = new Set(['lost', 'doubled', 'unconfirmed', 'missing', 'missingTogether', 'ended'])

/** In the order in which they run. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  bytes: { title: 'bytes for one message of 100 characters', run: bytes },
  online: { title: `1:1 online with delivered receipt, ${String(PAIRS)} pairs, ${String(WINDOW)} in flight`, run: online },
  shardsSame: { title: '1:1 online, several shards, both at home in the one that has their conversation', run: (options) => onShards('same', options) },
  shardsCross: { title: '1:1 online, several shards, the two at home in different ones', run: (options) => onShards('cross', options) },
  latency: { title: `1:1 online, offered at ${String(RATE_PER_SECOND)}/s`, run: latency },
  offline: { title: 'store for absent devices, then drain, logins included', run: offline },
  flat: { title: 'cost of a message by how many are stored in its conversation and wait in its queue', run: flat },
  disk: { title: 'bytes on disk for one message of 100 characters, waiting and delivered, index included', run: disk },
  group: { title: 'a group of 200 online, one sender; a unit is a delivery', run: group },
  groups: { title: '1,000 groups of 50 among 1,000 people online, senders by chance; a unit is a delivery', run: groups },
  phones: { title: 'as many phones as there can be with p99 of deliveries below 250 ms', run: phones },
  login: { title: 'return of a device with a token', run: login },
  previews: { title: 'photos of 12 megapixels to thumbnail and placeholder, one at a time, then ten', run: previews },
  idle: { title: 'idle sessions', run: idle },
  blobs1: { title: 'files of 1 MiB up and down by 4 connections, and down from nginx', run: blobs1 },
  blobs16: { title: 'files of 16 MiB up and down by 4 connections, and down from nginx', run: blobs16 },
  blobsMemory: { title: '100 files of 16 MiB at once, up and down', run: blobsMemory },
  crash: { title: 'SIGKILL after the last ack', run: crash },
}
