import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { normalizeDevice } from '../../protocol/address.js'
import type { AccountOptions } from './argument-values.js'
import { chooseDevice, hostPart } from './device.js'
import { ChatFailure, EXIT } from './failure.js'
import type { World } from './world.js'

const ACCOUNT: AccountOptions = {
  server: 'tcp://127.0.0.1:5322', user: 'Alice', passwordFile: 'f', device: null, stateRoot: null, certificateFile: null, allowsPlaintext: false,
}

function world(environment: Record<string, string> = {}): World {
  return { environment, hostName: 'Laptop.example', homeDirectory: '/home/a' } as unknown as World
}

test('each use has a device and a state directory of its own, named after the host', () => {
  const send = chooseDevice(ACCOUNT, 'send', world())
  assert.deepEqual([send.user, send.device], ['alice', 'laptop-send'])
  assert.equal(send.directory, '/home/a/.local/state/chatd/127.0.0.1_5322/alice/laptop-send')
  assert.equal(chooseDevice(ACCOUNT, 'recv', world({ XDG_STATE_HOME: '/x' })).directory, '/x/chatd/127.0.0.1_5322/alice/laptop-recv')
  assert.equal(chooseDevice(ACCOUNT, 'recv', world({ XDG_STATE_HOME: 'x' })).directory, '/home/a/.local/state/chatd/127.0.0.1_5322/alice/laptop-recv')
})

test('one folder given with --state serves several users and devices', () => {
  assert.equal(chooseDevice({ ...ACCOUNT, stateRoot: 's', device: 'Phone' }, 'recv', world()).directory, 's/alice/phone')
  assert.equal(chooseDevice({ ...ACCOUNT, stateRoot: 's' }, 'recv', world()).directory, 's/alice/laptop-recv')
})

test('a server without a port has that of its kind', () => {
  assert.match(chooseDevice({ ...ACCOUNT, server: 'wss://chat.example' }, 'chat', world()).directory, /chat\.example_5381/)
  assert.match(chooseDevice({ ...ACCOUNT, server: 'tcp://[::1]:7' }, 'chat', world()).directory, /\/[A-Za-z0-9._-]+_7\/alice/)
})

test('a name that breaks the rules never becomes a path', () => {
  for (const change of [{ user: '../../etc' }, { user: 'a/b' }, { device: '..' }, { device: 'ä' }]) {
    assert.throws(() => chooseDevice({ ...ACCOUNT, ...change }, 'send', world()), (error) => error instanceof ChatFailure && error.exitCode === EXIT.usage)
  }
})

test('[ADR-3] any host name makes a device id', () => {
  assert.equal(hostPart('My-Host.local'), 'my-host')
  assert.equal(hostPart(''), 'cli')
  assert.equal(hostPart('日本'), 'cli')
  fc.assert(fc.property(fc.string(), (name) => {
    const id = `${hostPart(name)}-query`
    assert.equal(normalizeDevice(id), id)
  }))
})
