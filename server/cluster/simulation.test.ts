import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterSimulation, type ClusterSimulationOptions } from './testing/simulation/cluster-simulation.js'
import { firstBreach, shrinkCluster } from './testing/simulation/shrink.js'

// Many lives: CHATD_SIM_SEEDS=100000 CHATD_SIM_FIRST=1000 node .ci/test.js server/cluster/simulation.test.ts --test-timeout=0
const SEEDS = Number(process.env['CHATD_SIM_SEEDS'] ?? 200)
const FIRST_SEED = Number(process.env['CHATD_SIM_FIRST'] ?? 1)
const STORMY_SEEDS = Math.ceil(SEEDS / 4)
const STEPS = 200

test('what was acknowledged is at every owner, through crashes, pauses, partitions and a store that loses its data', async () => {
  let [acknowledged, takeovers, crashes, storeLosses] = [0, 0, 0, 0]
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const options = { seed, steps: STEPS }
    const result = await new ClusterSimulation(options).run().catch(async (error: unknown) => {
      throw await shrinkCluster(options) ?? error
    })
    acknowledged += result.acknowledged
    takeovers += result.takeovers
    crashes += result.crashes
    storeLosses += result.storeLosses
  }
  // A simulation in which nothing happens proves nothing.
  if (SEEDS < 10) return
  assert.ok(acknowledged > SEEDS * 20, `${String(acknowledged)} acknowledged`)
  assert.ok(takeovers > SEEDS / 8, `${String(takeovers)} takeovers`)
  assert.ok(crashes > SEEDS && storeLosses > SEEDS, `${String(crashes)} crashes, ${String(storeLosses)} losses of the store`)
})

test('what was acknowledged is at every owner, where the store fails over and is flushed again and again', async () => {
  let storeLosses = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + STORMY_SEEDS; seed++) storeLosses += (await new ClusterSimulation({ seed, steps: STEPS, isStormy: true }).run()).storeLosses
  assert.ok(storeLosses > STORMY_SEEDS * 20, `${String(storeLosses)} losses of the store`)
})

test('the simulation is deterministic: the same seed gives the same run', async () => {
  const [one, other] = [new ClusterSimulation({ seed: 7, steps: 100 }), new ClusterSimulation({ seed: 7, steps: 100 })]
  await one.run()
  await other.run()
  assert.deepEqual(one.trace, other.trace)
})

test('once found: a node copies from an owner whose changelog has lost where the copy had got to', async () => {
  await new ClusterSimulation({ seed: 5_000_663, steps: STEPS, isStormy: true }).run()
})

test('once found: a store loses the end of a record of which its only member has read a part', async () => {
  await new ClusterSimulation({ seed: 200_315, steps: STEPS }).run()
})

/** Planted bugs: within how many lives they show, and as what. */
const LOST = /was acknowledged as/
const PLANTS: readonly [name: string, options: Omit<ClusterSimulationOptions, 'seed' | 'steps'>, seeds: number, breach: RegExp][] = [
  ['a store that takes appends whoever owns the shard', { storePlants: { ignoresToken: true } }, 60, /was acknowledged as|two owners|does not continue/],
  ['a commit that is acknowledged before it is in the changelog', { nodePlants: { acknowledgesEarly: true } }, 40, /was acknowledged as|reads \d+ when/],
  ['an owner that keeps what the changelog does not have', { nodePlants: { engineFirst: true } }, 60, /was acknowledged as|other rows|numbers up to/],
  ['a standby that is ahead of its owner', { nodePlants: { standbyFirst: true } }, 60, /was acknowledged as|other rows|numbers up to/],
  ['a position that is written apart from what it is the position of', { nodePlants: { positionApart: true } }, 60, LOST],
  ['an owner that takes its lease for longer than it is', { nodePlants: { trustsLease: true } }, 60, /reads \d+ when/],
  ['a store that has lost its tail and is believed', { storePlants: { forgetsDoubt: true } }, 60, LOST],
]

for (const [name, options, seeds, expected] of PLANTS) {
  test(`${name} is caught by the simulation`, async () => {
    assert.match(await firstBreach({ ...options, steps: STEPS }, seeds, expected) ?? 'none', expected)
  })
}

test('a breach is told in the fewest steps that lead to it', async () => {
  const breach = await shrinkCluster({ seed: 1, steps: STEPS, nodePlants: { acknowledgesEarly: true } })
  assert.match(breach?.message ?? '', /was acknowledged as|reads \d+ when/)
  assert.equal(await shrinkCluster({ seed: 1, steps: 20 }), null)
})
