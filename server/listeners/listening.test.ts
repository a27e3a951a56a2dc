import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { listenOn, listenPrivately } from './listening.js'

const skip = process.platform === 'win32'
const MASK = 0o022
process.umask(MASK)

function place(t: TestContext): { readonly server: Server, readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'chatd-private-'))
  const server = createServer()
  t.after(() => {
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  return { server, path: join(folder, 'socket') }
}

test('a private socket is for its owner alone, and what others make meanwhile has the mask that it had', { skip }, async (t) => {
  const { server, path } = place(t)
  const listening = listenPrivately(server, path)
  assert.equal(process.umask(MASK), MASK)
  await listening
  assert.equal(process.umask(MASK), MASK)
  assert.equal(statSync(path).mode & 0o777, 0o600)
})

test('a private socket takes the place of one that a dead process has left', { skip }, async (t) => {
  const { server, path } = place(t)
  const dead = createServer()
  await listenPrivately(dead, path)
  t.after(() => dead.close())
  await listenPrivately(server, path)
  assert.equal(server.listening, true)
})

test('any number of connections that could not be taken are told, and do no harm', { skip }, async (t) => {
  const { server, path } = place(t)
  const failed: string[] = []
  await listenOn(server, { host: '127.0.0.1', port: 0 }, ({ message }) => { failed.push(message) })
  for (let time = 0; time < 3; time++) server.emit('error', new Error('accept EMFILE'))
  assert.deepEqual(failed, ['accept EMFILE', 'accept EMFILE', 'accept EMFILE'])
  const unheard = createServer()
  t.after(() => unheard.close())
  await listenPrivately(unheard, path)
  for (let time = 0; time < 3; time++) unheard.emit('error', new Error('accept EMFILE'))
})

test('listening where somebody else does rejects', async (t) => {
  const first = createServer()
  t.after(() => first.close())
  await listenOn(first, { host: '127.0.0.1', port: 0 })
  const { port } = first.address() as AddressInfo
  await assert.rejects(listenOn(createServer(), { host: '127.0.0.1', port }), { code: 'EADDRINUSE' })
})

test('listening privately where nothing can be made rejects, and leaves the mask as it was', { skip }, async (t) => {
  const { server, path } = place(t)
  await assert.rejects(listenPrivately(server, join(path, 'below-nothing')))
  assert.equal(process.umask(MASK), MASK)
})
