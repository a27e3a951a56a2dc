/**
 * Profiles, contacts, blocking, flags and reports on one shard. Rows are read when they are asked for and kept nowhere in memory, but
 * for how a pair stands to each other, which its conversation has (pair.ts). Changes of one user come one after the other, each on
 * disk before the next; what concerns a conversation is changed in its turn (`Shard.inTurn`), so that messages see it in one order.
 */
import { normalizeConversation } from '../../protocol/address.js'
import { ERROR, LIMIT, LIST } from '../../protocol/generated/registry.js'
import type { Engine } from '../../storage/engine.js'
import { pairName } from '../../storage/conversation-keys.js'
import { KEPT_LIST, type KeptListNumber, userKeys } from '../../storage/user-keys.js'
import { mustRead } from '../groups/access.js'
import { type Held, holding, mustBePicture } from '../holdings/held.js'
import { noteLookup } from '../operations/erasures.js'
import { RouterError } from '../router/router.js'
import type { SideEntry } from '../channels/entries.js'
import type { Outgoing } from '../channels/outgoing.js'
import { unavailable } from '../shard/commit-loop.js'
import { changeSide } from '../shard/conversation.js'
import { appendChanged } from '../shard/queue.js'
import type { Shard } from '../shard/shard.js'
import { conversationName } from '../shard/conversation-name.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { UserState } from '../shard/user-state.js'
import type { Route, Transaction } from '../shard/transaction.js'
import { areNone, type ConversationFlags, decodeFlags, encodeFlags, NO_FLAGS } from './flags.js'
import { dropRemoved, editList, isListed, listChanges, type ListEdit, type ListItem, listPage } from './kept-list.js'
import type { PairSide } from './pair.js'
import { checkName, checkProfile, encodeProfile, type Profile, readProfile, readStoredProfile, type StoredProfile, versionOf, withheld } from './profile.js'
import { Reporting } from './reporting.js'
import type {
  BlockedUser, Contact, FlaggedConversation, List, ListRequest, ProfileAdmin, ProfileRequest, ProfileService, RelationChange, Report,
  ReportRequest, ShownProfile,
} from './service.js'
import { Turns } from '../shard/turns.js'

const EMPTY = new Uint8Array(0)

export class Profiles implements ProfileService, ProfileAdmin {
  readonly #shard: Shard
  readonly #turns = new Turns()
  readonly #listeners = new Set<(change: RelationChange) => void>()
  readonly #reporting: Reporting

  constructor(shard: Shard) {
    this.#shard = shard
    this.#reporting = new Reporting(shard, this)
  }

  // ——— Profiles ———

  async profiles(user: string, requests: readonly ProfileRequest[]): Promise<readonly (ShownProfile | null)[]> {
    return Promise.all(requests.map(async ({ user: owner, version: known }) => {
      if (!(await this.#shard.user(owner)).exists) return null
      const [profile, isBlocked] = await this.#reading((engine) => Promise.all([
        readProfile(engine, userKeys(owner)), isListed(engine, userKeys(owner), KEPT_LIST.blocked, user),
      ]))
      const shown = isBlocked ? withheld(profile) : profile
      const version = versionOf(shown)
      return { user: owner, version, profile: version === known ? null : shown }
    }))
  }

  async changeProfile(user: string, change: Partial<Profile>): Promise<ShownProfile> {
    const fault = checkProfile(change)
    if (fault !== 0) throw new RouterError(fault, 'not a profile')
    return this.#turns.run(user, () => holding(this.#shard, async (held) => {
      const before = await this.#reading((engine) => readStoredProfile(engine, userKeys(user)))
      const profile = { ...before.profile, ...change }
      const version = versionOf(profile)
      if (version === versionOf(before.profile)) return { user, version, profile }
      const state = await this.#existing(user)
      const changePicture = profile.picture === before.profile.picture ? null : await this.#pictureChange(held, user, before, profile.picture)
      held.check()
      if (!state.alive || !state.exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${user}'`)
      changePicture?.()
      const { transaction } = this.#shard
      const isPictureHeld = changePicture === null ? before.isPictureHeld : profile.picture !== ''
      transaction.batch.put(state.keys.profile(), encodeProfile({ profile, isPictureHeld }))
      tellDevices(transaction, state, LIST.profile, version)
      await this.#shard.committed()
      return { user, version, profile }
    }))
  }

  /** Reads what taking another picture needs; what it gives is called in the turn of the change, and throws RouterError. [PRF-3] */
  async #pictureChange(held: Held, user: string, before: StoredProfile, picture: string): Promise<() => void> {
    const old = before.isPictureHeld ? await held.blob(user, before.profile.picture) : null
    const next = picture === '' ? null : await held.claim(user, picture)
    const { ledger } = this.#shard
    return () => {
      if (next !== null) {
        mustBePicture(this.#shard, next)
        ledger.take(next)
      }
      if (old !== null) ledger.unrefer(old)
    }
  }

  /**
   * The user is about to be removed, and its profile with it: `remove` has to call what it is given in the turn in which it does that, so
   * that the picture is held no longer. No other change of the profile comes between.
   */
  takeAway(user: string, remove: (releasePicture: () => void) => Promise<void>): Promise<void> {
    return this.#turns.run(user, () => holding(this.#shard, async (held) => {
      const { profile, isPictureHeld } = await this.#reading((engine) => readStoredProfile(engine, userKeys(user)))
      const picture = isPictureHeld ? await held.blob(user, profile.picture) : null
      await remove(() => {
        held.check()
        if (picture !== null) this.#shard.ledger.unrefer(picture)
      })
    }))
  }

  // ——— Contacts ———

  async contacts(user: string, request: ListRequest): Promise<List<Contact>> {
    return this.#list(user, KEPT_LIST.contacts, request, (item) => ({
      user: item.name, name: Buffer.from(item.value).toString('utf8'), version: item.version, isRemoved: item.isRemoved,
    }))
  }

  async setContact(user: string, other: string, name: string): Promise<number> {
    const fault = checkName(name, LIMIT.profileNameCharactersMax)
    if (fault !== 0) throw new RouterError(fault, 'not a name for a contact')
    await this.#checkOther(user, other)
    const value = Buffer.from(name)
    return this.#relate(user, other, KEPT_LIST.contacts, (edit) => {
      if (edit.item !== null) return Buffer.compare(edit.item.value, value) === 0 ? null : value
      checkRoom(edit, this.#shard.environment.limits.contactsMax)
      return value
    }, (side) => side.withContact(true))
  }

  async removeContact(user: string, other: string): Promise<number> {
    return this.#relate(user, other, KEPT_LIST.contacts, (edit) => edit.item === null ? null : 'remove', (side) => side.withContact(false))
  }

  async isContact(owner: string, other: string): Promise<boolean> {
    const side = await this.#sideElsewhere(owner, other)
    if (side !== null) return side.isContact
    return this.#reading((engine) => isListed(engine, userKeys(owner), KEPT_LIST.contacts, other))
  }

  // ——— Blocking ———

  async blocked(user: string, request: ListRequest): Promise<List<BlockedUser>> {
    return this.#list(user, KEPT_LIST.blocked, request, (item) => ({
      user: item.name, sinceMs: item.changedMs, version: item.version, isRemoved: item.isRemoved,
    }))
  }

  async block(user: string, other: string): Promise<number> {
    await this.#checkOther(user, other)
    return this.#relate(user, other, KEPT_LIST.blocked, (edit) => {
      if (edit.item !== null) return null
      checkRoom(edit, this.#shard.environment.limits.blockedMax)
      return EMPTY
    }, (side, { tail }) => side.block(tail))
  }

  async unblock(user: string, other: string): Promise<number> {
    return this.#relate(
      user, other, KEPT_LIST.blocked, (edit) => edit.item === null ? null : 'remove', (side, { tail }) => side.unblock(tail),
    )
  }

  async isBlocked(owner: string, other: string): Promise<boolean> {
    const side = await this.#sideElsewhere(owner, other)
    if (side !== null) return side.isBlocking
    return this.#reading((engine) => isListed(engine, userKeys(owner), KEPT_LIST.blocked, other))
  }

  /** What the home of the owner says; null: that is this shard. */
  async #sideElsewhere(owner: string, other: string): Promise<PairSide | null> {
    const { channels } = this.#shard
    const away = channels?.to(owner) ?? null
    return channels === null || away === null ? null : channels.ask(away.shard, 'side', owner, other)
  }

  /** Has `listener` told after the commit of each change; returns what takes it off again. */
  onRelation(listener: (change: RelationChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  // ——— Flags ———

  async flags(user: string, request: ListRequest): Promise<List<FlaggedConversation>> {
    return this.#list(user, KEPT_LIST.flags, request, (item) => ({
      conversation: item.name, flags: item.isRemoved ? NO_FLAGS : decodeFlags(item.value), version: item.version,
    }))
  }

  async changeFlags(user: string, conversation: string, change: Partial<ConversationFlags>): Promise<FlaggedConversation> {
    await this.mustBeIn(user, conversation)
    return this.#turns.run(user, async () => {
      const edit = await this.#reading((engine) => editList(engine, userKeys(user), KEPT_LIST.flags, conversation))
      const before = edit.item === null ? NO_FLAGS : decodeFlags(edit.item.value)
      const flags = { ...before, ...change }
      const value = encodeFlags(flags)
      if (Buffer.compare(value, encodeFlags(before)) === 0) return { conversation, flags, version: edit.version }
      const state = await this.#existing(user)
      const { transaction } = this.#shard
      const nowMs = this.#shard.environment.clock.nowMs()
      const version = areNone(flags) ? edit.remove(transaction.batch, nowMs) : edit.put(transaction.batch, value, nowMs)
      tellDevices(transaction, state, LIST.flags, version)
      await this.#shard.committed()
      await this.#tidy(user, KEPT_LIST.flags, edit)
      return { conversation, flags, version }
    })
  }

  // ——— Reports ———

  report(user: string, request: ReportRequest): Promise<void> {
    return this.#reporting.report(user, request)
  }

  lastMessages(user: string, name: string): Promise<Report['messages']> {
    return this.#reporting.lastMessages(user, name)
  }

  reports(after: number, limit: number): Promise<{ reports: readonly Report[]; more: boolean }> {
    return this.#reporting.page(after, limit)
  }

  readReport(id: number): Promise<Report | null> {
    return this.#reporting.read(id)
  }

  closeReport(id: number): Promise<boolean> {
    return this.#reporting.close(id)
  }

  /** Rejects where blocking would. */
  async mustBeBlockable(user: string, other: string): Promise<void> {
    await this.#checkOther(user, other)
    const edit = await this.#reading((engine) => editList(engine, userKeys(user), KEPT_LIST.blocked, other))
    if (edit.item === null) checkRoom(edit, this.#shard.environment.limits.blockedMax)
  }

  // ——— What they share ———

  #reading<T>(read: (engine: Engine) => Promise<T>): Promise<T> {
    return this.#shard.reading(read(this.#shard.engine))
  }

  async #existing(name: string): Promise<UserState> {
    const user = await this.#shard.user(name)
    if (!user.exists) throw new RouterError(ERROR.noSuchUser, `there is no user '${name}'`)
    return user
  }

  /** [PRF-9] */
  async #checkOther(user: string, other: string): Promise<void> {
    if (other === user) throw new RouterError(ERROR.badRequest, 'that is the user itself')
    await this.#existing(other)
  }

  /** The conversation as the user addresses it; fails where there is none for the user. */
  async #memberOf(user: string, conversation: string): Promise<ConversationState> {
    const address = normalizeConversation(conversation)
    if (address === null) throw new RouterError(ERROR.malformedAddress, 'not the address of a conversation')
    const state = await this.#shard.conversation(conversationName(user, address))
    mustRead(state, user)
    return state
  }

  /** The same of one that may be at home elsewhere. */
  async mustBeIn(user: string, conversation: string): Promise<void> {
    const { channels } = this.#shard
    const name = conversationName(user, normalizeConversation(conversation) ?? user)
    const away = channels?.to(name) ?? null
    if (channels === null || away === null) await this.#memberOf(user, conversation)
    else await channels.ask(away.shard, 'mustRead', user, name)
  }

  /**
   * Changes what `user` keeps of `other` in a list, and the user's side of their conversation, in one transaction and in the turn of
   * the conversation. `decide` gives the new value, 'remove', or null where nothing changes; it may throw RouterError.
   */
  async #relate(
    user: string, other: string, list: KeptListNumber, decide: (edit: ListEdit) => Uint8Array | 'remove' | null,
    change: (side: PairSide, conversation: ConversationState) => PairSide,
  ): Promise<number> {
    const version = await this.#turns.run(user, async () => {
      await this.#existing(user)
      const edit = await this.#reading((engine) => editList(engine, userKeys(user), list, other))
      const value = decide(edit)
      if (value === null) return edit.version
      const keep = (owner: UserState | undefined): number => this.#keep(owner, other, list, edit, value)
      const version = this.#awayOf(user, other) !== null
        ? await this.#relateAway({ kind: 'side', user, other, what: list === KEPT_LIST.blocked ? 'blocked' : 'contact', isOn: value !== 'remove' }, keep)
        : await this.#shard.inTurn(pairName(user, other), [], ({ conversation, users }: Route) => {
          const position = conversation.positionOf(user)
          const side = conversation.side(user)
          if (side !== null) changeSide(this.#shard.transaction, conversation, position, change(side, conversation))
          return keep(users[position])
        })
      await this.#tidy(user, list, edit)
      await this.#tellRelation(user, other)
      return version
    })
    // Also where nothing has changed: it may be on its way there still, and whoever asked for it have given up. Other changes need not wait.
    const away = this.#awayOf(user, other)
    if (away !== null) await this.#shard.channels?.allTaken([away])
    return version
  }

  /** The channel to the home of the conversation, in this life of the store; null: it is at home here. */
  #awayOf(user: string, other: string): Outgoing | null {
    return this.#shard.channels?.to(pairName(user, other)) ?? null
  }

  /** In the open transaction. Returns the version of the list. */
  #keep(owner: UserState | undefined, other: string, list: KeptListNumber, edit: ListEdit, value: Uint8Array | 'remove'): number {
    const { transaction, environment: { clock } } = this.#shard
    const version = value === 'remove' ? edit.remove(transaction.batch, clock.nowMs()) : edit.put(transaction.batch, value, clock.nowMs())
    if (owner === undefined) return version
    // What the other deletes from now on is not told to it, and must not reach its late devices. [OPS-7]
    if (list === KEPT_LIST.blocked && value !== 'remove') noteLookup(transaction, owner, other)
    tellDevices(transaction, owner, list === KEPT_LIST.blocked ? LIST.blocked : LIST.contacts, version)
    return version
  }

  /** Where the conversation is at home elsewhere it learns of it over the channel. */
  async #relateAway(entry: SideEntry, keep: (owner: UserState) => number): Promise<number> {
    const owner = await this.#existing(entry.user)
    const { channels } = this.#shard
    const away = this.#awayOf(entry.user, entry.other)
    if (channels === null || away === null) throw unavailable()
    // First, so that nothing is kept where that is refused.
    channels.give(entry, [away])
    const version = keep(owner)
    // The next change of the user reads what this one has written.
    await this.#shard.committed()
    return version
  }

  async #tellRelation(owner: string, other: string): Promise<void> {
    if (this.#listeners.size === 0) return
    const [isBlocked, isContact] = await Promise.all([this.isBlocked(owner, other), this.isContact(owner, other)])
    for (const listener of this.#listeners) listener({ owner, other, isBlocked, isContact })
  }

  async #tidy(user: string, list: KeptListNumber, edit: ListEdit): Promise<void> {
    if (!edit.isCluttered) return
    await this.#reading((engine) => dropRemoved(engine, userKeys(user), list, () => this.#shard.transaction.batch))
    await this.#shard.committed()
  }

  async #list<T>(user: string, list: KeptListNumber, request: ListRequest, read: (item: ListItem) => T): Promise<List<T>> {
    const keys = userKeys(user)
    const limit = Math.min(request.limit, LIMIT.listPageMax)
    const page = await this.#reading((engine) => request.since === null
      ? listPage(engine, keys, list, request.after, limit)
      : listChanges(engine, keys, list, request.since, limit))
    return { version: page.version, isFull: page.isFull, more: page.more, items: page.items.map(read) }
  }
}

/** [PRF-9] */
function checkRoom(edit: ListEdit, max: number): void {
  if (edit.count >= max) throw new RouterError(ERROR.listFull, `the list has ${String(max)} entries, which is all it may have`)
}

/** One entry for all devices; the one that made the change knows it by its version. A single device has nobody to tell. [PRF-8] */
function tellDevices(transaction: Transaction, user: UserState, list: number, version: number): void {
  if (user.exists && user.devices.length > 1) appendChanged(transaction, user, list, version)
}
