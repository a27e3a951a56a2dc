import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { localError } from '../../protocol/client/client-error.js'
import { saveUnderFreeName } from './fetch.js'

test('a name that a file has, gets, or is just being downloaded to is not free', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chatd-fetch-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'beach.png'), '')
  const tried: string[] = []
  const { path } = await saveUnderFreeName(folder, 'beach.png', (name) => {
    tried.push(basename(name))
    if (tried.length === 1) return Promise.reject(localError('file-locked', ''))
    if (tried.length === 2) return Promise.reject(localError('file-exists', ''))
    return Promise.resolve({ bytes: new Uint8Array(), type: '', size: 0, hash: '', name: '' } as never)
  })
  assert.equal(tried.length, 3)
  assert.equal(basename(path), tried[2])
  assert.ok(!tried.includes('beach.png'))
})
