import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setImmediate as turn } from 'node:timers/promises'
import { type TestContext, test } from 'node:test'
import { createServer as createTlsServer, type TLSSocket } from 'node:tls'
import { selfSigned } from '../listeners/self-signed.js'
import { driver, type RawClient } from './raw-client.js'

// ---- a scripted server: bytes by hand, so that driver and server cannot agree on a mistake ----

function uint(value: number): Buffer {
  const out: number[] = []
  for (; value >= 128; value = Math.floor(value / 128)) out.push(value % 128 + 128)
  return Buffer.from([...out, value])
}
const bytes = (data: Uint8Array | string): Buffer => Buffer.concat([uint(Buffer.from(data).length), Buffer.from(data)])
const time = Buffer.from([1, 2, 3, 4, 5, 6])
function frame(type: number, ...fields: Buffer[]): Buffer {
  const body = Buffer.concat([Buffer.from([type]), ...fields])
  return Buffer.concat([uint(body.length), body])
}
const features = frame(4, uint(1), uint(2), bytes('SCRAM-SHA-256'), bytes('TOKEN'), uint(0), uint(4096), uint(10000))
const welcome = (cursor: number, token: Uint8Array): Buffer => frame(16, bytes('s1'), time, uint(1), uint(7), uint(cursor), uint(0), uint(3),
  uint(256), uint(1024), uint(65536), uint(120000), bytes(token))
const delivery = (index: number, from: string, seq: number, text: string): Buffer =>
  frame(24, uint(index), bytes(from), uint(seq), time, bytes(text))
const receipt = (index: number, conversation: string, mark: number, seq: number): Buffer =>
  frame(28, uint(index), bytes(conversation), bytes(''), uint(mark), uint(seq))
const ack = (clientId: number, seq: number): Buffer => frame(20, uint(clientId), uint(seq), uint(2))

/** Takes whole frames off a socket. */
class Frames {
  #rest = Buffer.alloc(0)
  #wake = (): void => { /* nobody waits */ }
  readonly socket: Socket
  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', (chunk: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, chunk])
      this.#wake()
    })
    socket.on('error', () => { /* the client may be gone first */ })
  }

  /** Type and fields of the next frame. */
  async next(): Promise<{ type: number, fields: Buffer }> {
    for (;;) {
      const long = this.#rest[0]! >= 128
      const head = long ? 2 : 1
      if (this.#rest.length > head) {
        const length = long ? this.#rest[0]! - 128 + this.#rest[1]! * 128 : this.#rest[0]!
        if (this.#rest.length >= head + length) {
          const body = this.#rest.subarray(head, head + length)
          this.#rest = this.#rest.subarray(head + length)
          return { type: body[0]!, fields: body.subarray(1) }
        }
      }
      await new Promise<void>((resolve) => { this.#wake = resolve })
    }
  }
}

async function scriptedServer(t: TestContext): Promise<{ port: number, accept: () => Promise<Frames> }> {
  const server = createServer()
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => sockets.add(socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const accept = async (): Promise<Frames> => new Frames((await once(server, 'connection') as [Socket])[0])
  return { port: (server.address() as AddressInfo).port, accept }
}

/** The server's side of SCRAM-SHA-256; throws when the proof is wrong. */
async function serveScram(frames: Frames, password: string): Promise<void> {
  assert.equal((await frames.next()).type, 2)
  const first = (await frames.next()).fields.toString('latin1')
  const bare = /n,,(n=.*)$/.exec(first)![1]!
  const salt = randomBytes(16)
  const serverFirst = `r=${/r=(.*)$/.exec(bare)![1]!}abc,s=${salt.toString('base64')},i=4096`
  frames.socket.write(Buffer.concat([features, frame(8, bytes(serverFirst))]))
  const final = (await frames.next()).fields.toString('latin1')
  const [, withoutProof, proof] = /(c=biws,r=[^,]*),p=(.*)$/.exec(final)!
  const hmac = (key: Uint8Array, data: string): Buffer => createHmac('sha256', key).update(data).digest()
  const salted = pbkdf2Sync(password, salt, 4096, 32, 'sha256')
  const stored = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
  const message = `${bare},${serverFirst},${withoutProof!}`
  const signature = hmac(stored, message)
  const clientKey = Buffer.from(Buffer.from(proof!, 'base64').map((byte, at) => byte ^ signature[at]!))
  assert.deepEqual(createHash('sha256').update(clientKey).digest(), stored, 'the proof is that of the password')
  frames.socket.write(frame(12, bytes('u1'), bytes(`v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`)))
  assert.equal((await frames.next()).type, 14)
}

const token = Buffer.alloc(32, 0xfe)

/** A client with an open session that holds a token, and the server's end of it. */
async function opened(t: TestContext): Promise<{ client: RawClient, frames: Frames, port: number, accept: () => Promise<Frames> }> {
  driver.forget()
  const { port, accept } = await scriptedServer(t)
  const client = driver.create({ port })
  t.after(() => { client.drop() })
  const connected = client.connect('u1', 'pw-u1')
  const frames = await accept()
  await serveScram(frames, 'pw-u1')
  frames.socket.write(welcome(10, token))
  await connected
  return { client, frames, port, accept }
}

test('the first login is SCRAM, the next one a token, cursor and outbox epoch in one flight', async (t) => {
  const { client, frames, port, accept } = await opened(t)
  frames.socket.write(delivery(11, 'u2', 1, 'hello'))
  assert.deepEqual(await frames.next(), { type: 34, fields: Buffer.from([11]) })
  const closed = client.close()
  assert.equal((await frames.next()).type, 48)
  frames.socket.end()
  await closed

  const again = driver.create({ port })
  t.after(() => { again.drop() })
  const connected = again.connect('u1', 'pw-u1')
  const second = await accept()
  assert.equal((await second.next()).type, 2)
  assert.deepEqual(await second.next(), { type: 6, fields: Buffer.concat([bytes('TOKEN'), bytes(Buffer.concat([Buffer.from('u1\0bench\0'), token]))]) })
  assert.deepEqual(await second.next(), { type: 14, fields: Buffer.concat([bytes('bench'), bytes(''), uint(7), uint(11), uint(3), uint(0)]) })
  second.socket.write(Buffer.concat([features, frame(12, bytes('u1'), bytes('')), welcome(11, new Uint8Array(0))]))
  await connected
})

test('a token that is refused is followed by the password', async (t) => {
  const { client, port, accept } = await opened(t)
  client.drop()
  const again = driver.create({ port })
  t.after(() => { again.drop() })
  const connected = again.connect('u1', 'pw-u1')
  const second = await accept()
  for (let n = 0; n < 3; n++) await second.next()
  const third = accept()
  second.socket.end(frame(48, uint(221), uint(0), bytes(''), bytes('no')))
  await serveScram(await third, 'pw-u1')
  ;(await third).socket.write(welcome(0, token))
  await connected
})

test('acks, merged receipts and receipts that overtake the ack reach the caller by its own ids', async (t) => {
  const { client, frames } = await opened(t)
  const accepted: number[] = []
  const receipts: number[] = []
  client.onAccepted((count) => accepted.push(count))
  client.onReceipt((id) => receipts.push(id))
  for (const id of [100, 101, 102]) client.send('u2', `text ${String(id)}`, id)
  for (const clientId of [1, 2, 3]) {
    assert.deepEqual(await frames.next(), { type: 18, fields: Buffer.concat([uint(clientId), bytes('u2'), bytes(`text ${String(99 + clientId)}`)]) })
  }
  frames.socket.write(Buffer.concat([ack(1, 5), ack(2, 6), receipt(11, 'u2', 1, 7), receipt(12, 'u2', 2, 7), ack(3, 7), frame(44, uint(300))]))
  assert.deepEqual(await frames.next(), { type: 46, fields: uint(300) })
  assert.deepEqual(accepted, [1, 1, 1])
  assert.deepEqual(receipts, [100, 101, 102])
})

test('frames cut into single bytes are read whole, and one ack of the queue covers a turn', async (t) => {
  const { client, frames } = await opened(t)
  const got: [string, string, number][] = []
  client.onDelivery((from, text, seq) => got.push([from, text, seq]))
  const long = 'x'.repeat(200)
  const stream = Buffer.concat([delivery(11, 'u2', 300, long), frame(30, uint(14)), frame(51, uint(9)), frame(32, uint(14)), delivery(15, 'u3', 1, 'b')])
  for (const byte of stream) {
    frames.socket.write(Buffer.from([byte]))
    await turn()
  }
  while ((await frames.next()).fields[0] !== 15) { /* acks of the pieces */ }
  assert.deepEqual(got, [['u2', long, 300], ['u3', 'b', 1]])
})

test('a gap in the queue and an unknown critical frame are not passed over', async (t) => {
  const { client } = await opened(t)
  const feed = (data: Buffer): void => {
    const inside = client as unknown as { buf: string, parse: () => void }
    inside.buf = data.toString('latin1')
    inside.parse()
  }
  assert.throws(() => { feed(delivery(12, 'u2', 1, 'a')) }, /gap/)
  assert.throws(() => { feed(frame(98)) }, /not known/)
})

test('looking at users makes the device active and watches them, looking away undoes both', async (t) => {
  const { client, frames } = await opened(t)
  client.look(['u2', 'u30'])
  assert.deepEqual(await frames.next(), { type: 51, fields: uint(1) })
  assert.deepEqual(await frames.next(), { type: 53, fields: Buffer.concat([uint(2), bytes('u2'), bytes('u30')]) })
  client.lookAway()
  assert.deepEqual(await frames.next(), { type: 55, fields: uint(0) })
  assert.deepEqual(await frames.next(), { type: 51, fields: uint(2) })
})

test('a client with few places for unanswered stanzas holds the others back', async (t) => {
  const { client: first, port, accept } = await opened(t)
  first.drop()
  const client = driver.create({ port, ring: 2 })
  t.after(() => { client.drop() })
  const connected = client.connect('u1', 'pw-u1')
  const frames = await accept()
  for (let n = 0; n < 3; n++) await frames.next()
  frames.socket.write(Buffer.concat([features, frame(12, bytes('u1'), bytes('')), welcome(10, new Uint8Array(0))]))
  await connected
  for (const id of [1, 2, 3]) client.send('u2', String(id), id)
  const clientIds = [(await frames.next()).fields[0], (await frames.next()).fields[0]]
  assert.deepEqual([clientIds, client.unanswered], [[1, 2], 2])
  frames.socket.write(ack(1, 5))
  assert.deepEqual((await frames.next()).fields, Buffer.concat([uint(3), bytes('u2'), bytes('3')]))
})

for (const resumes of [false, true]) {
  test(`over TLS a device that comes back has ${resumes ? 'its session of TLS again' : 'a whole handshake'}`, async (t) => {
    driver.forget()
    const { certificate, key } = selfSigned(['localhost'], 1, Date.now())
    const server = createTlsServer({ cert: certificate, key, ALPNProtocols: ['chatd/1'] })
    const sockets: TLSSocket[] = []
    server.on('secureConnection', (socket) => sockets.push(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    driver.secure({ ca: certificate, resumes })
    t.after(() => {
      driver.secure(null)
      for (const socket of sockets) socket.destroy()
      server.close()
    })
    const { port } = server.address() as AddressInfo
    const accept = async (): Promise<Frames> => new Frames((await once(server, 'secureConnection') as [TLSSocket])[0])
    const first = driver.create({ port })
    const connected = first.connect('u1', 'pw-u1')
    const frames = await accept()
    await serveScram(frames, 'pw-u1')
    frames.socket.write(welcome(10, token))
    await connected
    first.drop()
    const again = driver.create({ port })
    const back = again.connect('u1', 'pw-u1')
    const second = await accept()
    for (const type of [2, 6, 14]) assert.equal((await second.next()).type, type)
    second.socket.write(welcome(10, token))
    await back
    assert.equal((second.socket as TLSSocket).isSessionReused(), resumes)
    again.drop()
  })
}
