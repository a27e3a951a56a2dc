/**
 * The name of a node, which one process has at a time. What nodes say of themselves in the store goes by their names: how far they have got,
 * what they vote, what they own. Two processes under one name would speak for each other, so that who has less would be taken for who has more.
 *
 * A process that shows itself under a name has it, and has it for as long as a lease unless it does so again. Another one that comes waits:
 *
 * - the first has ended and has said so: it has the name at once;
 * - it has died: its time ends, or it has said nothing for as long while this one looked, whatever the store's clock has done meanwhile;
 * - it shows itself again: it lives. This one stands aside, says so, and goes on asking, so that nothing has to be done once the first has gone.
 *
 * A process that stood still for longer than it had the name, and wakes, may find that another one has it, and stands aside in the same way. It
 * counts its time as an owner counts its lease: by its own clock, from when it sent what was answered, and shorter by LEASE_MARGIN.
 */
import type { NodeSeen } from './cluster-store.js'
import { LEASE_MARGIN } from './environment.js'
import type { ClusterNodeOptions } from './node-options.js'

/** How often a node shows itself, in looks. */
const LOOKS_PER_BEAT = 2
/** And at least so often while it has the name. */
const BEATS_PER_LEASE = 3

/** Another process that has the name. */
interface Other {
  /** What it said last, and since when that is known here. */
  readonly beat: string
  readonly sinceMs: number
  /** It has said something since this one asked, so that it lives. */
  readonly isAlive: boolean
}

export class NodeName {
  readonly #options: ClusterNodeOptions
  readonly #everyMs: number
  #dueMs = -Infinity
  #heldUntilMs = -Infinity
  #hasHeld = false
  #other: Other | null = null
  #otherAddress = ''

  constructor(options: ClusterNodeOptions) {
    this.#options = options
    const { lookEveryMs, leaseMs } = options.limits
    this.#everyMs = Math.min(LOOKS_PER_BEAT * lookEveryMs, leaseMs / BEATS_PER_LEASE)
  }

  /** When it has to be said again. */
  get dueMs(): number {
    return this.#dueMs
  }

  /** Whether the name is this process's for certain, at this moment. */
  get isHeld(): boolean {
    return this.#options.environment.monotonicMs() < this.#heldUntilMs
  }

  /** Why this process takes no part, and what to do; '': no other one that lives has the name. */
  get trouble(): string {
    if (this.#other?.isAlive !== true) return ''
    const { node } = this.#options
    return `another process runs as node ${node}${this.#otherAddress === '' ? '' : `, with its links at ${this.#otherAddress}`}: give one of the two another name ` +
      '(cluster.node), or stop the other one; this one takes no part until then, and begins by itself when the other one has ended'
  }

  /** Shows the process under its name. Resolves with the nodes that have shown themselves of late. Rejects with ClusterStoreError. */
  async beat(): Promise<readonly NodeSeen[]> {
    const { store, node, address, version, life, environment: { monotonicMs }, limits: { leaseMs, memberAwayMs } } = this.#options
    const sentMs = monotonicMs()
    this.#dueMs = sentMs + this.#everyMs
    const { nodes, holder } = await store.beat({ node, address, version, life, lifeMs: leaseMs, instead: this.#silentBeat(sentMs) }, memberAwayMs)
    if (holder === null) {
      this.#heldUntilMs = sentMs + leaseMs * (1 - LEASE_MARGIN)
      this.#hasHeld = true
      this.#other = null
    } else {
      this.#heldUntilMs = -Infinity
      this.#otherAddress = nodes.find((seen) => seen.node === node)?.address ?? ''
      this.#sawOther(holder.beat, monotonicMs())
      // Just behind its end, if it says nothing more.
      this.#dueMs = Math.min(this.#dueMs, sentMs + holder.leftMs + 10)
    }
    return nodes
  }

  #sawOther(beat: string, nowMs: number): void {
    const before = this.#other
    if (before?.beat === beat) return
    // Who has taken the name from this one lives, as does who has said something more.
    this.#other = { beat, sinceMs: nowMs, isAlive: before !== null || this.#hasHeld }
  }

  /** What the other one said last, where that was as long ago as a name lasts; '': it was not. */
  #silentBeat(nowMs: number): string {
    const other = this.#other
    return other !== null && nowMs - other.sinceMs >= this.#options.limits.leaseMs ? other.beat : ''
  }

  /** The process ends: the name is free, if it was this one's. Never rejects. */
  async leave(): Promise<void> {
    const { store, node, version, life, limits: { leaseMs } } = this.#options
    await store.beat({ node, address: '', version, life, lifeMs: leaseMs, instead: '' }, 0).catch(() => undefined)
  }
}
