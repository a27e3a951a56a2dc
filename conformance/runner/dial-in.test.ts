/** Adapters that dial in: who may, what a kill is, and what becomes of a case whose adapter goes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { WebSocket } from 'ws'
import { rootFolder } from '../spec/registry.js'
import { DialIn } from './dial-in.js'
import { loadCases } from './load.js'
import { runCases } from './run.js'
import type { Result } from './verdict.js'

const cases = loadCases()
const [aCase] = cases.filter(({ id }) => id === 'state/messages/a-message-comes')
const crashes = cases.filter(({ id }) => id.startsWith('state/queue/killed'))

async function listen(t: TestContext): Promise<DialIn> {
  const dialIn = await DialIn.listen('127.0.0.1', 0)
  t.after(() => dialIn.close())
  return dialIn
}

/** The reference client dials in: a process of it for each life, as a phone would have. */
class Phone {
  readonly #url: string
  #child: ChildProcess | null = null
  #isOver = false
  lives = 0

  constructor(t: TestContext, url: string) {
    this.#url = url
    t.after(() => {
      this.#isOver = true
      this.#child?.kill('SIGKILL')
    })
  }

  live(): void {
    this.lives++
    const child = this.#child = spawn(process.execPath, ['dist/conformance/adapters/reference.js'], { cwd: rootFolder, stdio: ['pipe', 'pipe', 'inherit'] })
    const socket = new WebSocket(this.#url)
    createInterface({ input: child.stdout }).on('line', (line) => { socket.send(line) })
    socket.on('message', (data: Buffer) => {
      if ((JSON.parse(data.toString()) as { readonly do: string }).do === 'kill') {
        child.kill('SIGKILL')
        child.once('exit', () => { socket.close() })
      } else child.stdin.write(`${data.toString()}\n`)
    })
    socket.on('close', (code) => {
      child.kill('SIGKILL')
      // Where nobody listens any more it would be born for ever.
      if (code !== 1000 && !this.#isOver) this.live()
    })
    socket.on('error', () => {})
  }
}

function play(dialIn: DialIn, some = [aCase!], parallel = 4): Promise<Result[]> {
  return runCases(some, { adapters: dialIn, seed: '1', slowness: 2, parallel, onResult: () => {} })
}

/** An adapter of a few lines: `onRequest` answers, or does something else. */
async function scripted(url: string, onRequest: (request: { readonly id: number; readonly do: string }, socket: WebSocket) => void): Promise<WebSocket> {
  const socket = new WebSocket(url)
  socket.on('message', (data: Buffer) => { onRequest(JSON.parse(data.toString()) as { id: number; do: string }, socket) })
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

test('a client that dials in plays case after case, and each of its lives goes on where the last one was killed', async (t) => {
  const dialIn = await listen(t)
  const phone = new Phone(t, `${dialIn.url}/phone`)
  phone.live()
  const results = await play(dialIn, [aCase!, ...crashes])
  assert.deepEqual(results.map(({ verdict, failure }) => failure?.came ?? verdict), results.map(() => 'PASS'))
  assert.ok(crashes.length > 0 && phone.lives > crashes.length)
})

test('several that dial in play at the same time', async (t) => {
  const dialIn = await listen(t)
  new Phone(t, `${dialIn.url}/1`).live()
  new Phone(t, `${dialIn.url}/2`).live()
  const some = cases.filter(({ id }) => id.startsWith('state/messages/')).slice(0, 8)
  assert.deepEqual((await play(dialIn, some)).map(({ verdict }) => verdict), some.map(() => 'PASS'))
})

test('who does not know the secret is told that there is nothing', async (t) => {
  const dialIn = await listen(t)
  const { origin } = new URL(dialIn.url.replace('ws:', 'http:'))
  const secret = new URL(dialIn.url).pathname.slice(1)
  assert.match(secret, /^[0-9a-f]{32}$/)
  for (const path of ['', '/', '/x', `/${'0'.repeat(32)}`, `/${secret}0`, `/${secret.slice(1)}`, `/${secret}/a/b`, `/${secret}/${'a'.repeat(65)}`]) {
    const socket = new WebSocket(`${origin.replace('http:', 'ws:')}${path}`)
    const [error] = await once(socket, 'error') as [Error]
    assert.match(error.message, /404/, path)
    assert.equal((await fetch(`${origin}${path}`)).status, 404)
  }
})

/** Asks for a WebSocket without the secret, and never hangs up by itself. */
function strangerTo(dialIn: DialIn): Socket {
  const stranger = connect({ port: Number(new URL(dialIn.url).port), host: '127.0.0.1', allowHalfOpen: true })
  stranger.on('error', () => {})
  stranger.write([
    'GET / HTTP/1.1', 'host: x', 'connection: Upgrade', 'upgrade: websocket', 'sec-websocket-version: 13', 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==', '', '',
  ].join('\r\n'))
  return stranger
}

test('a stranger that does not hang up keeps no run from ending', { timeout: 20_000 }, async (t) => {
  const dialIn = await DialIn.listen('127.0.0.1', 0)
  const stranger = strangerTo(dialIn)
  t.after(() => { stranger.destroy() })
  await once(stranger, 'data')
  await dialIn.close()
})

test('a stranger that resets its connection ends no run', async (t) => {
  const dialIn = await listen(t)
  const stranger = strangerTo(dialIn)
  await once(stranger, 'data')
  stranger.resetAndDestroy()
  // Which is seen before what comes behind it.
  const socket = await scripted(dialIn.url, () => {})
  assert.equal(await dialIn.hasAdapter(1000), true)
  socket.terminate()
})

test('an adapter that hangs up is a crash, and so is one that sends what is no answer', async (t) => {
  const dialIn = await listen(t)
  for (const [how, came] of [
    [(socket: WebSocket) => { socket.close(4001) }, /hung up with 4001/],
    [(socket: WebSocket) => { socket.send('hello') }, /no answer: hello/],
    [(socket: WebSocket) => { socket.send(Buffer.from([1])) }, /binary/],
  ] as const) {
    const socket = await scripted(dialIn.url, (request, it) => { if (request.do === 'kill') it.terminate(); else how(it) })
    const adapters = { ...dialInOf(dialIn), close: () => Promise.resolve() }
    const [result] = await runCases([aCase!], { adapters, seed: '1', slowness: 1, parallel: 1, onResult: () => {} })
    assert.equal(result?.verdict, 'CRASH')
    assert.match(result.failure?.came ?? '', came)
    socket.terminate()
  }
})

/** Its methods, so that one of them can be another. */
function dialInOf(dialIn: DialIn) {
  return {
    take: dialIn.take.bind(dialIn), kill: dialIn.kill.bind(dialIn), revive: dialIn.revive.bind(dialIn), giveBack: dialIn.giveBack.bind(dialIn), stop: dialIn.stop.bind(dialIn),
  }
}

test('a run that is stopped waits for nobody', async (t) => {
  const dialIn = await listen(t)
  await scripted(dialIn.url, () => {})
  const stop = new AbortController()
  const ended = runCases(cases.slice(0, 3), { adapters: dialIn, seed: '1', slowness: 1, parallel: 3, onResult: () => {}, stop: stop.signal })
  setTimeout(() => { stop.abort() }, 50)
  assert.deepEqual(await ended, [])
})

test('at the end of the run the adapter is told that it is over', async (t) => {
  const dialIn = await listen(t)
  const socket = await scripted(dialIn.url, () => {})
  assert.equal(await dialIn.hasAdapter(1000), true)
  const closed = once(socket, 'close')
  await dialIn.close()
  assert.equal((await closed)[0], 1000)
})
