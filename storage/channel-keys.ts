/**
 * The keys of channels, in the slot that belongs to nobody: what this shard sends to others and has taken from them, and what it has been
 * told of users who are at home in others.
 *
 *     slot      2 bytes: 0xFFFF
 *     table     1 byte: which of these
 *     name      the other shard's number, and of an entry its number; of a user its name
 */
import type { KeyRange } from './engine.js'
import { checkName, DIGITS, digits, HEAD_BYTES, isReserved, latin1, reserved, wholeTable } from './key-parts.js'

const TABLE_ENTRIES = 0x66
const TABLE_CONFIRMED = 0x67
const TABLE_TAKEN = 0x68
const TABLE_VISITORS = 0x6a

/** As many digits as any shard's number has. */
const SHARD_DIGITS = 5

/** A row of the channel to another shard, by the number of its last entry. */
export function channelEntryKey(to: number, number: number): Buffer {
  return reserved(TABLE_ENTRIES, shardName(to) + digits(number))
}

/** Rows to that shard whose last entries are from `from` up to, without, `to`; without `to` up to the last. */
export function channelEntries(shard: number, from: number, to?: number): KeyRange {
  return { gte: channelEntryKey(shard, from), lt: to === undefined ? reserved(TABLE_ENTRIES, `${shardName(shard)}:`) : channelEntryKey(shard, to) }
}

/** The number of the last entry of a row, from its key. */
export function channelNumberAt(key: Uint8Array): number {
  return Number(latin1(key, HEAD_BYTES + SHARD_DIGITS, HEAD_BYTES + SHARD_DIGITS + DIGITS))
}

/** Up to where the other shard has confirmed the channel to it: before that its rows may be gone. */
export function channelConfirmedKey(to: number): Buffer {
  return reserved(TABLE_CONFIRMED, shardName(to))
}

/** Up to where this shard has taken the channel from another. */
export function channelTakenKey(from: number): Buffer {
  return reserved(TABLE_TAKEN, shardName(from))
}

/** What is known here of a user who is at home in another shard. */
export function visitorKey(user: string): Buffer {
  checkName(user)
  return reserved(TABLE_VISITORS, user)
}

/** All of them. */
export function visitors(): KeyRange {
  return wholeTable(TABLE_VISITORS)
}

/** Of a key in the slot that belongs to nobody, and of any other. */
export function isVisitorKey(key: Uint8Array): boolean {
  return isReserved(key, TABLE_VISITORS)
}

function shardName(shard: number): string {
  return String(shard).padStart(SHARD_DIGITS, '0')
}

/** Whether a key of the slot that belongs to nobody is of one of these tables. */
export function isChannelKey(key: Uint8Array): boolean {
  const table = key[HEAD_BYTES - 1]
  return table === TABLE_ENTRIES || table === TABLE_CONFIRMED || table === TABLE_TAKEN || table === TABLE_VISITORS
}
