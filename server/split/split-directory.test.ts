/** Data directories that are split, and those that can't be. */
import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { openEngine } from '../../storage/open.js'
import { userNames } from '../../storage/shard-keys.js'
import { readShardCount, shardDirectory } from '../../storage/shards-file.js'
import { temporaryDirectory } from '../../storage/testing/temporary-directory.js'
import { configOf } from '../config/config.js'
import { openUserAdmin } from '../control/user-admin.js'
import { openServerSecret } from '../session/server-secret.js'
import { VERIFIER } from '../testing/shard-harness.js'
import { Refusal } from './row-home.js'
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

test('what is no directory of one shard, is in use, or would overwrite something, is refused', async (t) => {
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
  await assert.rejects(openEngine({ directory: `${to}2`, engine: 'auto', create: true }), { code: 'several-shards' })
})

test('a file of the number of shards that is none is not taken for one', async (t) => {
  const directory = await temporaryDirectory(t)
  for (const text of ['', '{', '{}', '{"format":1}', '{"format":1,"shards":1}', '{"format":1,"shards":2.5}', '{"format":1,"shards":100000}']) {
    writeFileSync(join(directory, 'shards.json'), text)
    await assert.rejects(readShardCount(directory), { code: 'corrupt' })
  }
  writeFileSync(join(directory, 'shards.json'), '{"format":2,"shards":2}')
  await assert.rejects(readShardCount(directory), { code: 'newer-format' })
})
