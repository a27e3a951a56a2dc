import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { configOf } from '../config/config.js'
import { FakeClock } from '../session/testing/harness.js'
import { Admission, networkOf } from './admission.js'

test('takes IPv4 as it is, mapped IPv4 as IPv4, and IPv6 by /64', () => {
  assert.equal(networkOf('192.0.2.1'), '192.0.2.1')
  assert.equal(networkOf('::ffff:192.0.2.1'), '192.0.2.1')
  assert.equal(networkOf('::1'), '::1')
  assert.equal(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8:1:2::7'), '2001:db8:1:2::/64')
  assert.equal(networkOf('2001:db8::7'), '2001:db8:0:0::/64')
  assert.equal(networkOf('fe80::1%eth0'), 'fe80:0:0:0::/64')
  assert.equal(networkOf(''), '')
})

test('[109 too-many-connections] counts an IPv6 /64 as one, and loopback not at all unless told to', () => {
  const limits = { connectionsByAddressMax: 2, openingByAddressMax: 100 }
  const admission = new Admission(configOf({ limits }), new FakeClock())
  for (const host of ['2001:db8::1', '2001:db8::2']) {
    assert.ok(admission.enter(host))
    assert.equal(admission.beginOpening(host), 0)
  }
  assert.ok(admission.enter('2001:db8::3'))
  assert.equal(admission.beginOpening('2001:db8::3'), ERROR.tooManyConnections)
  admission.leave('2001:db8::3')
  for (let i = 0; i < 10; i++) {
    assert.ok(admission.enter('127.0.0.1'))
    assert.equal(admission.beginOpening('127.0.0.1'), 0)
  }
  const strict = new Admission(configOf({ limits: { ...limits, exemptLoopback: false } }), new FakeClock())
  for (let i = 0; i < 3; i++) strict.enter('127.0.0.1')
  assert.equal(strict.beginOpening('127.0.0.1'), ERROR.tooManyConnections)
})

test('drops without a word what comes far beyond the limit', () => {
  const admission = new Admission(configOf({ limits: { connectionsByAddressMax: 1 } }), new FakeClock())
  let entered = 0
  while (entered < 1000 && admission.enter('192.0.2.1')) entered++
  assert.equal(entered, 65)
  admission.leave('192.0.2.1')
  assert.ok(admission.enter('192.0.2.1'))
})

test('forgets an address of which nothing is left, and remembers its failures as long as they count', () => {
  const clock = new FakeClock()
  const admission = new Admission(configOf({ auth: { failuresBurst: 2, failureRefillMs: 1000 } }), clock)
  admission.enter('192.0.2.1')
  admission.beginOpening('192.0.2.1')
  admission.authenticationFailed('192.0.2.1')
  admission.authenticationFailed('192.0.2.1')
  admission.endOpening('192.0.2.1')
  admission.leave('192.0.2.1')
  admission.sweep()
  assert.equal(admission.addresses, 1)
  assert.equal(admission.authenticationWaitMs('192.0.2.1'), 1000)
  clock.ms += 2000
  assert.equal(admission.authenticationWaitMs('192.0.2.1'), 0)
  admission.sweep()
  assert.equal(admission.addresses, 0)
})
