/** What a user may see of conversations and devices. */
import { ERROR } from '../../protocol/generated/registry.js'
import { readableBy, tailWithin } from '../groups/access.js'
import { floorsOf } from '../groups/fan-out.js'
import type { ConversationSummary, DeviceInfo, MemberWatermarks, StoredMessage } from '../router/router.js'
import { RouterError } from '../router/router.js'
import { readFlags } from '../profiles/flags.js'
import { shownVersion } from '../profiles/profile.js'
import { readable } from './entry-reader.js'
import { withPresent } from '../operations/present.js'
import { readHistory } from './history.js'
import { readMessage } from './log-reader.js'
import type { Shard } from './shard.js'
import { conversationAddress } from './state.js'
import type { ConversationState, UserState } from './state.js'

/** What the state in memory said a moment ago may be ahead of the disk; nobody is told what a crash could take back. [RCP-2] */
async function onDisk(shard: Shard, states: readonly ConversationState[]): Promise<void> {
  if (!states.every((state) => shard.isSettled(state))) await shard.committed()
}

/** The watermarks of the other members, on disk when the promise resolves. */
export async function settledWatermarks(shard: Shard, conversation: ConversationState, viewer: UserState): Promise<MemberWatermarks[]> {
  const told = watermarks(conversation, viewer)
  await onDisk(shard, [conversation])
  return told
}

/** The watermarks of the other members, as far as the viewer may know them. [RCP-7] */
function watermarks(conversation: ConversationState, viewer: UserState): MemberWatermarks[] {
  const others = conversation.members.filter((member) => member.user !== viewer.name)
  return others.map((member) => ({
    member: member.user,
    delivered: conversation.group === null ? member.deliveredTold : member.delivered,
    read: viewer.readReceipts ? member.readTold : 0,
  }))
}

/** A page of the user's conversations by address. [HIS-3] */
export async function listConversations(
  shard: Shard, user: UserState, after: string, limit: number,
): Promise<{ conversations: ConversationSummary[]; more: boolean }> {
  // Rows are ordered by the conversation's name; addresses of pairs are not, so the page is cut from the whole list.
  const names = await shard.conversationNames(user)
  const addressed = names.map((name) => ({ name, address: addressIn(name, user.name) })).filter(({ address }) => address > after)
  addressed.sort((one, other) => (one.address < other.address ? -1 : 1))
  const conversations: ConversationSummary[] = []
  const states: ConversationState[] = []
  let more = false
  for (const { name } of addressed) {
    const state = await shard.conversation(name)
    // One that a blocked user has opened is not there. [PRF-14]
    if (state.isHiddenFrom(user.name)) continue
    more = conversations.length >= limit
    if (more) break
    conversations.push(await summarize(shard, state, user))
    states.push(state)
  }
  await onDisk(shard, states)
  return { conversations, more }
}

async function summarize(shard: Shard, conversation: ConversationState, user: UserState): Promise<ConversationSummary> {
  const member = conversation.member(user.name)
  if (member === undefined && conversation.group === null) {
    throw new RouterError(ERROR.internalError, 'the list names a conversation that does not know its member')
  }
  const tail = tailWithin(readableBy(conversation, user.name), conversation.committedTail)
  const other = conversation.pair === null ? null : conversation.members.find((each) => each !== member)?.user ?? null
  const [last, flags, profileVersion] = await Promise.all([
    // A damaged message must not hide the conversation.
    shard.reading(readable(lastShown(shard, conversation, tail, user.name))),
    shard.reading(readFlags(shard.engine, user.keys, conversationAddress(conversation, user.name))),
    other === null ? 0 : shard.reading(shownVersion(shard.engine, other, conversation.side(other)?.isBlocking === true)),
  ])
  return {
    conversation: conversationAddress(conversation, user.name),
    tail,
    last,
    read: member?.read ?? tail,
    unread: member?.unread ?? 0,
    others: conversation.group === null ? watermarks(conversation, user) : floorsShown(conversation, user),
    group: groupSummary(conversation, user.name),
    flags,
    profileVersion,
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
function floorsShown(conversation: ConversationState, viewer: UserState): MemberWatermarks[] {
  if (conversation.member(viewer.name) !== undefined) return [{ member: '', ...floorsOf(conversation)(viewer) }]
  const former = conversation.group?.former.get(viewer.name)
  return former === undefined ? [] : [{ member: '', delivered: former.delivered, read: viewer.readReceipts ? former.read : 0 }]
}

function addressIn(name: string, user: string): string {
  if (name.startsWith('#')) return name
  const [one = name, other = one] = name.split(':')
  return one === user ? other : one
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
