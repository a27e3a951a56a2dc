/** Groups as their members use them: every method resolves when what it did is on disk, and rejects with RouterError. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { GroupCounts } from '../channels/federation.js'
import { holding } from '../holdings/held.js'
import { RouterError } from '../router/router.js'
import { mustHaveRoom } from '../shard/refusals.js'
import type { Shard } from '../shard/shard.js'
import { decodeStanding } from '../shard/records.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { COUNTING, type UserState } from '../shard/user-state.js'
import type { Route } from '../shard/transaction.js'
import type { Change, NewGroup } from './change.js'
import type { GroupCommands, GroupDetails, GroupLink, GroupLinkRequest } from './group-commands.js'
import type { GroupState, Link, Membership, Standing } from './group-state.js'
import { groupTaken, GroupWork } from './group-work.js'
import { authorOf, concernedBy, mayAdd, notAllowed, notInIt } from './rights.js'

export interface GroupLimits {
  readonly membersMax: number
  readonly groupsMax: number
}

/** Whether `owner` has blocked `other`. */
export type IsBlocked = (owner: string, other: string) => Promise<boolean>

export class Groups implements GroupCommands {
  readonly #shard: Shard
  readonly #limits: GroupLimits
  readonly #isBlocked: IsBlocked
  readonly #randomCode: () => Uint8Array
  /** One count of a user's groups at a time: one that a change has overtaken would be taken for the one begun behind that. */
  readonly #counting = new Map<UserState, Promise<void>>()

  constructor(shard: Shard, limits: GroupLimits, isBlocked: IsBlocked, randomCode: () => Uint8Array = () => randomBytes(LINK_BYTES)) {
    this.#shard = shard
    this.#limits = limits
    this.#isBlocked = isBlocked
    this.#randomCode = randomCode
  }

  async create(user: string, group: string, request: NewGroup): Promise<number> {
    const existing = (await this.#shard.conversation(group)).group
    const users = existing === null ? [user, ...request.users] : [user]
    if (existing === null) {
      await this.#mustHaveRoomFor(users, 'member')
      await this.#mustBeWelcome(user, request.users)
    }
    return this.#inTurn(group, (conversation) => {
      if (conversation.group !== null && (conversation.group.creator !== user || conversation.members.length === 0)) throw groupTaken()
      return users
    }, (work) => work.create(user, request))
  }

  async change(user: string, group: string, change: Change): Promise<number> {
    if (change.kind === 'add' || change.kind === 'invite') {
      // Looked at before, since all of these are read from the store.
      const conversation = await this.#shard.conversation(group)
      authorOf(conversation, user, change)
      const fresh = change.users.filter((name) => !isTrueOf(conversation, name, change.kind))
      await this.#mustHaveRoomFor(fresh, change.kind === 'add' ? 'member' : 'guest')
      await this.#mustBeWelcome(user, fresh)
    }
    const concerned = (conversation: ConversationState): readonly string[] => {
      authorOf(conversation, user, change)
      return [user, ...concernedBy(change, conversation)]
    }
    const picture = change.kind === 'info' ? change.picture ?? '' : ''
    if (picture === '') return this.#inTurn(group, concerned, (work) => work.change(user, change))
    return holding(this.#shard, async (held) => {
      const blob = await held.claim(user, picture)
      return this.#inTurn(group, concerned, (work) => {
        held.check()
        return work.change(user, change, blob)
      })
    })
  }

  async join(user: string, group: string, code: string | null): Promise<{ seq: number, isPending: boolean }> {
    const door = (conversation: ConversationState): Link | null => {
      const link = code === null ? null : this.#goodLink(conversation, code)
      // Who has come in, or waits, by the last use of a link may ask again. [GRP-6]
      if (code !== null && link === null && !isTrueOf(conversation, user, 'request')) throw invalidLink()
      if (code === null && conversation.member(user) === undefined && conversation.group?.guests.get(user)?.kind !== 'invited') throw notInIt()
      return link
    }
    const seen = await this.#shard.conversation(group)
    const link = door(seen)
    const kind = seen.group?.guests.get(user)?.kind
    const isRequest = kind !== 'invited' && (link?.needsApproval ?? kind === 'request')
    if (!isTrueOf(seen, user, isRequest ? 'request' : 'join')) await this.#mustHaveRoomFor([user], isRequest ? 'guest' : 'member')
    return this.#inTurn(group, (conversation) => {
      door(conversation)
      return [user]
    }, (work, { conversation }) => {
      const link = door(conversation)
      const joined = work.join(user, link)
      if (link !== null && joined.seq !== 0) {
        link.usesLeft--
        work.touched()
      }
      return joined
    })
  }

  makeLink(user: string, group: string, request: GroupLinkRequest): Promise<GroupLink> {
    return this.#inTurn(group, (conversation) => (linkMaker(conversation, user), []), (work, { conversation }) => {
      const { state } = linkMaker(conversation, user)
      const now = this.#shard.environment.clock.nowMs()
      if (request.expiresMs !== undefined && request.expiresMs <= now) throw new RouterError(ERROR.badRequest, 'expires lies in the past')
      const inForce = state.links.filter((link) => isGood(link, now))
      if (inForce.length >= LIMIT.groupLinksMax) throw new RouterError(ERROR.listFull, 'the group has as many links as it may')
      state.links.splice(0, state.links.length, ...inForce)
      const link = {
        code: this.#randomCode(), by: user, createdMs: now, expiresMs: request.expiresMs ?? Infinity,
        usesLeft: request.uses ?? Infinity, needsApproval: request.needsApproval,
      }
      state.links.push(link)
      work.touched()
      return linkView(link)
    })
  }

  async revokeLink(user: string, group: string, code: string): Promise<void> {
    await this.#inTurn(group, (conversation) => (linkMaker(conversation, user), []), (work, { conversation }) => {
      const { state } = linkMaker(conversation, user)
      const link = findLink(state, code)
      // It lets nobody in, as was asked for. [GRP-6]
      if (link === null) return
      state.links.splice(state.links.indexOf(link), 1)
      work.touched()
    })
  }

  /** What the user may know of the group; read from the conversation alone. [GRP-19] */
  async details(user: string, group: string, code: string | null): Promise<GroupDetails> {
    const conversation = await this.#shard.conversation(group)
    const { group: state } = conversation
    const membership = conversation.member(user)?.membership ?? null
    if (state === null) throw code === null ? notInIt() : invalidLink()
    const isGuest = state.guests.get(user)?.kind === 'invited'
    if (membership === null && code !== null && this.#goodLink(conversation, code) === null) throw invalidLink()
    if (membership === null && code === null && !isGuest) throw notInIt()
    const details = detailsOf(conversation, state, membership, isGuest, this.#shard.environment.clock.nowMs())
    if (!this.#shard.isSettledButForLate(conversation)) await this.#shard.committed()
    return details
  }

  /** The user's account goes: its memberships with it, and what it was invited to. Groups at home elsewhere hear of it over the channels. */
  async leaveAll(user: string): Promise<void> {
    const groups = await this.#groupsOf(user)
    for (const { group, standing } of groups) {
      if (standing !== 'former' && (this.#shard.channels?.to(group) ?? null) === null) await this.#leave(user, group)
    }
    const { channels } = this.#shard
    if (channels === null) return
    await channels.opened()
    for (const { group, standing } of groups) {
      if (standing !== 'former') channels.to(group)?.append(this.#shard.transaction, { kind: 'leave', user, conversation: group })
    }
    this.#shard.schedule()
  }

  async #leave(user: string, group: string): Promise<void> {
    await this.change(user, group, { kind: 'leave' }).catch((error: unknown) => {
      // It was none any more, or somebody else was faster.
      if (!(error instanceof RouterError) || error.code !== ERROR.noSuchConversation) throw error
    })
  }

  async #inTurn<T>(
    group: string, users: (conversation: ConversationState) => readonly string[], work: (work: GroupWork, route: Route) => T,
  ): Promise<T> {
    const { channels } = this.#shard
    // Not a turn later where there is nothing to open: what the client says next comes behind it.
    if (channels !== null) await channels.opened()
    return this.#shard.inTurn(group, users, (route) => {
      mustHaveRoom(route)
      const result = work(new GroupWork(this.#shard, route, this.#limits.membersMax), route)
      this.#shard.schedule()
      return result
    })
  }

  /** A group that all have left is over. [GRP-12] */
  #goodLink({ group, members }: ConversationState, code: string): Link | null {
    const link = group === null || members.length === 0 ? null : findLink(group, code)
    return link !== null && isGood(link, this.#shard.environment.clock.nowMs()) ? link : null
  }

  /** Counted a moment before, so that two at once may pass: a bound, not a promise. What somebody was in counts no more. [GRP-23] */
  async #mustHaveRoomFor(users: readonly string[], as: 'member' | 'guest'): Promise<void> {
    for (const name of users) if ((await this.#countsOf(name))[as] >= this.#limits.groupsMax) throw tooManyGroups(name)
  }

  #countsOf(name: string): Promise<GroupCounts> {
    const { channels } = this.#shard
    const away = channels?.to(name) ?? null
    return channels === null || away === null ? this.counts(name) : channels.ask(away.shard, 'groupCounts', name)
  }

  /** Groups that a user who is at home here is in, and may come into. */
  async counts(name: string): Promise<GroupCounts> {
    const user = await this.#shard.user(name)
    while (user.groupCount < 0) await (this.#counting.get(user) ?? this.#countAlone(user))
    return { member: user.groupCount, guest: user.invitationCount }
  }

  #countAlone(user: UserState): Promise<void> {
    const counting = this.#count(user).finally(() => { this.#counting.delete(user) })
    this.#counting.set(user, counting)
    return counting
  }

  /** Nothing has come of it where a group was listed meanwhile. */
  async #count(user: UserState): Promise<void> {
    // What is listed while its rows are waited for, or read, may be missing there.
    user.groupCount = COUNTING
    // The rows of the open transaction are not there to be read.
    if (!this.#shard.isSettledButForLate(user)) await this.#shard.committed()
    const groups = await this.#groupsOf(user.name)
    if (user.groupCount !== COUNTING) return
    user.groupCount = groups.filter(({ standing }) => standing === 'member').length
    user.invitationCount = groups.filter(({ standing }) => standing === 'guest').length
  }

  /** Who has blocked somebody is not added to a group by that one, and the refusal is one that has other reasons too. [PRF-20] */
  async #mustBeWelcome(user: string, others: readonly string[]): Promise<void> {
    for (const other of others) if (await this.#isBlocked(other, user)) throw tooManyGroups(other)
  }

  async #groupsOf(name: string): Promise<{ group: string, standing: Standing }[]> {
    const user = await this.#shard.user(name)
    const rows = await this.#shard.reading(this.#shard.engine.range({ ...user.keys.groups(), limit: ROWS_MAX }))
    return rows.map(([key, row]) => ({ group: user.keys.nameAt(key), standing: decodeStanding(row) }))
  }
}

/** Whether the change would leave the user as it is, whatever else keeps it from groups. [GRP-6] */
function isTrueOf(conversation: ConversationState, user: string, change: Change['kind'] | 'join' | 'request'): boolean {
  const kind = conversation.group?.guests.get(user)?.kind
  return conversation.member(user) !== undefined || (change === 'invite' && kind === 'invited') || (change === 'request' && kind === 'request')
}

const LINK_BYTES = 16
const ROWS_MAX = 100_000

function tooManyGroups(user: string): RouterError {
  return new RouterError(ERROR.tooManyGroups, `${user} is in as many groups as it may be`)
}

function isGood(link: Link, nowMs: number): boolean {
  return link.expiresMs > nowMs && link.usesLeft > 0
}

/** Compared in constant time, and with every link. */
function findLink(state: GroupState, code: string): Link | null {
  const bytes = Buffer.from(code, 'base64url')
  let found: Link | null = null
  for (const link of state.links) if (bytes.length === link.code.length && timingSafeEqual(bytes, link.code)) found = link
  return found
}

function linkMaker(conversation: ConversationState, user: string): { state: GroupState } {
  const { group } = conversation
  const membership = conversation.member(user)?.membership ?? null
  if (group === null || membership === null) throw notInIt()
  if (!mayAdd(group, membership)) throw notAllowed()
  return { state: group }
}

function linkView({ code, by, createdMs, expiresMs, usesLeft, needsApproval }: Link): GroupLink {
  return { code: Buffer.from(code).toString('base64url'), by, createdMs, expiresMs, usesLeft, needsApproval }
}

function detailsOf(conversation: ConversationState, state: GroupState, membership: Membership | null, isInvited: boolean, nowMs: number): GroupDetails {
  const shown = { displayName: state.displayName, about: state.about, picture: state.picture, createdMs: conversation.createdMs, size: conversation.members.length }
  if (membership === null) return { ...shown, role: isInvited ? 'invited' : 'none', inside: null }
  const links = mayAdd(state, membership) ? state.links.filter((link) => isGood(link, nowMs)) : []
  return {
    ...shown,
    role: membership.role,
    inside: {
      tail: conversation.tail,
      policy: state.policy,
      members: conversation.members.map((member) => ({ user: member.user, role: member.membership?.role ?? 'member', sinceMs: member.membership?.sinceMs ?? 0 })),
      guests: [...state.guests].map(([user, guest]) => ({ user, kind: guest.kind, by: guest.by })),
      links: links.map(linkView),
    },
  }
}

function invalidLink(): RouterError {
  return new RouterError(ERROR.invalidLink, 'the link is not good')
}
