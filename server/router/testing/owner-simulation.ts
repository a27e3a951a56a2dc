/**
 * Nodes that own one shard in turn, and devices that talk at all of them, in simulated time: owners move in good order, are fenced off
 * without knowing, or die; links are cut; nodes learn late who is in charge. What was committed is what the next owner has, as the
 * changelog sees to. Whatever happens: every message is there once, in the order of its sender, acknowledged by the number it has, and
 * comes to every device once, in order; and no device's session ends unless its own node dies, or an owner went on where it should have stopped.
 */
import { asError } from '../../../protocol/as-error.js'
import assert from 'node:assert/strict'
import { ACTIVITY, ERROR } from '../../../protocol/generated/registry.js'
import { MemoryEngine } from '../../../storage/memory-engine.js'
import { SILENT_LOG } from '../../log.js'
import { LinkAcceptor } from '../../link/link-acceptor.js'
import { LINK_LIMITS, type LinkEnvironment, newLinkCounters } from '../../link/link-environment.js'
import { SHARD_LIMITS } from '../../shard/environment.js'
import { Shard } from '../../shard/shard.js'
import { Random } from '../../testing/simulation/random.js'
import { settle, World } from '../../testing/simulation/world.js'
import { testIdentity } from '../../testing/live-front.js'
import type { CallTargets } from '../calls.js'
import { ClusterRouter } from '../cluster-router.js'
import { LinkServer, ROUTER_PURPOSE } from '../link-server.js'
import { LocalRouter } from '../local-router.js'
import { OwnerRoutes, type ShardOwner } from '../owner-routes.js'
import { dialRouter } from '../remote-router.js'
import { SimDevice } from './sim-device.js'
import { SimPipe } from '../../link/testing/sim-pipe.js'

const USERS = ['alice', 'bob', 'carol'] as const
const GROUP = '#friends'
const COMMIT_MS_MAX = 12
/** How late a node may learn who owns the shard. */
const NEWS_MS_MAX = 400
/** How long nobody may own it. */
const NOBODY_MS_MAX = 600
const REST_STEPS_MAX = 60_000
const OUTBOX_MAX = 12
const VERIFIER = { salt: new Uint8Array(16), iterations: 4096, storedKey: new Uint8Array(32), serverKey: new Uint8Array(32) }

/** One node's time at the shard. */
class Tenure {
  readonly targets: CallTargets
  readonly shard: Shard
  readonly engine: MemoryEngine
  isFenced = false

  constructor(node: SimNode, stored: MemoryEngine, epoch: number) {
    const { world } = node
    this.engine = stored.copy({
      beforeCommit: async () => {
        await new Promise<void>((resolve) => { world.after(world.random.below(COMMIT_MS_MAX), resolve) })
        if (this.isFenced) throw new Error('simulated: fenced')
      },
      afterCommit: async () => {
        await new Promise<void>((resolve) => { world.after(world.random.below(COMMIT_MS_MAX), resolve) })
      },
      beforeOpen: () => { if (this.isFenced) throw new Error('simulated: fenced') },
    })
    const whileAlive = (run: () => void) => (): void => { if (!node.isDead) run() }
    this.shard = new Shard(this.engine, {
      clock: world,
      scheduler: { defer: (run) => world.defer(whileAlive(run)), after: (ms, run) => world.after(ms, whileAlive(run)) },
      random32: () => world.random.next32(),
      limits: { ...SHARD_LIMITS, residentUsersMax: 2, residentConversationsMax: 1, strangerPerSecond: 0, gatherOperations: 4 },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      firstStamp: epoch * 2 ** 32,
    })
    this.targets = { router: new LocalRouter(this.shard), desk: null }
  }
}

/** One life of a node's process. */
class SimNode {
  readonly name: string
  readonly world: World
  readonly router: ClusterRouter
  readonly routes: OwnerRoutes
  readonly linkServer: LinkServer
  readonly acceptor: LinkAcceptor
  tenure: Tenure | null = null
  isDead = false
  /** Rises with each piece of news: an older one that comes later does not count. */
  newsOf = 0

  constructor(simulation: OwnerSimulation, name: string) {
    const { world } = simulation
    this.name = name
    this.world = world
    const whileAlive = (run: () => void) => (): void => { if (!this.isDead) run() }
    const environment: LinkEnvironment = {
      clock: { monotonicMs: () => world.nowMs() },
      scheduler: { defer: (run) => world.defer(whileAlive(run)), after: (ms, run) => world.after(ms, whileAlive(run)) },
      randomBytes: (count) => Uint8Array.from({ length: count }, () => world.random.below(256)),
      flusher: { add: (item) => world.defer(whileAlive(() => item.flush())) },
      limits: LINK_LIMITS,
      log: SILENT_LOG,
      counters: newLinkCounters(),
    }
    this.linkServer = new LinkServer()
    this.acceptor = new LinkAcceptor(testIdentity(name), environment, { [ROUTER_PURPOSE]: this.linkServer })
    const shared = { clock: environment.clock, scheduler: environment.scheduler, log: SILENT_LOG, blobBytesMax: 1 }
    this.routes = new OwnerRoutes({
      ...shared,
      local: () => this.tenure?.targets ?? null,
      dial: async (node, address) => dialRouter(simulation.connect(this, address), testIdentity(name), node, environment),
      random: () => world.random.below(1000) / 1000,
    })
    this.router = new ClusterRouter({ ...shared, source: this.routes, ownerWaitMs: 10_000, hasBlobs: false })
  }

  /** It serves the shard from now on. */
  take(tenure: Tenure): void {
    this.tenure = tenure
    this.linkServer.serve(tenure.targets)
    this.routes.follow({ kind: 'self' })
  }

  /** It does so no more, and knows it. */
  give(): void {
    this.tenure = null
    this.linkServer.stopServing()
    this.routes.follow(null)
  }
}

export interface OwnerSimulationResult {
  readonly messages: number
  readonly moves: number
  readonly resumed: number
}

export class OwnerSimulation {
  readonly random: Random
  readonly world: World
  readonly trace: string[] = []
  readonly #seed: number
  readonly #nodes: SimNode[]
  readonly #devices: SimDevice[] = []
  readonly #pipes = new Set<SimPipe>()
  #failure: unknown = null
  #owner: SimNode
  #epoch = 1
  /** Whether an owner may go on after another one has begun: it slept, and has not looked at its clock since. */
  readonly #wakesLate: boolean
  #isMoving = false
  #written = 0
  #moves = 0
  #resumed = 0

  constructor(seed: number) {
    this.#seed = seed
    this.#wakesLate = seed % 2 === 0
    this.random = new Random(seed)
    this.world = new World(this.random)
    this.#nodes = ['n1', 'n2', 'n3'].map((name) => new SimNode(this, name))
    this.#owner = this.#nodes[0]!
  }

  /** Throws with the last steps when something is not as it should be. */
  async run(steps: number): Promise<OwnerSimulationResult> {
    try {
      await this.#populate()
      for (let step = 0; step < steps; step++) await this.#step(this.#act())
      await this.#rest()
      await this.#check()
    } catch (error) {
      throw new Error(`seed ${String(this.#seed)}: ${error instanceof Error ? error.message : String(error)}\n  ${this.trace.slice(-30).join('\n  ')}`, { cause: error })
    }
    for (const node of this.#nodes) this.#resumed += node.router.resumed
    return { messages: this.#written, moves: this.#moves, resumed: this.#resumed }
  }

  /** A new connection to the node of this name. */
  connect(from: SimNode, name: string): SimPipe {
    const [one, other] = SimPipe.pair(this.world)
    this.#pipes.add(one)
    const node = this.#nodes.find((each) => each.name === name && !each.isDead)
    this.world.defer(() => {
      if (node === undefined || node.isDead || from.isDead) one.cut()
      else node.acceptor.accept(other)
    })
    return one
  }

  async #populate(): Promise<void> {
    this.#owner.take(new Tenure(this.#owner, new MemoryEngine(), this.#epoch))
    for (const node of this.#nodes) if (node !== this.#owner) node.routes.follow(this.#news(this.#owner))
    const { router } = this.#owner
    for (const user of USERS) await this.#finish(router.addUser(user, VERIFIER))
    await this.#finish(router.groups.create('alice', GROUP, { displayName: 'f', about: '', policy: {}, users: ['bob', 'carol'] }))
    const report = (error: unknown): void => { this.#failure ??= error }
    for (const user of USERS) for (const id of ['phone', 'laptop']) this.#devices.push(new SimDevice(user, id, report))
    // Every device once, so that all of them are owed what follows.
    for (const device of this.#devices) {
      device.watches = USERS.filter((user) => user !== device.user)
      device.connect(this.random.pick(this.#nodes).router, this.world.nowMs())
    }
    while (!this.#devices.every((device) => device.isOpen)) await this.#step('')
  }

  async #finish<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const settled = (): void => { isSettled = true }
    promise.then(settled, settled)
    while (!isSettled) await this.#step('')
    return promise
  }

  async #step(name: string): Promise<void> {
    if (name !== '') this.trace.push(name)
    this.world.runTask()
    await settle()
    if (this.#failure !== null) throw asError(this.#failure)
  }

  #news(owner: SimNode): ShardOwner {
    return { kind: 'node', node: owner.name, address: owner.name }
  }

  /** Every node hears of it, sooner or later, and some that there is nobody in between. */
  #tellOwner(): void {
    const owner = this.#owner
    for (const node of this.#nodes) {
      if (node === owner) continue
      const news = ++node.newsOf
      if (this.random.chance(0.5)) this.world.after(this.random.below(NEWS_MS_MAX / 2), () => { if (node.newsOf === news && !node.isDead) this.#hear(node, null) })
      this.world.after(NEWS_MS_MAX / 2 + this.random.below(NEWS_MS_MAX / 2), () => { if (node.newsOf === news && !node.isDead) this.#hear(node, this.#news(owner)) })
    }
  }

  #hear(node: SimNode, owner: ShardOwner | null): void {
    // One that thought itself the owner learns that it is not.
    if (node.tenure !== null) node.give()
    node.routes.follow(owner)
  }

  #act(): string {
    const { random } = this
    const dice = random.below(1000)
    const device = random.pick(this.#devices)
    if (dice < 500) return ''
    if (dice < 700) return this.#write(device)
    if (dice < 850) {
      device.acknowledge()
      return ''
    }
    if (dice < 930) {
      if (device.isConnected) return ''
      device.connect(random.pick(this.#nodes).router, this.world.nowMs())
      return `${device.name} connects`
    }
    if (dice < 945) {
      device.cut(true, this.world.nowMs())
      return `${device.name} is cut off`
    }
    if (dice < 965) {
      const pipes = [...this.#pipes].filter((pipe) => pipe.isOpen)
      if (pipes.length === 0) return ''
      random.pick(pipes).cut()
      return 'a link is cut'
    }
    if (dice < 975) return this.#isMoving ? '' : this.#change()
    if (dice < 985) {
      this.world.passTime(random.below(100))
      return 'time passes'
    }
    return ''
  }

  #write(device: SimDevice): string {
    if (device.outbox.length >= OUTBOX_MAX) return ''
    const to = this.random.pick([...USERS.filter((user) => user !== device.user), GROUP])
    const text = `${device.name} says ${String(++this.#written)}`
    device.write(to, text)
    return `${text} to ${to}`
  }

  /** Another node is to own the shard. */
  #change(): string {
    const next = this.random.pick(this.#nodes.filter((node) => node !== this.#owner))
    const dice = this.random.below(3)
    this.#moves++
    if (dice === 0) {
      this.#move(next).catch((error: unknown) => { this.#failure ??= error })
      return `the shard moves to ${next.name}`
    }
    const { tenure } = this.#owner
    assert.ok(tenure !== null)
    tenure.isFenced = true
    if (dice === 1 && this.#wakesLate) {
      this.#takeOver(next, tenure.engine)
      return `${next.name} takes over while the owner sleeps`
    }
    if (dice === 1) this.#owner.give()
    else this.#die(this.#owner)
    this.#isMoving = true
    this.world.after(this.random.below(NOBODY_MS_MAX), () => {
      this.#isMoving = false
      this.#takeOver(next, tenure.engine)
    })
    return `the owner ${dice === 1 ? 'stops' : 'dies'}, ${next.name} is to take over`
  }

  /** In good order: the old owner stops before the new one begins. */
  async #move(next: SimNode): Promise<void> {
    const from = this.#owner
    const { tenure } = from
    assert.ok(tenure !== null)
    this.#isMoving = true
    from.give()
    await tenure.shard.close()
    this.#isMoving = false
    // It is the next one's from here on; the old one hears of it as the others do.
    tenure.isFenced = true
    this.#takeOver(next, tenure.engine)
  }

  #takeOver(next: SimNode, stored: MemoryEngine): void {
    this.#epoch++
    this.#owner = next
    next.newsOf++
    next.take(new Tenure(next, stored, this.#epoch))
    this.#tellOwner()
  }

  /** The process, with its sessions. Another one of the same name comes at once. */
  #die(node: SimNode): void {
    for (const device of this.#devices) if (device.router === node.router) device.cut(false, this.world.nowMs())
    node.isDead = true
    this.#resumed += node.router.resumed
    for (const pipe of this.#pipes) if (pipe.isOpen && this.random.chance(0.9)) pipe.cut()
    this.#nodes[this.#nodes.indexOf(node)] = new SimNode(this, node.name)
  }

  /** No more faults: everything that was written arrives everywhere. */
  async #rest(): Promise<void> {
    for (let step = 0; step < REST_STEPS_MAX; step++) {
      for (const device of this.#devices) {
        if (!device.isConnected) device.connect(this.random.pick(this.#nodes).router, this.world.nowMs())
        device.acknowledge()
      }
      await this.#step('')
      if (step % 50 === 0 && this.#isQuiet()) return
    }
    const waiting = this.#devices.map((device) => {
      const missing = [...this.#expectedAt(device)].filter((text) => !device.texts.includes(text))
      return `${device.name} ${device.isOpen ? 'open' : 'not open'}, ${String(device.outbox.length)} in its outbox, ${String(device.done)} done, missing ${missing.join(', ')}`
    })
    assert.fail(`it does not come to rest: ${waiting.join('; ')}`)
  }

  #isQuiet(): boolean {
    if (this.#isMoving) return false
    return this.#devices.every((device) =>
      device.isOpen && device.outbox.length === 0 && device.done > 0 && this.#expectedAt(device).size <= device.texts.length)
  }

  /** What a device is to receive: what others, and its user's other devices, have written to where its user is. */
  #expectedAt(device: SimDevice): Set<string> {
    const texts = new Set<string>()
    for (const other of this.#devices) {
      if (other === device) continue
      for (const { message } of other.acks.values()) {
        if (message.to === GROUP || message.to === device.user || other.user === device.user) texts.add(message.text)
      }
    }
    return texts
  }

  async #check(): Promise<void> {
    const log = new Map<string, { text: string, seq: number }[]>()
    const historyOf = async (user: string, conversation: string): Promise<{ text: string, seq: number }[]> => {
      const known = log.get(`${user} ${conversation}`)
      if (known !== undefined) return known
      const all: { text: string, seq: number }[] = []
      for (let more = true; more;) {
        const page = await this.#finish(this.#owner.router.history(user, conversation, { after: all.at(-1)?.seq ?? 0, limit: 100 }))
        for (const { text, seq } of page.messages) all.push({ text: Buffer.from(text).toString(), seq })
        more = page.more
      }
      log.set(`${user} ${conversation}`, all)
      return all
    }
    for (const device of this.#devices) {
      for (const to of [...USERS.filter((user) => user !== device.user), GROUP]) {
        const sent = [...device.acks.values()].filter(({ message }) => message.to === to)
        const stored = (await historyOf(device.user, to)).filter(({ text }) => text.startsWith(`${device.name} `))
        assert.deepEqual(stored.map(({ text }) => text), sent.map(({ message }) => message).sort((one, other) => one.clientId - other.clientId).map(({ text }) => text),
          `${device.name} to ${to}: lost, doubled, or out of order`)
        for (const { message, seq } of sent) assert.equal(stored.find(({ text }) => text === message.text)?.seq, seq, `${message.text} was acknowledged under another number`)
      }
      const { texts } = device
      assert.equal(new Set(texts).size, texts.length, `${device.name} got something twice`)
      assert.deepEqual([...texts].sort(), [...this.#expectedAt(device)].sort(), `${device.name} missed something`)
      const seqs = new Map<string, number>()
      for (const { conversation, seq } of device.received) {
        assert.ok(seq > (seqs.get(conversation) ?? 0), `${device.name} got ${conversation} out of order`)
        seqs.set(conversation, seq)
      }
      // Who opened a session at an owner that was none any more may have to come again.
      const endings = this.#wakesLate ? device.endings.filter((code) => code !== ERROR.storageUnavailable) : device.endings
      assert.deepEqual(endings, [], `a session of ${device.name} was ended`)
    }
    await this.#checkPresence()
  }

  /** Watches and activity went along. */
  async #checkPresence(): Promise<void> {
    const [alice] = this.#devices
    assert.ok(alice !== undefined)
    for (const device of this.#devices.filter(({ user }) => user === 'bob')) device.setActivity(ACTIVITY.inactive)
    const isTold = (): boolean => alice.presences.get('bob') === false && alice.presences.get('carol') === true
    for (let step = 0; step < 20_000 && !isTold(); step++) await this.#step('')
    assert.deepEqual([alice.presences.get('bob'), alice.presences.get('carol')], [false, true], `${alice.name} does not hear of whom it watches`)
  }
}
