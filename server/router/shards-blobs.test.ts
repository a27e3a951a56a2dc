/** Whom of several shards is asked about blobs and uploads, and whose answer counts; holdings/shards.test.ts runs shards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { blobOf, hashOf } from '../testing/blob-store.js'
import type { BlobCommands, Upload } from '../blobs/blob-router.js'
import { firstAnswer } from './first-answer.js'
import type { HomeRouter } from './home-router.js'
import { RouterError } from './router.js'
import { shardBlobs } from './shards-blobs.js'

const away = new RouterError(ERROR.unavailable, 'the shard is away')
const FOR_EVER = new Promise<never>(() => {})

/** One shard for each of these; the first one is home to everything. */
function shards(...all: readonly (Partial<BlobCommands> & { readonly isReachable?: boolean })[]): BlobCommands {
  const routers = all.map(({ isReachable = true, ...blobs }) => ({ isReachable, blobs }) as unknown as HomeRouter)
  const commands = shardBlobs({ all: routers, of: () => routers[0]!, ofConversation: () => routers[0]! })
  assert.ok(commands !== null)
  return commands
}

test('the first answer that says something counts, and failures only where none does', async () => {
  const [nothing, failed] = [Promise.resolve(null), Promise.reject<string>(away)]
  assert.equal(await firstAnswer([FOR_EVER, nothing, failed, Promise.resolve('known')]), 'known')
  assert.equal(await firstAnswer([failed, Promise.resolve('known'), Promise.resolve('later')]), 'known')
  assert.equal(await firstAnswer([nothing, nothing]), null)
  assert.equal(await firstAnswer([]), null)
  await assert.rejects(firstAnswer([nothing, failed, Promise.reject(new Error('another'))]), away)
  const late = new Promise<string>((resolve) => { setImmediate(() => resolve('late')) })
  assert.equal(await firstAnswer([failed, late]), 'late')
})

test('an upload is found where it is at home, without waiting for a shard that is away', async () => {
  const upload: Upload = { id: 'one', user: 'alice', key: new Uint8Array(32), size: 1, hash: hashOf('one'), type: 'image/png', strip: false, picture: false, expiresMs: 1 }
  const commands = shards({ upload: () => FOR_EVER }, { upload: () => Promise.resolve(upload), storing: () => Promise.resolve(true) })
  assert.equal(await commands.upload('one'), upload)
  assert.ok(await commands.storing('one', []))
  await assert.rejects(shards({ upload: () => Promise.reject(away) }, { upload: () => Promise.resolve(null) }).upload('one'), away)
  assert.equal(await shards({ upload: () => Promise.resolve(null) }, { upload: () => Promise.resolve(null) }).upload('one'), null)
})

test('a blob whose home is away comes from the first shard that has a copy', async () => {
  const blob = blobOf('beach', new Uint8Array(32))
  const copy = { blob: () => Promise.resolve(blob) }
  const none = { blob: () => Promise.resolve(null) }
  assert.equal(await shards({ isReachable: false, blob: () => FOR_EVER }, { blob: () => FOR_EVER }, none, copy).blob('beach'), blob)
  assert.equal(await shards({ blob: () => Promise.reject(away) }, { blob: () => FOR_EVER }, copy).blob('beach'), blob)
  await assert.rejects(shards({ isReachable: false, blob: () => Promise.reject(away) }, none).blob('beach'), away)
  assert.equal(await shards(none, none).blob('beach'), null)
})
