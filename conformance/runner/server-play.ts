/** Plays a case with a server: several devices of several people, each on raw connections of its own. */
import { setTimeout as delay } from 'node:timers/promises'
import { isMarked, markOf } from './accounts.js'
import type { Account, Accounts } from './accounts.js'
import type { Case } from './case.js'
import type { Target } from './dial.js'
import { encodeFrame } from './frame-xml.js'
import { playHttp } from './http-step.js'
import { judged, withinTime } from './outcome.js'
import type { Outcome } from './outcome.js'
import { SeededBytes } from './random.js'
import type { Fault } from './referee.js'
import { Seats } from './server-seats.js'
import { rolesOf, serverSteps } from './server-case.js'
import type { LoginStep, Role, ServerStep } from './server-case.js'
import type { ServerConnection, ServerConnectionHost } from './server-connection.js'
import { ServerExpectations } from './server-expectations.js'
import { presetsOf } from './server-presets.js'
import { ServerReferee } from './server-referee.js'
import type { Seat } from './server-seat.js'
import { Signal } from './signal.js'
import { compare, listOf, rawBytes, textOf } from './step-parts.js'
import { Trace } from './trace.js'
import { CaseFault, firstMismatch, Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'
import type { Result } from './verdict.js'
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

export class ServerPlay implements ServerConnectionHost {
  readonly referee: ServerReferee
  readonly trace = new Trace()
  readonly #case: Case
  readonly #options: ServerPlayOptions
  readonly #signal = new Signal()
  readonly #variables = new Variables()
  readonly #faults: Fault[] = []
  readonly #mark: string
  readonly #accounts = new Map<Role, Account>()
  readonly #seats: Seats
  readonly #expect: ServerExpectations
  #step = 0
  #isOver = false

  private constructor(played: Case, options: ServerPlayOptions) {
    this.#case = played
    this.#options = options
    this.#mark = markOf(options.run, played.id)
    this.referee = new ServerReferee((fault) => { this.fault(fault) })
    const parts = { signal: this.#signal, variables: this.#variables, check: () => { this.#check() } }
    this.#expect = new ServerExpectations(parts)
    this.#seats = new Seats({ ...parts, target: options.target, accounts: this.#accounts, deviceId: (device) => this.#deviceId(device), host: this })
  }

  /** Plays one case from beginning to end. Rejects for a fault of the suite alone, and with an AccountFailure. */
  static async run(played: Case, options: ServerPlayOptions): Promise<Result> {
    const beganMs = performance.now()
    const play = new ServerPlay(played, options)
    const keepAlive = setInterval(() => { play.#seats.keepAlive() }, keepAliveEveryMs)
    try {
      const outcome = await play.#outcome()
      const durationMs = Math.round(performance.now() - beganMs)
      if (!options.accounts.areFresh) await play.#cleanUp()
      return { case: played, ...outcome, durationMs, trace: [...play.trace.lines] }
    } finally {
      play.#isOver = true
      clearInterval(keepAlive)
      play.#seats.close()
    }
  }

  async #outcome(): Promise<Outcome> {
    const missing = this.#case.features.find((feature) => !this.#options.features.has(feature))
    if (missing !== undefined) return { verdict: 'UNSUPPORTED', failure: null, reason: `this server does not have ${missing}` }
    const wanted = rolesOf(this.#case)
    if (!this.#options.accounts.areFresh && wanted.some((role) => role !== 'alice' && role !== 'bob')) {
      return { verdict: 'UNSUPPORTED', failure: null, reason: 'there are but two accounts' }
    }
    for (const [role, account] of await this.#options.accounts.lease(this.#case.id, wanted)) this.#accounts.set(role, account)
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
    for (const seat of this.#seats) if (seat.connection?.isUsable === true && seat.connection.state.hasWelcome) await this.#expect.answersPing(seat.connection, this.#deadline({}))
    this.#check()
  }

  #judge(error: unknown): Outcome {
    const outcome = judged(error, { played: this.#case, faults: this.#faults, step: this.#step, stderr: '' })
    const { verdict, failure } = outcome
    if (failure !== null) this.trace.add('suite', 0, `${verdict}: expected ${failure.expected}; came: ${failure.came}`)
    return outcome
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
    else if (step.check !== undefined) compare(this.#variables, step.check)
    else if (step.need !== undefined) this.#needs(step.need)
    else if (step.http !== undefined) await this.#http(step)
    else await this.#seated(step, this.#seats.seat(step.as ?? firstSeat))
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
    if (step.connect !== undefined) await this.#seats.connect(seat, step.connect)
    else if (step.login !== undefined) await this.#login(seat, step.login, deadlineMs)
    else if (step.lose !== undefined) Object.assign(seat.record, { token: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, lastClientId: 0 })
    else if (step.expect !== undefined) for (const xml of listOf(step.expect)) await this.#expect.frame(seat, xml, deadlineMs)
    else if (step.expectAll !== undefined) await this.#expect.all(seat, step.expectAll, deadlineMs)
    else if (step.some !== undefined) await this.#expect.some(seat, step.some, deadlineMs)
    else if (step.never !== undefined) await this.#expect.counted(seat, step.never, 0, deadlineMs)
    else if (step.count !== undefined) await this.#expect.counted(seat, step.of ?? '', step.count, deadlineMs)
    else if (step.quiet !== undefined) await this.#expect.quiet(seat, step.quiet)
    else if (step.expectClose !== undefined) await this.#expect.closed(seat, listOf(step.expectClose), deadlineMs)
    else if (step.expectEnd !== undefined) await this.#expect.ended(seat, deadlineMs)
    else if (step.ask !== undefined) await this.#expect.ask(seat, step, deadlineMs)
    else if (step.sync !== undefined) await this.#expect.answersPing(seat.current(), deadlineMs)
    else if (step.forget !== undefined) await this.#expect.forget(seat.current(), deadlineMs)
    else await this.#act(step, seat, deadlineMs)
  }

  /** What the client does. */
  async #act(step: ServerStep, seat: Seat, deadlineMs: number): Promise<void> {
    const connection = seat.current()
    if (step.send !== undefined) {
      const frames = listOf(step.send).map((xml) => seat.frame(xml))
      connection.send(frames)
      if (step.acked !== undefined || step.refused !== undefined) {
        for (const frame of frames.slice(0, -1)) await this.#expect.answered(connection, frame, { acked: 'any' }, deadlineMs)
        await this.#expect.answered(connection, frames.at(-1)!, step, deadlineMs)
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
      await this.#expect.ended(seat, deadlineMs)
    } else throw new CaseFault(`no step is called ${Object.keys(step).join(', ')}`)
    await connection.flushed()
  }

  #store(seat: Seat, connection: ServerConnection, upTo: true | string): void {
    if (upTo === true) seat.store(connection)
    else connection.send([seat.frame(`<cursor index='${upTo}'/>`)])
  }

  async #login(seat: Seat, step: LoginStep, deadlineMs: number): Promise<void> {
    const present = seat.connection
    const isFresh = present?.isUsable === true && !present.state.hasFeatures
    const connection = isFresh ? present : await this.#seats.connect(seat)
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
    await this.#expect.closed(seat, listOf(step.refused), deadlineMs)
  }

  /** Values that are not as the patterns beside them say make the case one that this server can't play. */
  #needs(pairs: readonly (readonly [string, string])[]): void {
    const mismatch = firstMismatch(this.#variables, pairs)
    if (mismatch === null) return
    throw new Unsupported(`${mismatch.value.slice(1)} is ${mismatch.came} at this server, and the case needs ${mismatch.expected}`)
  }

  #http(step: ServerStep): Promise<void> {
    const { target, slowness } = this.#options
    return playHttp(step, { target, timeoutMs: serverStepTimeoutMs * slowness, trace: this.trace, variables: this.#variables })
  }

  // ——— Afterwards ———

  /** Accounts that all cases share lose the devices that the case made, and what a run that was stopped has left. Its outcome stays. */
  async #cleanUp(): Promise<void> {
    this.#seats.drop()
    for (const account of this.#accounts.values()) {
      // One of its own devices, since there may be room for no other.
      const seat = [...this.#seats].find((one) => one.account === account && one.record.outboxEpoch > 0)
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
    const connection = seat.current()
    connection.send([seat.frame(`<iq type='get'><devices/></iq>`)])
    const answer = await this.#expect.pick(connection, 'devices', ({ frame }) => frame === 'result', this.#deadline({}))
    const devices = (answer.values['element'] as ElementValue).children ?? []
    const ids = devices.map((one) => typeof one === 'string' ? '' : one.attributes?.['id'] ?? '')
    for (const id of ids.filter((one) => one !== seat.device && isMarked(one))) await this.#expect.ask(seat, { ask: `<remove-device id='${id}'/>` }, this.#deadline({}))
    await this.#expect.ask(seat, { ask: '<logout/>' }, this.#deadline({}))
  }
}
