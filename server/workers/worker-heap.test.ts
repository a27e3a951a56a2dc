import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { heapOptions } from './worker-heap.js'

void test('this Node takes the option', () => {
  const [option, ...others] = heapOptions('')
  assert.ok(option !== undefined && others.length === 0)
  const { status, stderr } = spawnSync(process.execPath, [option, '--eval', ''], { encoding: 'utf8' })
  assert.deepEqual([status, stderr], [0, ''])
})

void test('what the operator has said of the heap stands', () => {
  for (const given of ['--initial-old-space-size=256', '--max-semi-space-size=8 --initial-heap-size=100', '--initial_old_space_size=1']) {
    assert.deepEqual(heapOptions(given), [], given)
  }
  assert.equal(heapOptions('--max-old-space-size=4096').length, 1)
})
