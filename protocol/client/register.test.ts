/** Making an account over real sockets, where a server is down, silent, stopping, or sends on. */
import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import type { TestContext } from 'node:test'
import { encodeFeatures, encodeRegistered } from '../generated/frames.js'
import type { RegisterFrame } from '../generated/frames.js'
import { ERROR, FRAME, LIMIT, PROTOCOL_VERSION } from '../generated/registry.js'
import { encodeRegistrationOffer } from '../registration.js'
import { nodeBlobs } from './blob-node.js'
import { ClientError } from './client-error.js'
import { nodeCrypto } from './crypto-node.js'
import { commonPlatform } from './driver.js'
import type { Platform } from './driver.js'
import { registerAccount } from './register.js'
import { ModelServer } from './testing/model-server.js'
import { startSocketServer } from './testing/socket-server.js'
import type { SocketConnection, SocketServer } from './testing/socket-server.js'
import { connectNode } from './transport-node.js'

const OFFER = encodeRegistrationOffer({ mode: 'open', iterations: 4096 })
/** Longer than any pause before the next attempt. */
const TIMEOUT_MS = LIMIT.reconnectCapMs + 1

/** `hello`: what it does with who says hello; default: it makes accounts. */
async function serverOf(t: TestContext, hello?: (connection: SocketConnection) => void): Promise<SocketServer> {
  const server = await startSocketServer(t, new ModelServer({ window: 1, unacknowledgedMax: 1, echoes: false }), 'tcp')
  server.intercept = (frame, connection) => {
    if (frame.type === FRAME.register) connection.write(encodeRegistered(frame.user))
    else if (frame.type !== FRAME.hello) return false
    else if (hello !== undefined) hello(connection)
    else connection.write(encodeFeatures(PROTOCOL_VERSION, ['SCRAM-SHA-256'], [], 4096, 10_000, OFFER))
    return true
  }
  return server
}

function hellos({ got }: SocketServer): number {
  return got.filter(({ type }) => type === FRAME.hello).length
}

/** Timeouts of attempts that have not come. */
const timeouts = new Set<() => void>()
/** How long the pauses were. */
let pauses: number[] = []
beforeEach(() => { pauses = [] })
/** Pauses, as long as can be, are over at once; an attempt takes too long when the test says so. */
const platform: Platform = {
  ...commonPlatform,
  connect: connectNode,
  crypto: nodeCrypto,
  blobs: nodeBlobs,
  random: () => 1 - 2 ** -53,
  setTimer: (callback, delayMs) => {
    if (delayMs === TIMEOUT_MS) {
      timeouts.add(callback)
    } else {
      pauses.push(delayMs)
      setImmediate(callback)
    }
    return callback
  },
  clearTimer: (timer) => { timeouts.delete(timer as () => void) },
}

function registerAt(servers: readonly SocketServer[]): Promise<string> {
  return registerAccount({ server: servers.map(({ url }) => url), user: 'alice', password: 'secret', timeoutMs: TIMEOUT_MS }, platform)
}

const down = (connection: SocketConnection): void => { connection.kill() }
const silent = (): void => { for (const timeout of timeouts) timeout() }
const stopping = (connection: SocketConnection): void => { connection.close(ERROR.shuttingDown) }

test('where a server is lost, silent, or says that it stops, an account is made by the next', async (t) => {
  for (const ailing of [down, silent, stopping]) {
    const servers = [await serverOf(t, ailing), await serverOf(t)]
    assert.equal(await registerAt(servers), 'alice')
    assert.deepEqual(servers.map(hellos), [1, 1])
  }
})

test('a server that says nothing in time is not asked twice', async (t) => {
  const server = await serverOf(t, silent)
  await assert.rejects(registerAt([server]), (error) => error instanceof ClientError && error.symbol === 'timeout')
  assert.equal(hellos(server), 1)
})

test('what a server says of the account is not asked of the next', async (t) => {
  for (const code of [ERROR.nameTaken, ERROR.registrationClosed, ERROR.tooManyAttempts]) {
    const servers = [await serverOf(t, (connection) => { connection.close(code) }), await serverOf(t)]
    await assert.rejects(registerAt(servers), (error) => error instanceof ClientError && error.code === code)
    assert.equal(hellos(servers[1]!), 0)
  }
})

test('[INV-7] all servers are tried in turn, three times each, with the same verifier', async (t) => {
  const servers = [await serverOf(t), await serverOf(t)]
  for (const server of servers) {
    const { intercept } = server
    server.intercept = (frame, connection) => {
      if (frame.type === FRAME.register) connection.kill()
      return intercept(frame, connection)
    }
  }
  await assert.rejects(registerAt(servers), (error) => error instanceof ClientError && error.symbol === 'connect-failed')
  assert.deepEqual(servers.map(hellos), [3, 3])
  const asked = servers.flatMap(({ got }) => got).filter((frame): frame is RegisterFrame => frame.type === FRAME.register)
  assert.equal(new Set(asked.map(({ storedKey }) => Buffer.from(storedKey).toString('hex'))).size, 1)
})

test('[CLS-7] a host that an account is sent on to is asked, and left where it is down', async (t) => {
  const well = await serverOf(t)
  const sending = await serverOf(t, (connection) => { connection.close(ERROR.goToHost, new URL(well.url).host) })
  assert.equal(await registerAt([sending]), 'alice')
  const dead = await serverOf(t, down)
  const astray = await serverOf(t, (connection) => { connection.close(ERROR.goToHost, new URL(dead.url).host) })
  assert.equal(await registerAt([astray, well]), 'alice')
  assert.deepEqual([hellos(dead), hellos(astray), hellos(well)], [1, 1, 2])
})

test('where a server sends on to a host that is silent, the next is asked', async (t) => {
  const mute = await serverOf(t, silent)
  const astray = await serverOf(t, (connection) => { connection.close(ERROR.goToHost, new URL(mute.url).host) })
  const well = await serverOf(t)
  assert.equal(await registerAt([astray, well]), 'alice')
  assert.deepEqual([astray, mute, well].map(hellos), [1, 1, 1])
})

test('a pause comes when all have been asked, and grows with the rounds, however many they are', async (t) => {
  const servers = await Promise.all([1, 2, 3, 4, 5].map(() => serverOf(t, down)))
  await assert.rejects(registerAt(servers), (error) => error instanceof ClientError && error.symbol === 'connect-failed')
  assert.deepEqual(servers.map(hellos), [3, 3, 3, 3, 3])
  assert.deepEqual(pauses, [LIMIT.reconnectBaseMs, 2 * LIMIT.reconnectBaseMs])
})

test('one time is for all of it: each server that is silent has its share, and pauses end with it', async () => {
  let nowMs = 0
  const given: number[] = []
  const timed: Platform = {
    ...platform,
    nowMs: () => nowMs,
    setTimer: (callback, delayMs) => {
      given.push(delayMs)
      return setImmediate(() => {
        nowMs += delayMs
        callback()
      })
    },
    clearTimer: (timer) => { clearImmediate(timer as NodeJS.Immediate) },
  }
  const silence: Platform = { ...timed, connect: () => new Promise(() => {}) }
  const urls = ['tcp://127.0.0.1:1', 'tcp://127.0.0.1:2', 'tcp://127.0.0.1:3']
  const options = { server: urls, user: 'alice', password: 'secret', timeoutMs: Infinity, totalTimeoutMs: 9000 }
  await assert.rejects(registerAccount(options, silence), (error) => error instanceof ClientError && error.symbol === 'timeout')
  assert.deepEqual([given, nowMs], [[3000, 3000, 3000], 9000])

  nowMs = 0
  const deaf: Platform = { ...timed, connect: () => Promise.reject(new Error('refused')) }
  await assert.rejects(registerAccount({ ...options, totalTimeoutMs: 600 }, deaf), (error) => error instanceof ClientError && error.message === 'refused')
  assert.equal(nowMs, 600)
})
