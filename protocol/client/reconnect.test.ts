/** How faults of the peer slow down the way back; the rest of the rule is tested through the core. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LIMIT } from '../generated/registry.js'
import { Reconnect } from './reconnect.js'
import { parseServerUrl, type ServerAddress } from './server-url.js'

const SERVER = parseServerUrl('wss://chat.example/socket')
const RANDOM_MAX = 1 - 2 ** -53

test('a peer that breaks the protocol after every welcome is tried more and more slowly, until a session lasts', () => {
  const reconnect = new Reconnect([SERVER], () => 0)
  const waits = []
  for (let round = 0; round < 4; round++) {
    reconnect.opened(1000)
    reconnect.faulted(1001)
    waits.push(reconnect.lost(1001, 0, RANDOM_MAX))
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000])
  reconnect.opened(2000)
  assert.equal(reconnect.lost(2001, 0, RANDOM_MAX), 8000, 'welcome alone does not forgive')
  reconnect.opened(3000)
  assert.equal(reconnect.lost(3001 + LIMIT.reconnectCapMs, 0, RANDOM_MAX), LIMIT.reconnectBaseMs)
  reconnect.opened(3000)
  reconnect.faulted(3001 + LIMIT.reconnectCapMs)
  assert.equal(reconnect.lost(3001 + LIMIT.reconnectCapMs, 0, RANDOM_MAX), 1000, 'a fault after a long session counts as the first')
})

test('[RCN-5] of several servers each is tried in turn, but for a host that a server has named', () => {
  const [first, second] = ['tcp://one', 'tcp://two:7'].map(parseServerUrl) as [ServerAddress, ServerAddress]
  const reconnect = new Reconnect([first, second], () => 0)
  const waits: number[] = []
  const next = (): string => {
    waits.push(reconnect.lost(0, 0, RANDOM_MAX))
    return `${reconnect.address.host}:${String(reconnect.address.port)}`
  }
  assert.equal(reconnect.address, first)
  assert.deepEqual([next(), next()], ['two:7', `one:${String(first.port)}`])
  assert.deepEqual(waits, [LIMIT.reconnectBaseMs, 2 * LIMIT.reconnectBaseMs], 'a wait counts for all of them')
  reconnect.redirect('three:9')
  assert.equal(next(), 'three:9')
  reconnect.redirect(null)
  assert.equal(next(), 'two:7')
})

test('[CLS-7] only hosts sent to one directly after the other count: one that does not answer ends the row', () => {
  const reconnect = new Reconnect([SERVER], () => 0)
  const sentOn = (host: string | null): string => {
    reconnect.redirect(host)
    reconnect.lost(0, 0, 0)
    return reconnect.address.host
  }
  for (let round = 0; round < 5; round++) {
    assert.equal(sentOn('other:9'), 'other', 'it may be up by now')
    assert.equal(sentOn(null), SERVER.host)
  }
  for (let round = 0; round < 3; round++) {
    assert.deepEqual(['one', 'two', 'three', 'four'].map(sentOn), ['one', 'two', 'three', SERVER.host], 'back at the server a new row begins')
  }
  assert.deepEqual(['one', 'two', 'not a host', 'three'].map(sentOn), ['one', 'two', SERVER.host, 'three'])
})

test('[RCN-5] the first server is tried first, and the clients of one that dies are spread over all others', () => {
  const names = ['one', 'two', 'three', 'four']
  const orders = new Map<string, number>()
  for (let draw = 0; draw < 36; draw++) {
    // Each pair of draws in turn: of three, and of two.
    const draws = [(draw % 6) / 6, Math.floor(draw / 6) / 6]
    const reconnect = new Reconnect(names.map((name) => parseServerUrl(`tcp://${name}`)), () => draws.shift()!)
    const order = names.map(() => {
      const { host } = reconnect.address
      reconnect.lost(0, 0, RANDOM_MAX)
      return host
    })
    assert.deepEqual([...order].sort(), [...names].sort(), 'each of them once')
    assert.equal(reconnect.address.host, 'one', 'and then again')
    orders.set(order.join(), (orders.get(order.join()) ?? 0) + 1)
  }
  assert.deepEqual([...orders.keys()].map((order) => order.split(',')[0]), Array(6).fill('one'))
  assert.deepEqual([...orders.values()], Array(6).fill(6), 'all orders are drawn equally often')
})

test('server URLs: schemes, default ports, paths, IPv6; anything else is a TypeError', () => {
  assert.deepEqual(SERVER, { scheme: 'wss', host: 'chat.example', port: 5381, path: '/socket' })
  assert.deepEqual(parseServerUrl('tcp://[::1]:7'), { scheme: 'tcp', host: '::1', port: 7, path: '/' })
  assert.equal(parseServerUrl('TLS://Host').port, 5323)
  for (const url of ['', 'host:1', 'http://host', 'tcp://', 'tcp://host:0', 'tcp://host:70000', 'tcp://user@host', 'ws://host/#x']) {
    assert.throws(() => parseServerUrl(url), TypeError, url)
  }
})
