/**
 * Runs one seeded life of a cluster: 3 to 7 machines, a store, and everything that goes wrong between them. Either rows are written into one
 * shard, which shows most of what the cluster has to keep in the least time; or the machines run whole nodes, with one to four shards, and
 * people talk over them. What was acknowledged is looked for, and the changelogs after every step; when the faults rest, everything has to
 * come together.
 */
import type { Engine, KeyRange } from '../../../../storage/engine.js'
import { Breach } from '../../../testing/simulation/breach.js'
import { checkHomes } from '../../../testing/simulation/end.js'
import { Random } from '../../../testing/simulation/random.js'
import { simTable } from '../../../testing/simulation/server.js'
import { settle, World } from '../../../testing/simulation/world.js'
import { CLUSTER_LIMITS, type ClusterLimits } from '../../environment.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { ModelServer, type StorePlants } from '../model-store.js'
import { compareMembers, describe, isTogether } from './convergence.js'
import { Machine } from './machine.js'
import { Nemesis } from './nemesis.js'
import { type NodePlants, plantOwner } from './node-plants.js'
import { checkLog, Oracle } from './oracle.js'
import { People } from './people.js'
import type { Pictures } from './pictures.js'
import type { Faults, Room, Work } from './room.js'
import { RowsWork } from './rows-work.js'
import { ServerWork } from './server-work.js'
import type { ShardPlants } from './shard-plants.js'
import type { SimProcess } from './sim-process.js'
import { Wires } from './wires.js'

export interface ClusterSimulationOptions {
  readonly seed: number
  /** Steps under faults, before they rest. */
  readonly steps: number
  /** How many the nodes have, where people use them; without it one shard has rows written into it. */
  readonly shards?: number
  /** Numbers of steps to leave out. */
  readonly omit?: ReadonlySet<number>
  /** The store fails over and is flushed again and again. */
  readonly isStormy?: boolean
  readonly storePlants?: StorePlants
  readonly nodePlants?: NodePlants
  readonly shardPlants?: ShardPlants
}

export interface ClusterSimulationResult {
  readonly acknowledged: number
  /** Of these, messages to conversations that are at home in another shard than who said them. */
  readonly crossed: number
  /** Messages with a picture; and how often one was fetched. */
  readonly shown: number
  readonly looked: number
  /** Of a shard by another node than the one that had it. */
  readonly takeovers: number
  readonly crashes: number
  readonly storeLosses: number
  /** Nodes that were stopped in order. */
  readonly stops: number
  /** Those of the takeovers that the operator wanted. */
  readonly moves: number
}

/** Small, so that copies, parts, lagging and membership all happen within a short run. */
const LIMITS: ClusterLimits = {
  ...CLUSTER_LIMITS, memberAwayMs: 8000, partBytes: 100, changelogEntriesMax: 60, changelogBytesMax: 6000, changelogAgeMs: 20_000,
  retainBytes: 1500, copyPageBytes: 400,
}
/** A shard's commits are larger. */
const SERVER_LIMITS: ClusterLimits = { ...LIMITS, partBytes: 600, changelogEntriesMax: 100, changelogBytesMax: 20_000, retainBytes: 6000, copyPageBytes: 4000 }
const FAULTS: Faults = { lost: 0.01, doubled: 0.02, slow: 0.01, disk: 0.005 }
/** People say less in the same time than rows are written, and each fault costs a shard more. */
const SERVER_FAULTS: Faults = { ...FAULTS, disk: 0.002 }
const BEGIN_MS = 5000
const REST_MS = 180_000
/** So long nothing happens before it counts as rest. */
const QUIET_MS = 2500
/** Longer than uploads, holds, loans and what may come late of an upload are waited for. */
const ENDED_MS = 900_000

export class ClusterSimulation implements Room {
  readonly #options: ClusterSimulationOptions
  readonly #random: Random
  readonly #failures: Error[] = []
  readonly #nemesis: Nemesis
  readonly #wires = new Wires()
  readonly #people: People | null
  readonly #rows: Oracle
  readonly #shardOf: (slot: number) => number
  /** What owners have trimmed, by the numbers of the shards. */
  readonly #trimmed: KeyRange[][]
  readonly machines = new Map<string, Machine>()
  readonly trace: string[] = []
  readonly world: World
  readonly servers: readonly ModelServer[]
  readonly limits: ClusterLimits
  readonly plants: NodePlants
  readonly faults: Faults
  readonly storeAway = new Set<number>()
  isFaulty = true
  isQuiet = false
  /** Of each shard, the last one. */
  readonly #owners = new Map<number, string>()
  #takeovers = 0
  readonly #beganMs: number

  constructor(options: ClusterSimulationOptions) {
    this.#options = options
    const { seed, shards = 0, storePlants, nodePlants = {} } = options
    const random = this.#random = new Random(seed)
    this.world = new World(random)
    this.#beganMs = this.world.nowMs()
    this.servers = Array.from({ length: Math.max(1, shards) }, () => new ModelServer(() => this.world.nowMs(), storePlants))
    this.#trimmed = this.servers.map(() => [])
    this.#shardOf = simTable(this.servers.length, seed)
    this.#rows = new Oracle((error) => { this.report(error) })
    this.#people = shards === 0 ? null : new People(this, this.#shardOf, (promise) => this.#finish(promise))
    this.plants = nodePlants
    this.faults = shards === 0 ? FAULTS : SERVER_FAULTS
    // Now and then not everybody follows.
    this.limits = shards === 0 ? LIMITS : { ...SERVER_LIMITS, standbys: random.chance(0.3) ? 1 + random.below(2) : 0 }
    // Many nodes with many shards show nothing that few of them do not, and take their time.
    const count = 3 + random.below(shards < 2 || random.chance(0.15) ? 5 : 2)
    for (let i = 1; i <= count; i++) {
      // Within what LEASE_MARGIN allows for.
      const machine = new Machine(`n${String(i)}`, this, 0.97 + random.below(60) / 1000)
      this.machines.set(machine.name, machine)
    }
    const report = (error: unknown): void => { this.report(error) }
    const note = (text: string): void => { this.note(text) }
    this.#nemesis = new Nemesis({ random, machines: [...this.machines.values()], servers: this.servers, storeAway: this.storeAway, wires: this.#wires, isStormy: options.isStormy === true, note, report })
  }

  begin(process: SimProcess): Promise<Work> {
    const people = this.#people
    if (people === null) return RowsWork.open(process, this.#rows)
    return ServerWork.open(process, { wires: this.#wires, people, shardOf: this.#shardOf, plants: this.#options.shardPlants ?? {} })
  }

  owns(process: SimProcess, shard: number, engine: ReplicatedEngine, disk: Engine): void {
    const { machine } = process
    const other = this.machines.get(machine.name === 'n2' ? 'n3' : 'n2') ?? machine
    plantOwner(engine, this.plants, machine.disks[shard]!, other.disks[shard]!)
    const trim = engine.trim.bind(engine)
    engine.trim = (range) => {
      this.#trimmed[shard]?.push(range)
      return trim(range)
    }
    this.#nemesis.owned(shard, machine.name)
    if ((this.#owners.get(shard) ?? machine.name) !== machine.name) this.#takeovers++
    this.#owners.set(shard, machine.name)
    if (this.#people === null) this.#rows.owns(machine.name, disk)
  }

  note(text: string): void {
    this.trace.push(`${String(this.world.nowMs() - this.#beganMs).padStart(7)} ${text}`)
  }

  report(error: unknown): void {
    this.#failures.push(error instanceof Error ? error : new Error('something else was thrown', { cause: error }))
  }

  /** Throws a Breach, with what led to it, when a promise is broken. */
  async run(): Promise<ClusterSimulationResult> {
    const { seed, steps, omit } = this.#options
    try {
      await this.#begin()
      for (let i = 0; i < steps; i++) {
        if (omit?.has(i) === true) continue
        // Every step has dice of its own: leaving one out changes no other.
        this.#random.reseed(seed, i + 1)
        this.#nemesis.act()
        await this.#pass(this.#random.below(400))
      }
      this.#random.reseed(seed)
      await this.#rest()
    } catch (error) {
      if (!(error instanceof Breach)) throw error
      throw new Breach([`seed ${String(seed)}: ${error.message}`, ...this.trace.slice(-60)].join('\n'))
    }
    const { crashes, storeLosses, stops, moves } = this.#nemesis
    return { acknowledged: this.#acknowledged, crossed: this.#people?.crossed ?? 0, shown: this.#people?.pictures.shown ?? 0, looked: this.#people?.pictures.looked ?? 0, takeovers: this.#takeovers, crashes, storeLosses, stops, moves }
  }

  get #acknowledged(): number {
    return this.#people?.oracle.acknowledged ?? this.#rows.acknowledged
  }

  async #begin(): Promise<void> {
    const people = this.#people
    this.isFaulty = people === null
    for (const machine of this.machines.values()) machine.start()
    await this.#pass(BEGIN_MS)
    if (people === null) return
    const areOwned = (): boolean => this.servers.every((_, shard) => isTogether(this, shard))
    await this.#until(areOwned, 'the nodes do not begin')
    // Nobody says anything before all devices are known: each is owed what follows.
    this.isQuiet = true
    await people.begin()
    await this.#until(() => people.areConnected, 'the devices do not get in')
    this.isQuiet = false
    this.isFaulty = true
  }

  /** Lets everything happen that is due within this time. */
  async #pass(ms: number): Promise<void> {
    const endMs = this.world.nowMs() + ms
    while (this.world.nowMs() <= endMs && this.world.hasTasksWithin(endMs - this.world.nowMs())) {
      this.world.runTask()
      await settle()
      this.#check()
    }
    if (this.world.nowMs() < endMs) this.world.passTime(endMs - this.world.nowMs())
    this.#check()
    for (const server of this.servers) checkLog(server)
  }

  async #finish<T>(promise: Promise<T>, complaint = 'something that was asked is never answered'): Promise<T> {
    let isSettled = false
    const end = (): void => { isSettled = true }
    promise.then(end, end)
    await this.#until(() => isSettled, complaint)
    return promise
  }

  #check(): void {
    const failure = this.#failures[0]
    if (failure !== undefined) throw failure
  }

  /** Everything is healed; then each shard has one owner, it takes commits, all follow it, and all have the same. */
  async #rest(): Promise<void> {
    this.note('everything rests')
    this.isFaulty = false
    this.#nemesis.rest()
    // What a process is asked that ends is never answered.
    await this.#until(() => [...this.machines.values()].every(({ process }) => process?.isStopping !== true), 'who is stopped does not end')
    const before = this.#acknowledged
    await this.#until(() => this.#acknowledged > before, 'nothing is acknowledged any more')
    const people = this.#people
    if (people !== null) for (const shard of this.servers.keys()) await this.#finish(people.register(shard), `shard ${String(shard)} takes no commits any more`)
    this.isQuiet = true
    await this.#until(() => this.#isAtRest, 'the nodes do not come together')
    if (people !== null) await this.#checkPeople(people)
    for (const [shard, trimmed] of this.#trimmed.entries()) {
      if (people === null) for (const { name, disks } of this.machines.values()) await this.#rows.check(name, disks[0]!)
      // Looking has taken its time, in which a shard may have moved.
      await this.#until(() => isTogether(this, shard), 'the nodes do not come together')
      await compareMembers(this, shard, trimmed)
    }
  }

  get #isAtRest(): boolean {
    return this.servers.every((_, shard) => isTogether(this, shard)) && this.#people?.isContent !== false
  }

  /** Nothing is on its way any more, in any channel. */
  async #quiet(): Promise<void> {
    let sinceMs = this.world.nowMs()
    await this.#until(() => {
      if (!this.#isAtRest || !this.#areChannelsEmpty) sinceMs = this.world.nowMs()
      return this.world.nowMs() - sinceMs >= QUIET_MS
    }, 'it does not come to rest')
  }

  /** Then everybody has what it should. */
  async #checkPeople(people: People): Promise<void> {
    await this.#quiet()
    await people.check()
    if (people.havePictures) await this.#collect(people.pictures)
    for (const { process } of this.machines.values()) {
      for (const shard of this.servers.keys()) {
        if (process?.work?.isOwner(shard) !== true) continue
        await checkHomes(shard, process.machine.disks[shard]!, this.servers.length, (name) => people.homeOf(name))
        await people.oracle.operations.checkDisk(process.machine.disks[shard]!)
      }
    }
  }

  /** What ends by its time, and what is erased long after, has ended at last: clocks are set forward until nothing of it is left. */
  async #collect(pictures: Pictures): Promise<void> {
    const endMs = this.world.nowMs() + REST_MS
    for (;;) {
      for (const machine of this.machines.values()) machine.clockErrorMs += ENDED_MS
      await this.#quiet()
      try {
        await pictures.checkStored()
        return
      } catch (error) {
        if (this.world.nowMs() > endMs) throw error
      }
    }
  }

  get #areChannelsEmpty(): boolean {
    return [...this.machines.values()].every(({ process }) => !(process?.work instanceof ServerWork) ||
      this.servers.every((_, shard) => (process.work as ServerWork).shardAt(shard)?.channels?.states().every(({ waiting }) => waiting === 0) ?? true))
  }

  async #until(isSo: () => boolean, complaint: string): Promise<void> {
    const endMs = this.world.nowMs() + REST_MS
    while (!isSo()) {
      if (this.world.nowMs() > endMs) throw new Breach(`${complaint}: ${(await Promise.all([...this.servers.keys()].map((shard) => describe(this, shard)))).join('\n')}`)
      await this.#pass(this.isFaulty ? 200 : 50)
    }
  }
}
