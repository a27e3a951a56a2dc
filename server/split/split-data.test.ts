/** A server with one shard is split, and everybody goes on as if nothing had been. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, OPERATION } from '../../protocol/generated/registry.js'
import { blobCopyKey, blobKeys, endKey, visitorHoldingKey } from '../../storage/blob-keys.js'
import { channelTakenKey, visitorKey } from '../../storage/channel-keys.js'
import type { Engine } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { changeGroup, createGroup, naming, SKIING } from '../testing/groups.js'
import { ShardHarness, type TestDevice, tokenHash } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { Refusal } from './refusal.js'
import { ShardStores } from './shard-stores.js'
import { splitData } from './split-data.js'

const HOUR_MS = 3_600_000
const USERS = Array.from({ length: 12 }, (_, number) => `user${String(number)}`)
/** One is disabled, and one removed. */
const [DISABLED, REMOVED] = ['user7', 'user8']
const LEFT = USERS.filter((user) => user !== REMOVED)
const [ANN = '', BOB = '', CY = '', DEE = '', EVE = ''] = USERS

/** What everybody may see, as they see it. */
async function viewOf(harness: ShardHarness | ShardsHarness): Promise<unknown> {
  const { router } = harness
  return Promise.all(LEFT.map(async (user) => {
    const { conversations } = await router.conversations(user, '', 100)
    const details = await Promise.all(conversations.map(async ({ conversation, group }) => ({
      history: await router.history(user, conversation, { limit: 100 }),
      receipts: group?.role === 'former' ? null : await router.receipts(user, conversation),
      timerMs: group?.role === 'former' ? 0 : await router.timers.get(user, conversation),
    })))
    const devices = (await router.devices(user)).map(({ device, name, createdMs }) => ({ device, name, createdMs }))
    return {
      conversations, details, devices, account: await router.account(user), settings: await router.settings(user), privacy: await router.privacy(user),
      contacts: await router.profiles.contacts(user, { after: '', since: null, limit: 100 }),
      found: (await router.search(user, { text: 'hello', limit: 50 })).results.map(({ conversation, message }) => [conversation, message.seq]),
    }
  }))
}

/** Pairs and a group with a past, and queues with something in them. */
async function past(): Promise<{ harness: ShardHarness, devices: TestDevice[], away: TestDevice }> {
  const harness = new ShardHarness({ limits: { searchEnabled: true }, blobs: null })
  await harness.addUsers(...USERS)
  const devices: TestDevice[] = []
  for (const user of USERS) devices.push(await harness.attach(user))
  for (const device of devices) device.acknowledgesAtOnce = true
  const away = await harness.attach(BOB, 'tablet')
  for (const device of devices) for (const user of USERS) device.send(user, `hello ${user}, this is ${device.user}`)
  await createGroup(harness, ANN, [BOB, CY, DEE, EVE])
  await harness.settle()
  const [ann, bob, cy] = devices as [TestDevice, TestDevice, TestDevice]
  ann.send(SKIING, 'hello all')
  bob.send(SKIING, 'who comes along?')
  await harness.pass(1000)
  ann.operate(BOB, 1, OPERATION.react, '👍')
  bob.mark(ANN, 1)
  cy.mark(SKIING, 2)
  await changeGroup(harness, ANN, naming('remove', EVE))
  await harness.router.timers.set(ANN, CY, HOUR_MS)
  ann.send(CY, 'this one goes')
  await harness.router.profiles.block(CY, DEE)
  await harness.router.profiles.setContact(ANN, BOB, 'Bobby')
  await harness.router.profiles.report(BOB, { conversation: ANN, reason: 'spam', blocks: false })
  await harness.router.profiles.report(CY, { conversation: ANN, reason: 'spam', blocks: false })
  await harness.router.changeSettings(DEE, { readReceipts: false })
  await harness.router.setDisabled(DISABLED, true)
  await harness.router.removeUser(REMOVED)
  await harness.pass(5000)
  away.detach()
  for (let number = 0; number < 20; number++) ann.send(BOB, `late ${String(number)}`)
  await harness.pass(5000)
  await harness.shard.close()
  return { harness, devices, away }
}

async function splitInto(harness: ShardHarness, shards: number): Promise<{ engines: MemoryEngine[], rows: ReadonlyMap<string, number> }> {
  const engines = Array.from({ length: shards }, () => new MemoryEngine())
  const rows = await splitData(new ShardStores([stored(harness)]), new ShardStores(engines))
  return { engines, rows }
}

function stored(harness: ShardHarness): MemoryEngine {
  const { engine } = harness
  assert.ok(engine instanceof MemoryEngine)
  return engine.copy()
}

for (const shards of [2, 3, 16]) {
  test(`[MSG-1] [QUE-2] [QUE-8] what one shard had ${String(shards)} have, and every device goes on where it was`, async () => {
    const { harness: one, devices, away } = await past()
    const { engines, rows } = await splitInto(one, shards)
    assert.ok(rows.get('user account') === USERS.length && rows.get('names') === LEFT.length && (rows.get('reports') ?? 0) === 2)
    one.crash()
    const several = new ShardsHarness({ shards, engines, limits: { searchEnabled: true } })
    several.time.nowMs = one.nowMs
    await several.settle()
    assert.deepEqual(await viewOf(several), await viewOf(one))
    assert.deepEqual((await several.router.users('', 100)).users.map(({ user }) => user), [...LEFT].sort())
    const { reports } = await several.router.profiles.reports(0, 10)
    assert.deepEqual(reports.map(({ reporter }) => reporter).sort(), [BOB, CY])
    assert.equal(await several.router.checkToken(BOB, 'tablet', tokenHash(1)), 'valid')

    const tablet = await several.reattach(away)
    assert.equal(tablet.attached.resume, 1)
    await several.pass(1000)
    assert.deepEqual(tablet.texts.slice(-20), Array.from({ length: 20 }, (_, number) => `late ${String(number)}`))
    const again: TestDevice[] = []
    for (const device of devices) {
      if (device.user === DISABLED || device.user === REMOVED) continue
      again.push(await several.reattach(device))
      assert.equal(again.at(-1)!.attached.resume, 1, device.user)
    }
    const [ann, bob, cy] = again as [TestDevice, TestDevice, TestDevice]
    // What was accepted is known, under its client id, wherever the conversation is now.
    ann.send(BOB, `hello ${BOB}, this is ${ANN}`, 2)
    ann.send(BOB, 'and now?', 1000)
    cy.send(SKIING, 'me', 1000)
    cy.send(DEE, 'no', 1001)
    await several.pass(5000)
    assert.deepEqual(ann.acks.map(({ clientId }) => clientId), [2, 1000])
    assert.ok(ann.acks[0]!.seq <= 2)
    assert.deepEqual(bob.texts.slice(-2).sort(), ['and now?', 'me'])
    assert.deepEqual(cy.refusals.map(({ clientId, error }) => [clientId, error]), [[1001, ERROR.contactBlocked]])
    // Whoever has turned receipts off tells none, wherever it is asked.
    const dee = again.find(({ user }) => user === DEE)!
    dee.mark(ANN, 1)
    await several.pass(1000)
    assert.deepEqual((await several.router.receipts(ANN, DEE)).map(({ read }) => read), [0])
  })
}

test('rows that belong nowhere, and those of several shards, are refused', async () => {
  const refused = async (key: Uint8Array): Promise<unknown> => {
    const from = new MemoryEngine()
    const batch = from.batch()
    batch.put(userKeys('ann').lastSeen(), Buffer.of(1))
    batch.put(key, Buffer.of(1))
    await from.commit(batch)
    return splitData(new ShardStores([from]), new ShardStores([new MemoryEngine(), new MemoryEngine()])).catch((error: unknown) => error)
  }
  const ofSeveral = [blobKeys('abc').home(), blobCopyKey('abc'), visitorHoldingKey('ann', 'abc'), visitorKey('ann'), channelTakenKey(1), endKey(1, 'loan', 'abc/1')]
  for (const key of ofSeveral) assert.ok(await refused(key) instanceof Refusal)
  assert.match(String(await refused(Buffer.from('ffff7a01', 'hex'))), /unknown table/)
  assert.match(String(await refused(Buffer.concat([Buffer.from('ffff6d', 'hex'), Buffer.from('what')]))), /does not know: what/)
})

test('a store that loses a row, or changes one, is noticed', async () => {
  const { harness } = await past()
  for (const fault of ['lose', 'change'] as const) {
    const engines = [new MemoryEngine(), new MemoryEngine()]
    let puts = 0
    const faulty: Engine = new Proxy(engines[1]!, {
      get: (target, name): unknown => {
        if (name !== 'batch') {
          const value: unknown = Reflect.get(target, name, target)
          return typeof value === 'function' ? value.bind(target) : value
        }
        return () => {
          const batch = target.batch()
          const put = batch.put.bind(batch)
          batch.put = (key, value) => {
            puts++
            if (puts !== 40) put(key, value)
            else if (fault === 'change') put(key, Buffer.concat([value, Buffer.of(0)]))
          }
          return batch
        }
      },
    })
    await assert.rejects(splitData(new ShardStores([stored(harness)]), new ShardStores([engines[0]!, faulty])), /rows are missing, doubled or changed/)
  }
})
