/** Links between the shards of a test, in its time: each node has a listener, and dials the others. It has one shard, or several. */
import { newLinkCounters, LINK_LIMITS, type LinkEnvironment } from '../link/link-environment.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { LINK_CLOSE } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import type { Log } from '../log.js'
import type { Federation, Peers } from '../channels/federation.js'
import type { LocalRouter } from '../router/local-router.js'
import { NodePeers, type NodePeersOptions } from '../peers/node-peers.js'
import { testIdentity } from './live-front.js'
import { TestPipe } from './test-pipe.js'
import type { TestTime } from './test-time.js'

/** A process. */
interface Place {
  readonly peers: NodePeers
  readonly acceptor: LinkAcceptor
  readonly isAlive: () => boolean
}

interface Wire {
  /** Nodes. */
  readonly ends: readonly [number, number]
  readonly pipe: TestPipe
}

export interface LinkedShardsOptions {
  readonly time: TestTime
  readonly log: Log
  /** Whether two nodes reach each other. */
  readonly areApart: (one: number, other: number) => boolean
  readonly shards: number
  /** As many as there are shards: each has one, and dies with it. Fewer live for ever. */
  readonly nodes: number
  /** Ends that hear nothing notice it, in steps of a second of the time that passes; else time may pass in large steps. */
  readonly areSilent: boolean
}

export function nodeName(node: number): string {
  return `node-${String(node)}`
}

export class LinkedShards {
  readonly #options: LinkedShardsOptions
  readonly #places = new Map<number, Place>()
  /** The node that has a shard. */
  readonly #nodes: number[]
  #wires: Wire[] = []

  constructor(options: LinkedShardsOptions) {
    this.#options = options
    this.#nodes = Array.from({ length: options.shards }, (_, shard) => shard % options.nodes)
  }

  /** Another life of a shard begins, and this is what it is opened with. Where it has a node to itself, the connections of the one before are gone. */
  begin(options: Omit<Federation, 'peers'>, isAlive: () => boolean): Federation {
    const { shard } = options
    const node = this.#nodes[shard]!
    const isShared = this.#options.nodes < this.#options.shards
    if (!isShared) this.cut(node)
    const place = (isShared ? this.#places.get(node) : undefined) ?? this.#begin(node, options, isShared ? () => true : isAlive)
    const { peers } = place
    peers.stopServing(shard)
    const federation = peers.federationOf(shard)
    return { ...federation, peers: whileAlive(federation.peers, isAlive) }
  }

  serve(shard: number, router: LocalRouter): void {
    this.#peersAt(shard).serve(shard, router)
  }

  stopServing(shard: number): void {
    this.#peersAt(shard).stopServing(shard)
  }

  #peersAt(shard: number): NodePeers {
    return this.#places.get(this.#nodes[shard]!)!.peers
  }

  #begin(node: number, federation: Omit<Federation, 'peers' | 'shard'>, isAlive: () => boolean): Place {
    const environment = this.environment(isAlive)
    const options: NodePeersOptions = {
      ...federation, environment, identity: testIdentity(nodeName(node)), random: () => 0.5,
      dial: (shard) => this.#dial(node, this.#nodes[shard]!, isAlive),
      isAt: (shard, name) => name === nodeName(this.#nodes[shard] ?? -1),
    }
    const peers = new NodePeers(options)
    const place = { peers, acceptor: new LinkAcceptor(options.identity, environment, peers.purposes), isAlive }
    this.#places.set(node, place)
    return place
  }

  /** The shard is at this node from now on, as all know. What it was at serves it no more. */
  move(shard: number, node: number): void {
    this.stopServing(shard)
    this.assign(shard, node)
  }

  /** As `move`, and what it was at does not know. */
  assign(shard: number, node: number): void {
    this.#nodes[shard] = node
    this.wake()
  }

  /** Ends the connections of a node; they are dialled again. */
  cut(node: number): void {
    for (const { ends, pipe } of this.#wires) if (ends.includes(node)) pipe.cut()
  }

  /** What the one sends over connections that it has dialled to the other gets lost, or (`isAnswer`) what comes back. */
  mute(from: number, to: number, isAnswer: boolean): void {
    for (const { ends, pipe } of this.#wires) if (ends[0] === from && ends[1] === to) pipe.mute(isAnswer ? 'other' : 'this')
  }

  /** Everybody dials who has no link. */
  wake(): void {
    for (const { peers } of this.#places.values()) peers.ownersChanged()
  }

  #dial(from: number, to: number, isAlive: () => boolean): ReturnType<NodePeersOptions['dial']> {
    if (!isAlive() || this.#places.get(to)?.isAlive() !== true || this.#options.areApart(from, to)) {
      return Promise.reject(new LinkError(LINK_CLOSE.unreachable))
    }
    return Promise.resolve({ transport: this.connect(from, to), node: nodeName(to) })
  }

  /** A connection to a node, whose listener has it. */
  connect(from: number, to: number): TestPipe {
    const [pipe, other] = TestPipe.pair(this.#options.time.scheduler(() => true))
    this.#wires = [...this.#wires.filter((wire) => wire.pipe.isOpen), { ends: [from, to], pipe }]
    this.#places.get(to)?.acceptor.accept(other)
    return pipe
  }

  /** A connection that the one has dialled to the other, that is open. */
  wire(from: number, to: number): TestPipe | undefined {
    return this.#wires.find(({ ends, pipe }) => ends[0] === from && ends[1] === to && pipe.isOpen)?.pipe
  }

  environment(isAlive: () => boolean = () => true): LinkEnvironment {
    const { time, log } = this.#options
    const scheduler = time.scheduler(isAlive)
    return {
      clock: { monotonicMs: () => time.nowMs },
      scheduler,
      randomBytes: (count) => new Uint8Array(count),
      flusher: { add: (item) => { scheduler.defer(() => { item.flush() }) } },
      limits: { ...LINK_LIMITS, ...this.#options.areSilent ? {} : { heartbeatMs: 60_000, silenceMs: 240_000 } },
      log,
      counters: newLinkCounters(),
    }
  }
}

/** A life that is over says nothing more, also where its process goes on. */
function whileAlive(peers: Peers, isAlive: () => boolean): Peers {
  return {
    offer: (to, first, entries) => isAlive() && peers.offer(to, first, entries),
    confirm: (to, cursor, again) => { if (isAlive()) peers.confirm(to, cursor, again) },
    ask: (of, name, ...args) => peers.ask(of, name, ...args),
    tell: (to, name, ...args) => { peers.tell(to, name, ...args) },
    isReached: (shard) => peers.isReached(shard),
  }
}
