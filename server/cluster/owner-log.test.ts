/** One ownership by itself, with a clock that the test turns. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SILENT_LOG } from '../log.js'
import type { ClusterStore, RenewAnswer } from './cluster-store.js'
import { CLUSTER_LIMITS, LEASE_MARGIN } from './environment.js'
import { type LossReason, OwnerLog } from './owner-log.js'
import { BEGINNING } from './position.js'

const RENEWED: RenewAnswer = { kind: 'renewed', incarnation: 'i', isWhole: true, confirmed: new Map() }
const SURE_MS = CLUSTER_LIMITS.leaseMs * (1 - LEASE_MARGIN)

class Owner {
  nowMs = 0
  lost: LossReason | null = null
  /** Answers the renewal that is under way. */
  answer: () => void = () => undefined
  readonly #timers: { readonly dueMs: number, readonly task: () => void }[] = []
  readonly log: OwnerLog

  constructor() {
    const store: Partial<ClusterStore> = { renew: () => new Promise((resolve) => { this.answer = () => { resolve(RENEWED) } }) }
    this.log = new OwnerLog({
      store: store as ClusterStore, limits: CLUSTER_LIMITS, node: 'n1', address: 'n1:1', lineage: 'l', epoch: 1, token: 'a'.repeat(16), incarnation: 'i', sentMs: 0, last: BEGINNING,
      environment: {
        monotonicMs: () => this.nowMs, randomToken: () => 'b'.repeat(16), log: SILENT_LOG,
        scheduler: { defer: (task) => { setImmediate(task) }, after: (delayMs, task) => { this.#timers.push({ dueMs: this.nowMs + delayMs, task }) } },
      },
      onLost: (reason) => { this.lost = reason },
    })
  }

  /** How far off the last timer is. */
  get waitsMs(): number {
    return Math.max(0, ...this.#timers.map(({ dueMs }) => dueMs - this.nowMs))
  }

  /** Renews it at once, and again and again until then. */
  async renewUntil(endMs: number): Promise<void> {
    while (this.nowMs < endMs && this.lost === null) {
      const renewed = this.log.renew()
      this.answer()
      await renewed
      this.nowMs = Math.min(endMs, this.nowMs + CLUSTER_LIMITS.renewEveryMs)
      this.runTimers()
    }
  }

  /** What is due by now. */
  runTimers(): void {
    for (const timer of this.#timers.splice(0)) {
      if (timer.dueMs <= this.nowMs) timer.task()
      else this.#timers.push(timer)
    }
  }
}

test('a renewal that is answered in time makes the lease longer', async () => {
  const owner = new Owner()
  owner.nowMs = SURE_MS - 10
  const renewed = owner.log.renew()
  owner.answer()
  await renewed
  owner.nowMs = SURE_MS + 1
  owner.runTimers()
  assert.deepEqual([owner.log.isSure, owner.lost], [true, null])
})

test('once it was not sure it never is again, whatever is answered before the timer of the lease is heard', async () => {
  const owner = new Owner()
  owner.nowMs = SURE_MS - 10
  const renewed = owner.log.renew()
  // A turn of the event loop that takes long: whoever reads in it is refused.
  owner.nowMs = SURE_MS + 1
  assert.equal(owner.log.isSure, false)
  owner.answer()
  await renewed
  assert.equal(owner.log.isSure, false)
  owner.runTimers()
  assert.equal(owner.lost, 'lease-ended')
})

test('one that has to be given up is over by then, though it is renewed, and has no timer of its own for that', async () => {
  const owner = new Owner()
  await owner.renewUntil(5000)
  owner.log.resignWithin(3 * CLUSTER_LIMITS.leaseMs)
  assert.ok(owner.waitsMs <= CLUSTER_LIMITS.leaseMs, String(owner.waitsMs))
  await owner.renewUntil(5000 + 3 * CLUSTER_LIMITS.leaseMs - 1)
  assert.deepEqual([owner.log.isSure, owner.lost], [true, null])
  owner.nowMs++
  owner.runTimers()
  assert.equal(owner.lost, 'resigned')
  assert.equal(owner.waitsMs, 0)
})
