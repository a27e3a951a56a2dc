/** A server with pictures is split, and started again with its shards in processes of their own. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { lstat, mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Place, TIMEOUT_SECONDS } from './harness.js'

const BYTES = randomBytes(300_000)

test('[BLB-16] what was sent before the split is fetched after it', async (t) => {
  const place = await Place.make(t)
  await place.start('tcp', 'ws')
  const friends = ['bob', 'cy', 'dee', 'eve']
  await place.addUsers('alice', ...friends)
  await writeFile(place.path('slope.bin'), BYTES)
  for (const friend of friends) await place.chat('send', 'alice', ['--file', place.path('slope.bin'), friend]).finish()
  await place.server?.kill('SIGTERM')

  await place.run('chatd', ['split', place.data, '--shards', '3', '--to', place.path('three')]).finish()
  await rename(place.data, place.path('one'))
  await rename(place.path('three'), place.data)
  await place.start()
  for (const friend of friends) {
    await mkdir(place.path(friend))
    await place.chat('fetch', friend, ['alice', '1', '--out', place.path(friend), '--timeout', TIMEOUT_SECONDS]).finish()
    assert.equal(BYTES.equals(await readFile(place.path(`${friend}/slope.bin`))), true)
  }
  assert.ok((await lstat(place.path('one/blobs/objects'))).isDirectory(), 'the old directory is as it was')
})
