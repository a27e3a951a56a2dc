/** `chat` without a command: the screen, wired to a client, a keyboard and a terminal. */
import type { Ack, Client, HistoryMessage, OperationName, Privacy } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { isGroup, normalizeUser } from '../../protocol/address.js'
import { spanText } from '../span.js'
import type { AccountOptions, AskedOptions } from './argument-values.js'
import { usageFailure } from './failure.js'
import { connectClient } from './connect.js'
import { isTokenSpent } from './outages.js'
import { Ending } from './ending.js'
import type { ExitCode } from './failure.js'
import { EXIT } from './failure.js'
import { localTime, messageText } from './formats.js'
import { groupRefusal, groupSendRefusal, performGroupRequest } from './group-actions.js'
import { downloadFailure } from './fetch.js'
import type { GroupRequest } from './group-words.js'
import { WrongWords } from './group-words.js'
import { heldReason } from './held-text.js'
import { mentionsIn } from './mentions.js'
import { openKeyboard } from './keyboard.js'
import type { PeopleAction } from './people-arguments.js'
import { namedInAction } from './people-arguments.js'
import { privacyText } from './privacy-command.js'
import { askMissing } from './prompts.js'
import { operationRefusal, refusalText } from './refusal.js'
import { outcomeEvent, whoReadLines } from './screen-groups.js'
import { referencesOf } from './message-marks.js'
import { expandHome, listPaths, saveShown, uploadShown, uploadShownPicture } from './screen-transfers.js'
import type { Effect, ScreenEvent, ScreenState, ShownMessage } from './screen-state.js'
import { performPeople, readContactNames, readProfileNames } from './screen-people.js'
import { newScreenState } from './screen-state.js'
import { nextExpiryMs } from './screen-expiry.js'
import { watchedUsers } from './screen-presence.js'
import { update } from './screen-update.js'
import { render } from './screen-view.js'
import { Terminal } from './terminal.js'
import { uploadRefusal } from './upload-files.js'
import type { World } from './world.js'

/** Messages of one page of history. */
const PAGE_MESSAGES = 50
/** Messages of one search. */
const SEARCH_MESSAGES = 20
const COLUMNS_DEFAULT = 80
/** Clocks drift apart: what disappears later than this is looked at again. */
const EXPIRY_LOOK_MS = 3_600_000
const ROWS_DEFAULT = 24

/** Runs until it is left. Rejects with a ChatFailure when it can't start or go on. */
export async function interactive(asked: AskedOptions, world: World): Promise<ExitCode> {
  if (world.stdin.isTTY !== true || world.stdout.isTTY !== true) {
    throw usageFailure('this is no terminal: use `chat send` and `chat recv` in scripts')
  }
  const { server, user, password } = await askMissing(asked, world)
  const me = normalizeUser(user)
  if (me === null) throw usageFailure(`'${user}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`)
  const account: AccountOptions = { ...asked, server, user: me, passwordFile: asked.passwordFile ?? '' }
  const isColored = (world.environment['NO_COLOR'] ?? '') === '' && world.environment['TERM'] !== 'dumb'
  const ending = new Ending(world.stop)
  const driver = new ScreenDriver(world, newScreenState({ me, server, isColored, ...sizeOf(world) }), ending)
  driver.start()
  let client: Client | null = null
  try {
    client = await connectClient({
      account,
      purposes: ['chat'],
      world,
      ending,
      receive: true,
      stateWaitMs: STATE_WAIT_MS,
      password,
      isActive: true,
      prepare: (made) => driver.attach(made),
      // The screen shows it.
      outage: () => {},
    })
    const reason = await ending.reason
    if (reason instanceof Error) throw reason
    return EXIT.ok
  } finally {
    driver.stop()
    await client?.close()
  }
}

/** The one being left may still be saving its state. */
const STATE_WAIT_MS = 3000

/** Feeds events to the state, carries out its effects, and draws once a turn. */
class ScreenDriver {
  readonly #world: World
  readonly #state: ScreenState
  readonly #ending: Ending
  readonly #terminal: Terminal
  #client: Client | null = null
  #watched = new Set<string>()
  /** Handles of messages of an earlier run, by which their answers are known. */
  readonly #leftovers = new Map<number, number>()
  #isDrawDue = false
  #expiryTimer: NodeJS.Timeout | undefined
  /** When the timer looks, by the server's clock. */
  #expiryMs = Infinity
  #isStopped = false
  #closeKeyboard: () => void = () => {}

  constructor(world: World, state: ScreenState, ending: Ending) {
    this.#world = world
    this.#state = state
    this.#ending = ending
    this.#terminal = new Terminal(world.stdout, state.isColored)
  }

  start(): void {
    this.#world.stdout.on('error', this.#leave)
    this.#terminal.enter()
    this.#world.stdout.on('resize', this.#resize)
    this.#closeKeyboard = openKeyboard(this.#world.stdin, {
      key: (key) => this.dispatch({ kind: 'key', key }),
      paste: (text) => this.dispatch({ kind: 'paste', text }),
      end: this.#leave,
    })
    this.#drawSoon()
  }

  /** Gives the terminal back. */
  stop(): void {
    this.#isStopped = true
    clearTimeout(this.#expiryTimer)
    this.#closeKeyboard()
    this.#world.stdout.off('resize', this.#resize)
    this.#terminal.leave()
  }

  attach(client: Client): void {
    this.#client = client
    client.on('message', (message) => this.dispatch({ kind: 'message', conversation: message.conversation, message: shown(message) }))
    client.on('operation', (operation) => this.dispatch({ kind: 'operation', conversation: operation.conversation, operation }))
    client.on('receipt', (receipt) => this.dispatch({ kind: 'receipt', ...receipt }))
    client.on('presence', (presence) => this.dispatch({ kind: 'presence', presence }))
    client.on('typing', ({ conversation, from, kind }) => this.dispatch({ kind: 'typing', conversation, from, typing: kind }))
    client.on('welcome', () => {
      this.dispatch({ kind: 'connection', connection: 'online', detail: '' })
      this.#showLeftovers(client)
      void this.#list(client)
      void this.#contacts(client)
    })
    client.on('state', (state) => {
      if (state === 'connecting') this.dispatch({ kind: 'connection', connection: 'connecting', detail: '' })
    })
    client.on('disconnected', ({ error, server }) => {
      this.dispatch({ kind: 'connection', connection: 'waiting', detail: isTokenSpent(error) ? 'signing in again' : `no connection to ${server}, trying again: ${error.message}` })
    })
    client.on('changed', ({ list }) => {
      if (list === 'contacts') void this.#contacts(client)
      else if (list === 'flags') void this.#list(client)
    })
    client.on('sent', ({ handle, to, seq, timeMs, expiresMs }) => {
      const localId = this.#leftovers.get(handle)
      if (localId !== undefined) this.dispatch({ kind: 'sent', localId, to, seq, timeMs, expiresMs })
    })
    client.on('held', ({ kind, to, error }) => {
      if (kind === 'message') this.dispatch({ kind: 'held', to, reason: heldReason(error, to) })
    })
    client.on('refused', ({ handle, to, error }) => {
      const localId = this.#leftovers.get(handle)
      if (localId !== undefined) this.dispatch({ kind: 'refused', localId, to, reason: groupSendRefusal(error, to) ?? refusalText(error, to) })
    })
  }

  dispatch(event: ScreenEvent): void {
    if (this.#isStopped) return
    for (const effect of update(this.#state, event)) this.#perform(effect)
    this.#watch()
    this.#expireLater()
    this.#drawSoon()
  }

  /** Wakes when the next message disappears. */
  #expireLater(): void {
    const client = this.#client
    const dueMs = nextExpiryMs(this.#state)
    if (client === null || dueMs === this.#expiryMs) return
    clearTimeout(this.#expiryTimer)
    this.#expiryMs = dueMs
    if (dueMs === Infinity) return
    this.#expiryTimer = setTimeout(() => {
      this.#expiryMs = Infinity
      this.dispatch({ kind: 'expire', nowMs: client.serverNowMs() })
    }, Math.min(Math.max(dueMs - client.serverNowMs(), 0), EXPIRY_LOOK_MS))
  }

  #perform(effect: Effect): void {
    switch (effect.kind) {
      case 'send': void this.#send(effect); return
      case 'send-file': void this.#sendFile(effect); return
      case 'fetch': void this.#fetch(effect); return
      case 'list-paths': void listPaths(effect.path, this.#world.homeDirectory).then((names) => this.dispatch({ kind: 'paths', before: effect.before, names })); return
      case 'operate': void this.#operate(effect); return
      case 'mark-read':
        // Not acknowledged by now, it is in the outbox; refused, it will be told again by a later message.
        this.#client?.markRead(effect.conversation, effect.seq).catch(() => {})
        return
      case 'load': void this.#load(effect.conversation, effect.before); return
      case 'load-group': void this.#loadGroup(effect.group); return
      case 'group-request': void this.#requestGroup(effect.request); return
      case 'who-read': void this.#whoRead(effect); return
      case 'typing':
        this.#client?.typing(effect.conversation, effect.isPaused ? 'paused' : 'typing').catch(() => {})
        return
      case 'privacy': void this.#privacy(effect.change); return
      case 'search': void this.#search(effect.words, effect.conversation); return
      case 'invite': void this.#invite(); return
      case 'people': void this.#people(effect.action); return
      case 'redraw': this.#terminal.forget(); return
      case 'quit': this.#ending.end('complete')
    }
  }

  /** Watches whom the person looks at, and lets go of the others. */
  #watch(): void {
    if (this.#client === null) return
    const wanted = new Set(watchedUsers(this.#state))
    const added = [...wanted].filter((user) => !this.#watched.has(user))
    const removed = [...this.#watched].filter((user) => !wanted.has(user))
    this.#watched = wanted
    // What goes wrong ends the client, which is told elsewhere.
    if (removed.length > 0) this.#client.unwatch(...removed).catch(() => {})
    if (added.length > 0) this.#client.watch(...added).catch(() => {})
  }

  async #privacy(change: Partial<Privacy>): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      this.dispatch({ kind: 'notice', text: privacyText(await this.#client.privacy(change)) })
    } catch (error) {
      this.dispatch({ kind: 'notice', text: `the privacy settings stay as they are: ${refusalText(error)}` })
    }
  }

  async #operate({ conversation, operation: kind, target, text }: Effect & { readonly kind: 'operate' }): Promise<void> {
    try {
      const client = this.#client
      if (client === null) throw new Error('not connected yet, try again')
      const { seq } = kind === 'edit' ? await client.edit(conversation, target, text)
        : kind === 'delete' ? await client.remove(conversation, target) : await client.react(conversation, target, text)
      if (seq > 0) this.dispatch({ kind: 'operation', conversation, operation: { seq, from: this.#state.me, target, kind, text } })
    } catch (error) {
      const isLate = error instanceof ClientError && error.symbol === 'too-late'
      this.dispatch({ kind: 'notice', text: isLate ? await this.#lateText(kind) : operationRefusal(error, kind, conversation) })
    }
  }

  /** Until when it could have been done is the server's to say. */
  async #lateText(kind: OperationName): Promise<string> {
    const limits = await this.#client?.limits().catch(() => null)
    const ageMs = kind === 'edit' ? limits?.editAgeMs : limits?.deleteAgeMs
    return `the message is too old for that${ageMs === undefined ? '' : `: ${kind === 'edit' ? 'edit' : 'delete'} within ${spanText(ageMs)}`}`
  }

  async #send({ localId, to, text, references = {}, forwarded, extensions }: Effect & { readonly kind: 'send' }): Promise<void> {
    await this.#settle(localId, to, async (client) => {
      if (extensions !== undefined) return client.send(to, text, extensions)
      for (const { id } of forwarded?.attachments ?? []) await client.keepBlob(forwarded?.conversation ?? '', forwarded?.seq ?? 0, id)
      // What is passed on names nobody here. [OPS-18]
      const mentions = references.forwards === undefined ? mentionsIn(to, text) : []
      return client.send(to, text, { ...references, mentions, attachments: forwarded?.attachments ?? [] })
    })
  }

  async #sendFile({ localId, to, path, text }: Effect & { readonly kind: 'send-file' }): Promise<void> {
    await this.#settle(localId, to, async (client) => {
      const attachments = await uploadShown(client, expandHome(path, this.#world.homeDirectory), (upload) => {
        this.dispatch({ kind: 'upload', localId, to, upload })
      })
      this.dispatch({ kind: 'uploaded', localId, to, attachments })
      return client.send(to, text, { attachments, mentions: mentionsIn(to, text) })
    })
  }

  /** Tells what became of a message. */
  async #settle(localId: number, to: string, send: (client: Client) => Promise<Ack>): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      const { seq, timeMs, expiresMs } = await send(this.#client)
      this.dispatch({ kind: 'sent', localId, to, seq, timeMs, expiresMs })
    } catch (error) {
      this.dispatch({ kind: 'refused', localId, to, reason: groupSendRefusal(error, to) ?? uploadRefusal(error, '', to) })
    }
  }

  async #fetch({ conversation, seq, attachments, folder }: Effect & { readonly kind: 'fetch' }): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      const paths = await saveShown(this.#client, { conversation, seq, attachments, folder: expandHome(folder, this.#world.homeDirectory) })
      this.dispatch({ kind: 'notice', text: `saved ${paths.join(', ')}` })
    } catch (error) {
      this.dispatch({ kind: 'notice', text: refusalText(downloadFailure(error), conversation) })
    }
  }

  async #load(conversation: string, before: number | null): Promise<void> {
    try {
      const page = await this.#client?.history(conversation, { limit: PAGE_MESSAGES, ...(before === null ? {} : { before }) })
      if (page !== undefined) this.dispatch({ kind: 'history', conversation, messages: page.messages.map(shown), more: page.more, tail: page.tail })
    } catch (error) {
      const isUnknown = error instanceof ClientError && (error.symbol === 'no-such-conversation' || error.symbol === 'no-such-user')
      this.dispatch({ kind: 'history-failed', conversation, isUnknown, reason: refusalText(error, conversation) })
    }
  }

  async #loadGroup(group: string): Promise<void> {
    const info = await this.#client?.groups.info(group).catch(() => null)
    this.dispatch({ kind: 'group', group, info: info ?? null })
  }

  async #requestGroup(request: GroupRequest): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      const event = outcomeEvent(request, await this.#performGroup(this.#client, request))
      if (event !== null) this.dispatch(event)
    } catch (error) {
      this.dispatch({ kind: 'notice', text: groupRefusal(error, request) })
    }
  }

  #performGroup(client: Client, request: GroupRequest): ReturnType<typeof performGroupRequest> {
    return performGroupRequest(client, request, {
      nowMs: Date.now(),
      upload: (path) => uploadShownPicture(client, expandHome(path, this.#world.homeDirectory)),
      save: () => { throw new WrongWords('name the file that is to be the picture: /group picture FILE; `chat group picture` saves it') },
    })
  }

  async #whoRead(message: Extract<Effect, { kind: 'who-read' }>): Promise<void> {
    await this.#answer(async (client) => {
      const { conversation } = message
      const [marks, info] = await Promise.all([client.receipts(conversation), isGroup(conversation) ? client.groups.info(conversation) : null])
      return whoReadLines(message, this.#state.me, marks, info?.members ?? null)
    })
  }

  async #search(words: string, conversation: string | null): Promise<void> {
    await this.#answer(async (client) => {
      const { messages, more } = await client.search(words, { limit: SEARCH_MESSAGES, ...conversation === null ? {} : { with: conversation } })
      const lines = messages.map((message) => messageText(message))
      return [`${messages.length === 0 ? 'Nothing' : String(messages.length)} found for ${words}${more ? ', and there is more' : ''}:`, '', ...lines]
    })
  }

  async #invite(): Promise<void> {
    await this.#answer(async (client) => {
      const { code, expiresMs } = await client.invite()
      return ['An invite for one person. It is shown this once:', '', `    ${code}`, '', `It works until ${localTime(expiresMs)}.`]
    })
  }

  /** Shows what the client answers, or why it does not. */
  async #answer(question: (client: Client) => Promise<string[]>): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      this.dispatch({ kind: 'panel', lines: await question(this.#client) })
    } catch (error) {
      this.dispatch({ kind: 'notice', text: refusalText(error) })
    }
  }

  /** The list of conversations, page by page. */
  async #list(client: Client): Promise<void> {
    try {
      let after: string | undefined
      for (;;) {
        const page = await client.conversations({ limit: LIMIT.conversationsPageMax, ...(after === undefined ? {} : { after }) })
        const list = page.conversations.map((one) => ({ ...one, last: one.last === null ? null : shown(one.last) }))
        this.dispatch({ kind: 'conversations', list })
        this.dispatch(await readProfileNames(client, page.conversations, this.#state.names.profiles))
        after = list.at(-1)?.conversation
        if (!page.more || after === undefined) return
      }
    } catch {
      // The connection was lost: the next welcome asks again.
    }
  }

  async #contacts(client: Client): Promise<void> {
    try {
      this.dispatch(await readContactNames(client))
    } catch {
      // The connection was lost: the next welcome asks again.
    }
  }

  async #people(action: PeopleAction): Promise<void> {
    try {
      if (this.#client === null) throw new Error('not connected yet, try again')
      this.dispatch({ kind: 'notice', text: await performPeople(this.#client, action) })
      // One's only device is told of nothing.
      if (action.kind.startsWith('contacts')) await this.#contacts(this.#client)
      else await this.#list(this.#client)
    } catch (error) {
      this.dispatch({ kind: 'notice', text: refusalText(error, namedInAction(action)) })
    }
  }

  #showLeftovers(client: Client): void {
    for (const { handle, kind, to, text, attachments, extensions } of client.outbox()) {
      if (kind !== 'message' || this.#leftovers.has(handle) || this.#isKnownPending(to, text)) continue
      this.#leftovers.set(handle, -handle)
      this.dispatch({ kind: 'leftover', localId: -handle, to, text, attachments, extensions })
    }
  }

  /** A message typed in this run is on the screen already. */
  #isKnownPending(to: string, text: string): boolean {
    return this.#state.conversations.get(to)?.pending.some((pending) => pending.localId > 0 && pending.text === text) === true
  }

  #drawSoon(): void {
    if (this.#isDrawDue) return
    this.#isDrawDue = true
    setImmediate(() => {
      this.#isDrawDue = false
      if (!this.#isStopped) this.#terminal.draw(render(this.#state, Date.now()))
    })
  }

  readonly #resize = (): void => {
    this.#terminal.forget()
    this.dispatch({ kind: 'resize', ...sizeOf(this.#world) })
  }

  readonly #leave = (): void => this.#ending.end('complete')
}

function sizeOf({ stdout }: World): { columns: number; rows: number } {
  return { columns: known(stdout.columns, COLUMNS_DEFAULT), rows: known(stdout.rows, ROWS_DEFAULT) }
}

/** A terminal that does not know its size says 0. */
function known(size: number | undefined, otherwise: number): number {
  return size === undefined || size === 0 ? otherwise : size
}

type Showable = Pick<HistoryMessage, 'seq' | 'from' | 'own' | 'timeMs' | 'text' | 'isIncomplete' | 'extensions' | 'attachments' | 'change'>
  & Partial<Pick<HistoryMessage, 'editedMs' | 'isDeleted' | 'reactions' | 'expiresMs'>>

function shown({ seq, from, own, timeMs, text, isIncomplete, extensions, attachments, change, editedMs, isDeleted, reactions, expiresMs = 0 }: Showable): ShownMessage {
  const { replyTo, mentions, forwards } = referencesOf(extensions)
  return {
    seq, from, own, timeMs, text, isIncomplete, change,
    ...editedMs === undefined ? {} : { editedMs }, ...isDeleted === undefined ? {} : { isDeleted }, ...reactions === undefined ? {} : { reactions },
    ...replyTo === 0 ? {} : { replyTo }, ...forwards === 0 ? {} : { forwards }, ...mentions.length === 0 ? {} : { mentions }, ...expiresMs === 0 ? {} : { expiresMs },
    ...attachments.length === 0 ? {} : { attachments },
  }
}
