/**
 * A process that is a node as it is run: real shards where it owns them, reached by its clients, by the other nodes, and by the shards of
 * these. Only the sockets, the clocks and Redis are played.
 */
import { LIMIT } from '../../../../protocol/generated/registry.js'
import type { BlobCommands } from '../../../blobs/blob-router.js'
import type { ClientHosts } from '../../../connection/redirects.js'
import { configOf } from '../../../config/config.js'
import { LinkAcceptor } from '../../../link/link-acceptor.js'
import { LINK_LIMITS, type LinkEnvironment, newLinkCounters } from '../../../link/link-environment.js'
import { NodePart } from '../../../run/node-part.js'
import { openPeers, routerOf } from '../../../run/node-shards.js'
import type { NodePeers } from '../../../peers/node-peers.js'
import { type Router, RouterError } from '../../../router/router.js'
import type { ShardEnvironment, ShardLimits } from '../../../shard/environment.js'
import type { Shard } from '../../../shard/shard.js'
import { testIdentity } from '../../../testing/live-front.js'
import { decodeEntries } from '../../../testing/entries.js'
import { Breach } from '../../../testing/simulation/breach.js'
import type { DeviceServer, SimConnection } from '../../../testing/simulation/connection.js'
import { CHANNELS, LIMITS } from '../../../testing/simulation/server.js'
import { Balancer } from '../../balancer.js'
import { ClusterDesk } from '../../cluster-admin.js'
import { type ClusterNode, openClusterNode } from '../../node.js'
import { nodeCalls } from '../../node-calls.js'
import { NODE_PURPOSE, NodeCallServer, NodeLinks } from '../../node-links.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { Files } from './files.js'
import { lossy } from './lossy-peers.js'
import type { People } from './people.js'
import type { Work } from './room.js'
import { plantNode, plantRouter, plantShard, type ShardPlants } from './shard-plants.js'
import type { SimProcess } from './sim-process.js'
import type { Wires } from './wires.js'

const BALANCE_MS = 4000
const OWNER_WAIT_MS = 6000
/** Clocks of machines are wrong by minutes, and who looks on does not see how much. */
export const PEOPLE_LIMITS = { editAgeMs: LIMIT.editAgeMs, deleteAgeMs: LIMIT.deleteAgeMs }
/** What can't be had at present is asked for again at once, far more often than by a client that waits. */
const SHARD_LIMITS: ShardLimits = { ...LIMITS, ...PEOPLE_LIMITS, strangerBurst: 1_000_000, blobHoldMs: 4000, blobLookMs: 1000 }
/** A call that had no answer for so long has failed. */
const CALL_TIMEOUT_MS = 8000

export interface ServerWorkOptions {
  readonly wires: Wires
  readonly people: People
  readonly shardOf: (slot: number) => number
  readonly plants: ShardPlants
}

export class ServerWork implements Work, DeviceServer {
  readonly #process: SimProcess
  readonly #options: ServerWorkOptions
  readonly #parts: readonly NodePart[]
  readonly #links: { readonly identity: ReturnType<typeof testIdentity>, readonly environment: LinkEnvironment, dial(address: string): ReturnType<Wires['dial']> }
  readonly #peers: NodePeers | null
  readonly nodes: ClusterNode[] = []
  readonly router: Router
  readonly files: Files
  readonly limits = SHARD_LIMITS
  readonly isHome = false
  #desk: ClusterDesk | null = null

  private constructor(process: SimProcess, options: ServerWorkOptions) {
    this.#process = process
    this.#options = options
    const { machine: { name, room } } = process
    const { world } = room
    const environment = this.#linkEnvironment()
    const links = this.#links = { identity: testIdentity(name), environment, dial: (address) => options.wires.dial(process, address) }
    const config = configOf({ limits: { ownerWaitMs: OWNER_WAIT_MS } })
    // Below what an operator may set.
    const cluster = { ...config.cluster, ...room.limits, node: name, founds: name === 'n1' }
    const start = { config: { ...config, cluster }, clock: process, log: environment.log, steps: [] }
    const shards = room.servers.length
    const life = process.randomToken()
    this.files = new Files(process, options.people.pictures.store)
    const random = (): number => world.random.below(1000) / 1000
    const peers = this.#peers = openPeers(links, { shards, shardOf: options.shardOf, random, limits: { ...CHANNELS, resendMs: 700 } },
      (shard) => this.#parts[shard]?.node?.directory.view.owner ?? null)
    if (peers !== null) this.#loseSome(peers)
    this.#parts = room.servers.map((_, shard) => new NodePart({
      start, shard, life, engine: process.machine.disks[shard]!, openStore: () => process.storeOf(shard), environment: this.#shardEnvironment(), links,
      hasBlobs: true, peers, random,
    }))
    this.router = routerOf(start, this.#parts, environment, options.shardOf)
    plantRouter(this.router, options.plants)
  }

  static async open(process: SimProcess, options: ServerWorkOptions): Promise<ServerWork> {
    const work = new ServerWork(process, options)
    await work.#join()
    return work
  }

  // ——— As a node ———

  async #join(): Promise<void> {
    const { identity, environment } = this.#links
    const { name } = this.#process.machine
    const { plants } = this.#options
    const joined = (): readonly ClusterNode[] | null => this.nodes.length === this.#parts.length ? this.nodes : null
    const calls = new NodeCallServer(nodeCalls(joined, (): ClientHosts => ({})), environment)
    const purposes = Object.assign({ [NODE_PURPOSE]: calls, ...this.#peers?.purposes }, ...this.#parts.map((part) => part.purposes))
    this.#options.wires.listen(this.#process, new LinkAcceptor(identity, environment, purposes))
    const nodeLinks = new NodeLinks(this.#links)
    for (const [shard, part] of this.#parts.entries()) {
      this.nodes.push(await part.join(`${name}:1`, nodeLinks, (given) => {
        const options = plantNode(given, plants)
        const onOwner = async (engine: ReplicatedEngine, epoch: number): Promise<void> => {
          this.#owns(shard, engine)
          await options.onOwner(engine, epoch)
          if (part.shard === null) return
          plantShard(part.shard, plants)
          this.#watchFeeds(part.shard)
        }
        return openClusterNode({ ...options, onOwner })
      }))
    }
    const desk = this.#desk = new ClusterDesk(identity.cluster, name, this.nodes, nodeLinks, environment.scheduler)
    if (this.nodes.length > 1) {
      new Balancer({ node: name, nodes: this.nodes, desk, scheduler: environment.scheduler, log: environment.log, everyMs: BALANCE_MS })
    }
  }

  #owns(shard: number, engine: ReplicatedEngine): void {
    const { room, disks } = this.#process.machine
    room.owns(this.#process, shard, engine, disks[shard]!)
  }

  /** What a shard hands out is looked at here: on its way to a device by another node it may be overtaken by news of it. */
  #watchFeeds(shard: Shard): void {
    const { oracle } = this.#options.people
    const { sessions } = shard
    const add = sessions.add.bind(sessions)
    sessions.add = (feed) => {
      const { sink, user } = feed
      const entries = sink.entries.bind(sink)
      sink.entries = (frames, last, count) => {
        try {
          oracle.handedOut(user.name, decodeEntries(frames))
        } catch (error) {
          this.report(error)
        }
        entries(frames, last, count)
      }
      add(feed)
    }
  }

  isOwner(shard: number): boolean {
    return this.shardAt(shard) !== null
  }

  /** null: it is another node's, or nobody's. */
  shardAt(shard: number): Shard | null {
    return this.#parts[shard]?.shard ?? null
  }

  readonly move = (shard: number, node: string): void => {
    this.#desk?.move(shard, node).catch((error: unknown) => {
      if (!(error instanceof RouterError)) this.report(error)
    })
  }

  /** As `runNode` ends: all that is owned first. */
  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.resign()))
    for (const node of [...this.nodes].reverse()) await node.close()
  }

  died(isSilent: boolean): void {
    this.#options.wires.died(this.#process, isSilent)
  }

  // ——— As devices have it ———

  get shards(): { readonly length: number } {
    return this.#parts
  }

  get blobs(): BlobCommands {
    const { blobs } = this.router
    if (blobs === null) throw new Breach('no blobs are kept')
    return blobs
  }

  get isAlive(): boolean {
    return this.#process.isAlive
  }

  get isPaused(): boolean {
    return this.#process.isPaused
  }

  lost(connection: SimConnection): void {
    const { world } = this.#process.machine.room
    world.after(world.random.below(200), this.#process.guarded(() => {
      if (!connection.isServerOpen) return
      connection.isServerOpen = false
      if (connection.attachment !== null) this.router.detach(connection.attachment)
      else this.router.abandon(connection)
    }))
  }

  checkAcked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number): void {
    this.#options.people.acked(outbox, clientId, from, to, text, seq, timeMs).catch((error: unknown) => { this.report(error) })
  }

  report(error: unknown): void {
    this.#process.machine.room.report(error)
  }

  // ——— What it is given ———

  #linkEnvironment(): LinkEnvironment {
    const { scheduler, machine: { room: { world } } } = this.#process
    return {
      clock: this.#process,
      scheduler,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => world.random.below(256)),
      flusher: { add: (item) => { scheduler.defer(() => { item.flush() }) } },
      limits: { ...LINK_LIMITS, callTimeoutMs: CALL_TIMEOUT_MS },
      log: this.#process.log((event, text) => { this.#wrote(event, text) }),
      counters: newLinkCounters(),
    }
  }

  /** What is wrong with disks and with the store is none of its fault. Nothing else may ever be, least of all may a channel lose its memory. */
  #wrote(event: string, text: string): void {
    if (!event.startsWith('cluster-') && event !== 'storage-failed') this.report(new Breach(`${this.#process.machine.name} says: ${event} (${text})`))
  }

  #shardEnvironment(): ShardEnvironment {
    const { scheduler, machine: { room: { world } } } = this.#process
    return { clock: this.#process, scheduler, random32: () => world.random.next32(), limits: SHARD_LIMITS, log: this.#links.environment.log, blobs: this.files }
  }

  /** Beside what becomes of links: channels are to bear more than these do to them. */
  #loseSome(peers: NodePeers): void {
    const { room } = this.#process.machine
    const federationOf = peers.federationOf.bind(peers)
    peers.federationOf = (shard) => {
      const federation = federationOf(shard)
      return { ...federation, peers: lossy(federation.peers, room, () => room.isFaulty) }
    }
  }
}
