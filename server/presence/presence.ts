/**
 * Presence of one shard: the core with the shard's users behind it. Sessions reach it through the router alone, by their feeds. Here
 * is found out who may see what; the core decides who is told when. Where there are several shards each finds out what its own users
 * show and hide, and they watch each other's (followers.ts, following.ts).
 */
import { normalizeConversation, normalizeUser } from '../../protocol/address.js'
import { ACTIVITY, ERROR, FRAME, TYPING } from '../../protocol/generated/registry.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { type Federation, homeOf } from '../channels/federation.js'
import { mayPost } from '../groups/rights.js'
import type { PrivacyChange } from '../router/router.js'
import { RouterError } from '../router/router.js'
import type { Feed } from '../shard/feed.js'
import type { Shard } from '../shard/shard.js'
import { addressIn, conversationName } from '../shard/conversation-name.js'
import type { UserState } from '../shard/user-state.js'
import { BlockMemo } from './block-memo.js'
import { PresenceCore } from './core.js'
import type { Seat, Watch } from './watch.js'
import { Followers } from './followers.js'
import { Following } from './following.js'
import type { PresenceLimits } from './limits.js'
import { type PresenceState, SHOWN_UNKNOWN, type Told, type ViewChange, type Viewing } from './news.js'
import { normalExcept, SEES_ALL, SEES_BEFORE, SEES_NOTHING, shownTo } from './privacy.js'
import type { Privacy } from './privacy.js'
import type { Relations } from './relations.js'
import { encodePrivacy } from './rows.js'

/** Watches looked at anew at once when what somebody shows has changed. */
const REFRESHED_AT_ONCE = 256

interface View {
  /** SEES_… */
  readonly sees: number
  readonly lastSeenMs: number
}

export class Presence {
  readonly #shard: Shard
  readonly #core: PresenceCore
  readonly #limits: PresenceLimits
  readonly #relations: Relations
  /** For typing alone: a watch is answered in the same time whatever is true. [PRS-9] */
  readonly #blocks: BlockMemo
  /** null: there are no other shards. */
  readonly #others: { readonly followers: Followers, readonly following: Following } | null
  /** Users whose watches are being looked at anew, and whether they are to be looked at once more. */
  readonly #refreshing = new Map<string, { again: boolean; over: Promise<void> }>()

  constructor(shard: Shard, limits: PresenceLimits, relations: Relations) {
    this.#shard = shard
    this.#limits = limits
    this.#relations = relations
    // Its users are others each time that the store is opened again.
    this.#blocks = new BlockMemo(limits.blockedPairsMax, () => shard.users, (one, other) => this.#isBetweenABlock(one, other))
    const { clock, scheduler, federation } = shard.environment
    const following = federation === undefined ? null : this.#followOthers(federation)
    this.#core = new PresenceCore({
      clock,
      scheduler,
      limits,
      elsewhere: following,
      save: (name, lastSeenMs) => {
        // Who has a session, or had one a moment ago, is in memory.
        const user = shard.users.get(name)
        if (user !== undefined) shard.sessions.noteSeen(user, lastSeenMs)
      },
    })
    this.#others = federation === undefined || following === null ? null : { following, followers: this.#letFollow(federation) }
    shard.sessions.onRemoved = (feed) => { this.#leave(feed) }
  }

  #followOthers(federation: Federation): Following {
    const { shard, peers } = federation
    return new Following({
      environment: this.#shard.environment,
      limits: this.#limits,
      homeOf: (user) => {
        const home = homeOf(federation, user)
        return home === shard ? null : home
      },
      askWatched: (of, life, number, viewings) => peers.ask(of, 'watched', shard, life, number, viewings),
      askRenewed: (of, life) => peers.ask(of, 'watchesRenewed', shard, life),
      tellUnwatched: (to, life, number, users) => { peers.tell(to, 'unwatched', shard, life, number, users) },
      hear: (user, isActive, lastSeenMs) => { this.#core.hear(user, isActive, lastSeenMs) },
      lookAt: (user, viewer) => viewer === '' ? this.refresh(user) : this.#lookAt(this.#core.watchesBetween(viewer, user), null),
    })
  }

  #letFollow({ shard, peers }: Federation): Followers {
    return new Followers({
      core: this.#core,
      environment: this.#shard.environment,
      limits: this.#limits,
      tell: (to, told, states, changes) => {
        // Another life of it may be open by now, here or elsewhere, which knows better.
        if (!this.#shard.isClosed) peers.tell(to, 'presence', shard, told, states, changes)
      },
    })
  }

  /** Users in memory, for metrics and tests. */
  get size(): number {
    return this.#core.size
  }

  /** The session has begun. */
  enter(feed: Feed): void {
    if (!feed.hasEnded && feed.seat === null) feed.seat = this.#core.enter(feed.user.name, feed.sink, feed.user.lastSeenMs)
  }

  #leave(feed: Feed): void {
    if (feed.seat !== null) this.#core.leave(feed.seat)
    feed.seat = null
  }

  activity(feed: Feed, activity: number): void {
    if (feed.seat === null) return
    // [PRS-19]
    if (activity !== ACTIVITY.active && activity !== ACTIVITY.inactive) feed.sink.declined(FRAME.activity, [], ERROR.badRequest, 0)
    else this.#core.setActive(feed.seat, activity === ACTIVITY.active)
  }

  watch(feed: Feed, users: readonly string[]): void {
    const { seat } = feed
    if (seat === null) return
    const malformed: string[] = []
    const tooMany: string[] = []
    const watches: Watch[] = []
    for (const user of users) {
      const name = normalizeUser(user)
      const watch = name === null ? null : this.#core.watch(seat, name)
      if (watch !== null) watches.push(watch)
      else if (name === null) malformed.push(user)
      else tooMany.push(user)
    }
    void this.#lookAt(watches, feed)
    if (malformed.length > 0) feed.sink.declined(FRAME.watch, malformed, ERROR.malformedAddress, 0)
    if (tooMany.length > 0) feed.sink.declined(FRAME.watch, tooMany, ERROR.tooManyWatches, 0)
  }

  /** None: all. */
  unwatch(feed: Feed, users: readonly string[]): void {
    const { seat } = feed
    if (seat === null) return
    if (users.length === 0) this.#core.unwatchAll(seat)
    const malformed: string[] = []
    for (const user of users) {
      const name = normalizeUser(user)
      if (name === null) malformed.push(user)
      else this.#core.unwatch(seat, name)
    }
    if (malformed.length > 0) feed.sink.declined(FRAME.unwatch, malformed, ERROR.malformedAddress, 0)
  }

  typing(feed: Feed, conversation: string, kind: number): void {
    const { seat } = feed
    if (seat === null) return
    const address = normalizeConversation(conversation)
    if (address === null) {
      feed.sink.declined(FRAME.typing, [conversation], ERROR.malformedAddress, 0)
    } else if (kind !== TYPING.typing && kind !== TYPING.recording && kind !== TYPING.paused) {
      feed.sink.declined(FRAME.typing, [conversation], ERROR.badRequest, 0)
    } else if (this.#core.isNews(seat, address, kind)) {
      this.#forward(feed, seat, address, kind).catch((error: unknown) => {
        this.#core.forgetTyping(seat, address)
        if (!feed.hasEnded) feed.sink.declined(FRAME.typing, [conversation], codeOf(error), 0)
      })
    }
  }

  /** To the other members who are there to see it. [PRS-12] */
  async #forward(feed: Feed, seat: Seat, address: string, kind: number): Promise<void> {
    const from = seat.user.name
    const { channels } = this.#shard
    const name = conversationName(from, address)
    const away = channels?.to(name) ?? null
    const audience = channels === null || away === null ? await this.audience(from, name) : await channels.ask(away.shard, 'audience', from, name)
    if (feed.hasEnded) return
    if (channels !== null) channels.type(from, name, audience.filter((user) => channels.to(user) !== null), kind)
    await this.hear(from, name, audience, kind)
  }

  /** Who may be told that a user types in a conversation that is at home here. Rejects with RouterError where it has no say there. */
  async audience(from: string, name: string): Promise<readonly string[]> {
    const state = await this.#shard.conversation(name)
    const member = state.member(from)
    if (!state.exists || member === undefined || state.isHiddenFrom(from)) throw new RouterError(ERROR.noSuchConversation, 'there is no such conversation')
    const { group } = state
    if (group !== null && member.membership !== null && !mayPost(group, member.membership)) {
      throw new RouterError(ERROR.notAllowed, 'only admins post here')
    }
    return state.members.map(({ user }) => user)
  }

  /** Tells those of the audience who are at home here, and there to see it. */
  async hear(from: string, name: string, audience: readonly string[], kind: number): Promise<void> {
    for (const user of audience) {
      // Who is away is not even looked at.
      if (user === from || !this.#core.isActive(user) || await this.#isHidden(user, from)) continue
      this.#core.tellTyping(user, addressIn(name, user), from, kind)
    }
  }

  /** Of who is at home elsewhere nobody says here that a block has changed, so that is asked each time. */
  #isHidden(user: string, from: string): boolean | Promise<boolean> {
    const isVisitor = (this.#shard.channels?.to(from) ?? null) !== null
    return isVisitor ? this.#isBetweenABlock(user, from) : this.#blocks.isBetween(user, from)
  }

  /**
   * Finds out what the watchers may see, and has it told: of all at once and in the order in which they were named, or the time that
   * it takes would tell who has blocked the watcher from who does not exist. [PRS-9]
   */
  async #lookAt(watches: readonly Watch[], feed: Feed | null): Promise<void> {
    const turns = watches.map((watch) => ++watch.turn)
    const views = await Promise.all(watches.map(async (watch) => {
      try {
        return await this.#view(watch.seat.user.name, watch.user.name)
      } catch (error) {
        return codeOf(error)
      }
    }))
    for (const [index, watch] of watches.entries()) {
      const view = views[index]!
      if (turns[index] !== watch.turn || watch.isOver) continue
      if (typeof view !== 'number') {
        this.#core.show(watch, view.sees, view.lastSeenMs)
        continue
      }
      // What was found out before may be wrong now, and more than the watcher may see.
      this.#core.show(watch, SEES_NOTHING, 0)
      if (feed === null || feed.hasEnded) continue
      this.#core.unwatch(watch.seat, watch.user.name)
      feed.sink.declined(FRAME.watch, [watch.user.name], view, 0)
    }
  }

  /** What `viewer` sees of `name`: what each shows to the other. The same is read whatever comes of it. [PRS-9] [PRS-10] */
  async #view(viewer: string, name: string): Promise<View> {
    const following = this.#others?.following
    const isElsewhere = following?.has(name) === true
    const [given, shown, lastSeenMs] = await Promise.all([
      this.#shown(viewer, name),
      isElsewhere ? following.shown(viewer, name) : this.#shown(name, viewer),
      // What is done elsewhere is heard beside this.
      isElsewhere ? 0 : this.#lastSeen(name),
    ])
    const sees = viewer === name ? shown : shown & given
    return { sees, lastSeenMs: sees === SEES_NOTHING ? 0 : lastSeenMs }
  }

  /** What a user who is at home here shows to another: nothing where it does not exist, or has blocked it. */
  async #shown(owner: string, viewer: string): Promise<number> {
    const [{ exists, privacy }, isBlocked] = await Promise.all([this.#shard.user(owner), this.#relations.isBlocked(owner, viewer)])
    const shown = await shownTo(privacy, viewer, () => this.#relations.isContact(owner, viewer))
    if (!exists || isBlocked) return SEES_NOTHING
    return owner === viewer ? SEES_ALL : shown
  }

  async #lastSeen(name: string): Promise<number> {
    return (await this.#shard.user(name)).lastSeenMs
  }

  // ——— What other shards ask and tell ———

  /** Sessions of another shard watch users who are at home here, of which it is told from now on. What each is shown by each. */
  async watched(from: number, life: number, number: number, viewings: readonly Viewing[]): Promise<readonly number[]> {
    const watches = this.#others?.followers.watch(from, life, number, new Set(viewings.map(({ user }) => user))) ?? []
    const [seen, shown] = await Promise.all([
      Promise.all(watches.map(({ user }) => this.#lastSeen(user.name).catch(() => null))),
      // A row that can't be read is the failure of who asked for it alone.
      Promise.all(viewings.map(({ viewer, user }) => this.#shown(user, viewer).catch(() => SHOWN_UNKNOWN))),
    ])
    // In the order in which they were named, as to a session. [PRS-9]
    for (const [at, watch] of watches.entries()) {
      const lastSeenMs = seen[at] ?? null
      if (lastSeenMs !== null) this.#core.show(watch, SEES_ALL | SEES_BEFORE, lastSeenMs)
    }
    return shown
  }

  unwatched(from: number, life: number, number: number, users: readonly string[]): void {
    this.#others?.followers.unwatch(from, life, number, users)
  }

  watchesRenewed(from: number, life: number): Told {
    if (this.#others === null) throw new TypeError('there are no other shards')
    return this.#others.followers.renew(from, life)
  }

  heard(from: number, told: Told, states: readonly PresenceState[], changes: readonly ViewChange[]): void {
    this.#others?.following.hear(from, told, states, changes)
  }

  async #isBetweenABlock(one: string, other: string): Promise<boolean> {
    const [isBlocking, isBlocked] = await Promise.all([this.#relations.isBlocked(one, other), this.#relations.isBlocked(other, one)])
    return isBlocking || isBlocked
  }

  /**
   * What the user shows or may see has changed: its settings, or whether it exists. Changes that come while its watches are looked at
   * have them looked at once more, however many there are. [PRS-17]
   */
  refresh(name: string): Promise<void> {
    this.#others?.followers.changed(name)
    const running = this.#refreshing.get(name)
    if (running !== undefined) {
      running.again = true
      // What is being found out may be wrong by now.
      for (const watch of this.#core.watchesOf(name)) watch.turn++
      return running.over
    }
    const refreshing = { again: false, over: Promise.resolve() }
    this.#refreshing.set(name, refreshing)
    refreshing.over = this.#refresh(name, refreshing)
    return refreshing.over
  }

  async #refresh(name: string, refreshing: { again: boolean }): Promise<void> {
    do {
      refreshing.again = false
      const watches = this.#core.watchesOf(name)
      for (let from = 0; from < watches.length; from += REFRESHED_AT_ONCE) await this.#lookAt(watches.slice(from, from + REFRESHED_AT_ONCE), null)
    } while (refreshing.again)
    this.#refreshing.delete(name)
  }

  /** A contact or a block between the two has changed. */
  async refreshBetween(one: string, other: string): Promise<void> {
    this.#blocks.forget(one, other)
    const { federation } = this.#shard.environment
    if (federation !== undefined) this.#others?.followers.changedFor(homeOf(federation, other), one, other)
    await this.#lookAt(this.#core.watchesBetween(one, other), null)
  }

  async privacy(name: string): Promise<Privacy> {
    return (await this.#existing(name)).privacy
  }

  /** Resolves when it is on disk. Rejects with RouterError: malformed-address, too-many-exceptions. */
  async changePrivacy(name: string, change: PrivacyChange): Promise<Privacy> {
    const user = await this.#existing(name)
    const except = change.except === undefined ? user.privacy.except : this.#checkedExcept(change.except)
    const { seen = user.privacy.seen, online = user.privacy.online } = change
    const privacy: Privacy = { seen, online, except }
    user.privacy = privacy
    this.#shard.transaction.touch(user)
    this.#shard.transaction.batch.put(user.keys.privacy(), encodePrivacy(privacy))
    // Nobody sees for the time of a commit what was just hidden.
    void this.refresh(name)
    await this.#shard.committed()
    return privacy
  }

  #checkedExcept(names: readonly string[]): readonly string[] {
    const users = names.map((name) => {
      const user = normalizeUser(name)
      if (user === null) throw new RouterError(ERROR.malformedAddress, 'not the address of a user')
      return user
    })
    const except = normalExcept(users)
    if (except.length > this.#limits.exceptMax) throw new RouterError(ERROR.tooManyExceptions, 'the list of exceptions is too long')
    return except
  }

  async #existing(name: string): Promise<UserState> {
    const user = await this.#shard.user(name)
    if (!user.exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${name}'`)
    return user
  }
}

/** A stanza's code: what a shard says of its store is unavailable to the session. */
function codeOf(error: unknown): ErrorCode {
  return error instanceof RouterError && error.code >= 300 ? error.code : ERROR.unavailable
}
