/**
 * The keys of a blob, in its slot; and those of a shard's lists about blobs, in the slot that belongs to nobody, see shard-keys.ts: uploads under way, what ends when, what is
 * to be released, and what is to be erased in the blob store. Of several shards each has here, too, what it knows of blobs and of what users who
 * are at home elsewhere hold in it: none of that is in a slot of its own.
 */
import type { KeyRange } from './engine.js'
import { checkName, DIGITS, digits, HEAD_BYTES, isReserved, latin1, reserved, tableBehind, tableUpTo, wholeTable } from './key-parts.js'
import { OwnerKeys, TABLE } from './owner-keys.js'

const TABLE_COPIES = 0x62
const TABLE_VISITOR_HOLDINGS = 0x63
const TABLE_ERASES = 0x64
const TABLE_ENDS = 0x65
const TABLE_RELEASES = 0x6c
const TABLE_UPLOADS = 0x75

const KIND_META = 0x01
const KIND_BLOB_HOME = 0x02

/** Keys of one blob, by its id. */
export class BlobKeys extends OwnerKeys {
  constructor(id: string) {
    super(TABLE.blob, id)
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
  kindOf(key: Uint8Array): 'meta' | 'home' | null {
    switch (this.kindByte(key)) {
      case KIND_META: return 'meta'
      case KIND_BLOB_HOME: return 'home'
      default: return null
    }
  }
}

/** Keys of a blob, by its id. */
export function blobKeys(id: string): BlobKeys {
  return new BlobKeys(id)
}

/** An upload, by its id. */
export function uploadKey(id: string): Buffer {
  checkName(id)
  return reserved(TABLE_UPLOADS, id)
}

export function uploadAt(key: Uint8Array): string {
  return latin1(key, HEAD_BYTES)
}

/** What one of several shards knows of a blob that it holds. */
export function blobCopyKey(id: string): Buffer {
  checkName(id)
  return reserved(TABLE_COPIES, id)
}

/** That a user who is at home in another shard holds a blob for what it has said in this one. */
export function visitorHoldingKey(user: string, blob: string): Buffer {
  checkName(user)
  return reserved(TABLE_VISITOR_HOLDINGS, `${user}/${blob}`)
}

/** What ends by itself: an upload by its id, a hold by `user/blob`, what a shard was lent by `blob/shard`. */
export type EndKind = 'upload' | 'hold' | 'loan'
const END_LETTERS: Readonly<Record<EndKind, string>> = { upload: 'u', hold: 'h', loan: 'l' }

/** In the order of time, so that a sweep reads what is due and nothing else. */
export function endKey(timeMs: number, kind: EndKind, name: string): Buffer {
  checkName(name)
  return reserved(TABLE_ENDS, `${digits(timeMs)}${END_LETTERS[kind]}${name}`)
}

/** What ends up to this time, and lies behind this key where one is given. */
export function endsUpTo(timeMs: number, after: Uint8Array | null): KeyRange {
  return tableUpTo(TABLE_ENDS, timeMs, after)
}

/** All of them. */
export function ends(): KeyRange {
  return wholeTable(TABLE_ENDS)
}

export function endAt(key: Uint8Array): { readonly timeMs: number, readonly kind: EndKind, readonly name: string } {
  const text = latin1(key, HEAD_BYTES)
  const letter = text[DIGITS]
  const kind = letter === 'u' ? 'upload' : letter === 'l' ? 'loan' : 'hold'
  return { timeMs: Number(text.slice(0, DIGITS)), kind, name: text.slice(DIGITS + 1) }
}

/** What carries nothing any more: messages of a conversation, or a change that had made its picture. */
export type ReleaseKind = 'messages' | 'picture'

/** That the references of these seqs are to be released. */
export function releaseKey(conversation: string, kind: ReleaseKind, first: number, last: number): Buffer {
  checkName(conversation)
  return reserved(TABLE_RELEASES, `${conversation}/${kind === 'picture' ? 'p' : 'm'}${String(first)}-${String(last)}`)
}

/** All behind this key. */
export function releases(after: Uint8Array | null): KeyRange {
  return tableBehind(TABLE_RELEASES, after)
}

export function releaseAt(key: Uint8Array): { readonly conversation: string, readonly kind: ReleaseKind, readonly first: number, readonly last: number } {
  const text = latin1(key, HEAD_BYTES)
  const slash = text.lastIndexOf('/')
  const [first = '', last = ''] = text.slice(slash + 2).split('-')
  return { conversation: text.slice(0, slash), kind: text[slash + 1] === 'p' ? 'picture' : 'messages', first: Number(first), last: Number(last) }
}

/** What is erased in the blob store: an object by its name, or the staged bytes of an upload by its id. */
export type EraseKind = 'object' | 'staged'

/** To be erased at this time or later; 0: at once. */
export function eraseKey(timeMs: number, kind: EraseKind, name: string): Buffer {
  checkName(name)
  return reserved(TABLE_ERASES, `${digits(timeMs)}${kind === 'object' ? 'o' : 's'}${name}`)
}

/** What is due at this time, and lies behind this key where one is given. */
export function erasesUpTo(timeMs: number, after: Uint8Array | null): KeyRange {
  return tableUpTo(TABLE_ERASES, timeMs, after)
}

/** All of them. */
export function erases(): KeyRange {
  return wholeTable(TABLE_ERASES)
}

export function eraseAt(key: Uint8Array): { readonly timeMs: number, readonly kind: EraseKind, readonly name: string } {
  const text = latin1(key, HEAD_BYTES)
  return { timeMs: Number(text.slice(0, DIGITS)), kind: text[DIGITS] === 'o' ? 'object' : 'staged', name: text.slice(DIGITS + 1) }
}

/** Which of these lists a key of the slot that belongs to nobody is of; null: of none. */
export function blobListAt(key: Uint8Array): 'uploads' | 'ends' | 'releases' | 'erases' | null {
  switch (key[HEAD_BYTES - 1]) {
    case TABLE_UPLOADS: return 'uploads'
    case TABLE_ENDS: return 'ends'
    case TABLE_RELEASES: return 'releases'
    case TABLE_ERASES: return 'erases'
    default: return null
  }
}

/** Whether it is of what a shard of several knows of blobs. */
export function isBlobCopyKey(key: Uint8Array): boolean {
  return isReserved(key, TABLE_COPIES)
}

export function isVisitorHoldingKey(key: Uint8Array): boolean {
  return isReserved(key, TABLE_VISITOR_HOLDINGS)
}

/** The blob's id in the key of what a shard knows of it, and `user/blob` in that of a visitor's holding. */
export function sharedNameAt(key: Uint8Array): string {
  return latin1(key, HEAD_BYTES)
}

/** All that a shard of several knows of blobs. */
export function blobCopies(): KeyRange {
  return wholeTable(TABLE_COPIES)
}

export function visitorHoldings(): KeyRange {
  return wholeTable(TABLE_VISITOR_HOLDINGS)
}
