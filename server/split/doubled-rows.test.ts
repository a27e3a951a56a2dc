/** Rows of which two shards may have one each under the same key, when their homes become one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blobCopyKey, blobKeys, blobListAt, endKey, eraseAt, eraseKey, erases } from '../../storage/blob-keys.js'
import type { Engine } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { inviteKey, inviteListKey } from '../../storage/shard-keys.js'
import { encodeInvite } from '../accounts/invite-state.js'
import type { Blob } from '../blobs/blob-router.js'
import { objectsOf } from '../holdings/merge.js'
import { decodeBlob, decodeContents, encodeBlob, encodeContents, encodeHolding, LISTED } from '../holdings/rows.js'
import { blobOf, hashOf, SQUARES } from '../testing/blob-store.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { Refusal } from './refusal.js'
import { ShardStores } from './shard-stores.js'
import { splitData } from './split-data.js'

function stores(shards: number): ShardStores {
  return new ShardStores(Array.from({ length: shards }, () => new MemoryEngine()))
}

async function put(engine: Engine, ...rows: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void> {
  const batch = engine.batch()
  for (const [key, row] of rows) batch.put(key, row)
  await engine.commit(batch)
}

test('[PRF-17] reports keep the numbers by which operators know them, and no number comes twice', async () => {
  const before = new ShardsHarness({ shards: 3 })
  const users = [0, 0, 1, 2].map((shard, at) => before.userAt(shard, at === 1 ? [before.userAt(0)] : []))
  await before.addUsers(...users)
  const people = await Promise.all(users.map((user) => before.attach(user)))
  for (const [at, person] of people.entries()) person.send(users[(at + 1) % users.length]!, `from ${person.user}`)
  await before.pass(5000)
  const report = (harness: ShardsHarness, at: number, reason: string): Promise<unknown> =>
    harness.router.profiles.report(users[at]!, { conversation: users[(at + users.length - 1) % users.length]!, reason, blocks: false })
  for (const at of users.keys()) await report(before, at, `report ${String(at)}`)
  const { reports } = await before.router.profiles.reports(0, 10)
  assert.equal(reports.length, users.length)

  const to = stores(2)
  await splitData(new ShardStores(before.engines.map((engine) => engine.copy())), to)
  const after = new ShardsHarness({ shards: 2, engines: to.engines as readonly MemoryEngine[] })
  await after.settle()
  const found = (await after.router.profiles.reports(0, 10)).reports
  // Each shard numbers its own from then on: what was its number for all is its number at home.
  assert.deepEqual(found.map(({ id, reason }) => [Math.floor(id / 2), reason]).sort(), reports.map(({ id, reason }) => [id, reason]).sort())
  await report(after, 0, 'another')
  const all = (await after.router.profiles.reports(0, 10)).reports
  assert.equal(new Set(all.map(({ id }) => Math.floor(id / 2))).size, users.length + 1)
  assert.ok(Math.floor((all.find(({ reason }) => reason === 'another')?.id ?? 0) / 2) > Math.max(...reports.map(({ id }) => id)))
  for (const { id } of all) await after.router.profiles.closeReport(id)
  assert.deepEqual((await after.router.profiles.reports(0, 10)).reports, [])
})

test('what two shards are to erase is erased once', async () => {
  const [from, to] = [stores(2), stores(3)]
  const [both, one] = [eraseKey(0, 'object', 'aa'), eraseKey(7, 'staged', 'bb')]
  for (const engine of from.engines) await put(engine, [both, LISTED])
  await put(from.engines[1]!, [one, LISTED])
  assert.equal((await splitData(from, to)).get('erases'), 2)
  const pages = await Promise.all(to.engines.map((engine) => engine.range({ ...erases(), limit: 10 })))
  assert.deepEqual(pages.flat().map(([key]) => Buffer.from(key).toString('hex')).sort(), [both, one].map((key) => key.toString('hex')).sort())
})

/** Two shards were given the same content before either could be told of the other, and each still has its own bytes. */
async function storedTwice(): Promise<ShardStores> {
  const harness = new ShardsHarness({ shards: 2 })
  const from = new ShardStores(harness.engines)
  const id = hashOf('beach')
  const [one, other] = ['one', 'other'].map((key) => blobOf('beach', Buffer.from(key), { renditions: SQUARES })) as [Blob, Blob]
  await put(from.at(id), [blobKeys(id).home(), encodeContents([{ blob: one, holders: [0], loans: [] }, { blob: other, holders: [1], loans: [{ shard: 0, number: 9, endsMs: 9 }] }])])
  await put(from.at(id), [endKey(9, 'loan', `${id}/0`), LISTED])
  for (const [shard, blob] of [one, other].entries()) {
    const user = harness.userAt(shard)
    const { size, type } = blob.content
    await put(
      from.engines[shard]!, [blobCopyKey(id), encodeBlob({ blob, holders: 1 })], [endKey(1000, 'hold', `${user}/${id}`), LISTED],
      [userKeys(user).holding(id), encodeHolding({ references: 0, heldUntilMs: 1000, size, type, elsewhere: [] })],
    )
  }
  return from
}

for (const shards of [1, 3]) {
  test(`[BLB-16] of a content that was stored twice ${String(shards)} shards keep one, and erase the other`, async () => {
    const [from, to] = [await storedTwice(), stores(shards)]
    assert.deepEqual([...await splitData(from, to)].sort(), [['blob', 1], ['ends', 2], ['erases', 4], ['user holding', 2]])
    const keys = blobKeys(hashOf('beach'))
    const row = await to.at(hashOf('beach')).get(shards === 1 ? keys.meta() : keys.home())
    const kept = shards === 1 ? decodeBlob(row!).blob : decodeContents(row!).map(({ blob }) => blob)[0]
    const pages = await Promise.all(to.engines.map((engine) => engine.range({ ...erases(), limit: 10 })))
    const objects = [...objectsOf(kept!), ...pages.flat().map(([key]) => eraseAt(key).name)]
    assert.equal(new Set(objects).size, 8)
    assert.equal(objects.length, 8)
  })
}

test('an object of which nobody would be told is noticed, and so is a blob that its home does not know', async () => {
  const from = await storedTwice()
  const to = new MemoryEngine()
  const batchOf = to.batch.bind(to)
  to.batch = () => {
    const batch = batchOf()
    const before = batch.put.bind(batch)
    batch.put = (key, row) => { if (blobListAt(key) !== 'erases') before(key, row) }
    return batch
  }
  await assert.rejects(splitData(from, new ShardStores([to])), /missing, doubled or changed: erases, objects$/)
  const batch = from.at(hashOf('beach')).batch()
  batch.delete(blobKeys(hashOf('beach')).home())
  await from.at(hashOf('beach')).commit(batch)
  await assert.rejects(splitData(from, stores(3)), { code: 'corrupt' })
})

test('two invites of one id stay apart, or the split is refused', async () => {
  const harness = new ShardsHarness({ shards: 2 })
  const makers = [harness.userAt(0), harness.userAt(1)]
  const from = new ShardStores(harness.engines)
  for (const [shard, maker] of makers.entries()) {
    const row = encodeInvite({ secretHash: Buffer.alloc(32, shard), maker, createdMs: 1, expiresMs: 0, uses: 1, used: 0, revoked: false, pending: [] })
    await put(from.engines[shard]!, [inviteKey('abc'), row], [inviteListKey(maker, 'abc'), new Uint8Array(0)])
  }
  assert.equal((await splitData(from, stores(4))).get('invites'), 4)
  await assert.rejects(splitData(from, stores(1)), (error) => error instanceof Refusal && /the id abc.*another number/.test(error.message))
})

test('a row that is at home in another shard is taken for damage', async () => {
  const harness = new ShardsHarness({ shards: 2 })
  const from = new ShardStores(harness.engines)
  await put(from.engines[0]!, [userKeys(harness.userAt(1)).lastSeen(), Buffer.of(1)])
  await assert.rejects(splitData(from, stores(3)), { code: 'corrupt' })
})
