import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Readable } from 'node:stream'
import { test, type TestContext } from 'node:test'
import { BlobError, type BlobStore } from '../../storage/blobs/blob-store.js'
import { SYSTEM_CLOCK } from '../clock.js'
import type { Blob } from './blob-router.js'
import { BlobCipher } from './cipher.js'
import { NotLookedAt } from './media/previews.js'
import { bearer, content, errorOf, httpRig, type HttpRig, sha256, tus } from './testing/http-rig.js'

const HTML = Buffer.from('<!DOCTYPE html><script>alert(document.domain)</script>')
const SVG = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>')
const PNG = Buffer.concat([Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex'), Buffer.alloc(100)])

async function served(t: TestContext, bytes: Buffer, name = '', changes: Parameters<typeof httpRig>[1] = {}): Promise<{ rig: HttpRig, url: string }> {
  const rig = await httpRig(t, changes)
  await rig.uploaded(bytes)
  return { rig, url: await rig.url(bytes, name) }
}

test('[BLB-19] GET and HEAD tell the same, with a strong ETag, and cached by the client alone until the URL ends', async (t) => {
  const bytes = content(600_000)
  // Both tell how many seconds are left.
  const nowMs = Date.now()
  const { rig, url } = await served(t, bytes, '', { clock: { ...SYSTEM_CLOCK, nowMs: () => nowMs } })
  const got = await rig.request('GET', url)
  const head = await rig.request('HEAD', url)
  assert.deepEqual([got.status, head.status], [200, 200])
  assert.ok(got.body.equals(bytes))
  assert.equal(head.body.length, 0)
  const { date: _one, ...gotHeaders } = got.headers
  const { date: _other, ...headHeaders } = head.headers
  assert.deepEqual(headHeaders, gotHeaders)
  assert.equal(got.headers.etag, `"${sha256(bytes)}"`)
  assert.equal(got.headers['content-length'], '600000')
  assert.equal(got.headers['accept-ranges'], 'bytes')
  const [, seconds] = /^private, max-age=(\d+), immutable$/.exec(got.headers['cache-control'] ?? '')!
  assert.ok(Number(seconds) <= 3600 && Number(seconds) >= 2699)
  assert.equal(rig.counters.blobBytesOut, 600_000)
  assert.equal(rig.counters.downloads.get('200'), 2)
})

test('[BLB-19] any range is what the same bytes of the whole are', async (t) => {
  const bytes = content(300_017)
  const { rig, url } = await served(t, bytes)
  const ranges = [[0, 0], [0, 299_999], [1, 17], [15, 16], [16, 47], [262_143, 262_144], [300_016, 300_016], [5, 300_016]]
  for (let index = 0; index < 20; index++) {
    const [one, other] = [randomBytes(4).readUInt32BE() % bytes.length, randomBytes(4).readUInt32BE() % bytes.length]
    ranges.push([Math.min(one, other), Math.max(one, other)])
  }
  for (const [first, last] of ranges as [number, number][]) {
    const answer = await rig.request('GET', url, { range: `bytes=${String(first)}-${String(last)}` })
    assert.equal(answer.status, 206)
    assert.equal(answer.headers['content-range'], `bytes ${String(first)}-${String(last)}/300017`)
    assert.equal(answer.headers['content-length'], String(last - first + 1))
    assert.ok(answer.body.equals(bytes.subarray(first, last + 1)), `${String(first)}-${String(last)}`)
  }
  assert.ok((await rig.request('GET', url, { range: 'bytes=-17' })).body.equals(bytes.subarray(-17)))
  const beyond = await rig.request('GET', url, { range: 'bytes=300017-' })
  assert.equal(beyond.status, 416)
  assert.equal(beyond.headers['content-range'], 'bytes */300017')
  assert.equal(beyond.headers.etag, undefined)
  // A thousand ranges are worth no more than one request.
  const many = await rig.request('GET', url, { range: `bytes=${Array.from({ length: 1000 }, (_, index) => `${String(index)}-`).join(',')}` })
  assert.equal(many.status, 200)
  assert.equal(many.body.length, bytes.length)
  // A range is for GET alone (RFC 9110, 14.2).
  assert.equal((await rig.request('HEAD', url, { range: 'bytes=0-0' })).status, 200)
})

test('[BLB-19] who has it is told so, and a range of something else is the whole', async (t) => {
  const bytes = content(1000)
  const { rig, url } = await served(t, bytes)
  const etag = `"${sha256(bytes)}"`
  for (const header of [etag, `W/${etag}`, `"a", ${etag}`, '*']) {
    for (const method of ['GET', 'HEAD']) {
      const answer = await rig.request(method, url, { 'if-none-match': header, 'range': 'bytes=0-9' })
      assert.equal(answer.status, 304)
      assert.equal(answer.headers.etag, etag)
      assert.match(answer.headers['cache-control'] ?? '', /private/)
      assert.equal(answer.body.length, 0)
    }
  }
  assert.equal((await rig.request('GET', url, { 'if-none-match': '"a"' })).status, 200)
  assert.equal((await rig.request('GET', url, { 'range': 'bytes=0-9', 'if-range': etag })).status, 206)
  for (const header of ['"a"', `W/${etag}`, 'Wed, 21 Oct 2026 07:28:00 GMT']) {
    assert.equal((await rig.request('GET', url, { 'range': 'bytes=0-9', 'if-range': header })).body.length, 1000)
  }
})

test('[BLB-20] only pictures, videos and sound are shown in place; everything is sandboxed and never sniffed', async (t) => {
  const rig = await httpRig(t)
  for (const [bytes, type, kind] of [
    [PNG, 'image/png', 'inline'], [HTML, 'text/html', 'attachment'], [SVG, 'image/svg+xml', 'attachment'], [Buffer.from('hi'), 'text/plain', 'attachment'],
    [Buffer.from(['%PDF', '1.7\n'].join('-')), 'application/pdf', 'attachment'], [Buffer.from([0, 1, 2, 3]), 'application/octet-stream', 'attachment'],
    // Pictures by name alone, and what begins as a picture.
    [Buffer.concat([Buffer.from('GIF89a'), HTML]), 'image/gif', 'inline'],
  ] as const) {
    await rig.uploaded(bytes)
    const answer = await rig.request('GET', await rig.url(bytes, 'x.png'))
    assert.equal(answer.headers['content-type'], type)
    assert.equal(answer.headers['content-disposition'], `${kind}; filename="x.png"`, type)
    assert.equal(answer.headers['x-content-type-options'], 'nosniff')
    assert.equal(answer.headers['content-security-policy'], "default-src 'none'; sandbox")
    assert.equal(answer.headers['cross-origin-resource-policy'], 'same-site')
    assert.equal(answer.headers['referrer-policy'], 'no-referrer')
  }
})

test('[BLB-3] the type is what is found, whatever the client said', async (t) => {
  const rig = await httpRig(t)
  const slot = await rig.slot(HTML, { type: 'image/jpeg' })
  await rig.request('PUT', slot.url, bearer(slot), HTML)
  assert.equal((await rig.commands.find('alice', { kind: 'own', id: sha256(HTML) })).content.type, 'text/html')
  assert.equal((await rig.request('GET', await rig.url(HTML))).headers['content-type'], 'text/html')
})

test('[BLB-3] what is found to be of a type that is not taken is no blob, and the upload is over', async (t) => {
  const rig = await httpRig(t, { changes: { blobs: { types: ['image/*'] } } })
  const slot = await rig.slot(HTML, { type: 'image/png' })
  const answer = await rig.request('PUT', slot.url, bearer(slot), HTML)
  assert.equal(answer.status, 415)
  assert.equal(errorOf(answer), 'type-not-allowed')
  assert.equal((await rig.request('HEAD', slot.url, tus(slot))).status, 404)
  await rig.files(0)
  const picture = await rig.slot(PNG, { type: 'image/png' })
  assert.equal((await rig.request('PUT', picture.url, bearer(picture), PNG)).status, 201)
})

test('a download is called what was asked for, whatever that is', async (t) => {
  const { rig, url } = await served(t, PNG, '../r\u00e9sum\u00e9".html\r\nX: y')
  const answer = await rig.request('GET', url)
  assert.equal(answer.headers['content-disposition'], 'inline; filename="resume_.htmlX_ y"; filename*=UTF-8\'\'r%C3%A9sum%C3%A9_.htmlX_%20y')
  assert.equal(answer.headers['x'], undefined)
})

test('[BLB-18] a URL with anything changed, or after its time, is 404, as is one of a blob that was erased', async (t) => {
  let nowMs = Date.now()
  const bytes = content(100)
  const { rig, url } = await served(t, bytes, 'a.txt', { clock: { nowMs: () => nowMs, monotonicMs: () => Math.floor(performance.now()) } })
  const { expiresMs } = await rig.blobs.desk.url('alice', { kind: 'own', id: sha256(bytes) }, 'original', 'a.txt')
  assert.ok(expiresMs <= nowMs + 3_600_000)
  assert.equal((await rig.request('GET', url)).status, 200)
  const changed = [
    url.replace(/m=./, (text) => text === 'm=A' ? 'm=B' : 'm=A'), url.replace('a.txt', 'b.txt'), `${url}&x=1`, url.replace(/\?.*/, '?'), url.replace('n=a.txt&', ''),
    url.replace(/e=[^&]+/, `e=${(expiresMs + 1000).toString(36)}`), url.replace(sha256(bytes), sha256(content(5))), url.replace('?', '?r=thumbnail&'),
  ]
  for (const each of changed) assert.equal(errorOf(await rig.request('GET', each)), 'no-such-blob', each)
  nowMs = expiresMs
  assert.equal((await rig.request('GET', url)).status, 404)
  nowMs -= 1
  assert.equal((await rig.request('GET', url)).status, 200)
  for (const method of ['PUT', 'POST', 'PATCH', 'DELETE']) assert.equal((await rig.request(method, url)).status, 405)
  assert.ok(rig.lines.every((line) => !line.includes(new URL(url).searchParams.get('m')!)))
})

test('[BLB-18] a URL of a blob that was erased is 404', async (t) => {
  const { rig, url } = await served(t, content(100), '', { changes: { blobs: { holdMs: 1000 } } })
  assert.equal((await rig.request('GET', url)).status, 200)
  // Nobody sent it.
  await rig.files(0)
  for (const method of ['GET', 'HEAD']) assert.equal((await rig.request(method, url)).status, 404)
})

test('[BLB-10] renditions are downloaded as what they are, each with its own hash', async (t) => {
  const thumbnail = Buffer.from('a thumbnail')
  const rig = await httpRig(t, {
    preview: async ({ source, wants, type, size }) => {
      const chunks: Uint8Array[] = []
      for await (const chunk of source) chunks.push(chunk)
      assert.ok(Buffer.concat(chunks).equals(PNG))
      assert.deepEqual([wants, type, size], [{ thumbnail: true, squares: false, stripped: false }, 'image/png', PNG.length])
      return { width: 10, height: 20, placeholder: new Uint8Array([1, 2]), renditions: [{ kind: 'thumbnail', type: 'image/webp', width: 1, height: 2, bytes: thumbnail }] }
    },
  })
  await rig.uploaded(PNG)
  const { url, part } = await rig.blobs.desk.url('alice', { kind: 'own', id: sha256(PNG) }, 'thumbnail', '')
  assert.equal(part.hash, sha256(thumbnail))
  const answer = await rig.request('GET', url)
  assert.ok(answer.body.equals(thumbnail))
  assert.equal(answer.headers['content-type'], 'image/webp')
  assert.equal(answer.headers.etag, `"${sha256(thumbnail)}"`)
  const { content: { key, object }, width, height, placeholder, renditions } = await rig.commands.find('alice', { kind: 'own', id: sha256(PNG) })
  assert.deepEqual([width, height, placeholder], [10, 20, new Uint8Array([1, 2])])
  assert.notDeepEqual(renditions[0]!.key, key)
  assert.notEqual(renditions[0]!.object, object)
  assert.equal(rig.counters.previewsMade, 1)
})

test('with strip the blob is what is left, under its own hash', async (t) => {
  const left = Buffer.concat([PNG, Buffer.from('clean')])
  const rig = await httpRig(t, {
    preview: async () => ({ width: 1, height: 1, placeholder: new Uint8Array(0), renditions: [{ kind: 'stripped', type: 'image/png', width: 1, height: 1, bytes: left }] }),
  })
  const slot = await rig.slot(PNG, { strip: true })
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), PNG)).status, 201)
  const became = await rig.blobs.desk.whatBecame('alice', slot.id)
  assert.ok('blob' in became)
  assert.deepEqual([became.blob.content.hash, became.blob.content.size, became.blob.renditions], [sha256(left), left.length, []])
  assert.ok((await rig.request('GET', await rig.url(left))).body.equals(left))
  // tus is told of what was uploaded, not of what is left.
  assert.equal((await rig.request('HEAD', slot.url, tus(slot))).headers['upload-offset'], String(PNG.length))
})

test('with strip a picture that can not be read is no blob, so that nothing of it is told', async (t) => {
  const rig = await httpRig(t)
  const slot = await rig.slot(PNG, { strip: true })
  const answer = await rig.request('PUT', slot.url, bearer(slot), PNG)
  assert.equal(answer.status, 415)
  assert.equal(errorOf(answer), 'type-not-allowed')
  assert.equal(await rig.blob(PNG), null)
  // What is no picture has nothing to be taken out of it.
  const text = await rig.slot(Buffer.from('just text'), { strip: true })
  assert.equal((await rig.request('PUT', text.url, bearer(text), 'just text')).status, 201)
})

test('with strip what its user calls a picture, and is none that is known, is no blob', async (t) => {
  const rig = await httpRig(t)
  const raw = Buffer.concat([Buffer.from([1, 2, 3, 4]), Buffer.from('GPS 52.5 N')])
  const slot = await rig.slot(raw, { type: 'image/x-raw', strip: true })
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), raw)).status, 415)
  assert.equal(await rig.blob(raw), null)
})

test('with strip a picture whose process was killed can be tried again, but not for ever', async (t) => {
  let deaths = 0
  const rig = await httpRig(t, { preview: () => Promise.reject(new NotLookedAt(`killed ${String(++deaths)}`, true)) })
  const slot = await rig.slot(PNG, { strip: true })
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), PNG)).status, 503)
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), PNG)).status, 503)
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), PNG)).status, 415)
  assert.equal(deaths, 3)
})

test('with strip a picture that nobody has looked at waits, and is cleaned when somebody does', async (t) => {
  const left = Buffer.concat([PNG, Buffer.from('clean')])
  let isBusy = true
  const rig = await httpRig(t, {
    preview: async ({ isNeeded }) => {
      if (isBusy && isNeeded === true) throw new NotLookedAt('busy')
      return isBusy ? null : { width: 1, height: 1, placeholder: new Uint8Array(0), renditions: [{ kind: 'stripped', type: 'image/png', width: 1, height: 1, bytes: left }] }
    },
  })
  const slot = await rig.slot(PNG, { strip: true })
  const answer = await rig.request('PUT', slot.url, bearer(slot), PNG)
  assert.deepEqual([answer.status, errorOf(answer), answer.headers['retry-after']], [503, 'unavailable', '10'])
  assert.equal(await rig.blob(PNG), null)
  isBusy = false
  assert.equal((await rig.request('HEAD', slot.url, tus(slot))).headers['upload-offset'], String(PNG.length))
  const became = await rig.blobs.desk.whatBecame('alice', slot.id)
  assert.ok('blob' in became)
  assert.deepEqual([became.blob.content.hash, await rig.blob(PNG)], [sha256(left), null])
})

/** A store whose reads are what the test makes of them. */
function reading(read: (store: BlobStore, name: string, start: number, end: number) => Promise<Readable>): (store: BlobStore) => BlobStore {
  return (store) => new Proxy(store, {
    get: (target, key) => {
      if (key === 'read') return (name: string, start: number, end: number) => read(target, name, start, end)
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) as unknown : value
    },
  })
}

test('a store that is away is 503, one that has lost the bytes 404', async (t) => {
  for (const [code, status] of [['unavailable', 503], ['denied', 503], ['damaged', 503], ['internal', 503], ['not-found', 404]] as const) {
    const { rig, url } = await served(t, content(100), '', { wrapStore: reading(async () => { throw new BlobError(code, 'a test') }) })
    const answer = await rig.request('GET', url)
    assert.equal(answer.status, status)
    assert.equal(rig.counters.blobStoreErrors.get(code), 1)
    if (status === 503) assert.ok(Number(answer.headers['retry-after']) > 0)
  }
})

test('a store that fails in the middle ends the connection: no part passes for the whole', async (t) => {
  const bytes = content(3_000_000)
  const { rig, url } = await served(t, bytes, '', {
    wrapStore: reading(async (store, name, start, end) => {
      const stream = await store.read(name, start, end)
      return Readable.from((async function* () {
        let left = 4
        for await (const chunk of stream) {
          if (left-- === 0) throw new BlobError('unavailable', 'S3 went away')
          yield chunk as Buffer
        }
      })())
    }),
  })
  await assert.rejects(rig.request('GET', url))
  assert.equal(rig.counters.downloadsSending, 0)
  assert.equal(rig.counters.blobStoreErrors.get('unavailable'), 1)
})

test('a client that goes away or does not read ends the reading of the store', async (t) => {
  const streams: Readable[] = []
  const bytes = content(16_000_000)
  const { rig, url } = await served(t, bytes, '', {
    changes: { blobs: { downloadIdleMs: 300 } },
    wrapStore: reading(async (store, name, start, end) => {
      const stream = await store.read(name, start, end)
      streams.push(stream)
      return stream
    }),
  })
  const { pathname, search } = new URL(url)
  const get = `GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`
  const gone = await rig.raw(t)
  gone.send(get)
  await gone.status()
  gone.socket.destroy()
  const idle = await rig.raw(t)
  idle.send(get)
  await idle.status()
  idle.socket.pause()
  while (streams.length < 2 || streams.some((stream) => !stream.closed) || rig.counters.downloadsSending > 0) await sleep(5)
  assert.ok(rig.counters.blobBytesOut < 2 * bytes.length)
  assert.ok(rig.lines.every((line) => !line.includes('blob-request-failed')), rig.lines.join('\n'))
})

test('who goes away leaves no place taken by what it had still asked for', { timeout: 120_000 }, async (t) => {
  const bytes = content(8 * 1024 * 1024)
  const rig = await httpRig(t, { changes: { blobs: { downloadIdleMs: 300 } } })
  await rig.uploaded(bytes)
  const { pathname, search } = new URL(await rig.url(bytes))
  const raw = await rig.raw(t)
  raw.socket.pause()
  raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`.repeat(4))
  while (rig.counters.downloadsSending === 0) await sleep(5)
  await sleep(50)
  raw.socket.destroy()
  while (rig.counters.downloadsSending > 0) await sleep(10)
})

test('who reads nothing of the last bytes either is ended', { timeout: 20_000 }, async (t) => {
  const bytes = content(8 * 1024 * 1024)
  const rig = await httpRig(t, { changes: { blobs: { downloadIdleMs: 300, requestsByConnectionMax: 2000 } } })
  await rig.uploaded(bytes)
  const { pathname, search } = new URL(await rig.url(bytes))
  const raw = await rig.raw(t)
  raw.socket.pause()
  raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9999\r\n\r\n`.repeat(1500))
  let before = -1
  while (rig.counters.blobBytesOut !== before || before === 0) {
    before = rig.counters.blobBytesOut
    await sleep(400)
  }
  assert.ok(before < 15_000_000)
  let received = 0
  raw.socket.on('data', (chunk: Buffer) => { received += chunk.length })
  raw.socket.resume()
  await raw.closed
  assert.ok(received < 15_000_000)
})

test('a body that comes with GET is nobody\'s next request', async (t) => {
  const bytes = content(1000)
  const rig = await httpRig(t)
  await rig.uploaded(bytes)
  const { pathname, search } = new URL(await rig.url(bytes))
  for (const framing of ['Content-Length: 50', 'Transfer-Encoding: chunked', 'Expect: 100-continue\r\nContent-Length: 50']) {
    const raw = await rig.raw(t)
    raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n${framing}\r\n\r\n`)
    assert.match(await raw.until(/\r\n\r\n/), /^HTTP\/1\.1 200 [\s\S]*connection: close/i)
    await raw.closed
  }
})

test('beyond the downloads at once others are told to come back', async (t) => {
  const bytes = content(16_000_000)
  const { rig, url } = await served(t, bytes, '', { changes: { blobs: { downloadsAtOnceMax: 1 } } })
  const { pathname, search } = new URL(url)
  const raw = await rig.raw(t)
  raw.socket.pause()
  raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`)
  while (rig.counters.downloadsSending === 0) await sleep(1)
  const answer = await rig.request('GET', url)
  assert.equal(answer.status, 503)
  assert.equal(errorOf(answer), 'resource-limit')
  raw.socket.destroy()
  while (rig.counters.downloadsSending > 0) await sleep(1)
  assert.equal((await rig.request('GET', url)).status, 200)
})

test('at its end the server lets a download end, and cuts it after a while', async (t) => {
  const bytes = content(16_000_000)
  const { rig, url } = await served(t, bytes)
  const { pathname, search } = new URL(url)
  const raw = await rig.raw(t)
  raw.socket.pause()
  raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`)
  while (rig.counters.downloadsSending === 0) await sleep(1)
  await rig.stop()
  raw.socket.resume()
  await raw.closed
})

test('what lies in the store is the content under the key of its row', async (t) => {
  const bytes = content(5000)
  const { rig } = await served(t, bytes)
  const blob: Blob = await rig.commands.find('alice', { kind: 'own', id: sha256(bytes) })
  const chunks: Buffer[] = []
  for await (const chunk of await rig.storage.store.read(blob.content.object, 0, 5000)) chunks.push(chunk as Buffer)
  assert.ok(new BlobCipher(blob.content.key, 0).update(Buffer.concat(chunks)).equals(bytes))
})

test('[BLB-18] in a cluster what another node has erased is not found, at once', async (t) => {
  const bytes = content(1000)
  const { rig, url } = await served(t, bytes, '', { changes: { cluster: { redis: ['redis://127.0.0.1:1'], node: 'one', secretFile: 'none' } } })
  // Who has the shard tells its own process of blobs alone.
  rig.storage.eraser.onForgotten = () => {}
  assert.equal((await rig.request('GET', url)).status, 200)
  await rig.router.removeUser('alice')
  for (let wait = 0; await rig.blob(bytes) !== null && wait < 500; wait++) await sleep(10)
  assert.equal((await rig.request('GET', url)).status, 404)
})

test('who goes before the first byte was read is no fault of the store', async (t) => {
  const bytes = content(1000)
  let began = (): void => {}
  const isReading = new Promise<void>((resolve) => { began = resolve })
  const { rig, url } = await served(t, bytes, '', { wrapStore: reading(async () => new Readable({ read: () => { began() } })) })
  const raw = await rig.raw(t)
  const { pathname, search } = new URL(url)
  raw.send(`GET ${pathname}${search} HTTP/1.1\r\nHost: x\r\n\r\n`)
  await isReading
  raw.socket.destroy()
  for (let wait = 0; rig.counters.downloads.size === 0; wait++) {
    if (wait === 500) assert.fail('it did not end')
    await sleep(10)
  }
  assert.deepEqual([...rig.counters.downloads], [['499', 1]])
  assert.equal(rig.lines.some((line) => line.includes('blob-request-failed')), false)
})
