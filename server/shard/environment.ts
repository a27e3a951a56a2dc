/** What a shard takes from the outside, so that a simulator can stand in for all of it: time, randomness, limits, a log. */
import { LIMIT } from '../../protocol/generated/registry.js'
import type { ObjectEraser } from '../blobs/blob-router.js'
import type { Federation } from '../channels/federation.js'
import type { Logger } from './log.js'

export interface Clock {
  /** Unix time in milliseconds. It may jump, also backwards; the shard keeps its own promises about order. */
  nowMs(): number
}

export interface Scheduler {
  /** Runs `task` in a later turn of the event loop, after the input that is already there has been handled. */
  defer(task: () => void): void
  /** Runs `task` after about `delayMs`. */
  after(delayMs: number, task: () => void): void
}

export interface ShardLimits {
  /** Devices of one user. */
  readonly devicesMax: number
  /** Entries: a device further behind than this is told too old. */
  readonly queueEntriesMax: number
  /** A device not seen for this long no longer holds its queue back. */
  readonly queueAgeMs: number
  /** Entries: default and largest window of a device. */
  readonly windowDefault: number
  readonly windowMax: number
  /** Bytes of entries sent to a device and not acknowledged. */
  readonly windowBytesMax: number
  /** Unused tokens expire after this. */
  readonly tokenAgeMs: number
  /** Tokens older than this are replaced at the next bind. */
  readonly tokenRotateMs: number
  /** Entries behind the slowest cursor before they are trimmed: a range at a time, not one by one. */
  readonly trimEvery: number
  /**
   * Entries that all devices of a user were there for are given a row of their own after this, to twice this, by the next commit that writes what can wait, unless
   * they are acknowledged.
   */
  readonly journalMs: number
  /** Records of a log between two checkpoints: the most that a load has to scan, but for one commit's worth. */
  readonly checkpointEvery: number
  /** Users and conversations kept in memory beyond those in use: online, or needed by a command that is under way. */
  readonly residentUsersMax: number
  readonly residentConversationsMax: number
  /** Commands that wait for something to be loaded; beyond it new ones are refused as `unavailable`. */
  readonly waitingCommandsMax: number
  /** A commit of more operations than this makes the next one wait `gatherMs` for company. */
  readonly gatherOperations: number
  readonly gatherMs: number
  /** A large transaction behind a large commit waits as long as each turn of the event loop brings more, up to this time and these bytes. */
  readonly gatherMsMax: number
  readonly gatherBytesMax: number
  /** Members of one group, and groups of one user. */
  readonly groupMembersMax: number
  readonly groupsMax: number
  /** Operations, or bytes, of the open transaction from which on devices above their rate have to wait for the next one. */
  readonly crowdedOperations: number
  readonly crowdedBytes: number
  /** A watermark that rose may wait this long for its commit; 0: not at all. */
  readonly watermarkDelayMs: number
  /** Contacts of one user, and users blocked by one. */
  readonly contactsMax: number
  readonly blockedMax: number
  /** Messages to somebody who has not answered: how many at once, and how many more each second; 0 a second: no limit. */
  readonly strangerBurst: number
  readonly strangerPerSecond: number
  /** Reports of one user: how many at once, and how many more each hour; and how many may wait for the operator. */
  readonly reportsBurst: number
  readonly reportsPerHour: number
  readonly reportsMax: number
  /** A commit that takes longer counts as failed. */
  readonly commitTimeoutMs: number
  /** Messages older than this are not edited, or not deleted by their authors. [OPS-4, OPS-6] */
  readonly editAgeMs: number
  readonly deleteAgeMs: number
  /** What has expired is taken out of logs this often. [DIS-4] */
  readonly expirySweepMs: number
  /** Conversations forget messages older than this; 0: never. */
  readonly retentionMs: number
  /** Whether messages are indexed and searched. */
  readonly searchEnabled: boolean
  /** Whether messages are indexed before anybody has searched where they are. */
  readonly searchIndexAhead: boolean
  /** Rows that one page of a search may read, or what takes as long; then it ends, and the next one goes on. */
  readonly searchRowsMax: number
  /** Bytes of what one user holds and uploads, and of all blobs and uploads of the server; 0: no limit. */
  readonly blobQuotaBytes: number
  readonly blobTotalBytes: number
  /** Uploads of one user under way. */
  readonly uploadsMax: number
  /** An upload lies for so long, and a blob that is in no message; see blobs.md. [BLB-14] */
  readonly uploadAgeMs: number
  readonly blobHoldMs: number
  /** Of several shards: after so long the home of a blob asks a shard that has not taken what it was lent. */
  readonly blobLoanMs: number
  /** The clock may be set: whether a hold, an upload or a loan has ended, or an erasure is due, is looked at no more rarely than this. */
  readonly blobLookMs: number
  /**
   * Of several shards: how long each of the two questions is waited for that may come before something is held. What comes after a message in its
   * conversation waits, too, and with an entry of a channel all that is behind it.
   */
  readonly blobAnswerMs: number
}

export const SHARD_LIMITS: ShardLimits = {
  devicesMax: 10,
  queueEntriesMax: 100_000,
  queueAgeMs: 30 * 86_400_000,
  windowDefault: 256,
  windowMax: 1024,
  windowBytesMax: 1 << 20,
  tokenAgeMs: 90 * 86_400_000,
  tokenRotateMs: 7 * 86_400_000,
  trimEvery: 1024,
  journalMs: 500,
  checkpointEvery: 64,
  residentUsersMax: 20_000,
  residentConversationsMax: 50_000,
  waitingCommandsMax: 100_000,
  gatherOperations: 16,
  gatherMs: 1,
  gatherMsMax: 25,
  gatherBytesMax: 1 << 20,
  groupMembersMax: LIMIT.groupMembersMax,
  groupsMax: LIMIT.groupsMax,
  crowdedOperations: 32,
  crowdedBytes: 256 << 10,
  watermarkDelayMs: 3,
  contactsMax: 10_000,
  blockedMax: 10_000,
  strangerBurst: 60,
  strangerPerSecond: 1,
  reportsBurst: 10,
  reportsPerHour: 10,
  reportsMax: 10_000,
  commitTimeoutMs: 30_000,
  editAgeMs: LIMIT.editAgeMs,
  deleteAgeMs: LIMIT.deleteAgeMs,
  expirySweepMs: LIMIT.expiryDelayMs / 2,
  retentionMs: 0,
  searchEnabled: true,
  searchIndexAhead: false,
  searchRowsMax: 2000,
  blobQuotaBytes: 5 * 2 ** 30,
  blobTotalBytes: 0,
  uploadsMax: LIMIT.uploadsMax,
  uploadAgeMs: LIMIT.uploadAgeMs,
  blobHoldMs: LIMIT.blobHoldMs,
  blobLoanMs: 600_000,
  blobLookMs: 600_000,
  blobAnswerMs: 3000,
}

/** What a shard needs where blobs are kept. */
export interface BlobEnvironment {
  readonly eraser: ObjectEraser
  /** Whether the disk, or what else bytes are put into, has room for so many more. Rejects with RouterError where that can't be asked; any other rejection counts as no. */
  hasRoomFor(bytes: number): Promise<boolean>
  /** Told in the turn in which the blobs of these objects are dropped: whoever remembers one has to ask anew. */
  forgotten?(objects: readonly string[]): void
  /** Random bytes fit for keys and ids. */
  randomBytes(count: number): Uint8Array
}

export interface ShardEnvironment {
  readonly clock: Clock
  readonly scheduler: Scheduler
  /** 32 random bits; only for epochs, never for secrets. */
  random32(): number
  readonly limits: ShardLimits
  readonly log: Logger
  /** Stamps of sessions count from here: higher for each life of the shard, at whichever node. Not given: they count from the clock. */
  readonly firstStamp?: number
  /** Not given: no blobs are kept. */
  readonly blobs?: BlobEnvironment
  /** Not given: the shard is home to all users and conversations. */
  readonly federation?: Federation
}
