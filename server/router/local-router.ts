/** The router of a process that owns every shard there is: one, on the engine it was opened with. */
import { readAttachments } from '../../protocol/attachments.js'
import { checkMessageExtensions } from '../../protocol/extensions.js'
import { hasExpiry } from '../../protocol/expiry.js'
import { normalizeConversation } from '../../protocol/address.js'
import { ERROR, LIMIT, MARK, OPERATION } from '../../protocol/generated/registry.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import { checkText } from '../../protocol/text.js'
import { isReaction } from '../../protocol/reaction.js'
import { readReferences } from '../../protocol/references.js'
import { mustRead } from '../groups/access.js'
import { Timers } from '../expiry/timers.js'
import { Blobs } from '../holdings/blobs.js'
import { Groups } from '../groups/groups.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import type { PresenceLimits } from '../presence/limits.js'
import { Presence } from '../presence/presence.js'
import type { Privacy } from '../presence/privacy.js'
import type { Relations } from '../presence/relations.js'
import { Admissions } from '../accounts/admissions.js'
import { Invites } from '../accounts/invites.js'
import { register } from '../accounts/register.js'
import type { InviteInfo, NewInvite, Registration } from '../accounts/registration-router.js'
import { rebuildSearch } from '../search/rebuild.js'
import type { RebuildResult, SearchPage, SearchRequest } from '../search/search-router.js'
import { search } from '../search/search.js'
import { Profiles } from '../profiles/profiles.js'
import { Accounts } from '../shard/accounts.js'
import type { VisitorFacts } from '../channels/federation.js'
import { VisitingSession } from '../channels/visiting-session.js'
import type { PairSide } from '../profiles/pair.js'
import type { Author } from '../shard/author.js'
import { Feed } from '../shard/feed.js'
import { loadSide } from '../shard/loader.js'
import { openFeed } from '../shard/open-feed.js'
import { readHistory } from '../shard/history.js'
import type { OperationKind } from '../operations/decide.js'
import { listConversations, listDevices, LocalSummaries } from '../shard/views.js'
import { unavailable } from '../shard/commit-loop.js'
import type { Shard } from '../shard/shard.js'
import type { HomeRouter, Visitor, VisitPlace, VisitSink } from './home-router.js'
import { LocalHome, nameOf } from './local-home.js'
import type {
  Account, AccountSummary, Attached, AttachRequest, Attachment, ConversationSummary, DeviceInfo, DeviceSink, HistoryPage,
  HistoryRequest, MemberWatermarks, PrivacyChange, TokenCheck, UserSettings, Verifier,
} from './router.js'

export class LocalRouter implements HomeRouter {
  readonly shard: Shard
  readonly presence: Presence
  readonly #accounts: Accounts
  readonly groups: Groups
  readonly #invites: Invites
  /** null: there are no other shards. */
  readonly admissions: Admissions | null
  readonly profiles: Profiles
  readonly timers: Timers
  readonly blobs: Blobs | null
  readonly home: LocalHome

  constructor(shard: Shard, presenceLimits: PresenceLimits = PRESENCE_LIMITS, relations: Relations | null = null) {
    this.shard = shard
    const { groupMembersMax, groupsMax } = shard.environment.limits
    this.profiles = new Profiles(shard)
    this.groups = new Groups(shard, { membersMax: groupMembersMax, groupsMax }, (owner, other) => this.profiles.isBlocked(owner, other))
    this.timers = new Timers(shard, this.groups)
    this.blobs = shard.environment.blobs === undefined ? null : new Blobs(shard, shard.environment.blobs)
    this.presence = new Presence(shard, presenceLimits, relations ?? this.profiles)
    this.profiles.onRelation(({ owner, other }) => {
      this.presence.refreshBetween(owner, other).catch((error: unknown) => { shard.environment.log.error({ err: error }, 'presence-refresh-failed') })
    })
    this.#accounts = new Accounts(shard)
    this.#invites = new Invites(shard)
    this.home = new LocalHome(shard)
    const { federation } = shard.environment
    this.admissions = federation === undefined ? null : new Admissions(shard, federation)
    shard.onAdmitted = (user) => { this.#admitted(user) }
  }

  readonly shards = 1

  shardOf(): number {
    return 0
  }

  account(user: string): Promise<Account | null> {
    return this.#accounts.account(user)
  }

  checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck> {
    return this.#accounts.checkToken(user, device, tokenHash)
  }

  attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    return openFeed(this.shard, request, sink)
  }

  /** `openFeed` looks for itself. */
  abandon(): void {}

  start(attachment: Attachment): void {
    const feed = feedOf(attachment)
    feed.start()
    this.presence.enter(feed)
  }

  detach(attachment: Attachment): void {
    if (attachment instanceof VisitingSession) attachment.leave()
    else this.shard.sessions.remove(feedOf(attachment))
  }

  get isReachable(): boolean {
    return this.shard.isAvailable
  }

  visit(visitor: Visitor, sink: VisitSink): VisitPlace {
    if (!this.shard.isAvailable) throw unavailable()
    return { router: this, attachment: new VisitingSession(this.shard, visitor, sink) }
  }

  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const feed = authorOf(attachment)
    if (feed.hasEnded) return
    const address = feed.routes.has(to) ? to : normalizeConversation(to)
    const error = address === null ? ERROR.malformedAddress : checkMessage(text, extensions)
    if (error === 0 && address !== null) this.shard.messages.say(feed, clientId, address, text, extensions)
    else if (error !== 0) feed.sink.refused(clientId, error, 0)
  }

  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    const feed = authorOf(attachment)
    if (feed.hasEnded) return
    const address = normalizeConversation(conversation)
    if (address === null) feed.sink.refused(clientId, ERROR.malformedAddress, 0)
    else if (mark !== MARK.read || seq === 0) feed.sink.refused(clientId, ERROR.badRequest, 0)
    else this.shard.receipts.markRead(feed, clientId, address, seq)
  }

  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    const feed = authorOf(attachment)
    if (feed.hasEnded) return
    const address = normalizeConversation(conversation)
    const error = address === null ? ERROR.malformedAddress : checkOperation(target, kind, text)
    if (error === 0 && address !== null) this.shard.operations.operate(feed, clientId, address, target, kind as OperationKind, text)
    else if (error !== 0) feed.sink.refused(clientId, error, 0)
  }

  get isCrowded(): boolean {
    return this.shard.isCrowded
  }

  whenRoom(task: () => void): void {
    this.shard.whenRoom(task)
  }

  cursor(attachment: Attachment, index: number): boolean {
    return this.shard.receipts.acknowledged(feedOf(attachment), index)
  }

  activity(attachment: Attachment, activity: number): void {
    this.presence.activity(feedOf(attachment), activity)
  }

  watch(attachment: Attachment, users: readonly string[]): void {
    this.presence.watch(feedOf(attachment), users)
  }

  unwatch(attachment: Attachment, users: readonly string[]): void {
    this.presence.unwatch(feedOf(attachment), users)
  }

  typing(attachment: Attachment, conversation: string, kind: number): void {
    this.presence.typing(feedOf(attachment), conversation, kind)
  }

  async history(user: string, conversation: string, request: HistoryRequest): Promise<HistoryPage> {
    const state = await this.shard.conversation(nameOf(user, conversation))
    const intervals = mustRead(state, user)
    const limit = Math.min(request.limit, LIMIT.historyPageMax)
    return this.shard.reading(readHistory(this.shard.engine, state, { ...request, limit }, intervals, user, this.shard.nowMs))
  }

  async conversations(user: string, after: string, limit: number): Promise<{ conversations: readonly ConversationSummary[]; more: boolean }> {
    const viewer = await this.shard.user(user)
    return listConversations(viewer, after, Math.min(limit, LIMIT.conversationsPageMax), new LocalSummaries(this.shard))
  }

  async receipts(user: string, conversation: string): Promise<readonly MemberWatermarks[]> {
    return this.home.receipts(await this.shard.user(user), conversation)
  }

  // ——— What other shards ask ———

  async mustRead(user: string, conversation: string): Promise<void> {
    mustRead(await this.shard.conversation(conversation), user)
  }

  async visitorFacts(name: string): Promise<VisitorFacts> {
    const user = await this.shard.user(name)
    const { exists, readReceipts } = user
    if (!this.shard.isSettledButForLate(user)) await this.shard.committed()
    return { exists, readReceipts }
  }

  side(user: string, other: string): Promise<PairSide> {
    return this.shard.reading(loadSide(this.shard.engine, user, other))
  }

  async devices(user: string): Promise<readonly DeviceInfo[]> {
    return listDevices(await this.shard.user(user))
  }

  removeDevice(user: string, device: string): Promise<void> {
    return this.#accounts.removeDevice(user, device)
  }

  async settings(user: string): Promise<UserSettings> {
    return { readReceipts: (await this.shard.user(user)).readReceipts }
  }

  changeSettings(user: string, change: Partial<UserSettings>): Promise<UserSettings> {
    return this.#accounts.changeSettings(user, change)
  }

  privacy(user: string): Promise<Privacy> {
    return this.presence.privacy(user)
  }

  changePrivacy(user: string, change: PrivacyChange): Promise<Privacy> {
    return this.presence.changePrivacy(user, change)
  }


  async addUser(user: string, verifier: Verifier): Promise<void> {
    await this.#accounts.addUser(user, verifier)
    await this.presence.refresh(user)
  }

  changeVerifier(user: string, verifier: Verifier): Promise<void> {
    return this.#accounts.changeVerifier(user, verifier)
  }

  async removeUser(user: string): Promise<void> {
    const { channels } = this.shard
    await channels?.opened()
    channels?.mustHaveRoom()
    // What it leaves is told in its name, so that comes first.
    await this.groups.leaveAll(user)
    await this.profiles.takeAway(user, (releasePicture) => this.#accounts.removeUser(user, () => {
      releasePicture()
      this.blobs?.forgetNotes(user)
    }))
    await this.blobs?.forgetUser(user)
    await this.#invites.dropAll(user)
    // What somebody has added it to meanwhile; after this nobody does.
    await this.groups.leaveAll(user)
    await this.presence.refresh(user)
    await channels?.allTaken()
  }

  setDisabled(user: string, disabled: boolean): Promise<void> {
    return this.#accounts.setDisabled(user, disabled)
  }

  users(after: string, limit: number): Promise<{ users: readonly AccountSummary[]; more: boolean }> {
    return this.#accounts.users(after, limit)
  }

  async register(registration: Registration): Promise<boolean> {
    const isNew = await (this.admissions === null ? register(this.shard, registration) : this.admissions.register(registration))
    // Somebody may have watched the name before there was a user. [PRS-5]
    if (isNew) await this.presence.refresh(registration.user)
    return isNew
  }

  /** Also where nobody waits for it any more. */
  #admitted(user: string): void {
    this.admissions?.admitted(user)
    this.presence.refresh(user).catch((error: unknown) => { this.shard.environment.log.error({ err: error }, 'presence-refresh-failed') })
  }

  isInvite(id: string): Promise<boolean> {
    return this.#invites.isThere(id)
  }

  makeInvite(invite: NewInvite): Promise<void> {
    return this.#invites.make(invite)
  }

  invites(maker: string | null, after: string, limit: number): Promise<{ invites: readonly InviteInfo[]; more: boolean }> {
    return this.#invites.list(maker, after, limit)
  }

  revokeInvite(maker: string | null, id: string): Promise<void> {
    return this.#invites.revoke(maker, id)
  }

  search(user: string, request: SearchRequest): Promise<SearchPage> {
    return search(this.shard, user, request)
  }

  rebuildSearch(): Promise<RebuildResult> {
    return rebuildSearch(this.shard)
  }
}

function feedOf(attachment: Attachment): Feed {
  if (!(attachment instanceof Feed)) throw new TypeError('not an attachment of this router')
  return attachment
}

function authorOf(attachment: Attachment): Author {
  return attachment instanceof Feed ? attachment : visitingOf(attachment)
}

function visitingOf(attachment: Attachment): VisitingSession {
  if (!(attachment instanceof VisitingSession)) throw new TypeError('not an attachment of this router')
  return attachment
}

/** 0: fine. [MSG-7, MSG-8, MSG-9, FRM-7] */
function checkMessage(text: Uint8Array, extensions: Uint8Array): ErrorCode | 0 {
  if (extensions.length === 0) return text.length === 0 ? ERROR.emptyMessage : checkText(text)
  if (checkMessageExtensions(extensions) !== 'ok') return ERROR.unsupportedExtension
  if (readReferences(extensions) === null) return ERROR.badRequest // [OPS-19]
  if (hasExpiry(extensions)) return ERROR.badRequest // [DIS-5]
  const attachments = readAttachments(extensions)
  if (attachments === null) return ERROR.badRequest // [BLB-11]
  if (text.length > 0) return checkText(text)
  // Of all extensions these alone carry content.
  return attachments.length === 0 ? ERROR.emptyMessage : 0
}

/** 0: fine. [OPS-4, OPS-10] */
function checkOperation(target: number, kind: number, text: Uint8Array): ErrorCode | 0 {
  if (target === 0) return ERROR.badRequest
  switch (kind) {
    case OPERATION.edit: return text.length === 0 ? ERROR.emptyMessage : checkText(text)
    case OPERATION.delete: return text.length === 0 ? 0 : ERROR.badRequest
    case OPERATION.react: return text.length === 0 || isReaction(text) ? 0 : ERROR.invalidReaction
    default: return ERROR.badRequest
  }
}
