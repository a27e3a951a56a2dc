/** Nodes with real timers, engines in memory and a store of the test's choosing; leases are short, so that tests are. */
import { randomBytes } from 'node:crypto'
import type { TestContext } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Engine } from '../../../storage/engine.js'
import { MemoryEngine } from '../../../storage/memory-engine.js'
import { STORE_FORMAT } from '../../../storage/metadata.js'
import { type Log, SILENT_LOG } from '../../log.js'
import { ClusterStoreError, type ClusterStore } from '../cluster-store.js'
import type { ShardOwner } from '../directory.js'
import { CLUSTER_LIMITS, type ClusterEnvironment, type ClusterLimits } from '../environment.js'
import { type ClusterNode, openClusterNode } from '../node.js'
import type { LossReason } from '../owner-log.js'
import type { ReplicatedEngine } from '../replicated-engine.js'
import { heardBy, saidBy, storeOfBuild } from './builds.js'
import { ModelServer, ModelStore } from './model-store.js'

export const SHORT: ClusterLimits = { ...CLUSTER_LIMITS, leaseMs: 1500, renewEveryMs: 150, lookEveryMs: 50, foundAfterMs: 0 }

function realEnvironment(log: Log = SILENT_LOG): ClusterEnvironment {
  return {
    monotonicMs: () => performance.now(),
    scheduler: { defer: (task) => { setImmediate(task) }, after: (delayMs, task) => { setTimeout(task, delayMs) } },
    randomToken: () => randomBytes(8).toString('hex'),
    log,
  }
}

export interface RigOptions {
  readonly openStore?: () => ClusterStore
  readonly limits?: Partial<ClusterLimits>
  readonly log?: Log
}

export interface RigNodeOptions {
  readonly engine?: Engine
  readonly founds?: boolean
  readonly limits?: Partial<ClusterLimits>
  /** Of the rows that its program writes. */
  readonly format?: number
}

export class Rig {
  readonly server = new ModelServer(() => performance.now())
  readonly nodes = new Map<string, RigNode>()
  readonly #options: RigOptions
  readonly #t: TestContext

  constructor(t: TestContext, options: RigOptions = {}) {
    this.#t = t
    this.#options = options
  }

  /** Starts a node; it is closed when the test ends. */
  async start(name: string, { engine = new MemoryEngine(), founds = false, limits = {}, format = STORE_FORMAT }: RigNodeOptions = {}): Promise<RigNode> {
    const store = new CuttableStore(storeOfBuild(this.#options.openStore?.() ?? new ModelStore(this.server), format))
    const rigNode = new RigNode(name, engine, store, format)
    rigNode.node = await openClusterNode({
      node: name, address: `${name}:1`, version: '1', life: rigNode.life, shard: 0, engine, store: store.asStore(), environment: realEnvironment(this.#options.log),
      limits: { ...SHORT, founds, ...this.#options.limits, ...limits },
      copySource: {
        page: async (owner: ShardOwner, request) => {
          const peer = this.nodes.get(owner.node)
          if (peer === undefined || peer.store.isCut) throw new ClusterStoreError('unreachable', 'no such node')
          return heardBy(format, saidBy(peer.format, await peer.node.copyPage(request)))
        },
      },
      onOwner: (owned, epoch) => { rigNode.owned(owned, epoch) },
      onLost: (reason) => rigNode.lost(reason),
    })
    this.nodes.set(name, rigNode)
    this.#t.after(() => rigNode.node.close())
    return rigNode
  }

  /** Resolves with whoever owns the shard. */
  async owner(except: RigNode | null = null): Promise<RigNode> {
    return until(() => [...this.nodes.values()].find((one) => one !== except && one.engine !== null))
  }
}

export class RigNode {
  readonly name: string
  readonly life = randomBytes(8).toString('hex')
  readonly inner: Engine
  readonly store: CuttableStore
  readonly format: number
  node!: ClusterNode
  /** While it owns the shard. */
  engine: ReplicatedEngine | null = null
  /** As it was told when it last began to own the shard. */
  epoch = 0
  readonly losses: LossReason[] = []
  /** What has to be done before the shard is given up on purpose. */
  beforeLost: () => Promise<void> = () => Promise.resolve()

  constructor(name: string, inner: Engine, store: CuttableStore, format: number) {
    this.name = name
    this.inner = inner
    this.store = store
    this.format = format
  }

  owned(engine: ReplicatedEngine, epoch: number): void {
    this.engine = engine
    this.epoch = epoch
  }

  async lost(reason: LossReason): Promise<void> {
    this.losses.push(reason)
    if (reason === 'resigned') await this.beforeLost()
    this.engine = null
  }

  /** Dies as by SIGKILL, as far as others can see: nothing it says or hears arrives any more. */
  cut(): void {
    this.store.isCut = true
  }
}

/** A store that can be taken away from one node. */
export class CuttableStore {
  readonly #store: ClusterStore
  isCut = false
  /** The store has done this, and its answer is on its way. */
  afterCall: (name: keyof ClusterStore) => void = () => undefined
  /** Awaited before each read of the changelog. */
  beforeRead: () => Promise<void> = () => Promise.resolve()

  constructor(store: ClusterStore) {
    this.#store = store
  }

  asStore(): ClusterStore {
    return new Proxy(this.#store, {
      get: (store, name: keyof ClusterStore) => async (...values: unknown[]) => {
        if (this.isCut && name !== 'close') {
          await pause(20)
          throw new ClusterStoreError('unreachable', 'cut')
        }
        if (name === 'read') await this.beforeRead()
        const answer = await (store[name] as (...values: unknown[]) => Promise<unknown>).apply(store, values)
        this.afterCall(name)
        if (this.isCut && name !== 'close') throw new ClusterStoreError('unreachable', 'cut')
        return answer
      },
    })
  }
}

/** Asks again and again; fails after some seconds. */
export async function until<T>(find: () => T | undefined | false | null | Promise<T | undefined | false | null>, waitMs = 10_000): Promise<T> {
  const endMs = performance.now() + waitMs
  for (;;) {
    const found = await find()
    if (found !== undefined && found !== false && found !== null) return found
    if (performance.now() > endMs) throw new Error(`not within ${String(waitMs)} ms: ${find.toString()}`)
    await pause(5)
  }
}
