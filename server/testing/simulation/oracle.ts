/**
 * What must be true, from outside: fed with everything that passes between server and devices, it throws at the first breach of a
 * promise. It knows what clients did and saw, and nothing of how the server works.
 */
import { conversationKeys, numberAt } from '../../../storage/keyspace.js'
import type { Engine } from '../../../storage/engine.js'
import { readLogRun } from '../../shard/log-run.js'
import { conversationName } from '../../shard/state.js'
import { Breach } from './breach.js'
import { GroupOracle } from './group-oracle.js'

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
  readonly group = new GroupOracle()
  /** Seq of each reaction that was acknowledged, by outbox and client id. */
  readonly #reacted = new Map<string, number>()

  /** The server has sent an ack: the message must be on the disk at this moment. [MSG-1, MSG-3] */
  async acked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number, disk: Engine): Promise<void> {
    const conversation = conversationName(from, to)
    const key = `${outbox}/${String(clientId)}`
    const before = this.#acked.get(key)
    if (before !== undefined && (before.seq !== seq || before.timeMs !== timeMs)) {
      throw new Breach(`${key} was acknowledged as ${String(before.seq)} at ${String(before.timeMs)}, now as ${String(seq)} at ${String(timeMs)}`)
    }
    this.#acked.set(key, { conversation, seq, timeMs, text })
    this.#learn({ conversation, from, seq, text })
    const row = (await disk.range({ ...conversationKeys(conversation).logRange(seq), limit: 1 }))[0]
    const record = row === undefined ? undefined : readLogRun(row[1], numberAt(row[0])).find((each) => each.seq === seq)
    if (record === undefined) throw new Breach(`${conversation} ${String(seq)} was acknowledged and is not on the disk`)
    if (Buffer.from(record.text).toString() !== text) throw new Breach(`${conversation} ${String(seq)} holds another text`)
  }

  /** The server has sent the ack of a reaction: it happens once, and a retry is told the same. [OPS-2] */
  reacted(outbox: string, clientId: number, from: string, to: string, target: number, seq: number): void {
    const key = `${outbox}/${String(clientId)}`
    const before = this.#reacted.get(key)
    if (before !== undefined && before !== seq) throw new Breach(`the reaction ${key} was acknowledged as ${String(before)}, now as ${String(seq)}`)
    if (seq === 0) return
    this.#reacted.set(key, seq)
    this.#learn({ conversation: conversationName(from, to), from, seq, text: reactionText(target) })
  }

  /** A device has stored a message. */
  received(user: string, message: SimMessage): void {
    this.#learn(message)
    if (message.from !== user) raise(this.#stored, `${message.conversation} ${user}`, message.seq)
  }

  marked(user: string, conversation: string, seq: number): void {
    raise(this.#marked, `${conversation} ${user}`, seq)
  }

  /** A device was told that `member` has received or read up to `seq`: it must be so. Promise 5. [RCP-1] */
  toldWatermark(conversation: string, member: string, isRead: boolean, seq: number): void {
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
    if (known === undefined) log.set(message.seq, { from: message.from, text: message.text })
    else if (known.text !== message.text || known.from !== message.from) {
      throw new Breach(`${message.conversation} ${String(message.seq)} is '${known.text}' and '${message.text}'`)
    }
  }
}

/** What stands for a reaction where messages are compared: later ones take its emoji away. */
export function reactionText(target: number): string {
  return `${REACTION}${String(target)}`
}

export function isReactionText(text: string): boolean {
  return text.startsWith(REACTION)
}

const REACTION = 'reaction to '

function raise(marks: Map<string, number>, key: string, seq: number): void {
  marks.set(key, Math.max(marks.get(key) ?? 0, seq))
}
