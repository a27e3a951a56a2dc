/** One of several shards at the other end of a link, in the time that tests turn: what is true of a shard of this process is true of it. */
import { LinkAcceptor } from '../link/link-acceptor.js'
import { LINK_LIMITS, type LinkEnvironment, newLinkCounters } from '../link/link-environment.js'
import { SILENT_LOG } from '../log.js'
import { ClusterRouter } from '../router/cluster-router.js'
import type { HomeRouter } from '../router/home-router.js'
import { LinkServer, ROUTER_PURPOSE } from '../router/link-server.js'
import type { LocalRouter } from '../router/local-router.js'
import { OwnerRoutes } from '../router/owner-routes.js'
import { dialRouter } from '../router/remote-router.js'
import { testIdentity } from './live-front.js'
import { TestPipe } from './test-pipe.js'
import type { TestTime } from './test-time.js'

export class ShardLink {
  readonly #time: TestTime
  readonly #environment: LinkEnvironment
  readonly #routes: OwnerRoutes
  #acceptor: LinkAcceptor | null = null
  #pipe: TestPipe | null = null
  #lives = 0
  /** What the process that takes clients has of the shard. */
  readonly router: HomeRouter

  constructor(time: TestTime) {
    this.#time = time
    const scheduler = time.scheduler(() => true)
    const clock = { monotonicMs: () => time.nowMs }
    // Time passes in large steps, in which nobody is silent.
    this.#environment = {
      clock, scheduler, limits: { ...LINK_LIMITS, heartbeatMs: 60_000, silenceMs: 240_000 }, log: SILENT_LOG, counters: newLinkCounters(),
      randomBytes: (count) => new Uint8Array(count),
      flusher: { add: (item) => { scheduler.defer(() => { item.flush() }) } },
    }
    const shared = { clock, scheduler, log: SILENT_LOG, blobBytesMax: 1 }
    this.#routes = new OwnerRoutes({
      ...shared, local: () => null, random: () => 0,
      dial: async (node) => dialRouter(this.#connect(), testIdentity('front'), node, this.#environment),
    })
    this.router = new ClusterRouter({ ...shared, source: this.#routes, ownerWaitMs: 10_000, hasBlobs: false })
  }

  /** A life of the shard's process begins; an earlier one has ended by then. */
  serve(router: LocalRouter): void {
    this.cut()
    this.#acceptor?.close()
    const node = `life-${String(++this.#lives)}`
    const server = new LinkServer()
    server.serve({ router, desk: null })
    this.#acceptor = new LinkAcceptor(testIdentity(node), this.#environment, { [ROUTER_PURPOSE]: server })
    this.#routes.follow({ kind: 'node', node, address: node })
  }

  /** The link is lost, with all that is on its way. */
  cut(): void {
    this.#pipe?.cut()
  }

  /** Nobody knows where the shard is. */
  goAway(): void {
    this.#routes.follow(null)
    this.cut()
  }

  #connect(): TestPipe {
    const [own, other] = TestPipe.pair(this.#time.scheduler(() => true))
    this.#pipe = own
    this.#acceptor?.accept(other)
    return own
  }
}
