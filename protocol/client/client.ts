/**
 * The reference client: a durable outbox, a cursor that moves when your handlers are done, and a connection that mends itself.
 *
 *     import { Client, fileStorage } from 'chatd/client'
 *
 *     const client = new Client({ server: 'tls://chat.example', user: 'alice', password: 'secret', device: 'laptop',
 *       storage: fileStorage('./alice') })
 *     client.on('message', async (message) => {
 *       console.log(message.from, message.text)
 *       await client.markRead(message.conversation, message.seq)
 *     })
 *     await client.connect()
 *     await client.send('bob', 'hi')
 *
 * What it promises: a message whose `send` was stored is sent until it is answered, once, in order, through crashes of this process and
 * of the server; a message of others is acknowledged only after all your handlers have settled and that is stored. A crash between the
 * two gives the same message again: whoever keeps messages under (conversation, seq) sees each of them exactly once.
 */
import { normalizeConversation, normalizeDevice, normalizeUser } from '../address.js'
import { encodeAttachments } from '../attachments.js'
import type { Attachment } from '../attachments.js'
import { EMPTY_BYTES } from '../bytes.js'
import { element } from '../element.js'
import type { Element } from '../element.js'
import { ERROR, LIMIT } from '../generated/registry.js'
import {
  inviteId, inviteQuery, invitesQuery, readInvites, readMadeInvite, readSearch, searchQuery,
} from './account-queries.js'
import type { InviteRecord, MadeInvite, SearchOptions, SearchResults } from './account-queries.js'
import { BlobClient } from './blob-client.js'
import type { BlobReference, DownloadedBlob, DownloadOptions, FileDownloadOptions, Uploadable, UploadedBlob, UploadOptions } from './blob-client.js'
import type { BlobInfo, BlobUsage } from './blob-elements.js'
import { ClientError, localError, serverError } from './client-error.js'
import { CatchUp } from './catch-up.js'
import type { MemberMarks, ReceiptEvent, Watermarks } from './conversations.js'
import { ClientCore } from './core.js'
import type {
  Ack, ChangedEvent, ClientStateName, CoreEvent, CoreOptions, Held, Message, OperationEvent, Refusal, WelcomeEvent,
} from './core-types.js'
import { Driver } from './driver.js'
import type { Platform } from './driver.js'
import type { DeclinedEvent, PresenceEvent, TypingEvent, TypingKind } from './ephemeral.js'
import { contentOf } from './message-content.js'
import { Emitter } from './emitter.js'
import type { Handler } from './emitter.js'
import {
  conversationsQuery, historyQuery, readConversations, readDevices, readHistory, readLimits, readReceipts, readSettings, readTimer, settingsQuery,
  timerQuery,
} from './query-elements.js'
import type { ConversationInfo, DeviceRecord, HistoryPage, HistoryRequest, ReceiptsPage, ServerLimits, Settings } from './query-elements.js'
import { wholePage } from './history-page.js'
import { privacyQuery, readPrivacy } from './privacy-elements.js'
import type { Privacy } from './privacy-elements.js'
import {
  changeFlagsQuery, changeProfileQuery, listQuery, profilesQuery, readBlocked, readContacts, readFlagsList, readProfiles, readVersion,
} from './profile-elements.js'
import type { BlockedInfo, ContactInfo, Flags, FlagsInfo, ListPage, ListRequest, Profile, ProfileInfo } from './profile-elements.js'
import { parseServerUrl } from './server-url.js'
import type { ServerAddress } from './server-url.js'
import { encodeReferences, type References } from '../references.js'
import type { ClientState, ClientStorage, OperationName, StanzaKind } from './state.js'
import { GroupClient } from './group-client.js'
import { memoryStorage } from './storage-memory.js'
import type { TransportOptions } from './transport.js'

export interface ClientOptions extends TransportOptions {
  /**
   * `tcp://`, `tls://`, `ws://` or `wss://`, host and port; the port may be left out. Several, such as the nodes of a cluster, are tried in turn
   * whenever a connection is lost, the first one first.
   */
  readonly server: string | readonly string[]
  readonly user: string
  /** Needed for the first login and when the token is not valid any more; a function is asked only then. */
  readonly password?: string | (() => string | Promise<string>)
  /** The device's id: stays the same for the same storage. */
  readonly device: string
  /** What a person calls the device. */
  readonly deviceName?: string
  /** Default: memory, which forgets with the process. */
  readonly storage?: ClientStorage
  /** Unacknowledged queue entries at most, 1 to 1024. Default: the server's. */
  readonly window?: number
  /** Name and version of the program, for the operator's eyes. */
  readonly agent?: string
  /** Default 30,000. */
  readonly queryTimeoutMs?: number
  /** For opening the transport, and again for reaching welcome. Default 15,000. */
  readonly connectTimeoutMs?: number
  /** Messages and marks without an answer that are kept. Default 100,000. */
  readonly outboxEntriesMax?: number
  /** Messages of one conversation that are fetched after `tooOld`, the newest. Default 1,000; older ones stay in `history`. */
  readonly missedMessagesMax?: number
  /** A device without state fetches the history of all conversations as if it had been told too old. Default false. [QUE-9] */
  readonly fetchWhenFresh?: boolean
  /**
   * True: authenticates over `tcp://` and `ws://` to any host, so that whoever listens on the way reads all messages and can take the
   * token. Default false: only to loopback (127.0.0.0/8, ::1, localhost); else `connect` rejects with `plaintext-refused`. [TOK-8]
   */
  readonly allowPlaintext?: boolean
  /** False: the end of a connection stops the client. Default true. */
  readonly reconnect?: boolean
}

/** Events by name. */
export interface ClientEvents {
  /**
   * A message, in order of the queue; the next one comes when all handlers of this one have settled. Don't await `close` in it. A
   * handler that throws or rejects stops the client with `handler-failed`; the message comes again next time.
   */
  message: Message
  /** The same for what was done to a message, in its place among the messages. */
  operation: OperationEvent
  sent: Ack
  refused: Refusal
  /** Not taken now; nothing has to be done, but a person may want to know why it takes so long. */
  held: Held
  receipt: ReceiptEvent
  /** Of a user who is watched: at first, and when it changes. After a reconnect it is told anew. */
  presence: PresenceEvent
  /** Another member of a conversation types or records; `paused` follows in any case. */
  typing: TypingEvent
  /** The server did not take what was watched or told; the connection goes on. */
  declined: DeclinedEvent
  /** The user's own profile, contacts, blocked users or flags have a new version: ask for what changed `since` the one you have. */
  changed: ChangedEvent
  state: ClientStateName
  welcome: WelcomeEvent
  /** What waited at the last welcome has been handed out. */
  synced: { readonly index: number }
  /** What was missed follows as messages with `missed`. A promise of a handler is waited for first. */
  tooOld: undefined
  /** The connection ended; another try follows. */
  disconnected: { readonly error: ClientError; readonly retryInMs: number }
  /** The client has stopped and will not go on by itself. */
  error: ClientError
}

/** What a message carries and refers to; and raw extensions, see encodeExtensions. */
export interface SendOptions extends Partial<References> {
  /** Of blobs that the user holds: uploaded, or kept. A message with one may be without text. */
  readonly attachments?: readonly Attachment[]
  readonly extensions?: Uint8Array
}

/** What waits in the outbox. */
export interface PendingSend {
  readonly handle: number
  readonly kind: StanzaKind
  readonly to: string
  readonly text: string
  readonly attachments: readonly Attachment[]
  /** Raw, as `send` takes them. */
  readonly extensions: Uint8Array
  /** Of a mark; of an operation its target. */
  readonly seq: number
}

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: ClientError) => void
}

/** The client without a platform; `node.ts` and `browser.ts` have the one to use. */
export class BaseClient {
  readonly #platform: Platform
  readonly #options: ClientOptions
  readonly #coreOptions: CoreOptions
  readonly #storage: ClientStorage
  readonly #emitter = new Emitter<ClientEvents>()
  readonly groups = new GroupClient((query, read) => this.#ask(query, read))
  #core: ClientCore | null = null
  #driver: Driver | null = null
  #loading: Promise<ClientCore> | null = null
  #ending: Promise<void> | null = null
  #catchUp: CatchUp | null = null
  #connecting: Waiter<WelcomeEvent>[] = []
  /** By handle. */
  readonly #queued = new Map<number, Waiter<number>>()
  /** By handle. */
  readonly #unanswered = new Map<number, Waiter<Ack>>()
  /** By query id. */
  readonly #asked = new Map<number, Waiter<Element>>()
  readonly #blobs: BlobClient

  /** Throws a TypeError for options that make no sense. Does nothing yet. */
  constructor(options: ClientOptions, platform: Platform) {
    const user = normalizeUser(options.user)
    const device = normalizeDevice(options.device)
    if (user === null) throw new TypeError(`not a user name: ${options.user}`)
    if (device === null) throw new TypeError(`not a device id: ${options.device}`)
    this.#platform = platform
    this.#options = options
    this.#storage = options.storage ?? memoryStorage()
    this.#coreOptions = {
      servers: serversOf(options.server),
      user,
      device,
      deviceName: options.deviceName ?? '',
      agent: options.agent ?? 'chatd-client',
      window: Math.min(options.window ?? 0, LIMIT.windowMax),
      fetchesWhenFresh: options.fetchWhenFresh ?? false,
      hasPassword: options.password !== undefined,
      allowsPlaintext: options.allowPlaintext ?? false,
      reconnects: options.reconnect ?? true,
      random: platform.random,
      connectTimeoutMs: options.connectTimeoutMs ?? 15_000,
      queryTimeoutMs: options.queryTimeoutMs ?? 30_000,
      outboxEntriesMax: options.outboxEntriesMax ?? 100_000,
    }
    this.#blobs = new BlobClient({
      ask: (query, read) => this.#ask(query, read),
      blobs: platform.blobs,
      http: platform.blobs.http(options.ca),
      address: () => this.#driver?.address ?? this.#coreOptions.servers[0]!,
      allowsPlaintext: this.#coreOptions.allowsPlaintext,
      nowMs: platform.nowMs,
      setTimer: platform.setTimer,
      clearTimer: platform.clearTimer,
      random: platform.random,
    })
  }

  /** Calls `handler` for each event from now on; returns what takes it off again. */
  on<K extends keyof ClientEvents>(event: K, handler: Handler<ClientEvents[K]>): () => void {
    return this.#emitter.on(event, handler)
  }

  get state(): ClientStateName {
    return this.#core?.state ?? (this.#ending === null ? 'idle' : 'stopped')
  }

  /**
   * Connects and stays connected until `close`. Resolves at the first welcome; while the server can't be reached it goes on trying, and
   * `disconnected` tells why. Rejects with the ClientError that stopped the client: credentials, a fault, the storage.
   */
  async connect(): Promise<WelcomeEvent> {
    const core = await this.#open()
    if (core.state === 'stopped') throw localError('stopped', 'the client has stopped')
    return new Promise((resolve, reject) => {
      this.#connecting.push({ resolve, reject })
      core.start(this.#platform.nowMs())
      this.#driver?.wake()
    })
  }

  /**
   * Sends a message; resolves when the server has it on stable storage, however long that takes and however often the connection
   * breaks. Rejects with the code of a final refusal, or with `closed`: then it is still in the outbox of a durable storage.
   * `options`: what it refers to, or encoded extensions. Works before `connect` too.
   */
  async send(to: string, text: string, options: SendOptions | Uint8Array = EMPTY_BYTES): Promise<Ack> {
    const core = await this.#open()
    return this.#answer(core.send(this.#platform.nowMs(), to, text, extensionsOf(options)))
  }

  /** As `send`, but resolves with the message's permanent handle when it is in the durable outbox; `sent` or `refused` will name it. */
  async enqueue(to: string, text: string, options: SendOptions | Uint8Array = EMPTY_BYTES): Promise<number> {
    const core = await this.#open()
    const handle = core.send(this.#platform.nowMs(), to, text, extensionsOf(options))
    if (typeof handle !== 'number') throw handle
    return new Promise((resolve, reject) => {
      this.#queued.set(handle, { resolve, reject })
      this.#driver?.wake()
    })
  }

  /**
   * Uploads a file, and resolves with what goes into the `attachments` of a message. What the server holds already is not sent again, and
   * an upload that was begun, by this client or another of the same user, goes on where it was. It goes on by itself after whatever
   * breaks, until `signal` or `close`. In browsers a Blob is in memory while it is hashed, which crypto.subtle does in one go.
   *
   * Rejects with the server's refusal (blob-too-large, type-not-allowed, quota-exceeded, storage-full, resource-limit, no-blobs), with
   * empty-file, file-failed, file-changed, plaintext-refused, or `closed`.
   */
  async upload(file: Uploadable, options: UploadOptions = {}): Promise<UploadedBlob> {
    await this.#open()
    return this.#blobs.upload(file, options)
  }

  /**
   * Downloads a blob and checks it, and resolves with its bytes, or in Node, with a `path`, when it is a file. It goes on by itself as
   * an upload does. Rejects with no-such-message, no-such-conversation, no-such-blob, damaged-blob, file-failed, file-exists,
   * plaintext-refused, or `closed`. [BLB-21]
   */
  async download(reference: BlobReference, options: DownloadOptions | FileDownloadOptions = {}): Promise<DownloadedBlob> {
    await this.#open()
    return this.#blobs.download(reference, options)
  }

  /**
   * Holds a blob of a message for this user, who may then send it on as if it had uploaded it: `attachmentOf` what this resolves with,
   * or the attachment itself. Rejects with no-such-message, no-such-conversation, no-such-blob, quota-exceeded. [BLB-15]
   */
  async keepBlob(conversation: string, seq: number, id: string): Promise<BlobInfo> {
    return this.#blobs.keep(conversation, seq, id)
  }

  /** How much room the user's blobs take, and how large one may be. */
  async blobUsage(): Promise<BlobUsage> {
    return this.#blobs.usage()
  }

  /** Gives an own message another text; kept and sent like a message, and so are the next two. Resolves with seq 0 where nothing changed. */
  edit(conversation: string, seq: number, text: string): Promise<Ack> {
    return this.#operate('edit', conversation, seq, text)
  }

  /** Deletes a message for all members. */
  remove(conversation: string, seq: number): Promise<Ack> {
    return this.#operate('delete', conversation, seq, '')
  }

  /** Reacts to a message with one emoji; '' takes the reaction away. */
  react(conversation: string, seq: number, emoji: string): Promise<Ack> {
    return this.#operate('react', conversation, seq, emoji)
  }

  async #operate(kind: OperationName, conversation: string, target: number, text: string): Promise<Ack> {
    const core = await this.#open()
    return this.#answer(core.operate(this.#platform.nowMs(), kind, conversation, target, text))
  }

  /** Tells that the user has read a conversation up to `seq`; kept and sent like a message. */
  async markRead(conversation: string, seq: number): Promise<Ack> {
    const core = await this.#open()
    return this.#answer(core.markRead(this.#platform.nowMs(), conversation, seq))
  }

  /** Messages and marks without an answer, in order. Empty before the storage is open. */
  outbox(): PendingSend[] {
    return (this.#core?.outbox() ?? []).map(({ handle, kind, to, text, seq, extensions }) => (
      { handle, kind, to, text, seq, attachments: contentOf(extensions).attachments, extensions }
    ))
  }

  /** What is known of a conversation without asking. */
  watermarks(conversation: string): Watermarks {
    const name = normalizeConversation(conversation) ?? ''
    return this.#core?.watermarks(name) ?? { tail: 0, shown: 0, read: 0, members: [] }
  }

  /**
   * A page of a conversation; at most 100 messages, and fewer if they are long. A page without a message is the last, unless a great
   * many operations follow one another: then go on from `first` or `last`. [HIS-1]
   */
  async history(conversation: string, request: HistoryRequest = {}): Promise<HistoryPage> {
    const page = await wholePage(request, (part) => (
      this.#ask(historyQuery(conversation, part), (answer) => readHistory(answer, this.#coreOptions.user))
    ))
    const name = normalizeConversation(conversation)
    if (name !== null) this.#learn(name, page.tail, 0, [])
    return page
  }

  /** A page of the list of conversations, in the order of their addresses, behind `after`. [HIS-3] */
  async conversations(
    request: { readonly after?: string; readonly limit?: number } = {},
  ): Promise<{ conversations: readonly ConversationInfo[]; more: boolean }> {
    const query = conversationsQuery(request.after ?? '', request.limit)
    const page = await this.#ask(query, (answer) => readConversations(answer, this.#coreOptions.user))
    for (const { conversation, tail, read, members } of page.conversations) this.#learn(conversation, tail, read, members)
    return page
  }

  /** The whole list, page by page. */
  async *allConversations(): AsyncGenerator<ConversationInfo, void, undefined> {
    let after = ''
    for (;;) {
      const page = await this.conversations({ after })
      yield* page.conversations
      const last = page.conversations.at(-1)
      // A page without progress would go on for ever.
      if (!page.more || last === undefined || last.conversation <= after) return
      after = last.conversation
    }
  }

  /** Who has received and read how much of a conversation. */
  async receipts(conversation: string): Promise<readonly MemberMarks[]> {
    const all: MemberMarks[] = []
    for (let after: string | undefined = undefined; ;) {
      const { members, next }: ReceiptsPage = await this.#ask(element('receipts', { with: conversation, after }), readReceipts)
      all.push(...members)
      // A page without progress would go on for ever. [GRP-24]
      if (next === null || (after !== undefined && next <= after)) return all
      after = next
    }
  }

  /** The user's devices. [DEV-1] */
  async devices(): Promise<readonly DeviceRecord[]> {
    return this.#ask(element('devices'), readDevices)
  }

  /** Removes a device of this user; rejects with no-such-device. Removing this one ends the client. [DEV-2] */
  async removeDevice(device: string): Promise<void> {
    await this.#ask(element('remove-device', { id: device }), (answer) => answer)
  }

  /** The user's settings, after the change if there is one. [SET-1] */
  async settings(change: Partial<Settings> = {}): Promise<Settings> {
    return this.#ask(settingsQuery(change), readSettings)
  }

  /** What the server's operator may have set otherwise than the protocol has it; the protocol's numbers where the server does not tell. [SET-2] */
  async limits(): Promise<ServerLimits> {
    try {
      return await this.#ask(element('limits'), readLimits)
    } catch (error) {
      if (error instanceof ClientError && error.code === ERROR.unsupportedQuery) return LIMIT
      throw error
    }
  }

  /** Watches the presence of users, also after a reconnect; `presence` tells. Rejects with malformed-address. */
  async watch(...users: string[]): Promise<void> {
    const core = await this.#open()
    this.#tell(core.watch(users))
  }

  /** Ends it; without names for all. */
  async unwatch(...users: string[]): Promise<void> {
    const core = await this.#open()
    this.#tell(core.unwatch(users))
  }

  /** What is known of a user who is watched; null: nothing at present. */
  presence(user: string): PresenceEvent | null {
    return this.#core?.presence(normalizeUser(user) ?? '') ?? null
  }

  /**
   * Whether a person may be looking; true at first. An inactive client does not make its user appear online, and is told neither
   * presence nor typing, but for what has changed when it is active again.
   */
  async setActive(isActive: boolean): Promise<void> {
    const core = await this.#open()
    this.#tell(core.setActive(this.#platform.nowMs(), isActive))
  }

  /** To be called while the user types, as often as is convenient: the server is told every few seconds, and only if connected. */
  async typing(conversation: string, kind: TypingKind = 'typing'): Promise<void> {
    const core = await this.#open()
    this.#tell(core.type(this.#platform.nowMs(), conversation, kind))
  }

  /** Whom the user lets see that it is online, and when it was last; after the change if there is one. [PRS-17] */
  async privacy(change: Partial<Privacy> = {}): Promise<Privacy> {
    return this.#ask(privacyQuery(change), readPrivacy)
  }

  #tell(error: ClientError | null): void {
    if (error !== null) throw error
    this.#driver?.wake()
  }

  /** Makes an invite: rejects with no-invites, too-many-invites. The code is shown this once. [INV-12] */
  async invite(options: { readonly uses?: number; readonly ageMs?: number } = {}): Promise<MadeInvite> {
    return this.#ask(inviteQuery(inviteId(this.#platform.crypto.randomBytes(8)), options), readMadeInvite)
  }

  /** A page of the user's own invites, without their codes, behind `after`. [INV-13] */
  async invites(after = ''): Promise<{ invites: readonly InviteRecord[]; more: boolean }> {
    return this.#ask(invitesQuery(after), readInvites)
  }

  /** Ends an invite of this user; rejects with no-such-invite. [INV-13] */
  async revokeInvite(id: string): Promise<void> {
    await this.#ask(element('revoke-invite', { id }), (answer) => answer)
  }

  /** Messages of the user's conversations that hold these words, newest first, a page at a time. [SCH-2] */
  async search(words: string, options: SearchOptions = {}): Promise<SearchResults> {
    return this.#ask(searchQuery(words, options), (answer) => readSearch(answer, this.#coreOptions.user))
  }

  /** Now, Unix time by the server's clock as far as it is known: what times of messages are to be compared with. [DIS-8] */
  serverNowMs(): number {
    return this.#core?.serverNowMs(this.#driver?.nowMs ?? 0, Date.now()) ?? Date.now()
  }

  /** After what time new messages of the conversation disappear, in milliseconds; 0: they stay. [DIS-1] */
  async timer(conversation: string): Promise<number> {
    return (await this.#ask(timerQuery(conversation, undefined), readTimer)).afterMs
  }

  /** Changes that; 0 turns it off. Resolves to the seq that the change took, 0 where it was so already. [DIS-7] */
  async setTimer(conversation: string, afterMs: number): Promise<number> {
    return (await this.#ask(timerQuery(conversation, afterMs), readTimer)).seq
  }

  /** The profile of a user; `profile` is null where it still has the version that is known. Rejects with no-such-user. [PRF-5] */
  async profile(user: string, version = 0): Promise<ProfileInfo> {
    const [info] = await this.profiles([{ user, version }])
    if (info === null || info === undefined) throw serverError(ERROR.noSuchUser, '', 0)
    return info
  }

  /** Of several users, at most 100, in the order asked for; null where there is no such user. */
  async profiles(users: readonly (string | { readonly user: string; readonly version: number })[]): Promise<readonly (ProfileInfo | null)[]> {
    if (users.length === 0) return []
    try {
      return await this.#ask(profilesQuery(users), readProfiles)
    } catch (error) {
      // One alone is refused where several are answered. [PRF-5]
      if (users.length === 1 && error instanceof ClientError && error.code === ERROR.noSuchUser) return [null]
      throw error
    }
  }

  /** The user's own profile, after the change if there is one; an empty text takes one away. [PRF-2] */
  async setProfile(change: Partial<Profile> = {}): Promise<ProfileInfo> {
    const [info] = await this.#ask(changeProfileQuery(change), readProfiles)
    if (info === null || info === undefined) throw localError('bad-answer', 'the answer to profile makes no sense')
    return info
  }

  /** A page of the user's contacts; see ListRequest. [PRF-7] */
  async contacts(request: ListRequest = {}): Promise<ListPage<ContactInfo>> {
    return this.#ask(listQuery('contacts', request), readContacts)
  }

  /** Adds a contact, or names it anew; `name` may be empty. Resolves to the version of the list. */
  async setContact(user: string, name = ''): Promise<number> {
    return this.#ask(element('contact', { user, name }), readVersion)
  }

  async removeContact(user: string): Promise<number> {
    return this.#ask(element('contact', { user, removed: 'true' }), readVersion)
  }

  /** A page of the users that this one has blocked. */
  async blocked(request: ListRequest = {}): Promise<ListPage<BlockedInfo>> {
    return this.#ask(listQuery('blocked', request), readBlocked)
  }

  /** From now on nothing of this user arrives, which is not told of it. Resolves to the version of the list. [PRF-10] */
  async block(user: string): Promise<number> {
    return this.#ask(element('block', { user }), readVersion)
  }

  async unblock(user: string): Promise<number> {
    return this.#ask(element('unblock', { user }), readVersion)
  }

  /** A page of the conversations with flags; they come with the list of conversations too. [PRF-16] */
  async flags(request: ListRequest = {}): Promise<ListPage<FlagsInfo>> {
    return this.#ask(listQuery('flags', request), readFlagsList)
  }

  /** Sets flags of a conversation for all devices of the user; resolves to all that it has then. */
  async setFlags(conversation: string, change: Partial<Flags>): Promise<FlagsInfo> {
    const { items: [info] } = await this.#ask(changeFlagsQuery(conversation, change), readFlagsList)
    if (info === undefined) throw localError('bad-answer', 'the answer to flags makes no sense')
    return info
  }

  /** Puts the last messages of a conversation before the operator; `block` blocks the other user as well. [PRF-17] */
  async report(conversation: string, reason: string, block = false): Promise<void> {
    await this.#ask(element('report', { with: conversation, block: block ? 'true' : undefined }, reason), (answer) => answer)
  }

  /**
   * Ends the client: waits for the handlers of the present message (5 s at most), stores and acknowledges what was handled, closes the
   * connection and the storage. What has no answer is rejected with `closed`. Calling it again is harmless.
   */
  close(): Promise<void> {
    this.#ending ??= this.#end()
    return this.#ending
  }

  async #end(): Promise<void> {
    let core: ClientCore
    try {
      if (this.#loading === null) return
      core = await this.#loading
    } catch {
      return
    }
    await this.#driver?.settle(LIMIT.closeTimeoutMs, this.#catchUp?.stop())
    core.close(this.#platform.nowMs())
    await this.#driver?.ended()
    await this.#storage.close()
  }

  #open(): Promise<ClientCore> {
    if (this.#ending !== null && this.#loading === null) return Promise.reject(localError('stopped', 'the client is closed'))
    this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<ClientCore> {
    const state = await this.#loadState()
    const { user, device } = this.#coreOptions
    if (state.user !== '' && (state.user !== user || state.device !== device)) {
      await this.#storage.close()
      throw localError('wrong-state', `the storage belongs to ${state.user}/${state.device}, not to ${user}/${device}`)
    }
    return this.#begin(state)
  }

  async #loadState(): Promise<ClientState> {
    try {
      return await this.#storage.load()
    } catch (error) {
      if (error instanceof ClientError) throw error
      const reason = error instanceof Error ? error.message : String(error)
      throw localError('storage-failed', `the storage can't be opened: ${reason}`, error)
    }
  }

  #begin(state: ClientState): ClientCore {
    const core = new ClientCore(this.#coreOptions, state)
    this.#core = core
    this.#driver = new Driver(core, {
      platform: this.#platform,
      storage: this.#storage,
      transport: this.#options.ca === undefined ? {} : { ca: this.#options.ca },
      user: this.#coreOptions.user,
      password: this.#options.password ?? null,
      onEvent: (event) => { this.#occurred(event) },
      onMessage: (message) => this.#deliver(message),
    })
    return core
  }

  #deliver(message: Message): Promise<void> | null {
    if (message.operation === null) return this.#emitter.emitAndWait('message', message)
    const { conversation, from, seq, index, timeMs, own, missed, text, expiresMs, operation: { target, kind } } = message
    return this.#emitter.emitAndWait('operation', { conversation, from, seq, index, timeMs, own, missed, target, kind, text, expiresMs })
  }

  #answer(handle: number | ClientError): Promise<Ack> {
    if (typeof handle !== 'number') return Promise.reject(handle)
    return new Promise((resolve, reject) => {
      this.#unanswered.set(handle, { resolve, reject })
      this.#driver?.wake()
    })
  }

  async #ask<T>(query: Element, read: (answer: Element) => T | null): Promise<T> {
    const core = await this.#open()
    const id = core.query(this.#platform.nowMs(), query)
    if (typeof id !== 'number') throw id
    const answer = await new Promise<Element>((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#driver?.wake()
    })
    const value = read(answer)
    if (value === null) throw localError('bad-answer', `the answer to ${query.name} makes no sense`)
    return value
  }

  #learn(conversation: string, tail: number, read: number, members: readonly MemberMarks[]): void {
    this.#core?.learn(conversation, tail, read, members)
    this.#driver?.wake()
  }

  #occurred(event: CoreEvent): void {
    switch (event.kind) {
      case 'state': this.#emitter.emit('state', event.state); return
      case 'welcome': this.#welcomed(event.welcome); return
      case 'queued': settle(this.#queued, event.handle)?.resolve(event.handle); return
      case 'sent':
        settle(this.#unanswered, event.ack.handle)?.resolve(event.ack)
        this.#emitter.emit('sent', event.ack)
        return
      case 'refused':
        settle(this.#unanswered, event.refusal.handle)?.reject(event.refusal.error)
        this.#emitter.emit('refused', event.refusal)
        return
      case 'held': this.#emitter.emit('held', event.held); return
      case 'receipt': this.#emitter.emit('receipt', event.receipt); return
      case 'presence': this.#emitter.emit('presence', event.presence); return
      case 'typing': this.#emitter.emit('typing', event.typing); return
      case 'declined': this.#emitter.emit('declined', event.declined); return
      case 'changed': this.#emitter.emit('changed', event.changed); return
      case 'tooOld': this.#fetchMissed(); return
      case 'synced': this.#emitter.emit('synced', { index: event.index }); return
      case 'answer': settle(this.#asked, event.id)?.resolve(event.element); return
      case 'failed': settle(this.#asked, event.id)?.reject(event.error); return
      case 'disconnected': this.#emitter.emit('disconnected', { error: event.error, retryInMs: event.retryInMs }); return
      case 'stopped': this.#stopped(event.error); return
    }
  }

  #welcomed(welcome: WelcomeEvent): void {
    for (const waiter of this.#connecting.splice(0)) waiter.resolve(welcome)
    this.#blobs.connected()
    this.#emitter.emit('welcome', welcome)
  }

  #fetchMissed(): void {
    const core = this.#core
    const driver = this.#driver
    if (core === null || driver === null) return
    this.#catchUp ??= new CatchUp({
      core,
      begin: async () => {
        // A message of the time before may still be in the application's hands.
        await driver.handled()
        await this.#emitter.emitAndWait('tooOld', undefined)
      },
      conversations: () => this.allConversations(),
      history: (conversation, request) => this.history(conversation, request),
      deliver: (message) => this.#deliver(message),
      pause: (delayMs) => new Promise((resolve) => { this.#platform.setTimer(resolve, delayMs) }),
      wake: () => { driver.wake() },
      fail: (error) => {
        core.fail(this.#platform.nowMs(), error)
        driver.wake()
      },
      messagesMax: this.#options.missedMessagesMax ?? 1000,
    })
    this.#catchUp.start()
  }

  #stopped(error: ClientError | null): void {
    const reason = error ?? localError('closed', 'the client was closed; what has no answer stays in the outbox')
    for (const waiter of this.#connecting.splice(0)) waiter.reject(reason)
    const closed = localError('closed', 'the client has stopped; what has no answer stays in the outbox', error ?? undefined)
    this.#blobs.end(closed)
    for (const waiters of [this.#queued, this.#unanswered, this.#asked]) {
      for (const waiter of waiters.values()) waiter.reject(closed)
      waiters.clear()
    }
    if (error === null) return
    // What it holds is released, so that another client may go on with it.
    this.#ending ??= this.#release()
    this.#emitter.emit('error', error)
  }

  async #release(): Promise<void> {
    await this.#driver?.ended()
    await this.#storage.close()
  }
}

function extensionsOf(options: SendOptions | Uint8Array): Uint8Array {
  if (options instanceof Uint8Array) return options
  const { attachments = [], extensions } = options
  return encodeReferences(options, attachments.length === 0 ? extensions : encodeAttachments(attachments, extensions))
}

function settle<T>(waiters: Map<number, Waiter<T>>, id: number): Waiter<T> | undefined {
  const waiter = waiters.get(id)
  waiters.delete(id)
  return waiter
}

function serversOf(server: string | readonly string[]): ServerAddress[] {
  const servers = (typeof server === 'string' ? [server] : server).map(parseServerUrl)
  if (servers.length === 0) throw new TypeError('no server is named')
  return servers
}
