/** Data directories that are split, and those that can't be. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { openEngine } from '../../storage/open.js'
import { openStores } from '../../storage/open-stores.js'
import { userNames } from '../../storage/shard-keys.js'
import { readShardCount, shardDirectory } from '../../storage/shards-file.js'
import { temporaryDirectory } from '../../storage/testing/temporary-directory.js'
import { leaveCluster } from '../cluster/cluster-data.js'
import { BEGINNING } from '../cluster/position.js'
import { type CopyProgress, packState, STATE_KEY } from '../cluster/shard-rows.js'
import { configOf } from '../config/config.js'
import { ConfigError } from '../config/config-error.js'
import { openUserAdmin } from '../control/user-admin.js'
import { openServerSecret } from '../session/server-secret.js'
import { VERIFIER } from '../testing/shard-harness.js'
import { readShape } from '../workers/shape.js'
import { Refusal } from './refusal.js'
import { splitDirectory } from './split-directory.js'

const USERS = Array.from({ length: 30 }, (_, number) => `user${String(number)}`)

async function withUsers(t: TestContext): Promise<{ directory: string, to: string }> {
  const folder = await temporaryDirectory(t)
  const directory = join(folder, 'one')
  const admin = await openUserAdmin(configOf({ data: { directory, engine: 'leveldb' } }), true)
  for (const user of USERS) await admin.addUser(user, VERIFIER)
  await admin.close()
  return { directory, to: join(folder, 'several') }
}

test('a directory is split into one with a store for each shard, and stays as it is', async (t) => {
  const { directory, to } = await withUsers(t)
  const secret = openServerSecret(directory, 4096)
  const { rows, files } = await splitDirectory(directory, 3, to)
  assert.equal(rows.get('names'), USERS.length)
  assert.equal(files, null)
  assert.equal(await readShardCount(to), 3)
  assert.deepEqual(openServerSecret(to, 10_000), secret)
  let names = 0
  for (let shard = 0; shard < 3; shard++) {
    const engine = await openEngine({ directory: shardDirectory(to, shard), engine: 'auto', create: false })
    assert.equal(engine.name, 'leveldb')
    names += (await engine.range({ ...userNames(''), limit: 100 })).length
    await engine.close()
  }
  assert.equal(names, USERS.length)
  const before = await openEngine({ directory, engine: 'auto', create: false })
  assert.equal((await before.range({ ...userNames(''), limit: 100 })).length, USERS.length)
  await before.close()
})

test('one of several shards gets more, fewer, or one again, and has what it had each time', async (t) => {
  const { directory, to } = await withUsers(t)
  const secret = openServerSecret(directory, 4096)
  let before = directory
  let rows: ReadonlyMap<string, number> | null = null
  for (const shards of [2, 5, 3, 1]) {
    const next = `${to}${String(shards)}`
    const split = await splitDirectory(before, shards, next)
    assert.equal(split.settled, 0)
    assert.deepEqual(split.rows, rows ?? split.rows)
    rows = split.rows
    assert.deepEqual(openServerSecret(next, 10_000), secret)
    assert.equal(await readShardCount(next), shards === 1 ? null : shards)
    before = next
  }
  const admin = await openUserAdmin(configOf({ data: { directory: before, engine: 'leveldb' } }), false)
  assert.deepEqual((await admin.users('', 100)).users.map(({ user }) => user), [...USERS].sort())
  await admin.close()
})

test('one that is still a part of a cluster is refused, and split when all of it has left that', async (t) => {
  const { directory, to } = await withUsers(t)
  await splitDirectory(directory, 2, to)
  const mark = async (shard: number, copy: CopyProgress | null): Promise<void> => {
    const engine = await openEngine({ directory: shardDirectory(to, shard), engine: 'auto', create: false })
    const batch = engine.batch()
    batch.put(STATE_KEY, packState('a'.repeat(16), BEGINNING, copy))
    await engine.commit(batch)
    await engine.close()
  }
  const leave = async (): Promise<boolean> => {
    const stores = await openStores(2, { directory: to, engine: 'auto', create: false })
    return leaveCluster(stores.engines, to).finally(() => stores.close())
  }
  assert.equal(await leave(), false)
  await mark(0, null)
  await mark(1, { after: Buffer.of(1), seen: 0 })
  await assert.rejects(splitDirectory(to, 3, `${to}3`), ConfigError)
  await assert.rejects(leave(), /no whole copy of shard 1/)
  await mark(1, null)
  assert.equal(await leave(), true)
  // It died when only one had left.
  await mark(1, null)
  assert.equal(await leave(), true)
  assert.equal((await splitDirectory(to, 3, `${to}3`)).rows.get('names'), USERS.length)
})

test('a node that has no rows of a shard does not leave its cluster with them', async () => {
  const engines = [new MemoryEngine(), new MemoryEngine()]
  const batch = engines[0]!.batch()
  batch.put(STATE_KEY, packState('a'.repeat(16), BEGINNING, null))
  await engines[0]!.commit(batch)
  await assert.rejects(leaveCluster(engines, 'd'), /no whole copy of shard 1/)
})

test('what is no directory of a server, is in use, or would overwrite something, is refused', async (t) => {
  const { directory, to } = await withUsers(t)
  await assert.rejects(splitDirectory(join(directory, 'nothing'), 2, to), { code: 'not-found' })
  const engine = await openEngine({ directory, engine: 'auto', create: false })
  await assert.rejects(splitDirectory(directory, 2, to), { code: 'locked' })
  await engine.close()
  mkdirSync(to)
  writeFileSync(join(to, 'something'), 'x')
  await assert.rejects(splitDirectory(directory, 2, to), { code: 'not-empty' })
  assert.equal(readFileSync(join(to, 'something'), 'utf8'), 'x')
  await splitDirectory(directory, 2, `${to}2`)
  await assert.rejects(splitDirectory(`${to}2`, 2, `${to}3`), Refusal)
  await assert.rejects(splitDirectory(shardDirectory(`${to}2`, 0), 3, `${to}3`), /one shard of several: name the directory/)
  await assert.rejects(openEngine({ directory: `${to}2`, engine: 'auto', create: true }), { code: 'several-shards' })
})

for (const shards of [1, 3]) {
  test(`what a split that was killed has left is opened by nobody: ${String(shards)} shards`, async (t) => {
    const { directory: one, to: two } = await withUsers(t)
    await splitDirectory(one, 2, two)
    const unfinished = `${two}-unfinished`
    const killed = new Error('killed')
    await assert.rejects(splitDirectory(two, shards, unfinished, { onProgress: () => { throw killed } }), killed)
    const config = configOf({ data: { directory: unfinished, shards } })
    const refusal = { name: 'StorageError', message: `a split into ${unfinished} was not finished: remove it, and split again` }
    await assert.rejects(readShape(config), refusal)
    await assert.rejects(openUserAdmin(config, true), refusal)
    await assert.rejects(openEngine({ directory: unfinished, engine: 'auto', create: true }), refusal)
    await assert.rejects(splitDirectory(unfinished, 5, `${two}5`), refusal)
    await assert.rejects(splitDirectory(two, shards, unfinished), refusal)
    rmSync(unfinished, { recursive: true })
    assert.equal((await splitDirectory(two, shards, unfinished)).rows.get('names'), USERS.length)
    assert.deepEqual(await readShape(config), { shards, workers: shards, isNew: false })
  })
}

test('a file of the number of shards that is none is not taken for one', async (t) => {
  const directory = await temporaryDirectory(t)
  for (const text of ['', '{', '{}', '{"format":1}', '{"format":1,"shards":1}', '{"format":1,"shards":2.5}', '{"format":1,"shards":100000}']) {
    writeFileSync(join(directory, 'shards.json'), text)
    await assert.rejects(readShardCount(directory), { code: 'corrupt' })
  }
  writeFileSync(join(directory, 'shards.json'), '{"format":2,"shards":2}')
  await assert.rejects(readShardCount(directory), { code: 'newer-format' })
})
