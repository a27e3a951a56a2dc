/** Reads the state of one user or conversation back from the store: a short range, the end of a log, and what lies behind its checkpoint. */
import type { Engine } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { numberAt } from '../../storage/owner-keys.js'
import { KEPT_LIST, userKeys } from '../../storage/user-keys.js'
import type { Channels } from '../channels/channels.js'
import { raiseToFloor } from '../groups/watermarks.js'
import { decodeBlobUse } from '../holdings/rows.js'
import { decodeLastSeen, decodePrivacy } from '../presence/rows.js'
import { isListed } from '../profiles/kept-list.js'
import { ACQUAINTANCES, type Pair, PairSide } from '../profiles/pair.js'
import { decodeErasures } from '../operations/erasures.js'
import { isErased, type LogRecord, readLogRun } from './log-run.js'
import {
  decodeAccount, decodeCheckpoint, decodeConversation, decodeCursor, decodeDevice, decodeFloor, decodePairRow, decodeQueueMeta, decodeReceived,
  decodeSettings, decodeWatermark,
} from './records.js'
import { isOfTwo } from './conversation-name.js'
import { ConversationState } from './conversation-state.js'
import type { Member } from './member.js'
import { UserState } from './user-state.js'

/** More small rows than any user or conversation may have. */
const ROWS_MAX = 10_000
const PAGE_ROWS = 256
const PAGE_BYTES = 256 * 1024

/** A user that does not exist has `account` null. */
export async function loadUser(engine: Engine, name: string): Promise<UserState> {
  const user = new UserState(name, userKeys(name))
  const [rows, last] = await Promise.all([
    engine.range({ ...user.keys.smallRows(), limit: ROWS_MAX }),
    engine.range({ ...user.keys.entries(0), reverse: true, limit: 1 }),
  ])
  for (const [key, row] of rows) readUserRow(user, key, row)
  const lastKey = last[0]?.[0]
  user.lastRow = lastKey === undefined ? 0 : numberAt(lastKey)
  // A queue trimmed to nothing has no last entry, but its numbers go on.
  user.tail = Math.max(user.trimmedTo, user.lastRow)
  user.committedTail = user.tail
  user.exposedTo = user.tail
  return user
}

function readUserRow(user: UserState, key: Uint8Array, row: Uint8Array): void {
  switch (user.keys.kindOf(key)) {
    case 'account':
      user.account = decodeAccount(row)
      return
    case 'settings':
      user.readReceipts = decodeSettings(row).readReceipts
      return
    case 'device':
      user.addDevice(decodeDevice(row, numberAt(key)))
      return
    case 'cursor': {
      // Kinds are ordered: a device's row comes before any cursor's.
      const device = user.devices.find((each) => each.number === numberAt(key))
      if (device !== undefined) user.trimmedTo = Math.max(user.trimmedTo, decodeCursor(row, device))
      return
    }
    case 'queue-meta':
      user.rowsTrimmedTo = decodeQueueMeta(row)
      user.trimmedTo = Math.max(user.trimmedTo, user.rowsTrimmedTo)
      return
    case 'last-seen':
      user.lastSeenMs = decodeLastSeen(row)
      return
    case 'privacy':
      user.privacy = decodePrivacy(row)
      return
    case 'erasures':
      user.erasures = decodeErasures(row)
      return
    case 'blob-use':
      user.blobUse = decodeBlobUse(row)
      return
    default:
      return
  }
}

/** A conversation that nobody has opened has `exists` false. */
export async function loadConversation(engine: Engine, name: string, channels: Channels | null = null): Promise<ConversationState> {
  const conversation = new ConversationState(name, conversationKeys(name))
  const { keys } = conversation
  const meta = await engine.get(keys.meta())
  if (meta === undefined) {
    conversation.pair = await loadPair(engine, name, channels)
    return conversation
  }
  decodeConversation(meta, conversation)
  const [checkpoint, pair] = await Promise.all([engine.get(keys.checkpoint()), engine.get(keys.pair())])
  if (isOfTwo(name)) conversation.pair = pair === undefined ? ACQUAINTANCES : decodePairRow(pair)
  if (checkpoint !== undefined) decodeCheckpoint(checkpoint, conversation)
  const countedTo = new Map<Member, number>()
  for (const [key, row] of await engine.range({ ...keys.watermarks(), limit: ROWS_MAX })) {
    const member = conversation.member(keys.nameAt(key))
    if (member === undefined) continue
    const unread = member.unread
    const asOf = decodeWatermark(row, member)
    // Of checkpoint and watermark the later one knows how many are unread.
    if (asOf < conversation.checkpointSeq) member.unread = unread
    else countedTo.set(member, asOf)
  }
  if (conversation.group !== null) await readReceived(engine, conversation)
  await readLogTail(engine, conversation, countedTo)
  return conversation
}

/** What a group's members have received stands in rows of all of them together. */
async function readReceived(engine: Engine, conversation: ConversationState): Promise<void> {
  const { keys } = conversation
  const [received, floor] = await Promise.all([engine.get(keys.received()), engine.get(keys.floor())])
  if (received !== undefined) decodeReceived(received, conversation)
  if (floor !== undefined) raiseToFloor(conversation, decodeFloor(floor))
}

/** How two stand to each other who have not written yet: from the lists that each of them keeps, at its home. */
async function loadPair(engine: Engine, name: string, channels: Channels | null): Promise<Pair | null> {
  if (!isOfTwo(name)) return null
  const [one = '', other = ''] = name.split(':')
  const sideOf = (user: string, of: string): Promise<PairSide> => {
    const away = channels?.to(user) ?? null
    return away === null || channels === null ? loadSide(engine, user, of) : channels.ask(away.shard, 'side', user, of)
  }
  return Promise.all([sideOf(one, other), sideOf(other, one)])
}

/** From the lists of a user who is at home here. */
export async function loadSide(engine: Engine, user: string, other: string): Promise<PairSide> {
  const keys = userKeys(user)
  const [blocked, contact] = await Promise.all([
    isListed(engine, keys, KEPT_LIST.blocked, other), isListed(engine, keys, KEPT_LIST.contacts, other),
  ])
  return new PairSide(blocked ? 1 : 0, contact, false, [])
}

/** The records behind the checkpoint: tail, time, writers, unread. */
async function readLogTail(engine: Engine, conversation: ConversationState, countedTo: ReadonlyMap<Member, number>): Promise<void> {
  for (;;) {
    const page = await engine.range({ ...conversation.keys.logRange(conversation.tail + 1), limit: PAGE_ROWS, bytesMax: PAGE_BYTES })
    if (page.length === 0) break
    for (const [key, row] of page) {
      for (const record of readLogRun(row, numberAt(key))) {
        // A run may begin before the checkpoint.
        if (record.seq > conversation.tail) readLastRecord(conversation, record, countedTo)
      }
    }
  }
  conversation.committedTail = conversation.tail
}

function readLastRecord(conversation: ConversationState, record: LogRecord, countedTo: ReadonlyMap<Member, number>): void {
  const { seq, timeMs } = record
  conversation.tail = seq
  conversation.lastTimeMs = timeMs
  if (record.change !== null) return
  const writer = conversation.writer(record.from, record.device, record.outboxEpoch)
  writer.lastClientId = record.clientId
  writer.lastSeq = seq
  writer.lastTimeMs = timeMs
  // [OPS-14]
  if (record.operation !== null || isErased(record)) return
  for (const member of conversation.members) {
    if (member.user === record.from || seq <= (countedTo.get(member) ?? 0)) continue
    if (!conversation.hides(member.user, seq)) member.unread++
  }
}
