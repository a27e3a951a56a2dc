/**
 * Owners of the shard change at random moments, links are lost, while devices send: see testing/owner-simulation.ts. CHATD_OWNERS_SEEDS
 * runs more lives, CHATD_OWNERS_FIRST begins at another one.
 */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { ClusterSession } from './cluster-session.js'
import { OwnerSimulation } from './testing/owner-simulation.js'
import { Unanswered } from './unanswered.js'

const FIRST = Number(process.env['CHATD_OWNERS_FIRST'] ?? 1)
const SEEDS = Number(process.env['CHATD_OWNERS_SEEDS'] ?? 40)
const STEPS = 1500
const PLANT_SEEDS = 60

test('owners change and links are lost: every message is there once, in order, and no session ends', async () => {
  let [messages, moves, resumed] = [0, 0, 0]
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const result = await new OwnerSimulation(seed).run(STEPS)
    messages += result.messages
    moves += result.moves
    resumed += result.resumed
  }
  assert.ok(messages > 50 * SEEDS && moves > 5 * SEEDS && resumed > 8 * SEEDS, `${String(messages)} messages, ${String(moves)} moves, ${String(resumed)} resumed`)
})

async function isCaught(complaint: RegExp): Promise<void> {
  await assert.rejects(async () => {
    for (let seed = 1; seed <= PLANT_SEEDS; seed++) await new OwnerSimulation(seed).run(STEPS)
  }, complaint)
}

function plant<T extends object>(t: TestContext, target: T, method: keyof T, bug: unknown): void {
  const right = target[method]
  target[method] = bug as T[typeof method]
  t.after(() => { target[method] = right })
}

test('a planted bug is caught: what was not answered is not sent again', async (t) => {
  plant(t, Unanswered.prototype, 'sendTo', () => {})
  await isCaught(/refused with stale-client-id|does not come to rest/)
})

test('a planted bug is caught: what was not answered is sent again in another order', async (t) => {
  const { sendTo } = Unanswered.prototype
  plant(t, Unanswered.prototype, 'sendTo', function reversed(this: Unanswered, router: Parameters<typeof sendTo>[0], attachment: Parameters<typeof sendTo>[1]) {
    const calls: (() => void)[] = []
    const message: typeof router.message = (...args) => calls.push(() => router.message(args[0], args[1], args[2], args[3].slice(), args[4]))
    sendTo.call(this, { message } as typeof router, attachment)
    for (const call of calls.reverse()) call()
  })
  await isCaught(/refused with stale-client-id/)
})

test('a planted bug is caught: entries that the device was sent over an earlier place are sent again', async (t) => {
  const { entries } = ClusterSession.prototype
  plant(t, ClusterSession.prototype, 'entries', function all(this: ClusterSession, frames: Uint8Array, last: number, count: number) {
    let wasTold = false
    const told = this.sink.entries.bind(this.sink)
    this.sink.entries = (...run) => {
      wasTold = true
      told(...run)
    }
    entries.call(this, frames, last, count)
    this.sink.entries = told
    if (!wasTold) told(frames, last, count)
  })
  await isCaught(/has \d+ and gets \d+/)
})

test('a planted bug is caught: what the device has acknowledged does not reach the next owner', async (t) => {
  plant(t, ClusterSession.prototype, 'catchUp', () => {})
  await isCaught(/does not come to rest/)
})

test('a planted bug is caught: a session that goes on takes the place of a later one', async (t) => {
  const { resumption } = ClusterSession.prototype
  plant(t, ClusterSession.prototype, 'resumption', function anew(this: ClusterSession) {
    const { resumes: _stamp, ...request } = resumption.call(this)
    return request
  })
  await isCaught(/was ended/)
})
