/** The keys of a conversation: its members' watermarks, its log, and what operations and blobs add to that. */
import type { KeyRange } from './engine.js'
import { OwnerKeys, TABLE } from './owner-keys.js'

const KIND_META = 0x01
const KIND_WATERMARK = 0x02
const KIND_CHECKPOINT = 0x03
const KIND_FLOOR = 0x04
const KIND_RECEIVED = 0x05
const KIND_PAIR = 0x09
const KIND_LOG = 0x60
const KIND_STATE = 0x61
const KIND_REFERENCE = 0x62
const KIND_PICTURE_REFERENCE = 0x63

/** What a row of a conversation is, from its key. */
export type ConversationRowKind =
  | 'meta' | 'watermark' | 'checkpoint' | 'floor' | 'received' | 'pair' | 'log' | 'state' | 'reference' | 'picture-reference'

/** Keys of one conversation: of a pair ('alice:bob', see `pairName`), of one's own notes ('alice') or of a group ('#…'). */
export class ConversationKeys extends OwnerKeys {
  constructor(name: string) {
    super(TABLE.conversation, name)
  }

  meta(): Buffer {
    return this.plain(KIND_META)
  }

  watermark(member: string): Buffer {
    return this.named(KIND_WATERMARK, member)
  }

  checkpoint(): Buffer {
    return this.plain(KIND_CHECKPOINT)
  }

  /** Of a group: up to where all members have received. */
  floor(): Buffer {
    return this.plain(KIND_FLOOR)
  }

  /** Of a group: up to where each member has received. */
  received(): Buffer {
    return this.plain(KIND_RECEIVED)
  }

  /** How the two of a pair stand to each other. */
  pair(): Buffer {
    return this.plain(KIND_PAIR)
  }

  /** The log's record; hot. */
  log(seq: number): Buffer {
    this.keepPrefix()
    return this.numbered(KIND_LOG, seq)
  }

  /** Records from `from` up to, without, `to`; without `to` up to the last. */
  logRange(from: number, to?: number): KeyRange {
    return this.numbers(KIND_LOG, from, to)
  }

  /** What operations have made of the message. */
  state(seq: number): Buffer {
    return this.numbered(KIND_STATE, seq)
  }

  /** The same of messages from `from` up to, without, `to`. */
  states(from: number, to: number): KeyRange {
    return this.numbers(KIND_STATE, from, to)
  }

  /** Which blobs the message carries. */
  reference(seq: number): Buffer {
    return this.numbered(KIND_REFERENCE, seq)
  }

  /** The same of messages from `from` up to, without, `to`. */
  references(from: number, to: number): KeyRange {
    return this.numbers(KIND_REFERENCE, from, to)
  }

  /** Which blob the change of this seq has made the group's picture. */
  pictureReference(seq: number): Buffer {
    return this.numbered(KIND_PICTURE_REFERENCE, seq)
  }

  pictureReferences(from: number, to: number): KeyRange {
    return this.numbers(KIND_PICTURE_REFERENCE, from, to)
  }

  watermarks(): KeyRange {
    return { gte: this.plain(KIND_WATERMARK), lt: this.plain(KIND_WATERMARK + 1) }
  }

  /** What the row is; null for a kind that this version does not know. */
  kindOf(key: Uint8Array): ConversationRowKind | null {
    switch (this.kindByte(key)) {
      case KIND_META: return 'meta'
      case KIND_WATERMARK: return 'watermark'
      case KIND_CHECKPOINT: return 'checkpoint'
      case KIND_FLOOR: return 'floor'
      case KIND_RECEIVED: return 'received'
      case KIND_PAIR: return 'pair'
      case KIND_LOG: return 'log'
      case KIND_STATE: return 'state'
      case KIND_REFERENCE: return 'reference'
      case KIND_PICTURE_REFERENCE: return 'picture-reference'
      default: return null
    }
  }
}

/** Keys of a conversation, by its name in the store; see `pairName`. */
export function conversationKeys(name: string): ConversationKeys {
  return new ConversationKeys(name)
}

/** The conversation of two users in the store: their names, sorted, joined by ':'; one's own notes are the single name. */
export function pairName(one: string, other: string): string {
  if (one === other) return one
  return one < other ? one + ':' + other : other + ':' + one
}
