/** A cluster whose network falls apart. The same as a command, for longer: main.ts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { test } from 'node:test'
import { WITHOUT_REDIS } from '../cluster/testing/redis-server.js'
import { HeldNetwork } from './held-network.js'
import { apart } from './namespaces.js'
import { partitionsApart } from './partition-apart.js'
import { scopeOf } from './scope.js'

const command = apart()
const skip = WITHOUT_REDIS !== false ? WITHOUT_REDIS : typeof command === 'string' ? command : false

test('[MSG-1] [MSG-3] [QUE-2] paths between three nodes and Redis are cut under load from 24 clients: everything arrives once and in order', { skip }, async (t) => {
  if (typeof command === 'string') return
  const { acknowledged } = await partitionsApart(scopeOf(t), command, { clients: 24, rounds: 4, seed: Date.now() % 1_000_000, leaseMs: 1500 })
  assert.ok(acknowledged >= 400, `only ${acknowledged} messages`)
})

test('where there are no namespaces proxies hold what is cut, one way at a time, and let it go on', async (t) => {
  const echo = createServer((socket) => { socket.pipe(socket) }).listen(0, '127.0.0.1')
  await once(echo, 'listening')
  t.after(() => { echo.close() })
  const network = new HeldNetwork(scopeOf(t))
  const [host, port] = (await network.reach('n1', 'redis', (echo.address() as { port: number }).port)).split(':')
  const socket = connect(Number(port), host)
  t.after(() => { socket.destroy() })
  let heard = ''
  socket.on('data', (chunk: Buffer) => { heard += chunk.toString() })
  const says = async (text: string): Promise<void> => { while (!heard.endsWith(text)) await once(socket, 'data') }
  socket.write('a')
  await says('a')
  for (const [from, to] of [['n1', 'redis'], ['redis', 'n1']] as const) {
    network.cut(from, to)
    socket.write('b')
    // Another node's path is whole meanwhile, and its answer shows that this one had the time.
    const [, other] = (await network.reach('n2', 'redis', (echo.address() as { port: number }).port)).split(':')
    const witness = connect(Number(other), host)
    witness.write('w')
    await once(witness, 'data')
    witness.destroy()
    assert.ok(!heard.endsWith('b'))
    network.heal()
    await says('b')
    socket.write('a')
    await says('a')
  }
})
