/** A device of a case, and how it opens a session. */
import { randomBytes } from 'node:crypto'
import { registry } from '../spec/registry.js'
import type { FieldEntry, FrameEntry } from '../spec/registry.js'
import type { FieldValue } from '../spec/wire.js'
import { registrationOf } from './accounts.js'
import type { Account } from './accounts.js'
import { isEntry } from './connection.js'
import { WireFault } from './decode.js'
import type { WireFrame } from './decode.js'
import { frameFromXml, frameToXml } from './frame-xml.js'
import { noQueueKey } from './referee.js'
import { ScramClient } from './scram-client.js'
import type { LoginPhase, LoginStep } from './server-case.js'
import type { ServerConnection } from './server-connection.js'
import type { DeviceRecord } from './server-referee.js'
import type { Signal } from './signal.js'
import { plain, textOf } from './step-parts.js'
import { CaseFault, type Variables } from './variables.js'
import { CaseFailed } from './verdict.js'

/** Frames that a server may send at any time, and that no case has to reckon with unless it asks for them. */
const freeFrames = new Set(['ping', 'pong', 'receipt', 'skip', 'change', 'changed', 'presence', 'typingFrom'])
/** A backlog is acknowledged in pieces, so that it goes on. */
const acknowledgeEvery = 64

export interface SeatOptions {
  readonly account: Account
  /** As the server knows it. */
  readonly device: string
  readonly record: DeviceRecord
  readonly variables: Variables
  readonly signal: Signal
  /** Throws where a rule was broken. */
  readonly check: () => void
}

export class Seat {
  readonly account: Account
  readonly device: string
  readonly record: DeviceRecord
  /** The one that steps speak of. */
  connection: ServerConnection | null = null
  readonly #variables: Variables
  readonly #signal: Signal
  readonly #check: () => void
  #query = 0
  #nonce = 0

  constructor({ account, device, record, variables, signal, check }: SeatOptions) {
    this.account = account
    this.device = device
    this.record = record
    this.#variables = variables
    this.#signal = signal
    this.#check = check
  }

  /** Throws a CaseFault where no step has connected it yet. */
  current(): ServerConnection {
    if (this.connection === null) throw new CaseFault('there is no connection yet')
    return this.connection
  }

  /** Nothing that a case has to reckon with; what the user did itself comes back to its own devices too, or is skipped. [QUE-11] */
  isFree({ frame, values }: WireFrame): boolean {
    return freeFrames.has(frame) || (values['from'] === this.account.name && 'index' in values)
  }

  // ——— Frames ———

  /** A frame of the case, with what it left out filled in. */
  frame(xml: string): WireFrame {
    const frame = frameFromXml(xml, 'client', this.#variables, (entry, field) => this.#default(entry, field))
    const id = frame.values['clientId']
    if (typeof id !== 'number') return frame
    this.record.lastClientId = Math.max(this.record.lastClientId, id)
    this.#variables.set('id', String(id))
    return frame
  }

  #default(entry: FrameEntry, field: FieldEntry): FieldValue | undefined {
    switch (`${entry.name}.${field.name}`) {
      case 'hello.versions': return [registry.version]
      case 'hello.agent': return 'chat-conformance'
      case 'bind.device': return this.device
      case 'bind.queueEpoch': return this.record.queueEpoch
      case 'bind.cursor': return this.record.cursor
      case 'bind.outboxEpoch': return this.record.outboxEpoch
      case 'query.id': return ++this.#query
      case 'ping.nonce': return ++this.#nonce
      case 'cursor.index': return this.connection?.state.lastIndex
      default: return field.name === 'clientId' ? this.record.lastClientId + 1 : undefined
    }
  }

  // ——— The opening ———

  /** Opens a session on the connection, as far as the step says. Throws a CaseFailed. */
  async login(connection: ServerConnection, step: LoginStep, deadlineMs: number): Promise<void> {
    const isByToken = step.by === 'token' || step.token !== undefined || step.flight !== undefined || (step.by === undefined && step.scram === undefined && step.mechanism === undefined && this.record.token !== '')
    const bind = this.frame(`<bind ${Object.entries(step.bind ?? {}).map(([name, value]) => `${name}='${String(value)}'`).join(' ')}>${step.noQueue === true ? `<x key='${String(noQueueKey)}'/>` : ''}</bind>`)
    const hello = this.frame('<hello/>')
    if (step.flight !== undefined) {
      connection.send([hello, this.#tokenAuth(step.token), bind, ...step.flight.map((xml) => this.frame(xml))])
      await this.#next(connection, 'features', deadlineMs)
    } else {
      connection.send([hello])
      const features = await this.#next(connection, 'features', deadlineMs)
      for (const name of ['version', 'openFrameBytesMax', 'openTimeoutMs']) this.#variables.set(name, plain(features.values[name]))
      this.#variables.set('offered', String(registrationOf(features)?.iterations ?? 0))
      if (step.until === 'features') return
      if (isByToken) connection.send([this.#tokenAuth(step.token)])
      else if (await this.#scram(connection, features, step, deadlineMs)) return
    }
    const authenticated = await this.#next(connection, 'authenticated', deadlineMs)
    if (authenticated.values['user'] !== this.account.name) throw new CaseFailed('fail', `authenticated with the user ${this.account.name}`, frameToXml(authenticated), ['ADR-5'])
    if (step.until === 'authenticated') return
    if (step.flight === undefined) connection.send([bind])
    // Nothing of the queue comes behind it, done neither.
    await this.#welcomed(connection, step.noQueue === true ? 'welcome' : step.until, deadlineMs)
  }

  #tokenAuth(given: string | undefined): WireFrame {
    const token = given === undefined ? this.record.token : this.#variables.fill(given).replace(/^hex:/, '')
    const data = Buffer.concat([Buffer.from(`${this.account.name}\0${this.device}\0`), Buffer.from(token, 'hex')])
    return { frame: 'auth', values: { mechanism: 'TOKEN', data: data.toString('hex') }, extensions: {} }
  }

  /** True: the step ends there. */
  async #scram(connection: ServerConnection, features: WireFrame, step: LoginStep, deadlineMs: number): Promise<boolean> {
    const offered = features.values['mechanisms'] as readonly string[]
    const canBind = connection.channelBinding !== null && offered.includes('SCRAM-SHA-256-PLUS')
    const mechanism = step.mechanism ?? (canBind ? 'SCRAM-SHA-256-PLUS' : 'SCRAM-SHA-256')
    const binding = mechanism === 'SCRAM-SHA-256-PLUS' ? connection.channelBinding ?? randomBytes(32) : null
    const change = this.#variables.fillAll({ ...step.scram, first: step.scram?.first?.replaceAll('$clientNonce', '\u0001') }) as Record<string, string | undefined>
    const given = Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined).map(([key, value]) => [key, value!.replaceAll('\u0001', '$clientNonce')]))
    const client = new ScramClient(this.account.name, this.account.password, binding, given)
    connection.send([{ frame: 'auth', values: { mechanism, data: hexOf(client.first) }, extensions: {} }])
    const challenge = await this.#next(connection, 'challenge', deadlineMs)
    const serverFirst = textOfHex(challenge.values['data'] as string)
    this.#variables.set('serverFirst', serverFirst)
    this.#variables.set('salt', /,s=([^,]*)/.exec(serverFirst)?.[1] ?? '')
    this.#variables.set('iterations', /,i=([0-9]+)/.exec(serverFirst)?.[1] ?? '')
    if (step.until === 'challenge') return true
    const final = await ruled(() => client.final(serverFirst))
    connection.send([{ frame: 'response', values: { data: hexOf(final) }, extensions: {} }])
    const authenticated = await this.#next(connection, 'authenticated', deadlineMs, false)
    await ruled(() => { client.verify(textOfHex(authenticated.values['data'] as string)) })
    return false
  }

  async #welcomed(connection: ServerConnection, until: LoginPhase | undefined, deadlineMs: number): Promise<void> {
    const welcome = await this.#next(connection, 'welcome', deadlineMs)
    for (const [name, value] of Object.entries(welcome.values)) {
      this.#variables.set(name, name === 'token' ? `hex:${plain(value)}` : name === 'resume' ? ['fresh', 'resumed', 'tooOld'][Number(value)] ?? plain(value) : plain(value))
    }
    if (until === 'welcome') return
    for (let count = 1; ; count++) {
      const frame = await this.#take(connection, 'done', deadlineMs)
      if (frame.frame === 'done') break
      if (!isEntry(frame)) throw new CaseFailed('fail', 'entries, then done', frameToXml(frame), ['QUE-7'])
      if (count % acknowledgeEvery === 0) this.store(connection)
    }
    this.store(connection)
    // What came before the case began to look is not what it looks for.
    connection.seen = [...connection.inbox]
  }

  /** Acknowledges what has come. */
  store(connection: ServerConnection): void {
    if (connection.state.owed.length > 0) connection.send([{ frame: 'cursor', values: { index: connection.state.lastIndex }, extensions: {} }])
  }

  /** The next frame but those that may come at any time. `isTaken` false: it stays. */
  async #next(connection: ServerConnection, wanted: string, deadlineMs: number, isTaken = true): Promise<WireFrame> {
    for (;;) {
      const frame = await this.#take(connection, wanted, deadlineMs)
      if (frame.frame === wanted) {
        if (!isTaken) connection.inbox.unshift(frame)
        return frame
      }
      if (!this.isFree(frame)) throw new CaseFailed('fail', wanted, frameToXml(frame))
    }
  }

  async #take(connection: ServerConnection, wanted: string, deadlineMs: number): Promise<WireFrame> {
    const found = await this.#signal.until(deadlineMs, () => {
      this.#check()
      const frame = connection.inbox.shift()
      if (frame === undefined && connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection')
      return frame ?? null
    })
    if (found === null) throw new CaseFailed('timeout', wanted, 'nothing')
    return found
  }
}

function hexOf(text: string): string {
  return Buffer.from(text).toString('hex')
}

function textOfHex(hex: string): string {
  return Buffer.from(hex, 'hex').toString('utf8')
}

/** A broken rule of the exchange ends the case as one. */
async function ruled<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof WireFault)) throw error
    throw new CaseFailed('fail', textOf(error.requirement), error.message, [error.requirement])
  }
}
