/**
 * The router of a process that takes clients where there are several shards, in this process or at the other ends of links. What a user is
 * and has is asked of its home, what was said of the conversation's home, and what needs both of both; what goes from one to the other by
 * itself goes over channels. See spec/shards.md for what does not work
 * across shards yet: that is refused.
 */
import { normalizeConversation } from '../../protocol/address.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import { slotOf } from '../../storage/slots.js'
import type { InviteInfo, NewInvite, Registration } from '../accounts/registration-router.js'
import type { BlobCommands } from '../blobs/blob-router.js'
import type { Clock } from '../clock.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { Privacy } from '../presence/privacy.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import { mergeByName } from './merge-pages.js'
import { mergePages } from '../search/merge.js'
import type { RebuildResult, SearchPage, SearchRequest } from '../search/search-router.js'
import type { Scheduler } from '../shard/environment.js'
import { conversationName } from '../shard/conversation-name.js'
import { listConversations } from '../shard/views.js'
import type { HomeCommands, HomeRouter } from './home-router.js'
import { nameOf } from './local-home.js'
import type {
  Account, AccountSummary, Attached, AttachRequest, Attachment, ConversationSummary, DeviceInfo, DeviceSink, HistoryPage, HistoryRequest,
  MemberWatermarks, PrivacyChange, Router, TokenCheck, UserSettings, Verifier,
} from './router.js'
import { RouterError } from './router.js'
import { shardBlobs } from './shards-blobs.js'
import { shardGroups, shardProfiles, shardTimers } from './shards-services.js'
import { ShardsSession, type ShardsSessionHost } from './shards-session.js'
import type { Visit } from './visit.js'

/** Before what failed for want of a shard is tried again. */
const RETRY_MS = 100

/** The part of a router that says where users and conversations are at home. */
export interface Homes {
  /** Of a user or a conversation, by its name in the store. */
  of(name: string): HomeRouter
  /** Of the conversation that the user addresses so. Throws RouterError malformed-address. */
  ofConversation(user: string, address: string): HomeRouter
  /** By the numbers of their shards. */
  readonly all: readonly HomeRouter[]
}

export interface ShardsRouterOptions {
  /** By the numbers of their shards. */
  readonly routers: readonly HomeRouter[]
  /** Which of them has the shard that owns a slot. */
  readonly shardOf: (slot: number) => number
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
  /** How long a session waits for a shard that has not answered it; then it ends with `storage-unavailable`. */
  readonly ownerWaitMs: number
}

export class ShardsRouter implements Router, Homes, ShardsSessionHost {
  readonly #options: ShardsRouterOptions
  readonly #routers: HomeRouter[]
  readonly #shardOf: (slot: number) => number
  /** Those that take their first place. */
  readonly #attaching = new Map<DeviceSink, ShardsSession>()
  /** Those that wait for a shard, with their sessions. */
  readonly #waiting = new Map<Visit, ShardsSession>()
  #isLooking = false
  readonly groups: GroupCommands
  readonly timers: TimerCommands
  readonly profiles: ProfileService & ProfileAdmin
  /** null: none are kept. */
  readonly blobs: BlobCommands | null

  constructor(options: ShardsRouterOptions) {
    this.#options = options
    this.#routers = [...options.routers]
    this.#shardOf = options.shardOf
    this.groups = shardGroups(this)
    this.timers = shardTimers(this)
    this.profiles = shardProfiles(this)
    this.blobs = shardBlobs(this)
  }

  /** Another life of a shard has begun. Sessions of its users are over, and visits to it ended; they come to this one. */
  replace(shard: number, router: HomeRouter): void {
    this.#routers[shard] = router
  }

  routerOf(shard: number): HomeRouter {
    return this.#routers[shard]!
  }

  get all(): readonly HomeRouter[] {
    return this.#routers
  }

  of(name: string): HomeRouter {
    return this.#routers[this.#shardOf(slotOf(name))]!
  }

  ofConversation(user: string, address: string): HomeRouter {
    return this.of(nameOf(user, address))
  }

  get shards(): number {
    return this.#routers.length
  }

  shardOf(user: string): number {
    return this.#shardOf(slotOf(user))
  }

  // ——— Sessions: they live at the home of their user ———

  account(user: string): Promise<Account | null> {
    return this.of(user).account(user)
  }

  checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck> {
    return this.of(user).checkToken(user, device, tokenHash)
  }

  async attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    const session = new ShardsSession(this, request.user, this.shardOf(request.user), sink)
    this.#attaching.set(sink, session)
    try {
      const attached = await session.home.attach(request, session)
      session.begin(attached)
      return { ...attached, attachment: session }
    } finally {
      this.#attaching.delete(sink)
    }
  }

  abandon(sink: DeviceSink): void {
    const session = this.#attaching.get(sink)
    session?.home.abandon(session)
  }

  start(attachment: Attachment): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.home.start(session.place)
  }

  detach(attachment: Attachment): void {
    const session = sessionOf(attachment)
    if (session.isOver) return
    session.leave()
    session.home.detach(session.place)
  }

  cursor(attachment: Attachment, index: number): boolean {
    const session = sessionOf(attachment)
    return session.isOver || session.home.cursor(session.place, index)
  }

  // ——— What is said in conversations ———

  message(attachment: Attachment, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    const session = sessionOf(attachment)
    if (session.isOver) return
    const shard = this.#shardFor(session, to)
    if (shard === session.shard) session.home.message(session.place, clientId, to, text, extensions)
    else session.visit(shard).message(clientId, to, text, extensions)
  }

  mark(attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    const session = sessionOf(attachment)
    if (session.isOver) return
    const shard = this.#shardFor(session, conversation)
    if (shard === session.shard) session.home.mark(session.place, clientId, conversation, mark, seq)
    else session.visit(shard).mark(clientId, conversation, mark, seq)
  }

  operate(attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    const session = sessionOf(attachment)
    if (session.isOver) return
    const shard = this.#shardFor(session, conversation)
    if (shard === session.shard) session.home.operate(session.place, clientId, conversation, target, kind, text)
    else session.visit(shard).operate(clientId, conversation, target, kind, text)
  }

  /** Where the conversation is at home; of what is no address the user's home says so. */
  #shardFor(session: ShardsSession, address: string): number {
    const normalized = normalizeConversation(address)
    return normalized === null ? session.shard : this.#shardOf(slotOf(conversationName(session.user, normalized)))
  }

  waits(session: ShardsSession, visit: Visit): void {
    visit.lost(this.#options.clock.monotonicMs())
    this.#waiting.set(visit, session)
    this.#lookLater()
  }

  #lookLater(): void {
    if (this.#isLooking || this.#waiting.size === 0) return
    this.#isLooking = true
    this.#options.scheduler.after(RETRY_MS, () => {
      this.#isLooking = false
      const nowMs = this.#options.clock.monotonicMs()
      for (const [visit, session] of [...this.#waiting]) {
        const isLate = visit.waitedMs >= this.#options.ownerWaitMs
        if (isLate) session.end(ERROR.storageUnavailable)
        if (isLate || session.isOver || !visit.retry(nowMs)) this.#waiting.delete(visit)
      }
      this.#lookLater()
    })
  }

  /** A shard that is away holds nobody up but those who speak to it. */
  get isCrowded(): boolean {
    return this.#routers.some((router) => router.isReachable && router.isCrowded)
  }

  whenRoom(task: () => void): void {
    const crowded = this.#routers.find((router) => router.isReachable && router.isCrowded)
    if (crowded === undefined) this.#options.scheduler.defer(task)
    else crowded.whenRoom(task)
  }

  async history(user: string, conversation: string, request: HistoryRequest): Promise<HistoryPage> {
    return this.ofConversation(user, conversation).history(user, conversation, request)
  }

  async receipts(user: string, conversation: string): Promise<readonly MemberWatermarks[]> {
    const { readReceipts } = await this.settings(user)
    return this.ofConversation(user, conversation).home.receipts({ name: user, readReceipts }, conversation)
  }

  async conversations(user: string, after: string, limit: number): Promise<{ conversations: readonly ConversationSummary[], more: boolean }> {
    const { readReceipts } = await this.settings(user)
    const { home } = this.of(user)
    return listConversations({ name: user, readReceipts }, after, Math.min(limit, LIMIT.conversationsPageMax), {
      names: () => home.conversationNames(user),
      part: (name, viewer) => this.of(name).home.summaryPart(name, viewer),
      profileVersions: (owner) => this.of(owner).home.profileVersions(owner),
      flags: (_user, address) => home.flags(user, address),
      settled: () => Promise.resolve(),
    })
  }

  // ——— The ephemeral lane ———

  activity(attachment: Attachment, activity: number): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.home.activity(session.place, activity)
  }

  watch(attachment: Attachment, users: readonly string[]): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.home.watch(session.place, users)
  }

  unwatch(attachment: Attachment, users: readonly string[]): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.home.unwatch(session.place, users)
  }

  typing(attachment: Attachment, conversation: string, kind: number): void {
    const session = sessionOf(attachment)
    if (!session.isOver) session.home.typing(session.place, conversation, kind)
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
    const { items, more } = mergeByName(pages.map(({ users, more }) => ({ items: users, more })), limit, ({ user }) => user)
    return { users: items, more }
  }

  // ——— Invites: they are at home where who made them is, those of operators where nobody is ———

  register(registration: Registration): Promise<boolean> {
    return this.of(registration.user).register(registration)
  }

  makeInvite(invite: NewInvite): Promise<void> {
    return this.of(invite.maker).makeInvite(invite)
  }

  async invites(maker: string | null, after: string, limit: number): Promise<{ invites: readonly InviteInfo[], more: boolean }> {
    if (maker !== null) return this.of(maker).invites(maker, after, limit)
    const pages = await Promise.all(this.#routers.map((router) => router.invites(null, after, limit)))
    const { items, more } = mergeByName(pages.map(({ invites, more }) => ({ items: invites, more })), limit, ({ id }) => id)
    return { invites: items, more }
  }

  async revokeInvite(maker: string | null, id: string): Promise<void> {
    if (maker !== null) return this.of(maker).revokeInvite(maker, id)
    const revoked = await Promise.allSettled(this.#routers.map((router) => router.revokeInvite(null, id)))
    const failures = revoked.flatMap((each) => each.status === 'rejected' ? [each.reason as unknown] : [])
    // Where one can't say whether it has it, that is the answer.
    const other = failures.find((reason) => !(reason instanceof RouterError && reason.code === ERROR.noSuchInvite))
    if (other !== undefined || failures.length === revoked.length) throw other ?? failures[0]
  }

  /** Each shard looks in the conversations that are at home there. */
  async search(user: string, request: SearchRequest): Promise<SearchPage> {
    if (request.conversation !== undefined) return this.ofConversation(user, request.conversation).search(user, request)
    const { home } = this.of(user)
    const names = await home.conversationNames(user)
    const byHome = new Map<HomeCommands, string[]>()
    for (const name of names) {
      const its = byHome.get(this.of(name).home)
      if (its === undefined) byHome.set(this.of(name).home, [name])
      else its.push(name)
    }
    // Who has none is told all the same whether its words make sense.
    if (byHome.size === 0) return home.searchIn(user, request, [])
    const pages = await Promise.all([...byHome].map(([each, its]) => each.searchIn(user, request, its)))
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

function sessionOf(attachment: Attachment): ShardsSession {
  if (!(attachment instanceof ShardsSession)) throw new TypeError('not an attachment of this router')
  return attachment
}
