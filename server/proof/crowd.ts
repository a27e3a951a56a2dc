/**
 * A crowd comes back: thousands of devices at a cluster whose node dies. They return by the rules of the back-off, each with its token and
 * a list of all nodes in an order of its own, a share of them with messages that had no ack. What counts is when they are signed in again, have their queue, and
 * have acks for what they had sent; and that nothing is lost.
 */
import { readArchive } from './archive.js'
import type { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { sameEverywhere } from './cluster.js'
import { Nodes } from './nodes.js'
import { contactsOf, placesFor, summary, usersOf, verdict } from './population.js'
import { RawDevice } from './raw-device.js'
import { Recorder } from './record.js'
import { seeded } from '../testing/seeded-random.js'
import { delay, type Scope, until } from './scope.js'

export interface CrowdOptions {
  readonly clients: number
  readonly rounds: number
  readonly seed: number
  /** Default: 1. */
  readonly shards?: number
}

/** How long after the kill so large a part of the crowd was back. */
export interface CrowdReturn {
  readonly halfMs: number
  readonly mostMs: number
  readonly allMs: number
  /** Devices that were at the node. */
  readonly crowd: number
  /** Devices with something without an ack when the node was killed. */
  readonly inFlight: number
  /** That it took: of the nodes that are left, and of this process with its devices. */
  readonly nodesCpuSeconds: number
  readonly devicesCpuSeconds: number
}

export interface CrowdFindings extends Findings {
  readonly returns: readonly CrowdReturn[]
}

/** A device sends once in this time on average; but all together at least so often. */
const SEND_EVERY_MS = 20_000
const SENDS_A_SECOND_MIN = 100
/** Of all devices so many send at the moment of the kill. */
const SHARE_AT_KILL = 0.1
const MOST = 0.99
/** Devices that connect at once while the crowd gathers: that is not what is proven. */
const AT_ONCE = 200
/** Users whose archive is read. */
const ARCHIVES = 100
const LOOK_MS = 20

interface Blow {
  readonly name: string
  /** Where the crowd is when a node dies. */
  readonly places: (nodes: readonly Chatd[], owner: Chatd) => readonly Chatd[]
  readonly dies: (nodes: readonly Chatd[], owner: Chatd) => Chatd
}

/** In turn. Of several shards each node owns some: the owner is that of the first. */
const BLOWS: readonly Blow[] = [
  { name: 'all at the owner, which dies', places: (_nodes, owner) => [owner], dies: (_nodes, owner) => owner },
  { name: 'all at a standby, which dies', places: (nodes, owner) => [standbyOf(nodes, owner)], dies: standbyOf },
  { name: 'spread over all nodes, of which the owner dies', places: (nodes) => nodes, dies: (_nodes, owner) => owner },
]

function standbyOf(nodes: readonly Chatd[], owner: Chatd): Chatd {
  return nodes.find((node) => node !== owner)!
}

export async function crowdProof(scope: Scope, { clients, rounds, seed, shards = 1 }: CrowdOptions): Promise<CrowdFindings> {
  const places = placesFor(clients)
  const nodes = await Nodes.start(scope, usersOf(places), { shards })
  const crowd = new Crowd(clients, nodes, seed)
  scope.after(() => { crowd.stop() })
  scope.note(`${clients} devices of ${crowd.users.length} users`)
  const returns: CrowdReturn[] = []
  for (let round = 0; round < rounds; round++) {
    const blow = BLOWS[round % BLOWS.length]!
    await nodes.untilSpread()
    const owner = await nodes.owner()
    await crowd.gather(blow.places(nodes.all, owner))
    crowd.talk()
    await delay(1000)
    const dying = blow.dies(nodes.all, owner)
    const back = await crowd.strike(dying, nodes)
    returns.push(back)
    scope.note(`${blow.name}: ${show(back)}`)
    crowd.fallSilent()
    await crowd.untilSettled()
    await dying.restart()
    await nodes.untilWhole()
  }
  // Whatever the server still has for anybody has to show.
  await crowd.gather(nodes.all)
  await crowd.untilSettled()
  const archive = await readArchive((await nodes.owner()).tcp, crowd.users.slice(0, ARCHIVES))
  const findings = verdict(crowd.recorders, archive)
  scope.note(`${rounds} rounds of a crowd of ${clients}: ${summary(findings)}`)
  await sameEverywhere(nodes)
  return { ...findings, returns }
}

class Crowd {
  readonly users: readonly string[]
  readonly recorders: Recorder[] = []
  readonly #devices: RawDevice[] = []
  readonly #random: () => number
  readonly #contacts: ReadonlyMap<string, readonly string[]>
  #timer: NodeJS.Timeout | null = null
  #sent = 0

  constructor(clients: number, nodes: Nodes, seed: number) {
    this.#random = seeded(seed)
    const places = placesFor(clients)
    this.users = usersOf(places)
    this.#contacts = new Map(this.users.map((user) => [user, contactsOf(user, this.users)]))
    const servers = nodes.all.map(({ tcp }) => tcp)
    for (const { user, device } of places) {
      const recorder = new Recorder(user, device)
      this.recorders.push(recorder)
      this.#devices.push(new RawDevice({ url: servers[0]!, servers: this.#shuffled(servers), user, device, recorder, random: this.#random }))
    }
  }

  #shuffled(servers: readonly string[]): string[] {
    return servers.map((url) => ({ url, at: this.#random() })).sort((one, other) => one.at - other.at).map(({ url }) => url)
  }

  /** Everybody connects to these nodes in turn, a few at a time. */
  async gather(nodes: readonly Chatd[]): Promise<void> {
    const coming: RawDevice[] = []
    for (const [at, device] of this.#devices.entries()) {
      while (coming.length >= AT_ONCE) {
        await delay(LOOK_MS)
        keepOnly(coming, ({ isSettled }) => !isSettled)
      }
      device.stop()
      device.url = nodes[at % nodes.length]!.tcp
      device.start()
      coming.push(device)
    }
    await until(() => `${coming.filter(({ isSettled }) => !isSettled).length} devices to come`, () => coming.every(({ isSettled }) => isSettled))
  }

  /** Somebody sends every now and then, also while there is no server. */
  talk(): void {
    const eachLook = LOOK_MS * Math.max(this.#devices.length / SEND_EVERY_MS, SENDS_A_SECOND_MIN / 1000)
    let due = 0
    this.#timer ??= setInterval(() => {
      // Some have much more to say than others.
      for (due += eachLook; due >= 1; due--) this.#send(this.#devices[Math.floor(this.#random() ** 2 * this.#devices.length)]!)
    }, LOOK_MS)
  }

  fallSilent(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  async untilSettled(): Promise<void> {
    await until(() => `${this.#devices.filter(({ isSettled }) => !isSettled).length} devices to settle`, () => this.#devices.every(({ isSettled }) => isSettled))
  }

  stop(): void {
    this.fallSilent()
    for (const device of this.#devices) device.stop()
  }

  /** Kills the node while messages are under way to it. Resolves when everybody is back. */
  async strike(node: Chatd, nodes: Nodes): Promise<CrowdReturn> {
    const there = this.#devices.filter(({ url }) => url === node.tcp)
    for (const device of there) if (this.#random() < SHARE_AT_KILL) this.#send(device)
    // They are written, and perhaps read.
    await delay(2)
    const inFlight = there.filter(({ outboxSize }) => outboxSize > 0).length
    const connects = new Map(there.map((device) => [device, device.connects]))
    await node.kill()
    const killedMs = performance.now()
    const left = nodes.all.filter(({ isRunning }) => isRunning)
    const cpuOf = (): [number, number] => [left.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0), devicesCpuSeconds()]
    const before = cpuOf()
    const times: number[] = []
    const away = [...there]
    await until(() => `${away.length} devices to come back`, () => {
      const count = away.length
      keepOnly(away, (device) => device.connects === connects.get(device) || !device.isSettled)
      const nowMs = performance.now() - killedMs
      for (let back = count - away.length; back > 0; back--) times.push(nowMs)
      return away.length === 0
    })
    const after = cpuOf()
    return {
      nodesCpuSeconds: after[0] - before[0], devicesCpuSeconds: after[1] - before[1],
      halfMs: partOf(times, 0.5), mostMs: partOf(times, MOST), allMs: times.at(-1) ?? 0, crowd: there.length, inFlight,
    }
  }

  #send(device: RawDevice): void {
    const { user, device: id } = device.options
    const contacts = this.#contacts.get(user)!
    device.send(contacts[Math.floor(this.#random() * contacts.length)]!, `${user}/${id}#${++this.#sent}`)
  }
}

/** In place. */
function keepOnly<T>(list: T[], isKept: (item: T) => boolean): void {
  let kept = 0
  for (const item of list) if (isKept(item)) list[kept++] = item
  list.length = kept
}

/** `times` rise. */
function partOf(times: readonly number[], part: number): number {
  return times[Math.max(0, Math.ceil(times.length * part) - 1)] ?? 0
}

function devicesCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000_000
}

function show({ crowd, inFlight, halfMs, mostMs, allMs, nodesCpuSeconds, devicesCpuSeconds: devices }: CrowdReturn): string {
  const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
  return `${crowd} devices were there, ${inFlight} with messages in flight; 50 % back after ${seconds(halfMs)}, 99 % after ${seconds(mostMs)}, 100 % after ${seconds(allMs)}; CPU: nodes ${nodesCpuSeconds.toFixed(1)} s, devices ${devices.toFixed(1)} s`
}
