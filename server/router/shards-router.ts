/**
 * The router of a process with several shards. What a user is and has is asked of its home, what was said of the conversation's home, and
 * what needs both of both; what goes from one to the other by itself goes over channels. See spec/shards-draft.md for what does not work
 * across shards yet: that is refused.
 */
import { normalizeConversation } from '../../protocol/address.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { slotOf } from '../../storage/slots.js'
import type { InviteInfo, NewInvite, Registration } from '../accounts/registration-router.js'
import type { BlobCommands } from '../blobs/blob-router.js'
import { VisitingSession } from '../channels/visiting-session.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { Privacy } from '../presence/privacy.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import { mergePages } from '../search/merge.js'
import type { RebuildResult, SearchPage, SearchRequest } from '../search/search-router.js'
import { Feed } from '../shard/feed.js'
import { conversationName } from '../shard/state.js'
import type { SummarySource } from '../shard/views.js'
import type { LocalRouter } from './local-router.js'
import type {
  Account, AccountSummary, Attached, AttachRequest, Attachment, ConversationSummary, DeviceInfo, DeviceSink, HistoryPage, HistoryRequest,
  MemberWatermarks, PrivacyChange, Router, TokenCheck, UserSettings, Verifier,
} from './router.js'
import { RouterError } from './router.js'
import { shardGroups, shardProfiles, shardTimers } from './shards-services.js'

/** Told to a client whose command reaches a shard that can't commit at present. */
const AWAY_RETRY_MS = 1000

/** The part of a router that says where users and conversations are at home. */
export interface Homes {
  /** Of a user or a conversation, by its name in the store. */
  of(name: string): LocalRouter
  /** Of the conversation that the user addresses so. Throws RouterError malformed-address. */
  ofConversation(user: string, address: string): LocalRouter
  /** By the numbers of their shards. */
  readonly all: readonly LocalRouter[]
}

export class ShardsRouter implements Router, Homes {
  readonly #routers: LocalRouter[]
  readonly #shardOf: (slot: number) => number
  /** Sessions of users of each shard in the others. */
  readonly #visits = new Map<Feed, Map<LocalRouter, VisitingSession>>()
  readonly groups: GroupCommands
  readonly timers: TimerCommands
  readonly profiles: ProfileService & ProfileAdmin
  /** They are not kept where there are several shards. */
  readonly blobs: BlobCommands | null = null

  /** @param shardOf which of the routers has the shard that owns a slot */
  constructor(routers: readonly LocalRouter[], shardOf: (slot: number) => number) {
    this.#routers = [...routers]
    this.#shardOf = shardOf
    this.groups = shardGroups(this)
    this.timers = shardTimers(this)
    this.profiles = shardProfiles(this)
    for (const router of routers) this.#lookAfter(router)
  }

  /** Another life of a shard has begun: the sessions of its users are over. Those that visited it have to be ended by then. */
  replace(shard: number, router: LocalRouter): void {
    const before = this.#routers[shard]
    for (const [feed, visits] of this.#visits) {
      if (before !== undefined) visits.delete(before)
      if (feed.host !== before?.shard) continue
      for (const session of visits.values()) session.leave()
      this.#visits.delete(feed)
    }
    this.#routers[shard] = router
    this.#lookAfter(router)
  }

  #lookAfter({ shard }: LocalRouter): void {
    const { onFeedRemoved } = shard
    shard.onFeedRemoved = (feed) => {
      onFeedRemoved(feed)
      for (const session of this.#visits.get(feed)?.values() ?? []) session.leave()
      this.#visits.delete(feed)
    }
  }

  get all(): readonly LocalRouter[] {
    return this.#routers
  }

  of(name: string): LocalRouter {
    return this.#routers[this.#shardOf(slotOf(name))]!
  }

  ofConversation(user: string, address: string): LocalRouter {
    const normalized = normalizeConversation(address)
    if (normalized === null) throw new RouterError(ERROR.malformedAddress, 'not the address of a conversation')
    return this.of(conversationName(user, normalized))
  }

  // ——— Sessions: they live at the home of their user ———

  account(user: string): Promise<Account | null> {
    return this.of(user).account(user)
  }

  checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck> {
    return this.of(user).checkToken(user, device, tokenHash)
  }

  attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    return this.of(request.user).attach(request, sink)
  }

  /** Each shard looks for itself. */
  abandon(): void {}

  start(attachment: Attachment): void {
    this.#homeOf(attachment).start(attachment)
  }

  detach(attachment: Attachment): void {
    this.#homeOf(attachment).detach(attachment)
  }

  cursor(attachment: Attachment, index: number): boolean {
    return this.#homeOf(attachment).cursor(attachment, index)
  }

  #homeOf(attachment: Attachment): LocalRouter {
    return this.of(feedOf(attachment).user.name)
  }

  // ——— What is said in conversations ———

  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const place = this.#placeOf(attachment, clientId, to)
    place?.router.message(place.author, clientId, to, text, extensions)
  }

  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    const place = this.#placeOf(attachment, clientId, conversation)
    place?.router.mark(place.author, clientId, conversation, mark, seq)
  }

  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    const place = this.#placeOf(attachment, clientId, conversation)
    place?.router.operate(place.author, clientId, conversation, target, kind, text)
  }

  /** Where the conversation is at home, and the session as that shard knows it; null: the command is refused. */
  #placeOf(attachment: Attachment, clientId: number, address: string): { router: LocalRouter, author: Attachment } | null {
    const feed = feedOf(attachment)
    const normalized = normalizeConversation(address)
    const home = this.of(feed.user.name)
    const router = normalized === null ? home : this.of(conversationName(feed.user.name, normalized))
    if (router === home) return { router, author: feed }
    if (feed.hasEnded) return null
    if (!router.shard.isAvailable) {
      feed.sink.refused(clientId, ERROR.unavailable, AWAY_RETRY_MS)
      return null
    }
    let visits = this.#visits.get(feed)
    if (visits === undefined) this.#visits.set(feed, visits = new Map<LocalRouter, VisitingSession>())
    let author = visits.get(router)
    if (author === undefined) visits.set(router, author = new VisitingSession(router.shard, home.shard, feed))
    return { router, author }
  }

  get isCrowded(): boolean {
    return this.#routers.some(({ isCrowded }) => isCrowded)
  }

  whenRoom(task: () => void): void {
    const crowded = this.#routers.find(({ isCrowded }) => isCrowded) ?? this.#routers[0]!
    crowded.whenRoom(task)
  }

  async history(user: string, conversation: string, request: HistoryRequest): Promise<HistoryPage> {
    return this.ofConversation(user, conversation).history(user, conversation, request)
  }

  async receipts(user: string, conversation: string): Promise<readonly MemberWatermarks[]> {
    const { readReceipts } = await this.settings(user)
    return this.ofConversation(user, conversation).receiptsFor({ name: user, readReceipts }, conversation)
  }

  conversations(user: string, after: string, limit: number): Promise<{ conversations: readonly ConversationSummary[], more: boolean }> {
    const source: SummarySource = {
      part: (name, { readReceipts }) => this.of(name).summaryPart(name, { name: user, readReceipts }),
      profileVersions: (owner) => this.of(owner).profileVersions(owner),
      settled: () => Promise.resolve(),
    }
    return this.of(user).conversations(user, after, limit, source)
  }

  // ——— The ephemeral lane: whom one watches has to be at home in the same shard ———

  activity(attachment: Attachment, activity: number): void {
    this.#homeOf(attachment).activity(attachment, activity)
  }

  watch(attachment: Attachment, users: readonly string[]): void {
    const home = this.#homeOf(attachment)
    const [here, elsewhere] = this.#split(home, users)
    if (here.length > 0) home.watch(attachment, here)
    if (elsewhere.length > 0) feedOf(attachment).sink.declined(FRAME.watch, elsewhere, ERROR.unavailable, 0)
  }

  unwatch(attachment: Attachment, users: readonly string[]): void {
    const home = this.#homeOf(attachment)
    const [here] = this.#split(home, users)
    // None at all means all.
    if (here.length > 0 || users.length === 0) home.unwatch(attachment, here)
  }

  #split(home: LocalRouter, users: readonly string[]): [here: string[], elsewhere: string[]] {
    const here: string[] = []
    const elsewhere: string[] = []
    for (const user of users) (this.of(user.toLowerCase()) === home ? here : elsewhere).push(user)
    return [here, elsewhere]
  }

  typing(attachment: Attachment, conversation: string, kind: number): void {
    this.#homeOf(attachment).typing(attachment, conversation, kind)
  }

  // ——— Accounts ———

  devices(user: string): Promise<readonly DeviceInfo[]> {
    return this.of(user).devices(user)
  }

  removeDevice(user: string, device: string): Promise<void> {
    return this.of(user).removeDevice(user, device)
  }

  settings(user: string): Promise<UserSettings> {
    return this.of(user).settings(user)
  }

  changeSettings(user: string, change: Partial<UserSettings>): Promise<UserSettings> {
    return this.of(user).changeSettings(user, change)
  }

  privacy(user: string): Promise<Privacy> {
    return this.of(user).privacy(user)
  }

  changePrivacy(user: string, change: PrivacyChange): Promise<Privacy> {
    return this.of(user).changePrivacy(user, change)
  }

  addUser(user: string, verifier: Verifier): Promise<void> {
    return this.of(user).addUser(user, verifier)
  }

  changeVerifier(user: string, verifier: Verifier): Promise<void> {
    return this.of(user).changeVerifier(user, verifier)
  }

  removeUser(user: string): Promise<void> {
    return this.of(user).removeUser(user)
  }

  setDisabled(user: string, disabled: boolean): Promise<void> {
    return this.of(user).setDisabled(user, disabled)
  }

  /** Of the first of all shards together. */
  async users(after: string, limit: number): Promise<{ users: readonly AccountSummary[], more: boolean }> {
    const pages = await Promise.all(this.#routers.map((router) => router.users(after, limit)))
    const all = pages.flatMap(({ users }) => users).sort((one, other) => (one.user < other.user ? -1 : 1))
    // Behind the last of a page that is cut off something may be missing.
    const ends = pages.flatMap(({ users, more }) => more ? users.at(-1)?.user ?? [] : []).sort()
    const known = ends[0] === undefined ? all : all.filter(({ user }) => user <= ends[0]!)
    return { users: known.slice(0, limit), more: ends.length > 0 || known.length > limit }
  }

  async register(registration: Registration): Promise<boolean> {
    if (registration.invite !== 'none') throw notAcrossShards()
    return this.of(registration.user).register(registration)
  }

  makeInvite(_invite: NewInvite): Promise<void> {
    return Promise.reject(notAcrossShards())
  }

  invites(): Promise<{ invites: readonly InviteInfo[], more: boolean }> {
    return Promise.reject(notAcrossShards())
  }

  revokeInvite(): Promise<void> {
    return Promise.reject(notAcrossShards())
  }

  /** Each shard looks in the conversations that are at home there. */
  async search(user: string, request: SearchRequest): Promise<SearchPage> {
    if (request.conversation !== undefined) return this.ofConversation(user, request.conversation).search(user, request)
    const names = await this.of(user).conversationNames(user)
    const byHome = new Map<LocalRouter, string[]>()
    for (const name of names) {
      const home = this.of(name)
      byHome.set(home, [...byHome.get(home) ?? [], name])
    }
    // Who has none is told all the same whether its words make sense.
    if (byHome.size === 0) return this.of(user).searchIn(user, request, [])
    const pages = await Promise.all([...byHome].map(([home, its]) => home.searchIn(user, request, its)))
    return mergePages(pages, Math.min(request.limit, LIMIT.searchPageMax))
  }

  async rebuildSearch(): Promise<RebuildResult> {
    const made = await Promise.all(this.#routers.map((router) => router.rebuildSearch()))
    return {
      conversations: made.reduce((sum, { conversations }) => sum + conversations, 0),
      segments: made.reduce((sum, { segments }) => sum + segments, 0),
    }
  }
}

export function notAcrossShards(): RouterError {
  return new RouterError(ERROR.unsupportedQuery, 'this does not work yet where there are several shards')
}

function feedOf(attachment: Attachment): Feed {
  if (!(attachment instanceof Feed)) throw new TypeError('not an attachment of this router')
  return attachment
}
