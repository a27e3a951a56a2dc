/**
 * The one interface between sessions and shards. A session hands commands to the router and never learns which shard, process or
 * machine carries them out: one in this process, or one at the other end of a link, which carries the same calls.
 *
 * Hot calls (`message`, `mark`, `operate`, `cursor`) return at once and answer through the session's `DeviceSink`, after the commit, in batches:
 * no promise and no closure for a single message. Everything else is a promise.
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import type { Element } from '../../protocol/element.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { BlobCommands } from '../blobs/blob-router.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { Role } from '../groups/group-state.js'
import type { PresenceSink } from '../presence/watch.js'
import type { Audience, Privacy } from '../presence/privacy.js'
import type { RegistrationRouter } from '../accounts/registration-router.js'
import type { SearchRouter } from '../search/search-router.js'
import type { ConversationFlags } from '../profiles/flags.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'

/** How the router speaks to a session. Calls come after the commit that makes them true, many in one turn; write them out once a turn. */
export interface DeviceSink extends PresenceSink {
  /** A stanza is on stable storage. Times are Unix times; without `expiresMs`, or with 0, what it says stays. [MSG-1] [DIS-2] */
  acked(clientId: number, seq: number, timeMs: number, expiresMs?: number): void
  /** A stanza was refused; the session goes on. */
  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void
  /**
   * Queue entries: whole frames one behind another, lengths included, ready to send; `count` of them, the last one with index `last`.
   * The bytes stay valid and are not changed afterwards.
   */
  entries(frames: Uint8Array, last: number, count: number): void
  /**
   * Where the frames of queue entries can be appended, in place of a call of `entries`: without a copy. `endEntries` follows in the same turn
   * and says what it would have. null: they are to be handed over.
   */
  beginEntries?(): ByteBuffer | null
  endEntries?(last: number, count: number): void
  /** The backlog is sent up to `index`; called once. [QUE-7] */
  done(index: number): void
  /** An ephemeral frame of this type, or the part of it that these names are, was not taken. [PRS-11] */
  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void
  /** Nobody is there any more to be told anything. Looked at before a place is opened, for it would take that of a later session. */
  readonly isGone?: boolean
  /** The shard ends the session (replaced, device removed, storage unavailable…). No call follows it; do not call `detach`. */
  ended(error: ErrorCode): void
}

/** SCRAM verifier of an account (RFC 5802, section 3): what the server stores instead of a password. */
export interface Verifier {
  readonly salt: Uint8Array
  readonly iterations: number
  /** H(ClientKey), 32 bytes */
  readonly storedKey: Uint8Array
  /** 32 bytes */
  readonly serverKey: Uint8Array
}

export interface Account {
  readonly user: string
  readonly disabled: boolean
  readonly verifier: Verifier
  readonly createdMs: number
}

/** One line of the list of accounts. */
export interface AccountSummary {
  readonly user: string
  readonly createdMs: number
  readonly devices: number
  readonly disabled: boolean
}

export type TokenCheck = 'valid' | 'invalid' | 'disabled'

export interface AttachRequest {
  readonly user: string
  readonly device: string
  readonly deviceName: string
  readonly queueEpoch: number
  readonly cursor: number
  readonly outboxEpoch: number
  /** Entries; 0: the default. */
  readonly window: number
  /** The session takes nothing off the queue. Left out where it does: owners of before do not know it. [QUE-17] */
  readonly noQueue?: true
  /** Salt of the verifier that the password was checked against: a password changed since opens nothing. Not given with a token. */
  readonly verifierSalt?: Uint8Array
  /** SHA-256 of the token that authenticated this session; null after a password. [TOK-2] */
  readonly usedTokenHash: Uint8Array | null
  /** SHA-256 of a fresh token that the shard may put into the device's second slot. */
  readonly freshTokenHash: Uint8Array
  /**
   * Stamp of a session that has lost its place with an owner or a link, and goes on in another one. Nothing about the device changes, no
   * token is issued, and it is refused as replaced where a later session of the device has its place.
   */
  readonly resumes?: number
}

/** A device's place at its user's shard while its session lives; opaque but for the epoch its client ids count under. */
export interface Attachment {
  readonly outboxEpoch: number
}

export interface Attached {
  readonly attachment: Attachment
  /** welcome.resume: 0 fresh, 1 resumed, 2 too old */
  readonly resume: 0 | 1 | 2
  readonly queueEpoch: number
  readonly cursor: number
  readonly pending: number
  readonly outboxEpoch: number
  readonly window: number
  /** Whether the fresh token was taken and has to be told to the device. */
  readonly tokenIssued: boolean
  /** Of the device, given by its user's shard. */
  readonly deviceNumber: number
  /** Of two sessions of a device the later one has the higher stamp, at whichever owners of its shard they began. One that goes on keeps its own. */
  readonly stamp: number
}

export interface HistoryRequest {
  readonly after?: number
  readonly before?: number
  readonly sinceMs?: number
  readonly untilMs?: number
  readonly limit: number
}

/** How many have reacted to a message with one emoji. */
export interface ReactionCount {
  readonly emoji: string
  readonly count: number
  /** Whether the user who reads is among them. */
  readonly own: boolean
  /** Some of them, who reacted first. */
  readonly users: readonly string[]
}

/** What operations have made of a message, to the user who reads. [OPS-12, OPS-13] */
export interface PresentState {
  /** 0: not edited, or not deleted. */
  readonly editedMs: number
  readonly deletedMs: number
  /** Those given most first. */
  readonly reactions: readonly ReactionCount[]
}

export interface StoredMessage {
  readonly seq: number
  readonly from: string
  readonly timeMs: number
  /** UTF-8 */
  readonly text: Uint8Array
  /** Encoded extensions, as sent; may be empty. */
  readonly extensions: Uint8Array
  /** What changed in the group; null: it is a message. */
  readonly change: Element | null
  /** What was done to which message; null: it is none. Its text is there where it is in force. */
  readonly operation: { readonly target: number, readonly kind: number } | null
  /** null: as it was sent. The text is the present one. */
  readonly present: PresentState | null
}

export interface HistoryPage {
  /** Ascending by seq. [HIS-1] */
  readonly messages: readonly StoredMessage[]
  readonly more: boolean
  readonly tail: number
}

export interface MemberWatermarks {
  readonly member: string
  readonly delivered: number
  readonly read: number
}

export interface ConversationSummary {
  readonly conversation: string
  readonly tail: number
  readonly last: StoredMessage | null
  /** The user's own, shared between its devices. [PRF-16] */
  readonly flags: ConversationFlags
  /** Of the other's profile as it shows to the user; 0: not a pair. [PRF-4] */
  readonly profileVersion: number
  /** New messages expire after this; 0: they stay, or the user is in it no longer. [DIS-1] */
  readonly timerMs: number
  /** The user's own read watermark. */
  readonly read: number
  readonly unread: number
  /** Of the other members. */
  readonly others: readonly MemberWatermarks[]
  /** null: it is none. In a group `others` is one without a name, for all. */
  readonly group: { readonly displayName: string, readonly size: number, readonly role: Role | 'invited' | 'requested' | 'former' } | null
}

export interface DeviceInfo {
  readonly device: string
  readonly name: string
  readonly createdMs: number
  readonly lastActiveMs: number
  readonly online: boolean
}

export interface UserSettings {
  readonly readReceipts: boolean
}

/** What is given replaces what was; see Privacy. Names as the client wrote them. */
export interface PrivacyChange {
  readonly seen?: Audience
  readonly online?: Audience
  readonly except?: readonly string[]
}

/** A promise of the router is rejected with this alone; `code` is the wire's error. */
export class RouterError extends Error {
  override readonly name = 'RouterError'
  readonly code: ErrorCode
  readonly retryAfterMs: number
  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.code = code
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

export interface Router extends RegistrationRouter, SearchRouter {
  /** How many there are behind it, and the number of the one that is home to the user, from 0: what has to wait for one waits by itself. */
  readonly shards: number
  shardOf(user: string): number

  /** For SCRAM. null: there is no such user. */
  account(user: string): Promise<Account | null>
  /** Constant-time comparison against both slots; changes nothing, `attach` does. [TOK-2] */
  checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck>

  /** Opens the device's place. The sink may be told that it has ended from then on, all else from `start` on. */
  attach(request: AttachRequest, sink: DeviceSink): Promise<Attached>
  /** The connection of a sink that is being attached has ended: it needs no place. If it gets one all the same, it is detached as ever. */
  abandon(sink: DeviceSink): void
  /** The welcome is written: entries may flow, and `done` may be told before this returns. Does nothing when the session has ended. */
  start(attachment: Attachment): void
  detach(attachment: Attachment): void

  /** `text` and `extensions` are copied before the call returns; text and extensions are checked here. `to` as the client wrote it. */
  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void
  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void
  /** An edit, a delete or a reaction; its form is checked here. [OPS-1] */
  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void
  /** Whether so much waits for its commit that devices above their rate should not add to it. [FLW-1] */
  readonly isCrowded: boolean
  /** Has `task` called once, in a later turn, when that may be over. To be asked only while it is so. */
  whenRoom(task: () => void): void
  /** Cumulative acknowledgement; false: the index was never sent or runs backwards. [QUE-5] */
  cursor(attachment: Attachment, index: number): boolean

  /** The ephemeral lane: values as the client sent them, what can't be taken is told as `declined`. [PRS-1] */
  activity(attachment: Attachment, activity: number): void
  watch(attachment: Attachment, users: readonly string[]): void
  unwatch(attachment: Attachment, users: readonly string[]): void
  typing(attachment: Attachment, conversation: string, kind: number): void

  history(user: string, conversation: string, request: HistoryRequest): Promise<HistoryPage>
  conversations(user: string, after: string, limit: number): Promise<{ conversations: readonly ConversationSummary[]; more: boolean }>
  receipts(user: string, conversation: string): Promise<readonly MemberWatermarks[]>
  devices(user: string): Promise<readonly DeviceInfo[]>
  removeDevice(user: string, device: string): Promise<void>
  readonly groups: GroupCommands
  readonly timers: TimerCommands
  /** null: blobs are not kept here. */
  readonly blobs: BlobCommands | null
  settings(user: string): Promise<UserSettings>
  changeSettings(user: string, change: Partial<UserSettings>): Promise<UserSettings>
  privacy(user: string): Promise<Privacy>
  changePrivacy(user: string, change: PrivacyChange): Promise<Privacy>

  /** Profiles, contacts, blocking, flags of conversations, reports. */
  readonly profiles: ProfileService & ProfileAdmin

  /** Administration. `addUser` is refused with conflict when the name is taken, the others with no-such-user. */
  addUser(user: string, verifier: Verifier): Promise<void>
  /** Changes the password, burns every token of the user and ends its sessions. [TOK-4] */
  changeVerifier(user: string, verifier: Verifier): Promise<void>
  /** Removes account, devices and queue and ends its sessions; its messages stay in the conversations of others. */
  removeUser(user: string): Promise<void>
  /** Disabled: its sessions end and its logins are refused; what is sent to it waits. [INV-15] */
  setDisabled(user: string, disabled: boolean): Promise<void>
  users(after: string, limit: number): Promise<{ users: readonly AccountSummary[]; more: boolean }>
}
