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

export const TABLE = { user: 0x75, conversation: 0x63, search: 0x73, blob: 0x6b } as const

/** Kinds below are few and short in every owner; a new kind that can grow belongs above. */
const KIND_LARGE = 0x40
const KIND_END = 0xff

const NUMBER_BYTES = 8
const TWO_32 = 0x1_0000_0000

/** Keys of one owner; keeps the common prefix once it is hot, so that a hot key is one allocation and two copies. */
export class OwnerKeys {
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

/** The number at the end of a key: device, queue index or seq. */
export function numberAt(key: Uint8Array): number {
  const at = key.length - NUMBER_BYTES
  if (at < 0) throw new RangeError('the key is too short for a number')
  const high = byte(key, at) * 0x1000000 + ((byte(key, at + 1) << 16) | (byte(key, at + 2) << 8) | byte(key, at + 3))
  const low = byte(key, at + 4) * 0x1000000 + ((byte(key, at + 5) << 16) | (byte(key, at + 6) << 8) | byte(key, at + 7))
  return high * TWO_32 + low
}

/** The owner and table of a key; null for the shard's own rows. */
export function ownerAt(key: Uint8Array): { table: keyof typeof TABLE; name: string } | null {
  if (slotAt(key) >= SLOT_COUNT) return null
  const end = key.indexOf(0, HEAD_BYTES)
  if (end < 0) return null
  return { table: tableOf(key[2] ?? 0), name: latin1(key, HEAD_BYTES, end) }
}

function tableOf(byte: number): keyof typeof TABLE {
  switch (byte) {
    case TABLE.user: return 'user'
    case TABLE.search: return 'search'
    case TABLE.blob: return 'blob'
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
