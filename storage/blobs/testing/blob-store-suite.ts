/** What every store of blobs promises, as tests; each store runs them all. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import fc from 'fast-check'
import type { BlobStore } from '../blob-store.js'
import { temporaryDirectory } from '../../testing/temporary-directory.js'
import { bytesOf, nameOf, putBytes, readAll } from './bytes.js'

/** Opens a new, empty store, closed when the test ends. */
export type OpenStoreForTest = (t: TestContext) => Promise<BlobStore>

export function blobStoreSuite(name: string, open: OpenStoreForTest): void {
  const setUp = async (t: TestContext): Promise<{ store: BlobStore, directory: string }> => {
    const directory = await temporaryDirectory(t)
    return { directory, store: await open(t) }
  }
  describe(`${name}: putting and reading`, () => { putAndRead(setUp) })
  describe(`${name}: listing and deleting`, () => { listAndDelete(setUp) })
  describe(`${name}: refusals and life cycle`, () => { refusals(setUp) })
}

type SetUp = (t: TestContext) => Promise<{ store: BlobStore, directory: string }>

function putAndRead(setUp: SetUp): void {
  test('gives back what was put, and takes the file away', async (t) => {
    const { store, directory } = await setUp(t)
    for (const size of [0, 1, 1000, 256 * 1024, 256 * 1024 + 1, 3_000_000]) {
      const bytes = bytesOf(size, size)
      const file = path.join(directory, 'upload')
      await writeFile(file, bytes)
      await store.put(nameOf(bytes), file, size)
      assert.equal(existsSync(file), false)
      assert.equal(await store.stat(nameOf(bytes)), size)
      assert.ok(bytes.equals(await readAll(await store.read(nameOf(bytes), 0, size))), `${size} bytes`)
    }
  })

  test('an object that is there keeps its bytes and the file goes all the same, however often it is put', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(1, 5000)
    for (let time = 0; time < 3; time++) {
      const name = await putBytes(store, directory, bytes)
      assert.ok(bytes.equals(await readAll(await store.read(name, 0, 5000))))
    }
    assert.equal(existsSync(path.join(directory, 'to-put-1')), false)
    // A repetition of a put whose answer was lost finds no file any more.
    await store.put(nameOf(bytes), path.join(directory, 'gone'), 5000)
  })

  test('takes the same object from many at once', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(2, 100_000)
    const names = await Promise.all(Array.from({ length: 8 }, () => putBytes(store, directory, bytes)))
    assert.ok(bytes.equals(await readAll(await store.read(names[0]!, 0, bytes.length))))
  })

  test('gives any range, to the byte', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(3, 300_000)
    const name = await putBytes(store, directory, bytes)
    const place = fc.oneof(fc.constantFrom(0, 1, 262_143, 262_144, 262_145, 299_999, 300_000), fc.nat(300_000))
    await fc.assert(fc.asyncProperty(place, place, async (one, other) => {
      const [start, end] = [Math.min(one, other), Math.max(one, other)]
      const read = await readAll(await store.read(name, start, end))
      assert.ok(bytes.subarray(start, end).equals(read), `${start} to ${end}: ${read.length} bytes`)
    }), { numRuns: 60 })
  })

  test('its chunks are the reader\'s, and each stream has its own', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(4, 700_000)
    const name = await putBytes(store, directory, bytes)
    const streams = await Promise.all(Array.from({ length: 4 }, () => store.read(name, 0, bytes.length)))
    for (const read of await Promise.all(streams.map((stream) => readAll(stream)))) {
      assert.ok(bytes.equals(read))
      read.fill(0)
    }
    assert.ok(bytes.equals(await readAll(await store.read(name, 0, bytes.length))))
  })

  test('a stream that is destroyed in the middle ends, and the store goes on', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(5, 2_000_000)
    const name = await putBytes(store, directory, bytes)
    for (let time = 0; time < 20; time++) {
      const stream = await store.read(name, 0, bytes.length)
      if (time % 2 === 0) await once(stream, 'readable')
      const closed = once(stream, 'close')
      stream.destroy()
      await closed
    }
    assert.ok(bytes.equals(await readAll(await store.read(name, 0, bytes.length))))
  })

  test('what is not there is not found', async (t) => {
    const { store } = await setUp(t)
    const name = nameOf(bytesOf(6, 1))
    assert.equal(await store.stat(name), null)
    for (const end of [0, 1]) await assert.rejects(store.read(name, 0, end), { name: 'BlobError', code: 'not-found' })
  })

  test('a range that ends behind the object is an error, never a shorter answer', async (t) => {
    const { store, directory } = await setUp(t)
    const name = await putBytes(store, directory, bytesOf(7, 1000))
    const empty = await putBytes(store, directory, new Uint8Array(0))
    for (const [of, start, end] of [[name, 0, 1001], [name, 999, 1001], [name, 1000, 1001], [name, 5000, 6000], [empty, 0, 1]] as const) {
      await assert.rejects(async () => readAll(await store.read(of, start, end)), { name: 'BlobError', code: 'damaged' }, `${start} to ${end}`)
    }
  })
}

function listAndDelete(setUp: SetUp): void {
  test('lists in order of name, from any place', async (t) => {
    const { store, directory } = await setUp(t)
    const listed = async (after: string): Promise<string[]> => {
      const names: string[] = []
      for await (const { name } of store.list(after)) names.push(name)
      return names
    }
    assert.deepEqual(await listed(''), [])
    const begun = Date.now()
    const names: string[] = []
    for (let seed = 0; seed < 25; seed++) names.push(await putBytes(store, directory, bytesOf(seed, seed)))
    names.sort()
    assert.deepEqual(await listed(''), names)
    for (const after of [names[0]!, names[11]!, names[24]!, names[11]!.slice(0, 2), names[11]!.slice(0, 5), 'f'.repeat(64), '0']) {
      assert.deepEqual(await listed(after), names.filter((name) => name > after), after)
    }
    for await (const { name, size, modifiedMs } of store.list('')) {
      assert.equal(size, await store.stat(name))
      // Stores keep seconds.
      assert.ok(modifiedMs > begun - 5000 && modifiedMs < Date.now() + 5000, `${modifiedMs}`)
    }
  })

  test('a list may be left in the middle, and objects deleted while it goes on', async (t) => {
    const { store, directory } = await setUp(t)
    for (let seed = 0; seed < 12; seed++) await putBytes(store, directory, bytesOf(seed, 10))
    for await (const { name } of store.list('')) {
      assert.equal(name.length, 64)
      break
    }
    for await (const { name } of store.list('')) await store.delete(name)
    for await (const { name } of store.list('')) assert.fail(name)
  })

  test('what was deleted is gone, may be deleted again, and put again', async (t) => {
    const { store, directory } = await setUp(t)
    const bytes = bytesOf(8, 100)
    const name = await putBytes(store, directory, bytes)
    await store.delete(name)
    assert.equal(await store.stat(name), null)
    await assert.rejects(store.read(name, 0, 100), { code: 'not-found' })
    await store.delete(name)
    await store.delete(nameOf(bytesOf(9, 1)))
    await putBytes(store, directory, bytes)
    assert.equal(await store.stat(name), 100)
  })
}

function refusals(setUp: SetUp): void {
  test('a name that is no hash, and a range that is none, are refused before anything is done', async (t) => {
    const { store, directory } = await setUp(t)
    const file = path.join(directory, 'upload')
    await writeFile(file, 'x')
    const name = 'ab'.repeat(32)
    const bad = ['', 'ab', '../../../etc/passwd', `../${'a'.repeat(61)}`, name.toUpperCase(), `${name}/..`, `${name}\n`, `${name}?x`, '%2e'.repeat(21) + 'a']
    for (const wrong of [...bad, undefined as unknown as string, [name] as unknown as string]) {
      await assert.rejects(store.put(wrong, file, 1), TypeError)
      await assert.rejects(store.read(wrong, 0, 1), TypeError)
      await assert.rejects(store.stat(wrong), TypeError)
      await assert.rejects(store.delete(wrong), TypeError)
    }
    for (const [start, end] of [[-1, 1], [2, 1], [0.5, 1], [0, NaN], [0, Infinity]] as const) {
      await assert.rejects(store.read(name, start, end), TypeError)
    }
    assert.ok(existsSync(file))
  })

  test('a file of another size than was said is refused, and nothing of it is seen', async (t) => {
    const { store, directory } = await setUp(t)
    const file = path.join(directory, 'upload')
    const bytes = bytesOf(10, 100)
    await writeFile(file, bytes)
    for (const size of [99, 101, 0]) await assert.rejects(store.put(nameOf(bytes), file, size), { name: 'BlobError', code: 'damaged' })
    assert.ok(existsSync(file))
    assert.equal(await store.stat(nameOf(bytes)), null)
  })

  test('a file that is not there is an error where the object is not either', async (t) => {
    const { store, directory } = await setUp(t)
    await assert.rejects(store.put('ab'.repeat(32), path.join(directory, 'missing'), 1), { name: 'BlobError', code: 'internal' })
  })

  test('a check passes, any number of times, and leaves nothing to be listed', async (t) => {
    const { store } = await setUp(t)
    await store.check()
    await store.check()
    for await (const { name } of store.list('')) assert.fail(name)
  })

  test('a closed store refuses everything', async (t) => {
    const { store, directory } = await setUp(t)
    const name = await putBytes(store, directory, bytesOf(11, 10))
    await store.close()
    await store.close()
    const refused = { name: 'BlobError', code: 'unavailable' }
    await assert.rejects(putBytes(store, directory, bytesOf(11, 10)), refused)
    await assert.rejects(store.read(name, 0, 10), refused)
    await assert.rejects(store.stat(name), refused)
    await assert.rejects(store.delete(name), refused)
    await assert.rejects(store.check(), refused)
    await assert.rejects(store.list('')[Symbol.asyncIterator]().next(), refused)
  })
}
