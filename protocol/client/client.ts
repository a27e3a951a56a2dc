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
import { EMPTY_BYTES } from '../bytes.js'
import { element } from '../element.js'
import type { Element } from '../element.js'
import { LIMIT } from '../generated/registry.js'
import { AccountClient } from './account-client.js'
import { BlobClient } from './blob-client.js'
import type { BlobReference, DownloadedBlob, DownloadOptions, FileDownloadOptions, Uploadable, UploadedBlob, UploadOptions } from './blob-client.js'
import type { BlobInfo, BlobUsage } from './blob-elements.js'
import { ClientError, localError } from './client-error.js'
import type { ClientEvents, ClientOptions, PendingSend } from './client-types.js'
import { CatchUp } from './catch-up.js'
import type { MemberMarks, Watermarks } from './conversations.js'
import { ClientCore } from './core.js'
import type { Ack, ClientStateName, CoreEvent, CoreOptions, Message, WelcomeEvent } from './core-types.js'
import { Driver } from './driver.js'
import type { Platform } from './driver.js'
import type { PresenceEvent, TypingKind } from './ephemeral.js'
import { contentOf } from './message-content.js'
import { Emitter } from './emitter.js'
import type { Handler } from './emitter.js'
import { conversationsQuery, historyQuery, readConversations, readHistory, readReceipts } from './query-elements.js'
import type { ConversationInfo, HistoryPage, HistoryRequest, ReceiptsPage } from './query-elements.js'
import { wholePage } from './history-page.js'
import { parseServers } from './server-url.js'
import type { ClientState, ClientStorage, OperationName } from './state.js'
import { GroupClient } from './group-client.js'
import { extensionsOf } from './send-options.js'
import type { SendOptions } from './send-options.js'
import { memoryStorage } from './storage-memory.js'

interface Waiter<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: ClientError) => void
}

/** The client without a platform; `node.ts` and `browser.ts` have the one to use. */
export class BaseClient extends AccountClient {
  readonly #platform: Platform
  readonly #options: ClientOptions
  readonly #coreOptions: CoreOptions
  readonly #storage: ClientStorage
  readonly #emitter = new Emitter<ClientEvents>()
  readonly groups = new GroupClient((query, read) => this.ask(query, read))
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
    super()
    const user = normalizeUser(options.user)
    const device = normalizeDevice(options.device)
    if (user === null) throw new TypeError(`not a user name: ${options.user}`)
    if (device === null) throw new TypeError(`not a device id: ${options.device}`)
    this.#platform = platform
    this.#options = options
    this.#storage = options.storage ?? memoryStorage()
    this.#coreOptions = {
      servers: parseServers(options.server),
      user,
      device,
      deviceName: options.deviceName ?? '',
      agent: options.agent ?? 'chatd-client',
      receives: options.receive ?? true,
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
      ask: (query, read) => this.ask(query, read),
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

  protected override get user(): string {
    return this.#coreOptions.user
  }

  protected override randomBytes(length: number): Uint8Array {
    return this.#platform.crypto.randomBytes(length)
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
   * an upload does. Rejects with no-such-message, no-such-conversation, no-such-blob, damaged-blob, file-failed, file-exists, file-locked,
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
      this.ask(historyQuery(conversation, part), (answer) => readHistory(answer, this.#coreOptions.user))
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
    const page = await this.ask(query, (answer) => readConversations(answer, this.#coreOptions.user))
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
      const { members, next }: ReceiptsPage = await this.ask(element('receipts', { with: conversation, after }), readReceipts)
      all.push(...members)
      // A page without progress would go on for ever. [GRP-24]
      if (next === null || (after !== undefined && next <= after)) return all
      after = next
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

  #tell(error: ClientError | null): void {
    if (error !== null) throw error
    this.#driver?.wake()
  }

  /** Now, Unix time by the server's clock as far as it is known: what times of messages are to be compared with. [DIS-8] */
  serverNowMs(): number {
    return this.#core?.serverNowMs(this.#driver?.nowMs ?? 0, Date.now()) ?? Date.now()
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

  protected override async ask<T>(query: Element, read: (answer: Element) => T | null): Promise<T> {
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
      case 'disconnected': this.#disconnected(event); return
      case 'stopped': this.#stopped(event.error); return
    }
  }

  #disconnected({ error, server, retryInMs }: CoreEvent & { readonly kind: 'disconnected' }): void {
    this.#emitter.emit('disconnected', { error, server, retryInMs })
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

function settle<T>(waiters: Map<number, Waiter<T>>, id: number): Waiter<T> | undefined {
  const waiter = waiters.get(id)
  waiters.delete(id)
  return waiter
}
