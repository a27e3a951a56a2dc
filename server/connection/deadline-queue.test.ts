import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeadlineQueue } from './deadline-queue.js'

test('gives what has passed, in order, once', () => {
  const queue = new DeadlineQueue<string>(10)
  queue.set('a', 0)
  queue.set('b', 3)
  queue.set('c', 5)
  queue.delete('b')
  assert.deepEqual([...queue.passed(9)], [])
  assert.deepEqual([...queue.passed(10)], ['a'])
  assert.deepEqual([...queue.passed(100)], ['c'])
  assert.equal(queue.size, 0)
})

test('an item that is set again, also while they are given out, waits its full time', () => {
  const queue = new DeadlineQueue<string>(10)
  queue.set('a', 0)
  queue.set('b', 1)
  queue.set('a', 5)
  const given: string[] = []
  for (const item of queue.passed(20)) {
    given.push(item)
    queue.set(item, 20)
  }
  assert.deepEqual(given, ['b', 'a'])
  assert.deepEqual([...queue.passed(29)], [])
  assert.deepEqual([...queue.passed(30)], ['b', 'a'])
})
