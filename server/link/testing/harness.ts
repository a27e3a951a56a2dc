/** Links in simulated time: a listener and whoever dials it, with a router behind it that tests answer for. */
import type { ErrorCode } from '../../../protocol/generated/registry.js'
import { SILENT_LOG } from '../../log.js'
import { LinkServer, ROUTER_PURPOSE } from '../../router/link-server.js'
import { dialRouter, type RemoteRouter } from '../../router/remote-router.js'
import type { DeviceSink } from '../../router/router.js'
import { FakeRouter } from '../../session/testing/fake-router.js'
import { testIdentity } from '../../testing/live-front.js'
import { Random } from '../../testing/simulation/random.js'
import { settle, World } from '../../testing/simulation/world.js'
import type { LinkIdentity } from '../handshake.js'
import { LinkAcceptor } from '../link-acceptor.js'
import { LINK_LIMITS, type LinkEnvironment, type LinkLimits, newLinkCounters } from '../link-environment.js'
import { SimPipe } from './sim-pipe.js'

/** Notes what a session is told. */
export class TestSink implements DeviceSink {
  readonly told: string[] = []
  readonly ends: number[] = []
  /** What `presence` returns. */
  isReading = true
  isGone = false

  acked(clientId: number, seq: number, timeMs: number, expiresMs = 0): void { this.told.push(`acked ${String(clientId)} ${String(seq)} ${String(timeMs)} ${String(expiresMs)}`) }
  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void { this.told.push(`refused ${String(clientId)} ${String(error)} ${String(retryAfterMs)}`) }
  entries(frames: Uint8Array, last: number, count: number): void { this.told.push(`entries ${Buffer.from(frames).toString('hex')} ${String(last)} ${String(count)}`) }
  done(index: number): void { this.told.push(`done ${String(index)}`) }
  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    this.told.push(`declined ${String(frame)} ${names.join(' ')} ${String(error)} ${String(retryAfterMs)}`)
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    if (this.isReading) this.told.push(`presence ${user} ${String(state)} ${String(lastSeenMs)}`)
    return this.isReading
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void { this.told.push(`typing ${conversation} ${from} ${String(kind)} ${String(expiresMs)}`) }
  ended(error: ErrorCode): void { this.ends.push(error) }
}

export class LinkHarness {
  readonly sink = new TestSink()
  readonly world = new World(new Random(1))
  readonly environment: LinkEnvironment
  readonly router = new FakeRouter()
  readonly server: LinkServer
  readonly acceptor: LinkAcceptor
  /** Events of the log. */
  readonly events: string[] = []
  /** Our end of the last connection, and the listener's. */
  pipe!: SimPipe
  otherPipe!: SimPipe

  constructor(limits: Partial<LinkLimits> = {}, identity: LinkIdentity = testIdentity('owner')) {
    const { world } = this
    const note = (_fields: object, event: string): void => { this.events.push(event) }
    this.environment = {
      clock: { monotonicMs: () => world.nowMs() },
      scheduler: world,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => world.random.below(256)),
      flusher: { add: (item) => world.defer(() => item.flush()) },
      limits: { ...LINK_LIMITS, ...limits },
      log: { ...SILENT_LOG, info: note, warn: note, error: note },
      counters: newLinkCounters(),
    }
    this.server = new LinkServer()
    this.server.serve({ router: this.router, desk: null })
    this.acceptor = new LinkAcceptor(identity, this.environment, { [ROUTER_PURPOSE]: this.server })
  }

  /** A connection that the listener has accepted. */
  connect(): SimPipe {
    [this.pipe, this.otherPipe] = SimPipe.pair(this.world)
    this.acceptor.accept(this.otherPipe)
    return this.pipe
  }

  /** Rejects with LinkError. */
  dial(identity = testIdentity('front'), expects = 'owner'): Promise<RemoteRouter> {
    return this.wait(dialRouter(this.connect(), identity, expects, this.environment))
  }

  /** What a promise comes to, in simulated time. */
  async wait<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false
    const end = (): void => { isSettled = true }
    promise.then(end, end)
    for (let step = 0; !isSettled; step++) {
      if (step > 100_000) throw new Error('it never settles')
      await this.step()
    }
    return promise
  }

  async step(): Promise<void> {
    this.world.runTask()
    await settle()
  }

  /** Until this much time is over. */
  async pass(ms: number): Promise<void> {
    const endMs = this.world.nowMs() + ms
    // Something that is due then, so that time does not jump beyond it.
    this.world.after(ms, () => {})
    while (this.world.nowMs() < endMs) await this.step()
    await this.step()
  }
}
