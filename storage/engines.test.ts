import { test } from 'node:test'
import assert from 'node:assert/strict'
import path from 'node:path'
import { MemoryEngine } from './memory-engine.js'
import { openEngine } from './open.js'
import { engineSuite } from './testing/engine-suite.js'
import { acknowledgedThenKilled } from './testing/child.js'
import { closeAfter, temporaryDirectory } from './testing/temporary-directory.js'
import { shardMetaKey } from './shard-keys.js'

engineSuite('memory', (t) => {
  const engine = new MemoryEngine()
  t.after(() => engine.close())
  return Promise.resolve(engine)
})

for (const engine of ['rocksdb', 'leveldb'] as const) {
  engineSuite(engine, async (t) => {
    const directory = await temporaryDirectory(t)
    return closeAfter(t, await openEngine({ directory, engine, create: true }))
  })

  test(`${engine}: everything whose commit resolved is there after SIGKILL, and every commit whole or not at all`, async (t) => {
    const directory = path.join(await temporaryDirectory(t), 'data')
    // Twice, so that the second life also recovers what the first left.
    let acknowledged = 0
    for (const least of [60, 120]) {
      const last = await acknowledgedThenKilled(t, directory, engine, least)
      assert.ok(last >= least)
      acknowledged = last
    }
    const store = closeAfter(t, await openEngine({ directory, engine: 'auto', create: false }))
    const rows = await store.range({ gte: shardMetaKey('w'), lt: shardMetaKey('x'), limit: 1_000_000 })
    const perCommit = new Map<number, number>()
    for (const [, value] of rows) {
      const commit = Buffer.from(value).readUInt32BE(0)
      perCommit.set(commit, (perCommit.get(commit) ?? 0) + 1)
    }
    for (let commit = 1; commit <= acknowledged; commit++) assert.equal(perCommit.get(commit), 20, `commit ${commit}`)
    for (const [commit, count] of perCommit) assert.equal(count, 20, `commit ${commit}`)
  })
}
