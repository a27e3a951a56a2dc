import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, connect, type AddressInfo, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { Signal } from './signal.js'

/** Two ends of a connection. */
async function pair(t: TestContext): Promise<readonly [Socket, Socket]> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const near = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [[far]] = await Promise.all([accepted, once(near, 'connect')])
  t.after(() => {
    for (const socket of [near, far]) socket.destroy()
    server.close()
  })
  return [near, far]
}

function standStill(forMs: number): void {
  for (const endMs = performance.now() + forMs; performance.now() < endMs;) { /* as a process does that gets no time */ }
}

test('what came before the deadline is found, though the process stood still until long behind it', async (t) => {
  const [near, far] = await pair(t)
  const signal = new Signal()
  let hasCome = false
  far.on('data', () => {
    hasCome = true
    signal.notify()
  })
  // From here on the timers are next.
  await turn()
  const found = signal.until(performance.now() + 20, () => hasCome ? true : null)
  near.write('in time')
  standStill(60)
  assert.equal(await found, true)
})

test('what does not come is not found', async () => {
  assert.equal(await new Signal().until(performance.now() + 5, () => null), null)
})
