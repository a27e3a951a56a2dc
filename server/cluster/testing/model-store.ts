/**
 * A model of the store: what `RedisStore` does by scripts, on a few objects in memory, under a clock that is passed in. It can lose what a
 * Redis can lose. `ModelStore` is what a node holds; what lies between the two is the caller's (`Carrier`).
 */
import { BEGINNING, comparePositions, isSamePosition, type Position } from '../position.js'
import {
  type AcquireAnswer, type AcquireRequest, type AppendAnswer, type AppendRequest, type BeatAnswer, type ClusterStore, ClusterStoreError, type Confirmation,
  type LogEntry, type NameClaim, type NameHolder, type NodeBeat, type RebaseRequest, type RenewAnswer, type RenewRequest, type ShardView, type Vote,
} from '../cluster-store.js'

interface Fence {
  readonly lineage: string
  readonly epoch: number
  readonly token: string
  readonly node: string
  readonly address: string
  readonly members: readonly string[]
  /** The number of the last renewal. */
  readonly renewal: number
  readonly heir: string
  readonly last: Position | null
  /** '': in doubt. */
  readonly incarnation: string
}

interface Round {
  readonly token: string
  readonly incarnation: string
  readonly votes: ReadonlyMap<string, Vote>
}

/** All that a Redis would hold. Everything in it is replaced, never changed, so that a copy is a few references. */
interface Contents {
  fence: Fence | null
  lease: { readonly token: string, readonly endMs: number } | null
  log: readonly LogEntry[]
  confirmed: ReadonlyMap<string, Confirmation>
  round: Round | null
  nodes: ReadonlyMap<string, NodeBeat & { readonly timeMs: number }>
  lives: ReadonlyMap<string, { readonly life: string, readonly timeMs: number }>
}

const EMPTY: Contents = { fence: null, lease: null, log: [], confirmed: new Map(), round: null, nodes: new Map(), lives: new Map() }
/** States that a replica may be behind. */
const HISTORY = 40

/** Planted bugs of the store, for the simulation to find. */
export interface StorePlants {
  /** Appends are taken whoever owns the shard. */
  readonly ignoresToken?: boolean
  /** A store that has lost its tail is taken for whole. */
  readonly forgetsDoubt?: boolean
}

export class ModelServer {
  readonly #nowMs: () => number
  readonly #plants: StorePlants
  #contents: Contents = { ...EMPTY }
  #history: Contents[] = []
  #incarnation = 1
  #waiters: (() => void)[] = []
  #leftTo = ''
  /** Appends are refused, as by a Redis at its limit. */
  isFull = false

  constructor(nowMs: () => number, plants: StorePlants = {}) {
    this.#nowMs = nowMs
    this.#plants = plants
  }

  /** For checks alone. */
  get log(): readonly LogEntry[] {
    return this.#contents.log
  }

  get isLeased(): boolean {
    return this.#lease() !== null
  }

  get members(): readonly string[] {
    return this.#contents.fence?.members ?? []
  }

  /** Of the process that has the name of a node. */
  lifeOf(node: string): string | undefined {
    return this.#contents.lives.get(node)?.life
  }

  /** To whom the last owner left what its successor has taken; '': to nobody. */
  get leftTo(): string {
    return this.#leftTo
  }

  /** A replica takes over that lacks the last `steps` writes. */
  failOver(steps: number): void {
    const kept = this.#history.at(-1 - steps) ?? this.#history[0]
    if (kept !== undefined && steps > 0) this.#contents = { ...kept }
    this.#newLife()
  }

  /** A replica that gets nothing from now on; it takes over when what is returned is called. */
  laggingReplica(): () => void {
    const kept = { ...this.#contents }
    return () => {
      this.#contents = { ...kept }
      this.#newLife()
    }
  }

  /** It starts again without its data. */
  restartEmpty(): void {
    this.#contents = { ...EMPTY }
    this.#newLife()
  }

  /** FLUSHALL: the same life. */
  flush(): void {
    this.#contents = { ...EMPTY }
    this.#changed()
  }

  #newLife(): void {
    this.#history = []
    if (this.#plants.forgetsDoubt !== true) this.#incarnation++
    this.#changed()
  }

  get #life(): string {
    return `life${String(this.#incarnation)}`
  }

  #changed(): void {
    this.#history.push({ ...this.#contents })
    if (this.#history.length > HISTORY) this.#history.shift()
    const waiters = this.#waiters
    this.#waiters = []
    for (const waiter of waiters) waiter()
  }

  /** Has it called when something has changed. */
  onceChanged(task: () => void): void {
    this.#waiters.push(task)
  }

  #lease(): { readonly token: string, readonly leaseMs: number } | null {
    const { lease } = this.#contents
    const leaseMs = lease === null ? 0 : lease.endMs - this.#nowMs()
    return lease === null || leaseMs <= 0 ? null : { token: lease.token, leaseMs }
  }

  #isWhole(): boolean {
    const { fence, log } = this.#contents
    return fence !== null && fence.incarnation === this.#life && (fence.last === null || log.length > 0)
  }

  look(round: string): ShardView {
    const { fence } = this.#contents
    const isOpen = !this.#isWhole() && this.#lease() === null
    if (isOpen && this.#round() === null) {
      this.#contents.round = { token: round, incarnation: this.#life, votes: new Map() }
      this.#changed()
    }
    return {
      round: isOpen ? this.#round()?.token ?? '' : '',
      lineage: fence?.lineage ?? null, epoch: fence?.epoch ?? 0, node: fence?.node ?? '', address: fence?.address ?? '',
      members: fence?.members ?? [], heir: fence?.heir ?? '', last: this.#last(), isWhole: this.#isWhole(),
      leaseMs: this.#lease()?.leaseMs ?? null, incarnation: this.#life,
    }
  }

  #round(): Round | null {
    const { round } = this.#contents
    return round?.incarnation === this.#life ? round : null
  }

  #last(): Position | null {
    const { fence, log } = this.#contents
    return log.length === 0 ? null : fence?.last ?? null
  }

  acquire(request: AcquireRequest): AcquireAnswer {
    const { fence } = this.#contents
    const votes = this.#round()?.votes ?? new Map<string, Vote>()
    if (fence !== null && fence.token === request.token && fence.epoch > Math.max(request.epoch, request.position.epoch)) return this.#acquired(fence, this.#isWhole(), request.leaseMs)
    const lease = this.#lease()
    if (request.claim !== 'sure' && lease !== null) return { kind: 'held', node: fence?.node ?? '', leaseMs: lease.leaseMs }
    if (fence !== null && fence.lineage !== request.lineage) return { kind: 'foreign', lineage: fence.lineage }
    if (request.claim === 'found') {
      if (fence !== null) return { kind: 'founded' }
      if (votes.size > 0) return { kind: 'doubt', missing: [...votes.keys()] }
    }
    if (request.claim === 'sure' && fence !== null && fence.epoch >= request.epoch) return { kind: 'fenced', epoch: fence.epoch }
    const isWhole = this.#isWhole()
    if (request.claim === 'take') {
      if (isWhole) {
        if (fence?.members.includes(request.node) !== true) return { kind: 'stranger' }
      } else {
        const missing = this.#missing(request)
        if (missing === null) return { kind: 'stranger' }
        if (missing.length > 0) return { kind: 'doubt', missing }
      }
    }
    const epochs = [...votes.values()].map((vote) => vote.epoch)
    const epoch = Math.max(fence?.epoch ?? 0, request.epoch, request.position.epoch, ...epochs) + 1
    const isTaken = isWhole && request.claim === 'take'
    const made: Fence = {
      lineage: request.lineage, epoch, token: request.token, node: request.node, address: request.address, heir: '', renewal: 0, last: this.#last(),
      members: isTaken ? fence?.members ?? [] : [], incarnation: isTaken ? this.#life : '',
    }
    this.#contents.round = null
    this.#leftTo = fence?.heir ?? ''
    return this.#acquired(made, isTaken, request.leaseMs)
  }

  #acquired(fence: Fence, isWhole: boolean, leaseMs: number): AcquireAnswer {
    this.#contents.fence = fence
    this.#contents.lease = { token: fence.token, endMs: this.#nowMs() + leaseMs }
    this.#changed()
    return { kind: 'acquired', epoch: fence.epoch, last: this.#last(), isWhole, members: fence.members, incarnation: this.#life }
  }

  /** Whose vote is missing, or says that it has more; null: the claimant is not to be asked for. */
  #missing({ node, position, membership: { members, before, by, change } }: AcquireRequest): string[] | null {
    const votes = this.#round()?.votes
    const isDone = by === '' || by === node || votes?.get(by)?.change === change
    if (by !== '' && !members.includes(node) && (isDone || !before.includes(node))) return null
    if (!isDone && !before.includes(node)) return [by]
    return [...new Set([node, ...members, ...isDone ? [] : before])].filter((voter) => {
      const vote = votes?.get(voter)
      return vote === undefined || comparePositions(vote.position, position) > 0
    })
  }

  renew(request: RenewRequest): RenewAnswer {
    const { fence } = this.#contents
    if (fence?.token !== request.token) return { kind: 'fenced', epoch: fence?.epoch ?? 0 }
    const last = this.#last()
    if (request.complete !== null && (last === null || last.number < request.complete.number)) return { kind: 'gap', last }
    // As Redis has it, the number is kept where it changes something.
    const isOvertaken = request.number < fence.renewal
    const isComplete = !isOvertaken && request.complete !== null && request.incarnation === this.#life
    if ((!isOvertaken && fence.members.join() !== request.members.join()) || (isComplete && fence.incarnation !== this.#life)) {
      const incarnation = isComplete ? this.#life : fence.incarnation
      this.#contents.fence = { ...fence, incarnation, members: request.members, renewal: request.number }
    }
    this.#contents.lease = { token: request.token, endMs: this.#nowMs() + request.leaseMs }
    this.#changed()
    return { kind: 'renewed', confirmed: this.#contents.confirmed, incarnation: this.#life, isWhole: this.#isWhole() }
  }

  release(token: string, heir: string): void {
    const { fence } = this.#contents
    if (fence?.token !== token) return
    this.#contents.lease = null
    this.#contents.fence = { ...fence, heir }
    this.#changed()
  }

  append({ token, previous, entry }: AppendRequest): AppendAnswer {
    const { fence } = this.#contents
    if (this.isFull) throw new ClusterStoreError('refused', 'OOM: the store is full')
    if (fence === null || (fence.token !== token && this.#plants.ignoresToken !== true)) return { kind: 'fenced', epoch: fence?.epoch ?? 0 }
    const last = this.#last()
    if (last !== null && isSamePosition(last, entry.position)) return { kind: 'appended' }
    if (!isSamePosition(last ?? BEGINNING, previous) && this.#plants.ignoresToken !== true) return { kind: 'gap', last }
    this.#put(fence, [...this.#contents.log, entry])
    return { kind: 'appended' }
  }

  rebase({ token, found, entry }: RebaseRequest): AppendAnswer {
    const { fence } = this.#contents
    if (this.isFull) throw new ClusterStoreError('refused', 'OOM: the store is full')
    if (fence?.token !== token) return { kind: 'fenced', epoch: fence?.epoch ?? 0 }
    const last = this.#last()
    if (last !== null && isSamePosition(last, entry.position)) return { kind: 'appended' }
    if (found === null ? last !== null : last === null || !isSamePosition(last, found)) return { kind: 'gap', last }
    this.#put({ ...fence, members: [fence.node] }, [entry])
    return { kind: 'appended' }
  }

  #put(fence: Fence, log: readonly LogEntry[]): void {
    this.#contents.log = log
    this.#contents.fence = { ...fence, last: log.at(-1)?.position ?? null }
    this.#changed()
  }

  read(after: Position, countMax: number): LogEntry[] {
    return this.#contents.log.filter(({ position }) => comparePositions(position, after) > 0).slice(0, countMax)
  }

  trim(token: string, before: Position): void {
    const { fence, log } = this.#contents
    if (fence?.token !== token) return
    const kept = log.filter(({ position }, index) => index === log.length - 1 || comparePositions(position, before) >= 0)
    if (kept.length === log.length) return
    this.#contents.log = kept
    this.#changed()
  }

  confirm(node: string, confirmation: Confirmation): void {
    this.#contents.confirmed = new Map(this.#contents.confirmed).set(node, confirmation)
    this.#changed()
  }

  vote(vote: Vote): void {
    const round = this.#round()
    if (round?.token !== vote.round) return
    this.#contents.round = { ...round, votes: new Map(round.votes).set(vote.node, vote) }
    this.#changed()
  }

  beat(node: (NodeBeat & NameClaim) | null, ageMaxMs: number): BeatAnswer {
    const nowMs = this.#nowMs()
    const holder = node === null ? null : this.#show(node, nowMs)
    const nodes = [...this.#contents.nodes.values()].map(({ timeMs, ...seen }) => ({ ...seen, ageMs: nowMs - timeMs })).filter(({ ageMs }) => ageMs <= ageMaxMs)
    return { nodes, holder }
  }

  #show({ node, address, version, life, lifeMs, instead }: NodeBeat & NameClaim, nowMs: number): NameHolder | null {
    const known = this.#contents.lives.get(node)
    const leftMs = known === undefined ? 0 : known.timeMs + lifeMs - nowMs
    const beat = known === undefined ? '' : `${known.life} ${String(known.timeMs)}`
    if (known !== undefined && known.life !== life && beat !== instead && leftMs > 0) return { beat, leftMs }
    const [nodes, lives] = [new Map(this.#contents.nodes), new Map(this.#contents.lives)]
    if (address === '') {
      nodes.delete(node)
      lives.delete(node)
    } else {
      nodes.set(node, { node, address, version, timeMs: nowMs })
      lives.set(node, { life, timeMs: nowMs })
    }
    this.#contents.nodes = nodes
    this.#contents.lives = lives
    this.#changed()
    return null
  }
}

/** What carries a call to the store and its answer back: at once, or through a network that loses things. */
export type Carrier = <T>(call: () => T) => Promise<T>

/** Calls `task` in so many milliseconds. */
export type After = (delayMs: number, task: () => void) => void

export class ModelStore implements ClusterStore {
  readonly #server: ModelServer
  readonly #carry: Carrier
  readonly #after: After

  constructor(server: ModelServer, carry: Carrier = atOnce, after: After = setTimer) {
    this.#server = server
    this.#carry = carry
    this.#after = after
  }

  look(round: string): Promise<ShardView> { return this.#carry(() => this.#server.look(round)) }
  acquire(request: AcquireRequest): Promise<AcquireAnswer> { return this.#carry(() => this.#server.acquire(request)) }
  renew(request: RenewRequest): Promise<RenewAnswer> { return this.#carry(() => this.#server.renew(request)) }
  release(token: string, heir: string): Promise<void> { return this.#carry(() => { this.#server.release(token, heir) }) }
  append(request: AppendRequest): Promise<AppendAnswer> { return this.#carry(() => this.#server.append(copied(request))) }
  rebase(request: RebaseRequest): Promise<AppendAnswer> { return this.#carry(() => this.#server.rebase(copied(request))) }
  trim(token: string, before: Position): Promise<void> { return this.#carry(() => { this.#server.trim(token, before) }) }
  confirm(node: string, confirmation: Confirmation): Promise<void> { return this.#carry(() => { this.#server.confirm(node, confirmation) }) }
  vote(vote: Vote): Promise<void> { return this.#carry(() => { this.#server.vote(vote) }) }
  beat(node: (NodeBeat & NameClaim) | null, ageMaxMs: number): Promise<BeatAnswer> { return this.#carry(() => this.#server.beat(node, ageMaxMs)) }
  close(): Promise<void> { return Promise.resolve() }

  async read(after: Position, countMax: number, blockMs: number): Promise<LogEntry[]> {
    let isLate = blockMs === 0
    for (;;) {
      const changed = new Promise<void>((resolve) => { if (!isLate) this.#server.onceChanged(resolve) })
      const entries = await this.#carry(() => this.#server.read(after, countMax))
      if (entries.length > 0 || isLate) return entries
      await Promise.race([changed, new Promise<void>((resolve) => { this.#after(blockMs, () => { isLate = true; resolve() }) })])
    }
  }
}

function atOnce<T>(call: () => T): Promise<T> {
  return new Promise((resolve) => { resolve(call()) })
}

/** Keeps the process, as a connection does that waits. */
function setTimer(delayMs: number, task: () => void): void {
  setTimeout(task, delayMs)
}

/** Memory of its own, as what goes over a wire has. */
function copied<T extends { readonly entry: LogEntry }>(request: T): T {
  return { ...request, entry: { ...request.entry, bytes: Uint8Array.from(request.entry.bytes) } }
}
