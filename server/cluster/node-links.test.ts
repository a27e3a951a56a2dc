/** What nodes ask each other, over real sockets. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { setImmediate as immediately, setTimeout as pause } from 'node:timers/promises'
import { encodeValue } from '../link/call-codec.js'
import { type LinkAddress, parseLinkAddress } from '../link/link-address.js'
import { LinkDesk } from '../link/link-desk.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { appendAnswer, LINK } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { RouterError } from '../router/router.js'
import { type NodeCalls, NODE_PURPOSE, NodeCallServer, NodeLinks } from './node-links.js'

const SECRET = Buffer.alloc(32, 7)

async function pairOf(t: TestContext, calls: NodeCalls, limits = {}): Promise<{ links: NodeLinks, address: string, listener: LinkDesk }> {
  const environment = systemLinkEnvironment({ limits })
  const { listener, address } = await listening(t, calls, { kind: 'tcp', host: '127.0.0.1', port: 0 }, environment)
  const dialler = new LinkDesk({ cluster: 'c', node: 'n2', secret: SECRET }, environment, null)
  const links = new NodeLinks({ identity: dialler.identity, environment, dial: (text) => dialler.dial(text) })
  t.after(() => { links.close() })
  return { links, address, listener }
}

async function listening(t: TestContext, calls: NodeCalls, at: LinkAddress, environment = systemLinkEnvironment()): Promise<{ listener: LinkDesk, address: string }> {
  const listener = new LinkDesk({ cluster: 'c', node: 'n1', secret: SECRET }, environment, null)
  t.after(() => { listener.close() })
  return { listener, address: await listener.listen(at, { [NODE_PURPOSE]: new NodeCallServer(calls, environment) }) }
}

test('a call brings bytes there and back, many at once over one link', async (t) => {
  const { links, address } = await pairOf(t, { double: async (bytes) => Buffer.concat([bytes as Uint8Array, bytes as Uint8Array]) })
  const sizes = [0, 1, 1000, 1 << 20]
  const answers = await Promise.all(sizes.map((size) => links.ask('n1', address, 'double', Buffer.alloc(size, 5))))
  assert.deepEqual(answers.map((answer) => (answer as Uint8Array).length), sizes.map((size) => 2 * size))
})

test('what the other node refuses is told with its words, and a call that it does not know', async (t) => {
  const { links, address } = await pairOf(t, { refuse: () => Promise.reject(new RouterError(ERROR.rateLimited, 'not now', { retryAfterMs: 70 })), break: () => Promise.reject(new Error('a fault')) })
  await assert.rejects(links.ask('n1', address, 'refuse', null), (error) => error instanceof RouterError && error.message === 'not now' && error.retryAfterMs === 70)
  await assert.rejects(links.ask('n1', address, 'break', null), /a fault/)
  await assert.rejects(links.ask('n1', address, 'constructor', null), /knows no constructor/)
})

test('an answer that makes no sense is none, and takes nobody along but the link', async (t) => {
  const answers: ((out: ByteBuffer, call: number) => void)[] = [
    (out, call) => { appendAnswer(out, LINK.result, call, Buffer.from([0xc1])) },
    (out, call) => { appendAnswer(out, LINK.attached, call, encodeValue(null)) },
  ]
  const environment = systemLinkEnvironment()
  const listener = new LinkDesk({ cluster: 'c', node: 'n1', secret: SECRET }, environment, null)
  t.after(() => { listener.close() })
  const address = await listener.listen({ kind: 'tcp', host: '127.0.0.1', port: 0 }, {
    [NODE_PURPOSE]: {
      open: (link) => ({
        details: encodeValue(null).slice(),
        handler: {
          frame: (_type, reader) => {
            answers.shift()?.(link.beginSend(), reader.uint())
            link.endSend()
          },
          drained: () => {}, ended: () => {},
        },
      }),
    },
  })
  const links = new NodeLinks({ identity: { cluster: 'c', node: 'n2', secret: SECRET }, environment, dial: (text) => listener.dial(text) })
  t.after(() => { links.close() })
  for (let left = answers.length; left > 0; left--) {
    await assert.rejects(links.ask('n1', address, 'hello', null), (error) => error instanceof RouterError && error.code === ERROR.unavailable)
  }
})

test('another node than the one that is meant is not asked, and one that is not there can be asked again when it is', async (t) => {
  const { links, address, listener } = await pairOf(t, { hello: async () => 'hi' })
  await assert.rejects(links.ask('n3', address, 'hello', null), LinkError)
  listener.close()
  await assert.rejects(links.ask('n1', address, 'hello', null), LinkError)
})

test('a node that was restarted is reached by the first call', async (t) => {
  const { links, address, listener } = await pairOf(t, { hello: async () => 'hi' })
  assert.equal(await links.ask('n1', address, 'hello', null), 'hi')
  listener.close()
  await listening(t, { hello: async () => 'hi again' }, parseLinkAddress(address)!)
  // For the end of the link to be there, as long before an operator asks.
  await pause(50)
  // However late this process is: whatever has come is read before this.
  await immediately()
  assert.equal(await links.ask('n1', address, 'hello', null), 'hi again')
})

test('a link that ends rejects what is under way, and the next call opens another', async (t) => {
  let release = (): void => {}
  const { links, address, listener } = await pairOf(t, { wait: () => new Promise((resolve) => { release = () => { resolve('late') } }), hello: async () => 'hi' })
  assert.equal(await links.ask('n1', address, 'hello', null), 'hi')
  const waiting = links.ask('n1', address, 'wait', null)
  waiting.catch(() => { /* looked at below */ })
  await links.ask('n1', address, 'hello', null)
  listener.close()
  await assert.rejects(waiting, (error) => error instanceof RouterError)
  release()
  await assert.rejects(links.ask('n1', address, 'hello', null), LinkError)
})
