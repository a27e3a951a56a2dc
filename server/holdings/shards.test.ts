/** Blobs where the user who holds one, the message that carries it and the blob itself are at home in different shards. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, OPERATION } from '../../protocol/generated/registry.js'
import type { Blob, BlobCommands } from '../blobs/blob-router.js'
import { RouterError } from '../router/router.js'
import type { ShardLimits } from '../shard/environment.js'
import { hashOf, SQUARES } from '../testing/blob-store.js'
import { routerError } from '../testing/shard-harness.js'
import type { ShardsHarness } from '../testing/shards-harness.js'
import { groupRig, type PairPlace, pairRig } from '../testing/shards-rigs.js'
import { heldFacts, lend } from './elsewhere.js'
import { objectsOf } from './merge.js'
import { auditShards, checkShares } from './testing/audit.js'
import { carrying, trySendBlobs } from './testing/sending.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const SOON_MS = 5000
const PLACES: readonly PairPlace[] = [[0, 1, 2], [0, 0, 1], [0, 1, 0], [1, 0, 0]]
const LIMITS: Partial<ShardLimits> = { blobHoldMs: HOUR_MS, blobLoanMs: 60_000 }

async function rig(place: PairPlace = [0, 1, 2], limits: Partial<ShardLimits> = {}) {
  return pairRig({ keepsBlobs: true, limits: { ...LIMITS, ...limits } }, place)
}

function blobs({ router }: ShardsHarness): BlobCommands {
  assert.ok(router.blobs !== null)
  return router.blobs
}

/** What a content is called whose blob is at home in this shard; the first from this number on. */
function contentAt(harness: ShardsHarness, shard: number, from = 0): string {
  for (let number = from; ; number++) if (harness.homeOf(hashOf(`content ${String(number)}`)) === shard) return `content ${String(number)}`
}

function isStored({ blobs: { objects } }: ShardsHarness, blob: Blob): boolean {
  const there = objectsOf(blob).filter((object) => objects.has(object)).length
  assert.ok(there === 0 || there === objectsOf(blob).length, 'a part of it is there')
  return there > 0
}

/** Everything is as it has to be, with nothing on its way. */
async function checkAll(harness: ShardsHarness): Promise<void> {
  const audits = await auditShards(harness.engines.map((engine) => engine.copy()), new Set(harness.blobs.objects))
  checkShares(audits, (name) => harness.homeOf(name))
}

for (const place of PLACES) {
  for (const at of [0, 1, 2]) {
    void test(`[BLB-13] [BLB-16] what is sent is there as long as the message: homes ${String(place)}, the blob's ${String(at)}`, async () => {
      const { harness, one, other, phone } = await rig(place)
      const blob = await harness.upload(one, contentAt(harness, at))
      const seq = await trySendBlobs(phone, other, [blob])
      assert.equal(seq, 1)
      const found = await blobs(harness).find(other, { kind: 'message', conversation: one, seq, id: blob.content.hash })
      assert.deepEqual(found.content, blob.content)
      assert.deepEqual((await blobs(harness).blob(blob.content.hash))?.content, blob.content)
      // Nobody holds it for any other reason.
      await harness.pass(DAY_MS)
      assert.ok(isStored(harness, blob))
      assert.equal((await blobs(harness).usage(one)).used, 1000)
      await checkAll(harness)
      phone.operate(other, seq, OPERATION.delete)
      await harness.pass(DAY_MS)
      assert.ok(!isStored(harness, blob))
      assert.equal((await blobs(harness).usage(one)).used, 0)
      assert.equal(await blobs(harness).blob(blob.content.hash), null)
      await checkAll(harness)
    })
  }
}

void test('[BLB-12] what the sender does not hold is refused, wherever it asks', async () => {
  const { harness, one, other, phone, friend } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 1))
  assert.equal(await trySendBlobs(friend, one, [blob]), 0)
  assert.equal(friend.refusals[0]?.error, ERROR.noSuchBlob)
  const clientId = phone.send(other, '', undefined, carrying({ ...blob, content: { ...blob.content, size: 7 } }))
  await harness.settle()
  assert.deepEqual(phone.refusals.map((refused) => [refused.clientId, refused.error]), [[clientId, ERROR.badRequest]])
  await harness.pass(DAY_MS)
  assert.ok(!isStored(harness, blob))
})

void test('[BLB-4] what a user has sent it need not upload again, and its home has nothing of it any more', async () => {
  const { harness, one, other, phone } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 1))
  const seq = await trySendBlobs(phone, other, [blob])
  await harness.pass(DAY_MS)
  const { size, hash, type } = blob.content
  assert.deepEqual((await blobs(harness).find(one, { kind: 'own', id: hash })).content, blob.content)
  const opened = await blobs(harness).openUpload(one, { size, hash, type, strip: false, picture: false })
  assert.ok('blob' in opened)
  assert.deepEqual(opened.blob.content, blob.content)
  phone.operate(other, seq, OPERATION.delete)
  await harness.pass(HOUR_MS / 2)
  assert.ok(isStored(harness, blob), 'it holds it as if it had uploaded it')
  assert.equal(await trySendBlobs(phone, other, [blob]), 3)
  await harness.pass(DAY_MS)
  await checkAll(harness)
})

void test('[BLB-15] who reads a message keeps what it carries, and passes it on', async () => {
  const { harness, one, other, phone, friend } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 2))
  const seq = await trySendBlobs(phone, other, [blob])
  const stranger = harness.userAt(2)
  await harness.addUsers(stranger)
  await assert.rejects(blobs(harness).keep(stranger, one, seq, blob.content.hash), routerError(ERROR.noSuchConversation))
  assert.deepEqual((await blobs(harness).keep(other, one, seq, blob.content.hash)).content, blob.content)
  phone.operate(other, seq, OPERATION.delete)
  assert.equal(await trySendBlobs(friend, stranger, [blob]), 1)
  await harness.pass(DAY_MS)
  assert.ok(isStored(harness, blob))
  assert.deepEqual([(await blobs(harness).usage(one)).used, (await blobs(harness).usage(other)).used], [0, 1000])
  await checkAll(harness)
})

void test('the same content is stored once, whichever shards it is uploaded to', async () => {
  const { harness, one, other } = await rig()
  const name = contentAt(harness, 2)
  const blob = await harness.upload(one, name)
  const again = await harness.upload(other, name, { renditions: SQUARES })
  assert.deepEqual(again.content, blob.content)
  assert.deepEqual(again.renditions.map(({ kind }) => kind), SQUARES)
  await harness.pass(HOUR_MS / 2)
  assert.equal(harness.blobs.objects.size, 4)
  await checkAll(harness)
  await harness.pass(DAY_MS)
  assert.equal(harness.blobs.objects.size, 0)
})

void test('what is uploaded is held as long as is promised from when its user hears of it, however long its home is waited for', async () => {
  const { harness, one } = await rig([0, 1, 2], { blobHoldMs: 5000 })
  harness.cutOff.add(2)
  const uploading = harness.upload(one, contentAt(harness, 2))
  let answeredMs = 0
  void uploading.then(() => { answeredMs = harness.nowMs })
  const beganMs = harness.nowMs
  for (let passed = 0; answeredMs === 0 && passed < 20; passed++) await harness.pass(1000)
  const blob = await uploading
  assert.ok(answeredMs - beganMs > 5000, 'its home is not waited for any more: this test shows nothing')
  await harness.pass(4000)
  assert.deepEqual((await blobs(harness).find(one, { kind: 'own', id: blob.content.hash })).content, blob.content)
  harness.cutOff.clear()
  await harness.pass(DAY_MS)
  assert.ok(!isStored(harness, blob), 'and no longer')
})

void test('two shards that are given the same content before its home hears of either each have bytes of their own', async () => {
  const { harness, one, other } = await rig()
  const name = contentAt(harness, 2)
  harness.cutOff.add(2)
  const uploads = [harness.upload(one, name), harness.upload(other, name)]
  await harness.pass(15_000)
  const [first, second] = await Promise.all(uploads)
  assert.notEqual(first?.content.object, second?.content.object)
  harness.cutOff.clear()
  await harness.pass(SOON_MS)
  await checkAll(harness)
  assert.equal((await blobs(harness).blob(hashOf(name)))?.content.hash, hashOf(name))
  await harness.pass(DAY_MS)
  assert.equal(harness.blobs.objects.size, 0)
})

void test('[PRF-3] [BLB-17] the picture of a group is its own, whoever has set it', async () => {
  const { harness, group, owner, members } = await groupRig({ keepsBlobs: true, limits: LIMITS })
  const blob = await harness.upload(owner, contentAt(harness, 2), { renditions: SQUARES })
  await harness.router.groups.change(owner, group, { kind: 'info', picture: blob.content.hash })
  await harness.pass(DAY_MS)
  for (const member of members) assert.deepEqual((await blobs(harness).find(member, { kind: 'group', group })).content, blob.content)
  await checkAll(harness)
  const plain = await harness.upload(owner, contentAt(harness, 1))
  await assert.rejects(harness.router.groups.change(owner, group, { kind: 'info', picture: plain.content.hash }), routerError(ERROR.noSuchBlob))
  await harness.router.groups.change(owner, group, { kind: 'info', picture: '' })
  await harness.pass(DAY_MS)
  assert.equal(harness.blobs.objects.size, 0)
})

void test('[BLB-17] the picture of a profile is found from everywhere', async () => {
  const { harness, one, other } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 2), { renditions: SQUARES })
  await harness.router.profiles.changeProfile(one, { picture: blob.content.hash })
  await harness.pass(DAY_MS)
  assert.deepEqual((await blobs(harness).find(other, { kind: 'profile', user: one })).content, blob.content)
  await harness.router.removeUser(one)
  await harness.pass(DAY_MS)
  assert.equal(harness.blobs.objects.size, 0)
})

void test('[BLB-13] a loan ends when the shard says so, however late that is, and not by its time', async () => {
  const { harness, one, other, phone } = await rig([0, 1, 2], { blobAnswerMs: DAY_MS })
  const blob = await harness.upload(one, contentAt(harness, 1))
  // The shard of the conversation hears of the loan when the one who holds the blob has let it go.
  harness.lateMs.set('lendBlob', 2 * HOUR_MS)
  const clientId = phone.send(other, '', undefined, carrying(blob))
  await harness.pass(HOUR_MS + HOUR_MS / 2)
  assert.equal((await blobs(harness).usage(one)).used, 0)
  assert.ok(isStored(harness, blob))
  await harness.pass(HOUR_MS)
  assert.deepEqual(phone.acks.map((ack) => ack.clientId), [clientId])
  await checkAll(harness)
  await harness.pass(DAY_MS)
  assert.ok(isStored(harness, blob))
  assert.equal((await blobs(harness).usage(one)).used, 1000)
})

void test('what was lent to a shard that has died meanwhile goes in the end', async () => {
  const { harness, one, other, phone } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 1))
  harness.lateMs.set('lendBlob', 1000)
  phone.send(other, '', undefined, carrying(blob))
  await harness.settle()
  harness.crash(2)
  harness.cutOff.add(2)
  await harness.pass(DAY_MS)
  assert.ok(isStored(harness, blob), 'nobody knows whether it is still to be taken')
  harness.cutOff.clear()
  await harness.pass(DAY_MS)
  assert.ok(isStored(harness, blob) === phone.acks.length > 0)
  await checkAll(harness)
})

void test('a loan that was taken, and what it was taken for has ended, is good for nothing any more', async () => {
  const { harness, one, other, phone } = await rig([0, 1, 2], { blobHoldMs: 10 * DAY_MS, blobAnswerMs: DAY_MS })
  const group = harness.groupAt(2)
  await harness.router.groups.create(one, group, { displayName: 'g', about: '', policy: {}, users: [] })
  const blob = await harness.upload(one, contentAt(harness, 1))
  harness.lateMs.set('lendBlob', 20_000)
  phone.send(group, '', undefined, carrying(blob))
  await harness.pass(10_000)
  harness.lateMs.set('lendBlob', 1000)
  const seq = await trySendBlobs(phone, other, [blob])
  assert.equal(seq, 0)
  await harness.pass(2000)
  assert.equal(phone.acks.length, 1)
  phone.operate(other, phone.acks[0]!.seq, OPERATION.delete)
  await harness.pass(4000)
  // The shard has let go of it; what it was told before that is not taken for true.
  await harness.pass(HOUR_MS)
  assert.deepEqual([phone.acks.length, phone.refusals.map(({ error }) => error)], [2, [ERROR.unavailable]])
  await trySendBlobs(phone, group, [blob])
  await harness.pass(HOUR_MS)
  assert.equal(phone.acks.length, 3)
  await checkAll(harness)
})

void test('[MSG-3] [BLB-12] a retry is answered as before, and a sender whose home is away is told to come back', async () => {
  const { harness, one, other, phone } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 1))
  const more = await harness.upload(one, contentAt(harness, 2))
  assert.equal(await trySendBlobs(phone, other, [blob]), 1)
  harness.cutOff.add(1)
  // It is known where the conversation is at home that the sender holds it.
  assert.equal(await trySendBlobs(phone, other, [blob]), 2)
  phone.send(other, '', 1, carrying(blob))
  await harness.settle()
  assert.equal(phone.acks.at(-1)?.seq, 1)
  // Nor where nothing is left of what was sent.
  harness.cutOff.clear()
  for (const seq of [1, 2]) phone.operate(other, seq, OPERATION.delete)
  await harness.pass(SOON_MS)
  harness.cutOff.add(1)
  const acks = phone.acks.length
  harness.cutOff.add(0)
  phone.send(other, '', 1, carrying(blob))
  await harness.settle()
  assert.deepEqual([phone.acks.length - acks, phone.acks.at(-1)?.seq], [1, 1])
  assert.equal(await trySendBlobs(phone, other, [more]), 0)
  assert.equal(phone.refusals.at(-1)?.error, ERROR.unavailable)
})

void test('[BLB-12] [BLB-14] what is held is not said to be gone while somebody is away, and is uploaded again when its time has passed meanwhile', async () => {
  const { harness, one, other, phone } = await rig()
  const blob = await harness.upload(one, contentAt(harness, 0))
  harness.cutOff.add(2)
  assert.equal(await trySendBlobs(phone, other, [blob]), 0)
  assert.equal(phone.refusals.at(-1)?.error, ERROR.unavailable)
  await harness.pass(HOUR_MS + SOON_MS)
  harness.cutOff.clear()
  assert.equal(await trySendBlobs(phone, other, [blob]), 0)
  assert.equal(phone.refusals.at(-1)?.error, ERROR.noSuchBlob)
  assert.equal(await trySendBlobs(phone, other, [await harness.upload(one, contentAt(harness, 0))]), 1)
  await checkAll(harness)
})

for (const shard of [0, 1, 2]) {
  void test(`[BLB-12] what is held or carried is never said to be gone by shard ${String(shard)} when it has just come back`, async () => {
    const { harness, one, other, phone } = await rig()
    const carried = await Promise.all([0, 1, 2].map((home) => harness.upload(one, contentAt(harness, home))))
    const held = await Promise.all([0, 1, 2].map((home) => harness.upload(one, contentAt(harness, home, 100))))
    const seq = await trySendBlobs(phone, other, carried)
    assert.equal(seq, 1)
    const { router } = harness
    harness.crash(shard)
    // Before anything of it has been read, and again behind the first answers.
    for (let time = 0; time < 2; time++) {
      const answers = Promise.allSettled([
        ...[...carried, ...held].map(({ content: { hash } }) => router.blobs!.blob(hash)),
        ...carried.map(({ content: { hash: id } }) => router.blobs!.find(other, { kind: 'message', conversation: one, seq, id })),
        ...held.map(({ content: { hash: id } }) => router.blobs!.find(one, { kind: 'own', id })),
        heldFacts(harness.routers[0]!.shard, one, held.map(({ content }) => content.hash)).then((facts) => facts.includes(null) ? null : facts),
      ])
      await harness.settle()
      for (const answer of await answers) {
        if (answer.status === 'fulfilled') assert.ok(answer.value !== null)
        else assert.ok(answer.reason instanceof RouterError && answer.reason.code === ERROR.unavailable, String(answer.reason))
      }
    }
    await harness.pass(SOON_MS)
    const again = await harness.reattach(phone)
    again.send(other, '', 2, carrying(...held))
    await harness.settle()
    assert.deepEqual([again.refusals, again.acks.map((ack) => ack.seq)], [[], [2]])
  })
}

void test('[BLB-12] where no blobs are kept nobody is asked for them', async () => {
  const kept = await rig()
  const blob = await kept.harness.upload(kept.one, contentAt(kept.harness, 1))
  const { harness, other, phone } = await pairRig()
  assert.equal(await trySendBlobs(phone, other, [blob]), 0)
  assert.equal(phone.refusals[0]?.error, ERROR.noSuchBlob)
  assert.equal(harness.asked.get('heldBlobs'), undefined)
})

void test('who tells what a user holds waits for no commit but that of what it tells', async (t) => {
  const { harness, one } = await rig()
  const { shard } = harness.routers[0]!
  const committed = t.mock.method(shard, 'committed')
  const { content: { hash, size, type } } = await harness.upload(one, contentAt(harness, 0))
  committed.mock.resetCalls()
  assert.deepEqual((await heldFacts(shard, one, [hash])).map((facts) => [facts?.size, facts?.type]), [[size, type]])
  assert.equal(committed.mock.callCount(), 0)
  const hold = shard.blobStates.holdings.get(`${one}/${hash}`)
  assert.ok(hold !== undefined)
  shard.transaction.touch(hold)
  shard.schedule()
  await heldFacts(shard, one, [hash])
  assert.equal(committed.mock.callCount(), 1)
})

void test('[BLB-12] what a stuck shard is asked for a message holds up nobody else for long, and is not asked again and again', async () => {
  const { harness, one, other, phone, friend } = await rig()
  const { blobAnswerMs } = harness.limits
  phone.send(other, 'hello')
  await harness.settle()
  const blob = await harness.upload(one, contentAt(harness, 1))
  harness.lateMs.set('lendBlob', HOUR_MS)
  harness.asked.clear()
  for (let sent = 0; sent < 10; sent++) phone.send(other, '', undefined, carrying(blob))
  await harness.settle()
  // Goes to the home of the conversation over a channel, and is behind those in its gate.
  friend.acknowledge()
  const delivered = async (): Promise<number | undefined> =>
    (await harness.router.receipts(one, other)).find(({ member }) => member === other)?.delivered
  await harness.pass(blobAnswerMs - 1)
  assert.equal(await delivered(), 0)
  await harness.pass(1)
  assert.equal(await delivered(), 1)
  assert.deepEqual(phone.refusals.map(({ error }) => error), Array.from({ length: 10 }, () => ERROR.unavailable))
  assert.equal(harness.asked.get('lendBlob'), 1)
  harness.lateMs.clear()
  await harness.pass(HOUR_MS / 2)
  assert.equal(await trySendBlobs(phone, other, [blob]), 2)
})

void test('loans to a shard that says nothing hold up what else has to end no longer than one of them', async () => {
  const { harness, one } = await rig([0, 1, 2], { blobHoldMs: 10 * DAY_MS, blobQuotaBytes: 0 })
  const { shard } = harness.routers[1]!
  let name = ''
  for (let loans = 0; loans < 40; loans++) {
    name = contentAt(harness, 1, loans === 0 ? 0 : 1 + Number(name.slice('content '.length)))
    const { content } = await harness.upload(one, name)
    assert.ok(await lend(shard, content.hash, 2) !== null)
  }
  harness.lateMs.set('awaitsLoan', HOUR_MS)
  await harness.pass(120_000)
  assert.equal(harness.asked.get('awaitsLoan'), 16, 'those that are asked at once')
})

void test('[BLB-18] a blob whose home is away, or has not heard of it, is read where there is a copy', async (t) => {
  const { harness, one, other, phone } = await rig()
  const home = harness.routers[1]?.blobs
  assert.ok(home)
  const id = hashOf(contentAt(harness, 1))
  const find = async (): Promise<string | undefined> => (await blobs(harness).blob(id))?.content.hash
  harness.hold(0, 1)
  const uploaded = harness.upload(one, contentAt(harness, 1))
  await harness.settle()
  assert.equal(await home.blob(id), null)
  assert.equal(await find(), id)
  harness.hold(0, 1, false)
  await harness.pass(SOON_MS)
  const blob = await uploaded
  const seq = await trySendBlobs(phone, other, [blob])
  await harness.pass(DAY_MS)
  const away = t.mock.method(home, 'blob', () => Promise.reject(new RouterError(ERROR.unavailable, 'the test has it so')))
  assert.equal(await find(), id)
  phone.operate(other, seq, OPERATION.delete)
  await harness.pass(DAY_MS)
  await assert.rejects(find(), routerError(ERROR.unavailable), 'nobody else can say that there is none')
  away.mock.restore()
  assert.equal(await find(), undefined)
})
