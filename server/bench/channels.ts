/**
 * What an entry of a channel costs over a link, beside one within a process: CPU of both ends for each message from a user of one shard to
 * one of another, with stores in memory, so that little else is counted. Both ends are in this process, over a Unix socket.
 *
 *     node dist/server/bench/channels.js [MESSAGES]
 *
 * Prints a line of JSON for messages one at a time, and for bursts.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { slotOf } from '../../storage/slots.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { evenTable, type Federation } from '../channels/federation.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import { localPeers } from '../channels/local-peers.js'
import type { LinkAddress } from '../link/link-address.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { dialLink, type LinkListener, openLinkListener } from '../link/link-sockets.js'
import { SILENT_LOG } from '../log.js'
import { LinkPeers, shardPurpose } from '../peers/link-peers.js'
import { LocalRouter } from '../router/local-router.js'
import { ShardsRouter } from '../router/shards-router.js'
import { SHARD_LIMITS } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { testIdentity } from '../testing/live-front.js'
import { TestDevice, tokenHash, VERIFIER } from '../testing/shard-harness.js'

const MESSAGES = Number(process.argv[2] ?? 20_000)
const SHARDS = 2
const shardOf = evenTable(SHARDS)
const TEXT = 'x'.repeat(100)
const environment = systemLinkEnvironment()
const BASE = { shards: SHARDS, shardOf, limits: CHANNEL_LIMITS }

/** Two shards, and how they are left. */
interface Rig {
  readonly routers: readonly LocalRouter[]
  readonly close: () => Promise<void>
}

function open(federation: Federation): LocalRouter {
  return new LocalRouter(new Shard(new MemoryEngine(), {
    clock: SYSTEM_CLOCK, scheduler: environment.scheduler, random32: () => Math.floor(Math.random() * 2 ** 32), federation, log: SILENT_LOG,
    limits: { ...SHARD_LIMITS, strangerPerSecond: 0, searchEnabled: false },
  }))
}

async function within(): Promise<Rig> {
  const routers: LocalRouter[] = []
  for (let shard = 0; shard < SHARDS; shard++) {
    routers.push(open({ ...BASE, shard, peers: localPeers(shard, (other) => routers[other] ?? null, environment.scheduler) }))
  }
  await turn()
  return { routers, close: () => closeAll(routers) }
}

async function overLinks(): Promise<Rig> {
  const directory = await mkdtemp(join(tmpdir(), 'chatd-channels-'))
  const addressOf = (shard: number): LinkAddress => ({ kind: 'unix', path: join(directory, String(shard)) })
  const nodeOf = (shard: number): string => `shard-${String(shard)}`
  const [routers, listeners, all]: [LocalRouter[], LinkListener[], LinkPeers[]] = [[], [], []]
  for (let shard = 0; shard < SHARDS; shard++) {
    const identity = testIdentity(nodeOf(shard))
    const peers = new LinkPeers({
      ...BASE, shard, identity, environment, random: Math.random,
      dial: async (to) => ({ transport: await dialLink(addressOf(to), null, 5000), node: nodeOf(to) }),
      isAt: (other, node) => node === nodeOf(other),
    })
    const acceptor = new LinkAcceptor(identity, environment, { [shardPurpose(shard)]: peers })
    listeners.push(await openLinkListener(addressOf(shard), null, (transport) => acceptor.accept(transport)))
    all.push(peers)
    routers.push(open(peers.federation))
    peers.serve(routers[shard]!)
  }
  while (routers.some(({ shard }) => shard.channels!.states().some(({ isReached }) => !isReached))) await turn()
  return {
    routers,
    close: async () => {
      for (const peers of all) peers.stopServing()
      for (const listener of listeners) listener.stop()
      await closeAll(routers)
      await rm(directory, { recursive: true })
    },
  }
}

async function closeAll(routers: readonly LocalRouter[]): Promise<void> {
  for (const { shard } of routers) await shard.close()
}

/** At home in shard 0 with their conversation, and in shard 1. */
function pair(): [string, string] {
  for (let number = 0; ; number++) {
    const [one, other] = [`one${String(number)}`, `other${String(number)}`]
    if (shardOf(slotOf(one)) === 0 && shardOf(slotOf(other)) === 1 && shardOf(slotOf(conversationName(one, other))) === 0) return [one, other]
  }
}

/** Microseconds of CPU for each message, said in bursts of this size, each of which is waited for. */
async function measure(make: () => Promise<Rig>, burst: number): Promise<number> {
  const { routers, close } = await make()
  const router = new ShardsRouter({ routers, shardOf, clock: SYSTEM_CLOCK, scheduler: environment.scheduler, ownerWaitMs: 10_000 })
  const [one, other] = pair()
  const devices: TestDevice[] = []
  for (const user of [one, other]) {
    await router.addUser(user, VERIFIER)
    const device = new TestDevice({ router, settle: () => turn() }, user, 'phone')
    device.attached = await router.attach({
      user, device: 'phone', deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, window: 0, usedTokenHash: null, freshTokenHash: tokenHash(1),
    }, device)
    device.acknowledgesAtOnce = true
    router.start(device.attached.attachment)
    devices.push(device)
  }
  const [phone, friend] = devices as [TestDevice, TestDevice]
  const say = async (count: number): Promise<void> => {
    for (let said = 0; said < count; said += burst) {
      for (let at = 0; at < burst; at++) phone.send(other, TEXT)
      while (friend.frames.length < burst) await turn()
      friend.frames.length = phone.frames.length = phone.acks.length = 0
    }
  }
  await say(MESSAGES / 4)
  const cpu = process.cpuUsage()
  await say(MESSAGES)
  const { user, system } = process.cpuUsage(cpu)
  for (const device of devices) device.detach()
  await close()
  return (user + system) / MESSAGES
}

// Timers of shards and links keep no process alive.
const awake = setInterval(() => {}, 1000)
for (const burst of [1, 10, 100]) {
  const rounds: [number[], number[]] = [[], []]
  // By turns, so that what else the machine does falls on both.
  for (let round = 0; round < 3; round++) {
    rounds[0].push(await measure(within, burst))
    rounds[1].push(await measure(overLinks, burst))
  }
  const [withinMicros, linkMicros] = rounds.map((each) => Math.round(Math.min(...each) * 10) / 10) as [number, number]
  process.stdout.write(`${JSON.stringify({ burst, withinMicros, linkMicros, ratio: Math.round(linkMicros / withinMicros * 100) / 100 })}\n`)
}
clearInterval(awake)
