/** A process that has one shard, and writes numbered rows into it while it is its own: what the cluster keeps, and nothing of what it is. */
import type { ShardOwner } from '../../directory.js'
import { type ClusterNode, openClusterNode } from '../../node.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { Driver } from './driver.js'
import type { Oracle } from './oracle.js'
import type { Work } from './room.js'
import type { SimProcess } from './sim-process.js'

export class RowsWork implements Work {
  readonly #process: SimProcess
  readonly #oracle: Oracle
  readonly nodes: ClusterNode[] = []
  readonly move = null
  #driver: Driver | null = null

  private constructor(process: SimProcess, oracle: Oracle) {
    this.#process = process
    this.#oracle = oracle
  }

  static async open(process: SimProcess, oracle: Oracle): Promise<RowsWork> {
    const work = new RowsWork(process, oracle)
    const { name, room, disks } = process.machine
    const disk = disks[0]!
    work.nodes.push(await openClusterNode({
      node: name, address: `${name}:1`, version: '1', life: process.randomToken(), shard: 0, engine: disk, store: process.storeOf(0), limits: { ...room.limits, founds: name === 'n1' },
      environment: { monotonicMs: () => process.monotonicMs(), scheduler: process.scheduler, randomToken: () => process.randomToken(), log: process.log() },
      copySource: { page: (owner, request) => work.#page(owner, request) },
      onOwner: (engine) => {
        room.owns(process, 0, engine, disk)
        work.#drive(engine)
      },
      onLost: async () => {
        await work.#driver?.stop()
        work.#driver = null
      },
    }))
    return work
  }

  isOwner(): boolean {
    return this.#driver !== null
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()))
  }

  died(): void {
    // Its timers say so.
  }

  #drive(engine: ReplicatedEngine): void {
    this.#driver = new Driver(this.#process, engine, this.#oracle)
    this.#driver.start()
  }

  #page(owner: ShardOwner, request: Uint8Array): Promise<Uint8Array> {
    const peer = this.#process.machine.room.machines.get(owner.node)
    return this.#process.travel(() => peer?.isCut !== false || peer.process?.work === null, async () => {
      const node = peer?.process?.work?.nodes[0]
      // It has died on the way: nobody answers.
      if (peer?.process === null || node === undefined) return new Promise(() => undefined)
      await peer?.process.awake()
      return node.copyPage(Uint8Array.from(request))
    }, false)
  }
}
