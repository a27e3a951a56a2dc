import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listPaths } from './screen-transfers.js'

test('all files that begin so are listed, folders with a slash, hidden ones for who begins with the dot', async (t) => {
  const home = mkdtempSync(join(tmpdir(), 'chat-paths-'))
  t.after(() => { rmSync(home, { recursive: true, force: true }) })
  const photos = Array.from({ length: 30 }, (_, at) => `photo-${String(at).padStart(2, '0')}.jpg`)
  for (const name of [...photos, '.hidden', 'text']) writeFileSync(join(home, name), '')
  mkdirSync(join(home, 'photos'))
  assert.deepEqual(await listPaths(`${home}/pho`, '/nowhere'), [...photos, 'photos/'].map((name) => `${home}/${name}`))
  assert.deepEqual(await listPaths('~/', home), [...photos, 'photos/', 'text'].map((name) => `~/${name}`))
  assert.deepEqual(await listPaths('~/.h', home), ['~/.hidden'])
  assert.deepEqual(await listPaths('~/photos/x', home), [])
  assert.deepEqual(await listPaths('~/missing/x', home), [])
})
