/** Uploads and downloads over real HTTP, against a server that fails as it is told; time is the test's. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isFileName } from '../attachments.js'
import { ERROR } from '../generated/registry.js'
import { BlobClient, fileName } from './blob-client.js'
import { browserBlobs } from './blob-browser.js'
import { nodeBlobs } from './blob-node.js'
import { partPath } from './blob-target-node.js'
import { REQUEST_IDLE_MS } from './blob-transfer.js'
import type { BlobEnvironment } from './blob-transfer.js'
import { PIECE_BYTES_MIN } from './blob-upload.js'
import { ClientError, localError, serverError } from './client-error.js'
import { parseServerUrl } from './server-url.js'
import { sha256, startBlobServer } from './testing/blob-server.js'
import type { BlobServer, Fault } from './testing/blob-server.js'

interface Bench {
  readonly server: BlobServer
  readonly client: BlobClient
  /** Waits between attempts, in ms. */
  readonly waits: number[]
  /** Makes requests that have been waiting run out of time. */
  expire(): void
}

async function bench(t: TestContext, options: Partial<BlobEnvironment> = {}): Promise<Bench> {
  const server = await startBlobServer(t)
  const waits: number[] = []
  const idle = new Set<() => void>()
  let nowMs = 0
  const environment: BlobEnvironment = {
    ask: async (query, read) => {
      const value = read(await server.ask(query))
      assert.ok(value !== null, `the answer to ${query.name} is not understood`)
      return value
    },
    blobs: nodeBlobs,
    http: nodeBlobs.http(undefined),
    address: () => parseServerUrl('tcp://127.0.0.1:1'),
    allowsPlaintext: false,
    nowMs: () => nowMs,
    setTimer: (callback, delayMs) => {
      if (delayMs === REQUEST_IDLE_MS) {
        idle.add(callback)
        return callback
      }
      waits.push(delayMs)
      return setImmediate(() => {
        nowMs += delayMs
        callback()
      })
    },
    clearTimer: (timer) => {
      if (typeof timer === 'function') idle.delete(timer as () => void)
      else clearImmediate(timer as NodeJS.Immediate)
    },
    random: () => 0.5,
    ...options,
  }
  const client = new BlobClient(environment)
  t.after(() => { client.end(localError('closed', 'the test is over')) })
  return { server, client, waits, expire: () => { for (const callback of [...idle]) callback() } }
}

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'chatd-blob-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

function isCode(symbol: string): (error: unknown) => boolean {
  return (error) => error instanceof ClientError && error.symbol === symbol
}

const SMALL = randomBytes(1000)
const LARGE = randomBytes(3 * 1024 * 1024 + 17)

test('a small file goes in one PUT, and its description can be put into a message', async (t) => {
  const { server, client, waits } = await bench(t)
  const seen: number[] = []
  const blob = await client.upload(SMALL, { name: 'beach.png', onProgress: ({ sent, total }) => { assert.equal(total, 1000); seen.push(sent) } })
  assert.deepEqual({ ...blob, placeholder: [...blob.placeholder] }, {
    id: sha256(SMALL), type: 'image/png', size: 1000, name: 'beach.png', width: 2, height: 1, durationMs: 0, placeholder: [1, 2, 3], thumbnail: true,
    preview: '', key: new Uint8Array(0), picture: true,
  })
  assert.deepEqual(server.seen.map(({ method }) => method), ['PUT'])
  assert.deepEqual([seen[0], seen.at(-1)], [0, 1000])
  assert.deepEqual(waits, [])
})

test('[BLB-4] what the server holds is not uploaded again', async (t) => {
  const { server, client } = await bench(t)
  server.hold(SMALL)
  assert.equal((await client.upload(new Blob([SMALL]), {})).id, sha256(SMALL))
  assert.deepEqual(server.seen, [])
})

test('[BLB-7] a larger file goes in pieces that grow, in order, each byte once', async (t) => {
  const { server, client } = await bench(t)
  assert.equal((await client.upload(new Blob([LARGE]), {})).id, sha256(LARGE))
  const sizes = server.seen.map(({ bytes }) => bytes)
  assert.deepEqual(sizes.slice(0, 3), [PIECE_BYTES_MIN, 2 * PIECE_BYTES_MIN, 4 * PIECE_BYTES_MIN])
  assert.equal(sizes.reduce((sum, size) => sum + size, 0), LARGE.length)
  assert.equal(server.connections, 1)
})

test('[BLB-5] another client goes on where the first one stopped', async (t) => {
  const { server, client } = await bench(t)
  const stop = new AbortController()
  const reason = new Error('enough')
  const begun = client.upload(LARGE, { signal: stop.signal, onProgress: ({ sent }) => { if (sent > 0) stop.abort(reason) } })
  await assert.rejects(begun, reason)
  const had = [...server.uploads.values()][0]?.bytes.length ?? 0
  assert.ok(had > 0)
  server.seen.length = 0
  await client.upload(LARGE, {})
  assert.equal(server.seen[0]?.from, String(had))
  assert.equal(server.seen.reduce((sum, { bytes }) => sum + bytes, 0), LARGE.length - had)
})

const STEPS: readonly (readonly [string, readonly Fault[], readonly string[]])[] = [
  ['the connection dies in the middle of a piece', [{ kind: 'cut', after: 100_000 }], ['PATCH 0', 'HEAD ', 'PATCH 100000']],
  ['the answer to a piece is lost', [{ kind: 'lose-answer' }], ['PATCH 0', 'HEAD ', `PATCH ${PIECE_BYTES_MIN}`]],
  ['another request writes', [{ kind: 'status', status: 423 }], ['HEAD ', 'PATCH 0']],
  ['the server is elsewhere', [{ kind: 'status', status: 409 }], ['HEAD ', 'PATCH 0']],
  ['HEAD lies, and then does not', [{ kind: 'status', status: 500 }, { kind: 'lie', offset: '99999999999' }, { kind: 'lie', offset: '' }], ['HEAD ', 'HEAD ', 'HEAD ', 'PATCH 0']],
]

for (const [name, faults, expected] of STEPS) {
  test(`[BLB-7] goes on where the server says after a fault: ${name}`, async (t) => {
    const { server, client, waits } = await bench(t)
    server.faults.push(...faults)
    await client.upload(LARGE, {})
    assert.equal(server.blobs.get(sha256(LARGE))?.equals(LARGE), true)
    assert.deepEqual(server.seen.slice(0, expected.length).map(({ method, from }) => `${method} ${from}`), expected)
    assert.ok(waits.length > 0)
  })
}

test('a PUT that breaks is gone on with by PATCH, and nothing is sent twice', async (t) => {
  const { server, client } = await bench(t)
  server.faults.push({ kind: 'cut', after: 300 })
  await client.upload(SMALL, {})
  assert.deepEqual(server.seen.map(({ method, from, bytes }) => `${method} ${from} ${bytes}`), ['PUT 0 300', 'HEAD  0', 'PATCH 300 700'])
})

test('a server that asks to be left alone is left alone for so long, on top of the back-off', async (t) => {
  const { server, client, waits } = await bench(t)
  const told: string[] = []
  server.faults.push({ kind: 'status', status: 503, headers: { 'retry-after': '7' } }, { kind: 'status', status: 507, headers: { 'retry-after': '3' }, body: '{"error":"storage-full"}' })
  await client.upload(SMALL, { onWait: (error, waitMs) => { told.push(`${error.symbol} ${waitMs}`) } })
  assert.deepEqual(waits, [7250, 3500])
  assert.deepEqual(told, ['unavailable 7250', 'storage-full 3500'])
})

test('a server that hangs is given up after a while, and asked again', async (t) => {
  const { server, client, expire } = await bench(t)
  server.faults.push({ kind: 'hang' })
  const uploading = client.upload(SMALL, {})
  while (server.faults.length > 0) await new Promise((resolve) => setImmediate(resolve))
  expire()
  await uploading
  assert.deepEqual(server.seen.map(({ method }) => method), ['HEAD', 'PATCH'])
})

test('[BLB-9] a token that has expired is asked for anew, without a wait; one that is refused again and again is told', async (t) => {
  const { server, client, waits } = await bench(t)
  const expired: Fault = { kind: 'status', status: 401, body: '{"error":"token-invalid"}' }
  server.faults.push({ kind: 'none' }, expired)
  await client.upload(LARGE, {})
  assert.deepEqual(server.asked.filter((name) => name === 'upload').length, 2)
  assert.deepEqual(waits, [])
  server.faults.push(expired, expired, expired, expired)
  await assert.rejects(client.upload(SMALL, {}), isCode('token-invalid'))
})

test('[BLB-5] an upload that is over meanwhile is begun anew', async (t) => {
  const { server, client } = await bench(t)
  server.faults.push({ kind: 'none' }, { kind: 'status', status: 404 })
  await client.upload(LARGE, {})
  assert.equal(server.asked.filter((name) => name === 'upload').length, 2)
})

test('a stripped picture whose last answer was lost is found by its upload, and not sent again', async (t) => {
  const { server, client } = await bench(t)
  server.faults.push({ kind: 'lose-answer' })
  const { id } = await client.upload(SMALL, { strip: true })
  assert.notEqual(id, sha256(SMALL))
  assert.deepEqual(server.seen.map(({ method }) => method), ['PUT'])
  assert.equal(server.asked.filter((name) => name === 'upload').length, 1)
})

test('[BLB-7] an upload that has all its bytes when the server dies is completed by a request without any', async (t) => {
  const { server, client } = await bench(t)
  server.isLazy = true
  await client.upload(SMALL, {})
  assert.deepEqual(server.seen.map(({ method, bytes }) => `${method} ${bytes}`), ['PUT 1000', 'PATCH 0'])
})

test('[BLB-8] bytes that were changed on the way are sent again; a file that was changed is not', async (t) => {
  const { server, client } = await bench(t)
  server.faults.push({ kind: 'corrupt' })
  await client.upload(SMALL, {})
  assert.equal(server.blobs.get(sha256(SMALL))?.equals(SMALL), true)

  const path = join(await folder(t), 'file')
  await writeFile(path, LARGE)
  const changes: Promise<void>[] = []
  const changing = client.upload({ path }, { onProgress: ({ sent }) => { if (sent > 0 && changes.length === 0) changes.push(writeFile(path, LARGE.map((byte) => byte ^ 1))) } })
  await assert.rejects(changing, isCode('file-changed'))
  await Promise.all(changes)
})

test('[BLB-8] bytes that are changed on the way every time are told as what they are', async (t) => {
  const { server, client } = await bench(t)
  // After the first, each attempt asks how much is there.
  server.faults.push({ kind: 'corrupt' }, { kind: 'none' }, { kind: 'corrupt' }, { kind: 'none' }, { kind: 'corrupt' })
  await assert.rejects(client.upload(SMALL, {}), isCode('hash-mismatch'))
})

test('[BLB-6] what the server refuses is told by its code, and nothing is sent', async (t) => {
  const { server, client } = await bench(t)
  for (const code of [ERROR.blobTooLarge, ERROR.typeNotAllowed, ERROR.quotaExceeded, ERROR.storageFull, ERROR.resourceLimit, ERROR.noBlobs]) {
    const refusal = serverError(code, '', 0)
    server.refusals.set('upload', [refusal])
    await assert.rejects(client.upload(SMALL, {}), refusal)
  }
  assert.deepEqual(server.seen, [])
  server.faults.push({ kind: 'status', status: 415, body: '{"error":"type-not-allowed","reason":"it is a program"}' })
  await assert.rejects(client.upload(SMALL, {}), (error) => error instanceof ClientError && error.code === ERROR.typeNotAllowed && error.message.includes('it is a program'))
})

test('queries that get no answer, or come too fast, are asked again', async (t) => {
  const { server, client, waits } = await bench(t)
  server.refusals.set('upload', [localError('timeout', ''), serverError(ERROR.rateLimited, '', 5000)])
  await client.upload(SMALL, {})
  assert.deepEqual(waits, [250, 5500])
})

test('nothing is sent in plaintext to another machine, unless that is allowed; an unspecified host is the server itself', async (t) => {
  const { server, client } = await bench(t)
  server.host = 'chat.example'
  await assert.rejects(client.upload(SMALL, {}), isCode('plaintext-refused'))
  server.host = '0.0.0.0'
  await client.upload(SMALL, {})
  assert.equal(server.seen.length, 1)
})

test('an empty file, a folder and a file that is not there are told before anything is asked', async (t) => {
  const { server, client } = await bench(t)
  const place = await folder(t)
  await mkdir(join(place, 'sub'))
  await assert.rejects(client.upload(new Uint8Array(0), {}), isCode('empty-file'))
  await assert.rejects(client.upload({ path: join(place, 'sub') }, {}), isCode('file-failed'))
  await assert.rejects(client.upload({ path: join(place, 'none') }, {}), isCode('file-failed'))
  assert.deepEqual(server.asked, [])
})

test('the end of the client ends what is under way and what waits', async (t) => {
  const { server, client } = await bench(t)
  server.faults.push(...Array.from({ length: 4 }, () => ({ kind: 'hang' as const })))
  const uploads = Array.from({ length: 6 }, (_, at) => client.upload(randomBytes(100 + at), {}))
  while (server.faults.length > 0) await new Promise((resolve) => setImmediate(resolve))
  const closed = localError('closed', 'closed')
  client.end(closed)
  for (const upload of uploads) await assert.rejects(upload, closed)
  await assert.rejects(client.upload(SMALL, {}), closed)
})

test('no more than a few go at once, and all come through, also past one that was given up while it waited', async (t) => {
  const { server, client } = await bench(t)
  const stop = new AbortController()
  const files = Array.from({ length: 12 }, () => randomBytes(2000))
  const waiting = files.map((file, at) => client.upload(file, at === 6 ? { signal: stop.signal } : {}))
  stop.abort(new Error('not that one'))
  await assert.rejects(waiting[6]!, /not that one/)
  await Promise.all(waiting.filter((_, at) => at !== 6))
  assert.equal(server.blobs.size, 11)
})

test('[BLB-7] [BLB-8] whatever happens to it, an upload ends with the bytes as they are: 60 seeds', async (t) => {
  const { server, client } = await bench(t)
  for (let seed = 1; seed <= 60; seed++) {
    const random = generator(seed)
    const bytes = LARGE.subarray(0, 1 + Math.floor(random() * (seed % 3 === 0 ? LARGE.length : 300_000)))
    server.blobs.clear()
    server.uploads.clear()
    server.faults.length = 0
    server.isLazy = random() < 0.3
    for (let count = Math.floor(random() * 8); count > 0; count--) server.faults.push(drawn(random))
    // Each byte that arrives wrong costs one of two more tries.
    const { id } = await client.upload(bytes, { strip: seed % 5 === 0 })
    assert.equal(server.blobs.has(id), true, `seed ${seed}`)
    assert.equal(server.blobs.get(id)?.subarray(0, bytes.length).equals(bytes), true, `seed ${seed}`)
  }
})

function drawn(random: () => number): Fault {
  const faults: readonly Fault[] = [
    { kind: 'none' }, { kind: 'none' }, { kind: 'cut', after: Math.floor(random() * 200_000) }, { kind: 'lose-answer' },
    { kind: 'status', status: [409, 423, 429, 500, 503, 404][Math.floor(random() * 6)] ?? 500 }, { kind: 'lie', offset: String(Math.floor(random() * 4_000_000)) },
  ]
  return faults[Math.floor(random() * faults.length)] ?? { kind: 'none' }
}

/** mulberry32, https://gist.github.com/tommyettinger/46a874533244883189143505d203312c */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

// ——— Downloads ———

test('[BLB-21] a download is checked, and goes on where it broke with the same ETag', async (t) => {
  const { server, client, waits } = await bench(t)
  const id = server.hold(LARGE)
  server.faults.push({ kind: 'cut', after: 1_000_000 })
  const progress: number[] = []
  const got = await client.download({ id }, { onProgress: ({ sent }) => { progress.push(sent) } })
  assert.equal(LARGE.equals(got.bytes), true)
  assert.deepEqual([got.hash, got.size, got.type], [id, LARGE.length, 'image/png'])
  assert.equal(server.seen.length, 2)
  assert.match(server.seen[1]?.from ?? '', /^bytes=[1-9]\d*-$/)
  assert.equal(progress.at(-1), LARGE.length)
  assert.equal(waits.length, 1)
})

test('[BLB-21] bytes with another hash are not handed out: read again, and told if they stay so', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(SMALL)
  server.faults.push({ kind: 'corrupt' })
  assert.equal(SMALL.equals((await client.download({ id }, {})).bytes), true)
  server.faults.push({ kind: 'corrupt' }, { kind: 'corrupt' }, { kind: 'corrupt' })
  await assert.rejects(client.download({ id }, {}), isCode('damaged-blob'))
})

test('[BLB-21] another blob than the one asked for is not handed out, though the server tells its hash', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(SMALL)
  server.swapped.set(id, server.hold(Buffer.from('another')))
  await assert.rejects(client.download({ id }, {}), isCode('damaged-blob'))
  await assert.rejects(client.download({ with: 'bob', seq: 1, attachment: id }, {}), isCode('damaged-blob'))
  assert.equal((await client.download({ id }, { rendition: 'thumbnail' })).hash, server.swapped.get(id), 'of a smaller version the server says the hash')
  assert.equal(server.seen.length, 1, 'what is not it is not read')
})

test('[BLB-18] a URL that has expired is asked for anew; a blob that is gone is told', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(LARGE)
  server.faults.push({ kind: 'cut', after: 1000 }, { kind: 'status', status: 404 })
  await client.download({ with: 'bob', seq: 7, attachment: id }, {})
  assert.equal(server.asked.filter((name) => name === 'blob-url').length, 2)
  server.faults.push(...Array.from({ length: 3 }, () => ({ kind: 'status' as const, status: 404 })))
  await assert.rejects(client.download({ id }, {}), isCode('no-such-blob'))
  await assert.rejects(client.download({ id: 'f'.repeat(64) }, {}), isCode('no-such-blob'))
})

test('a range that can not be had, an error and a hanging server do not end a download', async (t) => {
  const { server, client, expire } = await bench(t)
  const id = server.hold(LARGE)
  server.faults.push({ kind: 'cut', after: 1000 }, { kind: 'status', status: 416 }, { kind: 'status', status: 502 }, { kind: 'hang' })
  const downloading = client.download({ id }, {})
  while (server.faults.length > 0) await new Promise((resolve) => setImmediate(resolve))
  expire()
  assert.equal(LARGE.equals((await downloading).bytes), true)
  assert.equal(server.seen.at(-1)?.from, '', 'the whole, after 416')
})

test('whoever answers a download with a page of his own is asked less and less often', async (t) => {
  const { server, client, waits } = await bench(t)
  const id = server.hold(LARGE)
  server.faults.push(...Array.from({ length: 4 }, () => ({ kind: 'status' as const, status: 200, body: 'sign in first' })))
  assert.equal(LARGE.equals((await client.download({ id }, {})).bytes), true)
  assert.deepEqual(waits.slice(1, 4).map((waitMs, at) => waitMs > (waits[at] ?? 0)), [true, true, true], waits.join(' '))
})

test('[BLB-21] to a file: nothing stands under its name before all of it is checked, and another process goes on', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(LARGE)
  const place = await folder(t)
  const path = join(place, 'beach.png')
  const stop = new AbortController()
  const begun = client.download({ id }, { path, signal: stop.signal, onProgress: ({ sent }) => { if (sent > 500_000) stop.abort(new Error('stopped')) } })
  await assert.rejects(begun, /stopped/)
  const part = partPath({ path, hash: id })
  assert.deepEqual(await readdir(place), [part.slice(place.length + 1)])
  const held = (await stat(part)).size
  assert.ok(held > 0 && held < LARGE.length)

  server.seen.length = 0
  const got = await client.download({ id }, { path, replaces: false })
  assert.equal(server.seen[0]?.from, `bytes=${held}-`)
  assert.equal(got.bytes.length, 0)
  assert.equal(LARGE.equals(await readFile(path)), true)
  assert.deepEqual(await readdir(place), ['beach.png'])
})

test('a part that something else was written into is found out, and read anew', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(SMALL)
  const path = join(await folder(t), 'file')
  for (const left of [Buffer.alloc(400), Buffer.alloc(1000), Buffer.alloc(5000)]) {
    await writeFile(partPath({ path, hash: id }), left)
    await client.download({ id }, { path })
    assert.equal(SMALL.equals(await readFile(path)), true)
  }
})

test('a file that is there is replaced only if that is wanted; a folder that is not there is told', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(SMALL)
  const place = await folder(t)
  const path = join(place, 'file')
  await writeFile(path, 'mine')
  await assert.rejects(client.download({ id }, { path, replaces: false }), isCode('file-exists'))
  assert.equal(await readFile(path, 'utf8'), 'mine')
  await client.download({ id }, { path })
  assert.equal(SMALL.equals(await readFile(path)), true)
  await assert.rejects(client.download({ id }, { path: join(place, 'none', 'file') }), isCode('file-failed'))
})

test('of two downloads to one name at once the second is told so, and the first is whole', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(LARGE)
  const place = await folder(t)
  const path = join(place, 'beach.png')
  const others: Promise<void>[] = []
  const onProgress = (): void => {
    if (others.length === 0) others.push(assert.rejects(client.download({ id }, { path }), isCode('file-locked')))
  }
  await client.download({ id }, { path, onProgress })
  await Promise.all(others)
  assert.equal(others.length, 1)
  assert.equal(LARGE.equals(await readFile(path)), true)
  assert.deepEqual(await readdir(place), ['beach.png'])
  await client.download({ id }, { path })
})

test('a download that is whole is one also where its lock can not be taken away', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(LARGE)
  const path = join(await folder(t), 'beach.png')
  const lock = `${partPath({ path, hash: id })}.lock`
  let isMade = false
  const onProgress = (): void => {
    if (isMade) return
    isMade = true
    rmSync(lock)
    mkdirSync(lock)
  }
  await client.download({ id }, { path, onProgress })
  assert.ok(isMade)
  assert.equal(LARGE.equals(await readFile(path)), true)
})

test('a download goes to a name as long as `chat fetch` gives one, with a number', async (t) => {
  const { server, client } = await bench(t)
  const place = await folder(t)
  const name = `${'n'.repeat(196)} (1000).png`
  await client.download({ id: server.hold(SMALL) }, { path: join(place, name) })
  assert.deepEqual(await readdir(place), [name])
})

test('[BLB-21] whatever happens to it, a download ends with the bytes as they are: 40 seeds', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(LARGE)
  for (let seed = 1; seed <= 40; seed++) {
    const random = generator(seed)
    server.faults.length = 0
    for (let count = Math.floor(random() * 8); count > 0; count--) {
      const faults: readonly Fault[] = [
        { kind: 'none' }, { kind: 'cut', after: Math.floor(random() * LARGE.length) }, { kind: 'status', status: [500, 503, 416, 429][count % 4] ?? 500 }, { kind: 'status', status: 404 },
      ]
      // Three times nothing in a row means that it is gone.
      const fault = faults[Math.floor(random() * faults.length)] ?? { kind: 'none' }
      server.faults.push(fault.kind === 'status' && fault.status === 404 && count % 2 === 0 ? { kind: 'cut', after: 65_536 } : fault)
    }
    assert.equal(LARGE.equals((await client.download({ id }, {})).bytes), true, `seed ${seed}`)
  }
})

test('in a browser, by fetch and WebCrypto, files go up and come down the same way', async (t) => {
  const { server, client } = await bench(t, { blobs: browserBlobs, http: browserBlobs.http(undefined) })
  server.faults.push({ kind: 'cut', after: 100_000 })
  const file = Object.assign(new Blob([LARGE], { type: 'image/png' }), { name: 'C:\\fakepath\\beach.png' })
  const { id, name } = await client.upload(file, {})
  assert.equal(name, 'beach.png')
  server.faults.push({ kind: 'cut', after: 100_000 })
  assert.equal(LARGE.equals((await client.download({ id }, {})).bytes), true)
  await assert.rejects(client.upload({ path: '/etc/hosts' }, {}), TypeError)
  await assert.rejects(client.download({ id }, { path: 'x' }), TypeError)
})

test('the type is what is said, what the Blob has, or what the name tells', async (t) => {
  const { server, client } = await bench(t)
  await client.upload(new Blob([SMALL], { type: 'image/PNG; x=y' }), {})
  await client.upload(SMALL, { name: 'Beach.JPG' })
  await client.upload(SMALL, { name: 'beach.jpg', type: 'video/mp4' })
  await client.upload(SMALL, {})
  assert.deepEqual(server.types, ['image/png', 'image/jpeg', 'video/mp4', 'application/octet-stream'])
})

test('usage and kept blobs are asked for', async (t) => {
  const { server, client } = await bench(t)
  const id = server.hold(SMALL)
  assert.deepEqual(await client.usage(), { used: 5, quota: 100, blobBytesMax: 50 })
  assert.equal((await client.keep('bob', 7, id)).id, id)
})

const NAMES: readonly (readonly [string, string])[] = [
  ['beach.png', 'beach.png'], ['/etc/passwd', 'passwd'], ['..\\..\\evil.exe', 'evil.exe'], ['..', ''], ['', ''], ['a\u202egpj.exe', 'agpj.exe'],
  ['new\nline\u0007.txt', 'newline.txt'], ['  \u200b ', ''], ['😀.png', '😀.png'],
]

for (const [given, expected] of NAMES) {
  test(`[BLB-11] the name ${JSON.stringify(given)} is sent as ${JSON.stringify(expected)}`, () => {
    assert.equal(fileName(given), expected)
  })
}

test('[BLB-11] a name that is too long is cut before what tells its kind', () => {
  const name = fileName(`${'ä'.repeat(400)}.jpeg`)
  assert.ok(isFileName(name) && name.endsWith('ä.jpeg') && name.length > 120)
})
