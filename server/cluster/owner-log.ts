/**
 * One ownership of a shard, from the acquisition to its loss: the lease, and the changelog as only its owner may write it.
 *
 * The owner is *sure* while its lease lasts, counted by its own monotonic clock from when it sent the last renewal that succeeded. While it is
 * sure nobody else can have become owner. So when the store says otherwise it is the store that has lost something, and the owner claims the
 * shard once more, under a new epoch, and puts back what is missing. When it is not sure any more all is over: nothing is acknowledged, nothing
 * read, whatever the store says.
 *
 * Appends come one at a time (`append` is not to be called while one is under way). One that got no answer is repeated as it was: the store
 * knows it by its position and token. So each ownership writes at most one entry of a number.
 */
import { StorageError } from '../../storage/engine.js'
import { RepeatedLines } from '../repeated-lines.js'
import { emptyRecord } from './change-record.js'
import {
  type AppendAnswer, type ClusterStore, ClusterStoreError, type Confirmation, type LogEntry, type RenewAnswer,
} from './cluster-store.js'
import { type ClusterEnvironment, type ClusterLimits, LEASE_MARGIN, sleep } from './environment.js'
import { BEGINNING, comparePositions, isSamePosition, type Position, showPosition } from './position.js'
import { RecentEntries } from './recent-entries.js'
import { NO_MEMBERS } from './shard-rows.js'

/** Between two attempts of what got no answer. */
const RETRY_MS = 50

export interface OwnerLogOptions {
  readonly store: ClusterStore
  readonly environment: ClusterEnvironment
  readonly limits: ClusterLimits
  readonly node: string
  readonly address: string
  readonly lineage: string
  readonly epoch: number
  readonly token: string
  /** The life of the store in which it was acquired. */
  readonly incarnation: string
  /** When the acquisition was sent, by the monotonic clock. */
  readonly sentMs: number
  /** The last entry of the changelog, or what the owner's engine is at where that is further. */
  readonly last: Position
  readonly onLost: (reason: LossReason) => void
}

export type LossReason =
  /** The lease could not be renewed in time. */
  | 'lease-ended'
  /** Another node owns the shard. */
  | 'fenced'
  /** It was given up on purpose. */
  | 'resigned'
  /** The store of the node can't go on. */
  | 'failed'

export class OwnerLog {
  readonly #options: OwnerLogOptions
  readonly #recent: RecentEntries
  readonly #lines: RepeatedLines
  #epoch: number
  #token: string
  #last: Position
  #sureUntilMs: number
  /** By when it is given up, however sure it is. */
  #resignByMs = Infinity
  #lossReason: LossReason | null = null
  /** The life of the store at the last answer. */
  #incarnation: string
  #isWhole = false
  /** Before the first renewal that may call the changelog complete. */
  #isComplete = false
  #isReleased = false
  #renewals = 0
  /** The number of the latest that was answered. */
  #renewed = 0
  #mending: Promise<void> | null = null
  /** How often something had to be mended: what was answered before the last time is out of date. */
  #mendings = 0
  /** An entry whose attempts had no answer: a standby may have it, so no other one may have its number. */
  #pending: LogEntry | null = null
  /** Who may take the shard, as the next renewal says it. */
  members: readonly string[] = []
  /** Those that the store was last told of: only they can take the shard if this node dies now. */
  membersTold: readonly string[] = []

  constructor(options: OwnerLogOptions) {
    this.#options = options
    this.#recent = new RecentEntries(options.limits.retainBytes)
    this.#lines = new RepeatedLines(options.environment.log, options.environment.monotonicMs)
    this.#epoch = options.epoch
    this.#token = options.token
    this.#last = options.last
    this.#incarnation = options.incarnation
    this.#sureUntilMs = this.#sureFrom(options.sentMs)
    this.#watch()
  }

  get epoch(): number {
    return this.#epoch
  }

  /** The last entry that is known to be in the changelog. */
  get last(): Position {
    return this.#last
  }

  /** Whether the store had all that was written, and nothing was lost since, when it was last renewed. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  get recent(): RecentEntries {
    return this.#recent
  }

  /** Whether the shard belongs to this node for certain, at this moment. */
  get isSure(): boolean {
    return this.#lossReason === null && this.#options.environment.monotonicMs() < this.#sureUntilMs
  }

  get lossReason(): LossReason | null {
    return this.#lossReason
  }

  #sureFrom(sentMs: number): number {
    return sentMs + this.#options.limits.leaseMs * (1 - LEASE_MARGIN)
  }

  /** Ends the ownership; the first reason counts. */
  lose(reason: LossReason): void {
    if (this.#lossReason !== null) return
    this.#lossReason = reason
    this.#options.onLost(reason)
  }

  /** It is over then at the latest. `withinMs`: a lease or more, since it is seen to as the lease is. */
  resignWithin(withinMs: number): void {
    this.#resignByMs = this.#options.environment.monotonicMs() + withinMs
  }

  /** One timer at a time, for the moment at which the lease will have ended unless it is renewed until then. */
  #watch(): void {
    if (this.#lossReason !== null) return
    const { monotonicMs, scheduler } = this.#options.environment
    const nowMs = monotonicMs()
    if (nowMs >= this.#sureUntilMs) this.lose('lease-ended')
    else if (nowMs >= this.#resignByMs) this.lose('resigned')
    else scheduler.after(Math.min(this.#sureUntilMs, this.#resignByMs) - nowMs, () => { this.#watch() })
  }

  /** Throws what a commit is rejected with when the ownership is over. */
  checkSure(): void {
    if (!this.isSure) throw new StorageError('lost', 'this node does not own the shard any more')
  }

  /**
   * Appends the entries of one record, in order; resolves with the position of the last when all are in the changelog. Rejects with
   * StorageError: 'disk-full' when the store refuses it, 'lost' when the ownership ended; then it may be there or not.
   */
  append(parts: readonly Uint8Array[]): Promise<Position> {
    // Almost all: one promise less for each commit.
    return parts.length === 1 ? this.#appendOne(parts[0]!) : this.#appendAll(parts)
  }

  async #appendAll(parts: readonly Uint8Array[]): Promise<Position> {
    for (const bytes of parts) await this.#appendOne(bytes)
    return this.#last
  }

  /** Brings an entry that may have been appended into the changelog for certain. Rejects like `append`. */
  async settle(): Promise<void> {
    if (this.#pending !== null) await this.#appendOne(this.#pending.bytes)
  }

  async #appendOne(bytes: Uint8Array): Promise<Position> {
    for (;;) {
      if (this.#mending !== null) await this.#mending
      this.checkSure()
      const previous = this.#last
      const pending = this.#pending
      if (pending !== null && isSamePosition(pending.position, previous)) {
        // It had arrived, as was seen while something else was mended.
        this.#pending = null
        return previous
      }
      const entry = this.#entryBehind(previous, bytes)
      const mendings = this.#mendings
      // Whatever is answered from here on, it may have arrived.
      this.#pending = entry
      let answer: AppendAnswer
      try {
        answer = await this.#options.store.append({ token: this.#token, previous, entry })
      } catch (error) {
        if (isRefusal(error)) this.#pending = pending
        await this.#withoutAnswer(error)
        continue
      }
      // What was answered before something was mended says nothing of what is there now.
      if (mendings !== this.#mendings) continue
      if (answer.kind === 'appended') {
        this.#appended(entry)
        return entry.position
      }
      await this.mend(answer)
    }
  }

  /** What is pending, as long as it goes on the last entry: then whoever has it goes on. Else a new entry. */
  #entryBehind(previous: Position, bytes: Uint8Array): LogEntry {
    const pending = this.#pending
    if (pending !== null && pending.position.number === previous.number + 1 && pending.previousToken === previous.token) return pending
    return { position: { epoch: this.#epoch, number: previous.number + 1, token: this.#token }, previousToken: previous.token, bytes }
  }

  #appended(entry: LogEntry): void {
    this.#pending = null
    this.#last = entry.position
    this.#recent.add(entry)
  }

  /**
   * Empties the changelog and begins it with this entry, behind what the owner's engine has: only as the first thing that is done in an
   * ownership. Rejects like `append`.
   */
  async rebase(base: Position, found: Position | null, bytes: Uint8Array): Promise<Position> {
    const entry = { position: { epoch: this.#epoch, number: base.number + 1, token: this.#token }, previousToken: base.token, bytes }
    for (;;) {
      this.checkSure()
      const answer = await this.#ask(() => this.#options.store.rebase({ token: this.#token, found, entry }))
      if (answer?.kind === 'appended') {
        this.#appended(entry)
        return this.#last
      }
      // A store that has lost this ownership already: it is begun once more.
      if (answer !== null) this.lose('fenced')
    }
  }

  /** The owner's engine has all up to here on its disk, so that its entries need not be kept for it. */
  stored(position: Position): void {
    this.#recent.stored(position.number)
  }

  /** null: no answer; after a pause. Rejects with StorageError when the store has refused. */
  async #ask(call: () => Promise<AppendAnswer>): Promise<AppendAnswer | null> {
    try {
      return await call()
    } catch (error) {
      await this.#withoutAnswer(error)
      return null
    }
  }

  /** Waits a moment where there was no answer; rejects with StorageError when the store has refused. */
  async #withoutAnswer(error: unknown): Promise<void> {
    if (!(error instanceof ClusterStoreError)) throw error
    if (isRefusal(error)) throw new StorageError('disk-full', `Redis refuses what is appended to the changelog: ${error.message}`, { cause: error })
    await sleep(this.#options.environment, RETRY_MS)
  }

  /** From now on a renewal says that all is there that has been written, so that the fence is whole. */
  complete(): void {
    this.#isComplete = true
  }

  /** Lets entries before this one go. Never rejects. */
  async trim(before: Position): Promise<void> {
    await this.#options.store.trim(this.#token, before).then(() => { this.#recent.trimmed(before.number) }, () => { /* later */ })
  }

  /** Gives the shard up: from now on nothing is renewed, and whoever follows is told to take it, `heir` before all others. Never rejects. */
  async release(heir: string): Promise<void> {
    const { store } = this.#options
    if (!this.isSure) return
    this.#isReleased = true
    await store.release(this.#token, heir).then(() => this.append(emptyRecord(true))).catch(() => { /* then the lease has to end by itself */ })
    this.lose('resigned')
  }

  /** Renews the lease; resolves with who has confirmed what, or null where it was not renewed. Never rejects. */
  async renew(): Promise<ReadonlyMap<string, Confirmation> | null> {
    const { store, environment, limits } = this.#options
    if (!this.isSure || this.#isReleased || this.#mending !== null) return null
    const sentMs = environment.monotonicMs()
    const token = this.#token
    const mendings = this.#mendings
    const { members } = this
    const number = ++this.#renewals
    let answer: RenewAnswer
    try {
      answer = await store.renew({
        token, leaseMs: limits.leaseMs, complete: this.#isComplete ? this.#last : null, incarnation: this.#incarnation, members, number,
      })
    } catch (error) {
      this.#lines.warn({ error: error as Error, epoch: this.#epoch }, 'cluster-lease-not-renewed')
      return null
    }
    if (answer.kind === 'renewed') {
      if (number > this.#renewed) {
        this.#renewed = number
        this.membersTold = members
      }
      this.#incarnation = answer.incarnation
      this.#isWhole = answer.isWhole
      // Where it was not sure for a moment somebody has been told that it is over, and so it has to be.
      if (mendings === this.#mendings && this.isSure) this.#sureUntilMs = Math.max(this.#sureUntilMs, this.#sureFrom(sentMs))
      return answer.confirmed
    }
    if (mendings === this.#mendings) await this.mend(answer).catch(() => { /* it is lost, or the next renewal tries again */ })
    return null
  }

  /** The store lacks something, or has been given to another. One at a time; rejects with StorageError when the ownership is over. */
  mend(answer: { readonly kind: 'gap', readonly last: Position | null } | { readonly kind: 'fenced', readonly epoch: number }): Promise<void> {
    this.#mendings++
    this.#mending ??= this.#mend(answer).finally(() => { this.#mending = null })
    return this.#mending
  }

  async #mend(answer: { readonly kind: 'gap', readonly last: Position | null } | { readonly kind: 'fenced', readonly epoch: number }): Promise<void> {
    this.checkSure()
    let last: Position | null
    if (answer.kind === 'fenced') {
      last = await this.#claimAgain(answer.epoch)
    } else {
      last = answer.last
    }
    await this.#putBack(last)
  }

  /** The store has lost that this node owns the shard. Resolves with the last entry of the changelog. */
  async #claimAgain(foundEpoch: number): Promise<Position | null> {
    const { store, environment, limits, node, address, lineage } = this.#options
    const fenced = (): never => {
      this.lose('fenced')
      throw new StorageError('lost', 'another node owns the shard')
    }
    if (foundEpoch >= this.#epoch) return fenced()
    environment.log.warn({ epoch: this.#epoch, foundEpoch }, 'cluster-store-lost-epoch')
    const token = environment.randomToken()
    for (;;) {
      this.checkSure()
      const sentMs = environment.monotonicMs()
      const answer = await store.acquire({
        node, address, token, lineage, leaseMs: limits.leaseMs, position: this.#last, epoch: this.#epoch, claim: 'sure', membership: NO_MEMBERS,
      }).catch(() => null)
      this.checkSure()
      if (answer === null) {
        await sleep(environment, RETRY_MS)
        continue
      }
      if (answer.kind !== 'acquired') return fenced()
      this.#epoch = answer.epoch
      this.#token = token
      this.#incarnation = answer.incarnation
      this.#isWhole = false
      this.#sureUntilMs = Math.max(this.#sureUntilMs, this.#sureFrom(sentMs))
      return answer.last
    }
  }

  /** Appends again what the changelog lacks; where that is not kept any more it is emptied, and standbys that lack it copy. */
  async #putBack(found: Position | null): Promise<void> {
    const { store, environment } = this.#options
    const last = found ?? BEGINNING
    if (isSamePosition(last, this.#last)) return
    if (this.#pending !== null && isSamePosition(last, this.#pending.position)) {
      // It had arrived, and only the answer was lost. Who appends it sees that by `#last`.
      this.#recent.add(this.#pending)
      this.#last = last
      return
    }
    if (last.number > this.#last.number) {
      // Nobody else can have written while this node was sure.
      this.lose('fenced')
      throw new StorageError('lost', 'the changelog has entries that this owner did not write')
    }
    const missing = this.#recent.behind(last)
    environment.log.warn({ found: showPosition(found), last: showPosition(this.#last), isCovered: missing !== null }, 'cluster-store-lost-entries')
    if (missing !== null) {
      await this.#appendAgain(last, missing)
      return
    }
    // Begun anew with what is kept: who has the rest goes on, and others copy.
    const [first, ...rest] = this.#recent.all
    if (first === undefined) {
      this.lose('fenced')
      throw new StorageError('lost', 'the store has lost the changelog before this owner had written to it')
    }
    for (;;) {
      this.checkSure()
      const answer = await this.#ask(() => store.rebase({ token: this.#token, found, entry: first }))
      if (answer?.kind === 'appended') break
      if (answer !== null) throw changing()
    }
    await this.#appendAgain(first.position, rest)
  }

  async #appendAgain(last: Position, missing: readonly LogEntry[]): Promise<void> {
    let previous = last
    for (const entry of missing) {
      for (;;) {
        this.checkSure()
        const answer = await this.#ask(() => this.#options.store.append({ token: this.#token, previous, entry }))
        if (answer?.kind === 'appended') break
        if (answer !== null) throw changing()
      }
      previous = entry.position
    }
  }
}

function isRefusal(error: unknown): boolean {
  return error instanceof ClusterStoreError && error.code === 'refused'
}

/** It has lost something once more: the next append or renewal is told so, and begins again. */
function changing(): StorageError {
  return new StorageError('io', 'the changelog changes while it is mended')
}

/** Whether the first has more of a log than the second. */
export function isAhead(one: Position, other: Position | null): boolean {
  return other === null || comparePositions(one, other) > 0
}
