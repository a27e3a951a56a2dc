/** Several shards behind a ShardsRouter, each on an engine in memory, with time that tests turn. What goes between them can be held up. */
import assert from 'node:assert/strict'
import { MemoryEngine, type MemoryEngineOptions } from '../../storage/memory-engine.js'
import { slotOf } from '../../storage/slots.js'
import type { Blob } from '../blobs/blob-router.js'
import { evenTable, type Federation, type Peers } from '../channels/federation.js'
import { CHANNEL_LIMITS, type ChannelLimits } from '../channels/limits.js'
import { localPeers } from '../channels/local-peers.js'
import { type Log, SILENT_LOG } from '../log.js'
import { LocalRouter } from '../router/local-router.js'
import type { AttachRequest } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { ShardsRouter } from '../router/shards-router.js'
import type { HomeRouter } from '../router/home-router.js'
import { ShardsSession } from '../router/shards-session.js'
import { PRESENCE_LIMITS, type PresenceLimits } from '../presence/limits.js'
import type { Relations } from '../presence/relations.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { SHARD_LIMITS, type ShardLimits } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import { type BlobShape, BlobStoreProcess, TestBlobStore, uploadTo } from './blob-store.js'
import { LinkedShards } from './linked-shards.js'
import { TestDevice, tokenHash, VERIFIER } from './shard-harness.js'
import { ShardLink } from './shard-link.js'
import { TestTime } from './test-time.js'

/** Shards of one process call each other; those of several speak over links. */
export type Between = 'calls' | 'links'

export interface ShardsOptions {
  /** One for each; without they are empty. */
  readonly engines?: readonly MemoryEngine[]
  readonly between?: Between
  readonly shards?: number
  /** Over links: processes that the shards share, by their number; as many as there are shards where it is not said. */
  readonly nodes?: number
  /** Whether links that nothing comes over end. */
  readonly silentLinks?: boolean
  readonly limits?: Partial<ShardLimits>
  readonly channels?: Partial<ChannelLimits>
  /** How the process that takes clients, which has the first one, reaches the others. */
  readonly reach?: Between
  readonly presence?: Partial<PresenceLimits>
  /** Default: the shards' own. */
  readonly relations?: Relations
  /** Blobs are kept. */
  readonly keepsBlobs?: boolean
  /** Called with the shard of each life before anything else is: for bugs that are planted. */
  readonly plant?: (shard: Shard, blobs: TestBlobStore) => void
  /** Called around every commit of an engine that is not given; a throw fails it. */
  readonly beforeCommit?: (shard: number) => void
  readonly afterCommit?: (shard: number) => void
}

/** Tells when a shard is cut off, or (-1) is so no more. */
class CutOff extends Set<number> {
  readonly #changed: (shard: number) => void

  constructor(changed: (shard: number) => void) {
    super()
    this.#changed = changed
  }

  override add(shard: number): this {
    super.add(shard)
    this.#changed(shard)
    return this
  }

  override delete(shard: number): boolean {
    const wasCut = super.delete(shard)
    this.#changed(-1)
    return wasCut
  }

  override clear(): void {
    super.clear()
    this.#changed(-1)
  }
}

export class ShardsHarness {
  /** What those that are made have between their shards, where they don't say it: what is true of one has to be true of the other. */
  static between: Between = 'calls'
  static reach: Between = 'calls'
  readonly time = new TestTime()
  readonly count: number
  readonly engines: MemoryEngine[] = []
  readonly routers: LocalRouter[] = []
  router: ShardsRouter
  readonly events: string[] = []
  /** Survives crashes of processes, as a disk does. */
  readonly blobs = new TestBlobStore()
  readonly limits: ShardLimits
  readonly #stores: BlobStoreProcess[] = []
  /** Shards, or nodes where these have several, that nothing reaches at present, and that reach nobody. */
  readonly cutOff = new CutOff((shard) => this.#cut(shard))
  /** A shard that asks about users in vain: after a while it is refused. */
  asksInVain = -1
  /** What shards tell each other, and nobody waits for, is lost. */
  losesNotices = false
  /** How long the answer to a question takes, by its name. */
  readonly lateMs = new Map<string, number>()
  /** Questions and notices so far, by name. */
  readonly asked = new Map<string, number>()
  /** What `from` sends to `to` is lost from now on, or not any more; `from/to`. */
  readonly #held = new Set<string>()
  readonly #options: ShardsOptions
  readonly #lives: number[] = []
  /** null: they call each other. */
  readonly links: LinkedShards | null
  readonly #sessions: ShardsSession[] = []
  /** What the process that takes clients reaches over links. */
  readonly #reached: (ShardLink | undefined)[] = []
  #random = 0

  constructor(options: ShardsOptions = {}) {
    this.#options = options
    this.limits = {
      ...SHARD_LIMITS, watermarkDelayMs: 0, gatherOperations: Infinity, strangerPerSecond: 0, searchEnabled: false, ...options.limits,
    }
    this.count = options.shards ?? 3
    const areApart = (one: number, other: number): boolean => this.cutOff.has(one) || this.cutOff.has(other)
    this.links = (options.between ?? ShardsHarness.between) === 'links' ? new LinkedShards({
      time: this.time, log: this.#log, areApart, shards: this.count, nodes: options.nodes ?? this.count, areSilent: options.silentLinks ?? false,
    }) : null
    for (let shard = 0; shard < this.count; shard++) {
      this.engines.push(options.engines?.[shard] ?? new MemoryEngine(this.#hooks(shard)))
      this.routers.push(this.#start(shard))
    }
    this.links?.wake()
    this.router = new ShardsRouter({
      routers: this.routers.map((router, shard) => this.#reach(shard, router)), shardOf: evenTable(this.count), ownerWaitMs: 10_000,
      clock: { monotonicMs: () => this.time.nowMs }, scheduler: this.time.scheduler(() => true),
    })
  }

  /** The shard that is home to a user or conversation. */
  homeOf(name: string): number {
    return evenTable(this.count)(slotOf(name))
  }

  /** A name at home in that shard which no call has given yet. */
  userAt(shard: number, not: readonly string[] = []): string {
    for (let number = 0; ; number++) {
      const name = `someone${String(number)}`
      if (this.homeOf(name) === shard && !not.includes(name)) return name
    }
  }

  groupAt(shard: number): string {
    for (let number = 0; ; number++) if (this.homeOf(`#group${String(number)}`) === shard) return `#group${String(number)}`
  }

  /** Two users of these shards whose conversation is at home in the third. */
  pairAt(one: number, other: number, conversation: number): [string, string] {
    for (let number = 0; ; number++) {
      const [first, second] = [`one${String(number)}`, `two${String(number)}`]
      if (this.homeOf(first) === one && this.homeOf(second) === other && this.homeOf(conversationName(first, second)) === conversation) return [first, second]
    }
  }

  settle(): Promise<void> {
    return this.time.settle()
  }

  get nowMs(): number {
    return this.time.nowMs
  }

  /** What the user shows has changed behind the back of the server. */
  refreshPresence(user: string): Promise<void> {
    return this.routers[this.homeOf(user)]!.presence.refresh(user)
  }

  pass(ms: number): Promise<void> {
    return this.time.pass(ms)
  }

  async addUsers(...names: string[]): Promise<void> {
    // The ways between the shards are open behind it.
    await this.settle()
    for (const name of names) await this.router.addUser(name, VERIFIER)
  }

  async attach(user: string, id = 'phone', request: Partial<AttachRequest> = {}): Promise<TestDevice> {
    const device = new TestDevice(this, user, id)
    device.attached = await this.router.attach({
      user, device: id, deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, window: 0, usedTokenHash: null, freshTokenHash: tokenHash(1), ...request,
    }, device)
    const { attachment } = device.attached
    if (attachment instanceof ShardsSession) this.#sessions.push(attachment)
    this.router.start(attachment)
    await this.settle()
    return device
  }

  async reattach(device: TestDevice, cursor = device.lastIndex): Promise<TestDevice> {
    const { queueEpoch, outboxEpoch } = device.attached
    return this.attach(device.user, device.id, { queueEpoch, outboxEpoch, cursor })
  }

  /** The entries of one channel are lost, and nothing else. */
  hold(from: number, to: number, isHeld = true): void {
    if (isHeld) this.#held.add(`${String(from)}/${String(to)}`)
    else this.#held.delete(`${String(from)}/${String(to)}`)
  }

  /** The process of one shard dies and starts again on what it has stored, or on another store. Sessions of its users end. */
  crash(shard: number, engine = this.engines[shard]!.copy(this.#hooks(shard))): void {
    const dead = this.routers[shard]
    assert.ok(dead !== undefined)
    if (this.#reached[shard] === undefined) for (const session of this.#sessions) if (session.shard === shard) session.end(ERROR.storageUnavailable)
    for (const session of [...dead.shard.sessions.visiting]) session.expel(ERROR.storageUnavailable)
    this.engines[shard] = engine
    this.routers[shard] = this.#start(shard)
    this.router.replace(shard, this.#reach(shard, this.routers[shard]))
  }

  /** The same, on a copy of what it had stored at some moment. */
  crashOn(shard: number, stored = this.engines[shard]!): void {
    this.crash(shard, stored.copy(this.#hooks(shard)))
  }

  /** This process gives the shard up in good order, and has it again. Sessions of its users have their places taken away before. */
  async giveUp(shard: number): Promise<void> {
    const before = this.routers[shard]
    assert.ok(before !== undefined)
    for (const session of this.#sessions) if (session.shard === shard) session.ended(ERROR.storageUnavailable)
    const closed = before.shard.close()
    await this.settle()
    await closed
    this.crash(shard)
  }

  /** Another node has the shard from now on, on what the one before has stored. */
  move(shard: number, node: number): void {
    this.links?.move(shard, node)
    this.crash(shard)
  }

  /** What the process that takes clients has of a shard: itself, or what is said over a link. The first one is always in that process. */
  #reach(shard: number, router: LocalRouter): HomeRouter {
    if ((this.#options.reach ?? ShardsHarness.reach) === 'calls' || shard === 0) return router
    const link = this.#reached[shard] ??= new ShardLink(this.time)
    link.serve(router)
    return link.router
  }

  /** The link to a shard is lost; `isAway`: and there is none until the shard crashes. */
  cutLink(shard: number, isAway = false): void {
    const link = this.#reached[shard]
    assert.ok(link !== undefined, 'it is not reached over a link')
    if (isAway) link.goAway()
    else link.cut()
  }

  get #log(): Log {
    const note = (_: object, event: string): void => { this.events.push(event) }
    return { ...SILENT_LOG, warn: note, error: note }
  }

  #cut(shard: number): void {
    if (shard < 0) this.links?.wake()
    else this.links?.cut(shard)
  }

  #start(shard: number): LocalRouter {
    const life = this.#lives[shard] = (this.#lives[shard] ?? 0) + 1
    const isAlive = (): boolean => this.#lives[shard] === life
    const scheduler = this.time.scheduler(isAlive)
    const base = { shard, shards: this.count, shardOf: evenTable(this.count), limits: { ...CHANNEL_LIMITS, ...this.#options.channels } }
    const linked = this.links?.begin(base, isAlive) ?? null
    const federation: Federation = { ...base, peers: this.#heldUp(shard, linked?.peers ?? this.#callingPeers(shard, isAlive)) }
    const router = new LocalRouter(new Shard(this.engines[shard]!, {
      clock: { nowMs: () => this.time.nowMs }, scheduler, random32: () => ++this.#random, federation, limits: this.limits, log: this.#log,
      ...this.#options.keepsBlobs === true ? { blobs: this.#openStore(shard) } : {},
    }), { ...PRESENCE_LIMITS, ...this.#options.presence }, this.#options.relations)
    this.#options.plant?.(router.shard, this.blobs)
    this.links?.serve(shard, router)
    if (life > 1) this.links?.wake()
    return router
  }

  #openStore(shard: number): BlobStoreProcess {
    this.endStore(shard)
    return this.#stores[shard] = new BlobStoreProcess(this.blobs)
  }

  /** From now on the process of the shard does nothing to the blob store any more: it is about to die. */
  endStore(shard: number): void {
    this.#stores[shard]?.die()
  }

  /** The user uploads what is called by this name; it holds it then. */
  async upload(user: string, name: string, shape: BlobShape = {}): Promise<Blob> {
    const blob = await uploadTo(this.router.blobs, this.blobs, user, name, shape)
    await this.settle()
    return blob
  }

  #hooks(shard: number): MemoryEngineOptions {
    const { beforeCommit, afterCommit } = this.#options
    return {
      ...beforeCommit === undefined ? {} : { beforeCommit: () => { beforeCommit(shard) } },
      ...afterCommit === undefined ? {} : { afterCommit: () => { afterCommit(shard) } },
    }
  }

  #count(name: string): void {
    this.asked.set(name, 1 + (this.asked.get(name) ?? 0))
  }

  #callingPeers(shard: number, isAlive: () => boolean): Peers {
    const routerOf = (other: number): LocalRouter | null => !isAlive() || this.cutOff.has(shard) || this.cutOff.has(other) ? null : this.routers[other] ?? null
    return localPeers(shard, routerOf, this.time.scheduler(isAlive))
  }

  #heldUp(shard: number, peers: Peers): Peers {
    const ask: Peers['ask'] = async (of, name, ...args) => {
      this.#count(name)
      if (this.asksInVain === shard && name === 'visitor') {
        await this.time.settle()
        throw new RouterError(ERROR.unavailable, 'the test has it so')
      }
      const answer = await peers.ask(of, name, ...args)
      const lateMs = this.lateMs.get(name) ?? 0
      if (lateMs > 0) await new Promise<void>((resolve) => { this.time.scheduler(() => true).after(lateMs, resolve) })
      // Cut off meanwhile.
      if (this.cutOff.has(of) || this.cutOff.has(shard)) throw new RouterError(ERROR.unavailable, 'the answer does not come')
      return answer
    }
    const tell: Peers['tell'] = (to, name, ...args) => {
      this.#count(name)
      if (!this.losesNotices) peers.tell(to, name, ...args)
    }
    return { ...peers, ask, tell, offer: (to, first, entries) => this.#held.has(`${String(shard)}/${String(to)}`) || peers.offer(to, first, entries) }
  }
}
