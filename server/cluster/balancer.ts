/** Sees to it that nodes own about as many shards each: looks now and then, and gives one away, as `chatd cluster move` does. */
import { asError } from '../../protocol/as-error.js'
import type { Log } from '../log.js'
import type { Scheduler } from '../shard/environment.js'
import { nextMove } from './balance.js'
import type { ClusterDesk } from './cluster-admin.js'
import type { ClusterNode } from './node.js'

export interface BalancerOptions {
  readonly node: string
  /** This node's part in each shard, by their numbers. */
  readonly nodes: readonly ClusterNode[]
  readonly desk: ClusterDesk
  readonly scheduler: Scheduler
  readonly log: Log
  readonly everyMs: number
}

export class Balancer {
  readonly #options: BalancerOptions
  #isStopped = false

  constructor(options: BalancerOptions) {
    this.#options = options
    this.#lookLater()
  }

  stop(): void {
    this.#isStopped = true
  }

  #lookLater(): void {
    const { scheduler, everyMs, log } = this.#options
    scheduler.after(everyMs, () => {
      if (this.#isStopped) return
      this.#look().catch((error: unknown) => {
        // Nodes come and go: the next time.
        log.info({ error: asError(error) }, 'cluster-not-balanced')
      }).finally(() => { this.#lookLater() })
    })
  }

  async #look(): Promise<void> {
    const { node, nodes, desk, log } = this.#options
    const shards = nodes.map(({ directory, report }) => ({ owner: directory.view.owner?.node ?? null, members: report.members }))
    const move = nextMove(node, shards, nodes[0]?.directory.nodes.map((seen) => seen.node) ?? [])
    if (move === null) return
    const report = await desk.report(move.heir, move.shard)
    // Who was drained stays so; `isDrained` is not said by nodes of an earlier version.
    if (report === null || report.role !== 'standby' || report.isDrained) return
    log.info({ shard: move.shard, to: move.heir }, 'cluster-balanced')
    await desk.move(move.shard, move.heir)
  }
}
