/** Links between the shards of a test, in its time: each shard has a listener, and dials the others. */
import { newLinkCounters, LINK_LIMITS, type LinkEnvironment } from '../link/link-environment.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { LINK_CLOSE } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import type { Log } from '../log.js'
import { LinkPeers, type LinkPeersOptions, SHARDS_PURPOSE } from '../peers/link-peers.js'
import { testIdentity } from './live-front.js'
import { TestPipe } from './test-pipe.js'
import type { TestTime } from './test-time.js'

/** A process with its shard. */
interface Place {
  readonly peers: LinkPeers
  readonly acceptor: LinkAcceptor
  readonly isAlive: () => boolean
}

interface Wire {
  readonly ends: readonly [number, number]
  readonly pipe: TestPipe
}

export function nodeOf(shard: number): string {
  return `shard-${String(shard)}`
}

export class LinkedShards {
  readonly #time: TestTime
  readonly #log: Log
  readonly #places = new Map<number, Place>()
  #wires: Wire[] = []
  /** Whether two shards reach each other. */
  readonly #areApart: (one: number, other: number) => boolean

  constructor(time: TestTime, log: Log, areApart: (one: number, other: number) => boolean) {
    this.#time = time
    this.#log = log
    this.#areApart = areApart
  }

  /** Another life of a shard begins; the connections of the one before are gone. */
  begin(options: Pick<LinkPeersOptions, 'shard' | 'shards' | 'shardOf' | 'limits'>, isAlive: () => boolean): LinkPeers {
    const { shard } = options
    this.cut(shard)
    const environment = this.environment(isAlive)
    const peers = new LinkPeers({
      ...options, environment, identity: testIdentity(nodeOf(shard)), random: () => 0.5,
      dial: (to) => this.#dial(shard, to, isAlive),
      isAt: (other, node) => node === nodeOf(other),
    })
    this.#places.set(shard, { peers, acceptor: new LinkAcceptor(testIdentity(nodeOf(shard)), environment, { [SHARDS_PURPOSE]: peers }), isAlive })
    return peers
  }

  peersOf(shard: number): LinkPeers {
    return this.#places.get(shard)!.peers
  }

  /** Ends the connections of a shard; they are dialled again. */
  cut(shard: number): void {
    for (const { ends, pipe } of this.#wires) if (ends.includes(shard)) pipe.cut()
  }

  /** Everybody dials who has no link. */
  wake(): void {
    for (const { peers } of this.#places.values()) for (const shard of this.#places.keys()) peers.wake(shard)
  }

  #dial(from: number, to: number, isAlive: () => boolean): ReturnType<LinkPeersOptions['dial']> {
    const place = this.#places.get(to)
    if (!isAlive() || place?.isAlive() !== true || this.#areApart(from, to)) return Promise.reject(new LinkError(LINK_CLOSE.unreachable))
    return Promise.resolve({ transport: this.connect(from, to), node: nodeOf(to) })
  }

  /** A connection to a shard, whose listener has it. */
  connect(from: number, to: number): TestPipe {
    const [pipe, other] = TestPipe.pair(this.#time.scheduler(() => true))
    this.#wires = [...this.#wires.filter((wire) => wire.pipe.isOpen), { ends: [from, to], pipe }]
    this.#places.get(to)?.acceptor.accept(other)
    return pipe
  }

  /** The link over which the one gives to the other. */
  wire(from: number, to: number): TestPipe | undefined {
    return this.#wires.find(({ ends, pipe }) => ends[0] === from && ends[1] === to && pipe.isOpen)?.pipe
  }

  environment(isAlive: () => boolean = () => true): LinkEnvironment {
    const scheduler = this.#time.scheduler(isAlive)
    return {
      clock: { monotonicMs: () => this.#time.nowMs },
      scheduler,
      randomBytes: (count) => new Uint8Array(count),
      flusher: { add: (item) => { scheduler.defer(() => { item.flush() }) } },
      // Time passes in large steps, in which nobody is silent.
      limits: { ...LINK_LIMITS, heartbeatMs: 60_000, silenceMs: 240_000 },
      log: this.#log,
      counters: newLinkCounters(),
    }
  }
}
