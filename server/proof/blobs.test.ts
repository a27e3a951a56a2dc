/** Uploads that are killed, and files that come and go. The same as commands, for longer: main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { collectBlobs } from './collect-blobs.js'
import { killUploads } from './kill-uploads.js'
import { scopeOf } from './scope.js'

const seed = Date.now() % 1_000_000

test('[BLB-7] [BLB-13] the server is killed 3 times among uploads: each goes on from the offset that it was told, and what was sent is there', async (t) => {
  const { sent } = await killUploads(scopeOf(t), { clients: 6, rounds: 3, seed })
  assert.ok(sent >= 6, `only ${sent} files`)
})

test('[BLB-13] [BLB-14] what a message carries is never collected, while everything else is as fast as can be', async (t) => {
  const { kept, removed } = await collectBlobs(scopeOf(t), { clients: 4, rounds: 5, seed })
  assert.ok(kept > 0 && removed > 0, `${kept} kept, ${removed} removed`)
})
