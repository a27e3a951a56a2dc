import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeAttachments } from '../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { element } from '../../protocol/element.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { ERROR, EXTENSION, FRAME, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { blobKeys, ends, erases, releases } from '../../storage/blob-keys.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import type { Blob, BlobCommands, UploadRequest } from '../blobs/blob-router.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { RouterError } from '../router/router.js'
import type { ShardLimits } from '../shard/environment.js'
import { blobOf, hashOf, SQUARES, uploadTo } from '../testing/blob-store.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { objectsOf } from './merge.js'
import { attachment, carrying, sendBlobs } from './testing/sending.js'

const DAY_MS = 86_400_000
const HOUR_MS = 3_600_000
/** Longer than the sweeps need. */
const SOON_MS = 5000
const SKIING = '#skiing'

async function start(limits: Partial<ShardLimits> = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ limits })
  await harness.addUsers('alice', 'bob', 'carol')
  return harness
}

function blobs(harness: ShardHarness): BlobCommands {
  const { blobs } = harness.router
  assert.ok(blobs !== null)
  return blobs
}

function request(name: string, more: Partial<UploadRequest> = {}): UploadRequest {
  return { size: 1000, hash: hashOf(name), type: 'image/png', strip: false, picture: false, ...more }
}

async function open(harness: ShardHarness, user: string, name: string, more: Partial<UploadRequest> = {}) {
  const opened = await blobs(harness).openUpload(user, request(name, more))
  assert.ok('upload' in opened, 'it is held already')
  return opened.upload
}

/** The error that a message with this is refused with; 0: it is acked. */
async function refusal(device: TestDevice, to: string, extensions: Uint8Array, text = ''): Promise<number> {
  const clientId = device.send(to, text, undefined, extensions)
  await device.harness.settle()
  const refused = device.refusals.find((each) => each.clientId === clientId)
  assert.ok(refused !== undefined || device.acks.some((each) => each.clientId === clientId), 'it has no answer')
  return refused?.error ?? 0
}

function isStored(harness: ShardHarness, blob: Blob): boolean {
  const there = objectsOf(blob).filter((object) => harness.blobs.objects.has(object)).length
  assert.ok(there === 0 || there === objectsOf(blob).length, 'a part of it is there')
  return there > 0
}

async function used(harness: ShardHarness, user: string): Promise<number> {
  return (await blobs(harness).usage(user)).used
}

/** How many rows of the store hold this key. */
async function rowsWith(harness: ShardHarness, key: Uint8Array): Promise<number> {
  const rows = await harness.engine.range({ ...everything(), limit: 10_000 })
  return rows.filter(([, row]) => Buffer.from(row).includes(Buffer.from(key))).length
}

/** Nothing is listed, and no row tells of a blob. */
async function assertNothingLeft(harness: ShardHarness): Promise<void> {
  const rows = await harness.engine.range({ ...everything(), limit: 10_000 })
  assert.deepEqual(rows.filter(([key]) => ownerAt(key)?.table === 'blob'), [])
  for (const user of ['alice', 'bob', 'carol']) {
    assert.deepEqual(await harness.engine.range({ ...userKeys(user).holdings(''), limit: 1 }), [])
    assert.equal(await harness.engine.get(userKeys(user).blobUse()), undefined)
  }
  for (const list of [ends(), releases(null), erases()]) assert.deepEqual(await harness.engine.range({ ...list, limit: 1 }), [])
  assert.equal(harness.blobs.objects.size, 0)
}

// ——— Uploads ———

test('[BLB-1] [BLB-4] a blob has the hash of its content for an id, and is not uploaded again by who holds it', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  assert.equal(blob.content.hash, hashOf('beach'))
  const again = await blobs(harness).openUpload('alice', request('beach'))
  assert.ok('blob' in again)
  assert.deepEqual(again.blob, blob)
  // To know the hash gives nothing: who does not hold it uploads it.
  assert.ok('upload' in await blobs(harness).openUpload('bob', request('beach')))
  // What is held still says where it was taken, and has no squares.
  assert.ok('upload' in await blobs(harness).openUpload('alice', request('beach', { strip: true })))
  assert.ok('upload' in await blobs(harness).openUpload('alice', request('beach', { picture: true })))
  await harness.restart()
  const later = await blobs(harness).openUpload('alice', request('beach'))
  assert.deepEqual('blob' in later ? later.blob : null, blob)
})

test('[BLB-5] the same upload is given again until it is complete or has lain for too long, also after a restart', async () => {
  const harness = await start()
  const [first, second] = await Promise.all([open(harness, 'alice', 'beach'), open(harness, 'alice', 'beach')])
  assert.equal(first.id, second.id)
  await harness.restart()
  assert.equal((await open(harness, 'alice', 'beach')).id, first.id)
  for (const other of [{ size: 999 }, { strip: true }, { picture: true }, { hash: hashOf('hill') }]) {
    assert.notEqual((await open(harness, 'alice', 'beach', other)).id, first.id)
  }
  assert.notEqual((await open(harness, 'bob', 'beach')).id, first.id)
  await harness.pass(DAY_MS - HOUR_MS)
  assert.equal((await open(harness, 'alice', 'beach')).id, first.id, 'to ask is a sign of life')
  await harness.pass(DAY_MS - HOUR_MS)
  assert.deepEqual((await blobs(harness).upload(first.id))?.hash, hashOf('beach'))
  assert.equal(await blobs(harness).upload('00'.repeat(16)), null)
  await harness.pass(2 * HOUR_MS)
  assert.equal(await blobs(harness).upload(first.id), null)
  assert.notEqual((await open(harness, 'alice', 'beach')).id, first.id)
})

test('[BLB-14] what has ended by a clock that was set is looked for within blobLookMs', async () => {
  const harness = await start({ blobLookMs: HOUR_MS })
  const blob = await uploadTo(blobs(harness), harness.blobs, 'alice', 'beach')
  await harness.pass(SOON_MS)
  harness.nowMs += 2 * DAY_MS
  await harness.pass(HOUR_MS - 2 * SOON_MS)
  assert.ok(isStored(harness, blob))
  await harness.pass(3 * SOON_MS)
  assert.ok(!isStored(harness, blob))
})

test('[BLB-6] a user has a quota, which uploads under way count towards and each blob once', async () => {
  const harness = await start({ blobQuotaBytes: 2500 })
  const one = await harness.upload('alice', 'one')
  const upload = await open(harness, 'alice', 'two')
  await assert.rejects(blobs(harness).openUpload('alice', request('three')), routerError(ERROR.quotaExceeded))
  assert.deepEqual(await blobs(harness).usage('alice'), { used: 2000, quota: 2500 })
  const device = await harness.attach('alice')
  await sendBlobs(device, 'bob', [one])
  await sendBlobs(device, 'carol', [one])
  assert.equal(await used(harness, 'alice'), 2000)
  await blobs(harness).abandonUpload(upload.id)
  await blobs(harness).abandonUpload(upload.id)
  assert.equal(await used(harness, 'alice'), 1000)
  await open(harness, 'alice', 'three')
  assert.equal(await used(harness, 'bob'), 0)
  await harness.restart()
  assert.equal(await used(harness, 'alice'), 2000)
})

test('[BLB-6] the server has room for so much, counted once for all users with what it has made of it', async () => {
  const harness = await start({ blobTotalBytes: 3300 })
  await harness.upload('alice', 'one')
  await harness.upload('bob', 'one')
  await harness.upload('bob', 'two')
  await open(harness, 'alice', 'three', { size: 1100 })
  await assert.rejects(blobs(harness).openUpload('carol', request('four', { size: 1 })), routerError(ERROR.storageFull))
  await harness.restart()
  await assert.rejects(blobs(harness).openUpload('carol', request('four', { size: 1 })), routerError(ERROR.storageFull))
  await harness.pass(2 * DAY_MS)
  await assertNothingLeft(harness)
  await open(harness, 'carol', 'four', { size: 3300 })
})

test('[BLB-6] nothing is taken that the disk has no room for, nor more uploads than are allowed at once', async () => {
  const harness = await start({ uploadsMax: 2 })
  harness.blobs.roomBytes = 2500
  await open(harness, 'alice', 'one')
  await open(harness, 'bob', 'two')
  await assert.rejects(blobs(harness).openUpload('alice', request('three')), routerError(ERROR.storageFull))
  harness.blobs.roomBytes = Infinity
  await open(harness, 'alice', 'three')
  await assert.rejects(blobs(harness).openUpload('alice', request('four')), routerError(ERROR.resourceLimit))
  harness.blobs.hasRoomFor = () => Promise.reject(new Error('no such directory'))
  await assert.rejects(blobs(harness).openUpload('bob', request('five')), routerError(ERROR.storageFull))
  await assert.rejects(blobs(harness).openUpload('nobody', request('six')), routerError(ERROR.noSuchUser))
})

test('where nobody can be asked whether there is room, that is what is said, and what needs none goes on', async () => {
  const harness = await start({ blobTotalBytes: 3100 })
  const blob = await harness.upload('alice', 'one')
  const upload = await open(harness, 'alice', 'two')
  harness.blobs.hasRoomFor = () => Promise.reject(new RouterError(ERROR.unavailable, 'the files can\'t be reached', { retryAfterMs: 1000 }))
  await assert.rejects(blobs(harness).openUpload('bob', request('three')), { code: ERROR.unavailable, retryAfterMs: 1000 })
  await assert.rejects(blobs(harness).openUpload('bob', request('four', { size: 1001 })), routerError(ERROR.storageFull))
  assert.deepEqual(await blobs(harness).openUpload('alice', request('one')), { blob })
  assert.equal((await open(harness, 'alice', 'two')).id, upload.id)
})

test('[BLB-14] an upload that lies for too long is over, and what was put into the store for it is erased', async () => {
  const harness = await start()
  const upload = await open(harness, 'alice', 'beach')
  const blob = blobOf('beach', upload.key)
  assert.ok(await blobs(harness).storing(upload.id, objectsOf(blob)))
  harness.blobs.put(...objectsOf(blob))
  await harness.pass(DAY_MS - HOUR_MS)
  assert.ok(isStored(harness, blob))
  assert.deepEqual(await blobs(harness).uploaded('alice', upload.id), { upload })
  harness.crash()
  await harness.pass(2 * HOUR_MS)
  await assertNothingLeft(harness)
  assert.ok(harness.blobs.unstaged.has(upload.id))
  assert.equal(await blobs(harness).storing(upload.id, objectsOf(blob)), false)
  await assert.rejects(blobs(harness).uploaded('alice', upload.id), routerError(ERROR.noSuchBlob))
  // What comes too late is erased again.
  harness.blobs.put(...objectsOf(blob))
  assert.equal(await blobs(harness).finishUpload(upload.id, blob), null)
  await harness.pass(SOON_MS)
  await assertNothingLeft(harness)
})

test('an upload tells its user alone what became of it, and completing it once more changes nothing', async () => {
  const harness = await start()
  const upload = await open(harness, 'alice', 'beach')
  const blob = blobOf('beach', upload.key)
  await blobs(harness).storing(upload.id, objectsOf(blob))
  harness.blobs.put(...objectsOf(blob))
  assert.deepEqual(await blobs(harness).finishUpload(upload.id, blob), blob)
  await harness.restart()
  assert.deepEqual(await blobs(harness).finishUpload(upload.id, blob), blob)
  await blobs(harness).abandonUpload(upload.id)
  assert.deepEqual(await blobs(harness).uploaded('alice', upload.id), { blob })
  await assert.rejects(blobs(harness).uploaded('bob', upload.id), routerError(ERROR.noSuchBlob))
  assert.equal(await blobs(harness).upload(upload.id), null)
  await harness.pass(SOON_MS)
  assert.ok(isStored(harness, blob))
  assert.equal(await used(harness, 'alice'), 1000)
  assert.ok(harness.blobs.unstaged.has(upload.id))
})

test('who uploads what somebody else holds shares it, and what was put in vain is erased', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const upload = await open(harness, 'bob', 'beach', { picture: true })
  const second = blobOf('beach', upload.key, { renditions: SQUARES })
  await blobs(harness).storing(upload.id, objectsOf(second))
  harness.blobs.put(...objectsOf(second))
  const shared = await blobs(harness).finishUpload(upload.id, second)
  assert.deepEqual(shared?.content, blob.content)
  assert.deepEqual(shared.renditions.map(({ kind }) => kind), SQUARES, 'it has what it lacked')
  await harness.pass(HOUR_MS)
  assert.deepEqual([...harness.blobs.objects].sort(), objectsOf(shared).sort())
  assert.ok('blob' in await blobs(harness).openUpload('alice', request('beach', { picture: true })))
  await harness.pass(2 * DAY_MS)
  await assertNothingLeft(harness)
})

test('what an earlier attempt has put into the store is erased when another has succeeded', async () => {
  const harness = await start()
  const upload = await open(harness, 'alice', 'beach')
  const [first, second] = [blobOf('beach', Uint8Array.of(1)), blobOf('beach', Uint8Array.of(2))]
  await blobs(harness).storing(upload.id, objectsOf(first))
  harness.blobs.put(...objectsOf(first))
  harness.crash()
  await blobs(harness).storing(upload.id, objectsOf(second))
  harness.blobs.put(...objectsOf(second))
  await blobs(harness).finishUpload(upload.id, second)
  await harness.pass(HOUR_MS)
  assert.deepEqual([...harness.blobs.objects].sort(), objectsOf(second).sort())
})

// ——— Messages ———

test('[BLB-12] a message carries what its sender holds, may be without text, and is delivered with it', async () => {
  const harness = await start()
  const [one, two] = [await harness.upload('alice', 'one'), await harness.upload('alice', 'two')]
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  const seq = await sendBlobs(alice, 'bob', [one, two])
  const frame = bob.frames.at(-1)
  assert.ok(frame?.type === FRAME.delivery)
  assert.deepEqual(Buffer.from(frame.extensions), Buffer.from(carrying(one, two)))
  assert.equal(seq, 1)
  const { messages } = await harness.router.history('bob', 'alice', { limit: 10 })
  assert.deepEqual(messages.map(({ extensions }) => Buffer.from(extensions)), [Buffer.from(frame.extensions)])
})

test('[BLB-2] [BLB-12] what its sender does not hold, or calls by another type or size, is not carried', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  assert.equal(await refusal(bob, 'alice', carrying(blob)), ERROR.noSuchBlob)
  assert.equal(await refusal(alice, 'bob', encodeAttachments([attachment(blob), attachment(blobOf('hill', Uint8Array.of(1)))])), ERROR.noSuchBlob)
  assert.equal(await refusal(alice, 'bob', encodeAttachments([attachment(blob, { type: 'image/jpeg' })])), ERROR.badRequest)
  assert.equal(await refusal(alice, 'bob', encodeAttachments([attachment(blob, { size: 1001 })])), ERROR.badRequest)
  assert.equal(await refusal(alice, 'bob', encodeAttachments([attachment(blob, { type: 'video/mp4', size: 7, key: Uint8Array.of(1) })])), 0)
  assert.equal(await refusal(alice, 'nobody', carrying(blob)), ERROR.noSuchUser)
  assert.equal(alice.acks.length + bob.acks.length, 1)
})

test('[BLB-11] an attachment without its form, and an empty message, are refused', async () => {
  const harness = await start()
  const alice = await harness.attach('alice')
  const bad = encodeExtensions([{ key: EXTENSION.attachment, value: EMPTY_BYTES }])
  assert.equal(await refusal(alice, 'bob', bad, 'with a text'), ERROR.badRequest)
  assert.equal(await refusal(alice, 'bob', encodeExtensions([{ key: 1001, value: EMPTY_BYTES }])), ERROR.emptyMessage)
  assert.equal(await refusal(alice, 'bob', encodeExtensions([{ key: EXTENSION.encrypted, value: EMPTY_BYTES }]), 'x'), ERROR.unsupportedExtension)
})

test('[BLB-12] a retry of an acked message is acked, whether its blob is still there or not', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  const extensions = carrying(blob)
  alice.send('bob', 'look', 7, extensions)
  await harness.settle()
  alice.operate('bob', 1, OPERATION.delete)
  await harness.pass(2 * DAY_MS)
  assert.equal(isStored(harness, blob), false)
  const again = await harness.reattach(alice, 0)
  again.send('bob', 'look', 7, extensions)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ clientId, seq }) => [clientId, seq]), [[7, 1]])
  again.send('bob', 'look', 50, extensions)
  await harness.settle()
  assert.deepEqual(again.refusals.map(({ error }) => error), [ERROR.noSuchBlob])
})

test('messages behind one with an attachment keep their order', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  alice.send('bob', 'before')
  alice.send('bob', 'with', undefined, carrying(blob))
  alice.send('bob', 'behind')
  await harness.settle()
  assert.deepEqual(bob.texts, ['before', 'with', 'behind'])
})

test('a caption is edited, and its attachment stays', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  await sendBlobs(alice, 'bob', [blob])
  alice.operate('bob', 1, OPERATION.edit, 'our beach')
  await harness.settle()
  const { messages: [message] } = await harness.router.history('bob', 'alice', { limit: 1, before: 2 })
  assert.equal(Buffer.from(message?.text ?? []).toString(), 'our beach')
  assert.deepEqual(Buffer.from(message?.extensions ?? []), Buffer.from(carrying(blob)))
  await harness.pass(2 * DAY_MS)
  assert.deepEqual(await blobs(harness).find('bob', { kind: 'message', conversation: 'alice', seq: 1, id: blob.content.hash }), blob)
})

// ——— What ends ———

test('[BLB-13] a blob is there as long as a message carries it, and goes with the last one', async () => {
  const harness = await start({ deleteAgeMs: 30 * DAY_MS })
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  await sendBlobs(alice, 'bob', [blob])
  await sendBlobs(alice, 'carol', [blob])
  await harness.pass(3 * DAY_MS)
  alice.operate('bob', 1, OPERATION.delete)
  await harness.pass(SOON_MS)
  assert.ok(isStored(harness, blob))
  assert.deepEqual(await blobs(harness).find('carol', { kind: 'message', conversation: 'alice', seq: 1, id: blob.content.hash }), blob)
  await harness.restart()
  const again = await harness.reattach(alice, 0)
  again.operate('carol', 1, OPERATION.delete, '', 50)
  await harness.pass(SOON_MS)
  assert.equal(await used(harness, 'alice'), 0)
  await assertNothingLeft(harness)
  assert.equal(await blobs(harness).blob(blob.content.hash), null)
})

test('[BLB-13] [DIS-4] a message that expires takes its blobs with it', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  await harness.router.groups.create('alice', SKIING, readNewGroup(element('group-create', { id: SKIING }, element('member', { name: 'bob' })), SKIING))
  await harness.router.timers.set('alice', SKIING, HOUR_MS)
  const seq = await sendBlobs(alice, SKIING, [blob])
  const place = { kind: 'message', conversation: SKIING, seq, id: blob.content.hash } as const
  assert.deepEqual(await blobs(harness).find('bob', place), blob)
  harness.nowMs += HOUR_MS
  await assert.rejects(blobs(harness).find('bob', place), routerError(ERROR.noSuchMessage))
  await harness.pass(2 * DAY_MS)
  await assertNothingLeft(harness)
})

test('[BLB-13] retention of many messages releases what they carried, a page at a time', async () => {
  const harness = await start({ retentionMs: 10 * DAY_MS })
  const [blob, other] = [await harness.upload('alice', 'beach'), await harness.upload('alice', 'hill')]
  const alice = await harness.attach('alice')
  for (let i = 0; i < 150; i++) alice.send('bob', String(i), undefined, carrying(blob, other))
  await harness.pass(9 * DAY_MS)
  assert.equal(alice.acks.length, 150)
  assert.ok(isStored(harness, blob))
  const seq = await sendBlobs(alice, 'bob', [other])
  await harness.pass(2 * DAY_MS)
  assert.equal(isStored(harness, blob), false)
  assert.deepEqual(await blobs(harness).find('bob', { kind: 'message', conversation: 'alice', seq, id: other.content.hash }), other)
  await harness.pass(10 * DAY_MS)
  await assertNothingLeft(harness)
})

test('[BLB-14] [BLB-22] what was uploaded and never sent is erased, and its keys are forgotten before', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  await harness.pass(LIMIT.blobHoldMs - HOUR_MS)
  assert.ok(isStored(harness, blob))
  harness.blobs.failure = new Error('the store is away')
  await harness.pass(2 * HOUR_MS)
  assert.ok(isStored(harness, blob))
  assert.equal(await harness.engine.get(blobKeys(blob.content.hash).meta()), undefined)
  const rows = await harness.engine.range({ ...everything(), limit: 10_000 })
  assert.ok(!rows.some(([, row]) => Buffer.from(row).includes(Buffer.from(blob.content.key))))
  await assert.rejects(blobs(harness).find('alice', { kind: 'own', id: blob.content.hash }), routerError(ERROR.noSuchBlob))
  const alice = await harness.attach('alice')
  assert.equal(await refusal(alice, 'bob', carrying(blob)), ERROR.noSuchBlob)
  // What comes anew has another key, and its own objects: the late end of the first does it no harm.
  const second = await harness.upload('alice', 'beach')
  assert.notDeepEqual(objectsOf(second), objectsOf(blob))
  harness.blobs.failure = null
  await harness.pass(HOUR_MS)
  assert.deepEqual([...harness.blobs.objects].sort(), objectsOf(second).sort())
})

test('the store is asked again and again while it is away, more and more rarely, and after a restart', async () => {
  const harness = await start()
  await harness.upload('alice', 'beach')
  harness.blobs.failure = new Error('the store is away')
  await harness.pass(2 * DAY_MS)
  const calls = harness.blobs.calls
  await harness.pass(HOUR_MS)
  assert.ok(harness.blobs.calls > calls && harness.blobs.calls < calls + 100, `asked ${String(harness.blobs.calls - calls)} times within an hour`)
  await harness.restart()
  harness.blobs.failure = null
  await harness.pass(SOON_MS)
  await assertNothingLeft(harness)
})

test('what nobody holds is erased soon, also while something waits for its time', async () => {
  const harness = await start()
  const alice = await harness.attach('alice')
  const blob = await harness.upload('alice', 'beach')
  await sendBlobs(alice, 'bob', [blob])
  await harness.pass(LIMIT.blobHoldMs + HOUR_MS)
  const upload = await open(harness, 'alice', 'hill')
  const late = blobOf('hill', upload.key)
  await blobs(harness).storing(upload.id, objectsOf(late))
  await blobs(harness).abandonUpload(upload.id)
  await harness.pass(SOON_MS)
  // A put that was under way arrives only now.
  harness.blobs.put(...objectsOf(late))
  alice.operate('bob', 1, OPERATION.delete)
  await harness.pass(SOON_MS)
  assert.equal(isStored(harness, blob), false)
  assert.ok(isStored(harness, late))
  await harness.pass(HOUR_MS)
  await assertNothingLeft(harness)
})

test('while there is nothing to do the store is not read for it', async () => {
  const harness = await start()
  await harness.upload('alice', 'beach')
  await harness.pass(3 * DAY_MS)
  await assertNothingLeft(harness)
  assert.ok(harness.engine instanceof MemoryEngine)
  let reads = 0
  const range = harness.engine.range.bind(harness.engine)
  harness.engine.range = (options) => { reads++; return range(options) }
  await harness.pass(HOUR_MS)
  assert.equal(reads, 0)
})

test('what is due later than all that is waited for has nothing looked for', async () => {
  const harness = await start()
  await harness.upload('alice', 'beach')
  // Between two looks at the clock.
  await harness.pass(HOUR_MS / 12)
  let reads = 0
  const range = harness.engine.range.bind(harness.engine)
  harness.engine.range = (options) => {
    if (Buffer.compare(options.gte, ends().gte) === 0) reads++
    return range(options)
  }
  const blob = await harness.upload('bob', 'hill')
  await harness.pass(SOON_MS)
  assert.equal(reads, 0)
  await harness.pass(LIMIT.blobHoldMs)
  assert.ok(reads > 0)
  assert.equal(isStored(harness, blob), false)
  await assertNothingLeft(harness)
})

test('a row that can\'t be read holds up nothing but itself', async () => {
  const harness = await start()
  const [one, two] = [await harness.upload('alice', 'one'), await harness.upload('bob', 'two')]
  const batch = harness.engine.batch()
  batch.put(userKeys('alice').holding(one.content.hash), Uint8Array.of(99))
  await harness.engine.commit(batch)
  await harness.restart()
  await harness.pass(2 * DAY_MS)
  assert.equal(isStored(harness, two), false)
  assert.ok(isStored(harness, one))
  assert.ok(harness.events.some((event) => event.includes('can\'t be read')))
})

test('a user that is removed leaves what others have of it', async () => {
  const harness = await start()
  const [sent, noted, unsent, face] = [
    await harness.upload('alice', 'sent'), await harness.upload('alice', 'noted'), await harness.upload('alice', 'unsent'),
    await harness.upload('alice', 'face', { renditions: SQUARES }),
  ]
  await harness.router.profiles.changeProfile('alice', { picture: face.content.hash })
  await open(harness, 'alice', 'under way')
  const alice = await harness.attach('alice')
  await sendBlobs(alice, 'bob', [sent])
  await sendBlobs(alice, 'alice', [noted])
  await harness.router.removeUser('alice')
  await harness.pass(SOON_MS)
  assert.deepEqual([sent, noted, unsent, face].map((blob) => isStored(harness, blob)), [true, false, false, false])
  assert.equal(await used(harness, 'alice'), 1000)
  assert.deepEqual(await blobs(harness).find('bob', { kind: 'message', conversation: 'alice', seq: 1, id: sent.content.hash }), sent)
  await assert.rejects(blobs(harness).openUpload('alice', request('again')), routerError(ERROR.noSuchUser))
})

test('[BLB-22] a key is where its blob is, and nowhere else: not with what is known of its upload', async () => {
  const harness = await start()
  const whole = await harness.upload('alice', 'whole')
  const request = { size: 1000, hash: hashOf('with its place'), type: 'image/png', strip: true, picture: false }
  const opened = await blobs(harness).openUpload('alice', request)
  assert.ok('upload' in opened)
  const { id, key } = opened.upload
  const cleaned = blobOf('without its place', Buffer.alloc(32, 7))
  assert.ok(await blobs(harness).storing(id, objectsOf(cleaned)))
  assert.deepEqual(await blobs(harness).finishUpload(id, cleaned), cleaned)
  // What was taken out of a picture is gone with the key of the original.
  assert.equal(await rowsWith(harness, key), 0)
  assert.equal(await rowsWith(harness, whole.content.key), 1)
  assert.deepEqual(await blobs(harness).uploaded('alice', id), { blob: cleaned })
  await harness.router.removeUser('alice')
  await harness.pass(SOON_MS)
  assert.equal(await rowsWith(harness, whole.content.key), 0)
})

// ——— Who may read ———

test('[BLB-16] a blob of a message is found by who may read that message, at its seq', async () => {
  const harness = await start()
  const [blob, other] = [await harness.upload('alice', 'beach'), await harness.upload('alice', 'hill')]
  const alice = await harness.attach('alice')
  const seq = await sendBlobs(alice, 'bob', [blob])
  const find = (user: string, conversation: string, at = seq, id = blob.content.hash) =>
    blobs(harness).find(user, { kind: 'message', conversation, seq: at, id })
  for (const [user, conversation] of [['alice', 'bob'], ['bob', 'alice']] as const) assert.deepEqual(await find(user, conversation), blob)
  await assert.rejects(find('carol', 'alice'), routerError(ERROR.noSuchConversation))
  await assert.rejects(find('bob', 'alice', seq + 1), routerError(ERROR.noSuchMessage))
  await assert.rejects(find('bob', 'alice', seq, other.content.hash), routerError(ERROR.noSuchBlob))
  await assert.rejects(blobs(harness).find('bob', { kind: 'own', id: blob.content.hash }), routerError(ERROR.noSuchBlob))
  assert.deepEqual(await blobs(harness).find('alice', { kind: 'own', id: blob.content.hash }), blob)
  alice.operate('bob', seq, OPERATION.delete)
  await harness.settle()
  await assert.rejects(find('bob', 'alice'), routerError(ERROR.noSuchMessage))
})

test('[BLB-16] [PRF-10] [GRP-9] neither who has blocked the sender nor who has left finds what came behind that', async () => {
  const harness = await start()
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  await sendBlobs(alice, 'bob', [blob])
  await harness.router.profiles.block('bob', 'alice')
  const hidden = await sendBlobs(alice, 'bob', [blob])
  const id = blob.content.hash
  assert.deepEqual(await blobs(harness).find('bob', { kind: 'message', conversation: 'alice', seq: 1, id }), blob)
  await assert.rejects(blobs(harness).find('bob', { kind: 'message', conversation: 'alice', seq: hidden, id }), routerError(ERROR.noSuchMessage))
  await harness.router.profiles.unblock('bob', 'alice')
  await harness.router.groups.create('alice', SKIING, readNewGroup(element('group-create', { id: SKIING }, element('member', { name: 'bob' })), SKIING))
  const before = await sendBlobs(alice, SKIING, [blob])
  await harness.router.groups.change('bob', SKIING, { kind: 'leave' })
  const after = await sendBlobs(alice, SKIING, [blob])
  assert.deepEqual(await blobs(harness).find('bob', { kind: 'message', conversation: SKIING, seq: before, id }), blob)
  for (const seq of [after, after - 1]) {
    await assert.rejects(blobs(harness).find('bob', { kind: 'message', conversation: SKIING, seq, id }), routerError(ERROR.noSuchMessage))
  }
  await assert.rejects(blobs(harness).find('carol', { kind: 'message', conversation: SKIING, seq: before, id }), routerError(ERROR.noSuchConversation))
})

test('[BLB-15] who may read a message keeps its blob, by its own quota, also when the message is gone', async () => {
  const harness = await start({ blobQuotaBytes: 1500 })
  const blob = await harness.upload('alice', 'beach')
  const alice = await harness.attach('alice')
  await sendBlobs(alice, 'bob', [blob])
  const id = blob.content.hash
  await assert.rejects(blobs(harness).keep('carol', 'alice', 1, id), routerError(ERROR.noSuchConversation))
  await open(harness, 'bob', 'other', { size: 600 })
  await assert.rejects(blobs(harness).keep('bob', 'alice', 1, id), routerError(ERROR.quotaExceeded))
  await harness.pass(2 * DAY_MS)
  assert.deepEqual(await blobs(harness).keep('bob', 'alice', 1, id), blob)
  assert.deepEqual(await blobs(harness).keep('bob', 'alice', 1, id), blob)
  assert.equal(await used(harness, 'bob'), 1000)
  alice.operate('bob', 1, OPERATION.delete)
  await harness.pass(HOUR_MS)
  await assert.rejects(blobs(harness).keep('bob', 'alice', 1, id), routerError(ERROR.noSuchMessage))
  assert.equal(await used(harness, 'alice'), 0)
  const bob = await harness.attach('bob')
  await sendBlobs(bob, 'carol', [blob])
  await harness.pass(3 * DAY_MS)
  assert.deepEqual(await blobs(harness).find('carol', { kind: 'message', conversation: 'bob', seq: 1, id }), blob)
})

// ——— Pictures ———

test('[BLB-17] [PRF-6] the picture of a profile is found by who is shown it, and held as long as it is the picture', async () => {
  const harness = await start()
  const [face, next] = [await harness.upload('alice', 'face', { renditions: SQUARES }), await harness.upload('alice', 'next', { renditions: SQUARES })]
  const find = (viewer: string) => blobs(harness).find(viewer, { kind: 'profile', user: 'alice' })
  await assert.rejects(find('bob'), routerError(ERROR.noSuchBlob))
  await assert.rejects(blobs(harness).find('bob', { kind: 'profile', user: 'nobody' }), routerError(ERROR.noSuchUser))
  await harness.router.profiles.changeProfile('alice', { picture: face.content.hash })
  await harness.pass(3 * DAY_MS)
  await harness.restart()
  assert.deepEqual(await find('bob'), face)
  assert.equal(isStored(harness, next), false)
  await harness.router.profiles.block('alice', 'bob')
  await assert.rejects(find('bob'), routerError(ERROR.noSuchBlob))
  assert.deepEqual(await find('carol'), face)
  const third = await harness.upload('alice', 'third', { renditions: SQUARES })
  await harness.router.profiles.changeProfile('alice', { picture: third.content.hash })
  await harness.router.profiles.changeProfile('alice', { name: 'Alice' })
  await harness.pass(2 * DAY_MS)
  assert.deepEqual([isStored(harness, face), isStored(harness, third)], [false, true])
  await harness.router.profiles.changeProfile('alice', { picture: '' })
  await harness.pass(SOON_MS)
  await assertNothingLeft(harness)
})

test('[BLB-17] [PRF-3] the picture of a group is found by its members and by who is invited, until there is another or the group ends', async () => {
  const harness = await start()
  await harness.addUsers('dave')
  await harness.router.groups.create('alice', SKIING, readNewGroup(element('group-create', { id: SKIING, edit: 'all' }, element('member', { name: 'bob' })), SKIING))
  const [first, second] = [await harness.upload('bob', 'first', { renditions: SQUARES }), await harness.upload('alice', 'second', { renditions: SQUARES })]
  const set = (user: string, blob: Blob) => harness.router.groups.change(user, SKIING, readChange(element('info', { picture: blob.content.hash })))
  const find = (viewer: string) => blobs(harness).find(viewer, { kind: 'group', group: SKIING })
  await assert.rejects(set('alice', first), routerError(ERROR.noSuchBlob))
  await assert.rejects(find('bob'), routerError(ERROR.noSuchBlob))
  await set('bob', first)
  await harness.router.groups.change('alice', SKIING, readChange(element('invite', {}, element('member', { name: 'carol' }))))
  await harness.pass(2 * DAY_MS)
  await harness.restart()
  for (const viewer of ['alice', 'bob', 'carol']) assert.deepEqual(await find(viewer), first)
  await assert.rejects(find('dave'), routerError(ERROR.noSuchConversation))
  assert.equal(isStored(harness, second), false)
  const third = await harness.upload('alice', 'third', { renditions: SQUARES })
  await set('alice', third)
  await harness.pass(2 * DAY_MS)
  assert.deepEqual([isStored(harness, first), isStored(harness, third)], [false, true])
  await harness.router.groups.change('alice', SKIING, { kind: 'disband' })
  await harness.pass(SOON_MS)
  await assertNothingLeft(harness)
})

test('a picture that an older server took is shown as it was, and there is no blob to it', async () => {
  const harness = await start()
  const batch = harness.engine.batch()
  batch.put(userKeys('alice').profile(), Buffer.concat([Buffer.of(1, 0, 0, 4), Buffer.from('b-17')]))
  await harness.engine.commit(batch)
  const [shown] = await harness.router.profiles.profiles('bob', [{ user: 'alice', version: 0 }])
  assert.equal(shown?.profile?.picture, 'b-17')
  await assert.rejects(blobs(harness).find('bob', { kind: 'profile', user: 'alice' }), routerError(ERROR.noSuchBlob))
  await harness.router.profiles.changeProfile('alice', { name: 'Alice' })
  await harness.router.profiles.changeProfile('alice', { picture: '' })
})

test('a server that keeps no blobs refuses messages that carry some', async () => {
  const harness = new ShardHarness({ blobs: null })
  await harness.addUsers('alice', 'bob')
  assert.equal(harness.router.blobs, null)
  const alice = await harness.attach('alice')
  assert.equal(await refusal(alice, 'bob', encodeAttachments([attachment(blobOf('beach', Uint8Array.of(1)))])), ERROR.noSuchBlob)
})
