/** What is done to a message that is there: it is edited, deleted for everyone, or reacted to. */
import { expiryOf } from '../../protocol/expiry.js'
import { ERROR, OPERATION } from '../../protocol/generated/registry.js'
import { endsBetween } from '../groups/access.js'
import { acceptOperation, changesText, type TargetRow } from '../operations/accept.js'
import { decide, type OperationKind, UNCHANGED } from '../operations/decide.js'
import type { Author } from './author.js'
import type { GateCommand } from './gate.js'
import { isErased } from './log-run.js'
import { mayRead } from './refusals.js'
import type { Shard } from './shard.js'
import { Answer, type Route } from './transaction.js'

/** Told to a client whose command finds too much under way to another shard. */
export const BUSY_RETRY_MS = 1000

/** In the conversation's turn; `target`: null where there is no such message. */
export function operateNow(shard: Shard, route: Route, author: Author, command: GateCommand, target: TargetRow | null): void {
  const { conversation } = route
  const { clientId, operation: kind, text } = command
  const { clock, limits } = shard.environment
  const membership = conversation.member(author.user.name)
  if (membership === undefined || kind === 0 || conversation.isHiddenFrom(author.user.name)) {
    shard.answer(new Answer(author, clientId, ERROR.noSuchConversation, 0, 0))
    return
  }
  if (target === null || !mayRead(conversation, author.user, target.record.seq)) {
    shard.answer(new Answer(author, clientId, ERROR.noSuchMessage, 0, 0))
    return
  }
  // Who has blocked the other has nothing to say to it; what it said it may still take back. [PRF-13]
  if (kind !== OPERATION.delete && conversation.side(author.user.name)?.isBlocking === true) {
    shard.answer(new Answer(author, clientId, ERROR.contactBlocked, 0, 0))
    return
  }
  const nowMs = clock.nowMs()
  const seq = conversation.tail + 1
  const timeMs = Math.max(nowMs, conversation.lastTimeMs)
  const request = {
    user: author.user.name, isAdmin: membership.membership?.isAdmin === true, kind, text,
    isStillRead: (edit: number) => endsBetween(conversation, edit, seq),
  }
  const next = decide(request, {
    ...target.record, isErased: isErased(target.record), state: target.state, expiresMs: expiryOf(target.record.extensions),
  }, seq, timeMs, limits)
  if (typeof next === 'number') shard.answer(new Answer(author, clientId, next, 0, 0))
  else if (next === UNCHANGED) answerOperation(shard, route, kind, new Answer(author, clientId, 0, 0, nowMs))
  else if (shard.refusesBusy(route, author, clientId)) return
  // To take back what was said costs nothing. [PRF-21]
  else if (kind === OPERATION.delete || !shard.refusesStranger(conversation, author, clientId, nowMs)) {
    const writer = conversation.writer(author.user.name, author.device.number, author.outboxEpoch)
    acceptOperation(shard.transaction, route, writer, author, clientId, { target, kind, text, next, seq, timeMs }, limits.checkpointEvery)
    if (changesText(kind)) shard.indexer?.textChanged(conversation, target.record.seq)
    if (kind === OPERATION.delete) shard.releaseCarried(conversation, target.record)
    answerOperation(shard, route, kind, new Answer(author, clientId, 0, seq, timeMs))
  }
}

/** A delete counts when the queues of all members know of it, wherever they are at home. [OPS-7] */
export function answerOperation(shard: Shard, { conversation, channels }: Route, kind: OperationKind | 0, answer: Answer): void {
  const homes = kind === OPERATION.delete && shard.channels !== null ? new Set(channels) : null
  // Who has left may have it in its queue, too.
  if (homes !== null) for (const user of conversation.group?.former.keys() ?? []) addTo(homes, shard.channels?.to(user) ?? null)
  if (homes === null || homes.size === 0 || shard.channels === null) {
    shard.answer(answer)
    return
  }
  const { author, clientId } = answer
  shard.schedule()
  shard.channels.allTaken(homes).then(
    () => { shard.answer(answer) },
    () => { if (shard.isAvailable) shard.answer(new Answer(author, clientId, ERROR.unavailable, 0, BUSY_RETRY_MS)) },
  )
}

function addTo<T>(set: Set<T>, item: T | null): void {
  if (item !== null) set.add(item)
}
