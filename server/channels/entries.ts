/**
 * What goes over a channel, as bytes. From a conversation to the homes of its members: what goes into their queues, once for all who are
 * at home there, and that they have the conversation in their list. From a user to its conversations: what it has received, and what has
 * to be known of it there. Reading throws StorageError('corrupt') for bytes that are no such entry.
 *
 *     byte    the version
 *     byte    kind
 *     fields  as in storage/value.ts
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import type { Verifier } from '../router/router.js'
import type { VisitorFacts } from './federation.js'
import { type LoggedMessage, MessageRun, packRun, readRun } from './message-run.js'

/**
 * The version of entries that are written; those of later ones can't be read. Since entries lie in rows, what raises it raises `STORE_FORMAT`.
 *
 *     1   all but those of blobs
 *     2   blob-hold, blob-drop, carried
 *     3   messages, in the place of message
 */
export const ENTRIES_VERSION = 3
/** Of the rows of visitors and numbers. */
const ROW_VERSION = 1

const KIND = { message: 1, receipt: 2, listing: 3, delivered: 4, side: 5, visitor: 6, operation: 7, change: 8, lookup: 9, leave: 10, admit: 11, admitted: 12, 'blob-hold': 13, 'blob-drop': 14, carried: 15, messages: 16 } as const

/** What has taken a place in a conversation's log: one for all members who are at home in one shard. */
interface LoggedEntry {
  /** Its name in the store. */
  readonly conversation: string
  readonly from: string
  readonly seq: number
  readonly timeMs: number
  readonly members: readonly string[]
}

/** Messages of one author that came one after the other: for members of whom none may want them, so they are read when one does. */
export class MessagesEntry {
  readonly kind = 'messages'
  readonly conversation: string
  readonly from: string
  readonly members: readonly string[]
  /** See message-run.ts. */
  readonly run: Uint8Array
  #messages: readonly LoggedMessage[] | null = null

  constructor(conversation: string, from: string, members: readonly string[], run: Uint8Array) {
    this.conversation = conversation
    this.from = from
    this.members = members
    this.run = run
  }

  /** Throws StorageError('corrupt') where they can't be read. Their bytes are views. */
  get messages(): readonly LoggedMessage[] {
    return this.#messages ??= readRun(this.run)
  }
}

export interface OperationEntry extends LoggedEntry {
  readonly kind: 'operation'
  readonly target: number
  /** operate.kind */
  readonly operation: number
  /** As these members may see it. */
  readonly text: Uint8Array
  readonly extensions: Uint8Array
}

export interface ChangeEntry extends LoggedEntry {
  readonly kind: 'change'
  /** An element as on the wire. */
  readonly change: Uint8Array
}

export interface ReceiptEntry {
  readonly kind: 'receipt'
  readonly user: string
  /** As the user addresses it. */
  readonly conversation: string
  /** Whose watermark, as in a receipt; the user itself: what it has read on another device. */
  readonly member: string
  readonly mark: number
  readonly seq: number
}

/** The conversation's row in the user's list; without bytes: it is there no more. */
export interface ListingEntry {
  readonly kind: 'listing'
  readonly user: string
  readonly conversation: string
  readonly row: Uint8Array
}

/** The user is told no more what is deleted there: what its queue holds of it is looked up from now on. */
export interface LookupEntry {
  readonly kind: 'lookup'
  readonly user: string
  readonly conversation: string
}

/** The user's account goes, and its place in a group with it. */
export interface LeaveEntry {
  readonly kind: 'leave'
  readonly user: string
  readonly conversation: string
}

export interface DeliveredEntry {
  readonly kind: 'delivered'
  readonly user: string
  readonly conversation: string
  readonly seq: number
}

/** How the user looks at the other has changed. */
export interface SideEntry {
  readonly kind: 'side'
  readonly user: string
  readonly other: string
  readonly what: 'blocked' | 'contact'
  readonly isOn: boolean
}

export interface VisitorEntry extends VisitorFacts {
  readonly kind: 'visitor'
  readonly user: string
}

/** What a conversation has for its members. */
export type MemberEntry = MessagesEntry | OperationEntry | ChangeEntry | ReceiptEntry | ListingEntry | LookupEntry

/** A use of an invite makes an account, if the name is free. */
export interface AdmitEntry {
  readonly kind: 'admit'
  readonly user: string
  /** Its id, and who made it. */
  readonly invite: string
  readonly maker: string
  readonly verifier: Verifier
}

/** What came of it. */
export interface AdmittedEntry {
  readonly kind: 'admitted'
  readonly user: string
  readonly invite: string
  readonly isMade: boolean
}

/** The shard holds a blob, or has something new of it; to the blob's home. */
export interface BlobHoldEntry {
  readonly kind: 'blob-hold'
  /** See holdings/rows.ts. */
  readonly description: Uint8Array
  /** By which it knows of it; 0: it has put the bytes into the store itself, or had it before. */
  readonly loan: number
}

/** The shard holds the blob no more. */
export interface BlobDropEntry {
  readonly kind: 'blob-drop'
  readonly blob: string
}

/** Whether messages of the user carry the blob in the shard that says so; to the user's home. */
export interface CarriedEntry {
  readonly kind: 'carried'
  readonly user: string
  readonly blob: string
  readonly size: number
  readonly type: string
  readonly isCarried: boolean
}

export type BlobEntry = BlobHoldEntry | BlobDropEntry | CarriedEntry

export type ChannelEntry = BlobEntry | MemberEntry | AdmitEntry | AdmittedEntry | LeaveEntry | DeliveredEntry | SideEntry | VisitorEntry

const writer = new ValueWriter()

export function encodeEntry(entry: ChannelEntry): Uint8Array {
  writer.begin().uint(ENTRIES_VERSION).uint(KIND[entry.kind])
  switch (entry.kind) {
    case 'messages':
      return writer.string(entry.conversation).string(entry.from).string(entry.members.join(' ')).rest(entry.run).take()
    case 'operation':
      return writeLogged(entry).uint(entry.target).uint(entry.operation).bytes(entry.text).bytes(entry.extensions).take()
    case 'change':
      return writeLogged(entry).bytes(entry.change).take()
    case 'receipt':
      return writer.string(entry.user).string(entry.conversation).string(entry.member).uint(entry.mark).uint(entry.seq).take()
    case 'listing':
      return writer.string(entry.user).string(entry.conversation).bytes(entry.row).take()
    case 'lookup':
    case 'leave':
      return writer.string(entry.user).string(entry.conversation).take()
    case 'admit': {
      const { salt, iterations, storedKey, serverKey } = entry.verifier
      return writer.string(entry.user).string(entry.invite).string(entry.maker).bytes(salt).uint(iterations).bytes(storedKey).bytes(serverKey).take()
    }
    case 'admitted':
      return writer.string(entry.user).string(entry.invite).bool(entry.isMade).take()
    case 'delivered':
      return writer.string(entry.user).string(entry.conversation).uint(entry.seq).take()
    case 'side':
      return writer.string(entry.user).string(entry.other).bool(entry.what === 'blocked').bool(entry.isOn).take()
    case 'blob-hold':
      return writer.bytes(entry.description).uint(entry.loan).take()
    case 'blob-drop':
      return writer.string(entry.blob).take()
    case 'carried':
      return writer.string(entry.user).string(entry.blob).uint(entry.size).string(entry.type).bool(entry.isCarried).take()
    case 'visitor':
      return writer.string(entry.user).bool(entry.exists).bool(entry.readReceipts).take()
  }
}

/** Begins an entry for messages at the end of `out`, where they are to be appended. Names are ASCII; `members`: with spaces between. */
export function beginMessages(out: ByteBuffer, conversation: string, from: string, members: string, seq: number, timeMs: number): MessageRun {
  return new MessageRun(out, ENTRIES_VERSION, KIND.messages, conversation, from, members, seq, timeMs)
}

function writeLogged({ conversation, from, seq, timeMs, members }: LoggedEntry): ValueWriter {
  return writer.string(conversation).string(from).uint(seq).time(timeMs).string(members.join(' '))
}

/** Of the messages that were read last: many of one conversation come one behind another. */
const known = { conversation: '', from: '', members: '', names: [''] as readonly string[] }

function readMembers(reader: ValueReader): readonly string[] {
  const members = reader.name(known.members)
  if (members !== known.members) {
    known.members = members
    known.names = members.split(' ')
  }
  return known.names
}

function readMessages(reader: ValueReader): MessagesEntry {
  const conversation = known.conversation = reader.name(known.conversation)
  const from = known.from = reader.name(known.from)
  return new MessagesEntry(conversation, from, readMembers(reader), reader.rest())
}

/** One message alone, as older programs wrote it. */
function readMessage(reader: ValueReader): MessagesEntry {
  const conversation = reader.string()
  const from = reader.string()
  const seq = reader.uint()
  const timeMs = reader.time()
  const members = readMembers(reader)
  return new MessagesEntry(conversation, from, members, packRun([{ seq, timeMs, text: reader.bytes(), extensions: reader.bytes() }]))
}

function readLogged(reader: ValueReader): LoggedEntry {
  return { conversation: reader.string(), from: reader.string(), seq: reader.uint(), timeMs: reader.time(), members: reader.string().split(' ') }
}

/** Its bytes are views of the entry's. */
export function decodeEntry(bytes: Uint8Array): ChannelEntry {
  return readEntry(new ValueReader(bytes))
}

/** Throws StorageError('corrupt') where the entry can't be read, or something in it that is read only when it is wanted. */
export function checkEntry(bytes: Uint8Array): void {
  const entry = decodeEntry(bytes)
  if (entry instanceof MessagesEntry) readRun(entry.run)
}

/** As decodeEntry, for one that stands among others. */
export function readEntry(reader: ValueReader): ChannelEntry {
  const version = reader.uint()
  if (version < 1 || version > ENTRIES_VERSION) throw new StorageError('corrupt', `an entry of a channel has the unknown version ${String(version)}`)
  const kind = reader.uint()
  switch (kind) {
    case KIND.messages:
      return readMessages(reader)
    case KIND.message:
      return readMessage(reader)
    case KIND.operation:
      return {
        kind: 'operation', ...readLogged(reader), target: reader.uint(), operation: reader.uint(), text: reader.bytes(), extensions: reader.bytes(),
      }
    case KIND.change:
      return { kind: 'change', ...readLogged(reader), change: reader.bytes() }
    case KIND.receipt:
      return { kind: 'receipt', user: reader.string(), conversation: reader.string(), member: reader.string(), mark: reader.uint(), seq: reader.uint() }
    case KIND.listing:
      return { kind: 'listing', user: reader.string(), conversation: reader.string(), row: reader.bytes() }
    case KIND.lookup:
      return { kind: 'lookup', user: reader.string(), conversation: reader.string() }
    case KIND.leave:
      return { kind: 'leave', user: reader.string(), conversation: reader.string() }
    case KIND.admit:
      return {
        kind: 'admit', user: reader.string(), invite: reader.string(), maker: reader.string(),
        verifier: { salt: reader.bytes(), iterations: reader.uint(), storedKey: reader.bytes(), serverKey: reader.bytes() },
      }
    case KIND.admitted:
      return { kind: 'admitted', user: reader.string(), invite: reader.string(), isMade: reader.bool() }
    case KIND.delivered:
      return { kind: 'delivered', user: reader.string(), conversation: reader.string(), seq: reader.uint() }
    case KIND.side:
      return { kind: 'side', user: reader.string(), other: reader.string(), what: reader.bool() ? 'blocked' : 'contact', isOn: reader.bool() }
    case KIND['blob-hold']:
      return { kind: 'blob-hold', description: reader.bytes(), loan: reader.uint() }
    case KIND['blob-drop']:
      return { kind: 'blob-drop', blob: reader.string() }
    case KIND.carried:
      return { kind: 'carried', user: reader.string(), blob: reader.string(), size: reader.uint(), type: reader.string(), isCarried: reader.bool() }
    case KIND.visitor:
      return { kind: 'visitor', user: reader.string(), exists: reader.bool(), readReceipts: reader.bool() }
    default:
      throw new StorageError('corrupt', `an entry of a channel has the unknown kind ${String(kind)}`)
  }
}

/** The row in which a shard keeps what it knows of a visitor. */
export function encodeVisitor({ exists, readReceipts }: VisitorFacts): Uint8Array {
  return writer.begin().uint(ROW_VERSION).bool(exists).bool(readReceipts).take()
}

export function decodeVisitor(row: Uint8Array): VisitorFacts {
  return openRow(row, (reader) => ({ exists: reader.bool(), readReceipts: reader.bool() }))
}

/** The row of a number: confirmed, or taken. */
export function encodeNumber(number: number): Uint8Array {
  return writer.begin().uint(ROW_VERSION).uint(number).take()
}

/** 0 where there is no row yet. */
export function decodeNumber(row: Uint8Array | undefined): number {
  return row === undefined ? 0 : openRow(row, (reader) => reader.uint())
}

function openRow<T>(row: Uint8Array, read: (reader: ValueReader) => T): T {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== ROW_VERSION) throw new StorageError('corrupt', `a row of a channel has the unknown version ${String(version)}`)
  return read(reader)
}
