import assert from 'node:assert/strict'
import { cpus } from 'node:os'
import { test } from 'node:test'
import { cpuSeconds, measureStretch, memory } from './measure.js'
import { median, medians, percentile, spread } from './statistics.js'

test('percentiles, medians and spreads are those of the values, and unknown stays unknown', () => {
  assert.equal(percentile([1, 2, 3, 4], 0.5), 3)
  assert.equal(percentile([1, 2, 3, 4], 1), 4)
  assert.equal(percentile([], 0.5), NaN)
  assert.equal(median([9, 1, 5]), 5)
  assert.equal(median([null, null]), null)
  assert.deepEqual(medians([{ a: 1, b: null }, { a: 3, b: null }, { a: 2, b: null }]), { a: 2, b: null })
  assert.deepEqual(spread([{ a: 1 }, { a: 3 }], 'a'), { min: 1, max: 3 })
  assert.equal(spread([{ a: null }], 'a'), null)
})

test('a stretch counts the CPU of the process named', { skip: process.platform !== 'linux' }, () => {
  const end = measureStretch(process.pid)
  const untilCpuMs = process.cpuUsage().user / 1000 + 60
  while (process.cpuUsage().user / 1000 < untilCpuMs) { /* burn */ }
  const stretch = end(1)
  assert.ok(stretch.serverCpuUs !== null && stretch.serverCpuUs >= 40_000, String(stretch.serverCpuUs))
  assert.ok(stretch.generatorCores > 0)
  assert.ok(stretch.idleCores !== null && stretch.idleCores >= 0 && stretch.idleCores < cpus().length, String(stretch.idleCores))
  assert.ok((memory(process.pid)?.pssBytes ?? 0) > 1e6)
  assert.ok((cpuSeconds(process.pid) ?? 0) > 0)
})
