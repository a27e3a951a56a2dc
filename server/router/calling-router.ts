/** A router whose calls are carried out elsewhere: each becomes its name and arguments. Sessions' own calls are the subclass's. */
import type { InviteInfo, NewInvite, Registration } from '../accounts/registration-router.js'
import type { BlobCommands } from '../blobs/blob-router.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { Privacy } from '../presence/privacy.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import type { RebuildResult, SearchPage, SearchRequest } from '../search/search-router.js'
import { callParts } from './calls.js'
import type { HomeCommands, HomeRouter, Visitor, VisitPlace, VisitSink } from './home-router.js'
import type {
  Account, AccountSummary, Attached, AttachRequest, Attachment, ConversationSummary, DeviceInfo, DeviceSink, HistoryPage, HistoryRequest,
  MemberWatermarks, PrivacyChange, TokenCheck, UserSettings, Verifier,
} from './router.js'

export abstract class CallingRouter implements HomeRouter {
  readonly groups: GroupCommands
  readonly timers: TimerCommands
  readonly profiles: ProfileService & ProfileAdmin
  readonly home: HomeCommands
  readonly blobs: BlobCommands | null

  protected constructor(hasBlobs: boolean) {
    const parts = callParts((name, args) => this.ask(name, args))
    this.groups = parts.groups
    this.timers = parts.timers
    this.profiles = parts.profiles
    this.home = parts.home
    this.blobs = hasBlobs ? parts.blobs : null
  }

  /** Who asks one router alone need not tell them apart: of several shards each has its own. */
  readonly shards = 1

  shardOf(): number {
    return 0
  }

  /** Rejects with RouterError alone. */
  abstract ask(name: string, args: readonly unknown[]): Promise<unknown>

  abstract readonly isReachable: boolean
  abstract visit(visitor: Visitor, sink: VisitSink): VisitPlace
  abstract attach(request: AttachRequest, sink: DeviceSink): Promise<Attached>
  abstract abandon(sink: DeviceSink): void
  abstract start(attachment: Attachment): void
  abstract detach(attachment: Attachment): void
  abstract message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void
  abstract mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void
  abstract operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void
  abstract readonly isCrowded: boolean
  abstract whenRoom(task: () => void): void
  abstract cursor(attachment: Attachment, index: number): boolean
  abstract activity(attachment: Attachment, activity: number): void
  abstract watch(attachment: Attachment, users: readonly string[]): void
  abstract unwatch(attachment: Attachment, users: readonly string[]): void
  abstract typing(attachment: Attachment, conversation: string, kind: number): void

  account(user: string): Promise<Account | null> { return this.#ask('account', user) }
  checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck> { return this.#ask('checkToken', user, device, tokenHash) }

  history(user: string, conversation: string, request: HistoryRequest): Promise<HistoryPage> { return this.#ask('history', user, conversation, request) }
  conversations(user: string, after: string, limit: number): Promise<{ conversations: readonly ConversationSummary[], more: boolean }> {
    return this.#ask('conversations', user, after, limit)
  }

  receipts(user: string, conversation: string): Promise<readonly MemberWatermarks[]> { return this.#ask('receipts', user, conversation) }
  devices(user: string): Promise<readonly DeviceInfo[]> { return this.#ask('devices', user) }
  removeDevice(user: string, device: string): Promise<void> { return this.#ask('removeDevice', user, device) }
  settings(user: string): Promise<UserSettings> { return this.#ask('settings', user) }
  changeSettings(user: string, change: Partial<UserSettings>): Promise<UserSettings> { return this.#ask('changeSettings', user, change) }
  privacy(user: string): Promise<Privacy> { return this.#ask('privacy', user) }
  changePrivacy(user: string, change: PrivacyChange): Promise<Privacy> { return this.#ask('changePrivacy', user, change) }

  addUser(user: string, verifier: Verifier): Promise<void> { return this.#ask('addUser', user, verifier) }
  changeVerifier(user: string, verifier: Verifier): Promise<void> { return this.#ask('changeVerifier', user, verifier) }
  removeUser(user: string): Promise<void> { return this.#ask('removeUser', user) }
  setDisabled(user: string, disabled: boolean): Promise<void> { return this.#ask('setDisabled', user, disabled) }
  users(after: string, limit: number): Promise<{ users: readonly AccountSummary[], more: boolean }> { return this.#ask('users', after, limit) }

  register(registration: Registration): Promise<boolean> { return this.#ask('register', registration) }
  makeInvite(invite: NewInvite): Promise<void> { return this.#ask('makeInvite', invite) }
  invites(maker: string | null, after: string, limit: number): Promise<{ invites: readonly InviteInfo[], more: boolean }> {
    return this.#ask('invites', maker, after, limit)
  }

  revokeInvite(maker: string | null, id: string): Promise<void> { return this.#ask('revokeInvite', maker, id) }

  search(user: string, request: SearchRequest): Promise<SearchPage> { return this.#ask('search', user, request) }
  rebuildSearch(): Promise<RebuildResult> { return this.#ask('rebuildSearch') }

  #ask<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    return this.ask(`router.${method}`, args) as Promise<T>
  }
}
