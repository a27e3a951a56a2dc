/** Groups in the state of the interactive program: what is known of them, who may write, what commands led to. No I/O. */
import { membersOf } from '../../protocol/client/group-client.js'
import type { MemberMarks } from '../../protocol/client/node.js'
import type { GroupOutcome } from './group-actions.js'
import { infoPanel, linkText, outcomeLines } from './group-formats.js'
import type { GroupRequest } from './group-words.js'
import type { ConversationState, Effect, ListedConversation, ListedGroup, ScreenEvent, ScreenState, ShownMessage } from './screen-state.js'
import { conversationOf } from './screen-state.js'

/** Why nothing can be sent, by role: that of the server, and those of who has never been in the group. */
const ENDINGS: Readonly<Record<string, (name: string) => string>> = {
  'former': (name) => `you are no longer in ${name}: this conversation has ended for you`,
  'declined': (name) => `you decided not to join ${name}`,
  'uninvited': (name) => `the invitation to ${name} was taken back`,
  'turned down': (name) => `you were not let into ${name}`,
}

/** Whether messages can be sent here. A group of which nothing is known yet takes them: the server will tell. */
export function canWrite({ group }: ConversationState): boolean {
  return group === null || (group.role !== 'invited' && !Object.hasOwn(ENDINGS, group.role))
}

/** Why nothing can be sent. */
export function closedReason({ name, group }: ConversationState): string {
  const role = group?.role ?? ''
  return role === 'invited' ? `you are invited to ${name}: /join or /leave` : (ENDINGS[role] ?? ENDINGS['former']!)(name)
}

/** What the list of conversations says of a group. */
export function listGroup({ group }: ConversationState, listed: ListedConversation): void {
  if (group === null || listed.group === undefined || listed.group === null) return
  group.name = listed.group.name
  group.size = listed.group.size
  group.role = listed.group.role
}

/** Asks for name and members where they are not known, and somebody is there to see them. One question at a time for a group. */
export function loadGroupIfNeeded(state: ScreenState, { name, group }: ConversationState, effects: Effect[]): void {
  if (group === null || !group.isStale || group.isLoading || Object.hasOwn(ENDINGS, group.role) || state.connection !== 'online') return
  group.isStale = false
  group.isLoading = true
  effects.push({ kind: 'load-group', group: name })
}

export function applyGroup(state: ScreenState, name: string, info: ListedGroup | null, effects: Effect[]): void {
  const conversation = conversationOf(state, name)
  const { group } = conversation
  if (group === null) return
  group.isLoading = false
  // Something changed while the answer was on its way: it may be of before or behind that.
  if (info !== null && (!group.isStale || !Object.hasOwn(ENDINGS, group.role))) {
    group.name = info.name
    group.size = info.size
    group.role = info.role
    group.members = info.members.map((member) => member.user)
  }
  if (group.isStale && state.open === name) loadGroupIfNeeded(state, conversation, effects)
}

/** A change that has just come: what it means for this user at once, the rest by asking when it is looked at. */
export function applyChange(state: ScreenState, conversation: ConversationState, { from, change }: ShownMessage, effects: Effect[]): void {
  const { group } = conversation
  if (group === null || change === undefined || change === null) return
  group.isStale = true
  const isMine = from === state.me
  const namesMe = membersOf(change).includes(state.me)
  switch (change.name) {
    case 'create': case 'info': group.name = change.attributes.get('name') ?? group.name; break
    case 'invite': if (namesMe) group.role = 'invited'; break
    case 'disband': end(conversation); break
    case 'remove': if (namesMe) end(conversation); break
    case 'deny': if (namesMe) end(conversation, isMine ? 'declined' : group.role === 'invited' ? 'uninvited' : 'turned down'); break
    case 'leave': if (isMine) end(conversation); break
    case 'request': if (isMine) group.role = ''; break
    case 'join': if (isMine) group.role = 'member'; break
    case 'add': if (namesMe) group.role = 'member'; break
  }
  if (state.open === conversation.name || group.name === '') loadGroupIfNeeded(state, conversation, effects)
}

function end({ group }: ConversationState, role = 'former'): void {
  if (group === null) return
  group.role = role
  group.members = []
  group.size = 0
}

/** What a command led to. What changes a group is seen as a line of its conversation, so that little is left to tell: null. */
export function outcomeEvent({ group, action }: GroupRequest, outcome: GroupOutcome): ScreenEvent | null {
  switch (outcome.kind) {
    case 'info': return { kind: 'panel', lines: infoPanel(outcome.info) }
    case 'link': return { kind: 'panel', lines: [linkText(group, outcome.link), '', 'Whoever has it comes in with /join and the link.'] }
    case 'saved': return null
    case 'unlinked': return { kind: 'notice', text: outcomeLines(outcome).join(' ') }
    case 'changed': {
      if (outcome.isPending) return { kind: 'notice', text: outcomeLines(outcome).join(' ') }
      if (action.kind === 'create' || action.kind === 'join') return { kind: 'open', conversation: group }
      return outcome.seq === 0 ? { kind: 'notice', text: outcomeLines(outcome).join(' ') } : null
    }
  }
}

interface AskedMessage {
  readonly seq: number
  readonly timeMs: number
  readonly text: string
}

/** Who has read a message, who has received it, and who has not; whoever has joined since is not waited for. [GRP-15] */
export function whoReadLines(message: AskedMessage, me: string, marks: readonly MemberMarks[], members: readonly { readonly user: string; readonly sinceMs: number }[] | null): string[] {
  const sinceMs = new Map(members?.map((member) => [member.user, member.sinceMs]))
  const others = marks.filter(({ member }) => member !== me && (sinceMs.get(member) ?? 0) <= message.timeMs)
  const names = (belongs: (marks: MemberMarks) => boolean): string => others.filter(belongs).map(({ member }) => member).sort().join(', ') || 'nobody'
  const hasRead = ({ read }: MemberMarks): boolean => read >= message.seq
  const hasReceived = (one: MemberMarks): boolean => Math.max(one.delivered, one.read) >= message.seq
  return [
    `“${message.text}”`,
    '',
    `read:          ${names(hasRead)}`,
    `delivered:     ${names((one) => hasReceived(one) && !hasRead(one))}`,
    `not yet:       ${names((one) => !hasReceived(one))}`,
    '',
    'Who does not tell what it has read stays at delivered.',
  ]
}
