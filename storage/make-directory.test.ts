import assert from 'node:assert/strict'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeDirectory } from './make-directory.js'

test('makes what is missing, for its owner alone, and leaves what is there', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'chatd-storage-'))
  t.after(() => rm(parent, { recursive: true, force: true }))
  const path = join(parent, 'one', 'two', 'three')
  await makeDirectory(path)
  await makeDirectory(path)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
})

test('gives up where nothing can be made', { timeout: 10_000 }, async () => {
  const hopeless = platform() === 'linux' ? '/proc/chatd/data' : '/dev/null/data'
  await assert.rejects(makeDirectory(hopeless), (error: NodeJS.ErrnoException) => ['ENOENT', 'ENOTDIR', 'EACCES', 'EPERM'].includes(error.code ?? ''))
})
