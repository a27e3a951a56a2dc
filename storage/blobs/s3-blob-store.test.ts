import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { inspect } from 'node:util'
import { BlobError } from './blob-store.js'
import type { BlobErrorCode, BlobStore } from './blob-store.js'
import { S3BlobStore } from './s3-blob-store.js'
import type { S3BlobStoreOptions } from './s3-blob-store.js'
import { blobStoreSuite } from './testing/blob-store-suite.js'
import { bytesOf, nameOf, putBytes, readAll } from './testing/bytes.js'
import { startS3rver } from './testing/s3rver.js'
import { ScriptedS3, refuse } from './testing/scripted-s3.js'
import type { Fault } from './testing/scripted-s3.js'
import { signatureOf } from './testing/signature.js'
import { closeAfter, temporaryDirectory } from '../testing/temporary-directory.js'

/** Patient enough for a busy machine, and quick where a test waits for the end of it. */
const DEFAULTS = {
  prefix: '', pathStyle: true, connectTimeoutMs: 5000, idleTimeoutMs: 5000, connectionsMax: 16,
  attemptsMax: 3, backoffMs: 2, backoffMaxMs: 10, listPageMax: 5, random: Math.random,
}

blobStoreSuite('S3, by s3rver', async (t) => {
  const server = closeAfter(t, await startS3rver(await temporaryDirectory(t)))
  return closeAfter(t, new S3BlobStore({ ...DEFAULTS, ...server, region: 'us-east-1', prefix: 'media/v1/', listPageMax: 1000 }))
})

blobStoreSuite('S3, by a strict server', async (t) => (await openStore(t, { prefix: 'b-' })).store)

async function openStore(t: TestContext, options: Partial<S3BlobStoreOptions> = {}): Promise<{
  store: S3BlobStore, server: ScriptedS3, directory: string,
}> {
  const directory = await temporaryDirectory(t)
  const server = await ScriptedS3.start(t)
  return { directory, server, store: closeAfter(t, new S3BlobStore({ ...DEFAULTS, ...placeOf(server), ...options })) }
}

function placeOf({ endpoint, bucket, region, accessKeyId, secretAccessKey }: ScriptedS3): Pick<
  S3BlobStoreOptions, 'endpoint' | 'bucket' | 'region' | 'accessKeyId' | 'secretAccessKey'
> {
  return { endpoint, bucket, region, accessKeyId, secretAccessKey }
}

async function namesIn(store: BlobStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list('')) names.push(name)
  return names
}

/** Runs the fault against each kind of request. */
function operationsOf(store: BlobStore, directory: string, name: string): [string, () => Promise<unknown>][] {
  return [
    ['put', () => putBytes(store, directory, bytesOf(99, 1000))],
    ['read', async () => readAll(await store.read(name, 0, 1000))],
    ['stat', () => store.stat(name)],
    ['list', () => namesIn(store)],
    ['delete', () => store.delete(name)],
  ]
}

const reset: Fault = (request) => { request.socket.destroy() }
const slowDown: Fault = (request, response) => {
  request.resume()
  refuse(response, 503, 'SlowDown', 'Please reduce your request rate.')
}
const halfOfBody: Fault = (_request, response) => {
  response.writeHead(206, { 'content-length': 1000, 'content-range': 'bytes 0-999/1000' })
  response.write(Buffer.alloc(500), () => response.socket?.destroy())
}

test('the check of signatures knows the published example', () => {
  // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html, "GET Object"
  const empty = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
  const signature = signatureOf({
    method: 'GET',
    target: '/test.txt',
    headers: {
      'host': 'examplebucket.s3.amazonaws.com',
      'range': 'bytes=0-9',
      'x-amz-content-sha256': empty,
      'x-amz-date': '20130524T000000Z',
      'authorization': 'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
        'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
        'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
    },
  }, 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY')
  assert.equal(signature?.right, signature?.given)
  assert.equal(signature?.accessKeyId, 'AKIAIOSFODNN7EXAMPLE')
})

test('a failure that passes is passed: each request is made again', async (t) => {
  const { store, server, directory } = await openStore(t)
  for (const fault of [slowDown, reset]) {
    const name = await putBytes(store, directory, bytesOf(1, 1000))
    for (const [operation, run] of operationsOf(store, directory, name)) {
      server.requests.length = 0
      server.faults.push(fault, fault)
      await assert.doesNotReject(run, operation)
      assert.ok(server.requests.length >= 3, operation)
    }
  }
})

test('a server that says SlowDown for ever is asked so often and no more', async (t) => {
  const { store, server, directory } = await openStore(t, { attemptsMax: 4 })
  const name = await putBytes(store, directory, bytesOf(1, 1000))
  for (const [operation, run] of operationsOf(store, directory, name)) {
    server.requests.length = 0
    server.always = slowDown
    await assert.rejects(run, { name: 'BlobError', code: 'unavailable', message: /SlowDown.*after 4 attempts/ }, operation)
    // A HEAD is asked for its reason each time.
    assert.equal(server.requests.length, operation === 'stat' ? 8 : 4, operation)
  }
})

test('pauses grow from attempt to attempt, at random, up to the longest', async (t) => {
  const drawn: number[] = []
  const random = (): number => {
    drawn.push(performance.now())
    return 0.999
  }
  const { store, server } = await openStore(t, { attemptsMax: 5, backoffMs: 20, backoffMaxMs: 60, random })
  server.always = slowDown
  await assert.rejects(store.read('ab'.repeat(32), 0, 1), { code: 'unavailable' })
  assert.equal(drawn.length, 4)
  const pauses = drawn.slice(1).map((time, n) => time - drawn[n]!)
  for (const [n, least] of [19, 38, 58].entries()) assert.ok(pauses[n]! >= least, `${n}: ${pauses[n]}`)
})

test('a body that breaks in the middle is an error for its reader, never a short success', async (t) => {
  const { store, server, directory } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(2, 1000))
  const read = async (): Promise<Buffer> => readAll(await store.read(name, 0, 1000))
  server.faults.push(halfOfBody)
  await assert.rejects(read, { name: 'BlobError', code: 'unavailable' })
  // Ends properly, but too early: of unknown length, then of another range than was asked for.
  server.faults.push((_request, response) => response.writeHead(206, { 'content-range': 'bytes 0-999/1000' }).end(Buffer.alloc(999)))
  await assert.rejects(read, { name: 'BlobError', code: 'damaged', message: /1 bytes are missing/ })
  server.faults.push((_request, response) => response.writeHead(206, { 'content-range': 'bytes 0-998/999', 'content-length': 999 }).end(Buffer.alloc(999)))
  await assert.rejects(read, { name: 'BlobError', code: 'damaged' })
  // More than was asked for, from a server that knows no ranges.
  server.faults.push((_request, response) => response.writeHead(200, { 'content-length': 2000 }).end(Buffer.alloc(2000)))
  await assert.rejects(read, { name: 'BlobError', code: 'damaged' })
  server.faults.push((_request, response) => response.writeHead(200, { 'content-length': 1000 }).end(Buffer.alloc(1000)))
  await assert.rejects(async () => readAll(await store.read(name, 1, 1000)), { name: 'BlobError', code: 'internal' })
  assert.ok(bytesOf(2, 1000).equals(await read()))
})

test('a body that breaks before anybody reads it is an error for who does, and for nobody else', async (t) => {
  const { store, server } = await openStore(t)
  for (const broken of ['500\r\nhalf', 'no size of a chunk\r\n']) {
    let closed: () => void = () => undefined
    const over = new Promise<void>((resolve) => { closed = resolve })
    server.faults.push((request) => {
      request.socket.once('close', () => { closed() })
      request.socket.end(`HTTP/1.1 206 OK\r\ncontent-range: bytes 0-999/1000\r\ntransfer-encoding: chunked\r\n\r\n${broken}`)
    })
    const reading = store.read('ab'.repeat(32), 0, 1000)
    await over
    for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
    await assert.rejects(async () => readAll(await reading), { name: 'BlobError', code: 'unavailable' })
  }
})

test('a server that hangs is given up after a time, wherever it hangs', async (t) => {
  const { store, server, directory } = await openStore(t, { idleTimeoutMs: 200, attemptsMax: 1 })
  const name = server.hold(bytesOf(3, 1000))
  const silent: Fault = (request) => { request.resume() }
  const unavailable = { name: 'BlobError', code: 'unavailable', message: /nothing came for 200 ms/ }
  for (const [operation, run] of operationsOf(store, directory, name)) {
    server.always = silent
    await assert.rejects(run, unavailable, operation)
  }
  // In the middle of an answer, of a refusal, and of a body that it does not take.
  server.always = (_request, response) => {
    response.writeHead(206, { 'content-length': 1000, 'content-range': 'bytes 0-999/1000' }).write(Buffer.alloc(500))
  }
  await assert.rejects(async () => readAll(await store.read(name, 0, 1000)), unavailable)
  server.always = (_request, response) => { response.writeHead(403, { 'content-length': 1000 }).write('<Error>') }
  await assert.rejects(store.read(name, 0, 1000), { code: 'denied' })
  server.always = (request) => { request.pause() }
  await assert.rejects(putBytes(store, directory, bytesOf(4, 30_000_000)), unavailable)
})

test('a connection that is not made in time is given up, also where only TLS does not come about, or none is free', async (t) => {
  const { store, server } = await openStore(t, { connectTimeoutMs: 600, connectionsMax: 1, attemptsMax: 1 })
  const late = { name: 'BlobError', code: 'unavailable', message: /no connection within 600 ms/ }
  const size = 20_000_000
  const name = server.hold(bytesOf(5, size))
  const reading = await store.read(name, 0, size)
  await assert.rejects(store.stat(name), late)
  assert.equal((await readAll(reading)).length, size)
  assert.equal(await store.stat(name), size)
  const mute = createServer((socket) => { socket.on('error', () => undefined).resume() })
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const secure = closeAfter(t, new S3BlobStore({
    ...DEFAULTS, ...placeOf(server), endpoint: `https://127.0.0.1:${(mute.address() as AddressInfo).port}`, connectTimeoutMs: 600, attemptsMax: 1,
  }))
  closeAfter(t, { close: async () => { mute.close() } })
  await assert.rejects(secure.stat(name), late)
})

test('a reader that is slow is not taken for a server that hangs', async (t) => {
  const { store, server } = await openStore(t, { idleTimeoutMs: 600 })
  const bytes = bytesOf(6, 20_000_000)
  const name = server.hold(bytes)
  const stream = await store.read(name, 0, bytes.length)
  await once(stream, 'readable')
  await new Promise((resolve) => { setTimeout(resolve, 1500) })
  assert.ok(bytes.equals(await readAll(stream)))
})

test('a stream that nobody reads takes no more than its buffers', async (t) => {
  const { store, server } = await openStore(t)
  let given = 0
  let stuck: () => void = () => undefined
  const full = new Promise<void>((resolve) => { stuck = resolve })
  const size = 200_000_000
  server.faults.push((_request, response) => {
    response.writeHead(206, { 'content-length': size, 'content-range': `bytes 0-${size - 1}/${size}` })
    const chunk = Buffer.alloc(1_000_000)
    const give = (): void => {
      while (given < size) {
        given += chunk.length
        if (!response.write(chunk)) break
      }
      response.once('drain', give)
      // No drain for a while: nobody takes any more.
      setTimeout(() => { if (response.writableNeedDrain) stuck() }, 200).unref()
    }
    give()
  })
  const stream = await store.read('ab'.repeat(32), 0, size)
  stream.on('readable', () => undefined)
  await full
  assert.ok(given < 50_000_000, `${given}`)
  assert.ok(stream.readableLength < 1_000_000, `${stream.readableLength}`)
  stream.destroy()
})

test('a refusal is told at once, with what to do about it, and without the keys', async (t) => {
  const sessionToken = 'session-token-of-the-test'
  const { store, server, directory } = await openStore(t, { sessionToken })
  const name = await putBytes(store, directory, bytesOf(8, 1000))
  const secrets = [server.secretAccessKey, server.accessKeyId, sessionToken]
  const table: [number, string, BlobErrorCode, RegExp][] = [
    [403, 'AccessDenied', 'denied', /allow s3:GetObject/],
    [403, 'SignatureDoesNotMatch', 'denied', /secret access key is not the one/],
    [403, 'InvalidAccessKeyId', 'denied', /not known/],
    [400, 'ExpiredToken', 'denied', /session token/],
    [404, 'NoSuchBucket', 'denied', /no bucket chatd-test/],
    [400, 'XAmzContentSHA256Mismatch', 'damaged', /XAmz/],
    [403, 'QuotaExceeded', 'no-space', /Quota/],
    [507, 'XMinioStorageFull', 'no-space', /Full/],
    [400, 'InvalidRequest', 'internal', /InvalidRequest/],
    [501, 'NotImplemented', 'internal', /501/],
  ]
  for (const [status, s3Code, code, message] of table) {
    for (const [operation, run] of operationsOf(store, directory, name)) {
      server.requests.length = 0
      server.always = (request, response) => {
        request.resume()
        refuse(response, status, s3Code, `You said\n${secrets.join(' ')} ${request.headers.authorization}`)
      }
      await assert.rejects(run, (error) => {
        assert.ok(error instanceof BlobError)
        assert.equal(error.code, code, `${operation}: ${error.message}`)
        assert.match(error.message, message)
        for (const secret of secrets) assert.ok(!inspect(error, { depth: 9, showHidden: true }).includes(secret), `${operation} tells a secret`)
        assert.ok(!error.message.includes('\n') && error.message.length < 700)
        return true
      })
      assert.equal(server.requests.length, operation === 'stat' ? 2 : 1, operation)
    }
  }
  for (const secret of secrets) assert.ok(!inspect(store, { depth: 9, showHidden: true }).includes(secret), 'the store shows a secret')
})

test('a bucket in another region, or behind another endpoint, is said to be', async (t) => {
  const { store, server } = await openStore(t)
  const name = 'ab'.repeat(32)
  const answers: [Fault, RegExp][] = [
    [(_r, response) => refuse(response, 301, 'PermanentRedirect', '', { 'x-amz-bucket-region': 'ap-south-1' }), /region ap-south-1, not eu-test-1/],
    [(_r, response) => refuse(response, 400, 'AuthorizationHeaderMalformed', '', {}, '<Region>us-west-2</Region>'), /region us-west-2, not eu-test-1/],
    [(_r, response) => response.writeHead(301, { location: 'http://127.0.0.1:1/' }).end(), /not at this endpoint/],
    [(_r, response) => response.writeHead(404, { 'content-type': 'text/html' }).end('<html>no such page</html>'), /does not look like S3/],
  ]
  for (const [fault, message] of answers) {
    server.always = fault
    await assert.rejects(store.read(name, 0, 1), { name: 'BlobError', code: 'denied', message })
    // That an object is not there is something else.
    await assert.rejects(store.stat(name), { name: 'BlobError', code: 'denied', message })
    await assert.rejects(store.delete(name), { name: 'BlobError', code: 'denied', message })
  }
})

test('a clock that is wrong is named, and by how much', async (t) => {
  const { store, server } = await openStore(t)
  const date = (seconds: number): string => new Date(Date.now() + seconds * 1000).toUTCString()
  server.always = (_request, response) => refuse(response, 403, 'RequestTimeTooSkewed', 'x', { date: date(3600) })
  await assert.rejects(store.read('ab'.repeat(32), 0, 1), { code: 'denied', message: /clock of this machine is 3[56]\d\d s behind/ })
  server.always = (_request, response) => refuse(response, 403, 'RequestTimeTooSkewed', 'x', { date: date(-3600) })
  await assert.rejects(store.stat('ab'.repeat(32)), { code: 'denied', message: /clock of this machine is 3[56]\d\d s ahead/ })
})

test('the wrong keys, region and hash are refused by a server that checks them', async (t) => {
  const { server, directory } = await openStore(t)
  const open = (options: Partial<S3BlobStoreOptions>): S3BlobStore => closeAfter(t, new S3BlobStore({ ...DEFAULTS, ...placeOf(server), ...options }))
  await assert.rejects(open({ secretAccessKey: 'another' }).check(), { code: 'denied', message: /secret access key is not the one/ })
  await assert.rejects(open({ accessKeyId: 'another' }).check(), { code: 'denied', message: /not known/ })
  await assert.rejects(open({ region: 'us-east-1' }).check(), { code: 'denied' })
  await assert.rejects(open({ bucket: 'another' }).check(), { code: 'denied', message: /no bucket another/ })
  const file = path.join(directory, 'upload')
  await writeFile(file, 'not what the name says')
  await assert.rejects(open({}).put('ab'.repeat(32), file, 22), { code: 'damaged' })
  assert.ok(existsSync(file))
  assert.equal(server.objects.size, 0)
})

test('S3 that goes away in the middle of a put leaves the file, and takes it when it is back', async (t) => {
  const { store, server, directory } = await openStore(t)
  const bytes = bytesOf(9, 5_000_000)
  const file = path.join(directory, 'upload')
  await writeFile(file, bytes)
  const breaks: Fault = (request) => { request.once('data', () => { request.socket.destroy() }) }
  server.always = breaks
  await assert.rejects(store.put(nameOf(bytes), file, bytes.length), { name: 'BlobError', code: 'unavailable' })
  assert.ok(existsSync(file))
  server.always = null
  // Once more in the middle, then well: the second attempt sends all of it.
  server.faults.push(breaks)
  await store.put(nameOf(bytes), file, bytes.length)
  assert.equal(existsSync(file), false)
  assert.ok(bytes.equals(await readAll(await store.read(nameOf(bytes), 0, bytes.length))))
  await server.close()
  await writeFile(file, bytes)
  await assert.rejects(store.put(nameOf(bytes), file, bytes.length), { name: 'BlobError', code: 'unavailable', message: /ECONNREFUSED/ })
  assert.ok(existsSync(file))
})

test('a refusal that comes before all was sent is heard', async (t) => {
  const { store, server, directory } = await openStore(t, { attemptsMax: 1 })
  server.always = (_request, response) => refuse(response, 403, 'AccessDenied')
  await assert.rejects(putBytes(store, directory, bytesOf(10, 20_000_000)), { name: 'BlobError', code: 'denied' })
})

test('connections are kept, and one that the server has closed meanwhile costs nothing', async (t) => {
  const { store, server, directory } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(11, 100))
  for (let n = 0; n < 5; n++) await readAll(await store.read(name, 0, 100))
  await store.stat(name)
  await store.stat('ab'.repeat(32))
  await store.delete('ab'.repeat(32))
  assert.equal(new Set(server.requests.map(({ port }) => port)).size, 1)
  server.closeIdleConnections()
  assert.equal(await store.stat(name), 100)
})

test('foreign objects below the prefix, whatever their names, are not listed and do not end a list', async (t) => {
  const { store, server, directory } = await openStore(t, { prefix: 'media/', listPageMax: 2 })
  const names: string[] = []
  for (let seed = 0; seed < 5; seed++) names.push(await putBytes(store, directory, bytesOf(seed, 50)))
  names.sort()
  const foreign = ['0', 'README', `${names[2]!}.bak`, `${names[2]!}/x`, names[3]!.toUpperCase(), 'ä ö+%&<>', '\u0001', 'zz/zz', '%', 'x'.repeat(64)]
  for (const key of [...foreign.map((name) => `media/${name}`), names[1]!, `other/${names[1]!}`]) {
    server.objects.set(key, { bytes: Buffer.alloc(1), modified: new Date() })
  }
  assert.deepEqual(await namesIn(store), names)
  assert.ok(server.requests.filter(({ method }) => method === 'GET').length > 5)
})

test('a list that is none, or that has no end, is an error', async (t) => {
  const { store, server } = await openStore(t)
  const answers: [string, RegExp][] = [
    ['<html>hello</html>', /no list/],
    ['<ListBucketResult><Contents>', /no list/],
    ['', /no list/],
    ['<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>', /no list/],
    [`<ListBucketResult>${' '.repeat(5_000_000)}</ListBucketResult>`, /more than/],
  ]
  for (const [xml, message] of answers) {
    server.always = (_request, response) => { response.end(xml) }
    await assert.rejects(namesIn(store), { name: 'BlobError', code: 'internal', message }, xml.slice(0, 80))
  }
  server.always = (_request, response) => {
    response.end('<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>round</NextContinuationToken></ListBucketResult>')
  }
  await assert.rejects(namesIn(store), { name: 'BlobError', code: 'internal', message: /leads to itself/ })
})

test('a check finds a bucket that may not be listed, and cleans up where it can', async (t) => {
  const { store, server } = await openStore(t)
  await store.check()
  assert.equal(server.objects.size, 0)
  server.always = (request, response, honest) => {
    if (request.url?.includes('list-type') === true) refuse(response, 403, 'AccessDenied')
    else honest()
  }
  await assert.rejects(store.check(), { name: 'BlobError', code: 'denied', message: /s3:ListBucket/ })
  assert.equal(server.objects.size, 0)
  server.always = (request, response, honest) => {
    if (request.method === 'DELETE') refuse(response, 403, 'AccessDenied')
    else honest()
  }
  await assert.rejects(store.check(), { name: 'BlobError', code: 'denied', message: /s3:DeleteObject/ })
})

test('a check that is given other bytes than it wrote says so', async (t) => {
  const { store, server } = await openStore(t)
  server.always = (request, response, honest) => {
    if (request.method === 'GET') response.end(Buffer.alloc(Number(/-(\d+)$/.exec(request.headers.range ?? '')?.[1]) + 1))
    else honest()
  }
  await assert.rejects(store.check(), { name: 'BlobError', code: 'damaged' })
})

test('close ends what is under way', async (t) => {
  const { store, server, directory } = await openStore(t, { backoffMs: 60_000, backoffMaxMs: 60_000, random: () => 0.9 })
  const name = await putBytes(store, directory, bytesOf(12, 3_000_000))
  const stream = await store.read(name, 0, 3_000_000)
  let arrived: () => void = () => undefined
  const both = new Promise<void>((resolve) => { arrived = resolve })
  // One waits for its answer, one for its next attempt.
  server.faults.push(slowDown, () => { arrived() })
  const pausing = assert.rejects(store.stat(name), { name: 'BlobError', code: 'unavailable' })
  const waiting = assert.rejects(store.stat(name), { name: 'BlobError', code: 'unavailable' })
  await both
  await store.close()
  await Promise.all([pausing, waiting])
  await assert.rejects(readAll(stream), { name: 'BlobError', code: 'unavailable' })
})

test('a bucket stands in the path or before the host, as the options say', async (t) => {
  const { server, directory } = await openStore(t)
  const asked: string[] = []
  const store = closeAfter(t, new S3BlobStore({
    ...DEFAULTS, ...placeOf(server), endpoint: `http://s3.example:${server.port}`, pathStyle: false, prefix: 'p/',
    lookup: (host, options, callback) => {
      asked.push(host)
      if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
      else callback(null, '127.0.0.1', 4)
    },
  }))
  const name = await putBytes(store, directory, bytesOf(13, 10))
  assert.deepEqual(await namesIn(store), [name])
  assert.deepEqual([...new Set(asked)], ['chatd-test.s3.example'])
  assert.equal(server.requests[0]?.headers.host, `chatd-test.s3.example:${server.port}`)
  assert.equal(server.requests[0].target, `/p/${name}`)
  assert.ok(server.objects.has(`p/${name}`))
})

test('a session token is sent and signed', async (t) => {
  const { store, server, directory } = await openStore(t, { sessionToken: 'token' })
  await putBytes(store, directory, bytesOf(14, 10))
  assert.equal(server.requests[0]?.headers['x-amz-security-token'], 'token')
  assert.match(server.requests[0].headers.authorization ?? '', /SignedHeaders=[^,]*x-amz-security-token/)
})

test('a place that can\'t be one is refused before anything is sent, and without the keys', () => {
  const good = { ...DEFAULTS, endpoint: 'https://s3.example', region: 'eu-1', bucket: 'chatd', accessKeyId: 'id', secretAccessKey: 'hidden' }
  const bad: Partial<S3BlobStoreOptions>[] = [
    { endpoint: 's3.example' }, { endpoint: 'ftp://s3.example' }, { endpoint: 'https://a:hidden@s3.example' }, { endpoint: 'https://s3.example/path' },
    { endpoint: 'https://s3.example?x' }, { region: '' }, { region: 'eu/1' }, { bucket: 'x' }, { bucket: 'Chatd' }, { bucket: 'a/b' }, { bucket: '../x' },
    { bucket: 'a.b', pathStyle: false }, { prefix: '/' }, { prefix: 'a//b' }, { prefix: '../' }, { prefix: 'a/../' }, { prefix: './' }, { prefix: 'a/..' },
    { prefix: 'ä' }, { prefix: 'x'.repeat(201) }, { prefix: 'a?b' }, { secretAccessKey: '' }, { secretAccessKey: 'hidden\n' }, { sessionToken: '' },
  ]
  for (const options of bad) {
    assert.throws(() => new S3BlobStore({ ...good, ...options }), (error) => {
      assert.ok(error instanceof TypeError, JSON.stringify(options))
      assert.ok(!error.message.includes('hidden'))
      return true
    })
  }
  for (const prefix of ['', 'a', 'a/', 'a.b/c-d_e/', '.hidden/']) assert.doesNotThrow(() => new S3BlobStore({ ...good, prefix }), prefix)
})
