/**
 * The keys of what belongs to somebody: a user, a conversation, a blob.
 *
 *     slot      2 bytes, big-endian: that of the owner, see slots.ts
 *     table     'c' a conversation's rows, 'k' a blob's, 's' the index of a conversation's text, 'u' a user's rows: in a slot those of
 *               conversations come first, see server/shard/conversation-walk.ts
 *     owner     its name in ASCII, ended by 0x00, so that no name is the beginning of another
 *     kind      what the row is; small rows first, so that one short read loads them all
 *     number    8 bytes, big-endian: device, queue index, seq …  or a name in ASCII
 *
 * Slots above 16,383 belong to nobody: 0xFFFF holds what a shard keeps for itself, see shard-keys.ts.
 */
import type { KeyRange } from './engine.js'
import { checkName, HEAD_BYTES, latin1 } from './key-parts.js'
import { SLOT_COUNT, slotAt, slotOf } from './slots.js'

const TABLE_USER = 0x75
const TABLE_CONVERSATION = 0x63
const TABLE_SEARCH = 0x73
const TABLE_BLOB = 0x6b

// Kinds below KIND_LARGE are few and short in every owner; a new kind that can grow belongs above.
const KIND_LARGE = 0x40
const KIND_ACCOUNT = 0x01
const KIND_SETTINGS = 0x02
const KIND_DEVICE = 0x03
const KIND_CURSOR = 0x04
const KIND_QUEUE_META = 0x05
const KIND_PRESENCE = 0x08
const KIND_PROFILE = 0x09
const KIND_LIST_META = 0x0a
const KIND_ERASURES = 0x0b
const KIND_BLOB_USE = 0x0c
const KIND_LIST = 0x40
// Each kept list has two kinds: its items by name, and the name of each by the version that changed it last.
const KIND_KEPT_LISTS = 0x42
const KIND_HOLDING = 0x50
const KIND_ENTRY = 0x60
const KIND_END = 0xff
const KIND_META = 0x01
const KIND_BLOB_HOME = 0x02
const KIND_WATERMARK = 0x02
const KIND_CHECKPOINT = 0x03
const KIND_FLOOR = 0x04
const KIND_RECEIVED = 0x05
const KIND_PAIR = 0x09
const KIND_LOG = 0x60
const KIND_SEGMENT = 0x60
const KIND_STATE = 0x61
const KIND_REFERENCE = 0x62
const KIND_PICTURE_REFERENCE = 0x63

/** Behind the kind of presence: the row of last seen has nothing there. */
const SUFFIX_PRIVACY = 'privacy'

/** Lists that a user keeps, each with a version; the number says where its rows are. */
export const KEPT_LIST = { contacts: 0, blocked: 1, flags: 2 } as const
export type KeptListNumber = (typeof KEPT_LIST)[keyof typeof KEPT_LIST]

const NUMBER_BYTES = 8
const TWO_32 = 0x1_0000_0000

/** What a row of an owner is, from its key. */
export type RowKind =
  | 'account' | 'settings' | 'device' | 'cursor' | 'queue-meta' | 'last-seen' | 'privacy' | 'erasures' | 'conversation' | 'entry'
  | 'profile' | 'list-meta' | 'list-item' | 'list-change' | 'meta' | 'watermark' | 'checkpoint' | 'floor' | 'received' | 'pair' | 'log' | 'state'
  | 'blob-use' | 'holding' | 'reference' | 'picture-reference' | 'home'

/** Keys of one owner; keeps the common prefix once it is hot, so that a hot key is one allocation and two copies. */
class OwnerKeys {
  /** The owner's name. */
  readonly name: string
  readonly #table: number
  /** null before the first hot key: of the owners in memory most are idle, and memory outside the heap is dear. */
  #keptPrefix: Buffer | null

  constructor(table: number, name: string) {
    checkName(name)
    this.name = name
    this.#table = table
    this.#keptPrefix = null
  }

  /** Every row of the owner. */
  all(): KeyRange {
    return { gte: this.prefix(), lt: this.plain(KIND_END) }
  }

  /** Every row but those that grow without bound. */
  smallRows(): KeyRange {
    return { gte: this.prefix(), lt: this.plain(KIND_LARGE) }
  }

  protected get prefixBytes(): number {
    return HEAD_BYTES + this.name.length + 1
  }

  protected prefix(): Buffer {
    return this.#keptPrefix ?? this.#writePrefix(Buffer.allocUnsafe(this.prefixBytes))
  }

  /** Called for keys that come again and again. */
  protected keepPrefix(): void {
    this.#keptPrefix ??= this.#writePrefix(Buffer.allocUnsafeSlow(this.prefixBytes))
  }

  #writePrefix(prefix: Buffer): Buffer {
    prefix.writeUInt16BE(slotOf(this.name), 0)
    prefix[2] = this.#table
    prefix.write(this.name, HEAD_BYTES, 'latin1')
    prefix[this.prefixBytes - 1] = 0
    return prefix
  }

  protected plain(kind: number): Buffer {
    const prefix = this.prefix()
    const { length } = prefix
    const key = Buffer.allocUnsafe(length + 1)
    key.set(prefix)
    key[length] = kind
    return key
  }

  protected numbered(kind: number, number: number): Buffer {
    if (!(number >= 0 && number <= Number.MAX_SAFE_INTEGER)) throw new RangeError('key number out of range')
    const prefix = this.prefix()
    const { length } = prefix
    const key = Buffer.allocUnsafe(length + 1 + NUMBER_BYTES)
    key.set(prefix)
    key[length] = kind
    const high = (number / TWO_32) >>> 0
    const low = number >>> 0
    key[length + 1] = high >>> 24
    key[length + 2] = high >>> 16
    key[length + 3] = high >>> 8
    key[length + 4] = high
    key[length + 5] = low >>> 24
    key[length + 6] = low >>> 16
    key[length + 7] = low >>> 8
    key[length + 8] = low
    return key
  }

  protected named(kind: number, name: string): Buffer {
    checkName(name)
    return this.suffixed(kind, name)
  }

  protected suffixed(kind: number, suffix: string): Buffer {
    const prefix = this.prefix()
    const { length } = prefix
    const key = Buffer.allocUnsafe(length + 1 + suffix.length)
    key.set(prefix)
    key[length] = kind
    key.write(suffix, length + 1, 'latin1')
    return key
  }

  /** `from` included, `to` not; without `to`: to the last. */
  protected numbers(kind: number, from: number, to: number | undefined): KeyRange {
    return { gte: this.numbered(kind, from), lt: to === undefined ? this.plain(kind + 1) : this.numbered(kind, to) }
  }

  /** The kind byte of one of this owner's keys. */
  protected kindByte(key: Uint8Array): number {
    return key[this.prefixBytes] ?? 0
  }

  /** The name at the end of one of this owner's keys. */
  nameAt(key: Uint8Array): string {
    return latin1(key, this.prefixBytes + 1)
  }
}

/**
 * Keys of one user. Every method returns a key of its own, which is yours; the object is small and worth keeping while the user is
 * active. Methods throw TypeError or RangeError for a name or number that no caller may pass on.
 */
export class UserKeys extends OwnerKeys {
  constructor(user: string) {
    super(TABLE_USER, user)
  }

  account(): Buffer {
    return this.plain(KIND_ACCOUNT)
  }

  settings(): Buffer {
    return this.plain(KIND_SETTINGS)
  }

  /** @param device number of the device, given by the user's shard */
  device(device: number): Buffer {
    return this.numbered(KIND_DEVICE, device)
  }

  cursor(device: number): Buffer {
    return this.numbered(KIND_CURSOR, device)
  }

  queueMeta(): Buffer {
    return this.plain(KIND_QUEUE_META)
  }

  lastSeen(): Buffer {
    return this.plain(KIND_PRESENCE)
  }

  privacy(): Buffer {
    return this.suffixed(KIND_PRESENCE, SUFFIX_PRIVACY)
  }

  /** Deleted messages that the queue may still hold. */
  erasures(): Buffer {
    return this.plain(KIND_ERASURES)
  }

  /** What the user's blobs and uploads take. */
  blobUse(): Buffer {
    return this.plain(KIND_BLOB_USE)
  }

  /** That the user holds a blob. */
  holding(blob: string): Buffer {
    return this.named(KIND_HOLDING, blob)
  }

  /** Rows of held blobs behind this id; all with ''. */
  holdings(after: string): KeyRange {
    return { gte: this.suffixed(KIND_HOLDING, after === '' ? '' : after + '\0'), lt: this.plain(KIND_HOLDING + 1) }
  }

  /** The conversation's row in the user's list. */
  conversation(name: string): Buffer {
    return this.named(KIND_LIST, name)
  }

  /** The queue's entry; hot. */
  entry(index: number): Buffer {
    this.keepPrefix()
    return this.numbered(KIND_ENTRY, index)
  }

  /** Entries from `from` up to, without, `to`; without `to` up to the last. */
  entries(from: number, to?: number): KeyRange {
    return this.numbers(KIND_ENTRY, from, to)
  }

  /** Rows of the conversation list behind this name; all with ''. */
  conversations(after: string): KeyRange {
    return { gte: this.suffixed(KIND_LIST, after === '' ? '' : after + '\0'), lt: this.plain(KIND_LIST + 1) }
  }

  /** Rows of the conversation list that are groups: `#` and a name. */
  groups(): KeyRange {
    return { gte: this.suffixed(KIND_LIST, '#'), lt: this.suffixed(KIND_LIST, '$') }
  }

  devices(): KeyRange {
    return { gte: this.plain(KIND_DEVICE), lt: this.plain(KIND_DEVICE + 1) }
  }

  profile(): Buffer {
    return this.plain(KIND_PROFILE)
  }

  /** What is known of the user's kept lists as a whole: version, length. */
  listMeta(): Buffer {
    return this.plain(KIND_LIST_META)
  }

  /** The item of a kept list: a user or a conversation. */
  listItem(list: KeptListNumber, name: string): Buffer {
    return this.named(KIND_KEPT_LISTS + 2 * list, name)
  }

  /** Items behind this name; all with ''. */
  listItems(list: KeptListNumber, after: string): KeyRange {
    const kind = KIND_KEPT_LISTS + 2 * list
    return { gte: this.suffixed(kind, after === '' ? '' : after + '\0'), lt: this.plain(kind + 1) }
  }

  /** Which item a version of the list changed last. */
  listChange(list: KeptListNumber, version: number): Buffer {
    return this.numbered(KIND_KEPT_LISTS + 2 * list + 1, version)
  }

  /** Changes from this version on, in their order. */
  listChanges(list: KeptListNumber, from: number): KeyRange {
    return this.numbers(KIND_KEPT_LISTS + 2 * list + 1, from, undefined)
  }

  /** The rows of all kept lists. */
  keptLists(): KeyRange {
    return { gte: this.plain(KIND_KEPT_LISTS), lt: this.plain(KIND_KEPT_LISTS + 6) }
  }

  /** What the row is; null for a kind that this version does not know. */
  kindOf(key: Uint8Array): RowKind | null {
    switch (this.kindByte(key)) {
      case KIND_ACCOUNT: return 'account'
      case KIND_SETTINGS: return 'settings'
      case KIND_DEVICE: return 'device'
      case KIND_CURSOR: return 'cursor'
      case KIND_QUEUE_META: return 'queue-meta'
      case KIND_PRESENCE: return key.length === this.prefixBytes + 1 ? 'last-seen' : 'privacy'
      case KIND_PROFILE: return 'profile'
      case KIND_LIST_META: return 'list-meta'
      case KIND_ERASURES: return 'erasures'
      case KIND_BLOB_USE: return 'blob-use'
      case KIND_HOLDING: return 'holding'
      case KIND_LIST: return 'conversation'
      case KIND_ENTRY: return 'entry'
      case KIND_KEPT_LISTS: case KIND_KEPT_LISTS + 2: case KIND_KEPT_LISTS + 4: return 'list-item'
      case KIND_KEPT_LISTS + 1: case KIND_KEPT_LISTS + 3: case KIND_KEPT_LISTS + 5: return 'list-change'
      default: return null
    }
  }
}

/** Keys of one conversation: of a pair ('alice:bob', see `pairName`), of one's own notes ('alice') or of a group ('#…'). */
export class ConversationKeys extends OwnerKeys {
  constructor(name: string) {
    super(TABLE_CONVERSATION, name)
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
  kindOf(key: Uint8Array): RowKind | null {
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

/** Keys of the index of a conversation's text: derived from its log, and made again from it. */
export class SearchKeys extends OwnerKeys {
  constructor(conversation: string) {
    super(TABLE_SEARCH, conversation)
  }

  /** The segment whose last message has this seq. */
  segment(last: number): Buffer {
    return this.numbered(KIND_SEGMENT, last)
  }

  /** Segments whose last message lies from `from` up to, without, `to`; without `to` up to the last. */
  segments(from: number, to?: number): KeyRange {
    return this.numbers(KIND_SEGMENT, from, to)
  }
}

/** Keys of one blob, by its id. */
export class BlobKeys extends OwnerKeys {
  constructor(id: string) {
    super(TABLE_BLOB, id)
  }

  /** The blob, where there is one shard. */
  meta(): Buffer {
    return this.plain(KIND_META)
  }

  /** Which of several shards have it. */
  home(): Buffer {
    return this.plain(KIND_BLOB_HOME)
  }

  /** What the row is; null for a kind that this version does not know. */
  kindOf(key: Uint8Array): RowKind | null {
    switch (this.kindByte(key)) {
      case KIND_META: return 'meta'
      case KIND_BLOB_HOME: return 'home'
      default: return null
    }
  }
}

/** Keys of a user. */
export function userKeys(user: string): UserKeys {
  return new UserKeys(user)
}

/** Keys of a conversation, by its name in the store; see `pairName`. */
export function conversationKeys(name: string): ConversationKeys {
  return new ConversationKeys(name)
}

/** Keys of a blob, by its id. */
export function blobKeys(id: string): BlobKeys {
  return new BlobKeys(id)
}

/** Keys of a conversation's index, by its name in the store. */
export function searchKeys(name: string): SearchKeys {
  return new SearchKeys(name)
}

/** The conversation of two users in the store: their names, sorted, joined by ':'; one's own notes are the single name. */
export function pairName(one: string, other: string): string {
  if (one === other) return one
  return one < other ? one + ':' + other : other + ':' + one
}

/** The number at the end of a key: device, queue index or seq. */
export function numberAt(key: Uint8Array): number {
  const at = key.length - NUMBER_BYTES
  if (at < 0) throw new RangeError('the key is too short for a number')
  const high = byte(key, at) * 0x1000000 + ((byte(key, at + 1) << 16) | (byte(key, at + 2) << 8) | byte(key, at + 3))
  const low = byte(key, at + 4) * 0x1000000 + ((byte(key, at + 5) << 16) | (byte(key, at + 6) << 8) | byte(key, at + 7))
  return high * TWO_32 + low
}

/** The owner and table of a key; null for the shard's own rows. */
export function ownerAt(key: Uint8Array): { table: 'user' | 'conversation' | 'search' | 'blob'; name: string } | null {
  if (slotAt(key) >= SLOT_COUNT) return null
  const end = key.indexOf(0, HEAD_BYTES)
  if (end < 0) return null
  return { table: tableOf(key[2] ?? 0), name: latin1(key, HEAD_BYTES, end) }
}

function tableOf(byte: number): 'user' | 'conversation' | 'search' | 'blob' {
  switch (byte) {
    case TABLE_USER: return 'user'
    case TABLE_SEARCH: return 'search'
    case TABLE_BLOB: return 'blob'
    default: return 'conversation'
  }
}

/** Every row of the store. */
export function everything(): KeyRange {
  return { gte: Buffer.from([0]), lt: Buffer.from([0xff, 0xff, 0xff]) }
}

function byte(key: Uint8Array, at: number): number {
  return key[at] ?? 0
}
