/** Plays a case with a client: commands to its adapter, frames from the scripted server, and the comparison of what comes. */
import { setTimeout as delay } from 'node:timers/promises'
import { AdapterFailure } from './adapter.js'
import type { Adapters } from './adapter.js'
import type { Case, ExpectedDump, Step, Transport } from './case.js'
import { ClientExpectations } from './client-expectations.js'
import type { Connection } from './connection.js'
import { Connects } from './connects.js'
import { judged, withinTime } from './outcome.js'
import type { Outcome } from './outcome.js'
import { preparedPassword } from './password.js'
import { Peer } from './peer.js'
import { SeededBytes } from './random.js'
import { PeerActions } from './peer-actions.js'
import { Signal } from './signal.js'
import { compare, listOf, textOf } from './step-parts.js'
import { TestedClient } from './tested-client.js'
import { Trace } from './trace.js'
import { Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'
import type { Result } from './verdict.js'

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
const caseTimeoutMs = 60_000

const user = 'alice'
const device = 'phone'

/** What a client needs beside TCP. */
const featuresOfTransport: Readonly<Record<Transport, readonly string[]>> = { tcp: [], ws: ['websocket'], tls: ['tls'], wss: ['websocket', 'tls'] }

export class Play {
  readonly #case: Case
  readonly #options: PlayOptions
  readonly #trace = new Trace()
  readonly #variables = new Variables()
  readonly #peer: Peer
  readonly #client: TestedClient
  readonly #connects: Connects
  readonly #expect: ClientExpectations
  readonly #actions: PeerActions
  #step = 0

  private constructor(played: Case, options: PlayOptions) {
    this.#case = played
    this.#options = options
    const { adapters, slowness, seed, host = '127.0.0.1' } = options
    const random = new SeededBytes(`${seed} ${played.id}`)
    const password = played.password ?? `secret-${random.bytes(6).toString('hex')}`
    const [signal, trace, variables] = [new Signal(), this.#trace, this.#variables]
    const check = (): void => { this.#check() }
    const noQueue = played.features.includes('no-queue')
    this.#client = new TestedClient({ adapters, user, device, password, noQueue, signal, trace, variables, slowness, check })
    this.#peer = new Peer({ case: played, user, password: preparedPassword(password), device, random, variables, signal, trace, host })
    const parts = { peer: this.#peer, client: this.#client, signal, trace, variables, slowness, check }
    this.#connects = new Connects(parts)
    this.#expect = new ClientExpectations(parts)
    this.#actions = new PeerActions(parts)
    variables.set('user', user)
    variables.set('password', password)
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
      if (outcome.verdict === 'PASS' || outcome.verdict === 'UNSUPPORTED') isReusable = await play.#client.letGo()
      return { case: played, ...outcome, durationMs, trace }
    } finally {
      play.#peer.close()
      await play.#client.giveBack(isReusable)
    }
  }

  /** `onBegin`: there is an adapter to play with. */
  async #outcome(onBegin: () => void): Promise<Outcome> {
    try {
      await this.#client.take()
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
    await this.#client.answered()
    if (this.#case.dump !== undefined) {
      this.#step++
      await this.#dump(this.#case.dump, stepTimeoutMs)
    }
    this.#check()
  }

  #judge(error: unknown): Outcome {
    const outcome = judged(error, { played: this.#case, faults: this.#peer.faults, step: this.#step, stderr: this.#client.stderr })
    const { verdict, failure } = outcome
    if (failure !== null) this.#trace.add('suite', 0, `${verdict}: expected ${failure.expected}; came: ${failure.came}`)
    return outcome
  }

  /** Throws where a rule was broken, or the adapter is gone. */
  #check(): void {
    const [fault] = this.#peer.faults
    if (fault !== undefined) throw new CaseFailed('fail', textOf(fault.requirement), fault.text, [fault.requirement])
    const { failure } = this.#client
    if (failure !== null) throw new AdapterFailure('crash', failure)
  }

  async #begin(): Promise<void> {
    const known = await this.#client.learn()
    const { transport, features: needed } = this.#case
    const isBrowser = this.#peer.isBrowser = known.has('browser')
    if (isBrowser && transport === 'tcp') throw new Unsupported('a browser has no TCP')
    const played = this.#peer.transport = transport === 'any' ? isBrowser ? 'ws' : 'tcp' : transport
    const wanted = [...needed, ...featuresOfTransport[played].filter((feature) => !isBrowser || feature !== 'websocket')]
    for (const feature of wanted) if (!known.has(feature)) this.#client.lacks(feature)
    const server = `${played}://${await this.#peer.listen('')}`
    await this.#client.start(server, featuresOfTransport[played].includes('tls') ? this.#peer.trusted : null)
  }

  async #restart(): Promise<void> {
    this.#connects.forget()
    await this.#client.restart()
    // It connects when it is told to, and not before.
    this.#peer.passOver()
  }

  async #play(step: Step): Promise<void> {
    this.#step++
    this.#check()
    const within = (step.within ?? stepTimeoutMs) * this.#options.slowness
    const deadlineMs = performance.now() + within
    const current = (): Connection => this.#connects.current()
    if (step.do !== undefined) await this.#client.do(step)
    else if (step.restart !== undefined) await this.#restart()
    else if (step.kill !== undefined) await this.#client.kill()
    else if (step.accept !== undefined) await this.#connects.accept(deadlineMs, step.accept)
    else if (step.open !== undefined) await this.#connects.open(step, deadlineMs)
    else if (step.noConnection !== undefined) await this.#connects.none(step.noConnection)
    else if (step.untrusted !== undefined) await this.#connects.untrusted(step.untrusted)
    else if (step.expect !== undefined) for (const xml of listOf(step.expect)) await this.#expect.frame(current(), xml, deadlineMs)
    else if (step.quiet !== undefined) await this.#expect.quiet(current(), step.quiet, step.even)
    else if (step.expectClose !== undefined) await this.#expect.closed(current(), listOf(step.expectClose), deadlineMs)
    else if (step.expectEnd !== undefined) await this.#expect.ended(current(), deadlineMs)
    else if (step.expectDrop !== undefined) await this.#expect.dropped(current(), deadlineMs)
    else if (step.hold !== undefined) current().holds = true
    else if (step.sync !== undefined) await this.#expect.answersPing(current(), deadlineMs)
    else if (step.silent !== undefined) this.#peer.isSilent = step.silent
    else if (step.delay !== undefined) await delay(step.delay)
    else if (step.dump !== undefined) await this.#dump(step.dump, within)
    else if (step.shown !== undefined) await this.#client.showsDense(step.shown, deadlineMs)
    else if (step.waits !== undefined) this.#connects.spread(step.waits)
    else if (step.check !== undefined) compare(this.#variables, step.check)
    else if (step.listen !== undefined) this.#variables.set(step.listen, await this.#peer.listen(step.listen))
    else if (step.serve !== undefined) this.#variables.set(step.serve, await this.#peer.serve(step.body ?? '', step.cutAfter ?? null))
    else if (step.backlog !== undefined) await this.#actions.backlog(current(), step.backlog, step.from ?? 'bob', deadlineMs)
    else if (step.repeat !== undefined) {
      for (let count = 1; count <= step.repeat; count++) {
        this.#variables.set('i', String(count))
        for (const inner of step.steps ?? []) await this.#play(inner)
      }
    } else await this.#actions.act(current(), step)
    this.#check()
  }

  /** What the user sees comes to be as expected, when the client has read what it was sent. */
  async #dump(expected: ExpectedDump, withinMs: number): Promise<void> {
    const deadlineMs = performance.now() + withinMs
    const connection = this.#connects.present
    if (connection?.state.hasWelcome === true && connection.endedMs === 0 && !connection.isOver && !connection.isFrozen && connection.state.serverClosedMs === 0) {
      await this.#expect.answersPing(connection, deadlineMs)
    }
    await this.#client.shows(expected, deadlineMs)
  }
}
