/**
 * Short histories of a store and of nodes that use it as they should, for random search. The nodes are no more than what they have to be truthful
 * about: how far each has got, and in which epochs it has owned the shard.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import type { ClusterStore, LogEntry } from '../cluster-store.js'
import { BEGINNING, comparePositions, type Position } from '../position.js'
import { NO_MEMBERS } from '../shard-rows.js'
import { claim, entry } from './store-suite.js'

/** A store that can be done to what becomes of a Redis. */
export interface FragileStore {
  readonly store: ClusterStore
  /** The lease is over. */
  endLease(): Promise<void>
  flush(): Promise<void>
  /** Another life, with what was there at a time that was remembered. */
  remember(): Promise<() => Promise<void>>
}

const NODES = ['n1', 'n2', 'n3'] as const
const LEASE_MS = 60_000

type Step =
  | { readonly kind: 'claim' | 'append' | 'renew' | 'follow' | 'release' | 'restart', readonly node: number, readonly isAnswered: boolean }
  | { readonly kind: 'endLease' | 'flush' | 'remember' | 'failOver' }

const nodeStep = fc.record({
  kind: fc.constantFrom('claim' as const, 'claim' as const, 'append' as const, 'append' as const, 'renew' as const, 'follow' as const, 'release' as const, 'restart' as const),
  node: fc.nat({ max: NODES.length - 1 }), isAnswered: fc.boolean(),
})
const storeStep = fc.record({ kind: fc.constantFrom('endLease' as const, 'endLease' as const, 'flush' as const, 'remember' as const, 'failOver' as const) })

export const histories: fc.Arbitrary<readonly Step[]> = fc.array(fc.oneof({ arbitrary: nodeStep, weight: 3 }, { arbitrary: storeStep, weight: 1 }), { minLength: 5, maxLength: 40 })

interface HistoryNode {
  readonly name: string
  /** On its disk. */
  position: Position
  ownedEpoch: number
  /** While it is sure that it is the owner. */
  ownership: { readonly token: string, readonly epoch: number, readonly incarnation: string, renewals: number } | null
}

export class History {
  readonly #fragile: FragileStore
  readonly #nodes: readonly HistoryNode[] = NODES.map((name) => ({ name, position: BEGINNING, ownedEpoch: 0, ownership: null }))
  #tokens = 0
  #failOver: (() => Promise<void>) | null = null
  /** What was answered, for a comparison: without what is random, or takes its time. */
  readonly answers: string[] = []

  constructor(fragile: FragileStore) {
    this.#fragile = fragile
  }

  /** Behind a beginning in which all goes well. */
  async play(steps: readonly Step[]): Promise<void> {
    const [first, ...others] = this.#nodes
    await this.#claim(first!, true)
    await this.#renew(first!)
    for (const other of others) await this.#follow(other)
    for (const step of steps) await this.#step(step)
  }

  async #step(step: Step): Promise<void> {
    const fragile = this.#fragile
    switch (step.kind) {
      case 'endLease':
        // Whoever had it counts, too.
        for (const node of this.#nodes) node.ownership = null
        return fragile.endLease()
      case 'flush': return fragile.flush()
      case 'remember':
        this.#failOver = await fragile.remember()
        return
      case 'failOver': return this.#failOver?.()
      case 'claim': return this.#claim(this.#nodes[step.node]!, step.isAnswered)
      case 'append': return this.#append(this.#nodes[step.node]!, step.isAnswered)
      case 'renew': return this.#renew(this.#nodes[step.node]!)
      case 'follow': return this.#follow(this.#nodes[step.node]!)
      case 'release': return this.#release(this.#nodes[step.node]!)
      case 'restart':
        Object.assign(this.#nodes[step.node]!, { ownership: null, ownedEpoch: 0 })
    }
  }

  #token(): string {
    return String(++this.#tokens).padStart(16, '0')
  }

  /** All vote that can, as each does when it looks. */
  async #claim(node: HistoryNode, isAnswered: boolean): Promise<void> {
    const { store } = this.#fragile
    const { round } = await store.look(this.#token())
    const isFounding = this.#nodes.every(({ position }) => position.number === 0)
    const others = this.#nodes.filter(({ ownership, position }) => ownership === null && position.number > 0)
    if (round !== '') for (const voter of others) await store.vote({ node: voter.name, round, position: voter.position, epoch: Math.max(voter.position.epoch, voter.ownedEpoch), change: '' })
    const isSure = node.ownership !== null
    const { position } = node
    const epoch = Math.max(position.epoch, node.ownedEpoch)
    const token = this.#token()
    const answer = await store.acquire(claim(node.name, {
      token, leaseMs: LEASE_MS, position, epoch, claim: isSure ? 'sure' : isFounding ? 'found' : 'take',
      membership: isFounding ? NO_MEMBERS : { members: NODES, before: NODES, by: '', change: '' },
    }))
    if (answer.kind !== 'acquired') {
      this.answers.push(answer.kind === 'doubt' ? `doubt ${[...answer.missing].sort().join()}` : answer.kind)
      if (answer.kind === 'fenced') node.ownership = null
      return
    }
    const { kind, last, isWhole, members } = answer
    this.answers.push(JSON.stringify([kind, answer.epoch, last, isWhole, members]))
    const voted = answer.isWhole || isSure ? [] : others.map((other) => Math.max(other.position.epoch, other.ownedEpoch))
    assert.ok(answer.epoch > Math.max(epoch, ...voted), `${node.name} takes the shard in epoch ${String(answer.epoch)}`)
    assert.ok(last === null || answer.epoch > last.epoch, 'the changelog has an entry of a later epoch than its owner')
    // Only who is sure asks on; another one waits for its lease to end as all do.
    if (!isAnswered && !isSure) return
    node.ownership = { token, epoch: answer.epoch, incarnation: answer.incarnation, renewals: 0 }
    node.ownedEpoch = answer.epoch
    // As in a takeover: it reads to the end, or begins the changelog anew where it has more.
    if (last === null || comparePositions(node.position, last) > 0) await this.#begin(node, last)
    else await this.#follow(node)
  }

  async #begin(node: HistoryNode, found: Position | null): Promise<void> {
    const { token, epoch } = node.ownership!
    const first = entry({ epoch, number: node.position.number + 1, token }, node.position.token)
    const { kind } = await this.#fragile.store.rebase({ token, found, entry: first })
    this.answers.push(kind)
    if (kind === 'appended') node.position = first.position
  }

  /** `isApplied`: its owner lives long enough to have it on its disk. */
  async #append(node: HistoryNode, isApplied: boolean): Promise<void> {
    if (node.ownership === null) return
    const { token, epoch } = node.ownership
    const appended = entry({ epoch, number: node.position.number + 1, token }, node.position.token)
    const answer = await this.#fragile.store.append({ token, previous: node.position, entry: appended })
    this.answers.push(JSON.stringify(answer))
    if (answer.kind !== 'appended') return
    if (isApplied) node.position = appended.position
    else Object.assign(node, { ownership: null, ownedEpoch: 0 })
  }

  async #renew(node: HistoryNode): Promise<void> {
    if (node.ownership === null) return
    const { token, incarnation } = node.ownership
    const answer = await this.#fragile.store.renew({ token, leaseMs: LEASE_MS, complete: node.position, incarnation, members: NODES, number: ++node.ownership.renewals })
    this.answers.push(answer.kind === 'renewed' ? `renewed ${String(answer.isWhole)}` : JSON.stringify(answer))
    if (answer.kind === 'renewed') node.ownership = { ...node.ownership, incarnation: answer.incarnation }
  }

  async #follow(node: HistoryNode): Promise<void> {
    const entries: readonly LogEntry[] = await this.#fragile.store.read(node.position, 100, 0)
    this.answers.push(entries.map(({ position }) => `${String(position.epoch)}-${String(position.number)}`).join())
    for (const { position, previousToken } of entries) {
      if (position.number !== node.position.number + 1 || previousToken !== node.position.token) break
      node.position = position
    }
  }

  async #release(node: HistoryNode): Promise<void> {
    if (node.ownership === null) return
    await this.#fragile.store.release(node.ownership.token, '')
    node.ownership = null
  }
}
