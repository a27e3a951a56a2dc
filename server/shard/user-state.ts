/** A user in memory: account and settings, its devices, and where its queue stands. */
import type { UserKeys } from '../../storage/user-keys.js'
import type { Outgoing } from '../channels/outgoing.js'
import { type BlobUse, NO_BLOB_USE } from '../holdings/rows.js'
import type { Erasures } from '../operations/erasures.js'
import { DEFAULT_PRIVACY, type Privacy } from '../presence/privacy.js'
import type { DeviceState } from './device-state.js'
import type { EntryRun } from './entry-run.js'
import type { Feed } from './feed.js'
import type { PackedVerifier } from './packed-verifier.js'
import { Resident } from './resident.js'

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
