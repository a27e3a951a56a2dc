import assert from 'node:assert/strict'
import { openSync } from 'node:fs'
import { devNull } from 'node:os'
import { test } from 'node:test'
import { Counters } from '../metrics/metrics.js'
import { DescriptorWatch } from './descriptors.js'

test('having no file descriptor left is said once, and counted each time; what was taken to look is given back', () => {
  const said: string[] = []
  const counters = new Counters()
  const log = { warn: () => assert.fail(), error: (_: object, event: string) => { said.push(event) } }
  const taken: number[] = []
  let isOut = false
  let isMissing = false
  const watch = new DescriptorWatch(log, { monotonicMs: () => 0 }, counters, () => {
    if (isMissing) throw Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT' })
    if (isOut) throw Object.assign(new Error('EMFILE: too many open files'), { code: 'EMFILE' })
    const descriptor = openSync(devNull, 'r')
    taken.push(descriptor)
    return descriptor
  })
  for (let time = 0; time < 3; time++) watch.look()
  assert.deepEqual([said, counters.descriptorsMissed], [[], 0])
  // The same one again and again.
  assert.equal(new Set(taken).size, 1)
  isMissing = true
  watch.look()
  assert.deepEqual([said, counters.descriptorsMissed], [[], 0], 'a file that is not there is no want of descriptors')
  isMissing = false
  isOut = true
  for (let time = 0; time < 3; time++) watch.look()
  assert.deepEqual([said, counters.descriptorsMissed], [['no-descriptors'], 3])
})
