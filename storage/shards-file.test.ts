import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test } from 'node:test'
import { readShardCount } from './shards-file.js'

test('what is no directory is told as that', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'chatd-shards-'))
  t.after(() => { rmSync(directory, { recursive: true }) })
  const file = path.join(directory, 'notes')
  writeFileSync(file, '')
  await assert.rejects(readShardCount(file), { name: 'StorageError', code: 'io', message: `${file} is no directory; name another as the data directory` })
  await assert.rejects(readShardCount(path.join(directory, 'x'.repeat(300))), { name: 'StorageError', code: 'io', message: /^cannot look into .*ENAMETOOLONG/ })
})
