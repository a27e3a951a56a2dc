/** The storages: one suite for all, and what a crash may do to a file. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { appendFile, chmod, mkdir, mkdtemp, readFile, readdir, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { ClientError } from './client-error.js'
import { applyChanges, emptyState } from './state.js'
import type { ClientState, StorageChange } from './state.js'
import { fileStorage, fileStorageWithCompaction } from './storage-file-node.js'
import { indexedDbStorage } from './storage-indexeddb.js'
import type { DatabaseFactory } from './storage-indexeddb.js'
import { memoryStorage } from './storage-memory.js'
import { comparable, runStorageSuite } from './testing/storage-suite.js'

const LOCK_TAKER = fileURLToPath(new URL('testing/lock-taker.js', import.meta.url))

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chatd-storage-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

runStorageSuite('memory', () => {
  const place = memoryStorage()
  return Promise.resolve(() => place)
})
runStorageSuite('file', async (t) => {
  const path = await folder(t)
  return () => fileStorage(path)
})
runStorageSuite('file with a snapshot at every turn', async (t) => {
  const path = await folder(t)
  return () => fileStorageWithCompaction(path, 1)
})
runStorageSuite('IndexedDB', async () => {
  // Its types want the library of browsers, which is not Node's.
  const name = 'fake-indexeddb'
  const { IDBFactory } = await import(name) as { readonly IDBFactory: new () => DatabaseFactory }
  const factory = new IDBFactory()
  return () => indexedDbStorage('alice', factory)
})

const BATCHES: readonly (readonly StorageChange[])[] = [
  [{ kind: 'identity', user: 'alice', device: 'phone' }, { kind: 'token', token: Uint8Array.of(1, 2, 3) }],
  [{
    kind: 'outboxPut', record: { handle: 1, clientId: 1, kind: 'message', to: 'bob', text: 'hö', extensions: Uint8Array.of(9, 0), seq: 0 },
  }],
  [{ kind: 'cursor', queueEpoch: 1, cursor: 7 }, { kind: 'conversation', conversation: 'bob', tail: 3, shown: 3, own: [1, 2], echoes: [] }],
  [{ kind: 'outboxRemove', handle: 1 }],
]

/** A journal with all batches; returns its bytes, and how long it was after each. */
async function writeJournal(path: string): Promise<{ bytes: Buffer; ends: number[] }> {
  const storage = fileStorage(path)
  await storage.load()
  const ends = [0]
  for (const batch of BATCHES) {
    await storage.apply(batch)
    ends.push((await stat(join(path, 'journal'))).size)
  }
  await storage.close()
  return { bytes: await readFile(join(path, 'journal')), ends }
}

function stateAfter(count: number): unknown {
  const state = emptyState()
  for (const batch of BATCHES.slice(0, count)) applyChanges(state, batch)
  return comparable(state)
}

async function loadOnce(path: string): Promise<ClientState> {
  const storage = fileStorage(path)
  const state = await storage.load()
  await storage.close()
  return state
}

function codeOf(symbol: string): (error: unknown) => boolean {
  return (error) => error instanceof ClientError && error.symbol === symbol
}

test('a journal cut off at any byte gives the batches that are whole, and goes on from there', async (t) => {
  const path = await folder(t)
  const { bytes, ends } = await writeJournal(path)
  for (let size = 0; size <= bytes.length; size++) {
    await writeFile(join(path, 'journal'), bytes.subarray(0, size))
    const whole = ends.filter((end) => end <= size).length - 1
    assert.deepEqual(comparable(await loadOnce(path)), stateAfter(whole), `cut at ${size}`)
    const storage = fileStorage(path)
    await storage.load()
    await storage.apply([{ kind: 'limits', unacknowledgedMax: size }])
    await storage.close()
    assert.equal((await loadOnce(path)).unacknowledgedMax, size, `written after a cut at ${size}`)
  }
})

test('a torn last record is dropped: its bytes changed, or all zeros', async (t) => {
  const path = await folder(t)
  const { bytes, ends } = await writeJournal(path)
  const last = ends.at(-2) ?? 0
  for (let position = last; position < bytes.length; position++) {
    const torn = Buffer.from(bytes)
    torn.fill(0, position)
    await writeFile(join(path, 'journal'), torn)
    assert.deepEqual(comparable(await loadOnce(path)), stateAfter(BATCHES.length - 1), `zeros from ${position}`)
  }
})

test('damage before the last record is an error, wherever it is', async (t) => {
  const path = await folder(t)
  const { bytes, ends } = await writeJournal(path)
  for (let position = 0; position < (ends.at(-2) ?? 0); position++) {
    const damaged = Buffer.from(bytes)
    damaged[position] = (damaged[position] ?? 0) ^ 0x40
    await writeFile(join(path, 'journal'), damaged)
    await assert.rejects(loadOnce(path), codeOf('storage-damaged'), `byte ${position}`)
  }
})

test('a snapshot that was not finished does no harm', async (t) => {
  const path = await folder(t)
  await writeJournal(path)
  await writeFile(join(path, 'journal.new'), 'half a snap')
  assert.deepEqual(comparable(await loadOnce(path)), stateAfter(BATCHES.length))
  assert.deepEqual(await readdir(path), ['journal'])
})

test('a journal does not grow without bound', async (t) => {
  const path = await folder(t)
  const storage = fileStorageWithCompaction(path, 2000)
  await storage.load()
  for (let cursor = 1; cursor <= 300; cursor++) await storage.apply([{ kind: 'cursor', queueEpoch: 1, cursor }])
  await storage.close()
  assert.ok((await stat(join(path, 'journal'))).size < 4000)
  assert.equal((await loadOnce(path)).cursor, 300)
})

test('the directory and its files are for their owner alone', { skip: process.platform === 'win32' }, async (t) => {
  const path = join(await folder(t), 'new', 'alice')
  const storage = fileStorage(path)
  await storage.load()
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  for (const file of await readdir(path)) assert.equal((await stat(join(path, file))).mode & 0o777, 0o600)
  await storage.close()
})

test('a directory in use is refused; one left by a dead process, or by an earlier one of the same id, is taken over', async (t) => {
  const path = await folder(t)
  const storage = fileStorage(path)
  await storage.load()
  await assert.rejects(fileStorage(path).load(), codeOf('storage-locked'))
  await storage.close()

  await writeFile(join(path, 'lock'), `${process.pid} 1\n`)
  await loadOnce(path)
  const dead = spawnSync(process.execPath, ['-e', ''])
  await writeFile(join(path, 'lock'), `${dead.pid} 1\n`)
  await loadOnce(path)
  // The parent of this process lives; its lock is respected unless it names another start.
  await writeFile(join(path, 'lock'), `${process.ppid} \n`)
  await assert.rejects(loadOnce(path), codeOf('storage-locked'))
})

test('a directory left by a thread that died is taken over, while its process lives', { skip: !existsSync('/proc/thread-self') }, async (t) => {
  const path = await folder(t)
  const module = new URL('storage-file-node.js', import.meta.url).href
  const worker = new Worker(`import(${JSON.stringify(module)}).then(async ({ fileStorage }) => {
    await fileStorage(${JSON.stringify(path)}).load()
    require('node:worker_threads').parentPort.on('message', () => {}).postMessage('loaded')
  })`, { eval: true })
  await once(worker, 'message')
  await assert.rejects(loadOnce(path), codeOf('storage-locked'))
  await worker.terminate()
  await loadOnce(path)
})

test('processes that want one directory at the same time have it one at a time, wherever one of them dies', async (t) => {
  const path = await folder(t)
  const taker = async (times: number, end: 'dies' | 'ends'): Promise<void> => {
    const child = spawn(process.execPath, [LOCK_TAKER, path, String(times), end], { stdio: ['ignore', 'ignore', 'pipe'] })
    const said = text(child.stderr)
    const [code, signal] = await once(child, 'close') as [number | null, string | null]
    assert.equal(signal ?? code, end === 'dies' ? 'SIGKILL' : 0, await said)
  }
  await Promise.all([1, 2, 3].flatMap((n) => [taker(100, 'ends'), taker(n * 20, 'dies')]))
  await loadOnce(path)
  assert.deepEqual((await readdir(path)).filter((name) => name.includes('lock')), [])
})

test('a write that fails is told, and nothing is written after it', async (t) => {
  const path = await folder(t)
  const storage = fileStorage(path)
  await storage.load()
  await storage.close()
  await assert.rejects(storage.apply([{ kind: 'limits', unacknowledgedMax: 1 }]), codeOf('storage-failed'))
  await rm(join(path, 'journal'))
  await mkdir(join(path, 'journal'))
  await assert.rejects(loadOnce(path))
  await rm(join(path, 'journal'), { recursive: true })
  await loadOnce(path)
})

test('the helpers of this file can fail', async (t) => {
  const path = await folder(t)
  const { bytes } = await writeJournal(path)
  await appendFile(join(path, 'journal'), bytes)
  assert.deepEqual(comparable(await loadOnce(path)), stateAfter(BATCHES.length))
  await truncate(join(path, 'journal'), 0)
  assert.notDeepEqual(comparable(await loadOnce(path)), stateAfter(BATCHES.length))
  await chmod(path, 0o700)
})
