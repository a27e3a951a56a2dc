/** What users say: a message is accepted at once where everything it needs is in memory; else it waits at its conversation's gate. */
import { hasAttachments } from '../../protocol/attachments.js'
import { type Carried, refusalOfCarried } from '../holdings/carried.js'
import type { BlobLedger } from '../holdings/ledger.js'
import type { Author } from './author.js'
import { acceptMessage, openConversation } from './conversation.js'
import type { ShardEnvironment } from './environment.js'
import { GateCommand, MESSAGE } from './gate.js'
import type { Life } from './life.js'
import { refusalFor, refusalOfExtensions, refusedBusy, refusedPair } from './refusals.js'
import { conversationName } from './conversation-name.js'
import { Writer } from './writer.js'
import { Answer, type Route, type Transaction } from './transaction.js'

/** What messages ask of their shard. */
export interface MessagesHost {
  readonly environment: Pick<ShardEnvironment, 'clock' | 'limits'>
  readonly life: Life
  readonly ledger: BlobLedger
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  answer(answer: Answer): void
  schedule(): void
  /** Something is accepted that will expire. */
  wakeExpiry(): void
}

export class Messages {
  readonly #host: MessagesHost

  constructor(host: MessagesHost) {
    this.#host = host
  }

  /** A message whose form has been checked; answered through the author's sink. `to` is a normalised user or group. */
  say(author: Author, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const { life } = this.#host
    // Whether its sender holds what it carries has to be looked up.
    const route = extensions.length > 0 && hasAttachments(extensions) ? null : life.routeFor(author, to)
    if (route !== null && this.acceptNow(route, author, clientId, text, extensions)) return
    life.gates.wait(conversationName(author.user.name, to), GateCommand.of(MESSAGE, author, clientId, 0, text, extensions))
  }

  /** false: it has to be looked up whether this client id is known, which takes the gate. `carried`: null where it carries no blobs. */
  acceptNow(route: Route, author: Author, clientId: number, text: Uint8Array, extensions: Uint8Array, carried: Carried | null = null): boolean {
    const { conversation } = route
    let { writer } = route
    if (writer === null || writer.isForgotten) {
      writer = conversation.writers.get(Writer.key(author.user.name, author.device.number, author.outboxEpoch)) ?? null
    }
    if (writer !== null && clientId <= writer.lastClientId) return false
    const host = this.#host
    const { clock, limits } = host.environment
    const nowMs = clock.nowMs()
    const refusal = refusalFor(route, author.user) || (extensions.length === 0 ? 0 : refusalOfExtensions(conversation, author.user, extensions)) ||
      (carried === null ? 0 : refusalOfCarried(carried))
    const refused = refusal !== 0 ? new Answer(author, clientId, refusal, 0, 0) :
      refusedPair(conversation, author, clientId, limits, nowMs) ?? refusedBusy(route, author, clientId)
    if (refused !== null) {
      host.answer(refused)
      return true
    }
    if (conversation.timerMs > 0) host.wakeExpiry()
    writer ??= conversation.writer(author.user.name, author.device.number, author.outboxEpoch)
    route.writer = writer
    if (!conversation.exists) openConversation(host.transaction, route, nowMs)
    acceptMessage(host.transaction, route, writer, author, clientId, text, extensions, nowMs, limits.checkpointEvery)
    if (carried !== null) host.ledger.carry(conversation, conversation.tail, author.user.name, carried.parts)
    host.schedule()
    return true
  }
}
