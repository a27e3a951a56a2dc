/** Groups as their members use them: every method resolves when what it did is on disk, and rejects with RouterError. */
import { randomBytes, timingSafeEqual } from 'node:crypto'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { Shard } from '../shard/shard.js'
import type { ConversationState } from '../shard/state.js'
import type { Route } from '../shard/transaction.js'
import type { Change, NewGroup } from './change.js'
import type { GroupCommands, GroupDetails, GroupLink, GroupLinkRequest } from './group-commands.js'
import type { GroupState, Link, Membership } from './group-state.js'
import { GroupWork } from './group-work.js'
import { mayAdd } from './rights.js'

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

  constructor(shard: Shard, limits: GroupLimits, isBlocked: IsBlocked, randomCode: () => Uint8Array = () => randomBytes(LINK_BYTES)) {
    this.#shard = shard
    this.#limits = limits
    this.#isBlocked = isBlocked
    this.#randomCode = randomCode
  }

  async create(user: string, group: string, request: NewGroup): Promise<number> {
    const users = [user, ...request.users]
    await this.#mustHaveRoomFor(users)
    await this.#mustBeWelcome(user, request.users)
    return this.#inTurn(group, users, (work) => work.create(user, request))
  }

  async change(user: string, group: string, change: Change): Promise<number> {
    const users = 'users' in change ? [user, ...change.users] : [user]
    if (change.kind === 'add') await this.#mustHaveRoomFor(change.users)
    if (change.kind === 'add' || change.kind === 'invite') await this.#mustBeWelcome(user, change.users)
    return this.#inTurn(group, users, (work) => work.change(user, change))
  }

  async join(user: string, group: string, code: string | null): Promise<{ seq: number, isPending: boolean }> {
    await this.#mustHaveRoomFor([user])
    return this.#inTurn(group, [user], (work, route) => {
      const link = code === null ? null : this.#goodLink(route.conversation.group, code)
      if (code !== null && link === null && route.conversation.member(user) === undefined) throw invalidLink()
      const joined = work.join(user, link)
      if (link !== null && joined.seq !== 0) {
        link.usesLeft--
        work.touched()
      }
      return joined
    })
  }

  makeLink(user: string, group: string, request: GroupLinkRequest): Promise<GroupLink> {
    return this.#inTurn(group, [user], (work, { conversation }) => {
      const { state } = linkMaker(conversation, user)
      const now = this.#shard.environment.clock.nowMs()
      const inForce = state.links.filter((link) => isGood(link, now))
      state.links.splice(0, state.links.length, ...inForce)
      if (inForce.length >= LIMIT.groupLinksMax) throw new RouterError(ERROR.resourceLimit, 'the group has as many links as it may')
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
    await this.#inTurn(group, [user], (work, { conversation }) => {
      const { state } = linkMaker(conversation, user)
      const link = findLink(state, code)
      if (link === null) throw invalidLink()
      state.links.splice(state.links.indexOf(link), 1)
      work.touched()
    })
  }

  /** What the user may know of the group. [GRP-19] */
  async details(user: string, group: string, code: string | null): Promise<GroupDetails> {
    return this.#shard.inTurn(group, [], ({ conversation }) => {
      const { group: state } = conversation
      const membership = conversation.member(user)?.membership ?? null
      if (state === null) throw code === null ? noSuchGroup() : invalidLink()
      const isGuest = state.guests.get(user)?.kind === 'invited'
      if (membership === null && code !== null && this.#goodLink(state, code) === null) throw invalidLink()
      if (membership === null && code === null && !isGuest) throw noSuchGroup()
      return detailsOf(conversation, state, membership, isGuest, this.#shard.environment.clock.nowMs())
    })
  }

  /** The user's account goes: its memberships with it. */
  async leaveAll(user: string): Promise<void> {
    for (const group of await this.#groupsOf(user, Infinity)) {
      await this.change(user, group, { kind: 'leave' }).catch((error: unknown) => {
        // It was none any more, or somebody else was faster.
        if (!(error instanceof RouterError) || error.code !== ERROR.noSuchConversation) throw error
      })
    }
  }

  #inTurn<T>(group: string, users: readonly string[], work: (work: GroupWork, route: Route) => T): Promise<T> {
    return this.#shard.inTurn(group, users, (route) => {
      const nowMs = this.#shard.environment.clock.nowMs()
      const result = work(new GroupWork(this.#shard.transaction, route, this.#shard.lookup, nowMs, this.#limits.membersMax), route)
      this.#shard.schedule()
      return result
    })
  }

  #goodLink(state: GroupState | null, code: string): Link | null {
    const link = state === null ? null : findLink(state, code)
    return link !== null && isGood(link, this.#shard.environment.clock.nowMs()) ? link : null
  }

  /** Counted a moment before, so that two at once may pass: a bound, not a promise. */
  async #mustHaveRoomFor(users: readonly string[]): Promise<void> {
    for (const name of users) {
      const user = await this.#shard.user(name)
      if (user.groupCount < 0) user.groupCount = (await this.#groupsOf(name, this.#limits.groupsMax)).length
      if (user.groupCount >= this.#limits.groupsMax) throw tooManyGroups(name)
    }
  }

  /** Who has blocked somebody is not added to a group by that one, and the refusal is one that has other reasons too. [PRF-20] */
  async #mustBeWelcome(user: string, others: readonly string[]): Promise<void> {
    for (const other of others) if (await this.#isBlocked(other, user)) throw tooManyGroups(other)
  }

  async #groupsOf(name: string, limit: number): Promise<string[]> {
    const user = await this.#shard.user(name)
    const rows = await this.#shard.reading(this.#shard.engine.range({ ...user.keys.groups(), limit: Math.min(limit, ROWS_MAX) }))
    return rows.map(([key]) => user.keys.nameAt(key))
  }
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
  if (group === null || membership === null) throw noSuchGroup()
  if (!mayAdd(group, membership)) throw new RouterError(ERROR.notAllowed, 'the role of the member does not allow it')
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

function noSuchGroup(): RouterError {
  return new RouterError(ERROR.noSuchConversation, 'there is no such group, or the user is not in it')
}

function invalidLink(): RouterError {
  return new RouterError(ERROR.invalidLink, 'the link is not good')
}
