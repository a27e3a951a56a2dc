/**
 * A shard in the hands of a node, from the acquisition to the end: the changelog is read to its end, the shard is made on an engine of its own
 * and served, the lease renewed, and it is seen to who may take the shard next. Its lease and what it writes are the OwnerLog's.
 */
import type { Engine } from '../../storage/engine.js'
import { OpBatch } from '../../storage/op-batch.js'
import { encodeRecord } from './change-record.js'
import type { AcquireAnswer, Confirmation } from './cluster-store.js'
import type { Directory } from './directory.js'
import { type ClusterEnvironment, sleep } from './environment.js'
import { LogGap } from './follower.js'
import type { ClusterNodeOptions } from './node-options.js'
import { isAhead, type LossReason, OwnerLog } from './owner-log.js'
import { isSamePosition, type Position, showPosition } from './position.js'
import { ReplicatedEngine } from './replicated-engine.js'
import { MEMBERS_KEY, packMembership, packState, readMembership, STATE_KEY } from './shard-rows.js'
import type { Standby } from './standby.js'
import { membersWanted, type Notice, type Standing, trimmedBefore } from './standing.js'

/** Between two attempts to renew that failed. */
const RENEW_AGAIN_MS = 125
/** For how many leases a shard that is given up may finish what it has. */
const GIVE_UP_LEASES = 3
/** How loudly the end of an ownership is told. A shard that others take over as they should is not a fault of this node. */
const LOSS_LEVELS = { 'resigned': 'info', 'lease-ended': 'warn', 'fenced': 'warn', 'failed': 'error' } as const
/** Between two looks whether the store is whole, once all is written that it lacks. */
const WHOLE_LOOK_MS = 50

/** What the store has granted. */
export interface Grant {
  readonly answer: Extract<AcquireAnswer, { kind: 'acquired' }>
  readonly lineage: string
  readonly token: string
  /** When it was asked for, by the monotonic clock. */
  readonly sentMs: number
}

/** The node, as its ownership sees it. */
export interface OwnershipHost {
  readonly options: ClusterNodeOptions
  readonly standby: Standby
  readonly directory: Directory
  /** Shows the node, if it is time to. */
  readonly beatWhenDue: () => Promise<void>
  /** The shard is served, or no longer. */
  serving(isServed: boolean): void
}

export class Ownership {
  readonly #host: OwnershipHost
  readonly #grant: Grant
  /** What the node has is ahead of the changelog. */
  readonly #isFurther: boolean
  readonly log: OwnerLog
  #engine: ReplicatedEngine | null = null
  /** `onLost('resigned')` has been called. */
  #isResigned = false
  #givingUp: Promise<void> | null = null
  /** What the engine's row of members says. */
  #members: readonly string[] = []
  readonly #notices = new Map<string, Notice>()
  /** Resolves when it is over. */
  readonly #over: Promise<LossReason>
  /** Ends the pause between two renewals. */
  #wake: () => void = () => undefined
  #renewing: Promise<void> = Promise.resolve()

  constructor(host: OwnershipHost, grant: Grant) {
    this.#host = host
    this.#grant = grant
    const { environment, limits, store, node, address } = host.options
    const { answer, lineage, token, sentMs } = grant
    const { applied } = host.standby
    this.#isFurther = isAhead(applied, answer.last)
    let isOver: (reason: LossReason) => void = () => undefined
    this.#over = new Promise<LossReason>((resolve) => { isOver = resolve })
    this.log = new OwnerLog({
      store, environment, limits, node, address, lineage, epoch: answer.epoch, token, sentMs, incarnation: answer.incarnation,
      last: this.#isFurther || answer.last === null ? applied : answer.last,
      onLost: (reason) => {
        isOver(reason)
        this.#wake()
      },
    })
    this.log.members = answer.members
  }

  /** null: the shard is not served yet. */
  get engine(): ReplicatedEngine | null {
    return this.#engine
  }

  get #environment(): ClusterEnvironment {
    return this.#host.options.environment
  }

  /**
   * Takes the shard over and serves it until that ends. `isUnwanted`: it is given back at once. Rejects with what is trouble of the node's, but
   * not where the ownership was lost on the way.
   */
  async run(isUnwanted: boolean): Promise<void> {
    const { log } = this
    this.#renewing = this.#keepRenewing()
    try {
      if (isUnwanted) await log.release('')
      await this.#serve(await this.#takeOver())
    } catch (error) {
      // Lost on the way: another time. Anything else is trouble of this node's.
      if (error instanceof LogGap || log.isSure) throw error
    } finally {
      await log.release('')
      log.lose('failed')
    }
  }

  /** Resolves when nothing of it is under way any more, once it is over. */
  ended(): Promise<void> {
    return this.#renewing
  }

  /**
   * Gives the shard up, to `heir` if it is there. Resolves when it is over, in any case within GIVE_UP_LEASES and one lease more; whoever asks
   * while that is under way waits for it.
   */
  giveUp(heir: string): Promise<void> {
    return this.#givingUp ??= this.#giveUp(heir)
  }

  async #giveUp(heir: string): Promise<void> {
    const { log } = this
    try {
      if (this.#engine !== null && log.lossReason === null) await Promise.race([this.#finish(this.#engine), this.#overForLong()])
    } finally {
      await log.release(heir)
    }
    await this.#over
  }

  /**
   * The shard brings to an end what it has. What that waits for may never come, as where a replica of Redis is away that has to have each entry: then
   * the shard goes as when its node dies.
   */
  async #finish(engine: ReplicatedEngine): Promise<void> {
    this.#isResigned = true
    this.log.resignWithin(GIVE_UP_LEASES * this.#host.options.limits.leaseMs)
    await this.#host.options.onLost('resigned')
    await engine.close()
  }

  /** A lease after it is over, by when a shard closes that is refused everything: what it still waits for then, a disk say, is to hold nobody else up. */
  async #overForLong(): Promise<void> {
    await this.#over
    await sleep(this.#environment, this.#host.options.limits.leaseMs)
  }

  /** From the first entry to the end of the ownership. */
  async #serve(position: Position): Promise<void> {
    const { log } = this
    const { directory, options: { engine: inner, limits, store, address, onOwner, onLost } } = this.#host
    const engine = this.#engine = new ReplicatedEngine({ engine: inner, log, store, lineage: this.#grant.lineage, position, partBytes: limits.partBytes })
    this.#host.serving(true)
    this.#environment.log.info({ epoch: log.epoch, position: showPosition(position) }, 'cluster-owner')
    directory.ownedBySelf(address, log.epoch)
    try {
      // That of an entry on its own disk: whoever owns the shard later knows of it, whatever the store forgets, and is told a higher one.
      await onOwner(engine, position.epoch)
      const reason = await this.#over
      this.#environment.log[LOSS_LEVELS[reason]]({ epoch: log.epoch, reason }, 'cluster-owner-no-more')
    } finally {
      directory.lost()
      this.#host.serving(false)
      await engine.close()
      if (!this.#isResigned) await onLost(log.lossReason ?? 'failed')
    }
  }

  /** Reads the changelog to its end, or makes it what the engine has, and begins the epoch. Resolves with the first entry. */
  async #takeOver(): Promise<Position> {
    const { log } = this
    const { answer, lineage } = this.#grant
    const { standby, options: { engine, node } } = this.#host
    const environment = this.#environment
    if (this.#isFurther && answer.isWhole && answer.last !== null) throw new LogGap('the changelog has less than this node, and has lost nothing')
    if (!this.#isFurther && answer.last !== null) {
      if (!await standby.followTo(answer.last.number, () => { log.checkSure() }) || !isSamePosition(standby.reached, answer.last)) throw new LogGap('the changelog has another end than was said')
    }
    log.checkSure()
    const isFounding = standby.applied.number === 0
    const anew = this.#isFurther && !isFounding
    if (anew) environment.log.warn({ position: showPosition(standby.applied), last: showPosition(answer.last) }, 'cluster-changelog-begins-anew')
    const before = (await readMembership(engine)).members
    const known = answer.isWhole ? answer.members : before
    const members = anew || isFounding ? [node] : [...new Set([...known, node])]
    const batch = new OpBatch()
    batch.put(MEMBERS_KEY, packMembership({ members, change: environment.randomToken(), by: node, before }))
    // In one entry: nobody could go on from a part of it.
    const parts = encodeRecord([], batch, Infinity)
    const position = anew ? await log.rebase(standby.applied, answer.last, parts[0]!) : await log.append(parts)
    batch.put(STATE_KEY, packState(lineage, position, null))
    await engine.commit(batch)
    log.stored(position)
    log.members = members
    log.complete()
    while (await log.renew() === null || !log.isWhole) {
      log.checkSure()
      await sleep(environment, WHOLE_LOOK_MS)
    }
    return position
  }

  /** From the acquisition to the end: renews, shows the node, and sees to members and changelog. Never rejects. */
  async #keepRenewing(): Promise<void> {
    const { log } = this
    const { beatWhenDue, options: { limits } } = this.#host
    while (log.lossReason === null) {
      await this.#pause(limits.renewEveryMs)
      if (log.lossReason !== null) return
      let confirmed = await log.renew()
      for (let i = 0; confirmed === null && log.isSure && i < 3; i++) {
        await sleep(this.#environment, RENEW_AGAIN_MS)
        confirmed = await log.renew()
      }
      try {
        await beatWhenDue()
        if (confirmed !== null && this.#engine !== null) await this.#seeTo(this.#engine, confirmed)
      } catch {
        // The next time; what keeps the lease from being renewed has been said.
      }
    }
  }

  /** Until then, or until the ownership is over. Raced with the promise of that, each pause would be kept for as long as it lasts. */
  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      this.#environment.scheduler.after(delayMs, resolve)
    })
  }

  async #seeTo(engine: ReplicatedEngine, confirmed: ReadonlyMap<string, Confirmation>): Promise<void> {
    const { node, limits, environment } = this.#host.options
    const { log } = this
    if (this.#members.length === 0) this.#members = (await readMembership(engine)).members
    this.#notice(confirmed)
    const standing: Standing = {
      owner: node, epoch: log.epoch, members: this.#members, last: log.last, stored: engine.stored, confirmed, notices: this.#notices,
      nowMs: environment.monotonicMs(),
    }
    const wanted = membersWanted(standing, log.recent, limits)
    const stay = this.#members.filter((member) => wanted.includes(member))
    const mayTake = log.members.filter((member) => wanted.includes(member))
    if (mayTake.length < log.members.length) {
      // Said to the store before anything else, so that who goes can't take the shard while it lacks what is trimmed.
      log.members = mayTake
      return
    }
    const before = trimmedBefore({ ...standing, members: log.members }, log.recent, limits)
    if (before !== null) await log.trim(before)
    // An ownership that was claimed again shows itself in the changelog: who follows it is known by an entry of its epoch.
    const isShown = log.last.epoch === log.epoch
    if (isShown && wanted.length === this.#members.length && stay.length === wanted.length) {
      log.members = this.#members
      return
    }
    await this.#changeMembers(engine, wanted)
  }

  /** In the changelog and on this disk first, then in the store: who may take the shard is known to all who could be asked. */
  async #changeMembers(engine: Engine, wanted: readonly string[]): Promise<void> {
    const batch = engine.batch()
    batch.put(MEMBERS_KEY, packMembership({ members: wanted, change: this.#environment.randomToken(), by: this.#host.options.node, before: this.#members }))
    await engine.commit(batch)
    this.#members = wanted
    this.log.members = wanted
    this.#environment.log.info({ members: wanted.join(' ') }, 'cluster-members')
  }

  #notice(confirmed: ReadonlyMap<string, Confirmation>): void {
    const nowMs = this.#environment.monotonicMs()
    const notices = this.#notices
    const note = (node: string): Notice => {
      const notice = notices.get(node) ?? { seenMs: nowMs, movedMs: nowMs, number: 0 }
      notices.set(node, notice)
      return notice
    }
    for (const { node, ageMs } of this.#host.directory.nodes) {
      const notice = note(node)
      notice.seenMs = Math.max(notice.seenMs, nowMs - ageMs)
    }
    for (const member of this.log.members) note(member)
    for (const [node, { position }] of confirmed) {
      const notice = notices.get(node)
      if (notice === undefined) continue
      if (position.number !== notice.number || position.number >= this.log.last.number) notice.movedMs = nowMs
      notice.number = position.number
    }
  }
}
