import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Breach } from './breach.js'
import { confirmedBeforeCommit, cursorOutsideBatch, deletedBeforeConfirmed, newsUnmissed, pendingUsesForgotten } from './channel-plants.js'
import {
  answersEarly, blockedAreTold, blocksIgnored, carriedIsHidden, carriesUncounted, cursorMovesOnWrite, deletedIsKept, deletedIsQueued, deliveredOnWrite, disabledComeIn, editsTwice,
  everybodyIsAdmin, expiredStayUnread, fanOutMissesOne, invitesUsedAgain, listsUntold, oneMemberIsAll, operationsTwice, presenceIgnoresBlocks, presenceStays, putsForgotten, queuesKeepExpired,
  reactionsLost, readsForgotten, receiptsFall, removedStillReads, retriesForgotten, statesOutlive, timersForgotten,
} from './plants.js'
import { shrink } from './shrink.js'
import { Simulation } from './simulation.js'
import type { SimulationOptions, Subject } from './simulation.js'

// Many lives: CHATD_SIM_SEEDS=100000 CHATD_SIM_FIRST=1000 node .ci/test.js server/testing/simulation --test-timeout=0
const SEEDS = Number(process.env['CHATD_SIM_SEEDS'] ?? 300)
/** With two and with three shards: a life of several takes as much longer. */
const SEVERAL_SHARDS_SEEDS = Math.ceil(SEEDS / 4)
const FIRST_SEED = Number(process.env['CHATD_SIM_FIRST'] ?? 1)

/** Runs seeds until one shows a breach. */
async function firstBreach(
  { makePlant, ...options }: Omit<SimulationOptions, 'seed'> & { makePlant?: () => NonNullable<SimulationOptions['plant']> }, seeds: number,
): Promise<Breach | null> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await new Simulation({ ...options, ...(makePlant === undefined ? {} : { plant: makePlant() }), seed }).run()
    } catch (error) {
      if (error instanceof Breach) return error
      throw error
    }
  }
  return null
}

void test('[MSG-1] [MSG-3] [MSG-6] [QUE-2] [QUE-10] [RCP-1] [RCP-2] [GRP-9] [GRP-11] [GRP-13] [GRP-14] [OPS-2] [OPS-7] [OPS-15] [PRF-10] [PRF-12] [PRF-16] [PRS-9] [INV-5] [INV-15] [DIS-2] [DIS-3] [DIS-4] [DIS-6] [BLB-13] [BLB-14] [BLB-16] the promises hold through crashes, failing disks and cut connections', async () => {
  let acknowledged = 0
  let crashes = 0
  let tooOld = 0
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const options = { seed, steps: 400 }
    const result = await new Simulation(options).run().catch(async (error: unknown) => {
      throw (await shrink(options))?.breach ?? error
    })
    acknowledged += result.acknowledged
    crashes += result.crashes
    tooOld += result.tooOld
  }
  // A simulation in which nothing happens proves nothing.
  if (SEEDS < 10) return
  assert.ok(acknowledged > SEEDS * 5, `${String(acknowledged)} messages acknowledged`)
  assert.ok(crashes > SEEDS / 2, `${String(crashes)} crashes`)
  assert.ok(tooOld > SEEDS / 20, `${String(tooOld)} devices told too old`)
})

for (const shards of [2, 3]) {
  void test(`[MSG-1] [MSG-3] [MSG-6] [QUE-2] [RCP-1] [RCP-2] [GRP-9] [GRP-11] [GRP-13] [GRP-14] [OPS-2] [OPS-7] [PRF-10] [PRF-12] [PRF-16] [PRS-5] [PRS-10] [INV-5] [INV-7] [DIS-2] [DIS-3] the promises hold with ${String(shards)} shards that crash by themselves`, async () => {
    let acknowledged = 0
    let crashes = 0
    for (let seed = FIRST_SEED; seed < FIRST_SEED + SEVERAL_SHARDS_SEEDS; seed++) {
      const options = { seed, shards, steps: 400 }
      const result = await new Simulation(options).run().catch(async (error: unknown) => {
        throw (await shrink(options))?.breach ?? error
      })
      acknowledged += result.acknowledged
      crashes += result.crashes
    }
    if (SEVERAL_SHARDS_SEEDS < 10) return
    assert.ok(acknowledged > SEVERAL_SHARDS_SEEDS * 4, `${String(acknowledged)} messages acknowledged`)
    assert.ok(crashes > SEVERAL_SHARDS_SEEDS, `${String(crashes)} crashes`)
  })
}

void test('the simulation is deterministic: the same seed gives the same run', async () => {
  const [one, other] = [new Simulation({ seed: 7, steps: 300 }), new Simulation({ seed: 7, steps: 300 })]
  await one.run()
  await other.run()
  assert.deepEqual(one.trace, other.trace)
})

void test('the simulation catches a disk that acknowledges before it has stored', async () => {
  const breach = await firstBreach({ steps: 400, faults: { acknowledgesEarly: true } }, 20)
  assert.match(breach?.message ?? '', /not on the disk/)
})

void test('a breach is told in the fewest steps that lead to it', async () => {
  const options = { seed: 1, steps: 80, faults: { acknowledgesEarly: true } }
  const shrunk = await shrink(options)
  assert.match(shrunk?.breach.message ?? '', /not on the disk/)
  // Somebody writes, and the server hears it.
  assert.ok(shrunk !== null && shrunk.steps <= 12, `${String(shrunk?.steps)} steps`)
  assert.equal(await shrink({ seed: 1, steps: 50 }), null)
})

void test('[QUE-2] the simulation catches a cursor that moves when something is written instead of acknowledged', async () => {
  const breach = await firstBreach({ steps: 400, plant: cursorMovesOnWrite }, 20)
  assert.match(breach?.message ?? '', /was told too old/)
})

void test('[MSG-3] the simulation catches a server that forgets after a restart what it has accepted', async () => {
  const breach = await firstBreach({ steps: 400, makePlant: retriesForgotten }, 40)
  assert.match(breach?.message ?? '', /was acknowledged as/)
})

void test('[RCP-1] the simulation catches a watermark that rises without an acknowledgement', async () => {
  const breach = await firstBreach({ steps: 400, plant: deliveredOnWrite, subjects: [] }, 20)
  assert.match(breach?.message ?? '', /is said to have received/)
})

void test('[RCP-2] the simulation catches a watermark that falls', async () => {
  const breach = await firstBreach({ steps: 400, plant: receiptsFall }, 20)
  assert.match(breach?.message ?? '', / fell from /)
})

void test('[GRP-9] the simulation catches a removed member that still reads', async () => {
  const breach = await firstBreach({ steps: 400, plant: removedStillReads }, 40)
  assert.match(breach?.message ?? '', / reads .* of #g, and was a member for /)
})

void test('[GRP-1] the simulation catches a fan-out that misses a member', async () => {
  const breach = await firstBreach({ steps: 400, plant: fanOutMissesOne }, 40)
  assert.match(breach?.message ?? '', / never got #g |unread, counted/)
})

void test('[GRP-14] the simulation catches a receipt for all that is true of one', async () => {
  const breach = await firstBreach({ steps: 400, plant: oneMemberIsAll }, 40)
  assert.match(breach?.message ?? '', /was told that all have received/)
})

void test('[OPS-2] the simulation catches an operation that happens twice', async () => {
  const breach = await firstBreach({ steps: 400, plant: operationsTwice }, 80)
  assert.match(breach?.message ?? '', /was acknowledged as/)
})

void test('[OPS-9] the simulation catches reactions that are lost', async () => {
  const breach = await firstBreach({ steps: 400, plant: reactionsLost, subjects: [] }, 120)
  assert.match(breach?.message ?? '', /, history |with the reactions/)
})

/** Planted bugs, by what is broken: where they show, within how many lives, and as what. */
const PLANTS: readonly [name: string, plant: NonNullable<SimulationOptions['plant']>, subjects: readonly Subject[], seeds: number, breach: RegExp][] = [
  ['[OPS-2] an edit that is applied twice', editsTwice, ['operations'], 40, /the edit .* happened twice|finds no|places,/],
  ['[OPS-6] a deletion by a member who is no admin', everybodyIsAdmin, ['operations'], 80, /could change #g|two operations/],
  ['[OPS-7] a log that keeps what was deleted', deletedIsKept, ['operations'], 20, /was deleted and is on the disk/],
  ['[OPS-7] a queue that keeps what was deleted', deletedIsQueued, ['operations'], 80, /is sent .*, which was deleted/],
  ['[PRF-10] a message that is delivered while its sender is blocked', blocksIgnored, ['blocks'], 20, /was shown .* of one whom it had blocked|, whom it has blocked/],
  ['[PRF-12] a blocked user who is told what the blocker receives', blockedAreTold, ['blocks'], 80, /, who has blocked it, has |which is hidden from it/],
  ['[PRF-16] flags that are lost in a crash', answersEarly, ['lists'], 20, /^seed .*: (flags|contact|the name|list) /],
  ['[PRF-8] a device that is not told of a list\'s last version', listsUntold, ['lists'], 20, /was told version .* of list/],
  ['[INV-5] an invite that is used once more', invitesUsedAgain, ['invites'], 20, /uses made|times, and made/],
  ['[INV-15] a disabled account that is let in', disabledComeIn, ['access'], 20, /was let in, and is disabled|its session goes on/],
  ['[PRS-9] a presence that is told to one who is blocked', presenceIgnoresBlocks, ['presence', 'blocks'], 80, /was told that .* (is online|was seen)|offline, or hides that|hides when/],
  ['[PRS-5] a watcher who is not told of a change', presenceStays, ['presence'], 120, /was told of .*, which is/],
  ['[DIS-2] a timer that is lost in a crash', timersForgotten, ['expiry'], 20, /, sent at .* under a timer of /],
  ['[DIS-3] a queue that hands out what has expired', queuesKeepExpired, ['expiry'], 40, /is handed .*, which has expired/],
  ['[DIS-4] a sweep that forgets what operations made of a message', statesOutlive, ['expiry', 'operations'], 80, /has expired and is on the disk|and it has expired/],
  ['[DIS-4] a sweep that leaves unread as it is', expiredStayUnread, ['expiry'], 20, /unread.*, counted/],
  ['[BLB-13] a message whose blob is not counted', carriesUncounted, ['blobs'], 20, /references|is referred to|does not find/],
  ['[BLB-14] an upload that ends, and what it has put stays', putsForgotten, ['blobs'], 40, /object that nothing names/],
  ['[BLB-16] a message that is shown, and its blob is not', carriedIsHidden, ['blobs'], 20, /does not find/],
  ['[RCP-2] a read watermark that goes back', readsForgotten, [], 20, /it was acknowledged up to/],
]

/** Bugs of channels: they show with several shards. */
const CHANNEL_PLANTS: readonly [name: string, plant: NonNullable<SimulationOptions['plant']>, seeds: number, breach: RegExp][] = [
  ['[QUE-1] a channel\'s cursor that is written apart from the effects', cursorOutsideBatch, 40, /came behind|come to rest/],
  ['[QUE-1] an entry that is confirmed before its commit', confirmedBeforeCommit, 120, /come to rest|never got|keeps what/],
  ['[QUE-1] an entry that is deleted before it is confirmed', deletedBeforeConfirmed, 40, /come to rest|never got|not listed/],
]

for (const [name, plant, seeds, expected] of CHANNEL_PLANTS) {
  void test(`${name} is caught by the simulation`, async () => {
    const breach = await firstBreach({ steps: 400, shards: 3, plant, subjects: ['operations'] }, seeds)
    assert.match(breach?.message.split('\n')[0] ?? '', expected)
  })
}

for (const [name, plant, subjects, seeds, expected] of PLANTS) {
  void test(`${name} is caught by the simulation`, async () => {
    const breach = await firstBreach({ steps: 400, plant, subjects }, seeds)
    assert.match(breach?.message.split('\n')[0] ?? '', expected)
  })
}

void test('[INV-5] the simulation catches a use of an invite that is counted again while its account is being made elsewhere', async () => {
  const breach = await firstBreach({ steps: 400, shards: 2, plant: pendingUsesForgotten, subjects: ['invites'] }, 40)
  assert.match(breach?.message ?? '', /was used \d+ times/)
})

void test('[PRS-5] the simulation catches shards that never miss what is lost of who is online', async () => {
  const breach = await firstBreach({ steps: 400, shards: 2, plant: newsUnmissed, subjects: ['presence'] }, 40)
  assert.match(breach?.message ?? '', /was told of/)
})
