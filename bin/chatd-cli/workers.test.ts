/** `chatd start --workers`: several processes that are one server to everybody outside. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { encodeMessage } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import { BlobSession } from '../../server/blobs/testing/blob-session.js'
import { content } from '../../server/blobs/testing/http-rig.js'
import { errorOf, login } from '../../server/testing/live-server.js'
import { CHATD, CHEAP, folder, run, start } from './testing/running.js'

const WORKERS = ['--workers', '2']

function text(words: string): Uint8Array {
  return Buffer.from(words)
}

test('two processes take clients by turns, who talk as at one; one that dies takes nobody else along, and comes back', { timeout: 120_000 }, async (t) => {
  const server = await start(t, folder(t), WORKERS)
  const [url = ''] = server.listeners
  const alice = await login(t, url, 'alice')
  const bob = await login(t, url, 'bob')
  const opened = async (user: string): Promise<number> => (await server.line(({ event, user: of }) => event === 'session-opened' && of === user)).pid
  const [ofAlice, ofBob] = [await opened('alice'), await opened('bob')]
  assert.notEqual(ofAlice, ofBob, 'by turns')
  alice.client.send(encodeMessage(1, 'bob', text('hi')))
  const ack = await alice.client.until(FRAME.ack)
  const delivery = await bob.client.until(FRAME.delivery)
  assert.ok(ack.type === FRAME.ack && ack.seq === 1 && delivery.type === FRAME.delivery && Buffer.from(delivery.text).toString() === 'hi')

  const starts = server.lines.filter(({ event }) => event === 'worker-started').length
  process.kill(ofBob, 'SIGKILL')
  await bob.client.closed
  // Alice hears nothing of it.
  alice.client.send(encodeMessage(2, 'bob', text('are you there?')))
  await alice.client.until(FRAME.ack)
  await server.line(({ event }) => event === 'worker-died')
  await server.line(({ event }) => event === 'worker-started', starts)
  const [one, other] = [await login(t, url, 'bob', 'phone'), await login(t, url, 'bob', 'laptop')]
  for (const { client } of [one, other]) {
    const next = await client.until(FRAME.delivery)
    assert.ok(next.type === FRAME.delivery)
  }
  // The log may come later than what the processes say to their clients.
  await server.line(({ event }) => event === 'session-opened', 3)
  const pids = new Set(server.lines.filter(({ event }) => event === 'session-opened').map(({ pid }) => pid))
  assert.equal(pids.size, 3, 'the new process takes clients, too')

  server.child.kill('SIGTERM')
  assert.equal(await errorOf(alice.client), ERROR.shuttingDown)
  assert.equal(await server.ended, 0)
})

test('what is counted is counted for all of them, and what is limited in all is limited in all', { timeout: 120_000 }, async (t) => {
  const server = await start(t, folder(t), [...WORKERS, '--set', 'limits.connectionsMax=4'])
  const [url = ''] = server.listeners
  const clients = [await login(t, url, 'alice'), await login(t, url, 'bob'), await login(t, url, 'bob', 'laptop')]
  for (const [i, { client }] of clients.entries()) {
    client.send(encodeMessage(1, i === 0 ? 'bob' : 'alice', text('x')))
    await client.until(FRAME.ack)
  }
  const value = async (name: string): Promise<number> => {
    const metrics = await (await fetch(`${server.admin}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1])
  }
  while (await value('chatd_sessions') !== 3 || await value('chatd_stanzas_received_total') !== 3) await new Promise((resolve) => { setTimeout(resolve, 50) })
  await login(t, url, 'alice', 'laptop')
  await assert.rejects(login(t, url, 'alice', 'tablet'), new RegExp(String(ERROR.overloaded)))
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0)
})

test('files go up and down at any of them', { timeout: 120_000 }, async (t) => {
  const server = await start(t, folder(t), WORKERS)
  const [url = '', web = ''] = server.listeners
  const [alice, bob] = [await BlobSession.open(t, url, 'alice'), await BlobSession.open(t, url, 'bob')]
  const bytes = content(300_000)
  const slot = await alice.slot(bytes)
  assert.ok(slot.url.startsWith(`${web.replace('ws:', 'http:')}/blobs/`), slot.url)
  const blob = await alice.upload(bytes)
  const seq = await alice.send('bob', 1, blob)
  for (let turn = 0; turn < 3; turn++) assert.ok((await bob.download({ with: 'alice', seq, id: blob['id'] })).equals(bytes))
})

test('SIGHUP gives all of them the new certificate', { timeout: 120_000 }, async (t) => {
  const directory = folder(t)
  for (const name of ['first', 'second']) assert.equal(await run(['cert', '--out', join(directory, name), '--host', 'localhost']), 0)
  const [cert, key] = [join(directory, 'first', 'chatd.crt'), join(directory, 'first', 'chatd.key')]
  const server = await start(t, directory, [...WORKERS, '--set', `listen.tlsCertificate=${cert}`, '--set', `listen.tlsKey=${key}`], ['tls://127.0.0.1:0'])
  const port = Number(new URL((server.listeners[0] ?? '').replace('tls:', 'https:')).port)
  const shown = async (): Promise<string> => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false, ALPNProtocols: ['chatd/1'] })
    await once(socket, 'secureConnect')
    const { fingerprint256 } = socket.getPeerCertificate()
    socket.destroy()
    return fingerprint256
  }
  const before = await shown()
  assert.equal(await shown(), before)
  for (const name of ['chatd.crt', 'chatd.key']) copyFileSync(join(directory, 'second', name), join(directory, 'first', name))
  const renewals = server.lines.filter(({ event }) => event === 'tls-renewed').length
  server.child.kill('SIGHUP')
  // The supervisor's own, and one of each worker.
  await server.line(({ event }) => event === 'tls-renewed', renewals + 2)
  const after = [await shown(), await shown()]
  assert.equal(new Set(after).size, 1)
  assert.notEqual(after[0], before)
})

test('a port that is in use is one line and an exit code, and leaves nobody running', { timeout: 120_000 }, async (t) => {
  const directory = folder(t)
  const server = await start(t, directory, WORKERS)
  const child = spawn(process.execPath, [CHATD, 'start', '--data', join(directory, 'other'), '--workers', '2', '--listen', server.listeners[0] ?? '', '--set', 'admin.url=', ...CHEAP],
    { stdio: ['ignore', 'ignore', 'pipe'] })
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  const [code] = await once(child, 'close') as [number | null]
  assert.match(stderr, /chatd: .* is in use: stop the program/)
  assert.ok(code !== 0 && code !== null)
})
