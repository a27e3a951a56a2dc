/** Presence from end to end: the reference client, also as browsers have it, against whole servers on real sockets. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocket } from 'ws'
import { Client as BrowserClient } from '../../protocol/client/browser.js'
import { Client } from '../../protocol/client/node.js'
import type { ClientEvents } from '../../protocol/client/node.js'
import { encodeActivity, encodeMessage, encodeTyping, encodeWatch } from '../../protocol/generated/frames.js'
import { ACTIVITY, FRAME, PRESENCE, TYPING } from '../../protocol/generated/registry.js'
import { liveConfig, liveServer, login, PASSWORD } from '../testing/live-server.js'

const TIMEOUT_MS = 20_000
const FAST = { presence: { delayMs: 50, typingExpiryMs: 1000 } }

function clientOf(t: TestContext, server: string, user: string, device = 'phone'): Client {
  const client = new Client({ server, user, password: PASSWORD, device })
  t.after(() => client.close())
  return client
}

/** Resolves with the first such event for which `isIt` holds, of those from now on. */
function event<K extends keyof ClientEvents>(client: Client | BrowserClient, kind: K, isIt: (value: ClientEvents[K]) => boolean): Promise<ClientEvents[K]> {
  return new Promise((resolve) => {
    const off = client.on(kind, (value) => {
      if (!isIt(value)) return
      off()
      resolve(value)
    })
  })
}

test('[PRS-5] [PRS-8] a client sees somebody come and go, also after the server was restarted', { timeout: TIMEOUT_MS }, async (t) => {
  const config = liveConfig(t, { ...FAST, listen: { urls: ['tcp://127.0.0.1:0'] } })
  const first = await liveServer(t, config)
  const port = new URL(first.url.replace('tcp', 'http')).port
  const alice = clientOf(t, first.url, 'alice')
  const offline = event(alice, 'presence', ({ user, isOnline }) => user === 'bob' && !isOnline)
  await alice.connect()
  await alice.watch('bob', 'nobody')
  assert.equal((await offline).lastSeenMs, null)
  const online = event(alice, 'presence', ({ isOnline }) => isOnline)
  const bob = clientOf(t, first.url, 'bob')
  await bob.connect()
  assert.equal((await online).user, 'bob')
  assert.equal(alice.presence('Bob')?.isOnline, true)
  // Long enough to have been seen.
  await new Promise((resolve) => { setTimeout(resolve, FAST.presence.delayMs + 20) })
  const gone = event(alice, 'presence', ({ user, isOnline }) => user === 'bob' && !isOnline)
  await bob.close()
  const { lastSeenMs } = await gone
  assert.ok(lastSeenMs !== null && Math.abs(Date.now() - lastSeenMs) < 10_000)
  await first.stop()
  const again = event(alice, 'presence', ({ user }) => user === 'bob')
  await liveServer(t, { ...config, listen: { ...config.listen, urls: [`tcp://127.0.0.1:${port}`] } }, [])
  assert.deepEqual(await again, { user: 'bob', isOnline: false, lastSeenMs }, 'watched again by itself, and stored')
})

test('[PRS-12] [PRS-14] typing is seen, and is over by itself', { timeout: TIMEOUT_MS }, async (t) => {
  const { url } = await liveServer(t, liveConfig(t, FAST))
  const [alice, bob] = [clientOf(t, url, 'alice'), clientOf(t, url, 'bob')]
  await Promise.all([alice.connect(), bob.connect()])
  const declined = event(alice, 'declined', () => true)
  await alice.typing('bob')
  const { what, names, error } = await declined
  assert.deepEqual([what, names, error.symbol], ['typing', ['bob'], 'no-such-conversation'])
  await alice.send('bob', 'hi')
  const recording = event(bob, 'typing', ({ kind }) => kind === 'recording')
  const paused = event(bob, 'typing', ({ kind }) => kind === 'paused')
  await alice.typing('bob', 'recording')
  assert.deepEqual(await recording, { conversation: 'alice', from: 'alice', kind: 'recording' })
  assert.deepEqual(await paused, { conversation: 'alice', from: 'alice', kind: 'paused' })
  const typing = event(bob, 'typing', ({ kind }) => kind === 'typing')
  await alice.typing('bob')
  await typing
  const over = event(bob, 'typing', ({ kind }) => kind === 'paused')
  await alice.send('bob', 'there')
  await over
})

test('[PRS-2] [PRS-17] a browser watches, hides and is spared', { timeout: TIMEOUT_MS }, async (t) => {
  Object.assign(globalThis, { WebSocket })
  const { url } = await liveServer(t, liveConfig(t, { ...FAST, listen: { urls: ['ws://127.0.0.1:0', 'tcp://127.0.0.1:0'] } }))
  const alice = new BrowserClient({ server: url, user: 'alice', password: PASSWORD, device: 'browser' })
  const bob = new BrowserClient({ server: url, user: 'bob', password: PASSWORD, device: 'browser' })
  t.after(() => Promise.all([alice.close(), bob.close()]))
  await bob.setActive(false)
  await Promise.all([alice.connect(), bob.connect()])
  const answered = event(alice, 'presence', () => true)
  await alice.watch('bob')
  assert.equal((await answered).isOnline, false, 'a page in the background')
  const online = event(alice, 'presence', ({ isOnline }) => isOnline)
  await bob.setActive(true)
  await online
  const hidden = event(alice, 'presence', ({ isOnline }) => !isOnline)
  assert.deepEqual(await bob.privacy({ seen: 'nobody', online: 'except', except: ['Alice'] }), { seen: 'nobody', online: 'except', except: ['alice'] })
  assert.equal((await hidden).lastSeenMs, null)
  assert.deepEqual(await bob.privacy(), { seen: 'nobody', online: 'except', except: ['alice'] })
  await assert.rejects(bob.privacy({ except: Array.from({ length: 257 }, (_, i) => `user${String(i)}`) }), { symbol: 'too-many-exceptions' })
  await assert.rejects(bob.watch('b b'), { symbol: 'malformed-address' })
})

test('[PRS-1] messages of one who watches and types without end are acknowledged as ever', { timeout: TIMEOUT_MS }, async (t) => {
  const { url, counters } = await liveServer(t, liveConfig(t, FAST))
  const { client: bob } = await login(t, url, 'bob')
  const { client: alice } = await login(t, url, 'alice')
  alice.send(encodeMessage(1, 'bob', Buffer.from('hi')))
  await alice.until(FRAME.ack)
  for (let i = 0; i < 1000; i++) {
    alice.send(encodeWatch(Array.from({ length: 10 }, (_, k) => `user${String(i * 10 + k)}`)), encodeTyping('bob', 1 + i % 2))
  }
  alice.send(encodeMessage(2, 'bob', Buffer.from('there')))
  await alice.until(FRAME.ack)
  assert.ok(counters.ephemeralOut < 5000, `${String(counters.ephemeralOut)} frames`)
  bob.send(encodeActivity(ACTIVITY.inactive))
})

test('[PRS-5] a device that speaks frames is told as the page says', { timeout: TIMEOUT_MS }, async (t) => {
  const { url } = await liveServer(t, liveConfig(t, FAST))
  const { client: alice } = await login(t, url)
  alice.send(encodeWatch(['Bob']))
  const first = await alice.until(FRAME.presence)
  assert.ok(first.type === FRAME.presence)
  assert.deepEqual([first.user, first.state, first.lastSeen], ['bob', PRESENCE.offline, 0])
  const { client: bob } = await login(t, url, 'bob')
  const second = await alice.until(FRAME.presence)
  assert.ok(second.type === FRAME.presence)
  assert.deepEqual([second.user, second.state, second.lastSeen], ['bob', PRESENCE.online, 0])
  bob.send(encodeMessage(1, 'alice', Buffer.from('hi')))
  await bob.until(FRAME.ack)
  bob.send(encodeTyping('alice', TYPING.recording))
  const typing = await alice.until(FRAME.typingFrom)
  assert.ok(typing.type === FRAME.typingFrom)
  assert.deepEqual([typing.conversation, typing.from, typing.kind, typing.expiresMs], ['bob', 'bob', TYPING.recording, 1000])
})
