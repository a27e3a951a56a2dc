import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configOf } from '../config/config.js'
import { SILENT_LOG } from '../log.js'
import { openBlobStorage } from './blob-storage.js'

test('who was told to stop before asks no bucket', { timeout: 20_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-storage-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  let asked = 0
  const bucket = createServer((socket) => {
    asked++
    t.after(() => socket.destroy())
  })
  t.after(() => bucket.close())
  bucket.listen(0, '127.0.0.1')
  await once(bucket, 'listening')
  const { port } = bucket.address() as AddressInfo
  const config = configOf({ data: { directory }, blobs: { store: 's3', s3Endpoint: `http://127.0.0.1:${String(port)}`, s3Bucket: 'chat' } })
  const reason = new Error('told to stop')
  const environment = { AWS_ACCESS_KEY_ID: 'id', AWS_SECRET_ACCESS_KEY: 'secret' }
  await assert.rejects(openBlobStorage(config, environment, SILENT_LOG, AbortSignal.abort(reason)), reason)
  assert.equal(asked, 0)
})
