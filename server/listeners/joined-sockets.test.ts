import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { test, type TestContext } from 'node:test'
import { joinSockets, partSockets } from './joined-sockets.js'

/** Two ends of a connection. */
async function pair(t: TestContext): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')])
  server.close()
  for (const socket of [near, far]) {
    socket.on('error', () => {})
    t.after(() => socket.destroy())
  }
  return [near, far]
}

/** A client, whose connection is joined with one to a server. */
async function joined(t: TestContext, idleMs: number): Promise<{ client: Socket, socket: Socket, near: Socket, server: Socket }> {
  const [[client, socket], [near, server]] = [await pair(t), await pair(t)]
  joinSockets(socket, near, idleMs)
  return { client, socket, near, server }
}

test('who has sent all it has to say gets its answer', async (t) => {
  const { client, server } = await joined(t, 60_000)
  client.end('question')
  let text = ''
  server.on('data', (chunk: Buffer) => { text += chunk.toString() })
  await once(server, 'end')
  server.end('answer')
  const [answer] = await once(client, 'data') as [Buffer]
  assert.deepEqual([text, answer.toString()], ['question', 'answer'])
})

test('a client that keeps its end open does not keep the connection', async (t) => {
  const { client, socket, near, server } = await joined(t, 60_000)
  client.resume()
  server.end('the last answer')
  await Promise.all([once(socket, 'close'), once(near, 'close')])
})

test('a client that takes nothing of what is left does not keep the connection', async (t) => {
  const { client, socket, server } = await joined(t, 50)
  client.pause()
  const closed = once(socket, 'close')
  // More than all that lies in between can hold.
  while (server.writableLength < 4_000_000) {
    server.write(Buffer.alloc(1_000_000))
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  server.destroy()
  await closed
})

test('what was written last arrives, however slowly it is taken', async (t) => {
  const { client, server } = await joined(t, 60_000)
  server.resume().end(Buffer.alloc(3_000_000, 7))
  let bytes = 0
  for await (const chunk of client as AsyncIterable<Buffer>) {
    bytes += chunk.length
    await new Promise((resolve) => { setImmediate(resolve) })
  }
  assert.equal(bytes, 3_000_000)
})

test('whoever goes on alone has lost nothing of either direction', async (t) => {
  const { client, socket, near, server } = await joined(t, 60_000)
  const sent = Buffer.alloc(3_000_000)
  for (let at = 0; at + 4 <= sent.length; at += 4) sent.writeUInt32LE(at, at)
  client.write(sent)
  const answer = Buffer.alloc(300_000, 1)
  server.write(answer)
  const [before] = await once(server, 'data') as [Buffer]
  const there = [before]
  server.on('data', (chunk: Buffer) => { there.push(chunk) }).once('end', () => server.destroy())
  await partSockets(socket, near)
  assert.equal(socket.closed, false)
  const left = sent.length - Buffer.concat(there).length
  for (let bytes = 0; bytes < left;) {
    const chunk = socket.read() as Buffer | null
    if (chunk === null) await once(socket, 'readable')
    else {
      there.push(chunk)
      bytes += chunk.length
    }
  }
  assert.ok(Buffer.concat(there).equals(sent))
  let answered = 0
  client.on('data', (chunk: Buffer) => { answered += chunk.length })
  while (answered < answer.length) await once(client, 'data')
})

test('one that closes while it is parted ends the other', async (t) => {
  const { client, socket, near, server } = await joined(t, 60_000)
  server.once('end', () => server.destroy())
  const closed = once(server.resume(), 'close')
  const parted = partSockets(socket, near)
  client.resetAndDestroy()
  await Promise.all([parted, closed])
})
