/**
 * The keys of what a shard keeps for itself, in a slot that belongs to nobody: the list of names, invites, reports, what expires when, the
 * journal of queues, meta rows. Those that concern blobs: blob-keys.ts.
 *
 *     slot      2 bytes: 0xFFFF
 *     table     1 byte: which of these
 *     name      in ASCII, so that its order is that of the rows
 */
import type { KeyRange } from './engine.js'
import { checkName, DIGITS, digits, HEAD_BYTES, latin1, reserved, tableUpTo, wholeTable } from './key-parts.js'

const TABLE_NAMES = 0x6e
const TABLE_META = 0x6d
const TABLE_INVITES = 0x69
const TABLE_REPORTS = 0x72
const TABLE_EXPIRIES = 0x78
const TABLE_JOURNAL = 0x71

/** The user's row in the list of all users of this store, which is ordered by name, since slots scatter the accounts. */
export function userNameKey(user: string): Buffer {
  checkName(user)
  return reserved(TABLE_NAMES, user)
}

/** The list of all users behind this name; all with ''. */
export function userNames(after: string): KeyRange {
  return { gte: reserved(TABLE_NAMES, after === '' ? '' : after + '\0'), lt: reserved(TABLE_NAMES + 1, '') }
}

/** The name in a key of the list of all users. */
export function userNameAt(key: Uint8Array): string {
  return latin1(key, HEAD_BYTES)
}

/** An invite's row: `.id`, and `/maker/id` in the lists, so that both share a table. */
export function inviteKey(id: string): Buffer {
  checkName(id)
  return reserved(TABLE_INVITES, `.${id}`)
}

/** All invites behind this id; all with ''. */
export function inviteRange(after: string): KeyRange {
  return { gte: reserved(TABLE_INVITES, after === '' ? '.' : `.${after}\0`), lt: reserved(TABLE_INVITES, '/') }
}

/** The invite's row in the list of those that one user has made; '' are the operators. */
export function inviteListKey(maker: string, id: string): Buffer {
  checkName(id)
  return reserved(TABLE_INVITES, `/${maker}/${id}`)
}

/** One maker's list behind this id; all with ''. */
export function inviteListRange(maker: string, after: string): KeyRange {
  return { gte: reserved(TABLE_INVITES, after === '' ? `/${maker}/` : `/${maker}/${after}\0`), lt: reserved(TABLE_INVITES, `/${maker}0`) }
}

/** The invite's id in a key of either. */
export function inviteIdAt(key: Uint8Array): string {
  const name = latin1(key, HEAD_BYTES)
  return name.slice(Math.max(0, name.lastIndexOf('/')) + 1)
}

/** Whose list a key is in; null: in none, it is that of the invite itself. */
export function inviteListAt(key: Uint8Array): string | null {
  const name = latin1(key, HEAD_BYTES)
  return name.startsWith('/') ? name.slice(1, name.lastIndexOf('/')) : null
}

/** A report for the operator. */
export function reportKey(id: number): Buffer {
  return reserved(TABLE_REPORTS, digits(id))
}

/** Reports behind this id; all with 0. */
export function reports(after: number): KeyRange {
  return { gte: reportKey(after + 1), lt: reserved(TABLE_REPORTS + 1, '') }
}

/** The report's id in its key. */
export function reportIdAt(key: Uint8Array): number {
  return Number(latin1(key, HEAD_BYTES))
}

/** That a row of a conversation's log expires: in the order of time, so that a sweep reads what is due and nothing else. */
export function expiryKey(timeMs: number, conversation: string, last: number): Buffer {
  checkName(conversation)
  return reserved(TABLE_EXPIRIES, `${digits(timeMs)}${conversation}/${String(last)}`)
}

/** What expires up to this time, and lies behind this key where one is given. */
export function expiriesUpTo(timeMs: number, after: Uint8Array | null): KeyRange {
  return tableUpTo(TABLE_EXPIRIES, timeMs, after)
}

/** All of them. */
export function expiries(): KeyRange {
  return wholeTable(TABLE_EXPIRIES)
}

/** The row of the log that a key of these names. */
export function expiryAt(key: Uint8Array): { readonly conversation: string, readonly last: number } {
  const name = latin1(key, HEAD_BYTES + DIGITS)
  const slash = name.lastIndexOf('/')
  return { conversation: name.slice(0, slash), last: Number(name.slice(slash + 1)) }
}

/** What one commit has appended to queues that have no rows of their own for it yet; commits are numbered from 1. */
export function journalKey(commit: number): Buffer {
  return reserved(TABLE_JOURNAL, digits(commit))
}

/** Those from this commit on, in their order; all of them without one. */
export function journal(first = 0): KeyRange {
  return { gte: journalKey(first), lt: wholeTable(TABLE_JOURNAL).lt }
}

/** The number of the commit in a key of these. */
export function journaledAt(key: Uint8Array): number {
  return Number(latin1(key, HEAD_BYTES))
}

/** A row that the shard keeps about itself. */
export function shardMetaKey(name: string): Buffer {
  checkName(name)
  return reserved(TABLE_META, name)
}

/** The name in a key of such a row. */
export function shardMetaNameAt(key: Uint8Array): string {
  return latin1(key, HEAD_BYTES)
}

/** Which of these tables a key of the slot that belongs to nobody is of; null: of none. */
export function shardTableAt(key: Uint8Array): 'names' | 'invites' | 'reports' | 'expiries' | 'journal' | 'meta' | null {
  switch (key[HEAD_BYTES - 1]) {
    case TABLE_NAMES: return 'names'
    case TABLE_INVITES: return 'invites'
    case TABLE_REPORTS: return 'reports'
    case TABLE_EXPIRIES: return 'expiries'
    case TABLE_JOURNAL: return 'journal'
    case TABLE_META: return 'meta'
    default: return null
  }
}
