/** A whole server whose blobs are in a process of their own: what passes between the two, and what becomes of it when that process dies. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request as httpRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { encodeHello } from '../../../protocol/generated/frames.js'
import { ERROR, SUBPROTOCOL } from '../../../protocol/generated/registry.js'
import type { configOf } from '../../config/config.js'
import { selfSigned } from '../../listeners/self-signed.js'
import type { Log, LogFields } from '../../log.js'
import type { RouterError } from '../../router/router.js'
import { type RunningServer, startServer } from '../../run/run.js'
import { liveConfig, passwordVerifier } from '../../testing/live-server.js'
import { BlobSession } from '../testing/blob-session.js'
import { content, request, sha256 } from '../testing/http-rig.js'
import { BlobProcess } from './blob-process.js'

interface Line {
  readonly event: string
  readonly fields: LogFields
}

interface Served {
  readonly server: RunningServer
  readonly lines: Line[]
  readonly alice: BlobSession
  readonly directory: string
  /** The latest process of blobs. */
  pid(): number
}

async function serve(t: TestContext, changes: Parameters<typeof configOf>[0] = {}): Promise<Served> {
  const lines: Line[] = []
  const record = (fields: LogFields, event: string): void => { lines.push({ event, fields }) }
  const log: Log = { debug: record, info: record, warn: record, error: record }
  const config = liveConfig(t, { ...changes, listen: { urls: ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0'], ...changes.listen }, log: { level: 'debug' } })
  const server = await startServer(config, { log })
  t.after(() => server.stop())
  await server.router.addUser('alice', await passwordVerifier())
  const alice = await BlobSession.open(t, server.ready.listeners[0]!, 'alice')
  const pid = (): number => Number(lines.filter(({ event }) => event === 'blob-process-started').at(-1)?.fields['process'])
  return { server, lines, alice, directory: config.data.directory, pid }
}

/** Waits for what has no event of its own here. */
async function eventually(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let wait = 0; !await isSo(); wait++) {
    if (wait === 1000) assert.fail('it did not come')
    await sleep(10)
  }
}

async function put(alice: BlobSession, bytes: Buffer): Promise<number> {
  const { url, token } = await alice.slot(bytes)
  return (await request('PUT', url, { authorization: `Bearer ${token}` }, bytes)).status
}

async function connected(t: TestContext, port: string): Promise<Socket> {
  const socket = connect(Number(port), '127.0.0.1')
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** All that comes until this has come. */
async function until(socket: Socket, pattern: RegExp): Promise<string> {
  let text = ''
  while (!pattern.test(text)) {
    const [chunk] = await Promise.race([once(socket, 'data') as Promise<[Buffer]>, once(socket, 'close').then(() => assert.fail(`closed after ${text}`))])
    text += chunk.toString('latin1')
  }
  return text
}

test('the process of blobs is there once somebody needs it, and ends with the server', async (t) => {
  const { server, alice, pid, lines } = await serve(t)
  assert.equal(lines.some(({ event }) => event === 'blob-process-started'), false)
  const bytes = content(500_000)
  assert.equal(await put(alice, bytes), 201)
  assert.notEqual(pid(), process.pid)
  assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
  process.kill(pid(), 0)
  await server.stop()
  assert.throws(() => process.kill(pid(), 0), { code: 'ESRCH' })
  assert.equal(lines.some(({ event }) => event === 'blob-process-ended'), false)
})

test('whoever asks while it starts gets an answer', async (t) => {
  const { server, alice } = await serve(t)
  const url = server.ready.listeners[0]!
  const others = await Promise.all(['two', 'three', 'four'].map((device) => BlobSession.open(t, url, 'alice', undefined, device)))
  const first = alice.slot(content(1000))
  const { taker } = server.blobs!
  assert.ok(taker instanceof BlobProcess)
  // It was spawned, and is far from ready.
  await eventually(() => taker.pid !== undefined)
  const slots = await Promise.all([first, ...others.map((other, at) => other.slot(content(2000 + at)))])
  assert.deepEqual(slots.map(({ offset }) => offset), ['0', '0', '0', '0'])
})

test('where blobs are to share the process of messages they do', async (t) => {
  const { alice, lines } = await serve(t, { blobs: { ownProcess: false } })
  const bytes = content(300_000)
  assert.equal(await put(alice, bytes), 201)
  assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
  assert.equal(lines.some(({ event }) => event === 'blob-process-started'), false)
})

test('the process of blobs stands behind that of messages with all its threads', { skip: process.platform === 'linux' ? false : 'threads have no priority of their own here' }, async (t) => {
  for (const nice of [5, 19]) {
    const { alice, pid } = await serve(t, { blobs: { nice } })
    assert.equal(await put(alice, content(300_000)), 201)
    const threads = threadsOf(pid())
    assert.ok(threads.length > 4)
    const wanted = Math.min(19, getPriority() + nice)
    assert.deepEqual(threads.filter((thread) => thread.nice !== wanted), [])
    // The lowest is more than a number where the system has more.
    const isIdle = nice === 19 && spawnSync('chrt', ['--version']).status === 0
    assert.deepEqual(threads.filter((thread) => thread.isIdle !== isIdle), [])
  }
})

test('[BLB-7] when the process of blobs is killed sessions go on, the log says so, and an upload goes on where it was', async (t) => {
  const { server, alice, pid, lines } = await serve(t)
  const bytes = content(1_000_000)
  const slot = await alice.slot(bytes)
  const headers = { 'authorization': `Bearer ${slot.token}`, 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream' }
  assert.equal((await request('PATCH', slot.url, { ...headers, 'upload-offset': '0' }, bytes.subarray(0, 400_000))).status, 204)
  const first = pid()
  const sending = httpRequest(slot.url, { method: 'PATCH', agent: false, headers: { ...headers, 'upload-offset': '400000', 'content-length': '600000' } })
  const cut = once(sending, 'error')
  sending.write(bytes.subarray(400_000, 700_000))
  await eventually(() => server.counters.blobBytesIn > 400_000)
  process.kill(first, 'SIGKILL')
  await cut
  await eventually(() => lines.some(({ event, fields }) => event === 'blob-process-ended' && String(fields['reason']).includes('SIGKILL')))
  assert.equal(server.counters.uploadsReading, 0)
  // The session is the same one.
  const { offset } = await alice.slot(bytes)
  assert.ok(Number(offset) >= 400_000)
  assert.notEqual(pid(), first)
  assert.equal((await request('PATCH', slot.url, { ...headers, 'upload-offset': offset }, bytes.subarray(Number(offset)))).status, 204)
  assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
})

test('what a killed process of blobs has left on the way to an upload is removed by the next', async (t) => {
  const { alice, pid, directory, lines } = await serve(t)
  assert.equal(await put(alice, content(1000)), 201)
  const staging = join(directory, 'blobs', 'uploads')
  writeFileSync(join(staging, '0123456789abcdef0123456789abcdef'), 'left')
  process.kill(pid(), 'SIGKILL')
  await eventually(() => lines.some(({ event }) => event === 'blob-process-ended'))
  assert.equal(await put(alice, content(1000)), 201)
  await eventually(() => readdirSync(staging).length === 0)
})

test('[BLB-18] what is erased is downloaded no more, at once, whatever is remembered of it', async (t) => {
  const { server, alice } = await serve(t)
  const bytes = content(300_000)
  assert.equal(await put(alice, bytes), 201)
  const { url = '' } = await alice.answer('blob-url', { id: sha256(bytes) })
  assert.equal((await request('GET', url)).status, 200)
  assert.equal((await request('GET', url)).status, 200)
  await server.router.removeUser('alice')
  await eventually(async () => await server.router.blobs!.blob(sha256(bytes)) === null)
  assert.equal((await request('GET', url)).status, 404)
})

test('a connection that was used for blobs may become a WebSocket', async (t) => {
  const { server, alice } = await serve(t)
  const bytes = content(1000)
  assert.equal(await put(alice, bytes), 201)
  const { url = '' } = await alice.answer('blob-url', { id: sha256(bytes) })
  const { port, pathname, search } = new URL(url)
  const socket = await connected(t, port)
  for (let turn = 0; turn < 2; turn++) {
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`)
    assert.match(await until(socket, /\r\n\r\n[^]{1000}$/), /^HTTP\/1\.1 200/)
  }
  socket.write(upgrade())
  assert.match(await until(socket, /\r\n\r\n/), /^HTTP\/1\.1 101 /)
  await eventually(() => server.counters.connections.ws === 1)
  socket.destroy()
  await eventually(() => server.counters.connections.ws === 0)
})

test('over TLS a connection that was used for blobs may become a WebSocket, too', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'chatd-tls-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const pair = selfSigned(['localhost', '127.0.0.1'], 30, Date.now())
  const [tlsCertificate, tlsKey] = [join(folder, 'crt'), join(folder, 'key')]
  writeFileSync(tlsCertificate, pair.certificate)
  writeFileSync(tlsKey, pair.key)
  const { server, pid } = await serve(t, { listen: { urls: ['tcp://127.0.0.1:0', 'wss://127.0.0.1:0'], tlsCertificate, tlsKey } })
  const { port } = new URL(server.ready.listeners[1]!.replace('wss', 'https'))
  const open = async (): Promise<Socket> => {
    const socket = connectTls({ port: Number(port), host: '127.0.0.1', servername: 'localhost', ca: pair.certificate, ALPNProtocols: ['http/1.1'] })
    t.after(() => socket.destroy())
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    return socket
  }
  const socket = await open()
  socket.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.match(await until(socket, /\}\n$/), /^HTTP\/1\.1 404/)
  // Does not wait for the 101, and sends more behind it than the process reads at once.
  process.kill(pid(), 'SIGSTOP')
  const pings = Array.from({ length: 2500 }, () => webSocketFrame(0x9, Buffer.alloc(125)))
  socket.write(Buffer.concat([Buffer.from(upgrade()), ...pings, webSocketFrame(0x2, encodeHello([1], 'test'))]))
  process.kill(pid(), 'SIGCONT')
  assert.match(await until(socket, /\r\n\r\n[^]*\x82/), /^HTTP\/1\.1 101 /)
  await eventually(() => server.counters.connections.wss === 1)
  // The other end of one that was joined ends with the process.
  const other = await open()
  other.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
  await until(other, /\}\n$/)
  const closed = once(other, 'close')
  process.kill(pid(), 'SIGKILL')
  await closed
  assert.equal(server.counters.connections.wss, 1)
})

test('an upgrade that does not wait for the answer before it ends its own connection alone', async (t) => {
  for (const ownProcess of [true, false]) {
    const { server, lines } = await serve(t, { blobs: { ownProcess } })
    const { port } = new URL(server.ready.listeners[1]!.replace('ws', 'http'))
    const [hasty, other] = [await connected(t, port), await connected(t, port)]
    other.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.match(await until(other, /\}\n$/), /^HTTP\/1\.1 404/)
    let text = ''
    hasty.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') }).on('error', () => {})
    const closed = once(hasty, 'close')
    hasty.write(`GET /blobs/${'a'.repeat(64)}?x HTTP/1.1\r\nHost: x\r\n\r\n${upgrade()}`)
    await closed
    assert.equal(text, '')
    other.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
    assert.match(await until(other, /\}\n$/), /^HTTP\/1\.1 404/)
    assert.equal(lines.some(({ event }) => event === 'blob-process-ended'), false)
  }
})

test('connections on their way to a process that is killed end with it', async (t) => {
  const { alice, server, pid } = await serve(t)
  assert.equal(await put(alice, content(1000)), 201)
  process.kill(pid(), 'SIGSTOP')
  const take = t.mock.method(server.blobs!.taker, 'take')
  const { port } = new URL(server.ready.listeners[1]!.replace('ws', 'http'))
  const sockets = await Promise.all([connected(t, port), connected(t, port)])
  const ends = sockets.map((socket) => once(socket.on('error', () => {}).resume(), 'close'))
  for (const socket of sockets) socket.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await eventually(() => take.mock.callCount() === 2)
  process.kill(pid(), 'SIGKILL')
  await Promise.all(ends)
})

test('a connection that is reset while the process starts harms nobody', async (t) => {
  const { server, lines } = await serve(t)
  const { port } = new URL(server.ready.listeners[1]!.replace('ws', 'http'))
  const socket = await connected(t, port)
  const { taker } = server.blobs!
  assert.ok(taker instanceof BlobProcess)
  socket.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
  await eventually(() => taker.pid !== undefined)
  socket.resetAndDestroy()
  await eventually(() => lines.some(({ event }) => event === 'blob-process-started'))
  const other = await connected(t, port)
  other.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
  assert.match(await until(other, /\}\n$/), /^HTTP\/1\.1 404/)
})

test('a connection that the process has no descriptor for holds up no other', { skip: hasPrlimit() ? false : 'there is no prlimit' }, async (t) => {
  const { server, pid } = await serve(t)
  const { port } = new URL(server.ready.listeners[1]!.replace('ws', 'http'))
  const open: Socket[] = []
  const isAnswered = async (): Promise<boolean> => {
    const socket = (await connected(t, port)).on('error', () => {})
    open.push(socket)
    socket.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\n')
    return Promise.race([once(socket, 'data').then(() => true), once(socket, 'close').then(() => false)])
  }
  assert.equal(await isAnswered(), true)
  limitFiles(pid(), Math.max(...readdirSync(`/proc/${String(pid())}/fd`).map(Number)) + 2)
  // Those that are answered stay open.
  await eventually(async () => !await isAnswered())
  assert.equal(await isAnswered(), false)
  for (const socket of open) socket.destroy()
  await eventually(isAnswered)
})

test('whoever waits for a process that does not start waits for one attempt, and is told to come back', async (t) => {
  const { server, lines, directory } = await serve(t, { listen: { origins: ['https://chat.example'] } })
  breakStore(directory)
  const url = server.ready.listeners[1]!.replace('ws', 'http')
  const answers = await Promise.all(Array.from({ length: 4 }, () => request('GET', `${url}/blobs/none`, { origin: 'https://chat.example' })))
  for (const { status, headers, body } of answers) {
    assert.equal(status, 503)
    assert.equal(headers['retry-after'], '2')
    assert.equal(headers.connection, 'close')
    assert.equal(headers['access-control-allow-origin'], 'https://chat.example')
    assert.equal((JSON.parse(body.toString()) as { error: string }).error, 'unavailable')
  }
  assert.equal(lines.filter(({ event }) => event === 'blob-process-not-started').length, 1)
})

test('who sends a body to a process that is not there reads the answer, and the next request is served once it is', async (t) => {
  const { alice, directory, lines, pid } = await serve(t)
  const bytes = content(900_000)
  const { url, token } = await alice.slot(bytes)
  process.kill(pid(), 'SIGKILL')
  await eventually(() => lines.some(({ event }) => event === 'blob-process-ended'))
  const mend = breakStore(directory)
  const headers = { authorization: `Bearer ${token}` }
  assert.equal((await request('PUT', url, headers, bytes)).status, 503)
  mend()
  assert.equal((await request('PUT', url, headers, bytes)).status, 201)
})

test('where the system gives no process the next one is tried for, and the server lives on', { skip: hasPrlimit() ? false : 'there is no prlimit' }, async (t) => {
  const { server, lines } = await serve(t)
  const unlimit = limitOwnFiles(t)
  const held: number[] = []
  assert.throws(() => { for (;;) held.push(openSync('/dev/null', 'r')) }, { code: 'EMFILE' })
  // Enough to look at a folder, and too few for a process.
  closeSync(held.pop()!)
  const { taker } = server.blobs!
  assert.ok(taker instanceof BlobProcess)
  const id = '0'.repeat(32)
  const refused = await taker.whatBecame('alice', id).catch((error: unknown) => error)
  for (const file of held) closeSync(file)
  await unlimit()
  assert.equal((refused as RouterError).code, ERROR.unavailable)
  const [line] = lines.filter(({ event }) => event === 'blob-process-not-started')
  assert.match(String(line?.fields['error']), /EMFILE/)
  await assert.rejects(taker.whatBecame('alice', id), { code: ERROR.noSuchBlob })
})

test('requests for anything else on such a connection are answered as elsewhere', async (t) => {
  const { server } = await serve(t)
  const { port } = new URL(server.ready.listeners[1]!.replace('ws', 'http'))
  const socket = await connected(t, port)
  socket.write('GET /blobs/none HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n')
  const text = await until(socket, /chatd messenger server/)
  assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status), ['404', '200'])
})

test('a head that comes in pieces is read as one, and bodies behind it are whole', async (t) => {
  const { alice } = await serve(t)
  const bytes = content(200_000)
  const { url, token } = await alice.slot(bytes)
  const { port, pathname } = new URL(url)
  const socket = await connected(t, port)
  socket.setNoDelay(true)
  const head = Buffer.from(`\r\nPUT ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${String(bytes.length)}\r\n\r\n`)
  for (const at of [0, 1, 2, 3, 10, 40]) {
    socket.write(head.subarray(at, { 0: 1, 1: 2, 2: 3, 3: 10, 10: 40 }[at] ?? head.length))
    await sleep(5)
  }
  socket.write(bytes)
  assert.match(await until(socket, /\r\n\r\n/), /^HTTP\/1\.1 201 /)
})

test('at the end uploads are cut with 503, and downloads may end', async (t) => {
  const { server, alice } = await serve(t, { limits: { drainTimeoutMs: 5000, drainJitterMs: 0 } })
  const bytes = content(16_000_000)
  assert.equal(await put(alice, bytes), 201)
  const { url = '' } = await alice.answer('blob-url', { id: sha256(bytes) })
  const agent = new Agent({ keepAlive: true })
  t.after(() => agent.destroy())
  const getting = httpRequest(url, { agent }).end()
  const [answer] = await once(getting, 'response') as [NodeJS.ReadableStream]
  const hash = createHash('sha256')
  const slot = await alice.slot(content(1000))
  const sending = httpRequest(slot.url, { method: 'PUT', agent: false, headers: { 'authorization': `Bearer ${slot.token}`, 'content-length': '1000' } })
  sending.on('error', () => {})
  sending.write(content(10))
  await eventually(() => server.counters.blobBytesIn === 16_000_010)
  const refused = once(sending, 'response') as Promise<[{ statusCode: number }]>
  const stopped = server.stop()
  assert.equal((await refused)[0].statusCode, 503)
  for await (const chunk of answer) hash.update(chunk)
  assert.equal(hash.digest('hex'), sha256(bytes))
  await stopped
})

/** By proc(5): fields behind the name of the program. */
function threadsOf(pid: number): { readonly nice: number, readonly isIdle: boolean }[] {
  return readdirSync(`/proc/${String(pid)}/task`).map((thread) => {
    const fields = readFileSync(`/proc/${String(pid)}/task/${thread}/stat`, 'latin1').split(') ').at(-1)!.split(' ')
    return { nice: Number(fields[16]), isIdle: fields[38] === '5' }
  })
}

/** The next process can't open its store, until the function that is returned is called. */
function breakStore(directory: string): () => void {
  const [objects, aside] = [join(directory, 'blobs', 'objects'), join(directory, 'aside')]
  renameSync(objects, aside)
  writeFileSync(objects, 'no folder')
  return () => {
    rmSync(objects)
    renameSync(aside, objects)
  }
}

function hasPrlimit(): boolean {
  return process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0
}

function limitFiles(pid: number, max: number): void {
  assert.equal(spawnSync('prlimit', ['--pid', String(pid), `--nofile=${String(max)}:`]).status, 0)
}

/**
 * Leaves this process few files more than it has open, until the function that is returned is called or the test ends. Who lifts the limit is started before:
 * behind it there may be too few files to start anybody.
 */
function limitOwnFiles(t: TestContext): () => Promise<void> {
  const before = Number(/Max open files +(\d+)/.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1])
  const lifter = spawn('sh', ['-c', `read -r _; exec prlimit --pid ${String(process.pid)} --nofile=${String(before)}:`], { stdio: ['pipe', 'ignore', 'inherit'] })
  const ended = once(lifter, 'exit')
  const lift = async (): Promise<void> => {
    lifter.stdin.end('\n')
    assert.deepEqual(await ended, [0, null])
  }
  t.after(lift)
  limitFiles(process.pid, Math.max(...readdirSync('/proc/self/fd').map(Number)) + 8)
  return lift
}

/** Of a client; the mask is zeros. */
function webSocketFrame(opcode: number, payload: Uint8Array): Buffer {
  assert.ok(payload.length < 126)
  return Buffer.concat([Buffer.of(0x80 | opcode, 0x80 | payload.length, 0, 0, 0, 0), payload])
}

function upgrade(): string {
  return `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: ${SUBPROTOCOL}\r\n\r\n`
}
