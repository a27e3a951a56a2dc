/** What an operator asks of a cluster at one of its nodes, and has done at any: who is there, who owns which shard, who shall. */
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { Scheduler } from '../shard/environment.js'
import type { NodeSeen } from './cluster-store.js'
import type { ClusterStatus, NodeInShard, ShardStatus } from './cluster-status.js'
import type { ClusterNode, NodeReport } from './node.js'
import { aboutShard, nodeCalls } from './node-calls.js'
import type { NodeCalls, NodeLinks } from './node-links.js'
import { idOf } from './position.js'

/** How long another node may take to say how it is. */
const REPORT_TIMEOUT_MS = 2000

/** Calls reject with RouterError. */
export interface ClusterAdmin {
  status(): Promise<ClusterStatus>
  /** The node gives up what it owns, and takes nothing until `stay`. Resolves when others may have it. */
  drain(node: string): Promise<void>
  stay(node: string): Promise<void>
  /** The shard goes from its owner to this node. */
  move(shard: number, node: string): Promise<void>
  /** A node that will not come back is not waited for any more. */
  forget(node: string): Promise<void>
}

export class ClusterDesk implements ClusterAdmin {
  readonly #cluster: string
  readonly #name: string
  readonly #nodes: readonly ClusterNode[]
  readonly #links: NodeLinks
  readonly #scheduler: Scheduler
  readonly #calls: NodeCalls

  /** @param nodes this node's part in each shard, by their numbers: one at least */
  constructor(cluster: string, name: string, nodes: readonly ClusterNode[], links: NodeLinks, scheduler: Scheduler) {
    this.#cluster = cluster
    this.#name = name
    this.#nodes = nodes
    this.#links = links
    this.#scheduler = scheduler
    this.#calls = nodeCalls(() => nodes)
  }

  async status(): Promise<ClusterStatus> {
    const nodes = this.#withSelf(this.#seenNodes).sort((one, other) => one.node < other.node ? -1 : 1)
    return { cluster: this.#cluster, node: this.#name, nodes, shards: await Promise.all(this.#nodes.map((node, shard) => this.#shardStatus(node, shard, nodes))) }
  }

  async #shardStatus(own: ClusterNode, shard: number, nodes: readonly NodeSeen[]): Promise<ShardStatus> {
    const answers = await Promise.all(nodes.map(({ node }) => this.#answer(node, shard)))
    const owner = answers.find((answer) => typeof answer !== 'string' && answer.role === 'owner') as NodeReport | undefined
    return {
      shard,
      owner: own.directory.view.owner?.node ?? '',
      members: (owner ?? own.report).members,
      nodes: nodes.map(({ node }, at) => inShard(node, answers[at]!)),
    }
  }

  /** Also where Redis says nothing: then what keeps this node from it is all that can be said. */
  #withSelf(seen: readonly NodeSeen[]): NodeSeen[] {
    return seen.some(({ node }) => node === this.#name) ? [...seen] : [...seen, this.#nodes[0]!.self]
  }

  /** How a node is as to a shard; null: it does not answer. */
  async report(node: string, shard: number): Promise<NodeReport | null> {
    const answer = await this.#answer(node, shard)
    return typeof answer === 'string' ? null : answer
  }

  /** A text: it does not answer, and why. */
  async #answer(node: string, shard: number): Promise<NodeReport | string> {
    try {
      return await this.#withinTime(this.#ask(node, 'report', aboutShard(shard, null))) as NodeReport
    } catch (error) {
      const reason = error instanceof RouterError && error.cause !== undefined ? error.cause : error
      return `does not answer: ${reason instanceof Error ? reason.message : String(reason)}`
    }
  }

  async drain(node: string): Promise<void> {
    await this.#ask(node, 'drain', null)
  }

  async stay(node: string): Promise<void> {
    await this.#ask(node, 'stay', null)
  }

  async move(shard: number, node: string): Promise<void> {
    const own = this.#nodes[shard]
    if (own === undefined) throw new RouterError(ERROR.unavailable, `there is no shard ${String(shard)}: the last one is ${String(this.#nodes.length - 1)}`)
    const { owner } = own.directory.view
    if (owner === null) throw new RouterError(ERROR.unavailable, `no node owns shard ${String(shard)} at present: look at chatd cluster status`)
    if (owner.node === node) return
    this.#seen(node)
    await this.#ask(owner.node, 'hand', aboutShard(shard, node))
  }

  /** Everywhere: whichever node takes a shard does not wait for it. What a node that answers has may be missed, so it is none to be forgotten. */
  async forget(node: string): Promise<void> {
    if (node === this.#name) throw new RouterError(ERROR.unavailable, `${node} is the node that you ask: ask another one`)
    if (await this.report(node, 0) !== null) throw new RouterError(ERROR.unavailable, `${node} is there and answers: stop it first, if it is not to come back`)
    const others = this.#seenNodes.filter((each) => each.node !== node && each.node !== this.#name)
    await this.#ask(this.#name, 'forget', node)
    await Promise.all(others.map((each) => this.#withinTime(this.#ask(each.node, 'forget', node)).catch(() => undefined)))
  }

  /** A node shows itself for each shard, and all of them at much the same time. */
  get #seenNodes(): readonly NodeSeen[] {
    return this.#nodes[0]!.directory.nodes
  }

  async #ask(node: string, name: string, argument: unknown): Promise<unknown> {
    if (node === this.#name) return this.#calls[name]!(argument)
    try {
      return await this.#links.ask(node, this.#seen(node).address, name, argument)
    } catch (error) {
      if (error instanceof RouterError) throw error
      throw new RouterError(ERROR.unavailable, `${node} can't be reached: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
  }

  #withinTime<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#scheduler.after(REPORT_TIMEOUT_MS, () => { reject(new Error('no answer in time')) })
      answer.then(resolve, reject)
    })
  }

  #seen(node: string): NodeSeen {
    const found = this.#seenNodes.find((each) => each.node === node)
    if (found !== undefined) return found
    throw new RouterError(ERROR.unavailable, `there is no node ${node}: there are ${this.#seenNodes.map((each) => each.node).sort().join(', ')}`)
  }
}

function inShard(node: string, answer: NodeReport | string): NodeInShard {
  if (typeof answer === 'string') return { node, role: 'silent', position: '', trouble: answer, notice: '', waitingFor: [], isDrained: false }
  // Not said by nodes of an earlier version.
  const { role, position, trouble, notice = '', waitingFor, isDrained = false } = answer as Omit<NodeReport, 'isDrained' | 'notice'> & { readonly isDrained?: boolean, readonly notice?: string }
  return { node, role, position: idOf(position), trouble, notice, waitingFor, isDrained }
}
