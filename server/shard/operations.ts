/** What is done to a message that is there: it is edited, deleted for everyone, or reacted to. */
import { expiryOf } from '../../protocol/expiry.js'
import { ERROR, type ErrorCode, OPERATION } from '../../protocol/generated/registry.js'
import { endsBetween } from '../groups/access.js'
import { releaseCarried } from '../holdings/carried.js'
import type { BlobLedger } from '../holdings/ledger.js'
import { acceptOperation, changesText, type TargetRow } from '../operations/accept.js'
import { decide, type OperationKind, UNCHANGED } from '../operations/decide.js'
import type { Indexer } from '../search/indexer.js'
import type { Author } from './author.js'
import type { ShardEnvironment } from './environment.js'
import { EMPTY, GateCommand, OPERATE } from './gate.js'
import type { Life } from './life.js'
import { isErased } from './log-run.js'
import { BUSY_RETRY_MS, mayRead, refusedBusy, refusedStranger } from './refusals.js'
import { conversationName } from './conversation-name.js'
import type { ConversationState } from './conversation-state.js'
import { Answer, type Route, type Transaction } from './transaction.js'

/** What operations ask of their shard. */
export interface OperationsHost {
  readonly environment: Pick<ShardEnvironment, 'clock' | 'limits'>
  readonly life: Life
  /** null: search is off. */
  readonly indexer: Indexer | null
  readonly ledger: BlobLedger
  readonly isAvailable: boolean
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  answer(answer: Answer): void
  schedule(): void
}

export class Operations {
  readonly #host: OperationsHost

  constructor(host: OperationsHost) {
    this.#host = host
  }

  /** Changes a message for all members; answered through the author's sink. It always waits at the gate: its target has to be read. */
  operate(author: Author, clientId: number, address: string, target: number, kind: OperationKind, text: Uint8Array): void {
    const command = GateCommand.of(OPERATE, author, clientId, target, text, EMPTY, kind)
    this.#host.life.gates.wait(conversationName(author.user.name, address), command)
  }

  /** Called by the gates, in the conversation's turn; `target`: null where there is no such message. */
  operateNow(route: Route, author: Author, command: GateCommand, target: TargetRow | null): void {
    const { conversation } = route
    const { clientId, operation: kind, text } = command
    const host = this.#host
    const { clock, limits } = host.environment
    const refusal = refusalOfOperation(conversation, author, kind, target)
    if (refusal !== 0 || target === null || kind === 0) {
      host.answer(new Answer(author, clientId, refusal || ERROR.noSuchMessage, 0, 0))
      return
    }
    const nowMs = clock.nowMs()
    const seq = conversation.tail + 1
    const timeMs = Math.max(nowMs, conversation.lastTimeMs)
    const request = {
      user: author.user.name, isAdmin: conversation.member(author.user.name)?.membership?.isAdmin === true, kind, text,
      isStillRead: (edit: number) => endsBetween(conversation, edit, seq),
    }
    const next = decide(request, {
      ...target.record, isErased: isErased(target.record), state: target.state, expiresMs: expiryOf(target.record.extensions),
    }, seq, timeMs, limits)
    if (typeof next === 'number') {
      host.answer(new Answer(author, clientId, next, 0, 0))
      return
    }
    if (next === UNCHANGED) {
      this.answerOperation(route, kind, new Answer(author, clientId, 0, 0, nowMs))
      return
    }
    const isDelete = kind === OPERATION.delete
    // To take back what was said costs nothing. [PRF-21]
    const refused = refusedBusy(route, author, clientId) ?? (isDelete ? null : refusedStranger(conversation, author, clientId, limits, nowMs))
    if (refused !== null) {
      host.answer(refused)
      return
    }
    const writer = conversation.writer(author.user.name, author.device.number, author.outboxEpoch)
    acceptOperation(host.transaction, route, writer, author, clientId, { target, kind, text, next, seq, timeMs }, limits.checkpointEvery)
    if (changesText(kind)) host.indexer?.textChanged(conversation, target.record.seq)
    if (isDelete) releaseCarried(host, conversation, target.record)
    this.answerOperation(route, kind, new Answer(author, clientId, 0, seq, timeMs))
  }

  /** A delete counts when the queues of all members know of it, wherever they are at home. [OPS-7] */
  answerOperation({ conversation, channels: homes }: Route, kind: OperationKind | 0, answer: Answer): void {
    const host = this.#host
    const { channels } = host.life
    const asked = kind === OPERATION.delete && channels !== null ? new Set(homes) : null
    // Who has left may have it in its queue, too.
    if (asked !== null) for (const user of conversation.group?.former.keys() ?? []) addTo(asked, channels?.to(user) ?? null)
    if (asked === null || asked.size === 0 || channels === null) {
      host.answer(answer)
      return
    }
    const { author, clientId } = answer
    host.schedule()
    channels.allTaken(asked).then(
      () => { host.answer(answer) },
      () => { if (host.isAvailable) host.answer(new Answer(author, clientId, ERROR.unavailable, 0, BUSY_RETRY_MS)) },
    )
  }
}

/** Why the author may not do this to the message, as far as who it is says; 0: it may. */
function refusalOfOperation(conversation: ConversationState, { user }: Author, kind: OperationKind | 0, target: TargetRow | null): ErrorCode | 0 {
  if (conversation.member(user.name) === undefined || kind === 0 || conversation.isHiddenFrom(user.name)) return ERROR.noSuchConversation
  if (target === null || !mayRead(conversation, user, target.record.seq)) return ERROR.noSuchMessage
  // Who has blocked the other has nothing to say to it; what it said it may still take back. [PRF-13]
  return kind !== OPERATION.delete && conversation.side(user.name)?.isBlocking === true ? ERROR.contactBlocked : 0
}

function addTo<T>(set: Set<T>, item: T | null): void {
  if (item !== null) set.add(item)
}
