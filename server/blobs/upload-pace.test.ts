import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UploadPace } from './upload-pace.js'

test('what a second may bring comes at once, what is more waits for its time', () => {
  let nowMs = 5000
  const pace = new UploadPace(1000, () => nowMs)
  assert.equal(pace.rest(600), 0)
  assert.equal(pace.rest(400), 0)
  assert.equal(pace.rest(250), 250)
  assert.equal(pace.rest(250), 500)
  nowMs += 500
  assert.equal(pace.rest(100), 100)
  nowMs += 60_000
  assert.equal(pace.rest(1000), 0, 'and no more than that is saved up')
  assert.equal(pace.rest(1), 1)
})

test('without a limit nobody waits', () => {
  const pace = new UploadPace(0, () => 0)
  for (let each = 0; each < 100; each++) assert.equal(pace.rest(1e9), 0)
})

test('whoever brings what, and rests as told: never more than the rate and one second of it', () => {
  const bytes = fc.integer({ min: 1, max: 65_536 })
  const uploads = fc.array(fc.array(bytes, { minLength: 1, maxLength: 30 }), { minLength: 1, maxLength: 8 })
  fc.assert(fc.property(uploads, fc.integer({ min: 1000, max: 200_000 }), (bodies, rate) => {
    let nowMs = 0
    const pace = new UploadPace(rate, () => nowMs)
    // Each reads its next chunk as soon as it may.
    const due = bodies.map((chunks) => ({ chunks: [...chunks], atMs: 0 }))
    let came = 0
    for (;;) {
      const next = due.filter(({ chunks }) => chunks.length > 0).sort((one, other) => one.atMs - other.atMs)[0]
      if (next === undefined) break
      nowMs = next.atMs
      const chunk = next.chunks.shift()!
      // What has come before: a chunk is there before it is paid for.
      const most = rate + nowMs * rate / 1000 + 65_536 * bodies.length
      came += chunk
      assert.ok(came <= most + 1, `${String(came)} bytes in ${String(nowMs)} ms`)
      next.atMs = nowMs + pace.rest(chunk)
    }
  }))
})
