import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DiskRoom } from './disk-room.js'

test('room that is asked for by many at once is promised once', async () => {
  const room = new DiskRoom(async () => 1000, 100)
  const promises = await Promise.all(Array.from({ length: 10 }, () => room.promise(300)))
  assert.equal(promises.filter((promise) => promise !== null).length, 3)
  for (const promise of promises) promise?.release()
  const [one, two, three, four] = [await room.promise(300), await room.promise(300), await room.promise(300), await room.promise(1)]
  assert.ok(one !== null && two !== null && three !== null && four === null)
  one.written(100)
  one.release()
  assert.equal(await room.has(300), true)
  assert.equal(await room.has(301), false)
})

test('a disk that does not say has nothing taken from it', async () => {
  let isAway = true
  const room = new DiskRoom(() => isAway ? Promise.reject(new Error('away')) : Promise.resolve(100), 0)
  await assert.rejects(room.promise(100), /away/)
  isAway = false
  assert.ok(await room.promise(100) !== null)
})
