import assert from 'node:assert/strict'
import { test } from 'node:test'
import { UploadLocks } from './upload-locks.js'

test('the second asks the first to stop, and has the upload when it has', async () => {
  const locks = new UploadLocks(60_000)
  const first = await locks.take('a')
  assert.ok(first !== null)
  assert.equal(first.stopReason, null)
  const second = locks.take('a')
  assert.equal(first.stopReason, 'contended')
  assert.equal(locks.takeIfFree('a'), null)
  assert.notEqual(locks.takeIfFree('b'), null)
  first.release()
  const hold = await second
  assert.equal(hold?.stopReason, null)
  hold?.release()
  assert.equal(locks.size, 1)
})

test('of many that wait the last one alone is not asked to stop at once', async () => {
  const locks = new UploadLocks(60_000)
  const first = await locks.take('a')
  const waiting = [locks.take('a'), locks.take('a'), locks.take('a')]
  first?.release()
  const reasons: unknown[] = []
  for (const each of waiting) {
    const hold = await each
    reasons.push(hold?.stopReason)
    hold?.release()
  }
  assert.deepEqual(reasons, ['contended', 'contended', null])
  assert.equal(locks.size, 0)
})

test('who does not stop in time keeps it, and there is a bound on those that wait', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const locks = new UploadLocks(1000)
  const first = await locks.take('a')
  const waiting = Array.from({ length: 9 }, () => locks.take('a'))
  assert.equal(await waiting[8], null)
  t.mock.timers.tick(1000)
  assert.deepEqual(await Promise.all(waiting), Array(9).fill(null))
  first?.release()
  assert.throws(() => first?.release())
  assert.notEqual(locks.takeIfFree('a'), null)
})

test('once all are asked to stop, so is who waited, and who comes later', async () => {
  const locks = new UploadLocks(60_000)
  const first = await locks.take('a')
  const waiting = [locks.take('a'), locks.take('a')]
  locks.stopAll()
  first?.release()
  for (const each of waiting) {
    const hold = await each
    assert.equal(hold?.stopReason, 'shutdown')
    hold?.release()
  }
  assert.equal((await locks.take('b'))?.stopReason, 'shutdown')
})
