/** What every engine promises, as tests; each engine runs them all. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '../engine.js'
import type { Engine, Entry, ReadRange } from '../engine.js'

/** Opens a new, empty engine, closed when the test ends. */
export type OpenForTest = (t: TestContext) => Promise<Engine>

const ALL = { gte: Buffer.from([0]), lt: Buffer.from([0xff]), limit: 100_000 }

export function engineSuite(name: string, open: OpenForTest): void {
  describe(`${name}: reading and writing`, () => { readAndWrite(open) })
  describe(`${name}: order and atomicity`, () => { orderAndAtomicity(open) })
  describe(`${name}: life cycle`, () => { lifeCycle(open) })
}

function readAndWrite(open: OpenForTest): void {
  test('returns what was committed, and undefined for what was not', async (t) => {
    const engine = await open(t)
    await put(engine, ['a', '1'], ['b', ''], ['c', '3'])
    assert.deepEqual(text(await engine.get(key('a'))), '1')
    assert.deepEqual(text(await engine.get(key('b'))), '')
    assert.equal(await engine.get(key('d')), undefined)
    assert.deepEqual((await engine.getMany([key('c'), key('x'), key('a')])).map(text), ['3', undefined, '1'])
    assert.deepEqual(await engine.getMany([]), [])
  })

  test('takes plain Uint8Arrays, also as views into larger memory', async (t) => {
    const engine = await open(t)
    const memory = new Uint8Array([9, 9, 1, 2, 3, 9])
    const batch = engine.batch()
    batch.put(memory.subarray(2, 4), memory.subarray(4, 5))
    await engine.commit(batch)
    assert.deepEqual([...await engine.get(new Uint8Array([1, 2])) ?? []], [3])
  })

  test('within a batch the last operation on a key counts', async (t) => {
    const engine = await open(t)
    const batch = engine.batch()
    batch.put(key('a'), key('1'))
    batch.delete(key('a'))
    batch.delete(key('b'))
    batch.put(key('b'), key('2'))
    assert.equal(batch.size, 4)
    await engine.commit(batch)
    assert.equal(await engine.get(key('a')), undefined)
    assert.equal(text(await engine.get(key('b'))), '2')
  })

  test('commits an empty batch', async (t) => {
    const engine = await open(t)
    await engine.commit(engine.batch())
    assert.deepEqual(await engine.range(ALL), [])
  })

  test('stores values of a megabyte', async (t) => {
    const engine = await open(t)
    const value = Buffer.alloc(1 << 20, 'x')
    const batch = engine.batch()
    batch.put(key('big'), value)
    await engine.commit(batch)
    assert.ok(value.equals(await engine.get(key('big')) ?? Buffer.alloc(0)))
  })

  test('stops a page at bytesMax, but never before its first entry', async (t) => {
    const engine = await open(t)
    const value = 'x'.repeat(199)
    await put(engine, ['a', value], ['b', value], ['c', value])
    const page = async (bytesMax: number): Promise<string> => names(await engine.range({ ...ALL, bytesMax }))
    assert.equal(await page(0), 'a')
    assert.equal(await page(1), 'a')
    assert.equal(await page(200), 'a')
    assert.equal(await page(220), 'ab')
    assert.equal(await page(400), 'ab')
    assert.equal(await page(420), 'abc')
    assert.equal(await page(10_000), 'abc')
    assert.equal(names(await engine.range({ ...ALL, bytesMax: 220, reverse: true })), 'cb')
  })

  test('gives nothing for an empty, a reversed or an unlimited-by-zero range', async (t) => {
    const engine = await open(t)
    await put(engine, ['b', '1'])
    assert.deepEqual(await engine.range({ gte: key('b'), lt: key('b'), limit: 9 }), [])
    assert.deepEqual(await engine.range({ gte: key('c'), lt: key('a'), limit: 9 }), [])
    assert.deepEqual(await engine.range({ ...ALL, limit: 0 }), [])
    await engine.trim({ gte: key('c'), lt: key('a') })
    assert.equal(names(await engine.range(ALL)), 'b')
  })

  test('trims a short and a long range, and nothing beside them', async (t) => {
    const engine = await open(t)
    const number = (n: number): Buffer => Buffer.from([2, n >>> 8, n & 0xff])
    const batch = engine.batch()
    batch.put(Buffer.from([1, 255]), key('before'))
    for (let n = 0; n < 3000; n++) batch.put(number(n), key('x'))
    batch.put(Buffer.from([3]), key('behind'))
    await engine.commit(batch)
    await engine.trim({ gte: number(0), lt: number(10) })
    assert.equal((await engine.range(ALL)).length, 2992)
    await engine.trim({ gte: number(5), lt: number(2999) })
    assert.deepEqual((await engine.range(ALL)).map(([k]) => [...k]), [[1, 255], [...number(2999)], [3]])
    // A range that was trimmed takes new rows.
    await put(engine, ['\x02\x00\x07', 'new'])
    assert.equal(text(await engine.get(number(7))), 'new')
  })
}

function orderAndAtomicity(open: OpenForTest): void {
  test('behaves like a sorted list, for all operations in any order', async (t) => {
    const engine = await open(t)
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 3 }).map((a) => Buffer.from(a.map((b) => b & 3 ? b & 3 : b)))
    const operation = fc.record({ key: bytes, value: fc.option(fc.uint8Array({ maxLength: 5 }), { nil: null }) })
    const range = fc.record({
      gte: bytes, lt: bytes, reverse: fc.boolean(), limit: fc.integer({ min: 1, max: 30 }),
    })
    const model = new Map<string, Buffer>()
    const step = fc.record({ operations: fc.array(operation, { maxLength: 20 }), ranges: fc.array(range, { maxLength: 4 }), trim: range })
    await fc.assert(fc.asyncProperty(step, async ({ operations, ranges, trim }) => {
      const batch = engine.batch()
      for (const { key, value } of operations) {
        if (value === null) {
          batch.delete(key)
          model.delete(key.toString('hex'))
        } else {
          batch.put(key, value)
          model.set(key.toString('hex'), Buffer.from(value))
        }
      }
      await engine.commit(batch)
      for (const options of ranges) {
        assert.deepEqual(hex(await engine.range(options)), hex(modelRange(model, options)))
        // With a bound on bytes: a beginning of that, and not nothing.
        const page = await engine.range({ ...options, bytesMax: 20 })
        const whole = modelRange(model, options)
        assert.deepEqual(hex(page), hex(whole.slice(0, page.length)))
        assert.equal(page.length > 0, whole.length > 0)
      }
      if (Buffer.compare(trim.gte, trim.lt) < 0 && trim.limit < 8) {
        await engine.trim(trim)
        for (const [k] of modelRange(model, { gte: trim.gte, lt: trim.lt, limit: Infinity })) model.delete(Buffer.from(k).toString('hex'))
      }
    }), { numRuns: 60 })
    assert.deepEqual(hex(await engine.range(ALL)), hex(modelRange(model, ALL)))
  })

  test('applies commits in the order of the calls', async (t) => {
    const engine = await open(t)
    const commits: Promise<void>[] = []
    for (let n = 0; n < 40; n++) {
      const batch = engine.batch()
      batch.put(key('last'), key(String(n)))
      batch.put(key(`n${n}`), key('x'))
      commits.push(engine.commit(batch))
    }
    await Promise.all(commits)
    assert.equal(text(await engine.get(key('last'))), '39')
    assert.equal((await engine.range(ALL)).length, 41)
  })

  test('a page shows a commit as a whole or not at all', async (t) => {
    const engine = await open(t)
    const rows = 300
    const generation = (n: number): Promise<void> => {
      const batch = engine.batch()
      for (let row = 0; row < rows; row++) batch.put(Buffer.from([1, row >>> 8, row & 0xff]), key(String(n)))
      return engine.commit(batch)
    }
    await generation(0)
    for (let n = 1; n <= 15; n++) {
      const commit = generation(n)
      const pages = await Promise.all([engine.range(ALL), engine.range({ ...ALL, reverse: true }), commit.then(() => engine.range(ALL))])
      for (const page of pages) {
        assert.equal(page.length, rows)
        assert.equal(new Set(page.map(([, value]) => text(value))).size, 1)
      }
      assert.equal(text(pages[2][0]?.[1]), String(n))
    }
  })
}

function lifeCycle(open: OpenForTest): void {
  test('keeps its rows through reopen', async (t) => {
    const engine = await open(t)
    await put(engine, ['a', '1'])
    await engine.reopen()
    assert.equal(text(await engine.get(key('a'))), '1')
    await put(engine, ['b', '2'])
    await Promise.all([engine.reopen(), engine.reopen()])
    assert.equal(names(await engine.range(ALL)), 'ab')
  })

  test('takes a batch that was begun before reopen', async (t) => {
    const engine = await open(t)
    const batch = engine.batch()
    batch.put(key('a'), key('1'))
    await engine.reopen()
    await engine.commit(batch)
    assert.equal(text(await engine.get(key('a'))), '1')
  })

  test('close waits for what is under way and then refuses everything', async (t) => {
    const engine = await open(t)
    const batch = engine.batch()
    batch.put(key('a'), key('1'))
    const under = [engine.commit(batch), engine.get(key('a')), engine.range(ALL), engine.trim({ gte: key('x'), lt: key('y') })]
    await Promise.all([engine.close(), engine.close(), ...under])
    const again = engine.batch()
    again.put(key('b'), key('2'))
    const refused = { name: 'StorageError', code: 'closed' }
    await assert.rejects(engine.commit(again), refused)
    await assert.rejects(engine.get(key('a')), refused)
    await assert.rejects(engine.getMany([key('a')]), refused)
    await assert.rejects(engine.range(ALL), refused)
    await assert.rejects(engine.trim({ gte: key('x'), lt: key('y') }), refused)
    await assert.rejects(engine.reopen(), refused)
    await engine.close()
  })

  test('refuses the batch of a stranger', async (t) => {
    const engine = await open(t)
    await assert.rejects(engine.commit({ put: () => undefined, delete: () => undefined, size: 1, bytes: 0 }), TypeError)
    assert.ok(!(await engine.get(key('a')) as unknown instanceof StorageError))
  })
}

/** Commits these rows in one batch. */
export async function put(engine: Engine, ...rows: readonly [string, string][]): Promise<void> {
  const batch = engine.batch()
  for (const [k, v] of rows) batch.put(key(k), key(v))
  await engine.commit(batch)
}

function key(value: string): Buffer {
  return Buffer.from(value)
}

function text(value: Uint8Array | undefined): string | undefined {
  return value === undefined ? undefined : Buffer.from(value).toString()
}

function names(page: readonly Entry[]): string {
  return page.map(([k]) => text(k)).join('')
}

function hex(page: readonly Entry[]): string[] {
  return page.map(([k, v]) => Buffer.from(k).toString('hex') + '=' + Buffer.from(v).toString('hex'))
}

function modelRange(model: ReadonlyMap<string, Buffer>, { gte, lt, reverse, limit }: ReadRange): Entry[] {
  const inside = [...model].map(([k, v]): [Buffer, Buffer] => [Buffer.from(k, 'hex'), v])
    .filter(([k]) => Buffer.compare(k, gte) >= 0 && Buffer.compare(k, lt) < 0)
    .sort(([a], [b]) => Buffer.compare(a, b))
  if (reverse === true) inside.reverse()
  return inside.slice(0, limit)
}
