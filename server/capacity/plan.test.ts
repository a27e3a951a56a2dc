import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Answers, CONSTANTS, type Question, QUESTIONS } from './constants.js'
import { plan } from './plan.js'

const DEFAULTS = Object.fromEntries(Object.entries(QUESTIONS).map(([name, { value }]) => [name, value])) as Record<Question, number>

function asked(change: Partial<Answers> = {}): Answers {
  return { ...DEFAULTS, ...change }
}

function nodesFor(name: string, change: Partial<Answers> = {}): number {
  return plan(asked(change)).needs.find((need) => need.name === name)!.nodes
}

test('the load at the peak follows from what is published', () => {
  const { load } = plan(asked())
  assert.equal(load.connections, 640e6)
  assert.equal(Math.round(load.messages), 1_793_981)
  assert.equal(load.returns, 1e6)
  assert.ok(Math.abs(load.deliveries / load.messages - 2.1) < 1e-9)
})

test('a node is enough for a service that fits into it, and for a measured load takes what was measured', () => {
  const small = plan(asked({ 'users': 100, 'messages-per-day': 1000 }))
  assert.equal(small.nodes, 1)
  // 256,000 phones gave 3,966 events a second at 1.1 cores.
  const cores = (587 + 2966 + 413) * CONSTANTS.eventCpuUs.value / 1e6
  assert.ok(Math.abs(cores - 1.1) < 0.01)
})

test('nodes are as many as the scarcest resource asks for, and it comes first', () => {
  const made = plan(asked())
  assert.equal(made.nodes, Math.max(...made.needs.map(({ nodes }) => nodes)))
  assert.equal(made.needs[0]!.nodes, made.nodes)
  for (const { total, byNode, nodes } of made.needs) assert.ok(nodes * byNode >= total && (nodes - 1) * byNode <= total)
})

test('each answer matters to what it is about', () => {
  const more: [Question, string][] = [
    ['users', 'memory'], ['messages-per-day', 'disk'], ['text-bytes', 'disk'], ['online-share', 'connections'], ['peak-factor', 'CPU'],
    ['deliveries', 'CPU'], ['keep-days', 'disk'], ['copies', 'disk'],
  ]
  for (const [question, resource] of more) assert.ok(nodesFor(resource, { [question]: DEFAULTS[question] * 2 }) > nodesFor(resource), question)
  const fewer: [Question, string][] = [['cores', 'CPU'], ['memory', 'memory'], ['disk', 'disk'], ['connections', 'connections'], ['return-seconds', 'CPU']]
  for (const [question, resource] of fewer) assert.ok(nodesFor(resource, { [question]: DEFAULTS[question] * 2 }) < nodesFor(resource), question)
  assert.equal(plan(asked({ copies: 1 })).redis.processes, 0)
  assert.ok(plan(asked({ 'media-bytes': 600_000 })).files.bytes === 2 * plan(asked()).files.bytes)
})

test('no answers give a plan that is no number', () => {
  const answers = fc.record(Object.fromEntries(Object.keys(QUESTIONS).map((name) => [name, fc.double({ min: 1e-3, max: 1e15, noNaN: true })]))) as fc.Arbitrary<Answers>
  fc.assert(fc.property(answers, (given) => {
    const text = JSON.stringify(plan({ ...given, copies: Math.ceil(given.copies) }))
    assert.ok(!text.includes('null'), text)
  }))
})
