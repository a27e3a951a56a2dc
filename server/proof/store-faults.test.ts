/** What the store and the clock may do to a server at work. The same as commands, for longer: main.ts. */
import { test } from 'node:test'
import { clockJumps, clockJumpsTooFar } from './clock-jumps.js'
import { scopeOf } from './scope.js'
import { commitErrors, diskFull, mountSmallDisk } from './store-faults.js'

const seed = (): number => Date.now() % 1_000_000

test('[MSG-1] [MSG-3] fsync and reads fail, with the batch on disk or not: nothing acknowledged is lost, and it goes on by itself', async (t) => {
  await commitErrors(scopeOf(t), { clients: 12, rounds: 6, seed: seed() })
})

for (const engine of ['auto', 'leveldb'] as const) {
  test(`[MSG-1] the disk is full, with the engine '${engine}': nothing acknowledged is lost, and it goes on once there is space`, async (t) => {
    const scope = scopeOf(t)
    const disk = mountSmallDisk(scope)
    if (disk === null) t.skip('a small file system can\'t be mounted here: that takes root')
    else await diskFull(scope, disk, { clients: 12, rounds: engine === 'auto' ? 1 : 2, seed: seed() }, engine)
  })
}

test('[MSG-14] the clock jumps forward and back: order and times hold, nobody is locked out', async (t) => {
  await clockJumps(scopeOf(t), { clients: 12, rounds: 6, seed: seed() })
})

test('[QUE-8] [TOK-4] the clock jumps by years: tokens expire and queues are too old, and everything arrives all the same', async (t) => {
  await clockJumpsTooFar(scopeOf(t))
})
