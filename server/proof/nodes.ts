/** A cluster of real processes with a real Redis, for proofs: nodes n1, n2 …, each with a data directory of its own. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClusterStatus, ShardStatus } from '../cluster/cluster-status.js'
import { RedisServer } from '../cluster/testing/redis-server.js'
import { connectControl } from '../control/control-client.js'
import { freePort } from '../testing/free-port.js'
import { Chatd } from './chatd.js'
import { LOOPBACK, type Network, NODES, REDIS } from './network.js'
import { delay, PATIENCE_MS, type Scope } from './scope.js'

export interface NodesOptions {
  readonly count?: number
  readonly shards?: number
  /** Settings of every node, by their name in the environment. */
  readonly settings?: Readonly<Record<string, string>>
  /** What lies between them. Default: loopback. */
  readonly network?: Network
  /** Default: one of their own. */
  readonly redis?: RedisServer
  /** The data with which the first one founds the cluster; it is moved. */
  readonly data?: string
}

export class Nodes {
  readonly redis: RedisServer
  readonly all: readonly Chatd[]

  private constructor(redis: RedisServer, all: readonly Chatd[]) {
    this.redis = redis
    this.all = all
  }

  /** Resolves when one node owns each shard and all others follow. Everything ends with the scope. */
  static async start(scope: Scope, users: readonly string[], { count = 3, shards = 1, settings = {}, network = LOOPBACK, ...given }: NodesOptions = {}): Promise<Nodes> {
    const redis = given.redis ?? await RedisServer.startAt({ after: (end) => { scope.after(end) } }, network.place(REDIS), '--appendonly', 'yes')
    const folder = mkdtempSync(join(tmpdir(), 'chatd-nodes-'))
    scope.after(() => { rmSync(folder, { recursive: true, force: true }) })
    const secret = join(folder, 'secret')
    writeFileSync(secret, randomBytes(48).toString('base64url'), { mode: 0o600 })
    const all: Chatd[] = []
    for (let at = 0; at < count; at++) {
      const name = nameOf(at)
      const { host, through } = network.place(name)
      const linkPort = await freePort()
      all.push(await Chatd.prepare(scope, [], {
        directory: join(folder, name), host, through,
        settings: {
          CHATD_CLUSTER_REDIS: `redis://${await network.reach(name, REDIS, redis.port)}`, CHATD_CLUSTER_NODE: name, CHATD_CLUSTER_FOUNDS: String(at === 0),
          CHATD_CLUSTER_SECRET_FILE: secret, CHATD_CLUSTER_LINK: `tcp://${host}:${String(linkPort)}`,
          CHATD_CLUSTER_LINK_ADDRESS: `tcp://${await network.reach(NODES, name, linkPort)}`,
          // Networks of a proof are nobody else's.
          CHATD_CLUSTER_ALLOW_PLAINTEXT_LINKS: 'true', CHATD_LISTEN_ALLOW_PLAINTEXT: 'true', CHATD_DATA_SHARDS: String(shards), ...settings,
        },
      }))
    }
    if (given.data !== undefined) renameSync(given.data, all[0]!.data)
    const nodes = new Nodes(redis, all)
    for (const node of all) await node.restart()
    await nodes.untilWhole()
    // A shard that moves to another node refuses what it can't tell whether it was done.
    await nodes.untilSpread()
    await all[0]!.addUsers(users)
    return nodes
  }

  get urls(): string[] { return this.all.flatMap(({ tcp, ws }) => [tcp, ws]) }

  nameOf(node: Chatd): string { return nameOf(this.all.indexOf(node)) }

  named(name: string): Chatd { return this.all.find((node) => this.nameOf(node) === name)! }

  /** As a node that runs sees it; null: none answers. */
  async status(): Promise<ClusterStatus | null> {
    for (const node of this.all) {
      if (!node.isRunning) continue
      const control = await connectControl(node.data)
      if (control === null) continue
      try {
        return await control.cluster('status', '')
      } catch {
        // It ends at this moment, or knows nothing yet.
      } finally {
        await control.close()
      }
    }
    return null
  }

  /** Of a shard; waits for one that runs. */
  async owner(shard = 0): Promise<Chatd> {
    let found: Chatd | undefined
    await this.#until('an owner', ({ shards }) => {
      const { owner, nodes } = shards[shard]!
      found = this.all.find((node) => this.nameOf(node) === owner && node.isRunning)
      return found !== undefined && nodes.some(({ node, role }) => node === owner && role === 'owner')
    })
    return found!
  }

  /** Of one shard or another. */
  async anyOwner({ random }: { readonly random: () => number }): Promise<Chatd> {
    return this.owner(Math.floor(random() * await this.shards()))
  }

  async shards(): Promise<number> {
    return (await this.status())?.shards.length ?? 1
  }

  /** As the operator does it: the shard goes to this node. Resolves when it was given up. */
  async move(shard: number, to: Chatd): Promise<void> {
    const control = await connectControl(to.data)
    if (control === null) throw new Error('the node does not run')
    try {
      await control.cluster('move', this.nameOf(to), shard)
    } finally {
      await control.close()
    }
  }

  /** Waits until every node that runs owns each shard, or may own it next. */
  async untilWhole(): Promise<void> {
    const running = this.all.filter(({ isRunning }) => isRunning).map((node) => this.nameOf(node))
    const isWhole = ({ nodes, members }: ShardStatus): boolean =>
      nodes.some(({ role }) => role === 'owner') && running.every((name) => members.includes(name) && nodes.some(({ node, role }) => node === name && (role === 'owner' || role === 'standby')))
    await this.#until(`${running.join(', ')} to follow`, ({ shards }) => shards.every(isWhole))
  }

  /** Waits until no node owns two shards more than another. */
  async untilSpread(): Promise<void> {
    await this.#until('shards to be spread', ({ shards }) => {
      const counts = this.all.map((node) => shards.filter(({ owner }) => owner === this.nameOf(node)).length)
      return Math.max(...counts) - Math.min(...counts) < 2
    })
  }

  async #until(what: string, condition: (status: ClusterStatus) => boolean): Promise<void> {
    const giveUpMs = performance.now() + PATIENCE_MS
    for (;;) {
      const status = await this.status()
      if (status !== null && condition(status)) return
      if (performance.now() > giveUpMs) throw new Error(`waited in vain for ${what}: ${JSON.stringify(status)}`)
      await delay(50)
    }
  }
}

/** From 0. */
export function nameOf(at: number): string { return `n${String(at + 1)}` }
