import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StorageError } from './engine.js'
import { MemoryEngine } from './memory-engine.js'
import { OrderedMap } from './ordered-map.js'
import { put } from './testing/engine-suite.js'

const ALL = { gte: Buffer.from([0]), lt: Buffer.from([0xff]), limit: 100 }

test('a commit that fails before it is applied leaves nothing, one that fails behind leaves all', async () => {
  let fails: 'before' | 'after' | null = 'before'
  const disk = (at: string) => (): void => {
    if (fails === at) throw Object.assign(new Error('write'), { code: 'ENOSPC' })
  }
  const engine = new MemoryEngine({ beforeCommit: disk('before'), afterCommit: disk('after') })
  await assert.rejects(put(engine, ['a', '1']), { name: 'StorageError', code: 'disk-full' })
  assert.equal(engine.size, 0)
  fails = 'after'
  await engine.reopen()
  await assert.rejects(put(engine, ['b', '1']), { code: 'disk-full' })
  assert.equal(engine.size, 1)
})

test('after a failed commit reads go on, commits and trims are refused until reopen succeeds', async () => {
  let disk: 'ok' | 'broken' = 'ok'
  const check = (): void => {
    if (disk === 'broken') throw new StorageError('io', 'broken')
  }
  const engine = new MemoryEngine({ beforeCommit: check, beforeOpen: check })
  await put(engine, ['a', '1'])
  disk = 'broken'
  const closed = { name: 'StorageError', code: 'closed' }
  const first = put(engine, ['b', '1'])
  const behind = put(engine, ['c', '1'])
  await assert.rejects(first, { code: 'io' })
  await assert.rejects(behind, closed)
  assert.ok(await engine.get(Buffer.from('a')))
  await assert.rejects(put(engine, ['d', '1']), closed)
  await assert.rejects(engine.trim(ALL), closed)
  await assert.rejects(engine.reopen(), { code: 'io' })
  await assert.rejects(put(engine, ['d', '1']), closed)
  await assert.rejects(engine.get(Buffer.from('a')), closed)
  disk = 'ok'
  await engine.reopen()
  await put(engine, ['d', '1'])
  assert.deepEqual((await engine.range(ALL)).map(([k]) => Buffer.from(k).toString()), ['a', 'd'])
})

test('close after a failed reopen, and reopen while closing', async () => {
  const engine = new MemoryEngine({ beforeOpen: () => Promise.reject(new Error('no')) })
  await assert.rejects(engine.reopen(), { code: 'io' })
  await engine.close()
  let opened: () => void = () => undefined
  const other = new MemoryEngine({ beforeOpen: () => new Promise((resolve) => { opened = resolve }) })
  const reopening = other.reopen()
  const closing = other.close()
  await new Promise(setImmediate)
  opened()
  await Promise.all([reopening, closing])
  await assert.rejects(put(other, ['a', '1']), { code: 'closed' })
})

test('a held commit is seen by nobody until it goes on, and reopen waits for it', async () => {
  let goOn: () => void = () => undefined
  const engine = new MemoryEngine({ beforeCommit: () => new Promise((resolve) => { goOn = resolve }) })
  const commit = put(engine, ['a', '1'])
  assert.equal(await engine.get(Buffer.from('a')), undefined)
  const crashed = engine.copy()
  const reopening = engine.reopen()
  goOn()
  await Promise.all([commit, reopening])
  assert.equal(engine.size, 1)
  assert.equal(crashed.size, 0)
})

test('copies keys and values when it commits, and a copy goes its own way', async () => {
  const engine = new MemoryEngine()
  const value = Buffer.from('1')
  const batch = engine.batch()
  batch.put(Buffer.from('a'), value)
  await engine.commit(batch)
  value[0] = 0
  const copy = engine.copy()
  await put(engine, ['a', '2'], ['b', '2'])
  assert.equal(Buffer.from(await copy.get(Buffer.from('a')) ?? []).toString(), '1')
  assert.equal(copy.size, 1)
})

test('an ordered map of many leaves keeps order through inserts and deletes from all sides', () => {
  const map = new OrderedMap()
  const key = (n: number): Buffer => Buffer.from([n >>> 8, n & 0xff])
  const count = 5000
  // 1237 and 5000 share no factor: every number once, in a scattered order.
  for (let i = 0; i < count; i++) map.set(key((i * 1237) % count), key(i))
  assert.equal(map.size, count)
  const whole = { gte: key(0), lt: Buffer.from([0xff, 0xff]), limit: Infinity }
  assert.deepEqual(map.range(whole).map(([k]) => Buffer.from(k).readUInt16BE(0)), Array.from({ length: count }, (_, i) => i))
  assert.deepEqual(map.range({ ...whole, reverse: true }), map.range(whole).reverse())
  assert.equal(map.get(key(count)), undefined)
  for (let i = 0; i < count; i++) {
    if (i % 7 !== 3) map.delete(key((i * 1237) % count))
  }
  map.delete(key(count))
  assert.equal(map.size, map.range(whole).length)
  assert.equal(map.size, 714)
  for (const [k] of map.range(whole)) map.delete(k)
  assert.equal(map.size, 0)
  assert.deepEqual(map.range(whole), [])
  map.set(key(1), key(1))
  assert.equal(map.size, 1)
})
