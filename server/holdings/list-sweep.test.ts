import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { everything } from '../../storage/owner-keys.js'
import type { Shard } from '../shard/shard.js'
import { ListSweep, type ListWork } from './list-sweep.js'

/** As much of a shard as a sweep knows, with a clock of its own. */
class FakeShard {
  nowMs = 0
  isAvailable = true
  readonly isClosed = false
  readonly engine = new MemoryEngine()
  #tasks: { readonly dueMs: number, readonly task: () => void }[] = []
  readonly environment = { scheduler: { after: (delayMs: number, task: () => void) => { this.#tasks.push({ dueMs: this.nowMs + delayMs, task }) } } }

  async committed(): Promise<void> { await turn() }

  reading<T>(read: Promise<T>): Promise<T> { return read }

  async pass(ms: number): Promise<void> {
    this.nowMs += ms
    const due = this.#tasks.filter(({ dueMs }) => dueMs <= this.nowMs)
    this.#tasks = this.#tasks.filter((each) => !due.includes(each))
    for (const { task } of due) task()
    for (let i = 0; i < 5; i++) await turn()
  }
}

function counting(): ListWork & { runs: number } {
  return {
    what: 'counting', runs: 0,
    due() {
      this.runs++
      return everything()
    },
    carryOut: () => Promise.resolve(true),
    waitMs: () => Promise.resolve(null),
  }
}

test('a sweep is not put off by a store that fails and comes back again and again', async () => {
  const shard = new FakeShard()
  const work = counting()
  const sweep = new ListSweep(shard as unknown as Shard, work)
  sweep.start()
  for (let i = 0; i < 10; i++) {
    await shard.pass(300)
    // As a shard does it: when the store has failed, and when it is back.
    shard.isAvailable = false
    sweep.start()
    await shard.pass(1)
    shard.isAvailable = true
    sweep.start()
  }
  assert.ok(work.runs >= 2, `it ran ${String(work.runs)} times in three seconds`)
})

test('a sweep whose time comes while the store is away runs when it is back', async () => {
  const shard = new FakeShard()
  const work = counting()
  const sweep = new ListSweep(shard as unknown as Shard, work)
  sweep.start()
  shard.isAvailable = false
  sweep.start()
  await shard.pass(5000)
  assert.equal(work.runs, 0)
  shard.isAvailable = true
  sweep.start()
  await shard.pass(1000)
  assert.equal(work.runs, 1)
})
