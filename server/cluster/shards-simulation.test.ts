/** Whole nodes with one to four shards, and people who talk, show pictures, change what they said, block each other and change a group, while machines, links, disks, clocks and the store fail and shards move. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterSimulation, type ClusterSimulationOptions } from './testing/simulation/cluster-simulation.js'
import { firstBreach, shrinkCluster } from './testing/simulation/shrink.js'

// Many lives: CHATD_SIM_SEEDS=100000 CHATD_SIM_FIRST=1000 node .ci/test.js server/cluster/shards-simulation.test.ts --test-timeout=0
const SEEDS = Number(process.env['CHATD_SIM_SEEDS'] ?? 60)
const FIRST_SEED = Number(process.env['CHATD_SIM_FIRST'] ?? 1)
const STEPS = 120
const SHARDS_MAX = 4

test('the promises hold at nodes with one to four shards, through crashes, pauses, partitions, moves and a store that loses its data', async () => {
  let [acknowledged, crossed, shown, looked, takeovers, crashes, storeLosses, moves] = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const options = { seed, steps: STEPS, shards: 1 + seed % SHARDS_MAX }
    const result = await new ClusterSimulation(options).run().catch(async (error: unknown) => {
      throw await shrinkCluster(options) ?? error
    })
    acknowledged += result.acknowledged
    crossed += result.crossed
    shown += result.shown
    looked += result.looked
    takeovers += result.takeovers
    crashes += result.crashes
    storeLosses += result.storeLosses
    moves += result.moves
  }
  // A simulation in which nothing happens proves nothing.
  if (SEEDS < 10) return
  assert.ok(acknowledged > SEEDS * 20 && crossed > SEEDS * 5, `${String(acknowledged)} acknowledged, ${String(crossed)} of them to another shard`)
  assert.ok(shown > SEEDS / 2 && looked > SEEDS / 10, `${String(shown)} pictures shown, ${String(looked)} looked at`)
  assert.ok(takeovers > SEEDS * 2.5 && moves > SEEDS / 8, `${String(takeovers)} takeovers, ${String(moves)} of them as the operator wanted`)
  assert.ok(crashes > SEEDS && storeLosses > SEEDS, `${String(crashes)} crashes, ${String(storeLosses)} losses of the store`)
})

test('the simulation of several shards is deterministic: the same seed gives the same run', async () => {
  const [one, other] = [new ClusterSimulation({ seed: 7, steps: 60, shards: 3 }), new ClusterSimulation({ seed: 7, steps: 60, shards: 3 })]
  await one.run()
  await other.run()
  assert.deepEqual(one.trace, other.trace)
})

/** Lives that broke a promise once: dice change with the code, so that they may show nothing any more. */
const FOUND: readonly [what: string, seed: number, shards: number, isStormy?: boolean][] = [
  ['a session that a device has left behind moves its queue on', 2109, 2],
  ['the same, among more shards', 2171, 4],
  ['nobody takes a shard in doubt of which a node that is not to follow has most', 2119, 4],
  ['a renewal from before the shard was taken, which comes late, leaves nobody who may take it', 100063, 4],
  ['a node that is no member has read an entry of an epoch that nobody else knows of', 3_000_225, 2, true],
  ['the changelog lacks what an owner reached by trims alone, which its disk does not know', 100_219, 4],
]

for (const [what, seed, shards, isStormy = false] of FOUND) {
  test(`once found: ${what}`, async () => {
    await new ClusterSimulation({ seed, steps: STEPS, shards, isStormy }).run()
  })
}

/** Planted bugs: within how many lives they show, and as what. */
const LOST = /never got|not on the disk|lost its memory|finds no|was acknowledged as|is never answered|come behind|came behind|come to rest|come together|keeps what|reads .* of #g|not listed/
const FILES = /not in the store|there is no such blob|does not find|its home does not know|is to be erased/
const PLANTS: readonly [name: string, options: Partial<ClusterSimulationOptions>, seeds: number, breach: RegExp][] = [
  ['a channel\'s cursor that is written apart from the effects', { shardPlants: { cursorOutsideBatch: true } }, 60, LOST],
  ['an entry that is confirmed before its commit', { shardPlants: { confirmedBeforeCommit: true } }, 60, LOST],
  ['an entry that is deleted before another shard has it', { shardPlants: { deletedBeforeConfirmed: true } }, 60, LOST],
  ['an entry of an ownership that ended without it', { shardPlants: { offeredBeforeCommit: true } }, 60, LOST],
  ['a move that acknowledges what the next owner has not got', { shardPlants: { movesEarly: true } }, 60, LOST],
  ['a block that is answered before other shards have it', { shardPlants: { answersEarly: true } }, 60, /could write to .*, whom it has blocked|was shown .* of one whom it had blocked|was refused to write to/],
  ['a delete that is answered before other shards have it', { shardPlants: { answersEarly: true } }, 60, /which was deleted/],
  ['a delete that the shard of a queue forgets', { shardPlants: { forgetsDeletes: true } }, 60, /which was deleted/],
  ['an edit that is done twice', { shardPlants: { editsTwice: true } }, 20, /happened twice/],
  ['a shard that nobody knows to hold a blob after a takeover', { shardPlants: { forgetsHolders: true } }, 60, FILES],
  ['a shard that is taken for a holder for ever', { shardPlants: { keepsDropped: true } }, 60, /is said to hold/],
  ['a release that counts twice', { shardPlants: { releasesTwice: true } }, 60, /has \d+ references, and|is referred to and not held/],
  ['a file that is found by who is not shown its message', { shardPlants: { findsForAnybody: true } }, 60, /finds what .* and is not shown it|finds the picture of/],
  ['a commit of a shard that is acknowledged before it is in the changelog', { nodePlants: { acknowledgesEarly: true } }, 60, LOST],
  ['a store that takes appends of a former owner', { storePlants: { ignoresToken: true } }, 60, /two owners|does not continue|not on the disk|other rows|came behind/],
]

for (const [name, options, seeds, expected] of PLANTS) {
  test(`${name} is caught by the simulation of several shards`, async () => {
    assert.match(await firstBreach({ steps: STEPS, shards: 3, ...options }, seeds, expected) ?? 'none', expected)
  })
}
