/** What a user may see of conversations and devices. */
import { ERROR } from '../../protocol/generated/registry.js'
import { userKeys } from '../../storage/user-keys.js'
import { readableBy, tailWithin } from '../groups/access.js'
import { floorsOf } from '../groups/watermarks.js'
import type { ConversationSummary, DeviceInfo, MemberWatermarks, StoredMessage } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { type ConversationFlags, readFlags } from '../profiles/flags.js'
import { type ProfileVersions, readVersions } from '../profiles/profile.js'
import { readable } from './entry-reader.js'
import { withPresent } from '../operations/present.js'
import { readHistory } from './history.js'
import { readMessage } from './log-reader.js'
import type { Shard } from './shard.js'
import { addressIn, isOfTwo } from './conversation-name.js'
import { conversationAddress, type ConversationState } from './conversation-state.js'
import type { UserState } from './user-state.js'

/** What the state in memory said a moment ago may be ahead of the disk; nobody is told what a crash could take back. [RCP-2] */
async function onDisk(shard: Shard, states: readonly ConversationState[]): Promise<void> {
  if (!states.every((state) => shard.isSettled(state))) await shard.committed()
}

/** Who looks at a conversation, which may be at home elsewhere than the user is. */
export type Viewer = Pick<UserState, 'name' | 'readReceipts'>

/** The watermarks of the other members, on disk when the promise resolves. */
export async function settledWatermarks(shard: Shard, conversation: ConversationState, viewer: Viewer): Promise<MemberWatermarks[]> {
  const told = watermarks(conversation, viewer)
  await onDisk(shard, [conversation])
  return told
}

/** The watermarks of the other members, as far as the viewer may know them. [RCP-7] */
function watermarks(conversation: ConversationState, viewer: Viewer): MemberWatermarks[] {
  const others = conversation.members.filter((member) => member.user !== viewer.name)
  return others.map((member) => ({
    member: member.user,
    delivered: conversation.group === null ? member.deliveredTold : member.delivered,
    read: viewer.readReceipts ? member.readTold : 0,
  }))
}

/** What a conversation's home can say of it: all but what the user's and the other's homes know. */
export interface SummaryPart extends Omit<ConversationSummary, 'flags' | 'profileVersion'> {
  /** Whether the other of a pair has blocked the user, who sees less of its profile then. */
  readonly isOtherBlocking: boolean
}

/** Where a user's list of conversations comes from. */
export interface SummarySource {
  /** Of all conversations of the user. */
  names(user: string): Promise<readonly string[]>
  /** By the conversation's name; null: to this viewer it does not exist. */
  part(name: string, viewer: Viewer): Promise<SummaryPart | null>
  /** Both, so that nobody has to wait for the part, which says which one it is. */
  profileVersions(owner: string): Promise<ProfileVersions>
  /** The user's own, of a conversation by its address. */
  flags(user: string, address: string): Promise<ConversationFlags>
  /** Resolves when all of it is on disk. */
  settled(): Promise<void>
}

/** One shard, which is home to all of them. */
export class LocalSummaries implements SummarySource {
  readonly #shard: Shard
  readonly #states: ConversationState[] = []

  constructor(shard: Shard) {
    this.#shard = shard
  }

  async names(user: string): Promise<readonly string[]> {
    return this.#shard.conversationNames(await this.#shard.user(user))
  }

  async part(name: string, viewer: Viewer): Promise<SummaryPart | null> {
    const state = await this.#shard.conversation(name)
    // One that a blocked user has opened is not there. [PRF-14]
    if (state.isHiddenFrom(viewer.name)) return null
    this.#states.push(state)
    return summarize(this.#shard, state, viewer)
  }

  profileVersions(owner: string): Promise<ProfileVersions> {
    return this.#shard.reading(readVersions(this.#shard.engine, owner))
  }

  flags(user: string, address: string): Promise<ConversationFlags> {
    return this.#shard.reading(readFlags(this.#shard.engine, userKeys(user), address))
  }

  settled(): Promise<void> {
    return onDisk(this.#shard, this.#states)
  }
}

/** Of a conversation that has no other. */
const NO_PROFILE: ProfileVersions = { shown: 0, withheld: 0 }

/** A page of the user's conversations by address. [HIS-3] */
export async function listConversations(
  viewer: Viewer, after: string, limit: number, source: SummarySource,
): Promise<{ conversations: ConversationSummary[]; more: boolean }> {
  // Rows are ordered by the conversation's name; addresses of pairs are not, so the page is cut from the whole list.
  const names = await source.names(viewer.name)
  const addressed = names.map((name) => ({ name, address: addressIn(name, viewer.name) })).filter(({ address }) => address > after)
  addressed.sort((one, other) => (one.address < other.address ? -1 : 1))
  const conversations: ConversationSummary[] = []
  let more = false
  for (const { name, address } of addressed) {
    const [part, flags, versions] = await Promise.all([
      source.part(name, viewer), source.flags(viewer.name, address), isOfTwo(name) ? source.profileVersions(address) : NO_PROFILE,
    ])
    if (part === null) continue
    more = conversations.length >= limit
    if (more) break
    const { isOtherBlocking, ...shown } = part
    conversations.push({ ...shown, flags, profileVersion: isOtherBlocking ? versions.withheld : versions.shown })
  }
  await source.settled()
  return { conversations, more }
}

async function summarize(shard: Shard, conversation: ConversationState, user: Viewer): Promise<SummaryPart> {
  const member = conversation.member(user.name)
  if (member === undefined && conversation.group === null) {
    throw new RouterError(ERROR.internalError, 'the list names a conversation that does not know its member')
  }
  const tail = tailWithin(readableBy(conversation, user.name), conversation.committedTail)
  // A damaged message must not hide the conversation.
  const last = await shard.reading(readable(lastShown(shard, conversation, tail, user.name)))
  return {
    conversation: conversationAddress(conversation, user.name),
    tail,
    last,
    read: member?.read ?? tail,
    unread: member?.unread ?? 0,
    others: conversation.group === null ? watermarks(conversation, user) : floorsShown(conversation, user),
    group: groupSummary(conversation, user.name),
    isOtherBlocking: isOfTwo(conversation.name) && conversation.side(addressIn(conversation.name, user.name))?.isBlocking === true,
    timerMs: member === undefined ? 0 : conversation.timerMs,
  }
}

/** Records looked back through for one that is no operation. */
const LAST_LOOK_BACK = 16

/** The last message as it is now; an operation stands for it only where there is nothing else near. [OPS-12] */
async function lastShown({ engine, nowMs }: Shard, conversation: ConversationState, tail: number, viewer: string): Promise<StoredMessage | null> {
  const intervals = readableBy(conversation, viewer)
  const last = await readMessage(engine, conversation, tail)
  if (last === null) return null
  if (last.operation === null) return (await withPresent(engine, conversation, [last], intervals, viewer, nowMs))[0] ?? null
  const { messages } = await readHistory(engine, conversation, { before: tail + 1, limit: LAST_LOOK_BACK }, intervals, viewer, nowMs)
  return messages.findLast(({ operation }) => operation === null) ?? messages.at(-1) ?? null
}

function groupSummary({ group, members }: ConversationState, user: string): ConversationSummary['group'] {
  if (group === null) return null
  const membership = members.find((member) => member.user === user)?.membership
  if (membership !== undefined && membership !== null) return { displayName: group.displayName, size: members.length, role: membership.role }
  const guest = group.guests.get(user)?.kind
  if (guest !== undefined) return { displayName: group.displayName, size: members.length, role: guest === 'invited' ? 'invited' : 'requested' }
  const former = group.former.get(user)
  return { displayName: former?.displayName ?? '', size: former?.size ?? 0, role: 'former' }
}

/** How far all others are, to a member; to who was one, how far they were then. [GRP-11] */
function floorsShown(conversation: ConversationState, viewer: Viewer): MemberWatermarks[] {
  if (conversation.member(viewer.name) !== undefined) return [{ member: '', ...floorsOf(conversation)(viewer) }]
  const former = conversation.group?.former.get(viewer.name)
  return former === undefined ? [] : [{ member: '', delivered: former.delivered, read: viewer.readReceipts ? former.read : 0 }]
}

export function listDevices(user: UserState): DeviceInfo[] {
  return user.devices.map((device) => ({
    device: device.id,
    name: device.name,
    createdMs: device.createdMs,
    lastActiveMs: device.lastActiveMs,
    online: device.feed !== null,
  }))
}
