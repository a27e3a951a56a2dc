/** A server that is stopped in the middle of everything and gets another number of shards keeps all its promises. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Simulation } from '../testing/simulation/simulation.js'

// Many lives: CHATD_SIM_SEEDS=10000 CHATD_SIM_FIRST=1000 node .ci/test.js server/split --test-timeout=0
const SEEDS = Number(process.env['CHATD_SIM_SEEDS'] ?? 18)
const FIRST_SEED = Number(process.env['CHATD_SIM_FIRST'] ?? 1)
const STEPS = 400
/** Numbers of shards, one after the other. */
const WAYS: readonly (readonly [number, ...number[]])[] = [[2, 3], [3, 2], [1, 3, 2], [2, 1], [3, 5, 1, 2]]

for (const [shards, ...others] of WAYS) {
  void test(`[MSG-1] [MSG-3] [MSG-6] [QUE-2] [RCP-1] [GRP-9] [GRP-13] [OPS-7] [PRF-12] [INV-5] [BLB-13] [BLB-16] the promises hold where ${String(shards)} shards become ${others.join(', then ')}`, async () => {
    let [acknowledged, settled] = [0, 0]
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
      const reshards = new Map(others.map((count, at) => [Math.floor(STEPS * (at + 1) / (others.length + 1)), count]))
      const result = await new Simulation({ seed, steps: STEPS, shards, reshards }).run()
      acknowledged += result.acknowledged
      settled += result.settled
    }
    // A simulation in which nothing happens proves nothing.
    assert.ok(acknowledged > SEEDS * 4, `${String(acknowledged)} messages acknowledged`)
    if (shards > 1 && SEEDS > 10) assert.ok(settled > SEEDS, `${String(settled)} entries settled`)
  })
}
