/** Uploads with a stock tus client against the real program, which is killed in the middle, and a network that cuts connections. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test, type TestContext } from 'node:test'
import { Upload } from 'tus-js-client'
import { Chatd } from '../proof/chatd.js'
import { scopeOf } from '../proof/scope.js'
import { liveConfig, liveServer } from '../testing/live-server.js'
import { BlobSession } from './testing/blob-session.js'
import { content, sha256 } from './testing/http-rig.js'

interface Resumed {
  /** Uploads the rest; resolves when the client says that all is there. `at`: called once so many bytes were sent. */
  run(at: number, then: () => void): Promise<void>
  readonly upload: Upload
}

/** A client that goes on by itself for a while. */
function stockClient(bytes: Buffer, options: { uploadUrl?: string, endpoint?: string, token: string }): Resumed {
  let resolve: () => void = () => {}
  let reject: (error: Error) => void = () => {}
  let told = { at: Infinity, then: (): void => {} }
  const upload = new Upload(bytes, {
    ...options.uploadUrl === undefined ? { endpoint: options.endpoint ?? null } : { uploadUrl: options.uploadUrl },
    headers: { Authorization: `Bearer ${options.token}` },
    // A minute: a busy machine takes long to start the server again.
    retryDelays: Array.from({ length: 600 }, () => 100),
    chunkSize: 300_000,
    metadata: { filename: 'beach.jpg' },
    onProgress: (sent) => {
      if (sent < told.at) return
      told.at = Infinity
      told.then()
    },
    onSuccess: () => resolve(),
    onError: (error) => reject(error),
  })
  const run: Resumed['run'] = (at, then) => {
    told = { at, then }
    return new Promise((done, failed) => {
      resolve = done
      reject = failed
      upload.start()
    })
  }
  return { upload, run }
}

test('[BLB-7] a stock tus client goes on where it was, however often it stops, and also by creating its upload', async (t) => {
  const server = await liveServer(t, liveConfig(t, { listen: { urls: ['ws://127.0.0.1:0'] } }))
  const alice = await BlobSession.open(t, server.url, 'alice')
  for (const creates of [false, true]) {
    const bytes = content(2_000_000)
    const { url, token } = await alice.slot(bytes)
    const client = stockClient(bytes, creates ? { endpoint: url.replace(/\/[^/]*$/, ''), token } : { uploadUrl: url, token })
    for (let stop = 0; stop < 4; stop++) {
      const at = randomInt(stop * 400_000, stop * 400_000 + 300_000)
      await new Promise<void>((resolve, reject) => {
        client.run(at, () => { client.upload.abort().then(resolve, reject) }).then(resolve, reject)
      })
    }
    await client.run(Infinity, () => {})
    assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
  }
})

test('[BLB-7] [BLB-9] after the server was killed an upload goes on, with the same URL and token, and becomes what was announced', { timeout: 300_000 }, async (t: TestContext) => {
  const chatd = await Chatd.start(scopeOf(t), ['alice'])
  const login = async (): Promise<BlobSession> => BlobSession.open(t, chatd.ws, 'alice', 'pw-alice')
  const tokens: string[] = []
  let restarts = 0
  for (let round = 0; round < 4; round++) {
    const bytes = content(2_000_000)
    const slot = await (await login()).slot(bytes)
    tokens.push(slot.token)
    const client = stockClient(bytes, { uploadUrl: slot.url, token: slot.token })
    let restarted: Promise<void> = Promise.resolve()
    // Once at the very end, when the blob is being made. The client comes back by itself, again and again, until the server is there.
    await client.run(round === 0 ? bytes.length : randomInt(1, bytes.length), () => {
      restarts++
      restarted = chatd.kill().then(() => chatd.restart())
    })
    await restarted
    const alice = await login()
    const blob = await alice.answer('blob', { upload: slot.id })
    assert.deepEqual(blob, { id: sha256(bytes), type: 'application/octet-stream', size: '2000000' })
    assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
  }
  assert.equal(restarts, 4)
  const log = JSON.stringify(chatd.log)
  assert.ok(tokens.every((token) => !log.includes(token)), 'no token in the log')
})
