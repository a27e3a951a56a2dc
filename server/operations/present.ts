/** Messages as operations have left them, to one reader. One more read for a page, and one for each target that lies outside it. [OPS-12, OPS-13] */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf, isExpired, withExpiry } from '../../protocol/expiry.js'
import { LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import type { Engine } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import type { Interval } from '../groups/group-state.js'
import type { PresentState, ReactionCount, StoredMessage } from '../router/router.js'
import { isDamage } from '../shard/entry-reader.js'
import type { ConversationState } from '../shard/conversation-state.js'
import { decodeState, type Edit, type MessageState } from './message-state.js'

/** The messages, ascending, as `viewer` may see them at this time, who may read the intervals. */
export async function withPresent(
  engine: Engine, conversation: ConversationState, messages: readonly StoredMessage[], intervals: readonly Interval[], viewer: string,
  nowMs: number,
): Promise<StoredMessage[]> {
  const states = await statesOf(engine, conversation, messages)
  const kept = messages.map((message) => isExpired(expiryOf(message.extensions), nowMs) ? expired(message) : message)
  if (states.size === 0) return kept
  const mayRead = (seq: number): boolean => intervals.some(({ from, to }) => seq >= from && seq <= to)
  return kept.map((message) => {
    const state = states.get(message.operation?.target ?? message.seq)
    // Of what has expired the sweep leaves no state; until it comes there may be one. [DIS-3]
    if (state === undefined || message.change !== null || isExpired(state.expiresMs, nowMs)) return message
    if (message.operation === null) return presentMessage(message, state, mayRead, viewer)
    return mayRead(message.operation.target) ? presentOperation(message, state, mayRead) : message
  })
}

/** What is left of it. [DIS-3] */
function expired(message: StoredMessage): StoredMessage {
  return { ...message, text: EMPTY_BYTES, extensions: withExpiry(EMPTY_BYTES, expiryOf(message.extensions)) }
}

async function statesOf(engine: Engine, conversation: ConversationState, messages: readonly StoredMessage[]): Promise<Map<number, MessageState>> {
  const states = new Map<number, MessageState>()
  const first = messages[0]?.seq
  const last = messages.at(-1)?.seq
  if (first === undefined || last === undefined) return states
  const { keys } = conversation
  const outside = new Set(messages.flatMap(({ operation }) => operation !== null && (operation.target < first) ? [operation.target] : []))
  const [within, others] = await Promise.all([
    engine.range({ ...keys.states(first, last + 1), limit: last - first + 1 }),
    Promise.all([...outside].map(async (seq) => [seq, await engine.get(keys.state(seq))] as const)),
  ])
  for (const [key, row] of within) keep(states, numberAt(key), row)
  for (const [seq, row] of others) if (row !== undefined) keep(states, seq, row)
  return states
}

/** A damaged row must not hide the page: the message is shown as the log has it. */
function keep(states: Map<number, MessageState>, seq: number, row: Uint8Array): void {
  try {
    states.set(seq, decodeState(row))
  } catch (error) {
    if (!isDamage(error)) throw error
  }
}

function presentMessage(message: StoredMessage, state: MessageState, mayRead: (seq: number) => boolean, viewer: string): StoredMessage {
  const { deletion } = state
  if (deletion !== null) {
    const present = { editedMs: 0, deletedMs: deletion.timeMs, reactions: [] }
    return { ...message, text: EMPTY_BYTES, extensions: EMPTY_BYTES, present }
  }
  const edit = editFor(state, mayRead)
  const present: PresentState = { editedMs: edit?.timeMs ?? 0, deletedMs: 0, reactions: counted(state, mayRead, viewer) }
  return { ...message, text: edit?.text ?? message.text, present }
}

/** An edit carries when its text is gone, and so does a reaction. [DIS-2] */
function presentOperation(message: StoredMessage, state: MessageState, mayRead: (seq: number) => boolean): StoredMessage {
  const text = textInForce(state, message.seq, mayRead)
  const expires = message.operation?.kind !== OPERATION.delete && text.length > 0 && state.expiresMs > 0
  return { ...message, text, extensions: expires ? withExpiry(EMPTY_BYTES, state.expiresMs) : EMPTY_BYTES }
}

/** By emoji, those given most first, of equals the one given first. */
function counted({ reactions }: MessageState, mayRead: (seq: number) => boolean, viewer: string): ReactionCount[] {
  const users = new Map<string, string[]>()
  for (const { user, seq, emoji } of reactions) {
    if (!mayRead(seq)) continue
    const others = users.get(emoji)
    if (others === undefined) users.set(emoji, [user])
    else others.push(user)
  }
  let room: number = LIMIT.reactionNamesMax
  return [...users].sort(([, one], [, other]) => other.length - one.length).slice(0, LIMIT.reactionsShownMax).map(([emoji, all]) => {
    const named = all.slice(0, room)
    room -= named.length
    return { emoji, count: all.length, own: all.includes(viewer), users: named }
  })
}

/** The last one that may be read. */
function editFor({ edit, pastEdits }: MessageState, mayRead: (seq: number) => boolean): Edit | null {
  if (edit !== null && mayRead(edit.seq)) return edit
  return pastEdits.findLast(({ seq }) => mayRead(seq)) ?? null
}

/** Of an edit or a reaction; none where a later operation has taken its place. */
function textInForce(state: MessageState, seq: number, mayRead: (seq: number) => boolean): Uint8Array {
  const edit = editFor(state, mayRead)
  if (edit?.seq === seq) return edit.text
  const reaction = state.reactions.find((each) => each.seq === seq)
  return reaction === undefined ? EMPTY_BYTES : Buffer.from(reaction.emoji)
}
