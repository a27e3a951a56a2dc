/** One machine of the simulated cluster: a disk that outlives its processes, a clock that runs at its own speed, a network that loses things. */
import type { Batch } from '../../../../storage/engine.js'
import { MemoryEngine } from '../../../../storage/memory-engine.js'
import { OpBatch } from '../../../../storage/op-batch.js'
import { Breach } from '../../../testing/simulation/breach.js'
import type { World } from '../../../testing/simulation/world.js'
import { ClusterStoreError } from '../../cluster-store.js'
import type { ShardOwner } from '../../directory.js'
import type { ClusterEnvironment, ClusterLimits } from '../../environment.js'
import { ClusterNode } from '../../node.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { STATE_KEY } from '../../shard-rows.js'
import { Standby } from '../../standby.js'
import { type Carrier, type ModelServer, ModelStore } from '../model-store.js'
import { Driver } from './driver.js'
import type { Oracle } from './oracle.js'

/** No answer within this is none. */
const TIMEOUT_MS = 800

export interface Faults {
  /** Probability that a request, or its answer, is lost; that one comes twice; that it takes long. */
  readonly lost: number
  readonly doubled: number
  readonly slow: number
  /** That a commit of a disk fails, stored or not. */
  readonly disk: number
}

/** Planted bugs of the node. */
export interface NodePlants {
  /** A commit resolves before it is anywhere. */
  readonly acknowledgesEarly?: boolean
  /** A commit is in the engine before it is in the changelog. */
  readonly engineFirst?: boolean
  /** The position is written in a commit of its own, before the rows. */
  readonly positionApart?: boolean
  /** The node takes its lease for longer than it is. */
  readonly trustsLease?: boolean
  /** A standby has a commit before it is in the changelog. */
  readonly standbyFirst?: boolean
}

/** What machines have in common. */
export interface Room {
  readonly world: World
  readonly server: ModelServer
  readonly oracle: Oracle
  readonly limits: ClusterLimits
  readonly plants: NodePlants
  readonly faults: Faults
  /** false while everything rests. */
  isFaulty: boolean
  /** Nothing is written any more. */
  isQuiet: boolean
  /** The store answers nobody. */
  isStoreAway: boolean
  machine(name: string): Machine | undefined
  note(text: string): void
  report(error: unknown): void
}

export class Machine {
  readonly name: string
  readonly room: Room
  /** How fast its clock runs. */
  readonly speed: number
  disk: MemoryEngine
  process: SimProcess | null = null
  isDiskSlow = false
  /** To the store, and to other machines. */
  isCut = false

  constructor(name: string, room: Room, speed: number) {
    this.name = name
    this.room = room
    this.speed = speed
    this.disk = new MemoryEngine()
  }

  start(): void {
    if (this.process !== null) return
    this.disk = this.#openDisk()
    this.process = new SimProcess(this, this.disk)
  }

  crash(): void {
    this.process?.die()
    this.process = null
    // What was under way never arrives.
    this.disk = this.disk.copy()
  }

  #openDisk(): MemoryEngine {
    const { world, faults } = this.room
    const engine: MemoryEngine = this.disk.copy({
      beforeCommit: async () => {
        await this.#wait()
        if (this.room.isFaulty && world.random.chance(faults.disk)) throw new Error('simulated: input/output error before the write')
        if (engine !== this.disk) await new Promise(() => undefined)
      },
      afterCommit: async () => {
        if (world.random.chance(0.5)) await this.#wait()
        await this.process?.awake()
        if (this.room.isFaulty && world.random.chance(faults.disk)) throw new Error('simulated: input/output error after the write')
      },
    })
    if (this.room.plants.positionApart === true) plantPositionApart(engine)
    return engine
  }

  #wait(): Promise<void> {
    const { world } = this.room
    return new Promise((resolve) => { world.after(world.random.below(this.isDiskSlow && this.room.isFaulty ? 600 : 6), resolve) })
  }
}

function plantPositionApart(engine: MemoryEngine): void {
  const commit = engine.commit.bind(engine)
  engine.commit = async (batch: Batch) => {
    if (!(batch instanceof OpBatch)) return
    const [position, rest] = [new OpBatch(), new OpBatch()]
    batch.keys.forEach((key, i) => {
      const value = batch.values[i] ?? null
      const part = Buffer.compare(key, STATE_KEY) === 0 ? position : rest
      if (value === null) part.delete(key)
      else part.put(key, value)
    })
    await commit(position)
    await commit(rest)
  }
}

/** One life of the node's process. */
export class SimProcess {
  readonly machine: Machine
  node: ClusterNode | null = null
  engine: ReplicatedEngine | null = null
  driver: Driver | null = null
  isAlive = true
  isPaused = false
  #held: (() => void)[] = []

  constructor(machine: Machine, disk: MemoryEngine) {
    this.machine = machine
    this.#begin(disk).catch((error: unknown) => { machine.room.report(error) })
  }

  async #begin(disk: MemoryEngine): Promise<void> {
    const { room, name } = this.machine
    const store = new ModelStore(room.server, this.#carrier(), (delayMs, task) => { room.world.after(delayMs, this.#guarded(task)) })
    if (room.plants.trustsLease === true) plantTrust(store)
    const environment = this.environment()
    const options = {
      node: name, address: `${name}:1`, version: '1', shard: 0, engine: disk, store, environment, limits: { ...room.limits, founds: name === 'n1' },
      copySource: { page: (owner: ShardOwner, request: Uint8Array) => this.#page(owner, request) },
      onOwner: (engine: ReplicatedEngine) => { this.#own(engine, disk) },
      onLost: async () => { await this.#lose() },
    }
    const standby = await Standby.load({ node: name, engine: disk, store, copySource: options.copySource, monotonicMs: () => environment.monotonicMs() })
    this.node = new ClusterNode(options, standby)
    this.node.start()
  }

  environment(): ClusterEnvironment {
    const { room, speed, name } = this.machine
    const { world } = room
    const log = (level: string) => (fields: object, event: string): void => {
      const text = Object.entries(fields).map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`).join(' ')
      if (this.isAlive) room.note(`  ${name} ${level === 'info' ? '' : `${level} `}${event} ${text}`)
    }
    return {
      monotonicMs: () => world.nowMs() * speed,
      scheduler: {
        defer: (task) => { world.defer(this.#guarded(task)) },
        after: (delayMs, task) => { world.after(delayMs / speed, this.#guarded(task)) },
      },
      randomToken: () => (world.random.next32().toString(16) + world.random.next32().toString(16)).padStart(16, '0').slice(-16),
      log: { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') },
    }
  }

  #own(engine: ReplicatedEngine, disk: MemoryEngine): void {
    const { room, name } = this.machine
    if (room.plants.acknowledgesEarly === true) engine.commit = early(engine)
    if (room.plants.engineFirst === true) engine.commit = innerFirst(engine, () => disk)
    if (room.plants.standbyFirst === true) engine.commit = innerFirst(engine, () => room.machine(name === 'n2' ? 'n3' : 'n2')?.disk ?? disk)
    this.engine = engine
    room.oracle.owns(name, disk)
    this.driver = new Driver(this, engine)
    this.driver.start()
  }

  async #lose(): Promise<void> {
    await this.driver?.stop()
    this.driver = null
    this.engine = null
  }

  /** Runs when the process does: not in a dead one, and later in one that is paused. */
  #guarded(task: () => void): () => void {
    return () => {
      if (!this.isAlive) return
      if (this.isPaused) this.#held.push(task)
      else task()
    }
  }

  /** Resolves when the process runs. */
  awake(): Promise<void> {
    return new Promise((resolve) => { this.#guarded(resolve)() })
  }

  resume(): void {
    this.isPaused = false
    const held = this.#held
    this.#held = []
    for (const task of held) this.machine.room.world.defer(this.#guarded(task))
  }

  die(): void {
    this.isAlive = false
    this.#held = []
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => { this.machine.room.world.after(ms, this.#guarded(resolve)) })
  }

  #carrier(): Carrier {
    return <T>(call: () => T) => this.#travel(() => this.machine.room.isStoreAway, () => Promise.resolve(call()), true)
  }

  /** There and back. What is lost on the way shows as a time limit. */
  #travel<T>(isAway: () => boolean, call: () => Promise<T>, mayDouble: boolean): Promise<T> {
    const { room } = this.machine
    const { world, faults } = room
    return new Promise<T>((resolve, reject) => {
      const isLost = (): boolean => this.machine.isCut || isAway() || (room.isFaulty && world.random.chance(faults.lost))
      const delay = (): number => room.isFaulty && world.random.chance(faults.slow) ? world.random.below(1500) : world.random.below(4)
      let isOver = false
      const back = (task: () => void): void => {
        if (!isLost()) world.after(delay(), this.#guarded(() => {
          isOver = true
          task()
        }))
      }
      const arrive = (): void => {
        // A paused peer answers when it wakes; what it would throw goes back as well.
        const result = new Promise<T>((settle) => { settle(call()) })
        result.then((value) => { back(() => { resolve(value) }) }, (error: unknown) => {
          back(() => { reject(error instanceof Error ? error : new Error('something else was thrown', { cause: error })) })
        })
      }
      world.after(delay(), () => { if (!isLost()) arrive() })
      if (mayDouble && room.isFaulty && world.random.chance(faults.doubled)) world.after(world.random.below(300), () => { if (!isLost()) arrive() })
      world.after(TIMEOUT_MS, this.#guarded(() => {
        // An error for every call that has its answer, with its stack, took a sixth of a simulation's time.
        if (!isOver) reject(new ClusterStoreError('unreachable', 'simulated: no answer'))
      }))
    })
  }

  #page(owner: ShardOwner, request: Uint8Array): Promise<Uint8Array> {
    const peer = this.machine.room.machine(owner.node)
    return this.#travel(() => peer?.isCut !== false || (peer.process?.node ?? null) === null, async () => {
      const process = peer?.process ?? null
      if (process === null || process.node === null) throw new Breach('a page of nobody')
      await process.awake()
      return process.node.copyPage(Uint8Array.from(request))
    }, false)
  }
}

function early(engine: ReplicatedEngine): ReplicatedEngine['commit'] {
  const commit = engine.commit.bind(engine)
  return (batch) => {
    commit(batch).catch(() => undefined)
    return Promise.resolve()
  }
}

function innerFirst(engine: ReplicatedEngine, diskOf: () => MemoryEngine): ReplicatedEngine['commit'] {
  const commit = engine.commit.bind(engine)
  return async (batch) => {
    const disk = diskOf()
    const copy = disk.batch()
    if (batch instanceof OpBatch) batch.keys.forEach((key, i) => { copy.put(key, batch.values[i] ?? new Uint8Array(0)) })
    await disk.commit(copy)
    await commit(batch)
  }
}

function plantTrust(store: ModelStore): void {
  const acquire = store.acquire.bind(store)
  const renew = store.renew.bind(store)
  store.acquire = (request) => acquire({ ...request, leaseMs: request.leaseMs / 4 })
  store.renew = (request) => renew({ ...request, leaseMs: request.leaseMs / 4 })
}
