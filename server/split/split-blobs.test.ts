/** A server with one shard that has pictures and files is split, and everybody finds, keeps and deletes them as if nothing had been. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATION } from '../../protocol/generated/registry.js'
import { blobCopies, blobKeys, erases, releases, visitorHoldings } from '../../storage/blob-keys.js'
import type { Engine, KeyRange } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import type { Blob, BlobPlace, Upload } from '../blobs/blob-router.js'
import { evenTable, homeOf } from '../channels/federation.js'
import { objectsOf } from '../holdings/merge.js'
import { type Audit, auditBlobs, auditShards, checkShares } from '../holdings/testing/audit.js'
import { BlobLife } from '../holdings/testing/blob-life.js'
import { sendBlobs } from '../holdings/testing/sending.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { SILENT_LOG } from '../log.js'
import type { Router } from '../router/router.js'
import type { ShardLimits } from '../shard/environment.js'
import { shardEnvironment } from '../run/shard-environment.js'
import { blobOf, hashOf, SQUARES } from '../testing/blob-store.js'
import { createGroup, SKIING } from '../testing/groups.js'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { settle } from './settle.js'
import { ShardStores } from './shard-stores.js'
import { splitData } from './split-data.js'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
const USERS = Array.from({ length: 8 }, (_, number) => `user${String(number)}`)
const [ANN = '', BOB = '', CY = '', DEE = '', EVE = ''] = USERS
const LIMITS: Partial<ShardLimits> = { blobHoldMs: HOUR_MS, uploadAgeMs: 2 * HOUR_MS }

const ENVIRONMENT = shardEnvironment(configOf({}), SYSTEM_CLOCK, SILENT_LOG)

type Harness = ShardHarness | ShardsHarness

/** Who finds what where. */
interface Find {
  readonly user: string
  readonly place: BlobPlace
  readonly blob: Blob
}

interface Past {
  readonly one: ShardHarness
  /** What it had stored when something was still to be released. */
  readonly stored: MemoryEngine
  readonly finds: readonly Find[]
  readonly devices: readonly TestDevice[]
  readonly underWay: Upload
  /** Messages that carry something, of whom and where. */
  readonly messages: readonly { readonly device: TestDevice, readonly to: string, readonly seq: number }[]
}

async function has(engine: Engine, range: KeyRange): Promise<boolean> {
  return (await engine.range({ ...range, limit: 1 })).length > 0
}

/** Pictures in pairs, notes, a group and profiles; some in several places, some of several users; uploads; and what is still to be done. */
async function past(): Promise<Past> {
  const disks: MemoryEngine[] = []
  const one: ShardHarness = new ShardHarness({ limits: LIMITS, afterCommit: () => {
    if (isWatching && one.engine instanceof MemoryEngine) disks.push(one.engine.copy())
  } })
  let isWatching = false
  await one.addUsers(...USERS)
  const devices: TestDevice[] = []
  for (const user of USERS) devices.push(await one.attach(user))
  const [ann, bob, cy] = devices as [TestDevice, TestDevice, TestDevice]
  await createGroup(one, ANN, [BOB, CY, DEE, EVE])
  const { blobs } = one.router
  assert.ok(blobs !== null)
  const finds: Find[] = []
  const messages: { device: TestDevice, to: string, seq: number }[] = []
  const say = async (device: TestDevice, to: string, ...sent: readonly Blob[]): Promise<number> => {
    const seq = await sendBlobs(device, to, sent)
    messages.push({ device, to, seq })
    const readers = to === SKIING ? [BOB, CY, DEE, EVE] : [to]
    for (const blob of sent) {
      for (const user of readers) finds.push({ user, place: { kind: 'message', conversation: to === SKIING ? SKIING : device.user, seq, id: blob.content.hash }, blob })
      finds.push({ user: device.user, place: { kind: 'own', id: blob.content.hash }, blob })
    }
    return seq
  }
  // One in many places, which are at home in all shards; another twice in each.
  const [beach, hut, badge] = [await one.upload(ANN, 'beach'), await one.upload(ANN, 'hut'), await one.upload(ANN, 'badge', { renditions: SQUARES })]
  for (const to of [...USERS, SKIING]) await say(ann, to, beach)
  for (const to of USERS.slice(0, 4)) await say(ann, to, beach, hut)
  // The same content of somebody else, who has kept it.
  await blobs.keep(BOB, ANN, 1, beach.content.hash)
  for (const to of USERS.slice(2)) await say(bob, to, beach)
  await one.router.profiles.changeProfile(ANN, { picture: badge.content.hash })
  for (const user of USERS) finds.push({ user, place: { kind: 'profile', user: ANN }, blob: badge })
  await one.router.groups.change(ANN, SKIING, { kind: 'info', picture: badge.content.hash })
  finds.push(...[BOB, CY, DEE].map((user): Find => ({ user, place: { kind: 'group', group: SKIING }, blob: badge })))
  // What nothing but a message carries.
  await one.pass(2 * HOUR_MS)
  // Held for an hour from now, in no message.
  const fresh = await one.upload(DEE, 'fresh')
  finds.push({ user: DEE, place: { kind: 'own', id: fresh.content.hash }, blob: fresh })
  const opened = await blobs.openUpload(EVE, { size: 1000, hash: hashOf('half'), type: 'image/png', strip: false, picture: false })
  assert.ok('upload' in opened)
  const seq = await sendBlobs(cy, EVE, [await one.upload(CY, 'slope')])
  isWatching = true
  cy.operate(EVE, seq, OPERATION.delete)
  await one.pass(1000)
  isWatching = false
  for (const stored of disks) {
    if (!await has(stored, releases(null))) continue
    await settle(new ShardStores([stored]), ENVIRONMENT)
    return { one, stored, finds, devices, underWay: opened.upload, messages }
  }
  assert.fail('nothing was to be released')
}

async function several({ one, stored }: Past, shards: number): Promise<{ harness: ShardsHarness, rows: ReadonlyMap<string, number> }> {
  const engines = Array.from({ length: shards }, () => new MemoryEngine())
  const rows = await splitData(new ShardStores([stored]), new ShardStores(engines))
  await audit(engines, one.blobs.objects, shards)
  const harness = new ShardsHarness({ shards, engines, keepsBlobs: true, limits: LIMITS })
  harness.blobs.put(...one.blobs.objects)
  harness.time.nowMs = one.nowMs
  await harness.settle()
  return { harness, rows }
}

/** All that a shard says of blobs is so, and what they say of each other. */
async function audit(engines: readonly MemoryEngine[], objects: ReadonlySet<string>, shards: number): Promise<readonly Audit[]> {
  if (shards === 1) return [await auditBlobs(engines[0]!.copy(), new Set(objects))]
  const audits = await auditShards(engines.map((engine) => engine.copy()), new Set(objects))
  checkShares(audits, (name) => homeOf({ shardOf: evenTable(shards) }, name))
  return audits
}

async function mustFind({ router }: { readonly router: Router }, finds: readonly Find[]): Promise<void> {
  for (const { user, place, blob } of finds) {
    const found = await router.blobs?.find(user, place)
    assert.deepEqual(found?.content, blob.content, `${user} ${JSON.stringify(place)}`)
    assert.deepEqual((await router.blobs?.blob(blob.content.hash))?.content, blob.content)
  }
}

function usages({ router }: Harness): Promise<unknown> {
  return Promise.all(USERS.map(async (user) => router.blobs?.usage(user)))
}

for (const shards of [2, 3, 16]) {
  test(`[BLB-13] [BLB-14] [BLB-16] [BLB-17] what one shard had of blobs ${String(shards)} have, and all of it goes in the end`, async () => {
    const before = await past()
    const { one, finds, underWay } = before
    const { harness, rows } = await several(before, shards)
    assert.ok((rows.get('blob') ?? 0) >= 4 && (rows.get('user holding') ?? 0) >= 5 && (rows.get('releases') ?? 0) >= 1 && rows.get('uploads') !== undefined)
    await one.pass(1000)
    await harness.pass(5000)
    await mustFind(harness, finds)
    assert.deepEqual(await usages(harness), await usages(one))
    await audit(harness.engines, harness.blobs.objects, shards)

    // The upload goes on where it was.
    const { blobs } = harness.router
    assert.ok(blobs !== null)
    assert.equal((await blobs.upload(underWay.id))?.user, EVE)
    const half = blobOf('half', underWay.key)
    assert.ok(await blobs.storing(underWay.id, objectsOf(half)))
    harness.blobs.put(...objectsOf(half))
    assert.ok(await blobs.finishUpload(underWay.id, half) !== null)
    const devices: TestDevice[] = []
    for (const device of before.devices) devices.push(await harness.reattach(device))
    const byUser = new Map(devices.map((device) => [device.user, device]))
    // A day later only what something carries is there: what was held for its time alone is gone.
    await harness.pass(DAY_MS)
    assert.equal(await blobs.blob(hashOf('fresh')), null)
    await mustFind(harness, finds.filter(({ blob }) => blob.content.hash !== hashOf('fresh')))
    await audit(harness.engines, harness.blobs.objects, shards)

    // Under client ids that no earlier life of the device has used.
    for (const [at, { device: { user }, to, seq }] of before.messages.entries()) byUser.get(user)?.operate(to, seq, OPERATION.delete, '', 1000 + at)
    await harness.pass(5000)
    await harness.router.profiles.changeProfile(ANN, { picture: '' })
    await harness.router.groups.change(ANN, SKIING, { kind: 'info', picture: '' })
    await harness.pass(DAY_MS)
    assert.deepEqual([...harness.blobs.objects], [])
    assert.deepEqual(await Promise.all(USERS.map(async (user) => (await blobs.usage(user)).used)), USERS.map(() => 0))
    await audit(harness.engines, harness.blobs.objects, shards)
    for (const engine of harness.engines) for (const range of [blobCopies(), visitorHoldings(), erases()]) assert.equal(await has(engine, range), false)
  })
}

test('what is to be erased is erased by one of the shards', async () => {
  const before = await past()
  const { one } = before
  one.blobs.failure = new Error('the store is away')
  await one.upload(BOB, 'gone')
  await one.pass(DAY_MS)
  assert.ok(one.engine instanceof MemoryEngine && await has(one.engine, erases()))
  const { harness } = await several({ ...before, stored: one.engine.copy() }, 3)
  await harness.pass(HOUR_MS)
  for (const engine of harness.engines) assert.equal(await has(engine, erases()), false)
  const named = new Set(before.finds.flatMap(({ blob }) => objectsOf(blob)))
  for (const object of harness.blobs.objects) assert.ok(named.has(object))
})

const SEEDS = 12
const STEPS = 60

test('[BLB-13] [BLB-14] whatever was before, the shards have what those before had, and nothing is left that nobody names', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const [before, after] = [1 + seed % 3, 1 + Math.floor(seed / 3) % 4]
    const life = new BlobLife(seed, { shards: before })
    await life.begin()
    for (let step = 0; step < STEPS + seed; step++) await life.step()
    const { blobs: store, nowMs } = life.harness
    const from = new ShardStores(life.harness.disks())
    life.stop()
    await settle(from, { ...ENVIRONMENT, clock: { nowMs: () => nowMs } })
    const engines = Array.from({ length: after }, () => new MemoryEngine())
    await splitData(from, new ShardStores(engines))
    await audit(engines, store.objects, after)
    const harness = startedOn(engines, life.harness.limits)
    harness.blobs.put(...store.objects)
    setTime(harness, nowMs)
    await harness.pass(3 * DAY_MS)
    const audits = await audit(disksOf(harness), harness.blobs.objects, after)
    const named = new Set(audits.flatMap(({ blobs, homes }) => [...blobs.values(), ...[...homes.values()].flat()]).flatMap(({ blob }) => objectsOf(blob)))
    const late = [...harness.blobs.objects].filter((object) => !named.has(object))
    assert.deepEqual(late, [], `seed ${String(seed)}`)
  }
})

function startedOn(engines: readonly MemoryEngine[], limits: Partial<ShardLimits>): Harness {
  if (engines.length === 1) return new ShardHarness({ engine: engines[0]!, limits })
  return new ShardsHarness({ shards: engines.length, engines, keepsBlobs: true, limits, presence: { renewMs: HOUR_MS } })
}

function setTime(harness: Harness, nowMs: number): void {
  if (harness instanceof ShardHarness) harness.nowMs = nowMs
  else harness.time.nowMs = nowMs
}

function disksOf(harness: Harness): readonly MemoryEngine[] {
  return harness instanceof ShardsHarness ? harness.engines : [harness.engine as MemoryEngine]
}

/** A shard of several whose rows come out otherwise than they went in. */
function faulty(target: MemoryEngine, spoil: (key: Uint8Array, row: Uint8Array) => Uint8Array | null): Engine {
  return new Proxy(target, {
    get: (of, name): unknown => {
      if (name !== 'batch') {
        const value: unknown = Reflect.get(of, name, of)
        return typeof value === 'function' ? value.bind(of) : value
      }
      return () => {
        const batch = of.batch()
        const put = batch.put.bind(batch)
        batch.put = (key, row) => {
          const spoilt = spoil(key, row)
          if (spoilt !== null) put(key, spoilt)
        }
        return batch
      }
    },
  })
}

test('a row of a blob, or of who holds it, that is lost is noticed', async () => {
  const { stored } = await past()
  for (const range of [blobCopies(), visitorHoldings()]) {
    const loses = (key: Uint8Array, row: Uint8Array): Uint8Array | null => Buffer.compare(key, range.gte) > 0 && Buffer.compare(key, range.lt) < 0 ? null : row
    await assert.rejects(splitData(new ShardStores([stored]), new ShardStores([new MemoryEngine(), faulty(new MemoryEngine(), loses)])), /missing, doubled or changed/)
  }
  const losesHomes = (key: Uint8Array, row: Uint8Array): Uint8Array | null => [hashOf('beach'), hashOf('hut')].some((id) => blobKeys(id).home().equals(key)) ? null : row
  await assert.rejects(splitData(new ShardStores([stored]), new ShardStores([0, 1].map(() => faulty(new MemoryEngine(), losesHomes)))), /missing, doubled or changed: .*blob/)
})
