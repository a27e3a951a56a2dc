/** A router without shards: it records what sessions hand over, and tests answer through the sinks. */
import { ERROR } from '../../../protocol/generated/registry.js'
import type { TimerCommands } from '../../expiry/timers.js'
import type { GroupCommands } from '../../groups/group-commands.js'
import type { InviteInfo, Registration } from '../../accounts/registration-router.js'
import type { RebuildResult, SearchPage } from '../../search/search-router.js'
import type { HomeRouter, Visitor, VisitPlace, VisitSink } from '../../router/home-router.js'
import { DEFAULT_PRIVACY, type Privacy } from '../../presence/privacy.js'
import {
  type Account, type AccountSummary, type Attached, type AttachRequest, type Attachment, type ConversationSummary, type DeviceInfo, type DeviceSink,
  type HistoryPage, type HistoryRequest, type MemberWatermarks, type PrivacyChange, type Router, RouterError, type TokenCheck,
  type UserSettings, type Verifier,
} from '../../router/router.js'

export interface Place {
  readonly request: AttachRequest
  readonly sink: DeviceSink
  readonly attachment: Attachment
  isDetached: boolean
}

export class FakeRouter implements HomeRouter {
  readonly accounts = new Map<string, Account>()
  /** `user/device` → hash of the token, in hex. */
  readonly tokens = new Map<string, string>()
  readonly places: Place[] = []
  /** Hot calls in order: `message 1 bob hi`, `mark 2 bob 2 7`, `cursor 3`. */
  readonly calls: string[] = []
  /** What `attach` gives, beside the attachment. */
  attached = { resume: 0 as 0 | 1 | 2, queueEpoch: 11, cursor: 0, pending: 0, outboxEpoch: 21, window: 256, tokenIssued: true, deviceNumber: 1, stamp: 1 }
  /** The next control call is rejected with it. */
  failure: Error | null = null
  /** Control calls wait for it. */
  gate: Promise<void> = Promise.resolve()
  isCursorValid = true
  isCrowded = false
  #onRoom: (() => void)[] = []
  page: HistoryPage = { messages: [], more: false, tail: 0 }
  historyRequests: HistoryRequest[] = []
  summaries: ConversationSummary[] = []
  members: MemberWatermarks[] = []
  infos: DeviceInfo[] = []
  searchPage: SearchPage = { results: [], more: false, next: null, rowsRead: 0 }
  readReceipts = true
  privacySettings: Privacy = DEFAULT_PRIVACY
  /** Sessions of these tests ask for none. */
  get profiles(): Router['profiles'] {
    throw new Error('this router has no profiles')
  }

  get home(): HomeRouter['home'] {
    throw new Error('this router is not one of several')
  }

  readonly isReachable = true
  shards = 1
  /** By user; others are at home in the first one. */
  readonly homes = new Map<string, number>()
  readonly visits: { readonly visitor: Visitor, readonly sink: VisitSink, readonly attachment: Attachment }[] = []

  onRemoveDevice: (device: string) => void = () => {}
  /** There are none. */
  readonly timers: TimerCommands = { get: async () => 0, set: async () => 0 }
  readonly blobs: Router['blobs'] = null
  readonly groups: GroupCommands = {
    create: () => this.#noGroup(), change: () => this.#noGroup(), join: () => this.#noGroup(),
    details: () => this.#noGroup(), makeLink: () => this.#noGroup(), revokeLink: () => this.#noGroup(),
  }

  async #control(): Promise<void> {
    await this.gate
    const { failure } = this
    this.failure = null
    if (failure !== null) throw failure
  }

  async #noGroup(): Promise<never> {
    await this.#control()
    throw new RouterError(ERROR.noSuchConversation, 'there are no groups')
  }

  shardOf(user: string): number {
    return this.homes.get(user) ?? 0
  }

  async account(user: string): Promise<Account | null> {
    await this.#control()
    return this.accounts.get(user) ?? null
  }

  async checkToken(user: string, device: string, tokenHash: Uint8Array): Promise<TokenCheck> {
    await this.#control()
    if (this.tokens.get(`${user}/${device}`) !== Buffer.from(tokenHash).toString('hex')) return 'invalid'
    return this.accounts.get(user)?.disabled === true ? 'disabled' : 'valid'
  }

  async attach(request: AttachRequest, sink: DeviceSink): Promise<Attached> {
    await this.#control()
    const attachment = { outboxEpoch: this.attached.outboxEpoch }
    this.places.push({ request, sink, attachment, isDetached: false })
    return { ...this.attached, attachment }
  }

  visit(visitor: Visitor, sink: VisitSink): VisitPlace {
    const attachment = { outboxEpoch: visitor.outboxEpoch }
    this.visits.push({ visitor, sink, attachment })
    return { router: this, attachment }
  }

  abandon(): void {}
  start(): void {}

  detach(attachment: Attachment): void {
    if (this.visits.some((candidate) => candidate.attachment === attachment)) {
      this.calls.push('left')
      return
    }
    const place = this.places.find((candidate) => candidate.attachment === attachment)
    if (place === undefined) throw new Error('detached what was never attached')
    place.isDetached = true
  }

  message(_attachment: Attachment, clientId: number, to: string, text: Uint8Array): void {
    this.calls.push(`message ${String(clientId)} ${to} ${Buffer.from(text).toString()}`)
  }

  mark(_attachment: Attachment, clientId: number, conversation: string, mark: number, seq: number): void {
    this.calls.push(`mark ${String(clientId)} ${conversation} ${String(mark)} ${String(seq)}`)
  }

  operate(_attachment: Attachment, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    this.calls.push(`operate ${String(clientId)} ${conversation} ${String(target)} ${String(kind)} ${Buffer.from(text).toString()}`)
  }

  whenRoom(task: () => void): void {
    this.#onRoom.push(task)
  }

  /** A commit is done. */
  tellRoom(): void {
    const tasks = this.#onRoom
    this.#onRoom = []
    for (const task of tasks) task()
  }

  cursor(_attachment: Attachment, index: number): boolean {
    this.calls.push(`cursor ${String(index)}`)
    return this.isCursorValid
  }

  activity(_attachment: Attachment, activity: number): void {
    this.calls.push(`activity ${String(activity)}`)
  }

  watch(_attachment: Attachment, users: readonly string[]): void {
    this.calls.push(`watch ${users.join(' ')}`)
  }

  unwatch(_attachment: Attachment, users: readonly string[]): void {
    this.calls.push(`unwatch ${users.join(' ')}`)
  }

  typing(_attachment: Attachment, conversation: string, kind: number): void {
    this.calls.push(`typing ${conversation} ${String(kind)}`)
  }

  async history(_user: string, _conversation: string, request: HistoryRequest): Promise<HistoryPage> {
    await this.#control()
    this.historyRequests.push(request)
    return this.page
  }

  async conversations(): Promise<{ conversations: readonly ConversationSummary[], more: boolean }> {
    await this.#control()
    return { conversations: this.summaries, more: false }
  }

  async receipts(): Promise<readonly MemberWatermarks[]> {
    await this.#control()
    return this.members
  }

  async devices(): Promise<readonly DeviceInfo[]> {
    await this.#control()
    return this.infos
  }

  async removeDevice(_user: string, device: string): Promise<void> {
    await this.#control()
    this.onRemoveDevice(device)
  }

  async settings(): Promise<UserSettings> {
    await this.#control()
    return { readReceipts: this.readReceipts }
  }

  async changeSettings(_user: string, change: Partial<UserSettings>): Promise<UserSettings> {
    await this.#control()
    this.readReceipts = change.readReceipts ?? this.readReceipts
    return { readReceipts: this.readReceipts }
  }

  async privacy(): Promise<Privacy> {
    await this.#control()
    return this.privacySettings
  }

  async changePrivacy(_user: string, change: PrivacyChange): Promise<Privacy> {
    await this.#control()
    this.privacySettings = { ...this.privacySettings, ...change }
    return this.privacySettings
  }

  async addUser(user: string, verifier: Verifier): Promise<void> {
    await this.#control()
    if (this.accounts.has(user)) throw new RouterError(ERROR.conflict, `${user} exists already`)
    this.accounts.set(user, { user, disabled: false, verifier, createdMs: 0 })
  }

  async changeVerifier(user: string, verifier: Verifier): Promise<void> {
    await this.#control()
    if (!this.accounts.has(user)) throw new RouterError(ERROR.noSuchUser, `there is no user ${user}`)
    this.accounts.set(user, { user, disabled: false, verifier, createdMs: 0 })
  }

  async removeUser(user: string): Promise<void> {
    await this.#control()
    if (!this.accounts.delete(user)) throw new RouterError(ERROR.noSuchUser, `there is no user ${user}`)
  }

  async setDisabled(user: string, disabled: boolean): Promise<void> {
    await this.#control()
    const account = this.accounts.get(user)
    if (account === undefined) throw new RouterError(ERROR.noSuchUser, `there is no user ${user}`)
    this.accounts.set(user, { ...account, disabled })
  }

  async register({ user, verifier, invite }: Registration): Promise<boolean> {
    await this.#control()
    if (invite === null) throw new RouterError(ERROR.inviteInvalid, 'no code')
    if (this.accounts.has(user)) throw new RouterError(ERROR.nameTaken, `${user} exists already`)
    this.accounts.set(user, { user, disabled: false, verifier, createdMs: 0 })
    return true
  }

  async makeInvite(): Promise<void> {
    await this.#control()
  }

  async invites(): Promise<{ invites: readonly InviteInfo[], more: boolean }> {
    await this.#control()
    return { invites: [], more: false }
  }

  async revokeInvite(): Promise<void> {
    await this.#control()
  }

  async search(): Promise<SearchPage> {
    await this.#control()
    return this.searchPage
  }

  async rebuildSearch(): Promise<RebuildResult> {
    await this.#control()
    return { conversations: 0, segments: 0 }
  }

  async users(after: string): Promise<{ users: readonly AccountSummary[], more: boolean }> {
    await this.#control()
    const users = [...this.accounts.values()].filter(({ user }) => user > after).map(({ user, createdMs, disabled }) => ({ user, createdMs, devices: 0, disabled }))
    return { users, more: false }
  }
}
