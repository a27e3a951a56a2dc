/** The keys of a user: account, devices, queue, and the lists that it keeps. */
import type { KeyRange } from './engine.js'
import { OwnerKeys, TABLE } from './owner-keys.js'

// Those below KIND_LARGE are few and short in every user, see owner-keys.ts.
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

/** Behind the kind of presence: the row of last seen has nothing there. */
const SUFFIX_PRIVACY = 'privacy'

/** Lists that a user keeps, each with a version; the number says where its rows are. */
export const KEPT_LIST = { contacts: 0, blocked: 1, flags: 2 } as const
export type KeptListNumber = (typeof KEPT_LIST)[keyof typeof KEPT_LIST]

/** What a row of a user is, from its key. */
export type UserRowKind =
  | 'account' | 'settings' | 'device' | 'cursor' | 'queue-meta' | 'last-seen' | 'privacy' | 'erasures' | 'conversation' | 'entry'
  | 'profile' | 'list-meta' | 'list-item' | 'list-change' | 'blob-use' | 'holding'

/**
 * Keys of one user. Every method returns a key of its own, which is yours; the object is small and worth keeping while the user is
 * active. Methods throw TypeError or RangeError for a name or number that no caller may pass on.
 */
export class UserKeys extends OwnerKeys {
  constructor(user: string) {
    super(TABLE.user, user)
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
  kindOf(key: Uint8Array): UserRowKind | null {
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

/** Keys of a user. */
export function userKeys(user: string): UserKeys {
  return new UserKeys(user)
}
