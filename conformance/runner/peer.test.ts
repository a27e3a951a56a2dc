/** What the scripted server knows of its connections. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { loadCases } from './load.js'
import { Peer } from './peer.js'
import { SeededBytes } from './random.js'
import { Signal } from './signal.js'
import { Trace } from './trace.js'
import { Variables } from './variables.js'

/** Connects, and resolves once the scripted server knows. */
async function connected(peer: Peer, address: string): Promise<Socket> {
  const before = peer.connections.length
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1')
  await once(socket, 'connect')
  while (peer.connections.length === before) await delay(1)
  return socket
}

test('a connection of a client that was killed is taken for none of the next one', async (t) => {
  const peer = new Peer({
    case: loadCases()[0]!, user: 'alice', password: 'secret', device: 'phone', random: new SeededBytes('1'),
    variables: new Variables(), signal: new Signal(), trace: new Trace(), host: '127.0.0.1',
  })
  t.after(() => { peer.close() })
  const address = await peer.listen('')
  const killed = await connected(peer, address)
  t.after(() => killed.destroy())
  peer.passOver()
  assert.equal(peer.takeConnection(), null)
  const next = await connected(peer, address)
  t.after(() => next.destroy())
  assert.equal(peer.takeConnection()?.number, 2)
})

test('[RCN-3] a wait counts from the close that was sent, however late the end of the client is seen', async (t) => {
  const peer = new Peer({
    case: loadCases()[0]!, user: 'alice', password: 'secret', device: 'phone', random: new SeededBytes('1'),
    variables: new Variables(), signal: new Signal(), trace: new Trace(), host: '127.0.0.1',
  })
  t.after(() => { peer.close() })
  const socket = connect(Number((await peer.listen('')).split(':')[1]), '127.0.0.1')
  await once(socket, 'connect')
  while (peer.untaken === null) await delay(1)
  const connection = peer.takeConnection()!
  connection.send([peer.frame(`<close error='overloaded' retryAfterMs='400'/>`, connection)])
  const sentMs = performance.now()
  await once(socket, 'data')
  await delay(50)
  socket.end()
  while (connection.endedMs === 0) await delay(1)
  assert.ok(peer.lastEndMs > 0 && peer.lastEndMs <= sentMs)
})
