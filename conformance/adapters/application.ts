/**
 * The adapter of the reference client, wherever it runs: an application of the smallest kind, which keeps what it was shown, under
 * conversation and seq, and sends what it is told to. See conformance/README.md for the commands.
 */
import { BaseClient } from '../../protocol/client/client.js'
import { ClientError } from '../../protocol/client/client-error.js'
import type { Refusal } from '../../protocol/client/core-types.js'
import { commonPlatform } from '../../protocol/client/driver.js'
import type { Platform } from '../../protocol/client/driver.js'
import { registerAccount } from '../../protocol/client/register.js'
import type { ClientStorage } from '../../protocol/client/state.js'
import { AdjustableClock } from './adjustable-clock.js'
import type { Parts } from './parts.js'
import { Screen } from './screen.js'
import type { Shown } from './screen.js'

export interface Request { readonly id: number; readonly do: string; readonly [argument: string]: unknown }

/** What this application can do anywhere. */
export const features = [
  'start', 'connect', 'send', 'dump', 'markRead', 'operations', 'typing', 'presence', 'background', 'clock', 'groups', 'sync', 'history', 'disconnect',
  'unread', 'register', 'download', 'stop', 'no-queue',
]

/** What a runtime gives the adapter, beside the platform of the client. */
export interface Host {
  readonly name: string
  readonly features: readonly string[]
  readonly platform: Pick<Platform, 'connect' | 'crypto' | 'blobs'>
  /** The certificate in PEM that `start` says is to be trusted; without it there is no TLS. */
  trusted?(ca: string): string
  /** @param storage the folder or the name that `start` has */
  open(storage: string): Place
}

/** Where one device keeps what it has: the client's storage, and what was shown, a line each. */
export interface Place {
  readonly storage: ClientStorage
  lines(): readonly string[]
  /** Has it before it returns: what was shown is shown after a crash too. */
  append(line: string): void
  /** Nothing of it is needed any more. */
  forget(): Promise<void>
}

interface StartRequest {
  readonly server: string
  readonly user: string
  readonly device: string
  readonly password: string
  readonly storage: string
  readonly ca?: string
  readonly noQueue?: boolean
}

class Device {
  readonly #client: BaseClient
  readonly #place: Place
  readonly #screen: Screen
  readonly #typing = new Map<string, { readonly conversation: string; readonly from: string }>()
  readonly #clock = new AdjustableClock(commonPlatform)
  readonly #record: (shown: Shown) => void
  readonly #parts: Parts
  readonly #account: Readonly<Record<'server' | 'user' | 'password', string>>
  readonly #platform: Platform
  /** Downloaded, by id, as text. */
  readonly #files: Record<string, string> = {}
  #error: ClientError | null = null
  #watched: string[] = []

  constructor({ server, user, device, password, storage, ca, noQueue }: StartRequest, host: Host, parts: Parts) {
    this.#parts = parts
    const place = this.#place = host.open(storage)
    this.#screen = new Screen(user, parts.key)
    for (const line of place.lines()) this.#screen.show(JSON.parse(line) as Shown)
    this.#record = (shown) => {
      for (const one of parts.shown(shown)) {
        place.append(JSON.stringify(one))
        this.#screen.show(one)
      }
    }
    this.#account = { server, user, password }
    const platform = this.#platform = parts.platform({ ...commonPlatform, ...host.platform, ...this.#clock.platform() })
    const options = { server, user, device, password, receive: noQueue !== true, storage: parts.storage(place.storage), ...(ca === undefined || host.trusted === undefined ? {} : { ca: host.trusted(ca) }) }
    const client = this.#client = new BaseClient(options, platform)
    client.on('message', ({ conversation, seq, from, text, expiresMs, isIncomplete, change }) => {
      this.#record({ what: 'message', conversation, seq, from, text: change === null ? text : change.name, expiresMs, incomplete: isIncomplete, change: change !== null })
    })
    client.on('operation', ({ conversation, seq, from, target, kind, text }) => { this.#record({ what: 'operation', conversation, seq, from, target, kind, text }) })
    client.on('sent', ({ handle, kind, to, seq, expiresMs }) => { this.#record({ what: 'sent', handle, kind, to, seq, expiresMs }) })
    client.on('refused', ({ handle, to, error }: Refusal) => { this.#record({ what: 'refused', handle, to, error: error.symbol }) })
    client.on('typing', ({ conversation, from, kind }) => {
      if (kind === 'paused') this.#typing.delete(`${conversation} ${from}`)
      else this.#typing.set(`${conversation} ${from}`, { conversation, from })
    })
    client.on('error', (error) => { this.#error = error })
  }

  async do(request: Request): Promise<object> {
    const { to = '', text = '', conversation = '', seq = 0, users = [], ms = 0 } = request as unknown as Readonly<Record<string, never>>
    const client = this.#client
    switch (request.do) {
      case 'connect': void client.connect().catch(() => {}); return {}
      case 'send': {
        const handle = await client.enqueue(to, text)
        this.#record({ what: 'queued', handle, to, text })
        return {}
      }
      case 'markRead': void client.markRead(conversation, seq).catch(() => {}); return {}
      case 'edit': this.#operate(client.edit(conversation, seq, text), `${String(seq)} ${text as string}`); return {}
      case 'remove': this.#operate(client.remove(conversation, seq), String(seq)); return {}
      case 'react': this.#operate(client.react(conversation, seq, text), `${String(seq)} ${text as string}`); return {}
      case 'watch': this.#watched = [...users]; await client.watch(...this.#watched); return {}
      case 'unwatch': await client.unwatch(...this.#watched); return {}
      case 'typing': await client.typing(conversation); return {}
      case 'background': await client.setActive(false); return {}
      case 'foreground': await client.setActive(true); return {}
      case 'advance': this.#clock.advance(ms); return {}
      case 'disconnect': await client.close(); return {}
      case 'stop': await client.close(); await this.#place.forget(); return {}
      case 'history': await this.#history(conversation); return {}
      case 'register': await registerAccount({ ...this.#account, invite: text }, this.#platform); return {}
      case 'download': await this.#download(request['blob'] as string); return {}
      case 'dump': return this.#parts.dump(this.#dump())
      default: return { unsupported: true }
    }
  }

  async #history(conversation: string): Promise<void> {
    const { messages, operations, tail } = await this.#client.history(conversation)
    for (const { seq, from, text, expiresMs, isIncomplete, change, editedMs, isDeleted, reactions } of messages) {
      const page = { tail, editedMs, isDeleted, reactions }
      this.#record({ what: 'message', conversation, seq, from, text: change === null ? text : change.name, expiresMs, incomplete: isIncomplete, change: change !== null, page })
    }
    for (const { seq, from, target, kind, text } of operations) this.#record({ what: 'operation', conversation, seq, from, target, kind, text })
  }

  /** Shown when all of it is there; damaged-blob is no error of the adapter, there is just nothing to show. */
  async #download(id: string): Promise<void> {
    try {
      const { bytes } = await this.#client.download({ id })
      this.#files[id] = new TextDecoder().decode(bytes)
    } catch (error) {
      if (!(error instanceof ClientError)) throw error
    }
  }

  /** Its handle is the newest in the outbox. */
  #operate(answer: Promise<unknown>, text: string): void {
    void answer.catch(() => {})
    queueMicrotask(() => {
      const newest = this.#client.outbox().at(-1)
      if (newest !== undefined) this.#record({ what: 'queued', handle: newest.handle, to: newest.to, text })
    })
  }

  #dump(): Readonly<Record<string, unknown>> {
    const client = this.#client
    const names = [...this.#screen.conversations.keys()]
    const watermarks = Object.fromEntries(names.map((name) => {
      const { read, members } = client.watermarks(name)
      return [name, { own: read, delivered: Math.max(0, ...members.map((member) => member.delivered)), read: Math.max(0, ...members.map((member) => member.read)) }]
    }))
    const presence = Object.fromEntries(this.#watched.map((user) => {
      const known = client.presence(user)
      return [user, known === null ? 'unknown' : known.isOnline ? 'online' : 'offline']
    }))
    const unread = Object.fromEntries(names.map((name) => [name, this.#screen.unread(name, client.watermarks(name).read)]))
    const outbox = client.outbox().filter(({ kind }) => kind === 'message').map(({ to, text }) => ({ to, text }))
    return {
      messages: this.#screen.messages(client.serverNowMs()), outbox, refused: this.#screen.refused, watermarks, unread, presence, files: this.#files,
      typing: [...this.#typing.values()], state: client.state, error: this.#error?.symbol ?? '',
    }
  }
}

/** Takes a request after the other, and answers each. The same in all places where an adapter runs. */
export class Application {
  readonly #host: Host
  readonly #parts: Parts
  #device: Device | null = null

  constructor(host: Host, parts: Parts) {
    this.#host = host
    this.#parts = parts
  }

  async answer(request: Request): Promise<object> {
    try {
      return { id: request.id, ...await this.#do(request) }
    } catch (error) {
      return { id: request.id, ...error instanceof ClientError && error.code > 0 ? { refused: error.symbol } : { error: String(error) } }
    }
  }

  async #do(request: Request): Promise<object> {
    const { features: more, name } = this.#host
    if (request.do === 'features') return { features: [...features, ...more], name }
    if (request.do === 'start') {
      this.#device = new Device(request as unknown as StartRequest, this.#host, this.#parts)
      // The first command opens the storage.
      return this.#device.do({ id: 0, do: 'foreground' })
    }
    const device = this.#device
    if (request.do === 'stop') this.#device = null
    if (device === null) return request.do === 'stop' ? {} : { error: 'not started' }
    return device.do(request)
  }
}
