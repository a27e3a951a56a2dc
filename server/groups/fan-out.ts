/** What happens in a group goes to every member's queue. Pure, as the shard's core. */
import { type Element, encodeElement } from '../../protocol/element.js'
import { encodeChange, encodeDeliveryFrom } from '../../protocol/generated/frames.js'
import { COUNTS_NOWHERE, EntryHead } from '../shard/entry-run.js'
import { appendCounted, appendShared } from '../shard/queue.js'
import { Away } from '../channels/outgoing.js'
import { ANY_INDEX, SharedEntry } from '../shard/shared-entry.js'
import type { ConversationState } from '../shard/conversation-state.js'
import type { Member } from '../shard/member.js'
import type { UserState } from '../shard/user-state.js'
import type { Route, Transaction } from '../shard/transaction.js'
import type { GroupState } from './group-state.js'

/** A message of `sender`, which is a member. */
export function deliverToGroup(
  transaction: Transaction, route: Route, sender: UserState, seq: number, timeMs: number, text: Uint8Array, extensions: Uint8Array,
): void {
  const { conversation, users, channels } = route
  const { members, name, group, columns } = conversation
  const entry = SharedEntry.of(encodeDeliveryFrom(ANY_INDEX, name, sender.name, seq, timeMs, text, extensions))
  const bytes = text.length + extensions.length
  const head = new EntryHead(name, seq)
  head.route = route
  const away = channels.length === 0 ? null : new Away()
  for (let i = 0; i < users.length; i++) {
    const user = users[i]!
    if (user === sender) {
      noteSent(group!, members[i]!, seq)
      // With one device alone the ack has said it all. [QUE-11]
      if (!user.mayHaveSiblings) continue
    } else {
      columns!.unread[i]!++
      if (!user.exists) continue
    }
    if (away !== null && user.channel !== null) away.add(user.channel, user.name)
    else appendCounted(transaction, user, entry, bytes, user === sender ? COUNTS_NOWHERE : head, i)
  }
  if (away !== null) away.sendMessage(transaction, name, sender.name, seq, timeMs, text, extensions)
}

/** The member waits for the others to have it. [GRP-14] */
function noteSent({ awaiting }: GroupState, member: Member, seq: number): void {
  const { membership } = member
  if (membership === null) return
  membership.undelivered.add(seq)
  membership.unread.add(seq)
  awaiting.add(member)
}

/** A change, to everybody it concerns. [GRP-2] */
export function deliverChange(
  transaction: Transaction, conversation: ConversationState, recipients: Iterable<UserState>, from: string, seq: number, timeMs: number, change: Element,
): void {
  const { name } = conversation
  const entry = SharedEntry.of(encodeChange(ANY_INDEX, name, from, seq, timeMs, change))
  const away = new Away()
  for (const user of recipients) {
    if (!user.exists) continue
    if (user.channel !== null) away.add(user.channel, user.name)
    else appendShared(transaction, user, entry, 0, name, from, seq)
  }
  away.send(transaction, (members) => ({ kind: 'change', conversation: name, from, seq, timeMs, change: encodeElement(change), members }))
}
