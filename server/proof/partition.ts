/**
 * Three nodes, a Redis, and devices that talk at all of them, while paths between them are cut, one way or both, and lines are slow and
 * lose packets: everything acknowledged arrives once and in order, those who can be served are, and after each round all nodes have the same.
 */
import type { Chatd } from './chatd.js'
import { check, type Findings } from './checker.js'
import { sameEverywhere } from './cluster.js'
import { type Network, REDIS } from './network.js'
import { nameOf, Nodes } from './nodes.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { delay, type Scope, until } from './scope.js'

export interface PartitionOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
  /** How long the shard belongs to a node that says nothing. */
  readonly leaseMs: number
}

export const NODE_NAMES: readonly string[] = [0, 1, 2].map(nameOf)

/** Acks that show that a round is under load. */
const ACKS_A_ROUND = 100
/** Devices take a connection for dead that has been silent for so long. */
const SILENCE_MS = 5000
/** Within which the last entries have to be at every device once nothing is sent any more. */
const ARRIVE_MS = 30_000
const BAD_LINE = { delayMs: 50, lossShare: 0.05 }

interface Blow {
  readonly name: string
  /** Ordered pairs between which nothing passes. `others`: the nodes that follow. */
  cuts(owner: string, others: readonly string[]): [from: string, to: string][]
  /** On bad lines, beside that. */
  slow?(owner: string, others: readonly string[]): string[]
  /** The owner can't renew its lease: it has to stop, which also shows that the cut is one. */
  readonly endsLease?: true
}

const both = (one: string, others: readonly string[]): [string, string][] => others.flatMap((other): [string, string][] => [[one, other], [other, one]])

const PARTITIONS: readonly Blow[] = [
  { name: 'the owner cut off from Redis', endsLease: true, cuts: (owner) => both(owner, [REDIS]) },
  { name: 'the owner cut off from the other nodes', cuts: (owner, others) => both(owner, others) },
  { name: 'the owner cut off from all but its clients', endsLease: true, cuts: (owner, others) => both(owner, [REDIS, ...others]) },
  { name: 'what the owner says to Redis lost', endsLease: true, cuts: (owner) => [[owner, REDIS]] },
  { name: 'what Redis says to the owner lost', endsLease: true, cuts: (owner) => [[REDIS, owner]] },
  { name: 'what the owner says to the nodes lost', cuts: (owner, others) => others.map((other) => [owner, other]) },
  { name: 'what the nodes say to the owner lost', cuts: (owner, others) => others.map((other) => [other, owner]) },
  { name: 'a standby cut off from all but its clients', cuts: (owner, [first, ...rest]) => both(first!, [REDIS, owner, ...rest]) },
  { name: 'what Redis says to a standby lost', cuts: (_owner, [first]) => [[REDIS, first!]] },
  { name: 'every line with 5 % loss and 50 ms each way', cuts: () => [], slow: (owner, others) => [owner, ...others, REDIS] },
  { name: 'the owner cut off from Redis, the others on bad lines', endsLease: true, cuts: (owner) => both(owner, [REDIS]), slow: (_owner, others) => [...others] },
]

/** The blows in turn, each for a part of a lease or for longer than one, as the seed says. */
export async function partitionProof(scope: Scope, network: Network, { clients, rounds, seed, leaseMs }: PartitionOptions): Promise<Findings> {
  const places = placesFor(clients)
  const nodes = await Nodes.start(scope, usersOf(places), {
    network, settings: { CHATD_CLUSTER_LEASE_MS: String(leaseMs), CHATD_CLUSTER_RENEW_EVERY_MS: String(Math.floor(leaseMs / 3)) },
  })
  const population = new Population({ places, urls: nodes.urls, seed, device: { silenceMs: SILENCE_MS } })
  scope.after(() => { population.stop() })
  await population.connect()
  const first = Math.floor(population.random() * PARTITIONS.length)
  for (let round = 0; round < rounds; round++) {
    const blow = PARTITIONS[(first + round) % PARTITIONS.length]!
    scope.note(`${String(round + 1)}. ${blow.name} ${await strike(blow, { network, nodes, population, leaseMs })}`)
  }
  await population.settle()
  const findings = await judge(population.logs, (await nodes.owner()).tcp, population.users)
  scope.note(`${rounds} rounds of partitions, ${clients} clients: ${summary(findings)}`)
  return findings
}

interface Round {
  readonly network: Network
  readonly nodes: Nodes
  readonly population: Population
  readonly leaseMs: number
}

/** One round, from load to all nodes having the same. Resolves with what was seen. */
async function strike(blow: Blow, { network, nodes, population, leaseMs }: Round): Promise<string> {
  const { random } = population
  const owner = await nodes.owner()
  const followers = nodes.all.filter((node) => node !== owner)
  if (random() < 0.5) followers.reverse()
  const names = followers.map((node) => nodes.nameOf(node))
  population.talk()
  await population.untilAcked(ACKS_A_ROUND)
  await delay(random() * 50)
  const isLong = random() < 0.7
  const lastsMs = leaseMs * (isLong ? 1.2 + 1.5 * random() : 0.1 + 0.8 * random())
  const logged = owner.log.length
  const pauses = new Pauses(population, [owner, ...followers])
  const cuts = blow.cuts(nodes.nameOf(owner), names)
  const slowed = blow.slow?.(nodes.nameOf(owner), names) ?? []
  if (slowed.length > 0) network.slow(slowed, BAD_LINE)
  for (const [from, to] of cuts) network.cut(from, to)
  await delay(lastsMs)
  if (blow.endsLease === true && isLong) await owner.untilLogged('cluster-owner-no-more', logged)
  network.heal()
  await pauses.untilAllGoOn()
  await nodes.untilWhole()
  const next = nodes.nameOf(await nodes.owner())
  const longest = pauses.end()
  await converge(nodes, population)
  const moved = next === nodes.nameOf(owner) ? 'stays' : 'moves'
  return `for ${show(lastsMs)} s: the shard ${moved}; without acks for ${show(longest[0]!)} s at the owner, ${longest.slice(1).map(show).join(' and ')} s at the others`
}

/** Nobody sends any more: then every outbox empties, every queue is read, all nodes get equally far, and the checker finds nothing. */
async function converge(nodes: Nodes, population: Population): Promise<void> {
  population.fallSilent()
  await until(() => `${population.devices.filter((device) => !device.isSettled).length} devices to settle`, () => population.devices.every((device) => device.isSettled))
  await sameEverywhere(nodes)
  let breaches: readonly string[] = []
  const isComplete = (): boolean => {
    breaches = check(population.logs).breaches
    return breaches.length === 0
  }
  await until(() => `what is on its way to arrive: ${breaches.join('; ')}`, isComplete, ARRIVE_MS)
}

/** How long the devices of each node had no ack, at most. */
class Pauses {
  readonly #population: Population
  readonly #groups: { readonly devices: readonly number[], acks: number, sinceMs: number, longestMs: number }[]
  readonly #timer: NodeJS.Timeout

  constructor(population: Population, nodes: readonly Chatd[]) {
    this.#population = population
    const nowMs = performance.now()
    this.#groups = nodes.map(({ tcp, ws }) => {
      const devices = population.devices.flatMap(({ options: { url } }, at) => url === tcp || url === ws ? [at] : [])
      return { devices, acks: this.#acksOf(devices), sinceMs: nowMs, longestMs: 0 }
    })
    this.#timer = setInterval(() => { this.#look() }, 10)
  }

  #acksOf(devices: readonly number[]): number {
    return devices.reduce((sum, at) => sum + this.#population.acksBy[at]!, 0)
  }

  #look(): void {
    const nowMs = performance.now()
    for (const group of this.#groups) {
      group.longestMs = Math.max(group.longestMs, nowMs - group.sinceMs)
      const acks = this.#acksOf(group.devices)
      if (acks === group.acks) continue
      group.acks = acks
      group.sinceMs = nowMs
    }
  }

  /** Resolves when devices of every node have had acks since now. */
  async untilAllGoOn(): Promise<void> {
    const before = this.#groups.map(({ devices }) => this.#acksOf(devices))
    await until('acks at every node', () => this.#groups.every(({ devices }, at) => this.#acksOf(devices) > before[at]!))
  }

  /** Milliseconds, by node. */
  end(): number[] {
    this.#look()
    clearInterval(this.#timer)
    return this.#groups.map(({ longestMs }) => longestMs)
  }
}

function show(ms: number): string { return (ms / 1000).toFixed(1) }
