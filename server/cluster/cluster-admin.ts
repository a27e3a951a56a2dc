/** What an operator asks of a cluster at one of its nodes, and has done at any: who is there, who owns the shard, who shall. */
import type { ClientHosts } from '../connection/redirects.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import type { NodeSeen } from './cluster-store.js'
import type { ClusterNode, NodeReport } from './node.js'
import type { NodeCalls, NodeLinks } from './node-links.js'
import { idOf } from './position.js'

/** How long another node may take to say how it is. */
const REPORT_TIMEOUT_MS = 2000

export interface NodeStatus {
  readonly node: string
  readonly address: string
  readonly version: string
  /** How long ago it showed itself. */
  readonly ageMs: number
  /** 'silent': it does not answer. */
  readonly role: NodeReport['role'] | 'silent'
  /** How far it has got in the changelog, as epoch-number; '' where it is not known. */
  readonly position: string
  readonly trouble: string
  readonly waitingFor: readonly string[]
}

export interface ClusterStatus {
  readonly cluster: string
  /** Where it was asked. */
  readonly node: string
  /** '': nobody, as far as that node knows. */
  readonly owner: string
  /** Those that may take the shard. */
  readonly members: readonly string[]
  readonly nodes: readonly NodeStatus[]
}

/** Calls reject with RouterError. */
export interface ClusterAdmin {
  status(): Promise<ClusterStatus>
  /** The node gives its shard up, and takes none until `stay`. Resolves when another may have it. */
  drain(node: string): Promise<void>
  stay(node: string): Promise<void>
  /** The shard goes from its owner to this node. */
  move(node: string): Promise<void>
  /** A node that will not come back is not waited for any more. */
  forget(node: string): Promise<void>
}

/** What other nodes may ask of this one. `node`: null while it starts. `hosts`: how clients reach it. */
export function nodeCalls(node: () => ClusterNode | null, hosts: () => ClientHosts = () => ({})): NodeCalls {
  const call = (perform: (node: ClusterNode, argument: unknown) => unknown) => async (argument: unknown): Promise<unknown> => {
    const started = node()
    if (started === null) throw new RouterError(ERROR.unavailable, 'the node starts at this moment', { retryAfterMs: 1000 })
    return perform(started, argument)
  }
  return {
    copyPage: call((started, request) => started.copyPage(request as Uint8Array)),
    report: call((started) => started.report),
    hosts: async () => hosts(),
    drain: call((started) => started.resign()),
    stay: call((started) => started.stay()),
    // To its heir, and it may have it again.
    hand: call((started, heir) => started.resign(String(heir)).finally(() => started.stay())),
    forget: call((started, other) => started.forget(String(other))),
  }
}

export class ClusterDesk implements ClusterAdmin {
  readonly #cluster: string
  readonly #name: string
  readonly #node: ClusterNode
  readonly #links: NodeLinks
  readonly #calls: NodeCalls

  constructor(cluster: string, name: string, node: ClusterNode, links: NodeLinks) {
    this.#cluster = cluster
    this.#name = name
    this.#node = node
    this.#links = links
    this.#calls = nodeCalls(() => node)
  }

  async status(): Promise<ClusterStatus> {
    const { view, nodes } = this.#node.directory
    const sorted = [...nodes].sort((one, other) => one.node < other.node ? -1 : 1)
    const reports = await Promise.all(sorted.map(({ node }) => this.#report(node)))
    const owner = reports.find((report) => report?.role === 'owner')
    return {
      cluster: this.#cluster,
      node: this.#name,
      owner: view.owner?.node ?? '',
      members: (owner ?? this.#node.report).members,
      nodes: sorted.map((seen, at) => statusOf(seen, reports[at] ?? null)),
    }
  }

  /** null: it does not answer. */
  async #report(node: string): Promise<NodeReport | null> {
    try {
      return await withinTime(this.#ask(node, 'report', null)) as NodeReport
    } catch {
      return null
    }
  }

  async drain(node: string): Promise<void> {
    await this.#ask(node, 'drain', null)
  }

  async stay(node: string): Promise<void> {
    await this.#ask(node, 'stay', null)
  }

  async move(node: string): Promise<void> {
    const { owner } = this.#node.directory.view
    if (owner === null) throw new RouterError(ERROR.unavailable, 'no node owns the shard at present: look at chatd cluster status')
    if (owner.node === node) return
    this.#seen(node)
    await this.#ask(owner.node, 'hand', node)
  }

  /** Everywhere: whichever node takes the shard does not wait for it. */
  async forget(node: string): Promise<void> {
    const others = this.#node.directory.nodes.filter((each) => each.node !== node && each.node !== this.#name)
    await this.#ask(this.#name, 'forget', node)
    await Promise.all(others.map((each) => withinTime(this.#ask(each.node, 'forget', node)).catch(() => undefined)))
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

  #seen(node: string): NodeSeen {
    const { nodes } = this.#node.directory
    const found = nodes.find((each) => each.node === node)
    if (found !== undefined) return found
    throw new RouterError(ERROR.unavailable, `there is no node ${node}: there are ${nodes.map((each) => each.node).join(', ')}`)
  }
}

function statusOf({ node, address, version, ageMs }: NodeSeen, report: NodeReport | null): NodeStatus {
  const seen = { node, address, version, ageMs }
  if (report === null) return { ...seen, role: 'silent', position: '', trouble: '', waitingFor: [] }
  const { role, position, trouble, waitingFor } = report
  return { ...seen, role, position: idOf(position), trouble, waitingFor }
}

function withinTime<T>(answer: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer in time')), REPORT_TIMEOUT_MS)
    answer.finally(() => clearTimeout(timer)).then(resolve, reject)
  })
}
