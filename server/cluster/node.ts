/**
 * One node of a cluster, for one shard: it follows the changelog as a standby, takes the shard when it is free, serves it as long as it is
 * sure of its lease, and becomes a standby again.
 *
 * In which order things happen:
 *
 * 1. `openClusterNode` reads from the engine how far it has got, and begins to live. Nothing may write to the engine beside it.
 * 2. It takes the shard when the lease is free: acquires, reads the changelog to its end, appends its first entry, and renews: now it is whole.
 * 3. `directory` tells that this node owns the shard, and `onOwner` is given an engine for the shard to be made on; it is awaited.
 * 4. The lease could not be renewed in time, or another node has the shard: in the same turn the engine refuses everything. Then `directory`
 *    tells that nobody owns the shard, the engine is closed (what is under way settles), and `onLost` is called and awaited: the shard has to be
 *    closed by then. Only then the node follows again, and may take the shard once more, with a new engine.
 * 5. On purpose (`resign`, `close`): `onLost('resigned')` comes first, while commits still work, so that the shard can finish what it has.
 *    Then the engine is closed, the lease given back, and standbys are woken.
 * 6. `close` resigns, takes the node out of the directory and closes the store. The engine stays open; it is its opener's.
 */
import { StorageError } from '../../storage/engine.js'
import { RepeatedLines } from '../repeated-lines.js'
import { type AcquireAnswer, ClusterStoreError, type NodeSeen, type ShardView } from './cluster-store.js'
import { packPage, readPage, unpackRequest } from './copy-page.js'
import { Directory, type ShardOwner } from './directory.js'
import { sleep } from './environment.js'
import { LogGap } from './follower.js'
import { Following } from './following.js'
import { troubleWithData } from './foreign-data.js'
import { NodeName } from './node-name.js'
import type { ClusterNodeOptions } from './node-options.js'
import { type Grant, Ownership } from './ownership.js'
import { BEGINNING, type Position, showPosition } from './position.js'
import { type Membership, readMembership } from './shard-rows.js'
import { Standby, type StandbyOptions } from './standby.js'
import { HEIR_MS, turnDueMs } from './turn.js'

export type NodeRole =
  /** It follows, or waits until it can. */
  | 'standby'
  /** Others follow: there are more nodes than standbys are wanted. */
  | 'spare'
  /** It copies the shard's content from the owner. */
  | 'copying'
  /** It has acquired the shard and reads the changelog to its end. */
  | 'taking'
  | 'owner'
  /** It can't take part: `trouble` says why, and what to do. */
  | 'refused'
  | 'closed'

/** For health, reports and tests. */
export interface NodeReport {
  readonly role: NodeRole
  readonly position: Position
  /** Who may take the shard if its owner dies now, as the owner has told the store, or as it was last heard. */
  readonly members: readonly string[]
  /** '': none. */
  readonly trouble: string
  /** What an operator should know, though it takes part; '': nothing. */
  readonly notice: string
  /** Nodes that have to be heard before anybody can take the shard, after Redis has lost data. */
  readonly waitingFor: readonly string[]
  /** It takes no shard until the operator says that it may. */
  readonly isDrained: boolean
}

/** After something failed, and between two attempts to take the shard. */
const RETRY_MS = 250
/** How soon it is looked again while the shard goes from one node to another: clients wait for everybody to know. */
const HANDS_LOOK_MS = 20
/** How long the owner waits to have applied what a copying node has already followed. */
const PAGE_WAIT_MS = 5000

/** Opens a node and lets it live; see above for the order of what follows. Rejects with StorageError when the engine can't be read. */
export async function openClusterNode(options: ClusterNodeOptions): Promise<ClusterNode> {
  const name = new NodeName(options)
  const node = new ClusterNode(options, name, await Standby.load(standbyOptions(options, name)))
  node.start()
  return node
}

function standbyOptions({ node, engine, store, copySource, environment, limits }: ClusterNodeOptions, name: NodeName): StandbyOptions {
  const { monotonicMs } = environment
  return { node, engine, store, copySource, limits, monotonicMs, sleep: (delayMs) => sleep(environment, delayMs), maySpeak: () => name.isHeld }
}

export class ClusterNode {
  readonly directory: Directory
  readonly #options: ClusterNodeOptions
  #standby: Standby
  #role: NodeRole = 'standby'
  #trouble = ''
  #waitingFor: readonly string[] = []
  #view: ShardView | null = null
  #lookDueMs = -Infinity
  #lookedMs = -Infinity
  readonly #name: NodeName
  /** Since when the lease is free; null: it is not. */
  #freeSinceMs: number | null = null
  /** Since when the store knows of nothing. */
  #emptySinceMs: number | null = null
  readonly #following: Following
  /** A shard that was there does not have to be founded, whatever has become of it. */
  #hasSeenShard = false
  /** The highest that this process has owned the shard in. */
  #ownedEpoch = 0
  #ownership: Ownership | null = null
  /** It takes no shard, as the operator has said, or because it ends. */
  #isDrained = false
  /** It gives the shard to another node. */
  #isHanding = false
  #isClosing = false
  /** Why, where the owner runs a program whose rows this one can't read; '': it can. Only another program mends that. */
  #outdated = ''
  #living: Promise<void> = Promise.resolve()
  readonly #forgotten = new Set<string>()
  /** Of what is tried again several times a second. */
  readonly #lines: RepeatedLines

  constructor(options: ClusterNodeOptions, name: NodeName, standby: Standby) {
    this.#options = options
    this.#standby = standby
    this.directory = new Directory(options.node)
    this.#name = name
    this.#following = new Following(options.node, options.shard, options.limits)
    this.#lines = new RepeatedLines(options.environment.log, options.environment.monotonicMs)
  }

  get report(): NodeReport {
    const position = this.#ownership?.log.last ?? this.#standby.applied
    const members = this.#ownership?.log.membersTold ?? this.#view?.members ?? []
    const { trouble: troubleOfShard, notice } = this.#options
    const trouble = this.#trouble === '' ? troubleOfShard?.() ?? '' : this.#trouble
    return { role: this.#role, position, members, trouble, notice: notice?.() ?? '', waitingFor: this.#waitingFor, isDrained: this.#isDrained }
  }

  /** As the others see it while it lives. */
  get self(): NodeSeen {
    const { node, address, version } = this.#options
    return { node, address, version, ageMs: 0 }
  }

  start(): void {
    this.#living = this.#live()
  }

  /**
   * Gives the shard to another node, to `heir` if it is there; this one does not take it again until `stay`. Resolves when it is given up, at
   * once where this node does not own it.
   */
  async resign(heir = ''): Promise<void> {
    this.#isDrained = true
    await this.#ownership?.giveUp(heir)
  }

  /** The same, and it may take the shard again as soon as it is given up. Resolves with false where this node does not own it, or is not to own any. */
  async hand(heir: string): Promise<boolean> {
    if (this.#ownership === null || this.#isDrained) return false
    this.#isHanding = true
    try {
      await this.#ownership.giveUp(heir)
    } finally {
      this.#isHanding = false
    }
    return true
  }

  /** This node may take the shard again. */
  stay(): void {
    this.#isDrained = false
  }

  /** The operator's word that this node will not come back: its vote is not waited for any more. */
  forget(node: string): void {
    this.#options.environment.log.warn({ node }, 'cluster-node-forgotten')
    this.#forgotten.add(node)
  }

  /** Resigns, leaves the directory, closes the store. Never rejects. */
  async close(): Promise<void> {
    this.#isClosing = true
    await this.resign().catch(() => undefined)
    await this.#living
    await this.#name.leave()
    await this.#options.store.close().catch(() => undefined)
    this.#role = 'closed'
  }

  /** A page of the shard's content, for a node that copies. Rejects with StorageError where this one does not own it. */
  async copyPage(requestBytes: Uint8Array): Promise<Uint8Array> {
    const request = unpackRequest(requestBytes)
    const ownership = this.#ownership
    const engine = ownership?.engine ?? null
    if (ownership === null || engine === null || this.#standby.lineage !== request.lineage) throw new StorageError('closed', 'this node does not own the shard')
    if (request.position !== null) {
      await Promise.race([engine.whenApplied(request.position.number), sleep(this.#options.environment, PAGE_WAIT_MS)])
      if (engine.applied.number < request.position.number) throw new StorageError('io', 'this node lags behind the one that copies')
    }
    const position = engine.applied
    const { rows, end } = await readPage(engine, request.after, this.#options.limits.copyPageBytes)
    return packPage({ lineage: request.lineage, position, seen: ownership.log.last.number, rows, end })
  }

  get #nowMs(): number {
    return this.#options.environment.monotonicMs()
  }

  async #live(): Promise<void> {
    while (!this.#isClosing) {
      try {
        await this.#turn()
        if (this.#role !== 'refused') this.#trouble = ''
      } catch (error) {
        await this.#failed(error)
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    const { environment, engine } = this.#options
    if (error instanceof LogGap) {
      environment.log.warn({ error, position: showPosition(this.#standby.applied) }, 'cluster-must-copy')
      this.#standby.forkFound()
      return
    }
    const text = error instanceof Error ? error.message : String(error)
    if (error instanceof StorageError && error.code === 'newer-format') this.#outdated = text
    if (this.#outdated === '') {
      this.#lines.warn({ error: error instanceof Error ? error : new Error(text) }, 'cluster-trouble')
      this.#trouble = text
    }
    await sleep(environment, RETRY_MS)
    if (error instanceof ClusterStoreError) return
    // What the engine holds in memory may be anything now, and where it has got to is on its disk.
    try {
      await engine.reopen()
      this.#standby = await Standby.load(standbyOptions(this.#options, this.#name))
    } catch (again) {
      this.#lines.warn({ error: again as Error }, 'cluster-engine-does-not-open')
    }
  }

  /** One step as a standby; as an owner the whole ownership. */
  async #turn(): Promise<void> {
    await this.#lookWhenDue()
    const view = this.#view
    if (view === null) return
    if (this.#isRefused(view)) {
      await sleep(this.#options.environment, RETRY_MS)
      return
    }
    if (!this.#name.isHeld) {
      // Whether another process has it is not known yet: until then nothing is said under it.
      await sleep(this.#options.environment, Math.max(1, this.#dueMs - this.#nowMs))
      return
    }
    if (this.#isMyTurn(view)) {
      await this.#claim(view)
      return
    }
    await this.#keepUp(view)
  }

  async #lookWhenDue(): Promise<void> {
    const { store, limits } = this.#options
    await this.#beatWhenDue()
    if (this.#nowMs < this.#nextLookMs) return
    const view = await store.look(this.#options.environment.randomToken())
    this.#view = view
    this.directory.saw(view)
    const nowMs = this.#nowMs
    this.#lookedMs = nowMs
    // Just behind the end of the lease, if nobody renews it.
    this.#lookDueMs = nowMs + Math.min(limits.lookEveryMs, (view.leaseMs ?? Infinity) + 10)
    this.#emptySinceMs = view.lineage === null ? this.#emptySinceMs ?? nowMs : null
    if (view.lineage !== null && view.lineage !== this.#standby.lineage) this.#hasSeenShard = true
    if (view.leaseMs === null) this.#freeSinceMs ??= nowMs
    else {
      this.#freeSinceMs = null
      this.#waitingFor = []
    }
    this.#mustBeOf(view)
    this.#following.look(view, this.directory.nodes.map((seen) => seen.node), nowMs)
    if (!this.#name.isHeld) return
    if (this.#following.isWanted && this.#outdated === '') await this.#standby.confirm(true)
    else await this.#standby.withdraw()
    await this.#voteInDoubt(view)
  }

  /** Throws LogGap where the store has lost what this node has read, and an owner that never had it goes on without: nothing more would be read behind it. */
  #mustBeOf({ lineage, isWhole, leaseMs, epoch }: ShardView): void {
    const standby = this.#standby
    if (!standby.isFollowing || lineage !== standby.lineage || !isWhole || leaseMs === null || standby.reached.epoch <= epoch) return
    throw new LogGap(`the changelog is one of epoch ${String(epoch)}, and lacks entry ${showPosition(standby.reached)}`)
  }

  get #nextLookMs(): number {
    return this.#isChangingHands() ? Math.min(this.#lookDueMs, this.#lookedMs + HANDS_LOOK_MS) : this.#lookDueMs
  }

  /** Its owner has said that it gives the shard up, another one writes already, or the lease is free and somebody should have it by now. */
  #isChangingHands(): boolean {
    if (this.#freeSinceMs !== null) return this.#nowMs - this.#freeSinceMs < HEIR_MS
    const { sawRelease, isFollowing, reached } = this.#standby
    return sawRelease || (isFollowing && this.#view !== null && reached.epoch > this.#view.epoch)
  }

  /** Where the store may have lost something everybody says what it has, whether it can take the shard or not. */
  async #voteInDoubt(view: ShardView): Promise<void> {
    const { store, node, engine } = this.#options
    const { applied, isNew, isWhole, lineage } = this.#standby
    if (view.round === '' || isNew || (view.lineage !== null && view.lineage !== lineage)) return
    // What a copy is part of is whole elsewhere: it is made from who had it all.
    await store.vote({ node, round: view.round, position: isWhole ? applied : BEGINNING, epoch: Math.max(applied.epoch, this.#ownedEpoch), change: (await readMembership(engine)).change })
  }

  async #beatWhenDue(): Promise<void> {
    if (this.#nowMs < this.#name.dueMs) return
    this.directory.sawNodes(await this.#name.beat())
    // Another process has taken its name while it stood still.
    if (this.#name.trouble !== '') this.#ownership?.giveUp('').catch(() => undefined)
  }

  /** When it has to look, or to show itself. */
  get #dueMs(): number {
    return Math.min(this.#nextLookMs, this.#name.dueMs)
  }

  /** Data of something else, a program that can't read the cluster's, or a name that another process has. */
  #isRefused(view: ShardView): boolean {
    const trouble = [troubleWithData(view, this.#standby), this.#name.trouble, this.#outdated].find((each) => each !== '') ?? ''
    if (trouble === '') {
      if (this.#role === 'refused') this.#role = 'standby'
      return false
    }
    if (this.#trouble !== trouble) this.#options.environment.log.error({ reason: trouble }, 'cluster-refused')
    this.#role = 'refused'
    this.#trouble = trouble
    this.#lookDueMs = Math.min(this.#lookDueMs, this.#nowMs + RETRY_MS)
    return true
  }

  /** Follows or copies until there is something else to do. */
  async #keepUp(view: ShardView): Promise<void> {
    const standby = this.#standby
    if (!this.#following.isWanted) {
      this.#role = 'spare'
      await sleep(this.#options.environment, Math.max(1, this.#dueMs - this.#nowMs))
      return
    }
    const owner = this.#ownerOf(view)
    if (!standby.isWhole && view.lineage !== null && owner !== null) {
      if (this.#role !== 'copying') this.#options.environment.log.info({ from: owner.node, position: showPosition(standby.applied) }, 'cluster-copy-begins')
      this.#role = 'copying'
      await standby.copy(view.lineage, owner)
      if (standby.isWhole) this.#options.environment.log.info({ position: showPosition(standby.applied) }, 'cluster-copy-done')
      return
    }
    this.#role = 'standby'
    const waitMs = Math.max(1, Math.min(this.#dueMs, this.#turnDueMs(view) ?? Infinity) - this.#nowMs)
    if (standby.isWhole) await standby.follow(waitMs)
    else await sleep(this.#options.environment, waitMs)
  }

  /** Who can be asked for pages. */
  #ownerOf(view: ShardView): ShardOwner | null {
    if (view.leaseMs === null || view.node === this.#options.node) return null
    return { node: view.node, address: view.address, epoch: view.epoch }
  }

  /** When this node may try to take the shard; null: not now. */
  #turnDueMs(view: ShardView): number | null {
    if (this.#isDrained || this.#isHanding) return null
    const { node, shard, limits } = this.#options
    return turnDueMs({
      node, shard, limits, view, standby: this.#standby, isToFollow: this.#following.isWanted, hasSeenShard: this.#hasSeenShard,
      freeSinceMs: this.#freeSinceMs, emptySinceMs: this.#emptySinceMs, seen: this.#nodesSeen(),
    })
  }

  #nodesSeen(): string[] {
    const names = this.directory.nodes.filter((seen) => seen.ageMs <= this.#options.limits.leaseMs).map((seen) => seen.node)
    return names.includes(this.#options.node) ? names : [...names, this.#options.node]
  }

  #isMyTurn(view: ShardView): boolean {
    const dueMs = this.#turnDueMs(view)
    return dueMs !== null && this.#nowMs >= dueMs
  }

  async #claim(view: ShardView): Promise<void> {
    const { store, node, address, limits, environment, engine } = this.#options
    const standby = this.#standby
    const isFounding = standby.isNew && view.lineage === null
    if (standby.lineage === null) await standby.intend(environment.randomToken())
    const lineage = standby.lineage!
    const position = standby.applied
    // A founding that was interrupted has nobody else to ask.
    if (standby.isNew && !isFounding) await store.vote({ node, round: view.round, position, epoch: this.#ownedEpoch, change: '' })
    const membership = this.#withoutForgotten(await readMembership(engine))
    // Of an attempt that had no answer this node knows no more than the others: its token may have come back with a store that lost what came later.
    const token = environment.randomToken()
    const sentMs = this.#nowMs
    const answer = await store.acquire({
      node, address, token, lineage, leaseMs: limits.leaseMs, position, epoch: Math.max(position.epoch, this.#ownedEpoch),
      claim: isFounding ? 'found' : 'take', membership,
    })
    this.#lookDueMs = -Infinity
    if (answer.kind === 'acquired') {
      this.#ownedEpoch = answer.epoch
      await this.#own({ answer, lineage, token, sentMs })
      return
    }
    this.#noteRefusal(answer)
    await sleep(environment, RETRY_MS)
  }

  #withoutForgotten({ members, before, change, by }: Membership): Membership {
    const isThere = (name: string): boolean => !this.#forgotten.has(name)
    return { members: members.filter(isThere), before: before.filter(isThere), change, by: isThere(by) ? by : '' }
  }

  #noteRefusal(answer: Exclude<AcquireAnswer, { kind: 'acquired' }>): void {
    const missing = answer.kind === 'doubt' ? answer.missing : []
    if (missing.join() !== this.#waitingFor.join() && missing.length > 0) {
      this.#options.environment.log.warn({ missing: missing.join(' ') }, 'cluster-store-lost-data-waiting-for-nodes')
    }
    this.#waitingFor = missing
  }

  async #own(grant: Grant): Promise<void> {
    const { environment } = this.#options
    const { answer: { epoch, last } } = grant
    this.#role = 'taking'
    // The turn lasts as long as the ownership, and what kept the one before from its end is over.
    this.#trouble = ''
    const standby = this.#standby
    standby.begin()
    environment.log.info({ epoch, position: showPosition(standby.applied), last: showPosition(last) }, 'cluster-taking')
    const ownership = this.#ownership = new Ownership({
      options: this.#options, standby, directory: this.directory,
      beatWhenDue: () => this.#beatWhenDue(), serving: (isServed) => { this.#role = isServed ? 'owner' : 'standby' },
    }, grant)
    try {
      // It may have been drained or closed while its claim was answered, and who said so saw no ownership to end.
      await ownership.run(this.#isDrained)
    } finally {
      this.#ownedEpoch = ownership.log.epoch
      this.#ownership = null
      this.#role = 'standby'
      await ownership.ended()
      this.#view = null
      this.#freeSinceMs = null
      this.#emptySinceMs = null
      this.#lookDueMs = -Infinity
    }
    this.#standby = await Standby.load(standbyOptions(this.#options, this.#name))
  }
}
