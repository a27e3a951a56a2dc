import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Blob, StoredObject } from './blob-router.js'
import { KnownBlobs } from './known-blobs.js'

const stored = (object: string, hash: string): StoredObject => ({ object, key: new Uint8Array(32), hash, size: 1, type: 'image/png' })
const row = (id: string): Blob => ({ content: stored(`content-${id}`, id), width: 1, height: 1, placeholder: new Uint8Array(0), renditions: [{ ...stored(`thumbnail-${id}`, 'x'), kind: 'thumbnail', width: 1, height: 1 }] })

test('[BLB-18] a blob is asked for once, until it changes, is forgotten, or seconds have passed', async (t) => {
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const rows = new Map([['a', row('a')], ['b', row('b')]])
  const asked: string[] = []
  const known = new KnownBlobs({
    blob: async (id) => {
      asked.push(id)
      return rows.get(id) ?? null
    },
  }, true)
  for (const id of ['a', 'a', 'b', 'b', 'c', 'c']) assert.equal((await known.blob(id))?.content.hash, id === 'c' ? undefined : id)
  assert.deepEqual(asked.splice(0), ['a', 'b', 'c', 'c'])
  rows.delete('a')
  known.forgotten(new Set(['thumbnail-a']))
  assert.equal(await known.blob('a'), null)
  assert.equal((await known.blob('b'))?.content.hash, 'b')
  assert.deepEqual(asked.splice(0), ['a'])
  known.changed('b')
  await known.blob('b')
  nowMs = 9_999
  await known.blob('b')
  nowMs = 10_001
  await known.blob('b')
  assert.deepEqual(asked, ['b', 'b'])
})

test('[BLB-18] an answer from before something was forgotten is not remembered', async () => {
  let answer: (blob: Blob | null) => void = () => {}
  const known = new KnownBlobs({ blob: () => new Promise((resolve) => { answer = resolve }) }, true)
  const first = known.blob('a')
  known.forgotten(new Set(['content-a']))
  answer(row('a'))
  assert.notEqual(await first, null)
  const second = known.blob('a')
  answer(null)
  assert.equal(await second, null)
})
