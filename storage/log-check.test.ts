import assert from 'node:assert/strict'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { shardMetaKey } from './shard-keys.js'
import { checkLogs, maskedCrc32c } from './log-check.js'
import { loadLevel } from './level-engine.js'
import { openEngine } from './open.js'
import { loadRocks } from './rocks-binding.js'
import { temporaryDirectory } from './testing/temporary-directory.js'

const COMMITS = 300
/** More than two blocks of the log. */
const VALUE_BYTES = 300

test('computes CRC-32C as the engines write it', () => {
  // RFC 3720, B.4 has e3069283 for these digits; the mask is LevelDB's.
  const crc = 0xe306_9283
  assert.equal(maskedCrc32c(Buffer.from('123456789'), 0, 9), (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0)
})

for (const engine of ['rocksdb', 'leveldb'] as const) {
  test(`${engine}: damage in front of other commits is found, wherever it is`, async (t) => {
    const { directory, file, bytes } = await logOf(t, engine)
    await checkLogs(path.join(directory, engine))
    const last = bytes.length - 3 * VALUE_BYTES
    for (const at of [0, 4, 5, 6, 50, 2000, 32_760, 32_768, 32_772, 40_000, 70_000, last]) {
      for (const length of [1, 20]) {
        const damaged = Buffer.from(bytes)
        for (let i = at; i < at + length; i++) damaged[i] = (damaged[i] ?? 0) ^ 0x55
        await writeFile(file, damaged)
        await assert.rejects(checkLogs(path.join(directory, engine)), { name: 'StorageError', code: 'corrupt' }, `${at}, ${length}`)
      }
    }
    await assert.rejects(openEngine({ directory, engine, create: true }), { code: 'corrupt', message: /\.log is damaged at byte \d+/ })
    await writeFile(file, bytes)
    assert.equal(await rowsIn(directory), COMMITS)
  })

  test(`${engine}: what looks like damage while the store is closed elsewhere is looked at once more`, async (t) => {
    const { directory, file, bytes } = await logOf(t, engine)
    const damaged = Buffer.from(bytes)
    damaged[2000] = (damaged[2000] ?? 0) ^ 0x55
    await writeFile(file, damaged)
    // To be asked for is to be asked who holds the store, the first time.
    const whole = async <T>(load: () => Promise<T>): Promise<T> => {
      await writeFile(file, bytes)
      return load()
    }
    const loaders = { rocksdb: () => whole(loadRocks), leveldb: () => whole(loadLevel) }
    const store = await openEngine({ directory, engine, create: false }, loaders)
    await store.close()
  })

  test(`${engine}: an end that a crash tore is none, and costs only what was not acknowledged`, async (t) => {
    const { directory, file, bytes } = await logOf(t, engine)
    for (const cut of [1, 6, 7, 8, 200, VALUE_BYTES + 60]) {
      await writeFile(file, bytes)
      await truncate(file, bytes.length - cut)
      await checkLogs(path.join(directory, engine))
    }
    const torn = Buffer.from(bytes)
    torn.fill(0, torn.length - 150)
    await writeFile(file, torn)
    assert.equal(await rowsIn(directory), COMMITS - 1)
  })
}

/** A closed store whose rows are all still in its log. */
async function logOf(t: TestContext, engine: 'rocksdb' | 'leveldb'): Promise<{ directory: string; file: string; bytes: Buffer }> {
  const directory = await temporaryDirectory(t)
  const store = await openEngine({ directory, engine, create: true })
  for (let n = 0; n < COMMITS; n++) {
    const batch = store.batch()
    batch.put(shardMetaKey(`n${n}`), Buffer.alloc(VALUE_BYTES, n + 1))
    await store.commit(batch)
  }
  await store.close()
  const files = path.join(directory, engine)
  const name = (await readdir(files)).find((entry) => entry.endsWith('.log')) ?? assert.fail('no log')
  const file = path.join(files, name)
  const bytes = await readFile(file)
  assert.ok(bytes.length > COMMITS * VALUE_BYTES)
  return { directory, file, bytes }
}

async function rowsIn(directory: string): Promise<number> {
  const store = await openEngine({ directory, engine: 'auto', create: false })
  try {
    return (await store.range({ gte: shardMetaKey('n'), lt: shardMetaKey('o'), limit: 10_000 })).length
  } finally {
    await store.close()
  }
}
