/**
 * The scripted server: listens, keeps what a server knows of the device, and does by itself what no case wants to spell out: pongs,
 * answers to queries that the case does not ask about, acks where the case says so, and the opening.
 */
import { limitOf } from './decode.js'
import type { WireFrame } from './decode.js'
import type { Attributes, Case, OpenStep, Transport } from './case.js'
import { certificatesOf } from './certificate.js'
import { Connection, isEntry } from './connection.js'
import type { ConnectionHost } from './connection.js'
import { Device } from './device.js'
import { serveFile } from './files.js'
import { elementOf, frameFromXml, readXml } from './frame-xml.js'
import { listen } from './pipe.js'
import type { SeededBytes } from './random.js'
import { Referee } from './referee.js'
import type { Fault } from './referee.js'
import { ScramExchange } from './scram.js'
import type { Signal } from './signal.js'
import type { Trace } from './trace.js'
import type { Variables } from './variables.js'
import type { ElementValue, FieldValue } from '../spec/wire.js'
import { registry } from '../spec/registry.js'
import type { FieldEntry, FrameEntry } from '../spec/registry.js'

export interface PeerOptions {
  readonly case: Case
  readonly user: string
  /** Prepared. */
  readonly password: string
  readonly device: string
  readonly random: SeededBytes
  readonly variables: Variables
  readonly signal: Signal
  readonly trace: Trace
  /** Address of this machine at which the client reaches it. */
  readonly host: string
}

const plus = 'SCRAM-SHA-256-PLUS'

/** Frames that a client may send at any time, and that no case has to reckon with unless it asks for them. */
const freeFrames = new Set(['ping', 'pong', 'cursor', 'activity', 'watch', 'unwatch', 'typing', 'query'])

export function isFree(frame: WireFrame): boolean {
  return freeFrames.has(frame.frame)
}

export class Peer implements ConnectionHost {
  readonly device: Device
  readonly referee: Referee
  readonly trace: Trace
  readonly connections: Connection[] = []
  readonly faults: Fault[] = []
  /** Answers no ping by itself. */
  isSilent = false
  /** What the next port speaks. */
  transport: Transport = 'tcp'
  /** Whether the client is a browser, which offers compression of its own accord. */
  isBrowser = false
  /** How often a client began with TLS. */
  attempts = 0
  readonly #options: PeerOptions
  readonly #listeners: { close(): void }[] = []
  /** Queries that a step of the case expects, and answers itself. */
  readonly #expectedQueries: Set<string>
  readonly #answersGiven = new Map<string, number>()
  readonly #certificates: ReturnType<typeof certificatesOf>
  /** Connections that a step has taken. */
  #taken = 0
  #nonce = 0

  constructor(options: PeerOptions) {
    this.#options = options
    this.trace = options.trace
    this.device = new Device(options.user, options.device, options.password)
    this.referee = new Referee(this.device, (fault) => { this.fault(fault) })
    this.#certificates = certificatesOf(options.case.certificate ?? 'right', options.host)
    options.variables.set('newToken', this.newToken())
    options.variables.set('otherToken', this.newToken())
    this.#expectedQueries = new Set([...JSON.stringify(options.case.steps).matchAll(/<iq type='get'[^>]*><([A-Za-z-]+)/g)].map((match) => match[1]!))
  }

  /** Opens a port; `at` is what the case calls it. Returns `host:port`. */
  async listen(at: string): Promise<string> {
    const { host } = this.#options
    const tls = { certificate: this.#certificates.shown, newest: this.#options.case.tlsMax ?? 'TLSv1.3', onAttempt: () => { this.attempts++ } } as const
    const listener = await listen(this.transport, host, tls, (pipe, upgrade) => {
      const connection = new Connection(this.connections.length + 1, at, pipe, this)
      this.connections.push(connection)
      this.trace.add('client', connection.number, at === '' ? 'connects' : `connects to ${at}`)
      if (upgrade !== null && upgrade.subprotocol !== registry.subprotocol) {
        this.fault({ requirement: 'FRM-12', text: `the client does not offer the subprotocol ${registry.subprotocol}` })
      }
      if (pipe.tls !== null && upgrade === null && pipe.tls.alpn !== registry.alpn) {
        this.fault({ requirement: 'FRM-13', text: `the client does not offer ${registry.alpn} in ALPN` })
      }
      if (pipe.tls !== null && pipe.tls.version !== 'TLSv1.3') this.fault({ requirement: 'FRM-13', text: `the client speaks ${pipe.tls.version}` })
      if (upgrade !== null && upgrade.extensions.includes('permessage-deflate') && !this.isBrowser) {
        this.fault({ requirement: 'FRM-15', text: 'the client offers permessage-deflate' })
      }
      this.notify()
      return connection
    })
    this.#listeners.push(listener)
    return `${host.includes(':') ? `[${host}]` : host}:${String(listener.port)}`
  }

  /** Opens a port with a file; returns its URL, which nobody guesses. */
  async serve(text: string, cutAfter: number | null): Promise<string> {
    const { host, random } = this.#options
    const path = `/${random.bytes(16).toString('hex')}`
    const server = await serveFile({ path, bytes: Buffer.from(text), cutAfter }, host)
    this.#listeners.push(server)
    return `http://${host.includes(':') ? `[${host}]` : host}:${String(server.port)}${path}`
  }

  /** The certificate that the client is told to trust, in PEM. */
  get trusted(): string {
    return this.#certificates.trusted
  }

  close(): void {
    for (const listener of this.#listeners) listener.close()
  }

  notify(): void {
    this.#options.signal.notify()
  }

  fault(fault: Fault): void {
    this.trace.add('suite', 0, `[${fault.requirement}] ${fault.text}`)
    this.faults.push(fault)
    this.notify()
  }

  // ——— Connections ———

  /** A connection that no step has taken yet; taken with that. Null: none. */
  takeConnection(): Connection | null {
    const connection = this.connections[this.#taken] ?? null
    if (connection !== null) this.#taken++
    return connection
  }

  /** No step takes what is there so far: it is of a client that has been killed, and may have come back just before. */
  passOver(): void {
    this.#taken = this.connections.length
  }

  get untaken(): Connection | null {
    return this.connections[this.#taken] ?? null
  }

  /**
   * When the last connection that a step has taken was over; 0: there was none. Where the server said close that is when it did: a client
   * counts from when it reads that, and its end may be seen here later than it was.
   */
  get lastEndMs(): number {
    const ended = this.connections.slice(0, this.#taken).map(({ endedMs, state }) => state.serverClosedMs > 0 ? state.serverClosedMs : endedMs)
    return Math.max(0, ...ended)
  }

  // ——— What is done without being asked ———

  onFrame(connection: Connection, frame: WireFrame): void {
    if (frame.frame === 'ping' && !this.isSilent) connection.send([{ frame: 'pong', values: { nonce: frame.values['nonce']! }, extensions: {} }])
    else if (frame.frame === 'query') this.#answer(connection, frame)
    else if (this.#options.case.acks === true && connection.state.hasWelcome) this.acknowledge(connection, frame)
    this.notify()
  }

  /** Acks a stanza, as the first time if it was acked before. [MSG-3] */
  acknowledge(connection: Connection, frame: WireFrame): void {
    const clientId = frame.values['clientId']
    if (typeof clientId !== 'number') return
    connection.send([this.frame(`<ack id='${String(clientId)}'/>`, connection)])
  }

  #answer(connection: Connection, frame: WireFrame): void {
    const query = frame.values['element'] as ElementValue
    if (this.#expectedQueries.has(query.name)) return
    const id = frame.values['id']!
    const given = this.#options.case.answers?.[query.name]
    const count = this.#answersGiven.get(query.name) ?? 0
    this.#answersGiven.set(query.name, count + 1)
    const text = typeof given === 'string' ? given : given?.[Math.min(count, given.length - 1)]
    const element = text === undefined ? usualAnswer(query) : elementOf(readXml(text), this.#options.variables)
    if (element !== null) connection.send([{ frame: 'result', values: { id, element }, extensions: {} }])
    else {
      const error = registry.errors.find(({ name }) => name === 'unsupported-query')!.code
      connection.send([{ frame: 'fail', values: { id, error, retryAfterMs: 0, reason: '' }, extensions: {} }])
    }
  }

  // ——— Frames ———

  /** A frame of the case, with what it left out filled in. */
  frame(xml: string, connection: Connection): WireFrame {
    const frame = frameFromXml(xml, 'server', this.#options.variables, (entry, field) => this.#default(entry, field, connection))
    const { values } = frame
    const conversation = values['conversation'] as string | undefined
    const filled: Record<string, FieldValue> = { ...values }
    if (isEntry(frame)) {
      this.device.lastIndex = Math.max(this.device.lastIndex, values['index'] as number)
      if ('time' in values) {
        if (values['seq'] === 0) filled['seq'] = this.device.nextSeq(conversation ?? '')
        if (values['time'] === 0) filled['time'] = this.device.timeOf(filled['seq'] as number)
        this.device.noteSeq(conversation ?? '', filled['seq'] as number)
      }
    }
    if (frame.frame === 'ack' && values['seq'] === 0) filled['seq'] = this.#ackSeq(values['clientId'] as number)
    return { ...frame, values: filled }
  }

  #default(entry: FrameEntry, field: FieldEntry, connection: Connection): FieldValue | undefined {
    if (entry.entry === true && field.name === 'index') return this.device.lastIndex + 1
    if (entry.name === 'done' && field.name === 'index') return connection.state.sentTo
    if (entry.name === 'ping' && field.name === 'nonce') return ++this.#nonce
    if (entry.name === 'features') return featuresDefault(field, connection.tls !== null)
    return entry.name === 'welcome' ? this.#welcomeDefault(field, connection) : undefined
  }

  /** Of a message its place in the conversation, the same each time; of a mark the seq that it names. */
  #ackSeq(clientId: number): number {
    const stanza = this.device.sent.get(clientId)
    if (stanza === undefined) return 0
    const { frame, values } = stanza.frame
    if (frame === 'mark') return values['seq'] as number
    if (stanza.seq === 0) stanza.seq = this.device.nextSeq(values[frame === 'message' ? 'to' : 'conversation'] as string)
    return stanza.seq
  }

  #welcomeDefault(field: FieldEntry, { state }: Connection): FieldValue | undefined {
    const bind = (state.bind?.values ?? {}) as Readonly<Record<string, number | string>>
    const isResumed = bind['queueEpoch'] === this.device.queueEpoch
    switch (field.name) {
      case 'session': return `s${String(this.connections.length)}`
      case 'time': return this.device.baseTimeMs + 3_600_000
      case 'resume': return isResumed ? 1 : bind['queueEpoch'] === 0 ? 0 : 2
      case 'queueEpoch': return this.device.queueEpoch
      case 'cursor': return isResumed ? bind['cursor'] : this.device.acknowledged
      case 'outboxEpoch': return this.device.outboxEpoch === 0 ? 1 : this.device.outboxEpoch
      case 'window': return limitOf('windowDefault')
      default: return ['unacknowledgedMax', 'frameBytesMax', 'keepAliveMs'].includes(field.name) ? limitOf(field.name) : undefined
    }
  }

  // ——— The opening ———

  /** A step of it: the next frame of this name. */
  readonly nextFrame = async (connection: Connection, names: readonly string[], deadlineMs: number): Promise<WireFrame | string> => {
    const found = await this.#options.signal.until(deadlineMs, () => {
      for (;;) {
        const frame = connection.inbox.shift()
        if (frame === undefined) break
        if (names.includes(frame.frame)) return frame
        if (!isFree(frame)) return `${frame.frame}${frame.frame === 'close' ? ` ${JSON.stringify(frame.values)}` : ''} came`
      }
      return connection.endedMs > 0 ? 'the client ended the connection' : null
    })
    return found ?? 'nothing came'
  }

  /** Everything up to `welcome`, or `step.until`. Returns what went wrong in words, null if nothing did. */
  async open(connection: Connection, step: OpenStep, deadlineMs: number): Promise<string | null> {
    const { until } = step
    const hello = await this.nextFrame(connection, ['hello'], deadlineMs)
    if (typeof hello === 'string') return `hello expected: ${hello}`
    if (until === 'hello') return null
    const features = this.#features(step, connection)
    connection.send([features])
    if (until === 'features') return null
    const auth = await this.nextFrame(connection, ['auth'], deadlineMs)
    if (typeof auth === 'string') return `auth expected: ${auth}`
    const mechanism = auth.values['mechanism'] as string
    const isToken = mechanism === 'TOKEN'
    if (step.by !== undefined && (step.by === 'token') !== isToken) return `auth by ${step.by} expected: it was ${mechanism}`
    if (until === 'auth') return null
    if (isToken) this.#authenticated(connection, '')
    else {
      const offered = features.values['mechanisms'] as readonly string[]
      if (!mechanism.startsWith('SCRAM-') || !offered.includes(mechanism)) return `auth by ${offered.join(' or ')} expected: it was ${mechanism}`
      const fault = await this.#scram(connection, auth, offered.includes(plus), step, deadlineMs)
      if (fault !== null || until === 'challenge' || until === 'response') return fault
    }
    if (until === 'authenticated') return null
    const bind = await this.nextFrame(connection, ['bind'], deadlineMs)
    if (typeof bind === 'string') return `bind expected: ${bind}`
    if (until !== 'bind') this.welcome(connection, step, isToken)
    return null
  }

  #features(step: OpenStep, connection: Connection): WireFrame {
    const frame = this.frame(`<features ${attributesText(step.features)}/>`, connection)
    if (step.mechanisms === undefined) return frame
    const channelBindings = step.mechanisms.includes(plus) ? registry.channelBindings : []
    return { ...frame, values: { ...frame.values, mechanisms: step.mechanisms, channelBindings } }
  }

  #authenticated(connection: Connection, data: string): void {
    connection.send([{ frame: 'authenticated', values: { user: this.device.user, data }, extensions: {} }])
  }

  async #scram(connection: Connection, auth: WireFrame, isPlusOffered: boolean, { scram = {}, until }: OpenStep, deadlineMs: number): Promise<string | null> {
    const { user, password, random, variables } = this.#options
    const nonce = random.bytes(18).toString('base64')
    const salt = random.bytes(16)
    const exchange = new ScramExchange({ user, password, salt, iterations: limitOf('scramIterationsMin'), nonce, exporter: connection.tls?.exporter ?? null, isPlusOffered })
    const right = exchange.challenge(auth.values['data'] as string, auth.values['mechanism'] === plus)
    variables.set('clientNonce', exchange.clientNonce)
    variables.set('gs2', exchange.flag)
    variables.set('serverNonce', nonce)
    variables.set('salt', salt.toString('base64'))
    const challenge = scram.challenge === undefined ? right : hexOfText(variables.fill(scram.challenge))
    connection.send([{ frame: 'challenge', values: { data: challenge }, extensions: {} }])
    if (until === 'challenge') return null
    const response = await this.nextFrame(connection, ['response'], deadlineMs)
    if (typeof response === 'string') return `response expected: ${response}`
    if (until === 'response') return null
    const final = exchange.final(response.values['data'] as string)
    this.#authenticated(connection, scram.final === undefined ? final : hexOfText(variables.fill(scram.final)))
    return null
  }

  /** `welcome`, and `done` unless the step says no. After a login by password it brings a token. */
  welcome(connection: Connection, step: OpenStep, isToken: boolean): void {
    const attributes: Record<string, string | number> = { ...this.#options.case.welcome, ...step.welcome }
    if (attributes['token'] === 'new' || (attributes['token'] === undefined && !isToken)) attributes['token'] = `hex:${this.newToken()}`
    const welcome = this.frame(`<welcome ${attributesText(attributes)}/>`, connection)
    // The one who waits goes on in the same write: entries may come with welcome in one piece.
    connection.send([welcome])
    if (step.done !== false) connection.send([this.frame('<done/>', connection)])
  }

  newToken(): string {
    return this.#options.random.bytes(32).toString('hex')
  }
}

function hexOfText(text: string): string {
  return Buffer.from(text).toString('hex')
}

function attributesText(attributes: Attributes = {}): string {
  return Object.entries(attributes).map(([name, value]) => `${name}='${String(value)}'`).join(' ')
}

function featuresDefault(field: FieldEntry, isTls: boolean): FieldValue | undefined {
  switch (field.name) {
    case 'version': return registry.version
    case 'mechanisms': return isTls ? registry.mechanisms : ['SCRAM-SHA-256', 'TOKEN']
    case 'channelBindings': return isTls ? registry.channelBindings : undefined
    case 'openFrameBytesMax': return limitOf('openFrameBytesMax')
    case 'openTimeoutMs': return limitOf('openTimeoutMs')
    default: return undefined
  }
}

/** What a server with nothing in it says; null: it does not know the query. */
function usualAnswer(query: ElementValue): ElementValue | null {
  if (query.name === 'conversations') return { name: 'conversations', attributes: { more: 'false' } }
  if (query.name === 'history') return { name: 'history', attributes: { with: query.attributes?.['with'] ?? '', tail: '0', more: 'false' } }
  if (query.name === 'contacts' || query.name === 'blocked' || query.name === 'flags') {
    return { name: query.name, attributes: { version: '0', full: 'true', more: 'false' } }
  }
  return null
}
