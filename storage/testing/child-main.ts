/** Run by `startChild`: opens a store and tells what happens in lines of JSON. */
import { writeSync } from 'node:fs'
import { StorageError } from '../engine.js'
import type { Engine } from '../engine.js'
import { shardMetaKey } from '../shard-keys.js'
import { loadLevel } from '../level-engine.js'
import { openEngine } from '../open.js'
import { loadRocks } from '../rocks-binding.js'

const [directory = '', engine = 'auto', mode = 'once'] = process.argv.slice(2)
const ROWS_PER_COMMIT = 20
const NOBODY = 65_534

function say(line: object): void {
  writeSync(1, JSON.stringify(line) + '\n')
}

async function write(store: Engine): Promise<void> {
  const before = await store.range({ gte: shardMetaKey('w'), lt: shardMetaKey('x'), limit: 1_000_000 })
  let commit = before.reduce((largest, [, value]) => Math.max(largest, Buffer.from(value).readUInt32BE(0)), 0)
  for (;;) {
    commit++
    const batch = store.batch()
    for (let row = 0; row < ROWS_PER_COMMIT; row++) {
      const value = Buffer.alloc(200)
      value.writeUInt32BE(commit)
      batch.put(shardMetaKey(`w${row}-${commit}`), value)
    }
    await store.commit(batch)
    say({ committed: commit })
  }
}

if (mode === 'unprivileged' && process.getuid?.() === 0) {
  // First the code, which nobody but root may be able to read.
  await Promise.all([loadRocks(), loadLevel()])
  process.setgid?.(NOBODY)
  process.setuid?.(NOBODY)
}
try {
  const store = await openEngine({ directory, engine: engine as 'auto', create: true })
  say({ opened: true })
  if (mode === 'write') await write(store)
  if (mode === 'hold') setInterval(() => undefined, 60_000)
  if (mode === 'once' || mode === 'unprivileged') await store.close()
} catch (error) {
  const { code, message } = error as StorageError
  say({ code: error instanceof StorageError ? code : 'other', message })
}
