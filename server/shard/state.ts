/**
 * What a shard keeps in memory of the users and conversations in use. Everything here can be read back from the store; nothing here
 * is ahead of the store but what the open transaction holds, and when a commit fails all of it is thrown away.
 */
import { type ConversationKeys, pairName, type UserKeys } from '../../storage/keyspace.js'
import { isGroup } from '../../protocol/address.js'
import { type BlobUse, NO_BLOB_USE } from '../holdings/rows.js'
import type { GroupState, Membership } from '../groups/group-state.js'
import { MemberColumns } from '../groups/member-columns.js'
import type { Erasures } from '../operations/erasures.js'
import { ACQUAINTANCES } from '../profiles/pair.js'
import type { Pair, PairSide } from '../profiles/pair.js'
import type { StrangerAllowance } from '../profiles/stranger-allowance.js'
import type { EntryRun } from './entry-run.js'
import type { Feed } from './feed.js'
import type { LogRun } from './log-run.js'
import { DEFAULT_PRIVACY } from '../presence/privacy.js'
import type { Privacy } from '../presence/privacy.js'
import type { Outgoing } from '../channels/outgoing.js'
import type { PackedVerifier } from './packed-verifier.js'
import type { Route } from './transaction.js'

/** A token as the server keeps it. [TOK-1] */
export interface TokenSlot {
  /** SHA-256 of the token, packed; see packed.ts. */
  readonly hash: string
  readonly issuedMs: number
}

export class DeviceState {
  readonly number: number
  readonly id: string
  readonly createdMs: number
  name: string
  lastActiveMs: number
  /** The highest epoch given to the device; its client ids count under it. */
  outboxEpoch = 0
  /** Last index the device has acknowledged. */
  cursor = 0
  /** The token last used, and the one issued since. [TOK-2] */
  tokenUsed: TokenSlot | null = null
  tokenIssued: TokenSlot | null = null
  /** Whether it has a place in the queue: false until it first binds to be sent entries. [QUE-18] */
  takes = true
  /** The open session of this device. */
  feed: Feed | null = null
  /** Whether its cursor is among what waits to be written late. */
  isMoved = false

  /**
   * Up to here the device needs no entry any more: what it has acknowledged, but not what its open session has yet to be sent again. A bind that comes late may
   * name more than the session that has begun since.
   */
  get doneTo(): number {
    if (!this.takes) return Infinity
    return this.isFed ? Math.min(this.cursor, this.feed!.acknowledged) : this.cursor
  }

  /** Whether its open session is sent entries. */
  get isFed(): boolean {
    return this.feed?.takes === true
  }

  constructor(number: number, id: string, name: string, createdMs: number) {
    this.number = number
    this.id = id
    this.name = name
    this.createdMs = createdMs
    this.lastActiveMs = createdMs
  }
}

/** In every state object: when it was last used by a transaction, what keeps it, and whether it is still the one in memory. */
export class Resident {
  readonly name: string
  /** Number of the last transaction that changed it: not evicted before that one is committed. */
  lastTransaction = 0
  /** The same for changes of more than a device's cursor. */
  lastChange = 0
  /** What of it waits for some transaction to write it; see late-writes.ts. Until then it is not on disk. */
  lateWrites = 0
  /** Commands that need it in memory until they are done; see gates.ts. */
  holds = 0
  /** `lastTransaction` when the sweep last came by; see residents.ts. */
  sweptAt = -1
  /** Counts the states that were let go: while it stands still, whoever was alive is. */
  static deaths = 0
  #isAlive = true

  constructor(name: string) {
    this.name = name
  }

  /** false once evicted or thrown away: whoever holds it must look it up again. */
  get alive(): boolean {
    return this.#isAlive
  }

  die(): void {
    this.#isAlive = false
    Resident.deaths++
  }
}

export interface AccountRow {
  readonly verifier: PackedVerifier
  readonly createdMs: number
  readonly disabled: boolean
  /** The name stays taken for ever, so that nobody inherits its conversations. */
  readonly removed: boolean
  readonly queueEpoch: number
  readonly nextDevice: number
}

/** Shared by all that have none. */
const NO_DEVICES: readonly DeviceState[] = []
const NO_FEEDS: readonly Feed[] = []

/** Nobody has counted the user's groups since it was loaded, or since one was listed. */
export const UNCOUNTED = -1
/** Somebody counts them, and none has been listed meanwhile. */
export const COUNTING = -2

export class UserState extends Resident {
  /** Counts accounts that came or went, and users who began or ceased to tell what they read: what followed from all of a group may do so no longer. */
  static settingsChanges = 0

  // At first what each entry in a queue looks at: it lies together in memory.
  /** Last index given out. */
  tail = 0
  /** What the open transaction appends to the queue. */
  openEntries: EntryRun | null = null
  /** Sessions of this user's devices that are sent entries; replaced by each change. */
  feeds: readonly Feed[] = NO_FEEDS
  /**
   * Entries up to here may have been seen by a device and must not change any more. Receipts above it may be replaced by later ones
   * of the same mark (RCP-5), so that a device that is away finds one for each conversation.
   */
  exposedTo = 0
  #exists = false
  #readReceipts = true
  /** Leads to the user's home; null: that is this shard. Of who is at home elsewhere a shard knows name, existence and receipts alone. */
  channel: Outgoing | null = null
  /** Of who is at home elsewhere: it stands here on disk. */
  isRecorded = false
  readonly keys: UserKeys
  #account: AccountRow | null = null
  /** Groups in its list that it is a member of, and those it may become one of; UNCOUNTED, or COUNTING. */
  groupCount = UNCOUNTED
  invitationCount = 0
  /** When it was last seen, as stored or about to be; 0: never. */
  lastSeenMs = 0
  privacy: Privacy = DEFAULT_PRIVACY
  blobUse: BlobUse = NO_BLOB_USE
  /** Sessions that are sent none; replaced by each change. [QUE-17] */
  otherFeeds: readonly Feed[] = NO_FEEDS
  /** Replaced by each change: an array that grows in place has room for 17, as has a literal with a spread; most have one device. */
  devices: readonly DeviceState[] = NO_DEVICES
  /** Last index on disk, and the index up to which entries may be gone. */
  committedTail = 0
  trimmedTo = 0
  /** Last index that may have been in a row of its own, and up to where such rows were trimmed, or are as good as: what is due counts from here. */
  lastRow = 0
  rowsTrimmedTo = 0
  /** Committed entries that stand in the journal alone, in their order; null: none. */
  journaled: EntryRun[] | null = null
  /** Up to where such entries were let go, since all devices have them. What is written with a cursor is `trimmedTo`. */
  droppedTo = 0
  /** Rows of entries below this are gone, as far as is known: what need not be walked over again, tombstones and all. */
  removedBelow = 0
  /** Deleted messages whose text the queue may still hold; null: none. */
  erasures: Erasures | null = null
  /** Index of the entry above `exposedTo` that a later one may replace: receipts by conversation and mark, changes by list; null until there is one. */
  unsentEntries: Map<string, number> | null = null

  constructor(name: string, keys: UserKeys) {
    super(name)
    this.keys = keys
  }

  /** null: there is no such user. */
  get account(): AccountRow | null {
    return this.#account
  }

  set account(account: AccountRow | null) {
    this.#account = account
    const exists = account !== null && !account.removed
    if (exists !== this.#exists) UserState.settingsChanges++
    this.#exists = exists
  }

  get exists(): boolean {
    return this.#exists
  }

  get readReceipts(): boolean {
    return this.#readReceipts
  }

  set readReceipts(isOn: boolean) {
    if (isOn !== this.#readReceipts) UserState.settingsChanges++
    this.#readReceipts = isOn
  }

  /** Whether what it does on one device may have to be told to another; who is at home elsewhere is told there, if so. */
  get mayHaveSiblings(): boolean {
    return this.devices.length > 1 || this.channel !== null
  }

  /** Whether each of its devices that takes entries has a session that takes what is committed at once. */
  get isLive(): boolean {
    const { feeds, devices } = this
    if (feeds.length === 0) return false
    for (const feed of feeds) if (!feed.isLive) return false
    return feeds.length === devices.length || feeds.length === takersAmong(devices)
  }

  /** Whether any of its devices has a session. */
  get isOnline(): boolean {
    return this.feeds.length > 0 || this.otherFeeds.length > 0
  }

  /** Entries up to here may be gone. */
  get goneTo(): number {
    return Math.max(this.trimmedTo, this.droppedTo)
  }

  /** Up to where none of its devices needs an entry any more. */
  get doneTo(): number {
    let to = this.tail
    for (const { doneTo } of this.devices) if (doneTo < to) to = doneTo
    return to
  }

  device(id: string): DeviceState | undefined {
    return this.devices.find((device) => device.id === id)
  }

  addDevice(device: DeviceState): void {
    this.devices = this.devices.concat(device)
  }

  removeDevice(device: DeviceState): void {
    this.devices = this.devices.filter((each) => each !== device)
  }

  addFeed(feed: Feed): void {
    if (feed.takes) this.feeds = this.feeds.concat(feed)
    else this.otherFeeds = this.otherFeeds.concat(feed)
  }

  removeFeed(feed: Feed): void {
    if (feed.takes) this.feeds = this.feeds.filter((each) => each !== feed)
    else this.otherFeeds = this.otherFeeds.filter((each) => each !== feed)
  }
}

function takersAmong(devices: readonly DeviceState[]): number {
  let takers = 0
  for (const { takes } of devices) if (takes) takers++
  return takers
}

/** One outbox that writes to a conversation, and how far it has come: what recognises a retry without a read. [MSG-3] */
export class Writer {
  readonly user: string
  readonly device: number
  readonly epoch: number
  lastClientId: number
  lastSeq: number
  lastTimeMs: number
  /** No longer among the conversation's writers: whoever holds it must look it up again. */
  isForgotten = false

  constructor(user: string, device: number, epoch: number, lastClientId = 0, lastSeq = 0, lastTimeMs = 0) {
    this.user = user
    this.device = device
    this.epoch = epoch
    this.lastClientId = lastClientId
    this.lastSeq = lastSeq
    this.lastTimeMs = lastTimeMs
  }

  static key(user: string, device: number, epoch: number): string {
    return `${user}/${String(device)}/${String(epoch)}`
  }
}

/** The place of who is no member of a group. */
const NO_PLACE = -1

export class Member {
  readonly user: string
  read = 0
  /** Of a pair: what the other was told of `delivered`, which lags behind while the user has blocked it. [PRF-12] */
  deliveredTold = 0
  /** In a group: its role, and what it may read. */
  membership: Membership | null = null
  /** Among the members of its group. */
  place = NO_PLACE
  /** What the open transaction has still to write and tell. */
  deliveredRose = false
  deliveredToldRose = false
  readRose = false
  readToldRose = false
  /** Those of its group; null: what follows is kept here. */
  #columns: MemberColumns | null = null
  #delivered = 0
  #readTold = 0
  #unread = 0

  constructor(user: string) {
    this.user = user
  }

  get delivered(): number {
    return this.#columns === null ? this.#delivered : this.#columns.delivered[this.place]!
  }

  set delivered(seq: number) {
    if (this.#columns === null) this.#delivered = seq
    else this.#columns.delivered[this.place] = seq
  }

  /** What others were told that it has read: this lags behind `read` while the user's receipts are off. [RCP-7] */
  get readTold(): number {
    return this.#columns === null ? this.#readTold : this.#columns.readTold[this.place]!
  }

  set readTold(seq: number) {
    if (this.#columns === null) this.#readTold = seq
    else this.#columns.readTold[this.place] = seq
  }

  /** Messages of others above `read`. [RCP-8] */
  get unread(): number {
    return this.#columns === null ? this.#unread : this.#columns.unread[this.place]!
  }

  set unread(count: number) {
    if (this.#columns === null) this.#unread = count
    else this.#columns.unread[this.place] = count
  }

  /** Takes the next place of a group. */
  join(columns: MemberColumns, place: number): void {
    columns.add(this)
    this.#columns = columns
    this.place = place
  }

  /** Somebody before it has left. */
  moveUp(): void {
    this.place--
  }

  leave(columns: MemberColumns): void {
    const { delivered, readTold, unread, place } = this
    this.#columns = null
    this.place = NO_PLACE
    Object.assign(this, { delivered, readTold, unread })
    columns.remove(place)
  }
}

/** Up to here a list is as fast as a map. */
const FEW_MEMBERS = 4

export class ConversationState extends Resident {
  // At first what each acknowledgement in a group looks at: it lies together in memory.
  /** Counts changes of the members: a route made before one is no longer good. */
  membersVersion = 0
  tail = 0
  /** null: a pair, one's notes, or a group that nobody has made. */
  group: GroupState | null = null
  /** Of a group, also of one that nobody has made; null: a pair, or one's notes. */
  readonly columns: MemberColumns | null
  /** In the open transaction's list of conversations with risen watermarks, or with a checkpoint due. */
  isDirty = false
  /** Whether watermarks have risen that are among what waits to be written late. */
  isRaised = false
  readonly keys: ConversationKeys
  /** false: nobody has written yet. */
  exists = false
  /** In the order in which they came; changed by addMember and removeMember alone. */
  readonly members: Member[] = []
  /** Of a group: the route found last, since all its members ask for it. */
  route: Route | null = null
  /** How the two stand to each other, in the order of the members; null: a group, or one's own notes. Known before it exists. */
  pair: Pair | null = null
  /** What the one of the two who has had no answer may still send; null: all that is allowed. */
  strangerAllowance: StrangerAllowance | null = null
  createdMs = 0
  /** New messages expire after this; 0: they stay. */
  timerMs = 0
  committedTail = 0
  lastTimeMs = 0
  /** What the open transaction appends to the log. */
  openLog: LogRun | null = null
  /** The checkpoint on disk covers the log up to here; behind it at most `checkpointEvery` records and a commit's worth. */
  checkpointSeq = 0
  /** Messages up to here were dropped by retention. */
  trimmedTo = 0
  readonly writers = new Map<string, Writer>()
  /** A checkpoint has to be written with the open transaction. */
  isCheckpointDue = false
  /** Made where looking through the list would take long. */
  #byName: Map<string, Member> | null = null
  #memberList: string | null = null

  constructor(name: string, keys: ConversationKeys) {
    super(name)
    this.keys = keys
    this.columns = isGroup(name) ? new MemberColumns() : null
  }

  member(user: string): Member | undefined {
    if (this.members.length <= FEW_MEMBERS) return this.members.find((member) => member.user === user)
    this.#byName ??= new Map(this.members.map((member) => [member.user, member]))
    return this.#byName.get(user)
  }

  /** The names of the members in their order, separated by spaces. */
  get memberList(): string {
    return this.#memberList ??= this.members.map((member) => member.user).join(' ')
  }

  addMember(member: Member): void {
    if (this.columns !== null) member.join(this.columns, this.members.length)
    this.members.push(member)
    // Many may come at once.
    this.#byName?.set(member.user, member)
    this.#membersChanged()
  }

  removeMember(member: Member): void {
    const place = this.members.indexOf(member)
    this.members.splice(place, 1)
    if (this.columns !== null) {
      member.leave(this.columns)
      for (let i = place; i < this.members.length; i++) this.members[i]!.moveUp()
      this.group?.awaiting.drop(member)
    }
    this.#byName?.delete(member.user)
    this.#membersChanged()
  }

  #membersChanged(): void {
    this.membersVersion++
    this.route = null
    this.#memberList = null
  }

  /** Position of a user among the members, also of a conversation that nobody has opened. */
  positionOf(user: string): number {
    return this.exists ? this.members.findIndex((member) => member.user === user) : memberNames(this).indexOf(user)
  }

  /** The user's side of the pair; null where there is none. */
  side(user: string): PairSide | null {
    // Of nearly all pairs both sides are the same.
    if (this.pair === null || this.pair === ACQUAINTANCES) return this.pair === null ? null : this.pair[0]
    return this.pair[this.positionOf(user) === 0 ? 0 : 1]
  }

  /** Whether a message is hidden from the member. [PRF-10] */
  hides(user: string, seq: number): boolean {
    return this.side(user)?.hides(seq) ?? false
  }

  /** The highest seq up to this one that the user may know of. [PRF-14] */
  visible(user: string, seq: number): number {
    return this.side(user)?.visible(seq) ?? seq
  }

  /** Whether everything in it is hidden from its member, so that to this one it does not exist. [PRF-14] */
  isHiddenFrom(user: string): boolean {
    return this.tail > 0 && this.visible(user, this.tail) === 0
  }

  writer(user: string, device: number, epoch: number): Writer {
    const key = Writer.key(user, device, epoch)
    let writer = this.writers.get(key)
    if (writer === undefined) {
      writer = new Writer(user, device, epoch)
      this.writers.set(key, writer)
    }
    return writer
  }

  /**
   * Forgets outboxes silent since `oldestMs`, and a user's oldest beyond `byUserMax`: an honest device takes up a new epoch only when
   * it has lost its state, but any device can make as many as it likes.
   */
  forgetWriters(oldestMs: number, byUserMax: number): void {
    const counts = new Map<string, number>()
    const latestFirst = [...this.writers].sort(([, one], [, other]) => other.lastSeq - one.lastSeq)
    for (const [key, writer] of latestFirst) {
      const count = (counts.get(writer.user) ?? 0) + 1
      counts.set(writer.user, count)
      if (count <= byUserMax && writer.lastSeq > 0 && writer.lastTimeMs >= oldestMs) continue
      writer.isForgotten = true
      this.writers.delete(key)
    }
  }
}

/** Of a conversation not yet opened the members follow from its name. */
export function memberNames(conversation: ConversationState): readonly string[] {
  if (conversation.exists) return conversation.members.map((member) => member.user)
  return isGroup(conversation.name) ? [] : conversation.name.split(':')
}

/** How a member addresses a conversation: by the other user, by the group, by itself for its notes. */
export function conversationAddress(conversation: ConversationState, viewer: string): string {
  const { members } = conversation
  if (isGroup(conversation.name)) return conversation.name
  const other = members.find((member) => member.user !== viewer)
  return other === undefined ? viewer : other.user
}

/** The same from its name in the store alone. */
export function addressIn(name: string, user: string): string {
  if (isGroup(name)) return name
  const [one = name, other = one] = name.split(':')
  return one === user ? other : one
}

/** Whether a conversation, by its name in the store, is that of two: neither a group nor a user's own. */
export function isOfTwo(name: string): boolean {
  return name.includes(':')
}

/** The conversation's name in the store, as this user addresses it. */
export function conversationName(user: string, address: string): string {
  return isGroup(address) ? address : pairName(user, address)
}
