/** Plays a case with a server: several devices of several people, each on raw connections of its own. */
import { setTimeout as delay } from 'node:timers/promises'
import { isMarked, markOf } from './accounts.js'
import type { Account, Accounts } from './accounts.js'
import type { Case } from './case.js'
import type { WireFrame } from './decode.js'
import type { Target } from './dial.js'
import { encodeFrame, frameToXml, mismatch, patternOf } from './frame-xml.js'
import type { FramePattern } from './frame-xml.js'
import { request } from './http.js'
import { withinTime } from './outcome.js'
import type { Outcome } from './outcome.js'
import type { Fault } from './referee.js'
import { ServerConnection } from './server-connection.js'
import type { ServerConnectionHost } from './server-connection.js'
import { rolesOf, serverSteps } from './server-case.js'
import type { LoginStep, Role, ServerStep } from './server-case.js'
import { DeviceRecord, ServerReferee } from './server-referee.js'
import { Seat } from './server-seat.js'
import { presetsOf } from './server-presets.js'
import { SeededBytes } from './random.js'
import { Signal } from './signal.js'
import { errorName, listOf, plain, rawBytes, textOf } from './step-parts.js'
import { Trace } from './trace.js'
import { CaseFault, Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'
import type { Result, Verdict } from './verdict.js'
import type { ElementValue } from '../spec/wire.js'

export interface ServerPlayOptions {
  readonly target: Target
  readonly accounts: Accounts
  /** What the server offers: names of `cases/server-features.json`. */
  readonly features: ReadonlySet<string>
  readonly seed: string
  /** Part of every name that the run makes: two runs against one server do not meet. */
  readonly run: string
  /** All waiting times are this many times as long. */
  readonly slowness: number
}

/** How long a server may take for what a step expects. */
export const serverStepTimeoutMs = 8000
const caseTimeoutMs = 90_000
/** How often a device looks whether it has been silent for too long. */
const keepAliveEveryMs = 300
const firstSeat = 'alice/phone'
/** What answers a query that an optional part of the protocol would answer. */
const optional: Readonly<Record<string, string>> = { 'no-search': 'search', 'no-blobs': 'blobs', 'no-invites': 'invites' }

export class ServerPlay implements ServerConnectionHost {
  readonly referee: ServerReferee
  readonly trace = new Trace()
  readonly #case: Case
  readonly #options: ServerPlayOptions
  readonly #signal = new Signal()
  readonly #variables = new Variables()
  readonly #faults: Fault[] = []
  readonly #mark: string
  readonly #seats = new Map<string, Seat>()
  readonly #records = new Map<string, DeviceRecord>()
  readonly #connections: ServerConnection[] = []
  #accounts: ReadonlyMap<Role, Account> = new Map()
  #step = 0
  #isOver = false

  private constructor(played: Case, options: ServerPlayOptions) {
    this.#case = played
    this.#options = options
    this.#mark = markOf(options.run, played.id)
    this.referee = new ServerReferee((fault) => { this.fault(fault) })
  }

  /** Plays one case from beginning to end. Rejects for a fault of the suite alone, and with an AccountFailure. */
  static async run(played: Case, options: ServerPlayOptions): Promise<Result> {
    const beganMs = performance.now()
    const play = new ServerPlay(played, options)
    const keepAlive = setInterval(() => { for (const connection of play.#connections) connection.keepAlive() }, keepAliveEveryMs)
    try {
      const outcome = await play.#outcome()
      const durationMs = Math.round(performance.now() - beganMs)
      if (!options.accounts.areFresh) await play.#cleanUp()
      return { case: played, ...outcome, durationMs, trace: [...play.trace.lines] }
    } finally {
      play.#isOver = true
      clearInterval(keepAlive)
      for (const connection of play.#connections) connection.drop()
    }
  }

  async #outcome(): Promise<Outcome> {
    const missing = this.#case.features.find((feature) => !this.#options.features.has(feature))
    if (missing !== undefined) return { verdict: 'UNSUPPORTED', failure: null, reason: `this server does not have ${missing}` }
    const wanted = rolesOf(this.#case)
    if (!this.#options.accounts.areFresh && wanted.some((role) => role !== 'alice' && role !== 'bob')) {
      return { verdict: 'UNSUPPORTED', failure: null, reason: 'there are but two accounts' }
    }
    this.#accounts = await this.#options.accounts.lease(this.#case.id, wanted)
    await this.#preset()
    try {
      await withinTime(this.#all(), caseTimeoutMs * this.#options.slowness)
      return { verdict: 'PASS', failure: null, reason: '' }
    } catch (error) {
      return this.#judge(error)
    }
  }

  /** What cases may speak of. */
  async #preset(): Promise<void> {
    const random = new SeededBytes(`${this.#options.seed} ${this.#case.id}`)
    for (const [name, value] of await presetsOf(this.#mark, random)) this.#variables.set(name, value)
    for (const [role, { name }] of this.#accounts) {
      this.#variables.set(role, name)
      this.#variables.set(`${role}Upper`, name.toUpperCase())
    }
    for (const device of ['phone', 'laptop', 'tablet']) this.#variables.set(device, this.#deviceId(device))
  }

  #deviceId(device: string): string {
    return this.#options.accounts.areFresh ? device : `${device}-${this.#mark}`
  }

  async #all(): Promise<void> {
    for (const step of serverSteps(this.#case)) await this.#play(step)
    // What a rule was broken by may still be under way.
    for (const seat of this.#seats.values()) if (seat.connection?.isUsable === true && seat.connection.state.hasWelcome) await this.#sync(seat.connection, this.#deadline({}))
    this.#check()
  }

  #judge(error: unknown): Outcome {
    if (error instanceof Unsupported) return { verdict: 'UNSUPPORTED', failure: null, reason: error.message }
    if (error instanceof CaseFault) throw new CaseFault(`${this.#case.id}, step ${String(this.#step)}: ${error.message}`)
    const [fault] = this.#faults
    // What broke a rule explains what came of it.
    if (fault !== undefined) return this.#failed('FAIL', [fault.requirement], textOf(fault.requirement), fault.text)
    if (!(error instanceof CaseFailed)) throw error
    const requirements = error.requirements.length > 0 ? error.requirements : this.#case.requirements
    const verdict = error.kind === 'timeout' ? 'TIMEOUT' : 'FAIL'
    return this.#failed(this.#case.level === 'MUST' ? verdict : 'NON-STRICT', requirements, error.expected, error.came)
  }

  #failed(verdict: Verdict, requirements: readonly string[], expected: string, came: string): Outcome {
    this.trace.add('suite', 0, `${verdict}: expected ${expected}; came: ${came}`)
    return { verdict, failure: { requirements, expected, came, step: this.#step, stderr: '' }, reason: '' }
  }

  // ——— What connections tell ———

  fault(fault: Fault): void {
    this.trace.add('suite', 0, `[${fault.requirement}] ${fault.text}`)
    this.#faults.push(fault)
    this.notify()
  }

  notify(): void {
    this.#signal.notify()
  }

  /** Throws where a rule was broken. */
  #check(): void {
    const [fault] = this.#faults
    if (fault !== undefined) throw new CaseFailed('fail', textOf(fault.requirement), fault.text, [fault.requirement])
  }

  // ——— Seats ———

  #seat(name: string): Seat {
    const filled = this.#variables.fill(name)
    const found = this.#seats.get(filled)
    if (found !== undefined) return found
    const [role = '', device = ''] = filled.replace(/#.*$/, '').split('/')
    const account = this.#accounts.get(role as Role)
    if (account === undefined || device === '') throw new CaseFault(`nobody is called ${name}`)
    const key = `${role}/${device}`
    const record = this.#records.get(key) ?? new DeviceRecord()
    this.#records.set(key, record)
    const seat = new Seat({ account, device: this.#deviceId(device), record, variables: this.#variables, signal: this.#signal, check: () => { this.#check() } })
    this.#seats.set(filled, seat)
    return seat
  }

  #connection(seat: Seat): ServerConnection {
    if (seat.connection === null) throw new CaseFault('there is no connection yet')
    return seat.connection
  }

  #deadline({ within }: ServerStep): number {
    return performance.now() + (within ?? serverStepTimeoutMs) * this.#options.slowness
  }

  // ——— Steps ———

  async #play(step: ServerStep): Promise<void> {
    if (this.#isOver) throw new CaseFailed('timeout', 'the case to be over', 'it was not')
    this.#step++
    this.#check()
    if (step.repeat !== undefined) await this.#repeat(step)
    else if (step.delay !== undefined) await delay(step.delay)
    else if (step.check !== undefined) this.#compare(step.check)
    else if (step.need !== undefined) this.#needs(step.need)
    else if (step.http !== undefined) await this.#http(step)
    else await this.#seated(step, this.#seat(step.as ?? firstSeat))
    this.#check()
  }

  async #repeat({ repeat, steps = [] }: ServerStep): Promise<void> {
    const times = Number(this.#variables.fill(String(repeat)))
    const begin = this.#step
    for (let count = 1; count <= times; count++) {
      this.#variables.set('i', String(count))
      for (const inner of steps) await this.#play(inner)
    }
    this.#step = begin
  }

  async #seated(step: ServerStep, seat: Seat): Promise<void> {
    const deadlineMs = this.#deadline(step)
    if (step.connect !== undefined) await this.#connect(seat, step.connect)
    else if (step.login !== undefined) await this.#login(seat, step.login, deadlineMs)
    else if (step.lose !== undefined) Object.assign(seat.record, { token: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, lastClientId: 0 })
    else if (step.expect !== undefined) for (const xml of listOf(step.expect)) await this.#expect(seat, xml, deadlineMs)
    else if (step.expectAll !== undefined) await this.#expectAll(seat, step.expectAll, deadlineMs)
    else if (step.some !== undefined) await this.#some(seat, step.some, deadlineMs)
    else if (step.never !== undefined) await this.#counted(seat, step.never, 0, deadlineMs)
    else if (step.count !== undefined) await this.#counted(seat, step.of ?? '', step.count, deadlineMs)
    else if (step.quiet !== undefined) await this.#quiet(seat, step.quiet)
    else if (step.expectClose !== undefined) await this.#expectClose(seat, listOf(step.expectClose), deadlineMs)
    else if (step.expectEnd !== undefined) await this.#expectEnd(seat, deadlineMs)
    else if (step.ask !== undefined) await this.#ask(seat, step, deadlineMs)
    else if (step.sync !== undefined) await this.#sync(this.#connection(seat), deadlineMs)
    else if (step.forget !== undefined) await this.#forget(this.#connection(seat), deadlineMs)
    else await this.#act(step, seat, deadlineMs)
  }

  /** What the client does. */
  async #act(step: ServerStep, seat: Seat, deadlineMs: number): Promise<void> {
    const connection = this.#connection(seat)
    if (step.send !== undefined) {
      const frames = listOf(step.send).map((xml) => seat.frame(xml))
      connection.send(frames)
      if (step.acked !== undefined || step.refused !== undefined) {
        for (const frame of frames.slice(0, -1)) await this.#answered(connection, frame, { acked: 'any' }, deadlineMs)
        await this.#answered(connection, frames.at(-1)!, step, deadlineMs)
      }
    } else if (step.raw !== undefined) connection.raw(rawBytes(step.raw))
    else if (step.cut !== undefined) connection.raw(encodeFrame(seat.frame(step.cut)).subarray(0, step.bytes ?? 1))
    else if (step.text !== undefined) connection.text(step.text)
    else if (step.throttle !== undefined) connection.throttle(step.throttle.bytes, step.throttle.everyMs)
    else if (step.close !== undefined) connection.end(step.close)
    else if (step.halfOpen !== undefined) connection.freeze()
    else if (step.silent !== undefined) connection.isSilent = true
    else if (step.store !== undefined) this.#store(seat, connection, step.store)
    else if (step.leave !== undefined) {
      connection.send([seat.frame(`<close error='closed'/>`)])
      connection.end('end')
      await this.#expectEnd(seat, deadlineMs)
    } else throw new CaseFault(`no step is called ${Object.keys(step).join(', ')}`)
    await connection.flushed()
  }

  #store(seat: Seat, connection: ServerConnection, upTo: true | string): void {
    if (upTo === true) seat.store(connection)
    else connection.send([seat.frame(`<cursor index='${upTo}'/>`)])
  }

  async #connect(seat: Seat, { refused, ...twist }: NonNullable<ServerStep['connect']> = {}): Promise<ServerConnection | null> {
    const number = this.#connections.length + 1
    this.trace.add('client', number, `connects as ${seat.account.name}/${seat.device}`)
    let connection: ServerConnection
    try {
      connection = await ServerConnection.open(number, this.#options.target, twist, seat.record, this)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      this.trace.add('server', number, `refuses the connection: ${why}`)
      if (refused === true) return null
      throw new CaseFailed('fail', 'a connection', why)
    }
    this.#connections.push(connection)
    // The time may have been up meanwhile.
    if (this.#isOver) connection.drop()
    seat.connection = connection
    for (const [name, value] of Object.entries(connection.facts)) this.#variables.set(name, value)
    if (refused === true) throw new CaseFailed('fail', 'the transport to be refused', `it came to be: ${JSON.stringify(connection.facts)}`)
    return connection
  }

  async #login(seat: Seat, step: LoginStep, deadlineMs: number): Promise<void> {
    const present = seat.connection
    const isFresh = present?.isUsable === true && !present.state.hasFeatures
    const connection = isFresh ? present : await this.#connect(seat)
    if (connection === null || step.until === 'connected') return
    if (step.refused === undefined) {
      await seat.login(connection, step, deadlineMs)
      return
    }
    const opened = seat.login(connection, step, deadlineMs)
    const isOpen = await opened.then(() => true, (error: unknown) => {
      if (!(error instanceof CaseFailed) || connection.close === null) throw error
      return false
    })
    if (isOpen) throw new CaseFailed('fail', `close with ${listOf(step.refused).join(' or ')}`, 'the server opened a session')
    await this.#expectClose(seat, listOf(step.refused), deadlineMs)
  }

  /** The next frame is this one; those that may come at any time are passed over. */
  async #expect(seat: Seat, xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = this.#connection(seat)
    const found = await this.#signal.until(deadlineMs, () => {
      this.#check()
      for (let frame = connection.inbox.shift(); frame !== undefined; frame = connection.inbox.shift()) {
        const fault = mismatch(pattern, frame, this.#variables)
        if (fault === null) return frame
        if (!seat.isFree(frame)) throw new CaseFailed('fail', frame.frame === pattern.entry.name ? `${xml}: ${fault}` : xml, frameToXml(frame))
      }
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing')
  }

  async #expectAll(seat: Seat, texts: readonly string[], deadlineMs: number): Promise<void> {
    const open = texts.map((xml) => ({ xml, pattern: patternOf(xml, 'server') }))
    const connection = this.#connection(seat)
    const found = await this.#signal.until(deadlineMs, () => {
      this.#check()
      while (open.length > 0) {
        const frame = connection.inbox.shift()
        if (frame === undefined) break
        const place = open.findIndex(({ pattern }) => mismatch(pattern, frame, this.#variables) === null)
        if (place >= 0) open.splice(place, 1)
        else if (!seat.isFree(frame)) throw new CaseFailed('fail', open.map(({ xml }) => xml).join(' or '), frameToXml(frame))
      }
      if (open.length > 0 && connection.endedMs > 0) throw new CaseFailed('fail', open[0]!.xml, 'the server ended the connection')
      return open.length === 0 ? true : null
    })
    if (found === null) throw new CaseFailed('timeout', open.map(({ xml }) => xml).join(' and '), 'nothing')
  }

  async #some(seat: Seat, xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = this.#connection(seat)
    const found = await this.#signal.until(deadlineMs, () => {
      this.#check()
      if (connection.seen.some((frame) => mismatch(pattern, frame, this.#variables) === null)) return true
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing like it')
  }

  /** How many such frames have come, when everything has that the server had to say up to now. */
  async #counted(seat: Seat, xml: string, count: number, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = this.#connection(seat)
    if (connection.isUsable) await this.#sync(connection, deadlineMs)
    const alike = connection.seen.filter((frame) => mismatch(pattern, frame, this.#variables) === null)
    if (alike.length !== count) throw new CaseFailed('fail', count === 0 ? `no ${xml}` : `${String(count)} of ${xml}`, alike.length === 0 ? 'none' : alike.map(frameToXml).join(', '))
  }

  async #quiet(seat: Seat, forMs: number): Promise<void> {
    const connection = this.#connection(seat)
    const wanted = `nothing for ${String(forMs)} ms`
    await this.#signal.until(performance.now() + forMs, () => {
      this.#check()
      const frame = connection.inbox.find((one) => !seat.isFree(one))
      if (frame !== undefined) throw new CaseFailed('fail', wanted, frameToXml(frame))
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection')
      return null
    })
  }

  async #expectClose(seat: Seat, errors: readonly string[], deadlineMs: number): Promise<void> {
    const connection = this.#connection(seat)
    const wanted = `close with ${errors.join(' or ')}`
    const close = await this.#signal.until(deadlineMs, () => {
      this.#check()
      if (connection.close === null && connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection without close')
      return connection.close
    })
    if (close === null) throw new CaseFailed('timeout', wanted, connection.inbox.filter((frame) => !seat.isFree(frame)).map(frameToXml).join(', ') || 'nothing')
    const name = errorName(close.values['error'] as number)
    if (!errors.includes(name)) throw new CaseFailed('fail', wanted, frameToXml(close))
    this.#variables.set('retryAfterMs', plain(close.values['retryAfterMs']))
    this.#variables.set('reason', plain(close.values['reason']))
    await this.#expectEnd(seat, deadlineMs)
  }

  async #expectEnd(seat: Seat, deadlineMs: number): Promise<void> {
    const connection = this.#connection(seat)
    const ended = await this.#signal.until(deadlineMs, () => {
      this.#check()
      return connection.endedMs > 0 ? true : null
    })
    if (ended === null) throw new CaseFailed('timeout', 'the server to end the connection', 'it did not', ['CLS-1'])
    this.#variables.set('closeCode', String(connection.endCode))
    connection.inbox = []
  }

  /** The answer that is wanted, out of the inbox. */
  async #pick(connection: ServerConnection, wanted: string, isIt: (frame: WireFrame) => boolean, deadlineMs: number): Promise<WireFrame> {
    const found = await this.#signal.until(deadlineMs, () => {
      this.#check()
      const place = connection.inbox.findIndex(isIt)
      if (place >= 0) return connection.inbox.splice(place, 1)[0]!
      if (connection.close !== null) throw new CaseFailed('fail', wanted, frameToXml(connection.close))
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', wanted, 'nothing')
    return found
  }

  async #answered(connection: ServerConnection, stanza: WireFrame, { acked, refused }: ServerStep, deadlineMs: number): Promise<void> {
    const id = stanza.values['clientId']
    const wanted = refused === undefined ? `<ack id='${plain(id)}' seq='${String(acked)}'/>` : `<refuse id='${plain(id)}' error='${refused}'/>`
    const answer = await this.#pick(connection, wanted, ({ frame, values }) => (frame === 'ack' || frame === 'refuse') && values['clientId'] === id, deadlineMs)
    this.#compareFrame(patternOf(wanted, 'server'), wanted, answer)
  }

  #compareFrame(pattern: FramePattern, wanted: string, frame: WireFrame): void {
    const fault = mismatch(pattern, frame, this.#variables)
    if (fault !== null) throw new CaseFailed('fail', frame.frame === pattern.entry.name ? `${wanted}: ${fault}` : wanted, frameToXml(frame))
  }

  async #ask(seat: Seat, { ask = '', result, fail }: ServerStep, deadlineMs: number): Promise<void> {
    const connection = this.#connection(seat)
    const query = seat.frame(`<iq type='get'>${ask}</iq>`)
    connection.send([query])
    const id = query.values['id']
    const errors = listOf(fail ?? [])
    const wanted = fail === undefined ? `<iq type='result'>${result ?? ''}</iq>` : `<iq type='error' error='${errors.join(' or ')}'/>`
    const answer = await this.#pick(connection, wanted, ({ frame, values }) => (frame === 'result' || frame === 'fail') && values['id'] === id, deadlineMs)
    const lacking = answer.frame === 'fail' ? optional[errorName(answer.values['error'] as number)] : undefined
    if (lacking !== undefined && fail === undefined) throw new Unsupported(`this server does not have ${lacking}`)
    const isWanted = answer.frame === 'fail' && errors.includes(errorName(answer.values['error'] as number))
    if (!isWanted) this.#compareFrame(patternOf(wanted, 'server'), wanted, answer)
    if (answer.frame === 'fail') this.#variables.set('retryAfterMs', plain(answer.values['retryAfterMs']))
  }

  async #sync(connection: ServerConnection, deadlineMs: number): Promise<void> {
    await connection.flushed()
    const nonce = 500_000 + this.#step
    connection.send([{ frame: 'ping', values: { nonce }, extensions: {} }])
    await this.#pick(connection, `<pong nonce='${String(nonce)}'/>`, ({ frame, values }) => frame === 'pong' && values['nonce'] === nonce, deadlineMs)
  }

  async #forget(connection: ServerConnection, deadlineMs: number): Promise<void> {
    await this.#sync(connection, deadlineMs)
    connection.inbox = []
    connection.seen = []
  }

  #compare(pairs: readonly (readonly [string, string])[]): void {
    for (const [value, pattern] of pairs) {
      const filled = this.#variables.fill(value)
      const fault = this.#variables.match(pattern, filled)
      if (fault !== null) throw new CaseFailed('fail', `${value} to be ${fault}`, filled)
    }
  }

  #needs(pairs: readonly (readonly [string, string])[]): void {
    for (const [value, pattern] of pairs) {
      const filled = this.#variables.fill(value)
      const fault = this.#variables.match(pattern, filled)
      if (fault !== null) throw new Unsupported(`${value.slice(1)} is ${filled} at this server, and the case needs ${fault}`)
    }
  }

  async #http({ http }: ServerStep): Promise<void> {
    const { answer = {}, text, ...asked } = http ?? { method: 'GET', url: '', status: 200 }
    const { url, method, headers = {}, body = '', status } = this.#variables.fillAll(asked) as typeof asked
    const came = await request({ target: this.#options.target, url, method, headers, body, timeoutMs: serverStepTimeoutMs * this.#options.slowness })
    this.trace.add('client', 0, `${method} ${url.replace(/\?.*/, '?…')}`)
    this.trace.add('server', 0, `${String(came.status)} ${JSON.stringify(came.headers)}`)
    const wanted = listOf(status)
    if (!wanted.includes(came.status)) throw new CaseFailed('fail', `${method} answered with ${wanted.join(' or ')}`, `${String(came.status)} ${came.text.slice(0, 200)}`)
    const pairs: [string, string, string][] = Object.entries(answer).map(([name, pattern]) => [`the header ${name}`, pattern, came.headers[name] ?? 'absent'])
    if (text !== undefined) pairs.push(['the body', text, came.text])
    for (const [what, pattern, value] of pairs) {
      const fault = this.#variables.match(pattern, value)
      if (fault !== null) throw new CaseFailed('fail', `${what} to be ${fault}`, value)
    }
  }

  // ——— Afterwards ———

  /** Accounts that all cases share lose the devices that the case made, and what a run that was stopped has left. Its outcome stays. */
  async #cleanUp(): Promise<void> {
    for (const connection of this.#connections) connection.drop()
    for (const account of this.#accounts.values()) {
      // One of its own devices, since there may be room for no other.
      const seat = [...this.#seats.values()].find((one) => one.account === account && one.record.outboxEpoch > 0)
      if (seat === undefined) continue
      try {
        await this.#login(seat, { by: 'password' }, this.#deadline({}))
        await this.#removeDevices(seat)
      } catch (error) {
        if (!(error instanceof CaseFailed)) throw error
        this.trace.add('suite', 0, `devices of the case stay: ${error.message}`)
      }
    }
  }

  async #removeDevices(seat: Seat): Promise<void> {
    const connection = this.#connection(seat)
    connection.send([seat.frame(`<iq type='get'><devices/></iq>`)])
    const answer = await this.#pick(connection, 'devices', ({ frame }) => frame === 'result', this.#deadline({}))
    const devices = (answer.values['element'] as ElementValue).children ?? []
    const ids = devices.map((one) => typeof one === 'string' ? '' : one.attributes?.['id'] ?? '')
    for (const id of ids.filter((one) => one !== seat.device && isMarked(one))) await this.#ask(seat, { ask: `<remove-device id='${id}'/>` }, this.#deadline({}))
    await this.#ask(seat, { ask: '<logout/>' }, this.#deadline({}))
  }
}
