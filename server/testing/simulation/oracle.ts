/**
 * What must be true, from outside: fed with everything that passes between server and devices, it throws at the first breach of a
 * promise. It knows what clients did and saw, and nothing of how the server works.
 */
import { isGroup } from '../../../protocol/address.js'
import { expiryOf } from '../../../protocol/expiry.js'
import type { Frame } from '../../../protocol/generated/frames.js'
import { FRAME } from '../../../protocol/generated/registry.js'
import { conversationKeys } from '../../../storage/conversation-keys.js'
import { numberAt } from '../../../storage/owner-keys.js'
import type { Engine } from '../../../storage/engine.js'
import type { ShardLimits } from '../../shard/environment.js'
import { readLogRun } from '../../shard/log-run.js'
import { conversationName } from '../../shard/conversation-name.js'
import { Breach } from './breach.js'
import { AccessOracle } from './access-life.js'
import { BlockOracle } from './block-oracle.js'
import { ExpiryOracle, type SimClock } from './expiry-oracle.js'
import type { SimDevice } from './device.js'
import { GroupOracle } from './group-oracle.js'
import { OperationOracle, type SimOperation } from './operation-oracle.js'
import { LIMITS } from './server.js'

export interface SimMessage {
  readonly conversation: string
  readonly from: string
  readonly seq: number
  readonly text: string
}

interface Acked {
  readonly conversation: string
  readonly seq: number
  readonly timeMs: number
  readonly text: string
}

export class Oracle {
  /** What was acknowledged, by user, device, outbox epoch and client id. */
  readonly #acked = new Map<string, Acked>()
  /** Each conversation's messages by seq, from acks and deliveries alike: they must all agree. */
  readonly conversations = new Map<string, Map<number, { from: string; text: string }>>()
  /** The highest seq of others that any device of the user has stored, by conversation and user. */
  readonly #stored = new Map<string, number>()
  /** The highest seq the user has asked to be marked as read. */
  readonly #marked = new Map<string, number>()
  /** The highest seq that was acknowledged as read. */
  readonly #ackedMarks = new Map<string, number>()
  readonly group = new GroupOracle()
  readonly blocks = new BlockOracle()
  readonly access = new AccessOracle()
  readonly operations: OperationOracle
  readonly expiry: ExpiryOracle
  /** Seq of each operation that was acknowledged, by outbox and client id. */
  readonly #operated = new Map<string, number>()
  /** A device was told of somebody's presence. */
  onPresence: (device: SimDevice, user: string, isOnline: boolean, lastSeenMs: number) => void = () => undefined

  constructor(clock: SimClock, limits: Pick<ShardLimits, 'editAgeMs' | 'deleteAgeMs'> = LIMITS) {
    this.operations = new OperationOracle(limits, () => clock.latestMs)
    this.expiry = new ExpiryOracle(clock, this.operations)
  }

  /** The server has sent an ack: the message must be on the disk at this moment. [MSG-1, MSG-3] */
  async acked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number, diskOf: (conversation: string) => Pick<Engine, 'range'>): Promise<void> {
    const conversation = conversationName(from, to)
    const key = `${outbox}/${String(clientId)}`
    const before = this.#acked.get(key)
    if (before !== undefined && (before.seq !== seq || before.timeMs !== timeMs)) {
      throw new Breach(`${key} was acknowledged as ${String(before.seq)} at ${String(before.timeMs)}, now as ${String(seq)} at ${String(timeMs)}`)
    }
    this.#acked.set(key, { conversation, seq, timeMs, text })
    this.#learn({ conversation, from, seq, text })
    this.operations.sent(conversation, seq, timeMs, text)
    if (!isGroup(to)) this.blocks.acked(key, from, to, conversation, seq, text)
    const row = (await diskOf(conversation).range({ ...conversationKeys(conversation).logRange(seq), limit: 1 }))[0]
    const record = row === undefined ? undefined : readLogRun(row[1], numberAt(row[0])).find((each) => each.seq === seq)
    if (record === undefined) throw new Breach(`${conversation} ${String(seq)} was acknowledged and is not on the disk`)
    const stored = Buffer.from(record.text).toString()
    if (stored !== text && !(stored === '' && this.operations.mayHave(conversation, seq, ''))) throw new Breach(`${conversation} ${String(seq)} holds another text`)
  }

  /** The server has sent the ack of an operation: it happens once, and a retry is told the same. [OPS-2] */
  operated(outbox: string, clientId: number, operation: SimOperation, seq: number, timeMs: number): void {
    const key = `${outbox}/${String(clientId)}`
    const before = this.#operated.get(key)
    if (before !== undefined && before !== seq) throw new Breach(`the operation ${key} was acknowledged as ${String(before)}, now as ${String(seq)}`)
    const { conversation, from, kind, target, text } = operation
    this.operations.acked(operation, seq, timeMs, this.authorOf(conversation, target) ?? from)
    if (seq === 0) return
    this.#operated.set(key, seq)
    const to = isGroup(conversation) ? null : conversation.split(':').find((name) => name !== from)
    // Who has blocked the other may still take back what it said.
    if (typeof to === 'string') this.blocks.acked(key, from, to, conversation, seq, kind === 'edit' ? text : '', kind === 'delete')
    this.#learn({ conversation, from, seq, text: operationText(kind, target) })
  }

  /** A shard sends entries to a device: a disabled user gets none, and nobody the text of what was deleted or has expired. */
  handedOut(user: string, frames: readonly Frame[]): void {
    this.access.told(user)
    for (const frame of frames) {
      if (frame.type !== FRAME.delivery && frame.type !== FRAME.deliveryFrom && frame.type !== FRAME.operation) continue
      const name = conversationName(user, frame.conversation)
      const text = Buffer.from(frame.text).toString()
      this.expiry.given(user, name, frame.type === FRAME.operation ? frame.target : frame.seq, text)
      if (frame.type === FRAME.operation) continue
      this.operations.given(user, name, frame.seq, text)
      this.expiry.told(name, frame.seq, expiryOf(frame.extensions))
      if (text === '') this.expiry.withheld(user, name, frame.seq)
    }
  }

  /** A device has stored an operation, or was shown it by the history. */
  happened(user: string, operation: SimOperation, seq: number): void {
    const { conversation, from, kind, target } = operation
    this.operations.happened(operation, seq)
    this.received(user, { conversation, from, seq, text: operationText(kind, target) })
  }

  /** Who wrote it was told that it was not taken, and has given it up. */
  refused(to: string, text: string): void {
    if (isGroup(to)) this.group.refused(text)
    else this.blocks.abandoned(text)
  }

  authorOf(conversation: string, seq: number): string | undefined {
    return this.conversations.get(conversation)?.get(seq)?.from
  }

  /** A device has stored a message. */
  received(user: string, message: SimMessage): void {
    this.#learn(message)
    if (message.from !== user) raise(this.#stored, `${message.conversation} ${user}`, message.seq)
  }

  marked(user: string, conversation: string, seq: number): void {
    raise(this.#marked, `${conversation} ${user}`, seq)
  }

  /** The server has sent the ack of a mark. */
  markAcked(user: string, conversation: string, seq: number): void {
    raise(this.#ackedMarks, `${conversation} ${user}`, seq)
  }

  /** [RCP-2] */
  checkRead(user: string, conversation: string, read: number): void {
    const acked = this.#ackedMarks.get(`${conversation} ${user}`) ?? 0
    if (read < acked) throw new Breach(`${user} has read ${conversation} up to ${String(read)}, and it was acknowledged up to ${String(acked)}`)
  }

  /** The block is in force: nothing that its owner has from now on is told. [PRF-12] */
  blockBegan(owner: string, other: string): void {
    const key = `${conversationName(owner, other)} ${owner}`
    this.blocks.began(owner, other, Math.max(this.#stored.get(key) ?? 0, this.#marked.get(key) ?? 0))
  }

  /** A device was told that `member` has received or read up to `seq`: it must be so. Promise 5. [RCP-1] */
  toldWatermark(conversation: string, viewer: string, member: string, isRead: boolean, seq: number): void {
    if (member !== viewer) this.blocks.told(conversation, member, seq)
    const truth = (isRead ? this.#marked : this.#stored).get(`${conversation} ${member}`) ?? 0
    const read = this.#marked.get(`${conversation} ${member}`) ?? 0
    if (seq > Math.max(truth, read)) {
      throw new Breach(`${conversation}: ${member} is said to have ${isRead ? 'read' : 'received'} ${String(seq)}, but has ${String(truth)}`)
    }
  }

  /** Everything acknowledged to or from this user, by conversation, in order: what each of the user's devices must hold in the end. */
  *acknowledgedFor(user: string): Generator<SimMessage> {
    for (const { conversation, seq, text } of this.#acked.values()) {
      if (!conversation.split(':').includes(user)) continue
      yield { conversation, seq, text, from: this.conversations.get(conversation)?.get(seq)?.from ?? '' }
    }
  }

  get acknowledged(): number {
    return this.#acked.size
  }

  /** One order for all: a position holds one message, whoever looks. [MSG-6] */
  #learn(message: SimMessage): void {
    let log = this.conversations.get(message.conversation)
    if (log === undefined) this.conversations.set(message.conversation, log = new Map())
    const known = log.get(message.seq)
    const mayHave = (text: string): boolean => this.operations.mayHave(message.conversation, message.seq, text)
    if (known === undefined || (known.from === message.from && mayHave(known.text))) log.set(message.seq, { from: message.from, text: message.text })
    else if (known.from !== message.from || (known.text !== message.text && !mayHave(message.text))) {
      throw new Breach(`${message.conversation} ${String(message.seq)} is '${known.text}' and '${message.text}'`)
    }
  }
}

/** What stands for an operation where messages are compared: later ones may take its text away. */
export function operationText(kind: string, target: number): string {
  return `${OPERATION_SIGN}${kind} of ${String(target)}`
}

const OPERATION_SIGN = 'operation: '

function raise(marks: Map<string, number>, key: string, seq: number): void {
  marks.set(key, Math.max(marks.get(key) ?? 0, seq))
}
