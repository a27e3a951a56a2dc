/** Blobs from session to session and by HTTP, through whole servers on real sockets. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import sharp from 'sharp'
import { startS3rver } from '../../storage/blobs/testing/s3rver.js'
import type { configOf } from '../config/config.js'
import { selfSigned } from '../listeners/self-signed.js'
import type { Log, LogFields } from '../log.js'
import { createMetrics } from '../metrics/metrics.js'
import { startServer } from '../run/run.js'
import { liveConfig, liveServer, ONE_PROCESS, type LiveServer } from '../testing/live-server.js'
import { BlobSession } from './testing/blob-session.js'
import { content, errorOf, request, sha256 } from './testing/http-rig.js'

type Changes = Parameters<typeof configOf>[0]

const USERS = ['alice', 'bob', 'carol']

async function serve(t: TestContext, changes: Changes = {}): Promise<LiveServer> {
  return liveServer(t, liveConfig(t, { ...changes, listen: { urls: ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0'], ...changes.listen } }), USERS)
}

async function sessions(t: TestContext, changes: Changes = {}): Promise<[BlobSession, BlobSession, BlobSession]> {
  const { url } = await serve(t, changes)
  return [await BlobSession.open(t, url, 'alice'), await BlobSession.open(t, url, 'bob'), await BlobSession.open(t, url, 'carol')]
}

function picture(width: number, height: number): Promise<Buffer> {
  return sharp({ create: { width, height, channels: 3, background: '#336699' } }).jpeg()
    .withExif({ IFD0: { Make: 'Camera' }, IFD3: { GPSLatitude: '52/1 31/1 0/1', GPSLatitudeRef: 'N' } }).withMetadata({ orientation: 6 }).toBuffer()
}

test('[BLB-3] [BLB-10] [BLB-16] a picture goes from user to user, with a thumbnail upright and without what the camera wrote', async (t) => {
  const [alice, bob, carol] = await sessions(t)
  const photo = await picture(800, 400)
  const blob = await alice.upload(photo, 'application/octet-stream')
  const { placeholder = '', ...rest } = blob
  assert.deepEqual(rest, { id: sha256(photo), type: 'image/jpeg', size: String(photo.length), width: '400', height: '800', thumbnail: 'true' })
  assert.ok(Buffer.from(placeholder, 'base64').length > 5)
  assert.deepEqual(await alice.answer('blob', { id: sha256(photo) }), blob)
  const seq = await alice.send('bob', 1, blob)
  assert.ok((await bob.download({ with: 'alice', seq, id: blob['id'] })).equals(photo))
  const thumbnail = await bob.download({ with: 'alice', seq, id: blob['id'], rendition: 'thumbnail' })
  const { format, width, height, exif, icc, xmp, orientation } = await sharp(thumbnail).metadata()
  assert.deepEqual({ format, width, height, exif, icc, xmp, orientation }, { format: 'webp', width: 160, height: 320, exif: undefined, icc: undefined, xmp: undefined, orientation: undefined })
  // [BLB-2]
  assert.equal(await bob.ask('blob-url', { id: blob['id'] }), 'no-such-blob')
  assert.equal(await bob.ask('blob', { id: blob['id'] }), 'no-such-blob')
  assert.notEqual(typeof await carol.ask('blob-url', { with: 'alice', seq, id: blob['id'] }), 'object')
  assert.equal(await bob.ask('blob-url', { with: 'alice', seq, id: sha256(Buffer.from('x')) }), 'no-such-blob')
  assert.equal(await bob.ask('blob-url', { with: 'alice', seq, id: blob['id'], rendition: 'square-96' }), 'no-such-blob')
  // [BLB-15]
  const kept = await bob.ask('blob-keep', { with: 'alice', seq, id: blob['id'] })
  assert.ok(typeof kept !== 'string' && typeof kept.children[0] === 'object')
  assert.deepEqual(Object.fromEntries(kept.children[0].attributes), blob)
  assert.ok((await bob.download({ id: blob['id'] })).equals(photo))
})

test('[BLB-4] [BLB-5] a blob that is held is not uploaded again, and an upload is found again', async (t) => {
  const [alice, bob] = await sessions(t)
  const bytes = content(50_000)
  const slot = await alice.slot(bytes)
  assert.equal(slot.offset, '0')
  const part = await request('PATCH', slot.url, {
    'authorization': `Bearer ${slot.token}`, 'tus-resumable': '1.0.0', 'upload-offset': '0', 'content-type': 'application/offset+octet-stream',
  }, bytes.subarray(0, 20_000))
  assert.equal(part.status, 204)
  const again = await alice.slot(bytes)
  assert.deepEqual([again.id, again.offset], [slot.id, '20000'])
  assert.deepEqual(await alice.answer('blob', { upload: slot.id }), { upload: slot.id, offset: '20000' })
  assert.equal(await bob.ask('blob', { upload: slot.id }), 'no-such-blob')
  assert.deepEqual(await alice.answer('blobs', {}), { used: '50000', quota: '5368709120', blobBytesMax: '16777216' })
  const blob = await alice.upload(bytes)
  assert.deepEqual(blob, { id: sha256(bytes), type: 'application/octet-stream', size: '50000' })
  const held = await alice.ask('upload', { size: bytes.length, hash: sha256(bytes), type: 'application/octet-stream' })
  assert.ok(typeof held !== 'string' && typeof held.children[0] === 'object')
  assert.deepEqual([held.attributes.size, Object.fromEntries(held.children[0].attributes)], [0, blob])
  // Who only knows the hash has to have the bytes.
  assert.equal((await bob.slot(bytes)).offset, '0')
})

test('[BLB-6] what has not the form, or is more than is taken, is refused before it begins', async (t) => {
  const [alice] = await sessions(t, { blobs: { sizeMax: 1000, types: ['image/*', 'text/plain'], uploadsMax: 2, quotaBytes: 1500 } })
  const good = { size: 1000, hash: sha256(Buffer.from('x')), type: 'image/png' }
  for (const [changes, error] of [
    [{ size: 1001 }, 'blob-too-large'], [{ type: 'application/pdf' }, 'type-not-allowed'], [{ size: 0 }, 'bad-request'], [{ size: undefined }, 'bad-request'],
    [{ size: '1e3' }, 'bad-request'], [{ hash: 'ab' }, 'bad-request'], [{ hash: good.hash.toUpperCase() }, 'bad-request'], [{ hash: undefined }, 'bad-request'],
    [{ type: undefined }, 'bad-request'], [{ type: 'image/png; x=y' }, 'bad-request'], [{ type: 'Image/png' }, 'bad-request'], [{ type: 'png' }, 'bad-request'],
    [{ strip: 'yes' }, 'bad-request'], [{ picture: '1' }, 'bad-request'],
  ] as const) assert.equal(await alice.ask('upload', { ...good, ...changes }), error, JSON.stringify(changes))
  await alice.slot(content(100), 'image/png')
  assert.equal(await alice.ask('upload', { ...good, size: 1000, hash: sha256(Buffer.from('y')) }).then((answer) => typeof answer), 'object')
  assert.equal(await alice.ask('upload', { ...good, size: 500 }), 'quota-exceeded')
  assert.equal(await alice.ask('upload', { ...good, size: 100 }), 'resource-limit')
  assert.deepEqual(await alice.answer('blobs', {}), { used: '1100', quota: '1500', blobBytesMax: '1000' })
})

test('blob queries that make no sense are told so', async (t) => {
  const [alice] = await sessions(t)
  const id = sha256(Buffer.from('x'))
  for (const [name, attributes, error] of [
    ['blob', {}, 'bad-request'], ['blob', { id: 'x' }, 'bad-request'], ['blob', { upload: 'x' }, 'bad-request'], ['blob', { id }, 'no-such-blob'],
    ['blob', { upload: '0'.repeat(32) }, 'no-such-blob'], ['blob-url', {}, 'bad-request'], ['blob-url', { id: 'x' }, 'bad-request'],
    ['blob-url', { id, seq: 1 }, 'bad-request'], ['blob-url', { id, with: 'bob' }, 'bad-request'], ['blob-url', { with: 'bob', seq: 1 }, 'bad-request'],
    ['blob-url', { with: 'bob' }, 'bad-request'], ['blob-url', { user: 'bob', id }, 'bad-request'], ['blob-url', { id, rendition: 'huge' }, 'bad-request'],
    ['blob-url', { id, name: 'x'.repeat(256) }, 'bad-request'], ['blob-url', { with: 'b b', seq: 1, id }, 'malformed-address'], ['blob-url', { user: 'b b' }, 'malformed-address'],
    ['blob-url', { with: 'bob', seq: 0, id }, 'bad-request'], ['blob-url', { with: 'bob', seq: 1, id }, 'no-such-conversation'], ['blob-url', { id }, 'no-such-blob'],
    ['blob-url', { user: 'bob' }, 'no-such-blob'], ['blob-keep', { id }, 'bad-request'], ['blob-keep', { with: 'bob', id }, 'bad-request'],
    ['blob-keep', { with: 'bob', seq: 1, id }, 'no-such-conversation'],
  ] as const) assert.equal(await alice.ask(name, attributes), error, `${name} ${JSON.stringify(attributes)}`)
})

test('[BLB-17] a picture of a profile has square versions, and is downloaded by who is shown it', async (t) => {
  const [alice, bob] = await sessions(t)
  const blob = await alice.upload(await picture(300, 200), 'image/jpeg', { picture: 'true' })
  assert.equal(blob['picture'], 'true')
  assert.equal(typeof await alice.ask('profile', { picture: blob['id'] }), 'object')
  for (const size of [640, 96]) {
    const { format, width, height } = await sharp(await bob.download({ user: 'alice', rendition: `square-${String(size)}` })).metadata()
    assert.deepEqual({ format, width, height }, { format: 'webp', width: size, height: size })
  }
})

test('with strip what the camera wrote is taken out of the picture itself', async (t) => {
  const [alice] = await sessions(t)
  const photo = await picture(300, 200)
  assert.notEqual((await sharp(photo).metadata()).exif, undefined)
  const slot = await alice.slot(photo, 'image/jpeg', { strip: 'true' })
  assert.equal((await request('PUT', slot.url, { authorization: `Bearer ${slot.token}` }, photo)).status, 201)
  const blob = await alice.answer('blob', { upload: slot.id })
  assert.notEqual(blob['id'], sha256(photo))
  const left = await alice.download({ id: blob['id'] })
  const { exif, orientation, width, height } = await sharp(left).metadata()
  assert.deepEqual({ exif, orientation, width, height }, { exif: undefined, orientation: undefined, width: 200, height: 300 })
})

test('a bomb, a broken picture and a polyglot are files', async (t) => {
  const [alice] = await sessions(t)
  const header = Buffer.from('89504e470d0a1a0a0000000d494844520000c3500000c350080200000000000000', 'hex')
  for (const bytes of [header, (await picture(100, 100)).subarray(0, 300), Buffer.concat([await picture(10, 10), Buffer.from('<script>alert(1)</script>')])]) {
    const blob = await alice.upload(bytes, 'image/png')
    assert.match(blob['type'] ?? '', /^image\/(png|jpeg)$/)
    assert.ok((await alice.download({ id: blob['id'] })).equals(bytes))
  }
})

test('with blobs in S3 it is the same, and while S3 is away uploads and downloads are told to come back', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-s3-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const keys = join(directory, 'keys')
  let s3 = await startS3rver(join(directory, 's3'))
  t.after(() => s3.close())
  writeFileSync(keys, `access_key_id = ${s3.accessKeyId}\nsecret_access_key = ${s3.secretAccessKey}\n`, { mode: 0o600 })
  const [alice, bob] = await sessions(t, { blobs: { store: 's3', s3Endpoint: s3.endpoint, s3Bucket: s3.bucket, s3Prefix: 'blobs/', s3CredentialsFile: keys, memoryBytes: 0 } })
  const photo = await picture(800, 400)
  const blob = await alice.upload(photo, 'image/jpeg')
  const seq = await alice.send('bob', 1, blob)
  assert.ok((await bob.download({ with: 'alice', seq, id: blob['id'] })).equals(photo))
  const { url = '' } = await bob.answer('blob-url', { with: 'alice', seq, id: blob['id'] })
  assert.ok((await request('GET', url, { range: 'bytes=17-1016' })).body.equals(photo.subarray(17, 1017)))
  const { port } = new URL(s3.endpoint)
  await s3.close()
  const bytes = content(3_000_000)
  const slot = await alice.slot(bytes)
  const auth = { 'authorization': `Bearer ${slot.token}`, 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream' }
  const failed = await request('PATCH', slot.url, { ...auth, 'upload-offset': '0' }, bytes)
  assert.equal(failed.status, 503)
  assert.equal(errorOf(failed), 'unavailable')
  assert.equal((await request('GET', url)).status, 503)
  s3 = await startS3rver(join(directory, 's3'), Number(port))
  assert.equal((await request('PATCH', slot.url, { ...auth, 'upload-offset': String(bytes.length) }, '')).status, 204)
  assert.ok((await alice.download({ id: sha256(bytes) })).equals(bytes))
  assert.equal((await request('GET', url)).status, 200)
})

test('over TLS it is the same, by the URL that is given out', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-tls-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const pair = selfSigned(['localhost', '127.0.0.1'], 30, Date.now())
  const [tlsCertificate, tlsKey] = [join(directory, 'crt'), join(directory, 'key')]
  writeFileSync(tlsCertificate, pair.certificate)
  writeFileSync(tlsKey, pair.key)
  const server = await serve(t, { listen: { urls: ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0', 'wss://127.0.0.1:0'], tlsCertificate, tlsKey } })
  const alice = await BlobSession.open(t, server.url, 'alice')
  const bytes = content(100_000)
  const slot = await alice.slot(bytes)
  assert.ok(slot.url.startsWith(server.ready.listeners[2]!.replace('wss', 'https')))
  const ask = (method: string, url: string, headers: Record<string, string>, body?: Buffer): Promise<Buffer> => new Promise((resolve, reject) => {
    const sent = httpsRequest(url, { method, headers, ca: pair.certificate, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => resolve(Buffer.concat(chunks))).on('error', reject)
    })
    sent.on('error', reject).end(body)
  })
  await ask('PUT', slot.url, { authorization: `Bearer ${slot.token}` }, bytes)
  const { url = '' } = await alice.answer('blob-url', { id: sha256(bytes) })
  assert.ok((await ask('GET', url, {})).equals(bytes))
})

test('URLs begin with what the operator says, or with the first web listener', async (t) => {
  const [alice] = await sessions(t, { blobs: { publicUrl: 'https://chat.example/' } })
  assert.match((await alice.slot(content(10))).url, /^https:\/\/chat\.example\/blobs\/uploads\/[0-9a-f]{32}$/)
  const open = await serve(t, { listen: { urls: ['ws://0.0.0.0:0', 'ws://127.0.0.1:0'], allowPlaintext: true } })
  const other = await BlobSession.open(t, open.ready.listeners[1]!, 'alice')
  assert.match((await other.slot(content(10))).url, new RegExp(`^${open.ready.listeners[0]!.replace('ws', 'http').replaceAll('.', '\\.')}/blobs/`))
})

test('the log says at the start that the disk has no room for uploads, and with which setting', async (t) => {
  for (const [freeBytesMin, expected] of [[90_000_000_000_000, 'blobs.freeBytesMin'], [0, undefined]] as const) {
    const warnings: { event: string, fields: LogFields }[] = []
    const log: Log = { debug: () => undefined, info: () => undefined, warn: (fields, event) => { warnings.push({ event, fields }) }, error: () => undefined }
    const started = await startServer(liveConfig(t, { blobs: { freeBytesMin }, listen: { urls: ['ws://127.0.0.1:0'] } }), { log })
    await started.stop()
    assert.equal(warnings.find(({ event }) => event === 'blobs-no-room')?.fields['setting'], expected)
  }
})

test('where no blobs are kept every query says so, and the log says why', async (t) => {
  for (const [changes, why] of [
    [{ blobs: { enabled: false }, listen: { urls: ['ws://127.0.0.1:0'] } }, /enabled/], [{ listen: { urls: ['tcp://127.0.0.1:0'] } }, /no ws/],
  ] as const) {
    const lines: { event: string, fields: LogFields }[] = []
    const record = (fields: LogFields, event: string): void => { lines.push({ event, fields }) }
    const log: Log = { debug: record, info: record, warn: record, error: record }
    const config = liveConfig(t, changes)
    const started = await startServer(config, { log })
    await started.stop()
    assert.match(String(lines.find(({ event }) => event === 'blobs-off')?.fields['reason']), why)
    const server = await liveServer(t, config)
    const alice = await BlobSession.open(t, server.url, 'alice')
    for (const name of ['upload', 'blob', 'blob-url', 'blob-keep', 'blobs']) assert.equal(await alice.ask(name, {}), 'no-blobs')
    if (server.url.startsWith('ws')) assert.equal((await request('GET', `${server.url.replace('ws', 'http')}/blobs/uploads`)).status, 404)
  }
})

test('what goes by HTTP is counted for the operator', ONE_PROCESS, async (t) => {
  const server = await serve(t)
  const alice = await BlobSession.open(t, server.url, 'alice')
  const bytes = content(1000)
  await alice.upload(bytes)
  await alice.upload(await picture(50, 50))
  await alice.upload(Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'))
  await alice.download({ id: sha256(bytes) })
  assert.equal(await alice.ask('upload', { size: 2 ** 30, hash: sha256(bytes), type: 'text/plain' }), 'blob-too-large')
  const slot = await alice.slot(content(10))
  await request('PUT', slot.url, { authorization: `Bearer ${slot.token}` }, content(10))
  await request('GET', slot.url.replace(/uploads.*/, `${sha256(bytes)}?m=x`))
  // The process of blobs tells now and then.
  for (let wait = 0; server.counters.downloads.get('404') === undefined && wait < 1000; wait++) await sleep(10)
  const metrics = await createMetrics(server.counters, () => null).metrics()
  for (const line of [
    'chatd_blob_uploads_finished_total 3', 'chatd_blob_bytes_sent_total 1000', 'chatd_blob_previews_made_total 1', 'chatd_blob_previews_failed_total 1',
    'chatd_blob_uploads_refused_total{error="hash-mismatch"} 1',
    'chatd_blob_uploads_refused_total{error="blob-too-large"} 1', 'chatd_blob_downloads_total{status="200"} 1', 'chatd_blob_downloads_total{status="404"} 1',
    'chatd_blob_uploads_reading 0', 'chatd_blob_downloads_sending 0',
  ]) assert.ok(metrics.includes(`\n${line}\n`), line)
  assert.match(metrics, /\nchatd_blob_bytes_received_total [1-9]/)
  assert.match(metrics, /\nchatd_blob_bytes_stored_total [1-9]/)
})

test('[PRF-17] a report shows the files of a message, by name, type and size', async (t) => {
  const server = await serve(t)
  const alice = await BlobSession.open(t, server.url, 'alice')
  const bob = await BlobSession.open(t, server.url, 'bob')
  const blob = await alice.upload(content(100))
  await alice.send('bob', 1, blob)
  await alice.send('bob', 2, blob, 'so warm here')
  assert.equal(typeof await bob.ask('report', { with: 'alice' }), 'object')
  const [report] = (await server.router.profiles.reports(0, 10)).reports
  const file = '[beach.jpg, application/octet-stream, 100 bytes]'
  assert.deepEqual(report?.messages.map(({ text }) => Buffer.from(text).toString()), [file, `so warm here\n${file}`])
})

test('a store that can not be used keeps the server from starting, in words for the operator', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-bad-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const file = join(directory, 'file')
  writeFileSync(file, '')
  const listen = { urls: ['ws://127.0.0.1:0'] }
  await assert.rejects(startServer(liveConfig(t, { listen, blobs: { directory: file } })), /blob|upload/)
  const s3 = { store: 's3', s3Endpoint: 'http://127.0.0.1:1', s3Bucket: 'chat', s3CredentialsFile: join(directory, 'nothing') }
  await assert.rejects(startServer(liveConfig(t, { listen, blobs: s3 })), /s3CredentialsFile/)
  const keys = join(directory, 'keys')
  writeFileSync(keys, 'access_key_id = a\nsecret_access_key = b\n', { mode: 0o600 })
  await assert.rejects(startServer(liveConfig(t, { listen, blobs: { ...s3, s3CredentialsFile: keys, s3Bucket: 'B' } })), /blobs\.s3.*bucket/)
  // One that only does not answer is no reason not to pass on messages.
  const server = await startServer(liveConfig(t, { listen, blobs: { ...s3, s3CredentialsFile: keys } }))
  await server.stop()
})
