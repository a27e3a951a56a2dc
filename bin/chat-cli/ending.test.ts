import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ending } from './ending.js'

test('the first reason wins', async () => {
  const ending = new Ending(new AbortController().signal)
  assert.equal(ending.hasEnded, false)
  ending.end('complete')
  ending.end('timeout')
  assert.equal(await ending.reason, 'complete')
  assert.equal(ending.hasEnded, true)
})

test('a signal ends it, also one that came before', async () => {
  const stop = new AbortController()
  const ending = new Ending(stop.signal)
  stop.abort()
  assert.equal(await ending.reason, 'stopped')
  assert.equal(await new Ending(stop.signal).reason, 'stopped')
})

test('a timeout ends it unless it is started anew, cancelled, or has no limit', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const ending = new Ending(new AbortController().signal)
  ending.startTimeout(100)
  t.mock.timers.tick(90)
  ending.startTimeout(100)
  t.mock.timers.tick(90)
  assert.equal(ending.hasEnded, false)
  ending.startTimeout(null)
  t.mock.timers.tick(1000)
  assert.equal(ending.hasEnded, false)
  ending.startTimeout(10)
  ending.cancelTimeout()
  t.mock.timers.tick(1000)
  assert.equal(ending.hasEnded, false)
  ending.startTimeout(10)
  t.mock.timers.tick(10)
  assert.equal(await ending.reason, 'timeout')
})
