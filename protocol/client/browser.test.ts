/** The entry for browsers, with Node's stand-ins for what browsers have: WebSocket and IndexedDB. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { Client, indexedDbStorage } from './browser.js'
import { ModelServer } from './testing/model-server.js'
import { startSocketServer } from './testing/socket-server.js'

test('[FRM-12] a browser logs in, sends and receives over WebSocket, and goes on from IndexedDB', async (t) => {
  const globals = globalThis as { WebSocket?: unknown }
  const before = globals.WebSocket
  // Of Node 22 on there is one; before that the package's is of the same kind.
  globals.WebSocket ??= WebSocket
  t.after(() => { globals.WebSocket = before })
  const name = 'fake-indexeddb' as string
  const { IDBFactory } = await import(name) as { readonly IDBFactory: new () => Parameters<typeof indexedDbStorage>[1] }
  const factory = new IDBFactory()

  const server = await startSocketServer(t, new ModelServer({ window: 64, unacknowledgedMax: 64, echoes: true }), 'ws')
  const texts: string[] = []
  for (const round of [1, 2]) {
    server.model.incoming('bob', `in ${round}`)
    const client = new Client({
      server: server.url, user: 'alice', device: 'phone', storage: indexedDbStorage('alice', factory), ...(round === 1 ? { password: 'secret' } : {}),
    })
    t.after(() => client.close())
    client.on('message', ({ text }) => { texts.push(text) })
    const synced = new Promise((resolve) => client.on('synced', resolve))
    await client.connect()
    assert.equal((await client.send('bob', `out ${round}`)).to, 'bob')
    await synced
    await client.close()
  }
  // Its own messages come back as entries, and are not shown again.
  assert.deepEqual(texts, ['in 1', 'in 2'])
  assert.equal(server.model.cursor >= 3, true)
})

test('[TOK-8] a browser refuses ws:// to a host that is not loopback', async () => {
  const client = new Client({ server: 'ws://chat.example', user: 'alice', password: 'secret', device: 'tab' })
  await assert.rejects(client.connect(), /is not encrypted/)
})

test('a browser is told that it can not reach tcp://', async () => {
  const client = new Client({ server: 'tcp://127.0.0.1:1', user: 'alice', password: 'secret', device: 'tab', reconnect: false })
  await assert.rejects(client.connect(), /a browser reaches/)
})
