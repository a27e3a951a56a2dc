/**
 * Runs one seeded life of a cluster: 3 to 7 machines, a store, and everything that goes wrong between them. What was acknowledged is looked for
 * at every new owner, and the changelog after every step; when the faults rest, everything has to come together.
 */
import { everything } from '../../../../storage/keyspace.js'
import { Breach } from '../../../testing/simulation/breach.js'
import { Random } from '../../../testing/simulation/random.js'
import { settle, World } from '../../../testing/simulation/world.js'
import { CLUSTER_LIMITS, type ClusterLimits } from '../../environment.js'
import { showPosition } from '../../position.js'
import { readMembership, STATE_KEY } from '../../shard-rows.js'
import { ModelServer, type StorePlants } from '../model-store.js'
import { type Faults, Machine, type NodePlants, type Room } from './machine.js'
import { Oracle } from './oracle.js'

export interface ClusterSimulationOptions {
  readonly seed: number
  /** Steps under faults, before they rest. */
  readonly steps: number
  /** Numbers of steps to leave out. */
  readonly omit?: ReadonlySet<number>
  readonly storePlants?: StorePlants
  readonly nodePlants?: NodePlants
}

export interface ClusterSimulationResult {
  readonly acknowledged: number
  readonly ownerships: number
  readonly crashes: number
  readonly storeLosses: number
}

/** Small, so that copies, parts, lagging and membership all happen within a short run. */
const LIMITS: ClusterLimits = {
  ...CLUSTER_LIMITS, memberAwayMs: 8000, partBytes: 100, changelogEntriesMax: 60, changelogBytesMax: 6000, changelogAgeMs: 20_000,
  retainBytes: 1500, copyPageBytes: 400,
}
const FAULTS: Faults = { lost: 0.01, doubled: 0.02, slow: 0.01, disk: 0.005 }
const REST_MS = 180_000

export class ClusterSimulation implements Room {
  readonly #options: ClusterSimulationOptions
  readonly #random: Random
  readonly #machines: Machine[] = []
  readonly #failures: Error[] = []
  readonly trace: string[] = []
  readonly world: World
  readonly server: ModelServer
  readonly oracle: Oracle
  readonly limits = LIMITS
  readonly plants: NodePlants
  readonly faults = FAULTS
  isFaulty = true
  isQuiet = false
  isStoreAway = false
  #crashes = 0
  #storeLosses = 0
  readonly #beganMs: number

  constructor(options: ClusterSimulationOptions) {
    this.#options = options
    this.#random = new Random(options.seed)
    this.world = new World(this.#random)
    this.#beganMs = this.world.nowMs()
    this.server = new ModelServer(() => this.world.nowMs(), options.storePlants)
    this.oracle = new Oracle((error) => { this.report(error) })
    this.plants = options.nodePlants ?? {}
    const count = 3 + this.#random.below(5)
    for (let i = 0; i < count; i++) {
      // Within what LEASE_MARGIN allows for.
      this.#machines.push(new Machine(`n${String(i + 1)}`, this, 0.97 + this.#random.below(60) / 1000))
    }
  }

  machine(name: string): Machine | undefined {
    return this.#machines.find((machine) => machine.name === name)
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
      for (const machine of this.#machines) machine.start()
      await this.#pass(5000)
      for (let i = 0; i < steps; i++) {
        if (omit?.has(i) === true) continue
        // Every step has dice of its own: leaving one out changes no other.
        this.#random.reseed(seed, i + 1)
        this.#act()
        await this.#pass(this.#random.below(400))
      }
      this.#random.reseed(seed)
      await this.#rest()
    } catch (error) {
      if (!(error instanceof Breach)) throw error
      throw new Breach([`seed ${String(seed)}: ${error.message}`, ...this.trace.slice(-60)].join('\n'))
    }
    return { acknowledged: this.oracle.acknowledged, ownerships: this.oracle.ownerships, crashes: this.#crashes, storeLosses: this.#storeLosses }
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
    this.oracle.checkLog(this.server)
  }

  #check(): void {
    const failure = this.#failures[0]
    if (failure !== undefined) throw failure
  }

  #act(): void {
    const dice = this.#random.below(100)
    const machine = this.#random.pick(this.#machines)
    if (dice < 6) this.#crash(machine)
    else if (dice < 18) this.#start(machine)
    else if (dice < 22) this.#pause(machine)
    else if (dice < 30) this.#resume(machine)
    else if (dice < 33) this.#cut(machine, true)
    else if (dice < 40) this.#cut(machine, false)
    else if (dice < 43) this.#slow(machine)
    else if (dice < 46) this.#failOver()
    else if (dice < 47) this.#empty()
    else if (dice < 49) this.#storeAway(true)
    else if (dice < 58) this.#storeAway(false)
    else if (dice < 59) this.#full(true)
    else if (dice < 63) this.#full(false)
    else if (dice < 65) this.#resign(machine)
  }

  #crash(machine: Machine): void {
    if (machine.process === null) return
    this.#crashes++
    this.note(`${machine.name} crashes`)
    machine.crash()
  }

  #start(machine: Machine): void {
    if (machine.process !== null) return
    this.note(`${machine.name} starts`)
    machine.start()
  }

  #pause(machine: Machine): void {
    if (machine.process === null || machine.process.isPaused) return
    this.note(`${machine.name} is paused`)
    machine.process.isPaused = true
  }

  #resume(machine: Machine): void {
    if (machine.process?.isPaused !== true) return
    this.note(`${machine.name} goes on`)
    machine.process.resume()
  }

  #cut(machine: Machine, isCut: boolean): void {
    if (machine.isCut === isCut) return
    this.note(`${machine.name} is ${isCut ? 'cut off' : 'connected'}`)
    machine.isCut = isCut
  }

  #slow(machine: Machine): void {
    machine.isDiskSlow = !machine.isDiskSlow
    this.note(`the disk of ${machine.name} is ${machine.isDiskSlow ? 'slow' : 'well'}`)
  }

  #failOver(): void {
    const lost = this.#random.below(12)
    this.#storeLosses++
    this.note(`the store fails over and loses ${String(lost)} writes`)
    this.server.failOver(lost)
  }

  #empty(): void {
    this.#storeLosses++
    if (this.#random.chance(0.5)) {
      this.note('the store starts again, empty')
      this.server.restartEmpty()
    } else {
      this.note('the store is flushed')
      this.server.flush()
    }
  }

  #storeAway(isAway: boolean): void {
    if (this.isStoreAway === isAway) return
    this.note(isAway ? 'the store is away' : 'the store is back')
    this.isStoreAway = isAway
  }

  #full(isFull: boolean): void {
    if (this.server.isFull === isFull) return
    this.note(isFull ? 'the store is full' : 'the store has room')
    this.server.isFull = isFull
  }

  #resign(machine: Machine): void {
    const { process } = machine
    if (process === null || process.engine === null || process.isPaused) return
    this.note(`${machine.name} resigns`)
    process.node?.resign(this.#random.pick(this.#machines).name).then(() => { process.node?.stay() }, (error: unknown) => { this.report(error) })
  }

  /** Everything is healed; then there is one owner, it takes commits, all follow it, and all have the same. */
  async #rest(): Promise<void> {
    this.note('everything rests')
    this.isFaulty = false
    this.#storeAway(false)
    this.#full(false)
    for (const machine of this.#machines) {
      machine.isDiskSlow = false
      this.#cut(machine, false)
      this.#resume(machine)
      this.#start(machine)
    }
    const endMs = this.world.nowMs() + REST_MS
    const before = this.oracle.acknowledged
    await this.#until(endMs, () => this.oracle.acknowledged > before, 'nothing is acknowledged any more')
    this.isQuiet = true
    await this.#until(endMs, () => this.#isTogether(), 'the nodes do not come together')
    await this.#compare()
  }

  async #until(endMs: number, isSo: () => boolean, complaint: string): Promise<void> {
    while (!isSo()) {
      if (this.world.nowMs() > endMs) throw new Breach(`${complaint}: ${(await Promise.all(this.#machines.map((machine) => this.#describe(machine)))).join('; ')}`)
      await this.#pass(200)
    }
  }

  /** For a complaint. */
  async #describe({ name, disk, process }: Machine): Promise<string> {
    const { members, before, by, change } = await readMembership(disk)
    const report = process?.node?.report
    const at = report === undefined ? 'down' : `${report.role} at ${showPosition(report.position)} waiting for ${report.waitingFor.join('+')} ${report.trouble}`
    return `${name} ${at}, members ${members.join('+')} by ${by} (${change.slice(0, 4)}), before ${before.join('+')}`
  }

  #isTogether(): boolean {
    const owners = this.#machines.filter((machine) => machine.process?.node?.report.role === 'owner')
    const last = this.server.log.at(-1)?.position.number ?? 0
    const members = new Set(this.server.members)
    return owners.length === 1 && this.#machines.every((machine) => {
      const report = machine.process?.node?.report
      return members.has(machine.name) && (report?.role === 'owner' || report?.role === 'standby') && report.position.number === last
    })
  }

  async #compare(): Promise<void> {
    const contents: string[] = []
    for (const { name, disk } of this.#machines) {
      await this.oracle.check(name, disk)
      const rows = await disk.range({ ...everything(), limit: 1_000_000 })
      // What is trimmed is what nobody reads: a crash may leave it in one engine and not in another.
      contents.push(rows.filter(([key]) => Buffer.compare(key, STATE_KEY) !== 0 && !Buffer.from(key).toString().startsWith('junk/')).map(([key, value]) => `${Buffer.from(key).toString('latin1')}=${Buffer.from(value).toString('latin1')}`).join('\n'))
    }
    contents.forEach((content, i) => {
      if (content !== contents[0]) throw new Breach(`${this.#machines[i]?.name ?? ''} has other rows than ${this.#machines[0]?.name ?? ''}: ${difference(content, contents[0] ?? '')}`)
    })
  }
}

function difference(one: string, other: string): string {
  const [mine, theirs] = [new Set(one.split('\n')), new Set(other.split('\n'))]
  return JSON.stringify([[...mine].filter((row) => !theirs.has(row)), [...theirs].filter((row) => !mine.has(row))])
}
