/**
 * The rows of the store: what stands in their values. Every row begins with a version byte of its own, so that a later program can
 * read what an earlier one wrote. Reading throws StorageError('corrupt') for bytes that are no such row.
 */
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { isGroup } from '../../protocol/address.js'
import { readGroup, writeGroup } from '../groups/group-row.js'
import type { Standing } from '../groups/group-state.js'
import type { Verifier } from '../router/router.js'
import type { Pair } from '../profiles/pair.js'
import { decodePair, encodePair } from '../profiles/pair.js'
import { pack, unpack } from './packed.js'
import { PackedVerifier } from './packed-verifier.js'
import type { ConversationState } from './conversation-state.js'
import { DeviceState, type TokenSlot } from './device-state.js'
import { Member } from './member.js'
import type { AccountRow } from './user-state.js'
import { Writer } from './writer.js'

const VERSION = 1

const EMPTY = new Uint8Array(0)

/** One for all rows: its memory lies outside the heap, and rows are written one after another. */
const rowWriter = new ValueWriter()

function begin(): ValueWriter {
  return rowWriter.begin().uint(VERSION)
}

function open(row: Uint8Array, what: string): ValueReader {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `a ${what} row has the unknown version ${String(version)}`)
  return reader
}

export function encodeAccount(account: Omit<AccountRow, 'verifier'> & { readonly verifier: Verifier }): Uint8Array {
  const { verifier } = account
  return begin()
    .bytes(verifier.salt).uint(verifier.iterations).bytes(verifier.storedKey).bytes(verifier.serverKey)
    .time(account.createdMs).uint(account.disabled ? 1 : 0).uint(account.removed ? 1 : 0)
    .uint(account.queueEpoch).uint(account.nextDevice).take()
}

export function decodeAccount(row: Uint8Array): AccountRow {
  const reader = open(row, 'account')
  const verifier = { salt: reader.bytes(), iterations: reader.uint(), storedKey: reader.bytes(), serverKey: reader.bytes() }
  return {
    verifier: new PackedVerifier(verifier),
    createdMs: reader.time(),
    disabled: reader.uint() === 1,
    removed: reader.uint() === 1,
    queueEpoch: reader.uint(),
    nextDevice: reader.uint(),
  }
}

export function encodeSettings(readReceipts: boolean): Uint8Array {
  return begin().uint(readReceipts ? 1 : 0).take()
}

export function decodeSettings(row: Uint8Array): { readReceipts: boolean } {
  return { readReceipts: open(row, 'settings').uint() === 1 }
}

export function encodeDevice(device: DeviceState): Uint8Array {
  const writer = begin().string(device.id).string(device.name).time(device.createdMs).uint(device.outboxEpoch)
  for (const slot of [device.tokenUsed, device.tokenIssued]) {
    writer.bytes(slot === null ? EMPTY : unpack(slot.hash)).time(slot?.issuedMs ?? 0)
  }
  return writer.take()
}

export function decodeDevice(row: Uint8Array, number: number): DeviceState {
  const reader = open(row, 'device')
  const id = reader.string()
  const device = new DeviceState(number, id, reader.string(), reader.time())
  device.outboxEpoch = reader.uint()
  device.tokenUsed = readToken(reader)
  device.tokenIssued = readToken(reader)
  return device
}

function readToken(reader: ValueReader): TokenSlot | null {
  const hash = reader.bytes()
  const issuedMs = reader.time()
  return hash.length === 0 ? null : { hash: pack(hash), issuedMs }
}

/** Behind the rest, and only there: chatd of before reads the row without it, and takes the device for one that takes entries. */
const TAKES_NOTHING = 1

/** `trimmedTo`: of the user's queue, as in its own row; whichever says more counts. */
export function encodeCursor(device: DeviceState, trimmedTo: number): Uint8Array {
  const writer = begin().uint(device.cursor).time(device.lastActiveMs).uint(trimmedTo)
  if (!device.takes) writer.uint(TAKES_NOTHING)
  return writer.take()
}

/** Returns `trimmedTo`. COMPAT: rows of chatd before the journal have none. */
export function decodeCursor(row: Uint8Array, device: DeviceState): number {
  const reader = open(row, 'cursor')
  device.cursor = reader.uint()
  device.lastActiveMs = reader.time()
  const trimmedTo = reader.more ? reader.uint() : 0
  device.takes = !reader.more || reader.uint() !== TAKES_NOTHING
  return trimmedTo
}

export function encodeQueueMeta(trimmedTo: number): Uint8Array {
  return begin().uint(trimmedTo).take()
}

export function decodeQueueMeta(row: Uint8Array): number {
  return open(row, 'queue').uint()
}

/** A conversation's row in a member's list. */
export function encodeListing(joinedMs: number): Uint8Array {
  return begin().time(joinedMs).take()
}

const STANDINGS: readonly Standing[] = ['member', 'guest', 'former']

/** The same of a group. */
export function encodeGroupListing(changedMs: number, standing: Standing): Uint8Array {
  return begin().time(changedMs).uint(STANDINGS.indexOf(standing)).take()
}

/** COMPAT: in rows of chatd before standings were kept everybody counts as a member. */
export function decodeStanding(row: Uint8Array): Standing {
  const reader = open(row, 'listing')
  reader.time()
  return reader.more ? STANDINGS[reader.uint()] ?? 'member' : 'member'
}

export function encodeConversation(conversation: ConversationState): Uint8Array {
  const writer = begin().time(conversation.createdMs).uint(conversation.trimmedTo).uint(conversation.members.length)
  for (const member of conversation.members) writer.string(member.user)
  if (conversation.group !== null) writeGroup(writer, conversation.group, conversation.members)
  const pictureSeq = conversation.group?.pictureSeq ?? 0
  if (conversation.timerMs > 0 || pictureSeq > 0) writer.uint(conversation.timerMs)
  if (pictureSeq > 0) writer.uint(pictureSeq)
  return writer.take()
}

export function decodeConversation(row: Uint8Array, conversation: ConversationState): void {
  const reader = open(row, 'conversation')
  conversation.exists = true
  conversation.createdMs = reader.time()
  conversation.trimmedTo = reader.uint()
  const count = reader.uint()
  for (let i = 0; i < count; i++) conversation.addMember(new Member(reader.string()))
  if (isGroup(conversation.name) && reader.more) conversation.group = readGroup(reader, conversation)
  if (reader.more) conversation.timerMs = reader.uint()
  if (reader.more && conversation.group !== null) conversation.group.pictureSeq = reader.uint()
}

/** `asOf` is the seq at which `unread` was counted. */
export function encodeWatermark(member: Member, asOf: number): Uint8Array {
  const writer = begin().uint(member.delivered).uint(member.read).uint(member.readTold).uint(member.unread).uint(asOf)
  // Nearly always 0 in a group, the same as `delivered` in a pair, and then left out.
  const { membership } = member
  if (membership !== null && membership.readToldWithoutSome > 0) writer.uint(membership.readToldWithoutSome)
  if (membership === null && member.deliveredTold !== member.delivered) writer.uint(member.deliveredTold)
  return writer.take()
}

/** Returns the seq at which `unread` was counted. */
export function decodeWatermark(row: Uint8Array, member: Member): number {
  const reader = open(row, 'watermark')
  member.delivered = reader.uint()
  member.read = reader.uint()
  member.readTold = reader.uint()
  member.unread = reader.uint()
  const asOf = reader.uint()
  if (member.membership !== null) member.membership.readToldWithoutSome = reader.more ? reader.uint() : 0
  else member.deliveredTold = reader.more ? reader.uint() : member.delivered
  return asOf
}

export function encodePairRow(pair: Pair): Uint8Array {
  return encodePair(rowWriter, pair)
}

export function decodePairRow(row: Uint8Array): Pair {
  return decodePair(open(row, 'pair'))
}

/** What a group's members have received, in one row: nearly all of them have received something between one write and the next. */
export function encodeReceived(conversation: ConversationState): Uint8Array {
  const writer = begin().string(conversation.memberList)
  for (const member of conversation.members) writer.uint(member.delivered)
  return writer.take()
}

/** Raises the members' `delivered` to what the row says. Who has come since is not in it, or stands higher. */
export function decodeReceived(row: Uint8Array, conversation: ConversationState): void {
  const reader = open(row, 'received')
  const names = reader.string()
  // Nobody is left of a group that was disbanded.
  if (names === '') return
  for (const name of names.split(' ')) {
    const delivered = reader.uint()
    const member = conversation.member(name)
    if (member !== undefined) member.delivered = Math.max(member.delivered, delivered)
  }
}

/** The lowest `delivered` of a group's members, whose it is, and the lowest of all the others. */
export interface FloorRow {
  readonly lowest: number
  readonly holder: string
  readonly second: number
}

export function encodeFloor({ lowest, holder, second }: FloorRow): Uint8Array {
  return begin().uint(lowest).string(holder).uint(second).take()
}

export function decodeFloor(row: Uint8Array): FloorRow {
  const reader = open(row, 'floor')
  return { lowest: reader.uint(), holder: reader.string(), second: reader.uint() }
}

/** Where the conversation stands at its tail: everything that a load would otherwise have to gather from the whole log. */
export function encodeCheckpoint(conversation: ConversationState): Uint8Array {
  const writer = begin().uint(conversation.tail).time(conversation.lastTimeMs).uint(conversation.members.length)
  for (const member of conversation.members) writer.uint(member.unread)
  writer.uint(conversation.writers.size)
  for (const each of conversation.writers.values()) {
    writer.string(each.user).uint(each.device).uint(each.epoch).uint(each.lastClientId).uint(each.lastSeq).time(each.lastTimeMs)
  }
  return writer.take()
}

/** Fills in tail, time, writers and the members' unread counts, all as of the checkpoint. */
export function decodeCheckpoint(row: Uint8Array, conversation: ConversationState): void {
  const reader = open(row, 'checkpoint')
  conversation.tail = conversation.checkpointSeq = reader.uint()
  conversation.lastTimeMs = reader.time()
  const members = reader.uint()
  for (let i = 0; i < members; i++) {
    const unread = reader.uint()
    const member = conversation.members[i]
    if (member !== undefined) member.unread = unread
  }
  const writers = reader.uint()
  for (let i = 0; i < writers; i++) {
    const user = reader.string()
    const device = reader.uint()
    const epoch = reader.uint()
    const writer = new Writer(user, device, epoch, reader.uint(), reader.uint(), reader.time())
    conversation.writers.set(Writer.key(user, device, epoch), writer)
  }
}
