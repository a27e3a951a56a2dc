import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { COPY_MARK } from './copy-mark.js'
import { StorageError } from './engine.js'
import type { Engine, StorageErrorCode } from './engine.js'
import { everything } from './owner-keys.js'
import { shardMetaKey } from './shard-keys.js'
import { loadLevel } from './level-engine.js'
import { maskedCrc32c } from './log-check.js'
import { openEngine, STORE_FORMAT } from './open.js'
import type { EngineLoaders, OpenOptions } from './open.js'
import { loadRocks } from './rocks-binding.js'
import { OpBatch } from './op-batch.js'
import { MAILBOX_BYTES } from './rocks-mailbox.js'
import { RocksThread } from './rocks-thread.js'
import { RocksWriter } from './rocks-writer.js'
import { startChild } from './testing/child.js'
import { put } from './testing/engine-suite.js'
import { smallDisk } from './testing/small-disk.js'
import { closeAfter, temporaryDirectory } from './testing/temporary-directory.js'

const ENGINES = ['rocksdb', 'leveldb'] as const

const noRocks: EngineLoaders = {
  leveldb: loadLevel,
  rocksdb: () => Promise.reject(new StorageError('engine-unavailable', 'RocksDB does not load on this machine: no binary')),
}

for (const engine of ENGINES) {
  test(`${engine}: a new directory gets metadata, for its owner's eyes alone, and opens again`, async (t) => {
    const directory = path.join(await temporaryDirectory(t), 'some', 'data')
    await withStore({ directory, engine, create: true }, async (store) => {
      assert.equal(store.name, engine)
      await put(store, ['a', '1'])
    })
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    assert.deepEqual((await readdir(directory)).sort(), [engine, 'store.json'].sort())
    const metadata = JSON.parse(await readFile(path.join(directory, 'store.json'), 'utf8')) as Record<string, unknown>
    assert.equal(metadata['format'], STORE_FORMAT)
    assert.equal(metadata['engine'], engine)
    assert.match(String(metadata['id']), /^[0-9a-f-]{36}$/)
    await withStore({ directory, engine: 'auto', create: false }, async (store) => {
      assert.equal(store.name, engine)
      assert.equal(Buffer.from(await store.get(Buffer.from('a')) ?? []).toString(), '1')
    })
    assert.equal(JSON.parse(await readFile(path.join(directory, 'store.json'), 'utf8')).id, metadata['id'])
  })

  test(`${engine}: a second process is told who holds the store, and gets it once that one is dead`, async (t) => {
    const directory = await temporaryDirectory(t)
    const holder = startChild(t, directory, engine, 'hold')
    assert.deepEqual(await holder.next(), { opened: true })
    const message = await refused({ directory, engine, create: true }, 'locked')
    assert.match(message, new RegExp(`\\bpid ${holder.process.pid}\\b`))
    // SIGKILL leaves the holder file, and the engine's LOCK file, behind.
    await holder.kill()
    assert.ok((await readdir(directory)).includes('holder.json'))
    await withStore({ directory, engine, create: true }, async (store) => {
      // The other way around: this process holds it, the child is refused; and again after a second attempt in this process.
      await refused({ directory, engine, create: false }, 'locked')
      const other = startChild(t, directory, engine, 'once')
      const line = await other.next()
      assert.equal(line?.code, 'locked')
      assert.match(line.message ?? '', new RegExp(`\\bpid ${process.pid}\\b`))
      await put(store, ['a', '1'])
    })
    const last = startChild(t, directory, engine, 'once')
    assert.deepEqual(await last.next(), { opened: true })
  })

  test(`${engine}: what another process is making or writing right now is in use, not damaged`, async (t) => {
    const directory = await temporaryDirectory(t)
    const files = path.join(directory, engine)
    const holder = startChild(t, directory, engine, 'hold')
    await holder.next()
    const log = (await readdir(files)).find((name) => name.endsWith('.log')) ?? assert.fail()
    // As it would be read in the middle of a write: something, and the beginning of a batch behind it.
    await writeFile(path.join(files, log), Buffer.concat([Buffer.alloc(9, 7), logRecord('batch')]))
    await refused({ directory, engine, create: true }, 'locked')
    await rm(path.join(directory, 'store.json'))
    await refused({ directory, engine: 'auto', create: false }, 'locked')
    await refused({ directory, engine: engine === 'rocksdb' ? 'leveldb' : 'rocksdb', create: true }, 'locked')
    await holder.kill()
    await refused({ directory, engine: 'auto', create: false }, 'corrupt')
  })

  test(`${engine}: a holder file that names a dead process, or nobody, only costs the name`, async (t) => {
    const directory = await temporaryDirectory(t)
    const holder = startChild(t, directory, engine, 'hold')
    await holder.next()
    for (const text of ['{"pid":2147483646}', '{"pid":-1}', '{}', 'no json']) {
      await writeFile(path.join(directory, 'holder.json'), text)
      assert.match(await refused({ directory, engine, create: true }, 'locked'), /in use by another process/)
    }
  })

  test(`${engine}: an engine's file that is damaged or missing is reported, not replaced`, async (t) => {
    const directory = await storeIn(t, engine)
    const files = path.join(directory, engine)
    const manifest = (await readdir(files)).find((name) => name.startsWith('MANIFEST-')) ?? assert.fail()
    await overwrite(path.join(files, manifest))
    await refused({ directory, engine, create: true }, 'corrupt')
    await rm(path.join(files, manifest))
    assert.notEqual(await codeOf({ directory, engine, create: true }), null)
    await rm(path.join(files, 'CURRENT'))
    const message = await refused({ directory, engine, create: true }, 'corrupt')
    assert.match(message, /restore the whole of/)
  })

  test(`${engine}: a damaged row is an error for whoever reads it, however it is read`, async (t) => {
    const directory = await temporaryDirectory(t)
    const key = (n: number): Buffer => shardMetaKey(`k${String(n).padStart(5, '0')}`)
    await withStore({ directory, engine, create: true }, async (store) => {
      const batch = store.batch()
      for (let n = 0; n < 2000; n++) batch.put(key(n), Buffer.from(`value ${n}`.repeat(20)))
      await store.commit(batch)
      // Recovery writes the log's rows into a table.
      await store.reopen()
    })
    const files = path.join(directory, engine)
    for (const name of await readdir(files)) {
      if (/\.(sst|ldb)$/.test(name)) await flipBits(path.join(files, name))
    }
    await withStore({ directory, engine, create: false }, async (store) => {
      const damaged = { name: 'StorageError', code: 'corrupt' }
      await assert.rejects(store.get(key(15)), damaged)
      await assert.rejects(store.getMany([key(1), key(700)]), damaged)
      await assert.rejects(store.range({ ...everything(), limit: 2000 }), damaged)
    })
  })

  test(`${engine}: a single bit that flipped in a value is an error, not another value`, async (t) => {
    const directory = await temporaryDirectory(t)
    // Random, so that it is stored uncompressed and can be found in the file.
    const value = randomBytes(500)
    await withStore({ directory, engine, create: true }, async (store) => {
      const batch = store.batch()
      batch.put(shardMetaKey('bit'), value)
      await store.commit(batch)
      await store.reopen()
    })
    const files = path.join(directory, engine)
    let found = 0
    for (const name of await readdir(files)) {
      const bytes = await readFile(path.join(files, name))
      const at = bytes.indexOf(value)
      if (at < 0) continue
      found++
      bytes[at + 250] = (bytes[at + 250] ?? 0) ^ 1
      await writeFile(path.join(files, name), bytes)
    }
    assert.equal(found, 1)
    await withStore({ directory, engine, create: false }, async (store) => {
      await assert.rejects(store.get(shardMetaKey('bit')), { name: 'StorageError', code: 'corrupt' })
      await assert.rejects(store.range({ ...everything(), limit: 9 }), { name: 'StorageError', code: 'corrupt' })
    })
  })

  test(`${engine}: a full disk fails the commit with its code; with space again, reopen goes on where the last commit was`, async (t) => {
    const directory = await smallDisk(t, 64)
    if (directory === null) return
    const store = closeAfter(t, await openEngine({ directory: path.join(directory, 'data'), engine, create: true }))
    await put(store, ['a', 'kept'])
    const filler = path.join(directory, 'filler')
    execFileSync('sh', ['-c', `dd if=/dev/zero of=${filler} bs=1M count=100 2>/dev/null || true`])
    let failure: unknown = null
    for (let n = 0; failure === null && n < 200; n++) {
      const batch = store.batch()
      batch.put(shardMetaKey(`n${n}`), Buffer.alloc(256 << 10, n))
      failure = await store.commit(batch).then(() => null, (error: unknown) => error)
    }
    assert.ok(failure instanceof StorageError)
    assert.equal(failure.code, 'disk-full')
    assert.match(failure.message, /free some/)
    await assert.rejects(put(store, ['x', '1']), { code: 'closed' })
    await assert.rejects(openEngine({ directory: path.join(directory, 'other'), engine, create: true }), { code: 'disk-full' })
    await rm(filler)
    await store.reopen()
    assert.equal(Buffer.from(await store.get(Buffer.from('a')) ?? []).toString(), 'kept')
    await put(store, ['x', '1'])
  })

  test(`${engine}: a directory that cannot be written is reported as such`, async (t) => {
    const parent = await temporaryDirectory(t)
    const directory = path.join(parent, 'data')
    await withStore({ directory, engine, create: true }, (store) => put(store, ['a', '1']))
    execFileSync('chmod', ['-R', 'a+rX,a-w', parent])
    closeAfter(t, { close: () => Promise.resolve(execFileSync('chmod', ['-R', 'u+w', parent])) })
    for (const existing of [directory, path.join(parent, 'new')]) {
      const line = await startChild(t, existing, engine, 'unprivileged').next()
      assert.equal(line?.code, 'read-only', line?.message)
      assert.match(line.message ?? '', /check its owner, permissions and mount/)
    }
  })

  test(`${engine}: a creation that was interrupted is finished, but data without metadata are not adopted`, async (t) => {
    const directory = await temporaryDirectory(t)
    await withStore({ directory, engine, create: true }, () => Promise.resolve())
    await rm(path.join(directory, 'store.json'))
    assert.match(await refused({ directory, engine, create: false }, 'corrupt'), /store\.json/)
    await withStore({ directory, engine, create: true }, (store) => put(store, ['a', '1']))
    await rm(path.join(directory, 'store.json'))
    assert.match(await refused({ directory, engine, create: true }, 'corrupt'), /store\.json/)
    const other = engine === 'rocksdb' ? 'leveldb' : 'rocksdb'
    assert.match(await refused({ directory, engine: other, create: true }, 'corrupt'), new RegExp(`files of a ${engine} store`))
  })
}

test('another engine than the directory\'s is refused', async (t) => {
  const directory = await storeIn(t, 'leveldb')
  assert.match(await refused({ directory, engine: 'rocksdb', create: true }, 'wrong-engine'), /"leveldb" or "auto"/)
})

test('a directory without a store is not made one unless asked', async (t) => {
  const directory = await temporaryDirectory(t)
  await refused({ directory, engine: 'auto', create: false }, 'not-found')
  await refused({ directory: path.join(directory, 'missing'), engine: 'auto', create: false }, 'not-found')
  assert.deepEqual(await readdir(directory), [])
})

test('a newer format is refused, whatever else the file says', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(path.join(directory, 'store.json'), JSON.stringify({ format: STORE_FORMAT + 1, motor: 'x' }))
  assert.match(await refused({ directory, engine: 'auto', create: true }, 'newer-format'), new RegExp(`format ${STORE_FORMAT + 1}`))
})

test('a store of an older format is opened, and says from then on that older programs can\'t read it', async (t) => {
  const directory = await storeIn(t, 'leveldb')
  const file = path.join(directory, 'store.json')
  const metadata = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  await writeFile(file, JSON.stringify({ ...metadata, format: 1 }))
  const engine = await openEngine({ directory, engine: 'auto', create: false })
  await engine.close()
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), { ...metadata, format: STORE_FORMAT })
})

test('damaged metadata are refused and left as they are', async (t) => {
  const directory = await storeIn(t, 'leveldb')
  const file = path.join(directory, 'store.json')
  const good = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  const bad: unknown[] = [
    null, 7, [], {}, { ...good, format: 0 }, { ...good, format: 1.5 }, { ...good, format: '1' }, { ...good, engine: 'sqlite' },
    { ...good, id: 1 }, { ...good, created: null },
  ]
  for (const text of ['', '{', '\0\0\0\0', ...bad.map((value) => JSON.stringify(value))]) {
    await writeFile(file, text)
    assert.match(await refused({ directory, engine: 'auto', create: true }, 'corrupt'), /store\.json is damaged/)
    assert.equal(await readFile(file, 'utf8'), text)
  }
})

test('metadata that cannot be read are an error of their own', async (t) => {
  const directory = await temporaryDirectory(t)
  await mkdir(path.join(directory, 'store.json'))
  await refused({ directory, engine: 'auto', create: true }, 'io')
})

test('without RocksDB\'s binary a new directory gets LevelDB, an existing one of RocksDB is refused', async (t) => {
  const parent = await temporaryDirectory(t)
  const fallback = { directory: path.join(parent, 'new'), engine: 'auto', create: true } as const
  await withStore(fallback, async (store) => { assert.equal(store.name, 'leveldb') }, noRocks)
  const directory = path.join(parent, 'rocks')
  await withStore({ directory, engine: 'auto', create: true }, async (store) => { assert.equal(store.name, 'rocksdb') })
  assert.match(await refused({ directory, engine: 'auto', create: true }, 'engine-unavailable', noRocks), /holds a rocksdb store/)
  await refused({ directory: path.join(parent, 'third'), engine: 'rocksdb', create: true }, 'engine-unavailable', noRocks)
  await withStore({ directory, engine: 'rocksdb', create: true }, () => Promise.resolve())
})

test('both engines load here', async () => {
  assert.equal(typeof (await loadRocks()).RocksLevel, 'function')
  assert.equal(typeof (await loadLevel()).ClassicLevel, 'function')
})

test('a package that does not load says why', async () => {
  await assert.rejects(loadRocks('no-such-engine'), { name: 'StorageError', code: 'engine-unavailable', message: /no-such-engine/ })
})

test('a thread of the engine that dies fails what waits for it and all that comes', async () => {
  // No database has this address, so that the threads end while they start.
  const handle = undefined as unknown as bigint
  const reader = new RocksThread('test', { handle })
  const request = { kind: 'get', keys: [new Uint8Array(1)] } as const
  await assert.rejects(reader.request(request), { name: 'StorageError', code: 'io' })
  await assert.rejects(reader.request(request), { name: 'StorageError', code: 'io' })
  await reader.stop()

  const writer = new RocksWriter(handle)
  const batch = new OpBatch()
  batch.put(new Uint8Array(1), new Uint8Array(1))
  const [commit, trim] = [writer.commit(batch), writer.trim(new Uint8Array(1), new Uint8Array(2))]
  await assert.rejects(commit, { name: 'StorageError', code: 'io' })
  await assert.rejects(trim, { name: 'StorageError', code: 'io' })
  await assert.rejects(writer.commit(batch), { name: 'StorageError', code: 'io' })
  await writer.stop()
})

test('each of many reads at once gets its own answer, also where the engine closes behind them', async (t) => {
  const directory = await temporaryDirectory(t)
  const engine = await openEngine({ directory, engine: 'rocksdb', create: true })
  const keys = Array.from({ length: 200 }, (_, i) => Buffer.from(`key ${String(i)}`))
  const batch = engine.batch()
  for (const key of keys) batch.put(key, Buffer.from(`of ${key.toString()}`))
  await engine.commit(batch)
  const found = keys.map((key) => engine.get(key))
  const ranges = keys.map((key) => engine.range({ gte: key, lt: Buffer.concat([key, Buffer.from([0])]), limit: 1 }))
  const closed = engine.close()
  for (const [at, key] of keys.entries()) {
    assert.equal(Buffer.from((await found[at])!).toString(), `of ${key.toString()}`)
    assert.deepEqual((await ranges[at])!.map(([each]) => Buffer.from(each).toString()), [key.toString()])
  }
  await closed
})

test('a commit larger than the memory that the threads share is one commit all the same', async (t) => {
  const directory = await temporaryDirectory(t)
  const engine = await openEngine({ directory, engine: 'rocksdb', create: true })
  const value = Buffer.alloc(MAILBOX_BYTES / 4, 7)
  const batch = engine.batch()
  for (let i = 0; i < 5; i++) batch.put(Buffer.from([i]), value)
  // A trim and a small commit beside it take their turn behind it.
  const small = engine.batch()
  small.put(Buffer.from([9]), Buffer.from('small'))
  await Promise.all([engine.commit(batch), engine.commit(small), engine.trim({ gte: Buffer.from([0]), lt: Buffer.from([1]) })])
  const rows = await engine.range({ gte: Buffer.from([1]), lt: Buffer.from([10]), limit: 10 })
  assert.deepEqual(rows.map(([key]) => key[0]), [1, 2, 3, 4, 9])
  assert.deepEqual(Buffer.from(rows[3]?.[1] ?? []), value)
  await engine.close()
})

test('a copy that was interrupted is not opened', async (t) => {
  const directory = await temporaryDirectory(t)
  await withStore({ directory, engine: 'leveldb', create: true }, async (store) => {
    const batch = store.batch()
    batch.put(COPY_MARK, new Uint8Array(0))
    await store.commit(batch)
  })
  assert.match(await refused({ directory, engine: 'auto', create: true }, 'corrupt'), /copy again/)
})

/** A record of a write-ahead log that is whole: see log-check.ts. */
function logRecord(text: string): Buffer {
  const record = Buffer.concat([Buffer.alloc(6), Buffer.from([1]), Buffer.from(text)])
  record.writeUInt16LE(text.length, 4)
  record.writeUInt32LE(maskedCrc32c(record, 6, record.length), 0)
  return record
}

async function withStore(options: OpenOptions, work: (store: Engine) => Promise<unknown>, loaders?: EngineLoaders): Promise<void> {
  const store = await openEngine(options, loaders)
  try {
    await work(store)
  } finally {
    await store.close()
  }
}

async function storeIn(t: TestContext, engine: OpenOptions['engine']): Promise<string> {
  const directory = await temporaryDirectory(t)
  await withStore({ directory, engine, create: true }, (store) => put(store, ['a', '1']))
  return directory
}

/** Asserts that opening is refused with this code and gives the message. */
async function refused(options: OpenOptions, code: StorageErrorCode, loaders?: EngineLoaders): Promise<string> {
  try {
    await (await openEngine(options, loaders)).close()
  } catch (error) {
    assert.ok(error instanceof StorageError, String(error))
    assert.equal(error.code, code, error.message)
    return error.message
  }
  return assert.fail('it was opened')
}

async function codeOf(options: OpenOptions): Promise<string | null> {
  try {
    await (await openEngine(options)).close()
    return null
  } catch (error) {
    return error instanceof StorageError ? error.code : assert.fail(String(error))
  }
}

async function overwrite(file: string): Promise<void> {
  const handle = await open(file, 'r+')
  try {
    await handle.write(Buffer.alloc((await handle.stat()).size, 0x55), 0)
  } finally {
    await handle.close()
  }
}

/** Damages what a table file begins with: its rows, not its index. */
async function flipBits(file: string): Promise<void> {
  const bytes = await readFile(file)
  for (let at = 40; at < bytes.length / 2; at += 50) bytes[at] = (bytes[at] ?? 0) ^ 0x55
  await writeFile(file, bytes)
}
