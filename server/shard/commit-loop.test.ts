import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { StorageError } from '../../storage/engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import type { LogFields } from '../log.js'
import { RouterError } from '../router/router.js'
import { CommitLoop } from './commit-loop.js'
import type { CommitHost } from './commit-loop.js'
import { SHARD_LIMITS } from './environment.js'
import { ConversationState } from './conversation-state.js'
import { DeviceState } from './device-state.js'
import { UserState } from './user-state.js'
import { Route } from './transaction.js'

/** Timers that run when told to. */
class Timers {
  readonly #tasks: { dueMs: number; run: () => void }[] = []
  #nowMs = 0

  defer(run: () => void): void {
    this.#tasks.push({ dueMs: this.#nowMs, run })
  }

  after(delayMs: number, run: () => void): void {
    this.#tasks.push({ dueMs: this.#nowMs + delayMs, run })
  }

  /** Time passes within a task. */
  advance(ms: number): void {
    this.#nowMs += ms
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms
    for (let task = this.#next(); task !== undefined; task = this.#next()) {
      task.run()
      await turn()
    }
  }

  #next(): { run: () => void } | undefined {
    const at = this.#tasks.findIndex((task) => task.dueMs <= this.#nowMs)
    return at < 0 ? undefined : this.#tasks.splice(at, 1)[0]
  }
}

function makeLoop(engine: MemoryEngine): { loop: CommitLoop; timers: Timers; events: string[] } {
  const timers = new Timers()
  const events: string[] = []
  const host: CommitHost = {
    seal: () => undefined,
    finish: () => { events.push('finished') },
    recover: () => Promise.resolve(),
    discard: () => { events.push('discarded') },
  }
  const write = (_: LogFields, event: string): void => { events.push(event) }
  const log = { debug: write, info: write, warn: write, error: write }
  const environment = { clock: { nowMs: () => 0 }, scheduler: timers, random32: () => 0, limits: SHARD_LIMITS, log }
  return { loop: new CommitLoop(engine, environment, host), timers, events }
}

function put(loop: CommitLoop, name: string): void {
  loop.open.batch.put(Buffer.from(name), Buffer.from('value'))
  loop.schedule()
}

void test('[MSG-1] a commit that hangs counts as failed, acknowledges nothing when it ends, and the store is opened again then', async () => {
  let release = (): void => undefined
  const engine = new MemoryEngine({ beforeCommit: () => new Promise<void>((resolve) => { release = resolve }) })
  const { loop, timers, events } = makeLoop(engine)
  put(loop, 'a')
  const waiting = assert.rejects(loop.whenCommitted(), RouterError)
  await timers.pass(0)
  assert.equal(loop.isAvailable, true)
  await timers.pass(SHARD_LIMITS.commitTimeoutMs)
  assert.deepEqual(events, ['storage-failed', 'discarded'])
  assert.equal(loop.isAvailable, false)
  release()
  await timers.pass(0)
  await turn()
  await waiting
  assert.deepEqual(events, ['storage-failed', 'discarded', 'discarded', 'storage-back'])
  assert.equal(loop.isAvailable, true)
  assert.equal(loop.committed, 0)
})

void test('a store that takes nothing is told with its reason until it is back', async () => {
  let isFull = true
  const full = (): void => { if (isFull) throw new StorageError('disk-full', 'no space left') }
  const { loop, timers, events } = makeLoop(new MemoryEngine({ beforeCommit: full, beforeOpen: full }))
  assert.equal(loop.trouble, '')
  put(loop, 'a')
  await timers.pass(0)
  await turn()
  assert.equal(loop.trouble, 'the store takes nothing: no space left')
  await timers.pass(0)
  assert.deepEqual(events, ['storage-failed', 'discarded', 'storage-not-open'])
  isFull = false
  await timers.pass(10_000)
  await turn()
  assert.equal(events.at(-1), 'storage-back')
  assert.equal(loop.trouble, '')
})

void test('a store that is another\'s from now on is no broken one: it is not told as such, nor opened again', async () => {
  let reopened = 0
  const lost = (): never => { throw new StorageError('lost', 'another node owns the shard') }
  const { loop, timers, events } = makeLoop(new MemoryEngine({ beforeCommit: lost, beforeOpen: () => { reopened++ } }))
  const opened = reopened
  put(loop, 'a')
  const waiting = assert.rejects(loop.whenCommitted(), RouterError)
  await timers.pass(0)
  await waiting
  await timers.pass(60_000)
  assert.deepEqual(events, ['storage-lost', 'discarded'])
  assert.equal(reopened, opened)
  await loop.close()
})

void test('a loop that is closed while its store is opened again says no more, whatever comes of that', async () => {
  for (const failure of [null, new Error('still broken')]) {
    let settle: (() => void) | null = null
    const engine = new MemoryEngine({
      beforeCommit: () => { throw new Error('broken') },
      beforeOpen: () => new Promise<void>((resolve, reject) => { settle = () => { if (failure === null) resolve(); else reject(failure) } }),
    })
    const { loop, timers, events } = makeLoop(engine)
    put(loop, 'a')
    await timers.pass(0)
    await turn()
    const before = [...events]
    const closed = loop.close()
    assert.ok(settle !== null)
    ;(settle as () => void)()
    await closed
    await timers.pass(60_000)
    assert.deepEqual(events, before)
  }
})

void test('one slow commit after the other is not taken for one that hangs', async () => {
  const releases: (() => void)[] = []
  const engine = new MemoryEngine({ beforeCommit: () => new Promise<void>((resolve) => { releases.push(resolve) }) })
  const { loop, timers, events } = makeLoop(engine)
  for (let i = 0; i < 4; i++) {
    put(loop, String(i))
    await timers.pass(SHARD_LIMITS.commitTimeoutMs * 0.7)
    releases.pop()?.()
    await turn()
  }
  assert.deepEqual(events, ['finished', 'finished', 'finished', 'finished'])
})

void test('an idle loop commits at once, one that has just committed much gathers first', async () => {
  const { loop, timers, events } = makeLoop(new MemoryEngine())
  for (let i = 0; i <= SHARD_LIMITS.gatherOperations; i++) put(loop, String(i))
  await timers.pass(0)
  await turn()
  put(loop, 'one more')
  await timers.pass(0)
  assert.deepEqual(events, ['finished'])
  await timers.pass(SHARD_LIMITS.gatherMs)
  await turn()
  assert.deepEqual(events, ['finished', 'finished'])
})

/** Fills the open transaction until it is crowded. */
function crowd(loop: CommitLoop): void {
  while (!loop.isCrowded) put(loop, String(loop.open.batch.size))
}

void test('[FLW-1] a large transaction is crowded, is committed at once, and lets in who waited a while after it', async () => {
  const { loop, timers, events } = makeLoop(new MemoryEngine())
  crowd(loop)
  assert.equal(loop.open.batch.size, SHARD_LIMITS.crowdedOperations)
  loop.whenRoom(() => { events.push('room') })
  await timers.pass(0)
  await turn()
  assert.deepEqual(events, ['finished'])
  assert.ok(loop.isCrowded, 'the others have some time of their own')
  await timers.pass(SHARD_LIMITS.gatherMs)
  assert.deepEqual(events, ['finished', 'room'])
  assert.ok(!loop.isCrowded)
  put(loop, 'gathers')
  await timers.pass(0)
  assert.equal(events.length, 2)
  for (let i = 0; i < SHARD_LIMITS.crowdedOperations; i++) put(loop, `more ${String(i)}`)
  loop.whenRoom(() => { events.push('room again') })
  await timers.pass(0)
  await turn()
  assert.equal(events[2], 'finished', 'does not gather for gatherMs when it is crowded')
  await timers.pass(SHARD_LIMITS.gatherMs)
  assert.equal(events[3], 'room again')
})

/** A large commit, a large transaction behind it, and `input` in each turn of the event loop. Returns the operations of the second commit. */
async function gathered(input: (turn: number, loop: CommitLoop, timers: Timers) => void): Promise<number> {
  const { loop, timers, events } = makeLoop(new MemoryEngine())
  crowd(loop)
  await timers.pass(0)
  await turn()
  let turns = 0
  const next = (): void => {
    if (events.length > 1 || turns === TURNS_MAX) return
    input(++turns, loop, timers)
    timers.defer(next)
  }
  timers.defer(next)
  for (let i = 0; i < SHARD_LIMITS.crowdedOperations; i++) put(loop, `second ${String(i)}`)
  await timers.pass(0)
  await turn()
  assert.equal(events.length, 2)
  return loop.lastSize - SHARD_LIMITS.crowdedOperations
}

const TURNS_MAX = 100

void test('a large transaction behind a large commit takes what comes in, until a turn of the event loop brings nothing', async () => {
  const taken = await gathered((number, loop) => { if (number <= 5) put(loop, `input ${String(number)}`) })
  assert.equal(taken, 5)
})

void test('an acknowledgement is input that more may follow', async () => {
  const taken = await gathered((number, loop) => {
    if (number === 6) put(loop, 'behind acknowledgements')
    else if (number < 6) loop.scheduleLazily()
  })
  assert.equal(taken, 1)
})

void test('a large transaction does not wait longer than gatherMsMax, however much comes in', async () => {
  const taken = await gathered((number, loop, timers) => {
    put(loop, `input ${String(number)}`)
    if (number === 10) timers.advance(SHARD_LIMITS.gatherMsMax)
  })
  assert.ok(taken >= 10 && taken < 15, String(taken))
})

void test('a large transaction does not wait for more than gatherBytesMax', async () => {
  const taken = await gathered((number, { open }) => { if (number === 1) open.batch.put(Buffer.from('large'), new Uint8Array(SHARD_LIMITS.gatherBytesMax)) })
  assert.equal(taken, 1)
})

void test('[FLW-1] a transaction of few and large operations is crowded, too', () => {
  const { loop } = makeLoop(new MemoryEngine())
  loop.open.batch.put(Buffer.from('a'), new Uint8Array(SHARD_LIMITS.crowdedBytes))
  assert.ok(loop.isCrowded)
})

void test('[FLW-1] a transaction that becomes crowded while another is committed is let go after that one', async () => {
  const releases: (() => void)[] = []
  const engine = new MemoryEngine({ beforeCommit: () => new Promise<void>((resolve) => { releases.push(resolve) }) })
  const { loop, timers, events } = makeLoop(engine)
  put(loop, 'a')
  await timers.pass(0)
  crowd(loop)
  loop.whenRoom(() => { events.push('room') })
  for (let commit = 1; commit <= 2; commit++) {
    await timers.pass(SHARD_LIMITS.gatherMs)
    assert.ok(loop.isCrowded)
    releases.pop()?.()
    await turn()
    await timers.pass(0)
  }
  await timers.pass(SHARD_LIMITS.gatherMs)
  assert.deepEqual(events, ['finished', 'finished', 'room'])
  assert.ok(!loop.isCrowded)
})

void test('[FLW-1] who waits for room is told when the commit fails, and nothing is crowded while they fail', async () => {
  const broken = (): never => { throw new Error('broken') }
  const engine = new MemoryEngine({ beforeCommit: broken, beforeOpen: broken })
  const { loop, timers, events } = makeLoop(engine)
  crowd(loop)
  loop.whenRoom(() => { events.push('room') })
  await timers.pass(0)
  await turn()
  await timers.pass(0)
  assert.ok(events.includes('storage-failed') && events.includes('room'))
  for (let i = 0; i < SHARD_LIMITS.crowdedOperations; i++) put(loop, String(i))
  assert.ok(!loop.isAvailable)
  assert.ok(!loop.isCrowded)
})

void test('a store that does not open is tried again, ever more slowly', async () => {
  let attempts = 0
  const engine = new MemoryEngine({
    beforeCommit: () => { throw new Error('broken') },
    beforeOpen: () => { if (++attempts < 4) throw new Error('still broken') },
  })
  const { loop, timers, events } = makeLoop(engine)
  put(loop, 'a')
  await timers.pass(0)
  await turn()
  assert.equal(attempts, 1)
  await timers.pass(250)
  await timers.pass(250)
  assert.equal(attempts, 2)
  await timers.pass(250)
  assert.equal(attempts, 3)
  await timers.pass(1000)
  await turn()
  assert.equal(attempts, 4)
  assert.deepEqual(events.filter((event) => event !== 'storage-not-open'), ['storage-failed', 'discarded', 'discarded', 'storage-back'])
})

void test('a store that opens and takes no commit is opened ever more slowly too, until it takes one', async () => {
  let attempts = 0
  let isBroken = true
  const engine = new MemoryEngine({
    beforeCommit: () => { if (isBroken) throw new Error('broken') },
    beforeOpen: () => { attempts++ },
  })
  const { loop, timers } = makeLoop(engine)
  const pass = async (ms: number): Promise<void> => {
    if (loop.isAvailable) put(loop, 'a')
    await timers.pass(ms)
    await turn()
  }
  for (let at = 0; at < 100; at++) await pass(10)
  assert.equal(attempts, 3, 'at once, after 250 ms and after 500')
  isBroken = false
  for (let at = 0; at < 100; at++) await pass(10)
  isBroken = true
  attempts = 0
  for (let at = 0; at < 5; at++) await pass(1)
  assert.equal(attempts, 1)
})

void test('watermarks wait for the next commit, but not for long', async () => {
  const { loop, timers, events } = makeLoop(new MemoryEngine())
  const route = new Route(new ConversationState('ann:bob', conversationKeys('ann:bob')), [])
  const { watermarkDelayMs } = SHARD_LIMITS
  const raise = (): void => {
    loop.open.markDirty(route)
    loop.scheduleWatermarks()
  }
  raise()
  await timers.pass(watermarkDelayMs - 1)
  assert.deepEqual(events, [])
  put(loop, 'a message takes them along')
  await timers.pass(0)
  await turn()
  assert.deepEqual(events, ['finished'])
  route.conversation.isDirty = false
  raise()
  await timers.pass(watermarkDelayMs)
  await turn()
  assert.deepEqual(events, ['finished', 'finished'])
})

void test('what can wait is handed on as it is, whatever there is of it, until a commit writes it', async () => {
  const { loop, timers } = makeLoop(new MemoryEngine())
  const user = new UserState('ann', userKeys('ann'))
  const device = new DeviceState(1, 'phone', '', 0)
  loop.open.late.moveCursor(user, device)
  const { late } = loop.open
  for (let i = 0; i < 3; i++) {
    loop.open.batch.put(user.keys.settings(), Buffer.from([i]))
    loop.schedule()
    await timers.pass(100)
    assert.equal(loop.open.late, late)
  }
  assert.equal(late.cursors.get(device), user)
  await timers.pass(500)
  assert.notEqual(loop.open.late, late)
  assert.ok(loop.open.late.isEmpty)
})

void test('who waits for the commit has what can wait written with it', async () => {
  const { loop, timers } = makeLoop(new MemoryEngine())
  const user = new UserState('ann', userKeys('ann'))
  loop.open.late.trim(user)
  const done = loop.whenCommitted()
  await timers.pass(0)
  await done
  assert.ok(loop.open.late.isEmpty)
})
