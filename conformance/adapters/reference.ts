/**
 * The adapter of the reference client in Node: JSON lines on stdin and stdout, see conformance/README.md. It is an application of the
 * smallest kind: it keeps what it was shown in a file, under conversation and seq, and sends what it is told to.
 *
 *     bin/chat-conformance client -- node dist/conformance/adapters/reference.js
 */
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { BaseClient } from '../../protocol/client/client.js'
import { ClientError } from '../../protocol/client/client-error.js'
import type { Refusal } from '../../protocol/client/core-types.js'
import { nodeBlobs } from '../../protocol/client/blob-node.js'
import { nodeCrypto } from '../../protocol/client/crypto-node.js'
import { commonPlatform } from '../../protocol/client/driver.js'
import { fileStorage } from '../../protocol/client/storage-file-node.js'
import { connectNode } from '../../protocol/client/transport-node.js'
import { AdjustableClock } from './adjustable-clock.js'
import { rightParts } from './parts.js'
import type { Parts } from './parts.js'
import { Screen } from './screen.js'
import type { Shown } from './screen.js'

interface Request { readonly id: number; readonly do: string; readonly [argument: string]: unknown }

const features = [
  'start', 'connect', 'send', 'dump', 'markRead', 'operations', 'typing', 'presence', 'background', 'clock', 'groups', 'sync', 'history', 'disconnect',
  'websocket', 'stop',
]

class Device {
  readonly #client: BaseClient
  readonly #screen: Screen
  readonly #typing = new Map<string, { readonly conversation: string; readonly from: string }>()
  readonly #clock = new AdjustableClock(commonPlatform)
  readonly #record: (shown: Shown) => void
  readonly #parts: Parts
  #error: ClientError | null = null
  #watched: string[] = []

  constructor({ server, user, device, password, storage }: Readonly<Record<string, string>>, parts: Parts) {
    this.#parts = parts
    const file = `${storage}/shown.jsonl`
    this.#screen = new Screen(user!, parts.key)
    if (existsSync(file)) for (const line of readFileSync(file, 'utf8').split('\n').filter(Boolean)) this.#screen.show(JSON.parse(line) as Shown)
    this.#record = (shown) => {
      for (const one of parts.shown(shown)) {
        appendFileSync(file, `${JSON.stringify(one)}\n`)
        this.#screen.show(one)
      }
    }
    const platform = parts.platform({ ...commonPlatform, connect: connectNode, crypto: nodeCrypto, blobs: nodeBlobs, ...this.#clock.platform() })
    const options = { server: server!, user: user!, device: device!, password: password!, storage: parts.storage(fileStorage(`${storage}/state`)) }
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

  /** The first one opens the storage. */
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
      case 'disconnect':
      case 'stop': await client.close(); return {}
      case 'history': {
        const { messages } = await client.history(conversation)
        for (const { seq: at, from, text: words, expiresMs, isIncomplete } of messages) {
          this.#record({ what: 'message', conversation, seq: at, from, text: words, expiresMs, incomplete: isIncomplete, change: false })
        }
        return {}
      }
      case 'dump': return this.#parts.dump(this.#dump())
      default: return { unsupported: true }
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
    const outbox = client.outbox().filter(({ kind }) => kind === 'message').map(({ to, text }) => ({ to, text }))
    return {
      messages: this.#screen.messages(client.serverNowMs()), outbox, refused: this.#screen.refused, watermarks, presence,
      typing: [...this.#typing.values()], state: client.state, error: this.#error?.symbol ?? '',
    }
  }
}

/** Answers the runner until stdin ends. */
export function serve(parts: Parts): void {
  let device: Device | null = null
  const answer = async (request: Request): Promise<object> => {
    if (request.do === 'features') return { features, name: 'chatd reference client, Node' }
    if (request.do !== 'start') return device === null ? { error: 'not started' } : device.do(request)
    device = new Device(request as unknown as Readonly<Record<string, string>>, parts)
    return device.do({ id: 0, do: 'foreground' })
  }
  createInterface({ input: process.stdin }).on('line', (line) => {
    const request = JSON.parse(line) as Request
    void answer(request).catch((error: unknown) => (
      error instanceof ClientError && error.code > 0 ? { refused: error.symbol } : { error: String(error) }
    )).then((result) => { process.stdout.write(`${JSON.stringify({ id: request.id, ...result })}\n`) })
  }).on('close', () => { process.exit(0) })
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) serve(rightParts)
