/**
 * Three nodes, a Redis, and devices that talk at all of them, while nodes and Redis are killed, stopped and held up: everything acknowledged
 * arrives once and in order, and people wait no longer than they have to.
 */
import assert from 'node:assert/strict'
import type { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { Nodes } from './nodes.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { now } from './record.js'
import { delay, type Scope } from './scope.js'

export interface ClusterProofOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
  /** Default: 1. */
  readonly shards?: number
}

/** What is looked at around a move. */
const MOVE_SEEN_MS = 1000
/** Acks that show that a round is under load. */
const ACKS_A_ROUND = 200

interface Round {
  readonly nodes: Nodes
  readonly population: Population
  readonly number: number
  readonly note: (line: string) => void
}

/** What is done to the cluster in each round; resolves when it is undone, with how long the devices had no acks, ms. */
type Blow = (round: Round) => Promise<number>

const BLOWS: Readonly<Record<string, Blow>> = {
  /** SIGKILL to the owner. */
  'kill-owner': async ({ nodes, population }) => {
    const owner = await nodes.anyOwner(population)
    await owner.kill()
    const waitedMs = await untilNextAck(population, away(population, owner))
    await owner.restart()
    await nodes.untilWhole()
    return waitedMs
  },
  /** SIGKILL to a node that follows. */
  'kill-standby': async ({ nodes, population }) => {
    const owner = await nodes.owner()
    const standby = nodes.all.find((node) => node !== owner)!
    await standby.kill()
    const waitedMs = await untilNextAck(population, away(population, standby))
    await standby.restart()
    await nodes.untilWhole()
    return waitedMs
  },
  /** Every node is stopped in good order and started again, one after the other, the owner first. */
  'rolling': async ({ nodes, population }) => {
    let longestMs = 0
    const owner = await nodes.owner()
    for (const node of [owner, ...nodes.all.filter((each) => each !== owner)]) {
      const stopped = node.stop()
      longestMs = Math.max(longestMs, await untilNextAck(population, away(population, node)))
      assert.equal(await stopped, 0)
      await node.restart()
      await nodes.untilWhole()
    }
    return longestMs
  },
  /** The operator moves a shard. */
  'move': async ({ nodes, population, note }) => {
    const shard = Math.floor(population.random() * await nodes.shards())
    const owner = await nodes.owner(shard)
    const others = nodes.all.filter((node) => node !== owner)
    const heir = others[Math.floor(population.random() * others.length)]!
    const fromUs = now()
    await nodes.move(shard, heir)
    const waitedMs = await untilNextAck(population, population.devices.map((_, at) => at))
    await nodes.untilWhole()
    await delay(MOVE_SEEN_MS)
    const tookMs = ackTimes(population, fromUs, fromUs + MOVE_SEEN_MS * 1000)
    const at = (share: number): string => (tookMs[Math.floor(share * (tookMs.length - 1))] ?? NaN).toFixed(0)
    note(`${tookMs.length} messages sent in the second from the order to move shard ${shard}: acked within ${at(0.5)} ms in the median, ${at(0.99)} ms at p99, ${at(1)} ms at most`)
    return waitedMs
  },
  /** The owner sleeps for longer than its lease, and wakes up believing that it is one. */
  'pause-owner': async ({ nodes, population }) => {
    const owner = await nodes.anyOwner(population)
    owner.pause()
    const waitedMs = await untilNextAck(population, away(population, owner))
    await delay(1000)
    owner.goOn()
    await nodes.untilWhole()
    return waitedMs
  },
  /** Redis is killed and comes back with all it had. */
  'kill-redis': async ({ nodes, population }) => {
    await nodes.redis.kill()
    await delay(population.random() * 6000)
    await nodes.redis.start()
    const waitedMs = await untilNextAck(population, population.devices.map((_, at) => at))
    await nodes.untilWhole()
    return waitedMs
  },
  /** Redis hangs, for less than a lease, or for more. */
  'pause-redis': async ({ nodes, population }) => {
    nodes.redis.pause()
    await delay(population.random() * 6000)
    nodes.redis.goOn()
    const waitedMs = await untilNextAck(population, population.devices.map((_, at) => at))
    await nodes.untilWhole()
    return waitedMs
  },
  /** Redis is killed, and what comes back in its place knows nothing. */
  'empty-redis': async ({ nodes, population }) => {
    await nodes.redis.kill()
    nodes.redis.lose()
    await delay(population.random() * 6000)
    await nodes.redis.start()
    const waitedMs = await untilNextAck(population, population.devices.map((_, at) => at))
    await nodes.untilWhole()
    return waitedMs
  },
}

export const CLUSTER_BLOWS = Object.keys(BLOWS)

/** `blows`: their names, in turn. */
export async function clusterProof(scope: Scope, blows: readonly string[], { clients, rounds, seed, shards = 1 }: ClusterProofOptions): Promise<Findings> {
  const places = placesFor(clients)
  // Looks whether shards should move are part of what devices have to live with.
  const nodes = await Nodes.start(scope, usersOf(places), { shards, settings: { CHATD_CLUSTER_BALANCE_EVERY_MS: '1000' } })
  const population = new Population({ places, urls: nodes.urls, seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  const waited: number[] = []
  for (let number = 1; number <= rounds; number++) {
    await population.untilAcked(ACKS_A_ROUND)
    await delay(population.random() * 50)
    const blow = blows[(number - 1) % blows.length]!
    const waitedMs = await BLOWS[blow]!({ nodes, population, number, note: (line) => { scope.note(line) } })
    waited.push(waitedMs)
    scope.note(`${blow} for the ${number}. time after ${population.acks} acks; ${Math.round(waitedMs)} ms without any at the other nodes`)
  }
  await population.untilAcked(ACKS_A_ROUND)
  await population.settle().catch(async (error: unknown) => {
    for (const node of nodes.all) scope.note(`the last of ${nodes.nameOf(node)}: ${JSON.stringify(node.log.slice(-25))}`)
    scope.note(JSON.stringify(await nodes.status()))
    throw error
  })
  const findings = await judge(population.logs, (await nodes.owner()).tcp, population.users)
  waited.sort((one, other) => one - other)
  scope.note(`${rounds} rounds of ${blows.join(', ')}, ${clients} clients: ${summary(findings)}; without acks for ${Math.round(waited[waited.length >> 1]!)} ms in the median, ${Math.round(waited.at(-1)!)} ms at most`)
  await nodes.untilSpread()
  await sameEverywhere(nodes)
  return findings
}

/** How long messages waited for their acks that were sent from then until then, ascending, ms. */
function ackTimes({ recorders }: Population, fromUs: number, untilUs: number): number[] {
  const tookMs: number[] = []
  for (const { events } of recorders) {
    const sent = new Map<string, number>()
    for (const event of events) {
      if (event.kind === 'send' && event.at >= fromUs && event.at < untilUs) sent.set(event.text, event.at)
      else if (event.kind === 'ack' && sent.has(event.text)) tookMs.push((event.at - sent.get(event.text)!) / 1000)
    }
  }
  return tookMs.sort((one, other) => one - other)
}

/** Of which devices it can be told how long they wait: those that are not at this node. */
function away({ devices }: Population, node: Chatd): number[] {
  return devices.flatMap(({ options: { url } }, at) => url === node.tcp || url === node.ws ? [] : [at])
}

/** Until one of these devices, each of which has something under way, has an ack that it has not got yet; ms. */
async function untilNextAck(population: Population, devices: readonly number[]): Promise<number> {
  const beganMs = performance.now()
  const acksOf = (): number => devices.reduce((sum, at) => sum + population.acksBy[at]!, 0)
  // What was on its way when it happened does not count.
  await delay(100)
  const before = acksOf()
  const giveUpMs = beganMs + 60_000
  while (acksOf() === before) {
    if (performance.now() > giveUpMs) throw new Error('no ack for a minute')
    await delay(5)
  }
  return performance.now() - beganMs
}

/** When nothing happens any more all nodes have got equally far. */
export async function sameEverywhere(nodes: Nodes): Promise<void> {
  const giveUpMs = performance.now() + 30_000
  for (;;) {
    const status = await nodes.status()
    const areEqual = status?.shards.every((shard) => shard.nodes.length === nodes.all.length && new Set(shard.nodes.map(({ position }) => position)).size === 1)
    if (areEqual === true) return
    if (performance.now() > giveUpMs) throw new Error(`the nodes have not got equally far: ${JSON.stringify(status)}`)
    await delay(100)
  }
}
