/** Plays a case with a client: commands to its adapter, frames from the scripted server, and the comparison of what comes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { registry } from '../spec/registry.js'
import { AdapterFailure } from './adapter.js'
import type { Adapter, Adapters, Answer } from './adapter.js'
import type { AcceptStep, Case, Command, ExpectedDump, Step, Transport } from './case.js'
import type { Connection } from './connection.js'
import { WireFault } from './decode.js'
import type { WireFrame } from './decode.js'
import { denseMismatch, dumpMismatch } from './dump.js'
import { encodeFrame, frameToXml, mismatch, patternOf } from './frame-xml.js'
import { features } from './load.js'
import { withinTime } from './outcome.js'
import type { Outcome } from './outcome.js'
import { Peer, isFree } from './peer.js'
import { preparedPassword } from './password.js'
import { SeededBytes } from './random.js'
import { Signal } from './signal.js'
import { listOf, rawBytes, textOf } from './step-parts.js'
import { Trace } from './trace.js'
import { CaseFault, Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'
import type { Result, Verdict } from './verdict.js'

export interface PlayOptions {
  readonly adapters: Adapters
  /** Address of this machine at which the client reaches the scripted server. */
  readonly host?: string
  readonly seed: string
  /** All waiting times are this many times as long. */
  readonly slowness: number
}

/** How long a client may take for what a step expects. */
export const stepTimeoutMs = 5000
const startTimeoutMs = 20_000
const caseTimeoutMs = 60_000
const answerTimeoutMs = 10_000
/** What is shown has settled when it is the same so long after it was right. */
const settleMs = 40
/** How long a client is given to connect before its clock jumps once more. */
const advanceEveryMs = 60
const dropEveryMs = 100
/** On a busy machine a client's timer fires late. */
const timerSlackMs = 1500

const user = 'alice'
const device = 'phone'
const mandatory = new Set(features.filter(({ mandatory: isMandatory }) => isMandatory).map(({ name }) => name))
/** Which feature a command belongs to, where it is not of the same name. */
const featureOfCommand: Readonly<Record<string, string>> = {
  edit: 'operations', remove: 'operations', react: 'operations', watch: 'presence', unwatch: 'presence', foreground: 'background', advance: 'clock',
}

/** What a client needs beside TCP. */
const featuresOfTransport: Readonly<Record<Transport, readonly string[]>> = { tcp: [], ws: ['websocket'], tls: ['tls'], wss: ['websocket', 'tls'] }

export class Play {
  readonly #case: Case
  readonly #options: PlayOptions
  readonly #signal = new Signal()
  readonly #trace = new Trace()
  readonly #variables = new Variables()
  readonly #peer: Peer
  readonly #folder: string
  readonly #password: string
  #adapter: Adapter | null = null
  #server = ''
  #adapterFeatures: ReadonlySet<string> = new Set()
  #connection: Connection | null = null
  #waits: number[] = []
  /** The client was killed since it connected last: how long it took then is no wait. */
  #isRestarted = false
  readonly #laters: Promise<void>[] = []
  #step = 0
  /** The time was up: what still waits for something begins nothing more. */
  #isOver = false

  private constructor(played: Case, options: PlayOptions) {
    this.#case = played
    this.#options = options
    const random = new SeededBytes(`${options.seed} ${played.id}`)
    this.#password = played.password ?? `secret-${random.bytes(6).toString('hex')}`
    this.#folder = mkdtempSync(join(tmpdir(), 'chat-conformance-'))
    this.#peer = new Peer({
      case: played, user, password: preparedPassword(this.#password), device, random, variables: this.#variables, signal: this.#signal, trace: this.#trace,
      host: options.host ?? '127.0.0.1',
    })
    this.#variables.set('user', user)
    this.#variables.set('password', this.#password)
  }

  /** Plays one case from beginning to end. Rejects for a fault of the suite alone. */
  static async run(played: Case, options: PlayOptions): Promise<Result> {
    const play = new Play(played, options)
    let beganMs = performance.now()
    let isReusable = false
    try {
      const outcome = await play.#outcome(() => { beganMs = performance.now() })
      const durationMs = Math.round(performance.now() - beganMs)
      const trace = [...play.#trace.lines]
      play.#peer.close()
      if ((outcome.verdict === 'PASS' || outcome.verdict === 'UNSUPPORTED') && play.#adapterFeatures.has('stop')) isReusable = await play.#letGo()
      return { case: played, ...outcome, durationMs, trace }
    } finally {
      play.#isOver = true
      play.#peer.close()
      if (play.#adapter !== null) await options.adapters.giveBack(play.#adapter, isReusable)
      rmSync(play.#folder, { recursive: true, force: true })
    }
  }

  /** Whether the adapter has forgotten the case, and can play another one. */
  async #letGo(): Promise<boolean> {
    try {
      const answer = await this.#ask({ do: 'stop' }, answerTimeoutMs)
      return answer.error === undefined && answer.unsupported !== true
    } catch (error) {
      if (error instanceof AdapterFailure) return false
      throw error
    }
  }

  /** `onBegin`: there is an adapter to play with. */
  async #outcome(onBegin: () => void): Promise<Outcome> {
    try {
      this.#adapter = await this.#options.adapters.take(this.#signal)
      onBegin()
      const saidMs = this.#case.steps.reduce((sum, { within = 0 }) => sum + within, 0)
      await withinTime(this.#all(), Math.max(caseTimeoutMs, saidMs) * this.#options.slowness)
      return { verdict: 'PASS', failure: null, reason: '' }
    } catch (error) {
      return this.#judge(error)
    }
  }

  async #all(): Promise<void> {
    await this.#begin()
    for (const step of this.#case.steps) await this.#play(step)
    await Promise.all(this.#laters)
    if (this.#case.dump !== undefined) {
      this.#step++
      await this.#dump(this.#case.dump, stepTimeoutMs)
    }
    this.#check()
  }

  #judge(error: unknown): Outcome {
    if (error instanceof Unsupported) return { verdict: 'UNSUPPORTED', failure: null, reason: error.message }
    if (error instanceof CaseFault) throw new CaseFault(`${this.#case.id}, step ${String(this.#step)}: ${error.message}`)
    // What broke a rule explains what came of it.
    const [fault] = this.#peer.faults
    if (fault !== undefined) {
      return this.#failed('FAIL', [fault.requirement], textOf(fault.requirement), fault.text)
    }
    if (error instanceof CaseFailed) {
      const requirements = error.requirements.length > 0 ? error.requirements : this.#case.requirements
      const verdict = error.kind === 'timeout' ? 'TIMEOUT' : 'FAIL'
      return this.#failed(this.#case.level === 'MUST' ? verdict : 'NON-STRICT', requirements, error.expected, error.came)
    }
    if (error instanceof AdapterFailure) {
      return this.#failed(error.kind === 'crash' ? 'CRASH' : 'TIMEOUT', [], 'the adapter to run and to answer', error.message)
    }
    throw error
  }

  #failed(verdict: Verdict, requirements: readonly string[], expected: string, came: string): Outcome {
    this.#trace.add('suite', 0, `${verdict}: expected ${expected}; came: ${came}`)
    return { verdict, failure: { requirements, expected, came, step: this.#step, stderr: this.#adapter?.stderr.trim() ?? '' }, reason: '' }
  }

  /** Throws where a rule was broken, or the adapter is gone. */
  #check(): void {
    const [fault] = this.#peer.faults
    if (fault !== undefined) throw new CaseFailed('fail', textOf(fault.requirement), fault.text, [fault.requirement])
    const failure = this.#adapter?.failure ?? null
    if (failure !== null) throw new AdapterFailure('crash', failure)
  }

  // ——— The adapter ———

  async #begin(): Promise<void> {
    const answer = await this.#ask({ do: 'features' }, startTimeoutMs)
    const known = Array.isArray(answer['features']) ? answer['features'] as string[] : []
    this.#adapterFeatures = new Set(known)
    const { transport, features: needed } = this.#case
    const isBrowser = this.#peer.isBrowser = this.#adapterFeatures.has('browser')
    if (isBrowser && transport === 'tcp') throw new Unsupported('a browser has no TCP')
    const played = this.#peer.transport = transport === 'any' ? isBrowser ? 'ws' : 'tcp' : transport
    const wanted = [...needed, ...featuresOfTransport[played].filter((feature) => !isBrowser || feature !== 'websocket')]
    for (const feature of wanted) if (!this.#adapterFeatures.has(feature)) this.#lacks(feature)
    this.#server = `${played}://${await this.#peer.listen('')}`
    await this.#start()
  }

  #lacks(feature: string): never {
    if (mandatory.has(feature)) throw new CaseFailed('fail', `an adapter that can do ${feature}`, 'unsupported')
    throw new Unsupported(`the adapter does not support ${feature}`)
  }

  async #start(): Promise<void> {
    const isTls = featuresOfTransport[this.#peer.transport].includes('tls')
    const ca = join(this.#folder, 'trusted.pem')
    if (isTls) writeFileSync(ca, this.#peer.trusted)
    const more = { ...(isTls ? { ca } : {}), ...(this.#case.features.includes('no-queue') ? { noQueue: true } : {}) }
    await this.#command({ do: 'start', server: this.#server, user, device, password: this.#password, storage: this.#folder, ...more })
  }

  async #ask(command: Command, timeoutMs: number): Promise<Answer> {
    if (this.#adapter === null) throw new AdapterFailure('crash', 'there is no adapter')
    return this.#adapter.ask(command, timeoutMs * this.#options.slowness)
  }

  async #command(command: Command, timeoutMs = answerTimeoutMs): Promise<Answer> {
    this.#trace.add('suite', 0, `to the client: ${JSON.stringify({ ...command, ...(command['password'] === undefined ? {} : { password: '…' }) })}`)
    const answer = await this.#ask(command, timeoutMs)
    if (answer.unsupported === true) this.#lacks(featureOfCommand[command.do] ?? command.do)
    if (answer.error !== undefined) throw new CaseFailed('fail', `the client to ${command.do}`, `its adapter says: ${answer.error}`)
    return answer
  }

  async #do(step: Step): Promise<void> {
    const { refused, later, ...rest } = step
    const command = this.#variables.fillAll(rest) as Command
    if (later === true) {
      const answered = this.#command(command, caseTimeoutMs).then((answer) => { this.#compareAnswer(command, answer, refused) })
      // Whoever waits for it hears of it; the case may fail before.
      answered.catch(() => {})
      this.#laters.push(answered)
    } else this.#compareAnswer(command, await this.#command(command), refused)
  }

  #compareAnswer(step: Command, answer: Answer, refused: string | undefined): void {
    if (refused !== undefined && answer.refused !== refused) {
      throw new CaseFailed('fail', `the client to refuse ${step.do} with ${refused}`, answer.refused ?? 'it took it')
    }
    if (refused === undefined && answer.refused !== undefined) {
      throw new CaseFailed('fail', `the client to take ${step.do}`, `it refused with ${answer.refused}`)
    }
  }

  async #restart(): Promise<void> {
    await this.#kill()
    if (this.#isOver) throw new AdapterFailure('timeout', 'the case is over')
    this.#isRestarted = true
    this.#connection = null
    this.#adapter = await this.#options.adapters.revive(this.#adapter!, this.#signal)
    await this.#start()
    // It connects when it is told to, and not before.
    this.#peer.passOver()
  }

  async #kill(): Promise<void> {
    this.#trace.add('suite', 0, 'kills the client')
    await this.#options.adapters.kill(this.#adapter!)
  }

  // ——— Steps ———

  async #play(step: Step): Promise<void> {
    this.#step++
    this.#check()
    const within = (step.within ?? stepTimeoutMs) * this.#options.slowness
    const deadlineMs = performance.now() + within
    if (step.do !== undefined) await this.#do(step)
    else if (step.restart !== undefined) await this.#restart()
    else if (step.kill !== undefined) await this.#kill()
    else if (step.accept !== undefined) await this.#accept(deadlineMs, step.accept)
    else if (step.open !== undefined) await this.#open(step, deadlineMs)
    else if (step.noConnection !== undefined) await this.#noConnection(step.noConnection)
    else if (step.untrusted !== undefined) await this.#untrusted(step.untrusted)
    else if (step.expect !== undefined) for (const xml of listOf(step.expect)) await this.#expect(xml, deadlineMs)
    else if (step.quiet !== undefined) await this.#quiet(step.quiet, step.even)
    else if (step.expectClose !== undefined) await this.#expectClose(listOf(step.expectClose), deadlineMs)
    else if (step.expectEnd !== undefined) await this.#expectEnd(deadlineMs)
    else if (step.expectDrop !== undefined) await this.#expectDrop(deadlineMs)
    else if (step.hold !== undefined) this.#current().holds = true
    else if (step.sync !== undefined) await this.#sync(deadlineMs)
    else if (step.silent !== undefined) this.#peer.isSilent = step.silent
    else if (step.delay !== undefined) await delay(step.delay)
    else if (step.dump !== undefined) await this.#dump(step.dump, within)
    else if (step.shown !== undefined) await this.#shown(step.shown, deadlineMs)
    else if (step.waits !== undefined) this.#spread(step.waits)
    else if (step.check !== undefined) this.#compare(step.check)
    else if (step.listen !== undefined) this.#variables.set(step.listen, await this.#peer.listen(step.listen))
    else if (step.serve !== undefined) this.#variables.set(step.serve, await this.#peer.serve(step.body ?? '', step.cutAfter ?? null))
    else if (step.backlog !== undefined) await this.#backlog(step.backlog, step.from ?? 'bob', deadlineMs)
    else if (step.repeat !== undefined) {
      for (let count = 1; count <= step.repeat; count++) {
        this.#variables.set('i', String(count))
        for (const inner of step.steps ?? []) await this.#play(inner)
      }
    } else await this.#server_(step)
    this.#check()
  }

  /** What the server does. */
  async #server_(step: Step): Promise<void> {
    const connection = this.#current()
    const frames = (xml: string | readonly string[]): WireFrame[] => listOf(xml).map((text) => this.#peer.frame(text, connection))
    if (step.send !== undefined) connection.send(frames(step.send))
    else if (step.duplicate !== undefined) {
      const [frame] = frames(step.duplicate)
      connection.send([frame!, frame!])
    } else if (step.reorder !== undefined) connection.send(frames(step.reorder).reverse())
    else if (step.drop !== undefined) connection.send(frames(step.drop), true)
    else if (step.cut !== undefined) connection.raw(encodeFrame(this.#peer.frame(step.cut, connection)).subarray(0, step.bytes ?? 1))
    else if (step.raw !== undefined) connection.raw(rawBytes(step.raw))
    else if (step.text !== undefined) connection.text(step.text)
    else if (step.throttle !== undefined) connection.throttle(step.throttle.bytes, step.throttle.everyMs)
    else if (step.close !== undefined) connection.end(step.close)
    else if (step.halfOpen !== undefined) connection.freeze()
    else if (step.resend !== undefined) this.#resend(connection)
    else throw new CaseFault(`no step is called ${Object.keys(step).join(', ')}`)
    await connection.flushed()
  }

  async #backlog(count: number, from: string, deadlineMs: number): Promise<void> {
    const connection = this.#current()
    const piece = Math.min(100, connection.state.window)
    for (let begin = 1; begin <= count; begin += piece) {
      const hasRoom = await this.#signal.until(deadlineMs, () => {
        if (connection.endedMs > 0) throw new CaseFailed('fail', 'cursors for a backlog', 'the client ended the connection')
        return this.#stop() ?? (connection.state.sentTo - connection.state.cursor + piece <= connection.state.window ? true : null)
      })
      if (hasRoom === null) throw new CaseFailed('timeout', 'a cursor, so that the window has room again', 'none', ['QUE-5'])
      const frames = Array.from({ length: Math.min(piece, count - begin + 1) }, (_, place) => (
        this.#peer.frame(`<message from='${from}'><body>${String(begin + place)}</body></message>`, connection)
      ))
      connection.send(frames)
    }
  }

  /** [QUE-2] */
  #resend(connection: Connection): void {
    const cursor = connection.state.cursor
    const entries = [...this.#peer.device.entries].filter(([index]) => index > cursor).sort(([one], [other]) => one - other)
    if (entries.length > 0) connection.send(entries.map(([, frame]) => frame))
  }

  #current(): Connection {
    if (this.#connection === null) throw new CaseFault('there is no connection yet')
    return this.#connection
  }

  async #accept(deadlineMs: number, { after, at, advancing }: AcceptStep = {}): Promise<Connection> {
    const lastEndMs = this.#peer.lastEndMs
    /** Of all jumps but the last: the client has waited for at least as long. */
    let aheadMs = 0
    let jumpMs = 0
    const look = (): Connection | null => this.#stop() ?? this.#peer.takeConnection()
    let connection = look()
    while (advancing !== undefined && connection === null && performance.now() < deadlineMs) {
      connection = await this.#signal.until(performance.now() + advanceEveryMs, look)
      if (connection !== null) break
      aheadMs += jumpMs
      jumpMs = advancing
      await this.#command({ do: 'advance', ms: advancing })
    }
    connection ??= await this.#signal.until(deadlineMs, look)
    if (connection === null) throw new CaseFailed('timeout', 'the client to connect', 'it did not')
    const waitMs = connection.openedMs - lastEndMs + aheadMs
    if (lastEndMs > 0 && !this.#isRestarted) this.#waits.push(waitMs)
    this.#isRestarted = false
    // One that the client has given up may be seen to end after the next has begun.
    const [least, most] = after ?? [-Infinity, Infinity]
    // The server's clock begins when it sends, the client's when it reads.
    if (waitMs < least - 5 || waitMs > most + timerSlackMs * this.#options.slowness) {
      throw new CaseFailed('fail', `a connection ${String(least)} to ${String(most)} ms after the last one ended`, `one after ${String(Math.round(waitMs))} ms`)
    }
    if (at !== undefined && connection.at !== at) {
      throw new CaseFailed('fail', `a connection to ${at === '' ? 'the first port' : at}`, `one to ${connection.at === '' ? 'the first port' : connection.at}`)
    }
    this.#connection = connection
    return connection
  }

  /** Called while a step waits: throws where something has ended the case. */
  #stop(): null {
    this.#check()
    return null
  }

  async #open(step: Step, deadlineMs: number): Promise<void> {
    const present = this.#connection
    const isFresh = present !== null && !present.state.hasFeatures && present.endedMs === 0 && !present.isOver && !present.isFrozen
    const connection = isFresh ? present : await this.#accept(deadlineMs, step.open)
    this.#check()
    let fault: string | null
    try {
      fault = await this.#peer.open(connection, step.open ?? {}, deadlineMs)
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      throw new CaseFailed('fail', textOf(error.requirement), error.message, [error.requirement])
    }
    this.#check()
    if (fault !== null) throw new CaseFailed(fault.endsWith('nothing came') ? 'timeout' : 'fail', 'the client to open a session', fault)
  }

  async #noConnection(forMs: number): Promise<void> {
    const found = await this.#signal.until(performance.now() + forMs, () => this.#peer.untaken)
    if (found !== null) throw new CaseFailed('fail', `no connection for ${String(forMs)} ms`, 'the client connected')
  }

  /** The client tries, and sends nothing. [FRM-16] */
  async #untrusted(forMs: number): Promise<void> {
    await this.#noConnection(forMs)
    if (this.#peer.attempts === 0) throw new CaseFailed('timeout', 'the client to try to connect', 'it did not')
  }

  async #expect(xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'client')
    const connection = this.#current()
    const found = await this.#signal.until(deadlineMs, () => {
      for (;;) {
        const frame = connection.inbox.shift()
        if (frame === undefined) break
        if (frame.frame !== pattern.entry.name) {
          if (!isFree(frame)) throw new CaseFailed('fail', xml, frameToXml(frame))
          continue
        }
        const fault = mismatch(pattern, frame, this.#variables)
        if (fault === null) return frame
        if (!isFree(frame)) throw new CaseFailed('fail', `${xml}: ${fault}`, frameToXml(frame))
      }
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the client ended the connection')
      return this.#stop()
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing')
  }

  async #quiet(forMs: number, even: readonly string[] = []): Promise<void> {
    const connection = this.#current()
    // What came before is not meant.
    connection.inbox = connection.inbox.filter((one) => !even.includes(one.frame))
    await this.#signal.until(performance.now() + forMs, () => {
      const frame = connection.inbox.find((one) => !isFree(one) || even.includes(one.frame))
      if (frame !== undefined) throw new CaseFailed('fail', `nothing for ${String(forMs)} ms`, frameToXml(frame))
      if (connection.endedMs > 0) throw new CaseFailed('fail', `nothing for ${String(forMs)} ms`, 'the client ended the connection')
      return this.#stop()
    })
  }

  async #expectClose(errors: readonly string[], deadlineMs: number): Promise<void> {
    const connection = this.#current()
    const wanted = `close with ${errors.join(' or ')}`
    const close = await this.#signal.until(deadlineMs, () => {
      if (connection.clientClose !== null) return connection.clientClose
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the client ended the connection without close')
      return this.#stop()
    })
    if (close === null) throw new CaseFailed('timeout', wanted, 'nothing')
    const code = (close).values['error'] as number
    const name = registry.errors.find((error) => error.code === code)?.name ?? String(code)
    if (!errors.includes(name) && !errors.includes('any')) throw new CaseFailed('fail', wanted, frameToXml(close))
    await this.#expectEnd(deadlineMs)
    const isWebSocket = this.#peer.transport === 'ws'
    if (isWebSocket && connection.endCode !== 4000 + code) this.#trace.add('suite', connection.number, `[CLS-6] the close code is ${String(connection.endCode)}`)
  }

  async #expectEnd(deadlineMs: number): Promise<void> {
    const connection = this.#current()
    const ended = await this.#signal.until(deadlineMs, () => connection.endedMs > 0 ? true : this.#stop())
    if (ended === null) throw new CaseFailed('timeout', 'the client to end the connection', 'it did not')
    connection.inbox = []
  }

  async #expectDrop(deadlineMs: number): Promise<void> {
    const connection = this.#current()
    // Of an end alone nothing is to be seen here: what is written has to find nobody.
    while (!connection.isGone && performance.now() < deadlineMs) {
      connection.write(encodeFrame({ frame: 'ping', values: { nonce: 1 }, extensions: {} }))
      await this.#signal.until(performance.now() + dropEveryMs, () => connection.isGone ? true : null)
    }
    if (!connection.isGone) throw new CaseFailed('timeout', 'the client to drop the transport', 'it did not')
  }

  async #sync(deadlineMs: number): Promise<void> {
    const connection = this.#current()
    await connection.flushed()
    connection.send([this.#peer.frame('<ping/>', connection)])
    const answered = await this.#signal.until(deadlineMs, () => {
      if (connection.endedMs > 0) throw new CaseFailed('fail', 'a pong', 'the client ended the connection')
      return connection.state.pings.length === 0 ? true : this.#stop()
    })
    if (answered === null) throw new CaseFailed('timeout', 'a pong', 'nothing', ['KAL-2'])
  }

  /** What the user sees comes to be as expected, and stays so. */
  async #dump(expected: ExpectedDump, withinMs: number): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    const connection = this.#connection
    if (connection?.state.hasWelcome === true && connection.endedMs === 0 && !connection.isOver && !connection.isFrozen && connection.state.serverClosedMs === 0) {
      await this.#sync(deadlineMs)
    }
    for (let confirmed = 0; ;) {
      this.#check()
      const answer = await this.#ask({ do: 'dump' }, answerTimeoutMs)
      if (answer.unsupported === true) this.#lacks('dump')
      const difference = dumpMismatch(expected, answer, this.#variables)
      if (difference === null && ++confirmed > 1) {
        this.#trace.add('suite', 0, `the user sees ${JSON.stringify(answer)}`)
        return
      }
      if (difference !== null && (confirmed > 0 || performance.now() > deadlineMs)) {
        this.#trace.add('suite', 0, `the user sees ${JSON.stringify(answer)}`)
        throw new CaseFailed('fail', difference.expected, difference.came)
      }
      await delay(difference === null ? settleMs : settleMs / 2)
    }
  }

  async #shown(count: number, deadlineMs: number): Promise<void> {
    for (;;) {
      this.#check()
      const beganMs = performance.now()
      const { messages } = await this.#ask({ do: 'dump' }, answerTimeoutMs)
      const fault = denseMismatch(messages, count)
      if (fault === null) return
      if (performance.now() > deadlineMs) throw new CaseFailed('fail', `${String(count)} messages, each conversation dense from 1`, fault)
      // A client that shows much has better things to do than to tell it all the time.
      await delay(Math.max(settleMs, performance.now() - beganMs))
    }
  }

  #spread({ least, most, spread, last }: NonNullable<Step['waits']>): void {
    const waits = this.#waits.slice(last === undefined ? 0 : -last).map(Math.round)
    const wanted = `waits from ${String(least)} to ${String(most)} ms, more than ${String(spread)} ms apart`
    const lowest = Math.min(...waits)
    const highest = Math.max(...waits)
    const isWithin = lowest >= least - 5 && highest <= most + timerSlackMs * this.#options.slowness
    if (!isWithin || highest - lowest < spread) throw new CaseFailed('fail', wanted, waits.join(', '))
  }

  #compare(pairs: readonly (readonly [string, string])[]): void {
    for (const [value, pattern] of pairs) {
      const fault = this.#variables.match(pattern, this.#variables.fill(value))
      if (fault !== null) throw new CaseFailed('fail', `${value} to be ${fault}`, this.#variables.fill(value))
    }
  }
}
