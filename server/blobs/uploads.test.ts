import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { BlobError } from '../../storage/blobs/blob-store.js'
import { RouterError } from '../router/router.js'
import { bearer, content, errorOf, httpRig, type HttpRig, sha256, tus } from './testing/http-rig.js'

async function offsetOf(rig: HttpRig, url: string, headers: Record<string, string>): Promise<number> {
  const answer = await rig.request('HEAD', url, headers)
  assert.equal(answer.status, 200)
  assert.equal(answer.headers['cache-control'], 'no-store')
  return Number(answer.headers['upload-offset'])
}

test('[BLB-1] [BLB-7] an upload goes in pieces by PATCH, and is a blob when the last is answered', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(300_000)
  const slot = await rig.slot(bytes)
  assert.equal(slot.offset, 0)
  assert.equal(slot.url, `${rig.origin}/blobs/uploads/${slot.id}`)
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
  const first = await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 100_001))
  assert.equal(first.status, 204)
  assert.equal(first.headers['upload-offset'], '100001')
  assert.equal(first.headers['tus-resumable'], '1.0.0')
  assert.ok(Date.parse(first.headers['upload-expires'] as string) > Date.now())
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 100_001)
  // [BLB-5]
  assert.deepEqual({ ...await rig.slot(bytes), token: '', expiresMs: 0 }, { ...slot, token: '', expiresMs: 0, offset: 100_001 })
  const last = await rig.request('PATCH', slot.url, tus(slot, 100_001), bytes.subarray(100_001))
  assert.equal(last.status, 204)
  assert.equal(last.headers['upload-offset'], '300000')
  const blob = await rig.commands.find('alice', { kind: 'own', id: sha256(bytes) })
  assert.equal(blob.content.size, bytes.length)
  const download = await rig.request('GET', await rig.url(bytes))
  assert.ok(download.body.equals(bytes))
  assert.deepEqual([rig.counters.blobBytesIn, rig.counters.uploadsFinished, rig.counters.blobBytesStored], [300_000, 1, 300_000])
})

test('[BLB-22] neither staged bytes nor stored ones are those that were uploaded', async (t) => {
  const rig = await httpRig(t)
  const bytes = Buffer.alloc(50_000, 'a secret of Alice ')
  const slot = await rig.slot(bytes)
  await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 20_000))
  const [staged] = await rig.files(1)
  assert.ok(!readFileSync(staged!).includes('secret'))
  await rig.request('PATCH', slot.url, tus(slot, 20_000), bytes.subarray(20_000))
  const [stored] = await rig.files(1)
  assert.notEqual(stored, staged)
  assert.ok(!readFileSync(stored!).includes('secret'))
  // Its name is the hash of what lies there.
  assert.ok(stored!.endsWith(sha256(readFileSync(stored!))))
})

test('a small file goes in one PUT, which takes the place of what was there', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(70_000)
  const slot = await rig.slot(bytes)
  await rig.request('PATCH', slot.url, tus(slot, 0), content(1000))
  const answer = await rig.request('PUT', slot.url, bearer(slot), bytes)
  assert.equal(answer.status, 201)
  assert.ok((await rig.request('GET', await rig.url(bytes))).body.equals(bytes))
  // Again, since its answer may have been lost.
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), bytes)).status, 201)
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), bytes.length)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, bytes.length), '')).status, 204)
  assert.equal(rig.counters.uploadsFinished, 1)
})

test('OPTIONS tells what is true of tus here', async (t) => {
  const rig = await httpRig(t)
  const answer = await rig.request('OPTIONS', `${rig.origin}/blobs/uploads`)
  assert.equal(answer.status, 204)
  assert.equal(answer.headers['tus-version'], '1.0.0')
  assert.equal(answer.headers['tus-extension'], 'creation,termination,expiration')
  assert.equal(answer.headers['tus-max-size'], '16777216')
})

test('POST gives the one upload of the token, empty', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 10))
  for (const [length, status] of [['999', 400], ['1001', 400], ['99999999', 413], ['-1', 400]] as const) {
    assert.equal((await rig.request('POST', `${rig.origin}/blobs/uploads`, { ...tus(slot), 'upload-length': length })).status, status)
  }
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 10)
  const answer = await rig.request('POST', `${rig.origin}/blobs/uploads`, { ...tus(slot), 'upload-length': '1000', 'upload-metadata': 'filename YS50eHQ=' })
  assert.equal(answer.status, 201)
  assert.equal(new URL(answer.headers.location!, rig.origin).href, slot.url)
  assert.ok(Date.parse(answer.headers['upload-expires'] as string) > Date.now())
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
})

test('a client that knows POST alone names the method in a header', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  const by = (method: string, headers: Record<string, string>, body?: Uint8Array) => rig.request('POST', slot.url, { ...headers, 'x-http-method-override': method }, body)
  assert.equal((await by('PATCH', tus(slot, 0), bytes.subarray(0, 400))).status, 204)
  const head = await by('HEAD', tus(slot))
  assert.deepEqual([head.status, head.headers['upload-offset']], [200, '400'])
  assert.equal((await by('DELETE', tus(slot))).status, 204)
  assert.equal((await rig.request('HEAD', slot.url, tus(slot))).status, 404)
})

test('[BLB-9] DELETE ends an upload, and whatever comes to it then', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 10))
  assert.equal((await rig.request('DELETE', slot.url, tus(slot))).status, 204)
  await rig.files(0)
  for (const [method, headers, body] of [
    ['HEAD', tus(slot), undefined], ['PATCH', tus(slot, 10), 'x'], ['PUT', bearer(slot), bytes], ['DELETE', tus(slot), undefined],
    ['POST', { ...tus(slot), 'upload-length': '1000' }, undefined],
  ] as const) {
    const answer = await rig.request(method, method === 'POST' ? `${rig.origin}/blobs/uploads` : slot.url, headers, body)
    assert.equal(answer.status, 404, method)
    if (method !== 'HEAD') assert.equal(errorOf(answer), 'no-such-blob')
  }
})

test('[BLB-9] a token that is missing, wrong, expired or of another upload or user opens nothing', async (t) => {
  let nowMs = Date.now()
  const rig = await httpRig(t, { clock: { nowMs: () => nowMs, monotonicMs: () => Math.floor(performance.now()) } })
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  const other = await rig.slot(content(5))
  const foreign = await rig.slot(bytes, { user: 'mallory' })
  assert.notEqual(foreign.id, slot.id)
  const attempts: Record<string, string>[] = [
    { authorization: '' }, { authorization: 'Bearer' }, { authorization: slot.token }, { authorization: `Basic ${slot.token}` },
    { authorization: `Bearer ${slot.token}x` }, { authorization: `Bearer ${slot.token.slice(1)}` }, { authorization: `Bearer ${slot.token}, Bearer ${slot.token}` },
    bearer(other), bearer(foreign),
  ]
  const refuse = async (headers: Record<string, string>): Promise<void> => {
    for (const [method, extra, body] of [['HEAD', {}, undefined], ['DELETE', {}, undefined], ['PUT', {}, bytes], ['PATCH', { 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }, bytes]] as const) {
      const answer = await rig.request(method, slot.url, { 'tus-resumable': '1.0.0', ...extra, ...headers }, body)
      assert.equal(answer.status, 401, `${method} ${JSON.stringify(headers)}`)
      assert.equal(answer.headers['www-authenticate'], 'Bearer')
    }
  }
  for (const headers of attempts) await refuse(headers)
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
  nowMs = slot.expiresMs
  await refuse(bearer(slot))
  // [BLB-5] Another token, for the same upload.
  const again = await rig.slot(bytes)
  assert.equal(again.id, slot.id)
  assert.equal((await rig.request('PUT', again.url, bearer(again), bytes)).status, 201)
  assert.ok(rig.lines.every((line) => !line.includes(slot.token) && !line.includes(again.token)))
})

test('[BLB-8] bytes of another hash never become a blob: 460, and the upload is empty again', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(40_000)
  const slot = await rig.slot(bytes)
  const wrong = Buffer.from(bytes)
  wrong[39_999]! ^= 1
  const answer = await rig.request('PUT', slot.url, bearer(slot), wrong)
  assert.equal(answer.status, 460)
  assert.equal(errorOf(answer), 'hash-mismatch')
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
  assert.equal(await rig.blob(bytes), null)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, 0), wrong.subarray(0, 39_999))).status, 204)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, 39_999), wrong.subarray(39_999))).status, 460)
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), bytes)).status, 201)
  assert.equal(rig.counters.uploadsRefused.get('hash-mismatch'), 2)
})

test('[BLB-8] more than announced is refused with 413 and written nowhere, less stays less', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(10_000)
  const slot = await rig.slot(bytes)
  const more = Buffer.concat([bytes, content(1)])
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), more)).status, 413)
  assert.equal((await rig.request('PUT', slot.url, bearer(slot), bytes.subarray(1))).status, 400)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, 0), more)).status, 413)
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
  await rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 5000))
  // Without a length nobody knows before it comes.
  const chunked = await rig.request('PATCH', slot.url, { ...tus(slot, 5000), 'transfer-encoding': 'chunked' }, more.subarray(5000))
  assert.equal(chunked.status, 413)
  assert.equal(errorOf(chunked), 'blob-too-large')
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 5000)
  const rest = await rig.request('PATCH', slot.url, { ...tus(slot, 5000), 'transfer-encoding': 'chunked' }, bytes.subarray(5000))
  assert.equal(rest.status, 204)
  assert.notEqual(await rig.blob(bytes), null)
})

test('requests without their form are told what is wrong with them', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(100)
  const slot = await rig.slot(bytes)
  for (const [method, headers, status] of [
    ['PATCH', { ...bearer(slot), 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' }, 412],
    ['PATCH', { ...tus(slot, 0), 'tus-resumable': '0.2.2' }, 412], ['HEAD', bearer(slot), 412], ['DELETE', bearer(slot), 412],
    ['PATCH', { ...tus(slot, 0), 'content-type': 'application/octet-stream' }, 415],
    ['PATCH', { ...tus(slot), 'content-type': 'application/offset+octet-stream' }, 400],
    ['PATCH', { ...tus(slot, 0), 'upload-offset': '-1' }, 400], ['PATCH', { ...tus(slot, 0), 'upload-offset': '0x0' }, 400],
    ['PATCH', tus(slot, 1), 409], ['PATCH', tus(slot, 99_999), 409],
    ['GET', bearer(slot), 405], ['POST', bearer(slot), 405], ['PUT', { ...bearer(slot), 'transfer-encoding': 'chunked' }, 411],
  ] as [string, Record<string, string>, number][]) {
    const answer = await rig.request(method, slot.url, headers, method === 'HEAD' || method === 'GET' ? undefined : bytes)
    assert.equal(answer.status, status, `${method} ${JSON.stringify(headers)}`)
    if (status === 412) assert.equal(answer.headers['tus-version'], '1.0.0')
  }
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 0)
  // tus: the method in a header, for clients that know no PATCH.
  const overridden = await rig.request('POST', slot.url, { ...tus(slot, 0), 'x-http-method-override': 'PATCH' }, bytes)
  assert.equal(overridden.status, 204)
})

test('[BLB-7] what came before a connection died is kept, and the upload goes on there', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(500_000)
  const slot = await rig.slot(bytes)
  let offset = 0
  for (const part of [1, 1000, 65_537, 200_000]) {
    const raw = await rig.raw(t)
    const headers = Object.entries(tus(slot, offset)).map(([name, value]) => `${name}: ${value}\r\n`).join('')
    raw.send(`PATCH /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: ${String(bytes.length - offset)}\r\n${headers}\r\n`)
    const before = rig.counters.blobBytesIn
    raw.send(bytes.subarray(offset, offset + part))
    while (rig.counters.blobBytesIn < before + part) await sleep(1)
    raw.socket.destroy()
    offset += part
    assert.equal(await offsetOf(rig, slot.url, tus(slot)), offset)
  }
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, offset), bytes.subarray(offset))).status, 204)
  assert.ok((await rig.request('GET', await rig.url(bytes))).body.equals(bytes))
})

test('of two PATCHes at once the later one goes on, the earlier one is told 423', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(100_000)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  const headers = Object.entries(tus(slot, 0)).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  raw.send(`PATCH /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n${headers}\r\n`)
  raw.send(bytes.subarray(0, 30_000))
  while (rig.counters.blobBytesIn < 30_000) await sleep(1)
  const offset = await offsetOf(rig, slot.url, tus(slot))
  assert.equal(offset, 30_000)
  assert.equal(await raw.status(), 423)
  await raw.closed
  const all = await Promise.all([0, 1, 2].map(() => rig.request('PATCH', slot.url, tus(slot, 30_000), bytes.subarray(30_000))))
  // One of them made it; the others were too late, or ended for the one that was later.
  assert.ok(all.some(({ status }) => status === 204), JSON.stringify(all.map(({ status }) => status)))
  for (const { status } of all) assert.ok([204, 409, 423].includes(status))
  assert.ok((await rig.request('GET', await rig.url(bytes))).body.equals(bytes))
  assert.equal(rig.counters.uploadsFinished, 1)
})

test('HEAD, PATCH, PUT and DELETE at once leave a blob, an upload or nothing, and never a fault', async (t) => {
  const rig = await httpRig(t)
  for (let round = 0; round < 20; round++) {
    const bytes = content(2000)
    const slot = await rig.slot(bytes)
    const answers = await Promise.all([
      rig.request('HEAD', slot.url, tus(slot)), rig.request('PATCH', slot.url, tus(slot, 0), bytes), rig.request('PUT', slot.url, bearer(slot), bytes),
      rig.request('DELETE', slot.url, tus(slot)), rig.request('PATCH', slot.url, tus(slot, 0), bytes.subarray(0, 1000)), rig.request('HEAD', slot.url, tus(slot)),
    ])
    for (const { status } of answers) assert.ok([200, 201, 204, 404, 409, 410, 423].includes(status), String(status))
  }
  assert.ok(rig.lines.every((line) => !line.includes('blob-request-failed')), rig.lines.join('\n'))
})

test('a body that goes on behind the end of its upload is ended, and what came is erased', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(1000)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  raw.send(`PATCH ${new URL(slot.url).pathname} HTTP/1.1\r\nHost: x\r\n${Object.entries(tus(slot, 0)).map(([name, value]) => `${name}: ${value}\r\n`).join('')}Content-Length: 1000\r\n\r\n`)
  raw.send(bytes.subarray(0, 10))
  while (rig.counters.blobBytesIn < 10) await sleep(5)
  // As its time does, and the removal of its user.
  await rig.commands.abandonUpload(slot.id)
  assert.equal(await raw.status(), 423)
  await raw.closed
  await rig.files(0)
  assert.equal((await rig.request('PATCH', slot.url, tus(slot, 0), bytes)).status, 404)
})

test('an upload of which nothing comes is ended with 408, and what came stays', async (t) => {
  const rig = await httpRig(t, { changes: { blobs: { uploadIdleMs: 1500 } } })
  const bytes = content(50_000)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  const headers = Object.entries(tus(slot, 0)).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  raw.send(`PATCH /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n${headers}\r\n`)
  for (let at = 0; at < 10; at++) {
    raw.send(bytes.subarray(at, at + 1))
    await sleep(200)
  }
  // 2 s so far: slow, but it moves.
  assert.equal(await raw.status(), 408)
  await raw.closed
  assert.equal(await offsetOf(rig, slot.url, tus(slot)), 10)
})

test('an upload that moves, but not as fast as it has to, is ended with 408, and what came stays', async (t) => {
  const rig = await httpRig(t, { changes: { blobs: { uploadSlowBytes: 1000, uploadSlowMs: 1000 } } })
  const bytes = content(50_000)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  const headers = Object.entries(tus(slot, 0)).map(([name, value]) => `${name}: ${value}\r\n`).join('')
  raw.send(`PATCH /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 50000\r\n${headers}\r\n`)
  // Enough for the first second, and a byte now and then.
  raw.send(bytes.subarray(0, 1000))
  let at = 1000
  const trickle = setInterval(() => { raw.send(bytes.subarray(at, ++at)) }, 100)
  t.after(() => { clearInterval(trickle) })
  assert.equal(await raw.status(), 408)
  clearInterval(trickle)
  await raw.closed
  const offset = await offsetOf(rig, slot.url, tus(slot))
  assert.ok(offset > 1000 && offset <= at, String(offset))
})

test('an upload that rests because all together are too fast is neither idle nor slow', async (t) => {
  const rig = await httpRig(t, { changes: { blobs: { uploadBytesPerSecond: 200_000, uploadIdleMs: 100, uploadSlowMs: 100, uploadSlowBytes: 100_000 } } })
  const bytes = content(500_000)
  const slot = await rig.slot(bytes)
  const response = await rig.request('PATCH', slot.url, tus(slot, 0), bytes)
  assert.deepEqual([response.status, response.headers['upload-offset']], [204, '500000'])
})

test('a slow body outlives the time that headers have', async (t) => {
  const rig = await httpRig(t, { changes: { limits: { openTimeoutMs: 200 } } })
  const bytes = content(10)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  raw.send(`PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: Bearer ${slot.token}\r\n\r\n`)
  for (let at = 0; at < 10; at++) {
    await sleep(70)
    raw.send(bytes.subarray(at, at + 1))
  }
  assert.equal(await raw.status(), 201)
  const silent = await rig.raw(t)
  const slow = await rig.raw(t)
  slow.send('PUT /blobs/uploads/')
  assert.equal(await slow.status(), 408)
  await slow.closed
  await silent.closed
})

test('one connection carries many requests, but not without end', async (t) => {
  const rig = await httpRig(t, { changes: { blobs: { requestsByConnectionMax: 5 } } })
  const slot = await rig.slot(content(10))
  const raw = await rig.raw(t)
  const head = `HEAD /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nAuthorization: Bearer ${slot.token}\r\n\r\n`
  for (let index = 0; index < 4; index++) {
    raw.send(head)
    assert.equal(await raw.status(), 200)
  }
  raw.send(head)
  assert.match(await raw.until(/\r\n\r\n/), /connection: close/i)
  await raw.closed
})

test('pipelined requests are answered in order, one at a time', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(400_000)
  await rig.uploaded(bytes)
  const url = new URL(await rig.url(bytes))
  const raw = await rig.raw(t)
  const get = (range: string): string => `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: x\r\nRange: bytes=${range}\r\n\r\n`
  raw.send(get('0-0') + get('1-1') + get('2-399999') + get('3-3'))
  const ranges: string[] = []
  while (ranges.length < 4) ranges.push(...[...(await raw.until(/content-range: bytes \d+-\d+/)).matchAll(/content-range: bytes (\d+-\d+)/g)].map(([, range]) => range!))
  assert.deepEqual(ranges, ['0-0', '1-1', '2-399999', '3-3'])
})

test('beyond the uploads at once others are told to come back, by address too', async (t) => {
  for (const blobs of [{ uploadsAtOnceMax: 1 }, { byAddressMax: 1 }, { uploadsByAddressMax: 1 }]) {
    const rig = await httpRig(t, { changes: { blobs, limits: { exemptLoopback: false } } })
    const [one, two] = [content(10), content(20)]
    const slot = await rig.slot(one)
    const raw = await rig.raw(t)
    raw.send(`PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nAuthorization: Bearer ${slot.token}\r\n\r\n12345`)
    while (rig.counters.blobBytesIn < 5) await sleep(1)
    const other = await rig.slot(two)
    const refused = await rig.request('PUT', other.url, bearer(other), two)
    assert.equal(refused.status, 503)
    assert.equal(errorOf(refused), 'resource-limit')
    assert.equal(refused.headers['retry-after'], '1')
    if ('uploadsByAddressMax' in blobs) assert.equal((await rig.request('GET', `${rig.origin}/blobs/${sha256(one)}?x`)).status, 404, 'downloads have places of their own')
    raw.socket.destroy()
    while (rig.counters.uploadsReading > 0) await sleep(1)
    assert.equal((await rig.request('PUT', other.url, bearer(other), two)).status, 201)
  }
})

test('a body that is not wanted does not keep its sender from reading why', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(900_000)
  const slot = await rig.slot(bytes)
  const answer = await rig.request('PUT', slot.url, { authorization: 'Bearer x' }, bytes)
  assert.equal(answer.status, 401)
  assert.equal(answer.headers.connection, 'close')
  // Nor does one that never ends hold the server.
  const raw = await rig.raw(t)
  raw.send(`PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n`)
  assert.equal(await raw.status(), 401)
  await raw.closed
})

test('who expects 100-continue is told before it sends', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(10)
  const slot = await rig.slot(bytes)
  const put = (token: string): string =>
    `PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\nAuthorization: Bearer ${token}\r\n\r\n`
  const refused = await rig.raw(t)
  refused.send(put('x'))
  assert.equal(await refused.status(), 401)
  await refused.closed
  const raw = await rig.raw(t)
  raw.send(put(slot.token))
  assert.equal(await raw.status(), 100)
  raw.send(bytes)
  assert.equal(await raw.status(), 201)
})

test('requests that lie about their length, or say it twice, are refused before anybody looks at them', async (t) => {
  const rig = await httpRig(t)
  const slot = await rig.slot(content(10))
  const start = `PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${slot.token}\r\n`
  for (const lies of [
    'Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n', 'Content-Length: 10\r\nContent-Length: 11\r\n\r\n', 'Content-Length: -1\r\n\r\n',
    'Content-Length: 1e1\r\n\r\n', 'Transfer-Encoding: chunked, identity\r\n\r\n', 'Content-Length : 10\r\n\r\n', `X: ${'y'.repeat(10_000)}\r\n\r\n`,
  ]) {
    const raw = await rig.raw(t)
    raw.send(start + lies)
    const status = await raw.status()
    assert.ok(status === 400 || status === 431, `${String(status)} ${lies.slice(0, 40)}`)
    await raw.closed
  }
  assert.equal(rig.counters.uploadsReading, 0)
})

test('no other spelling of a path leads anywhere', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(10)
  await rig.uploaded(bytes)
  const url = new URL(await rig.url(bytes))
  const good = `${url.pathname}${url.search}`
  const slot = await rig.slot(content(20))
  const auth = `Tus-Resumable: 1.0.0\r\nAuthorization: Bearer ${slot.token}\r\n`
  for (const target of [
    good.replace('/blobs/', '/blobs/../blobs/'), good.replace('/blobs/', '/blobs//'), good.replace('/blobs/', '/%62lobs/'), good.replace('/blobs/', '/blobs/./'),
    good.replace('/blobs/', '/blobs%2f'), good.replace('?', '/?'), url.pathname, `${url.pathname}?`, '/blobs/', '/blobs', `/blobs/uploads/${slot.id}/..`,
    `/blobs/uploads/../uploads/${slot.id}`, `/blobs/uploads/%2e%2e/${slot.id}`, `/blobs/uploads/${slot.id.toUpperCase()}`, `/blobs/uploads/${slot.id}%00`,
    `/blobs/uploads/../../server-secret.json`, '/blobs/..%2fserver-secret.json', `/blobs/uploads/${slot.id}?x`, '*', `/blobs/uploads/${'0'.repeat(32)}/x`,
  ]) {
    const raw = await rig.raw(t)
    raw.send(`HEAD ${target} HTTP/1.1\r\nHost: x\r\n${auth}\r\n`)
    assert.ok([400, 404].includes(await raw.status()), target)
  }
  // The proxy's form of the request line is the same path.
  const raw = await rig.raw(t)
  raw.send(`GET http://anywhere.example${good} HTTP/1.1\r\nHost: x\r\n\r\n`)
  assert.equal(await raw.status(), 200)
})

test('pages of the own host and of allowed origins may use it, others are told nothing', async (t) => {
  const rig = await httpRig(t, { changes: { listen: { origins: ['https://chat.example'] } } })
  const slot = await rig.slot(content(10))
  const preflight = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization,tus-resumable' }
  for (const [origin, isAllowed] of [['https://chat.example', true], ['http://127.0.0.1:8080', true], ['https://evil.example', false], ['null', false]] as const) {
    const asked = await rig.request('OPTIONS', slot.url, { ...preflight, origin })
    assert.equal(asked.status, 204)
    assert.equal(asked.headers['access-control-allow-origin'], isAllowed ? origin : undefined)
    if (isAllowed) assert.match(asked.headers['access-control-allow-headers'] ?? '', /Authorization.*Tus-Resumable.*Upload-Offset/)
    for (const headers of [tus(slot), { 'tus-resumable': '1.0.0' }]) {
      const answer = await rig.request('HEAD', slot.url, { ...headers, origin })
      assert.equal(answer.headers['access-control-allow-origin'], isAllowed ? origin : undefined)
      assert.equal(answer.headers.vary, 'Origin')
      if (isAllowed) assert.match(answer.headers['access-control-expose-headers'] ?? '', /Location.*Upload-Offset/)
    }
  }
})

test('where the disk would get too full nothing is taken', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(10)
  const slot = await rig.slot(bytes)
  rig.storage.staging.freeBytes = () => Promise.resolve(1_073_741_824)
  // [BLB-6] Before it begins, and if somebody else was faster.
  await assert.rejects(rig.slot(content(11)), { code: ERROR.storageFull })
  const answer = await rig.request('PUT', slot.url, bearer(slot), bytes)
  assert.equal(answer.status, 507)
  assert.equal(errorOf(answer), 'storage-full')
  assert.ok(Number(answer.headers['retry-after']) > 0)
})

test('a store or a shard that fails while an upload ends leaves it complete, and the next request ends it', async (t) => {
  let failure: Error | null = null
  const rig = await httpRig(t, {
    wrapStore: (store) => ({
      ...bound(store),
      put: async (...given) => {
        if (failure !== null) throw failure
        await store.put(...given)
      },
    }),
  })
  const end: Record<string, (slot: { url: string, id: string }, headers: Record<string, string>, size: number) => Promise<void>> = {
    patch: async ({ url }, headers, size) => {
      const answer = await rig.request('PATCH', url, { ...headers, 'upload-offset': String(size), 'content-type': 'application/offset+octet-stream' }, '')
      assert.equal(answer.status, 204)
    },
    head: async ({ url }, headers, size) => assert.equal(await offsetOf(rig, url, headers), size),
    query: async ({ id }) => assert.ok('blob' in await rig.blobs.desk.whatBecame('alice', id)),
  }
  for (const [point, fail, status] of [
    ['put', () => { failure = new BlobError('unavailable', 'S3 is away') }, 503], ['put', () => { failure = new BlobError('no-space', 'full') }, 507],
    ['put', () => { failure = new BlobError('denied', 'keys') }, 503],
    ['storing', () => rig.commands.failures.set('storing', new RouterError(ERROR.unavailable, 'no commit')), 503],
    ['finishUpload', () => rig.commands.failures.set('finishUpload', new RouterError(ERROR.unavailable, 'no commit')), 503],
    ['finishUpload', () => rig.commands.failures.set('finishUpload', new TypeError('a bug')), 500],
  ] as const) {
    for (const [by, complete] of Object.entries(end)) {
      const bytes = content(5000)
      const slot = await rig.slot(bytes)
      fail()
      const answer = await rig.request('PUT', slot.url, bearer(slot), bytes)
      assert.equal(answer.status, status, `${point} ${by}`)
      if (status !== 500) assert.ok(Number(answer.headers['retry-after']) > 0)
      failure = null
      await complete(slot, tus(slot), bytes.length)
      assert.ok((await rig.request('GET', await rig.url(bytes))).body.equals(bytes))
    }
  }
  assert.ok((rig.counters.blobStoreErrors.get('unavailable') ?? 0) > 0)
  assert.equal(rig.counters.uploadsReading, 0)
})

test('a process that dies while an upload ends leaves what the next one completes, and nothing else', async (t) => {
  const first = await httpRig(t)
  const bytes = content(5000)
  const slot = await first.slot(bytes)
  first.commands.failures.set('finishUpload', new Error('the end'))
  await first.request('PUT', slot.url, bearer(slot), bytes)
  await first.stop()
  const second = await httpRig(t, { after: first })
  const url = `${second.origin}/blobs/uploads/${slot.id}`
  // The token still counts: its key comes from the server's secret.
  assert.equal(await offsetOf(second, url, tus(slot)), bytes.length)
  assert.ok((await second.request('GET', await second.url(bytes))).body.equals(bytes))
  await second.files(1)
})

test('two that ask what became of an upload at once get the same blob, made once', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(5000)
  const slot = await rig.slot(bytes)
  rig.commands.failures.set('storing', new Error('not yet'))
  await rig.request('PUT', slot.url, bearer(slot), bytes)
  const before = rig.commands.calls.filter((call) => call === 'finishUpload').length
  const became = await Promise.all([1, 2, 3].map(() => rig.blobs.desk.whatBecame('alice', slot.id)))
  for (const each of became) assert.ok('blob' in each || each.offset === bytes.length)
  assert.ok('blob' in await rig.blobs.desk.whatBecame('alice', slot.id))
  assert.equal(rig.commands.calls.filter((call) => call === 'finishUpload').length, before + 1)
})

test('at the end of the server uploads are cut, and what came is kept', async (t) => {
  const rig = await httpRig(t)
  const bytes = content(10_000)
  const slot = await rig.slot(bytes)
  const raw = await rig.raw(t)
  raw.send(`PUT /blobs/uploads/${slot.id} HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\nAuthorization: Bearer ${slot.token}\r\n\r\n`)
  raw.send(bytes.subarray(0, 6000))
  while (rig.counters.blobBytesIn < 6000) await sleep(1)
  await rig.stop()
  assert.equal(await raw.status(), 503)
  await raw.closed
  assert.equal(await rig.storage.staging.size(slot.id), 6000)
})

function bound<T extends object>(object: T): T {
  const methods: Record<string, unknown> = {}
  for (const name of ['name', 'put', 'read', 'stat', 'delete', 'list', 'check', 'close'] as const) {
    const value = (object as Record<string, unknown>)[name]
    methods[name] = typeof value === 'function' ? value.bind(object) as unknown : value
  }
  return methods as T
}
