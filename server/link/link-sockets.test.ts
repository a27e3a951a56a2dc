/** Links over real sockets. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { selfSigned } from '../listeners/self-signed.js'
import { LinkServer, ROUTER_PURPOSE } from '../router/link-server.js'
import { dialRouter, type RemoteRouter } from '../router/remote-router.js'
import { FakeRouter } from '../session/testing/fake-router.js'
import { testIdentity } from '../testing/live-front.js'
import { isExposed, parseLinkAddress } from './link-address.js'
import { LinkAcceptor } from './link-acceptor.js'
import { systemLinkEnvironment } from './link-environment.js'
import { LINK_CLOSE } from './link-frames.js'
import { dialLink, type LinkListener, type LinkTls, openLinkListener } from './link-sockets.js'
import { LinkError } from './open-link.js'

const CONNECT_MS = 5000

function tlsOf(): LinkTls {
  const { certificate, key } = selfSigned(['localhost'], 1, Date.now())
  // One certificate for all nodes, which signs for itself.
  return { cert: certificate, key, ca: certificate }
}

async function listen(t: TestContext, address: string, tls: LinkTls | null): Promise<LinkListener> {
  const environment = systemLinkEnvironment()
  const server = new LinkServer()
  server.serve({ router: new FakeRouter(), desk: null })
  const acceptor = new LinkAcceptor(testIdentity('owner'), environment, { [ROUTER_PURPOSE]: server })
  const listener = await openLinkListener(parseLinkAddress(address)!, tls, (transport) => acceptor.accept(transport))
  t.after(() => {
    acceptor.close()
    listener.stop()
  })
  return listener
}

async function dial(address: string, tls: LinkTls | null): Promise<RemoteRouter> {
  return dialRouter(await dialLink(parseLinkAddress(address)!, tls, CONNECT_MS), testIdentity('front'), 'owner', systemLinkEnvironment())
}

async function isUsed(t: TestContext, remote: RemoteRouter): Promise<void> {
  t.after(() => remote.close())
  assert.deepEqual(await remote.settings('alice'), { readReceipts: true })
}

test('over TCP, and over a Unix socket that is its user\'s alone', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-link-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'link')
  for (const address of ['tcp://127.0.0.1:0', `unix:${path}`]) {
    const listener = await listen(t, address, null)
    await isUsed(t, await dial(listener.address, null))
  }
  assert.equal(statSync(path).mode & 0o777, 0o600)
  // What a process that died has left is no hindrance.
  await listen(t, `unix:${path}`, null)
  await isUsed(t, await dial(`unix:${path}`, null))
})

test('over TLS both ends show a certificate of the cluster', async (t) => {
  const tls = tlsOf()
  const listener = await listen(t, 'tls://127.0.0.1:0', tls)
  await isUsed(t, await dial(listener.address, tls))
  const stranger = tlsOf()
  await assert.rejects(dial(listener.address, stranger), LinkError, 'it trusts nobody here')
  await assert.rejects(dial(listener.address, { ...stranger, ca: tls.ca }), LinkError, 'its own certificate is not of the cluster')
  const renewed = tlsOf()
  listener.renewTls(renewed)
  await isUsed(t, await dial(listener.address, renewed))
})

test('where nobody listens there is no link', async () => {
  await assert.rejects(dial('tcp://127.0.0.1:1', null), (error) => error instanceof LinkError && error.reason === LINK_CLOSE.unreachable)
  await assert.rejects(dial(`unix:${join(tmpdir(), 'chatd-nobody')}`, null), (error) => error instanceof LinkError && error.reason === LINK_CLOSE.unreachable)
})

test('addresses of links', () => {
  assert.deepEqual(parseLinkAddress('unix:/run/chatd/link'), { kind: 'unix', path: '/run/chatd/link' })
  assert.deepEqual(parseLinkAddress('tls://10.0.0.5:5340'), { kind: 'tls', host: '10.0.0.5', port: 5340 })
  for (const text of ['', 'unix:', 'ws://127.0.0.1:1', 'tcp://host:99999', 'host:1']) assert.equal(parseLinkAddress(text), null, text)
  const exposed = ['tcp://10.0.0.5:1', 'tcp://127.0.0.1:1', 'tls://10.0.0.5:1', 'unix:/x'].map((text) => isExposed(parseLinkAddress(text)!))
  assert.deepEqual(exposed, [true, false, false, false])
})
