/** What each worker may do, and what all of them have done; bin/chatd-cli/workers.test.ts runs them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { configOf } from '../config/config.js'
import { Counters } from '../metrics/metrics.js'
import { CounterSum, counterValues } from './counter-sum.js'
import { shareOf, workersOf } from './share.js'

test('limits of the server as a whole are divided, rounded up; those of a device or a connection stay, and no limit stays none', () => {
  const config = configOf({ limits: { connectionsMax: 1001, unacknowledgedMax: 600 }, auth: { failuresBurst: 3, failureRefillMs: 10_000, registrationsPerHour: 0 } })
  const share = shareOf(config, 4)
  assert.deepEqual([share.limits.connectionsMax, share.limits.unacknowledgedMax, share.limits.frameBytesMax], [251, 600, config.limits.frameBytesMax])
  assert.deepEqual([share.auth.failuresBurst, share.auth.failureRefillMs, share.auth.registrationsPerHour], [1, 40_000, 0])
  assert.deepEqual(shareOf(config, 1), config)
  assert.equal(workersOf(config), 1)
  assert.ok(workersOf(configOf({ listen: { workers: 0 } })) >= 1)
})

test('counters of several processes are those of one, and one that is gone has nothing open and takes nothing back', () => {
  const sum = new Counters()
  sum.uploadsFinished = 2
  const counters = new CounterSum(sum)
  const [one, other] = [new Counters(), new Counters()]
  const report = (): void => {
    counters.report(1, structuredClone(counterValues(one)))
    counters.report(2, structuredClone(counterValues(other)))
  }
  one.stanzas = 5
  one.sessions = 2
  one.connections.tcp = 2
  one.closed(ERROR.slowConsumer, 'server')
  other.stanzas = 7
  other.sessions = 1
  other.closed(ERROR.slowConsumer, 'server')
  report()
  report()
  assert.deepEqual([sum.stanzas, sum.sessions, sum.connections.tcp, sum.uploadsFinished, [...sum.closes]], [12, 3, 2, 2, [['slow-consumer\nserver', 2]]])
  one.stanzas = 6
  one.sessions = 0
  report()
  assert.deepEqual([sum.stanzas, sum.sessions], [13, 1])
  counters.gone(1)
  assert.deepEqual([sum.stanzas, sum.sessions, sum.connections.tcp], [13, 1, 0])
  counters.gone(2)
  assert.deepEqual([sum.stanzas, sum.sessions, [...sum.closes]], [13, 0, [['slow-consumer\nserver', 2]]])
  // Another process, whose counters begin at nothing.
  counters.report(3, counterValues(new Counters()))
  assert.equal(sum.stanzas, 13)
})
