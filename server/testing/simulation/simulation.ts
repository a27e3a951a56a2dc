/**
 * Runs one seeded life of a small chatd: a few users with several devices each, one shard, a disk, and everything that goes wrong
 * between them. The promises are checked after every step; when the faults rest, everything has to come together.
 */
import { Disk } from './disk.js'
import type { DiskFaults } from './disk.js'
import { SimDevice } from './device.js'
import { Breach } from './breach.js'
import { AccessLife } from './access-life.js'
import { TestBlobStore } from '../blob-store.js'
import { BlobLife } from './blob-life.js'
import { BlockLife } from './block-life.js'
import { ExpiryLife } from './expiry-life.js'
import { InviteLife } from './invite-life.js'
import { ListLife } from './list-life.js'
import { Oracle } from './oracle.js'
import { anyOperation, OperationLife, OUTBOX_MAX } from './operation-life.js'
import { checkConversations, checkHomes } from './end.js'
import { PresenceLife } from './presence-life.js'
import type { Life, Scene } from './scene.js'
import { anyChange, OWNER } from './group-life.js'
import { GROUP } from './group-oracle.js'
import { Random } from './random.js'
import { reshard } from './reshard.js'
import { LIMITS, SHORT_QUEUE, SimServer, simTable } from './server.js'
import { RouterError } from '../../router/router.js'
import { ShardsSession } from '../../router/shards-session.js'
import { settle, World } from './world.js'

export interface SimulationOptions {
  readonly seed: number
  /** Steps under faults, before they rest. */
  readonly steps: number
  /** Numbers of steps to leave out. */
  readonly omit?: ReadonlySet<number>
  readonly faults?: Partial<DiskFaults>
  /** How many shards the server has; default 1. */
  readonly shards?: number
  /** Before these steps the server is stopped, and started again with so many shards. */
  readonly reshards?: ReadonlyMap<number, number>
  /** What people do beside writing, reading and changing the group; default: as the seed has it. */
  readonly subjects?: readonly Subject[]
  /** A planted bug; called for every server that starts. */
  readonly plant?: (server: SimServer) => void
}

export interface SimulationResult {
  readonly acknowledged: number
  readonly crashes: number
  /** Devices that were told too old. */
  readonly tooOld: number
  /** Entries that were between shards when the server was stopped to have others. */
  readonly settled: number
}

const USERS = ['ann', 'bob', 'cy'] as const
const REST_STEPS_MAX = 20_000
/** Longer than anything takes that users wait for, and shorter than the time between two sweeps of the server. */
const QUIET_MS = 5000

export type Subject = 'operations' | 'blocks' | 'lists' | 'presence' | 'access' | 'invites' | 'expiry' | 'blobs'
/** Each life has some of the subjects, so that all together take no more time than one; what belongs together goes together. */
const SUBJECTS: readonly (readonly Subject[])[] = [
  ['operations', 'expiry'], ['blocks', 'operations', 'lists', 'expiry'], ['presence', 'blocks', 'lists'], ['invites', 'access', 'operations', 'presence'],
  ['blobs', 'operations', 'expiry'],
]

/** What works where there are several shards. */
const SUBJECTS_ACROSS: readonly (readonly Subject[])[] = [
  ['operations', 'presence'], ['blocks', 'operations'], ['lists', 'expiry', 'invites'], ['blocks', 'access', 'presence'], ['operations', 'expiry', 'lists'],
  ['presence', 'blocks', 'lists'], ['invites', 'access'], ['blobs', 'operations'], ['blobs', 'expiry'],
]

export class Simulation implements Scene {
  readonly random: Random
  readonly world: World
  disks: readonly Disk[]
  readonly oracle: Oracle
  readonly users = USERS
  readonly devices: SimDevice[] = []
  readonly trace: string[] = []
  readonly #options: SimulationOptions
  readonly #failures: unknown[] = []
  server: SimServer
  readonly #lives: readonly Life[]
  #crashes = 0
  #written = 0
  #settled = 0

  constructor(options: SimulationOptions) {
    this.#options = options
    this.random = new Random(options.seed)
    this.world = new World(this.random)
    const faults = { failBefore: 0.02, failAfter: 0.02, acknowledgesEarly: false, ...options.faults }
    const blobs = new TestBlobStore()
    this.disks = Array.from({ length: options.shards ?? 1 }, () => new Disk(this.world, faults, blobs))
    this.oracle = new Oracle(this.world)
    this.server = this.#startServer()
    const table = this.disks.length === 1 && options.reshards === undefined ? SUBJECTS : SUBJECTS_ACROSS
    const subjects = options.subjects ?? table[options.seed % table.length] ?? []
    this.#lives = subjects.flatMap((subject) => this.#lifeOf(subject))
  }

  #lifeOf(subject: Subject): Life[] {
    switch (subject) {
      case 'operations': return [new OperationLife(this)]
      case 'blocks': return [new BlockLife(this)]
      case 'lists': return [new ListLife(this)]
      case 'presence': return [new PresenceLife(this)]
      case 'access': return [new AccessLife(this)]
      case 'invites': return [new InviteLife(this)]
      case 'expiry': return [new ExpiryLife(this)]
      case 'blobs': return [new BlobLife(this)]
    }
  }

  get disk(): Disk {
    return this.disks[0]!
  }

  set #areDisksFaulty(isFaulty: boolean) {
    for (const disk of this.disks) disk.isFaulty = isFaulty
  }

  nextNumber(): number {
    return ++this.#written
  }

  report(error: unknown): void {
    this.#failures.push(error)
  }

  /** Throws a Breach, with the steps that led to it, when a promise is broken. */
  async run(): Promise<SimulationResult> {
    try {
      await this.#populate()
      const { seed, steps, omit } = this.#options
      for (let i = 0; i < steps; i++) {
        const shards = this.#options.reshards?.get(i)
        if (shards !== undefined) await this.#reshard(shards)
        if (omit?.has(i) === true) continue
        // Every step has dice of its own: leaving one out changes no other. That is what makes traces short.
        this.random.reseed(seed, i + 1)
        await this.#step(this.#act())
      }
      this.random.reseed(seed)
      await this.#rest()
      await this.#checkEnd()
    } catch (error) {
      if (!(error instanceof Error)) throw error
      const seed = String(this.#options.seed)
      const again = `CHATD_SIM_FIRST=${seed} CHATD_SIM_SEEDS=1 node .ci/test.js server/testing/simulation`
      throw new Breach(`seed ${seed}: ${error.message}\n  ${this.trace.slice(-40).join('\n  ')}\nonly this seed: ${again}`, { cause: error })
    }
    const tooOld = this.devices.filter((device) => device.wasTooOld).length
    return { acknowledged: this.oracle.acknowledged, crashes: this.#crashes, tooOld, settled: this.#settled }
  }

  #startServer(): SimServer {
    // Every third life has devices that are told too old.
    const limits = this.#options.seed % 3 === 0 ? SHORT_QUEUE : LIMITS
    const server = new SimServer(this.world, this.disks, this.oracle, this.#failures, limits, simTable(this.disks.length, this.#options.seed))
    this.#options.plant?.(server)
    return server
  }

  /** Accounts, and every device once connected, so that all of them are owed what follows. */
  async #populate(): Promise<void> {
    this.#areDisksFaulty = false
    const verifier = { salt: new Uint8Array(16), iterations: 4096, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) }
    for (const [i, user] of USERS.entries()) {
      await this.finish(this.server.router.addUser(user, verifier))
      for (let number = 0; number <= i; number++) {
        const device = new SimDevice(user, `d${String(number)}`, this.oracle)
        this.devices.push(device)
        device.connect(this.server)
      }
    }
    await this.finish(this.server.router.groups.create(OWNER, GROUP, { displayName: 'g', about: '', policy: {}, users: ['bob'] }))
    while (!this.devices.every((device) => device.isOnline)) await this.#step('a device is welcomed', () => { this.world.runTask() })
    this.#areDisksFaulty = true
  }

  async finish<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const end = (): void => { isSettled = true }
    promise.then(end, end)
    while (!isSettled) await this.#step('time', () => { this.world.runTask() })
    return promise
  }

  async #step(name: string, act?: () => void): Promise<void> {
    this.trace.push(name)
    act?.()
    await settle()
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  /** Does one random thing, and says what. */
  #act(): string {
    const { random } = this
    const device = random.pick(this.devices)
    const who = `${device.user}/${device.id}`
    const dice = random.below(1000)
    if (dice < 270) {
      this.world.runTask()
      return 'a task runs'
    }
    if (dice < 330) return this.#live()
    if (dice < 550) {
      device.moveUp()
      return `${who} is heard`
    }
    if (dice < 790) {
      device.moveDown()
      return `${who} hears`
    }
    if (dice < 900) return this.#speak(device, who)
    if (dice < 960) return this.#reconnect(device, who)
    return this.#suffer(device, who)
  }

  #speak(device: SimDevice, who: string): string {
    const { random } = this
    const to = random.pick([...USERS, GROUP])
    if (random.chance(0.3)) {
      const name = to === GROUP ? to : device.user < to ? `${device.user}:${to}` : device.user === to ? to : `${to}:${device.user}`
      const seqs = device.received.get(name) ?? []
      if (seqs.length === 0) return `${who} has nothing to read`
      const seq = random.pick(seqs)
      device.markRead(to, seq)
      return `${who} reads ${name} up to ${String(seq)}`
    }
    if (device.outbox.length >= OUTBOX_MAX) return `${who} waits`
    if (to !== GROUP && random.chance(0.3)) return this.#react(device, who, to)
    const text = `${who} says ${String(++this.#written)}`
    device.write(to, text)
    return `${text} to ${to}`
  }

  #react(device: SimDevice, who: string, to: string): string {
    const reaction = anyOperation(this, device, to, false)
    if (reaction === null) return `${who} has nothing to react to`
    const { target, text } = reaction
    device.operate(to, 'react', target, text)
    return `${who} reacts with '${text}' to ${String(target)} of ${to}`
  }

  /** Something of the subjects that this life has. */
  #live(): string {
    return this.#lives.length === 0 ? 'nothing happens' : this.random.pick(this.#lives).act()
  }

  #reconnect(device: SimDevice, who: string): string {
    if (device.connection === null) {
      device.connect(this.server)
      return `${who} connects`
    }
    if (this.random.chance(0.3)) {
      device.cut()
      return `${who} is cut off`
    }
    return this.#live()
  }

  #suffer(device: SimDevice, who: string): string {
    const dice = this.random.below(40)
    if (dice < 5) return this.#crash()
    if (dice < 7) {
      this.world.clockErrorMs += this.random.below(20_000) - 15_000
      return 'the clock jumps'
    }
    if (dice < 8) {
      device.reinstall()
      return `${who} loses its state`
    }
    if (dice < 12) {
      const readReceipts = this.random.chance(0.5)
      if (!readReceipts) this.oracle.group.silenced(device.user)
      this.server.router.changeSettings(device.user, { readReceipts }).catch((error: unknown) => {
        if (!(error instanceof RouterError)) this.#failures.push(error)
      })
      return `${device.user} turns read receipts ${readReceipts ? 'on' : 'off'}`
    }
    if (dice < 28) return this.#changeGroup()
    this.world.passTime(this.random.below(1000))
    return 'time passes'
  }

  #changeGroup(): string {
    const { author, change } = anyChange(this.random, USERS)
    this.server.router.groups.change(author, GROUP, change).catch((error: unknown) => {
      if (!(error instanceof RouterError)) this.#failures.push(error)
    })
    return `${author} changes ${GROUP}: ${JSON.stringify(change)}`
  }

  #crash(): string {
    this.#crashes++
    const isWhole = this.disks.length === 1 || this.random.chance(0.3)
    const shard = isWhole ? 0 : this.random.below(this.disks.length)
    if (!isWhole) {
      // Who has asked it something is told that it does not answer.
      this.#crashShard(shard)
      return `shard ${String(shard)} crashes`
    }
    this.server.crash()
    this.server = this.#startServer()
    this.#forget()
    return 'the server crashes'
  }

  async #reshard(shards: number): Promise<void> {
    this.trace.push(`the server is stopped, and gets ${String(shards)} shards`)
    this.server.crash()
    const { disks, settled } = await reshard(this.world, this.disks, shards, (count) => simTable(count, this.#options.seed))
    this.disks = disks
    this.#settled += settled
    this.server = this.#startServer()
    this.#forget()
  }

  /** The connections of its users end. */
  #crashShard(shard: number): void {
    const { server } = this
    server.crashShard(shard)
    this.#options.plant?.(server)
    for (const { user, connection } of this.devices) {
      if (connection?.server !== server || server.homeOf(user) !== shard) continue
      if (connection.attachment instanceof ShardsSession) connection.attachment.leave()
      connection.ended()
    }
  }

  /** What it was asked is answered by nobody. */
  #forget(): void {
    this.oracle.blocks.abandon()
    this.oracle.access.abandon()
    for (const life of this.#lives) life.abandon?.()
  }

  /** No more faults: within reasonable time every outbox empties and every queue drains. */
  async #rest(): Promise<void> {
    this.#areDisksFaulty = false
    for (let i = 0; i < REST_STEPS_MAX; i++) {
      const areAtRest = this.#lives.map((life) => life.isAtRest?.() ?? true)
      if (!areAtRest.includes(false) && this.#isQuiet()) return
      if (areAtRest.includes(false)) {
        this.#letTimePass()
        // What that has asked for goes on before any task runs, as it would in an event loop.
        await this.#step('rest')
      }
      for (const device of this.devices) {
        if (device.connection === null) device.connect(this.server)
        device.moveUp()
        device.moveDown()
      }
      // More than the devices can add in one round, so that time passes; and not always as many, or it would be looked only when a timer is due.
      for (let task = this.random.below(5); task < 2 * this.devices.length + 5; task++) await this.#step('rest', () => { this.world.runTask() })
    }
    throw new Breach('it does not come to rest')
  }

  /** Where nothing waits for it no time passes by itself. What is under way has its own time: no machine stands still whenever something is to be done. */
  #letTimePass(): void {
    if (!this.world.hasTasksWithin(QUIET_MS)) this.world.passTime(QUIET_MS)
  }

  #isQuiet(): boolean {
    if (this.world.hasTasksWithin(QUIET_MS)) return false
    return this.devices.every(({ connection, outbox, isSyncing }) =>
      connection !== null && !isSyncing && connection.server.isAlive && connection.attachment !== null && connection.doneAt >= 0 &&
      connection.up.length === 0 && connection.down.length === 0 && outbox.length === 0)
  }

  /** Exactly once, in order, at every device; ticks that tell the truth; unread counts that follow. */
  async #checkEnd(): Promise<void> {
    await checkConversations(this)
    for (const { stored } of this.disks) await this.oracle.operations.checkDisk(stored)
    for (const [shard, { stored }] of this.disks.entries()) await checkHomes(shard, stored, this.disks.length, (name) => this.server.homeOf(name))
    for (const life of this.#lives) await life.check?.()
  }
}
