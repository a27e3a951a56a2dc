import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Feed } from './feed.js'
import { loadConversation } from './loader.js'
import { Residents } from './residents.js'
import { Resident } from './resident.js'
import { storedMessages } from '../testing/entries.js'
import { ShardHarness } from '../testing/shard-harness.js'

void test('[MSG-3] [MSG-6] [RCP-8] with room for one user and one conversation in memory everything goes on as with all of them', async () => {
  const harness = new ShardHarness({ limits: { residentUsersMax: 1, residentConversationsMax: 1, checkpointEvery: 3 } })
  const names = ['ann', 'bob', 'cy', 'dan']
  await harness.addUsers(...names)
  const ann = await harness.attach('ann')
  for (let round = 0; round < 10; round++) {
    for (const to of names) ann.send(to, String(round))
    if (round % 4 === 0) await harness.settle()
  }
  await harness.settle()
  assert.equal(ann.acks.length, 40)
  for (const to of names.slice(1)) {
    const device = await harness.attach(to)
    assert.deepEqual(device.texts, Array.from({ length: 10 }, (_, i) => String(i)))
    assert.equal((await harness.router.conversations(to, '', 10)).conversations[0]?.unread, 10)
    device.detach()
  }
  for (const [i, to] of names.entries()) ann.send(to, '0', i + 1)
  await harness.settle()
  const sorted = (acks: typeof ann.acks): typeof ann.acks => acks.sort((one, other) => one.clientId - other.clientId)
  assert.deepEqual(sorted(ann.acks.slice(40)), sorted(ann.acks.slice(0, 40)).slice(0, 4))
})

void test('however many states are loaded in one turn, those beyond the limit go again', async () => {
  const tasks: (() => void)[] = []
  const residents = new Residents<Resident>(10, (name) => Promise.resolve(new Resident(name)), () => true, (task) => tasks.push(task))
  await Promise.all(Array.from({ length: 5000 }, (_, i) => residents.load(String(i))))
  assert.equal(residents.size, 5000)
  let turns = 0
  for (let task = tasks.shift(); task !== undefined; task = tasks.shift(), turns++) task()
  assert.equal(residents.size, 10)
  assert.ok(turns < 20)
})

void test('states in use stay, and a sweep that finds no other ends', async () => {
  const tasks: (() => void)[] = []
  const residents = new Residents<Resident>(1, (name) => Promise.resolve(new Resident(name)), () => false, (task) => tasks.push(task))
  await Promise.all(Array.from({ length: 100 }, (_, i) => residents.load(String(i))))
  for (let task = tasks.shift(), turns = 0; task !== undefined; task = tasks.shift()) {
    task()
    assert.ok(++turns < 20)
  }
  assert.equal(residents.size, 100)
  residents.close()
  assert.equal(residents.size, 0)
})

void test('[FLW-1] a session that writes to any number of names keeps a bounded number of routes', async () => {
  const harness = new ShardHarness({ limits: { residentUsersMax: 10, residentConversationsMax: 10 } })
  await harness.addUsers('ann')
  const ann = await harness.attach('ann')
  for (let i = 0; i < 1000; i++) {
    ann.send(`nobody${String(i)}`, 'hello')
    if (i % 100 !== 99) continue
    await harness.settle()
    // Once more, when all of them are in memory or have just left it.
    ann.send(`nobody${String(i)}`, 'hello')
    await harness.settle()
  }
  const feed = ann.attached.attachment
  assert.ok(feed instanceof Feed)
  assert.equal(ann.refusals.length, 1010)
  assert.ok(feed.routes.size <= 256)
  assert.ok(harness.shard.users.size <= 12, String(harness.shard.users.size))
})

void test('[FLW-1] a session that writes to more conversations than it keeps routes for loses none of them', async () => {
  const harness = new ShardHarness()
  const names = Array.from({ length: 300 }, (_, i) => `u${String(i)}`)
  await harness.addUsers('ann', ...names)
  const ann = await harness.attach('ann')
  for (let round = 0; round < 3; round++) {
    for (const name of names) ann.send(name, String(round))
    await harness.settle()
  }
  const feed = ann.attached.attachment
  assert.ok(feed instanceof Feed)
  assert.ok(feed.routes.size <= 256)
  assert.equal(ann.acks.length, 900)
  assert.equal((await harness.router.history('ann', 'u0', { limit: 10 })).tail, 3)
})

void test('[FLW-1] [MSG-3] a device that takes up ever new epochs makes no conversation remember them all, nor its peer\'s forgotten', async () => {
  const harness = new ShardHarness({ limits: { checkpointEvery: 4 } })
  await harness.addUsers('ann', 'bob')
  const bob = await harness.attach('bob')
  bob.send('ann', 'first')
  await harness.settle()
  for (let i = 0; i < 200; i++) {
    const anew = await harness.attach('ann')
    anew.send('bob', String(i), 1)
    await harness.settle()
  }
  await harness.restart()
  const { writers, tail } = await loadConversation(harness.engine, 'ann:bob')
  assert.equal(tail, 201)
  assert.ok(writers.size <= 64 + 1 + 4, `${String(writers.size)} writers`)
  const again = await harness.reattach(bob, 0)
  again.send('ann', 'first', 1)
  await harness.settle()
  assert.deepEqual(again.acks, bob.acks)
})

void test('a session whose outbox was forgotten is remembered again from its next message on', async () => {
  const harness = new ShardHarness({ limits: { checkpointEvery: 1 } })
  await harness.addUsers('ann', 'bob')
  const [ann, bob] = [await harness.attach('ann'), await harness.attach('bob')]
  ann.send('bob', 'old')
  await harness.settle()
  await harness.pass(61 * 86_400_000)
  bob.send('ann', 'new')
  await harness.settle()
  ann.send('bob', 'new')
  await harness.settle()
  const stored = await loadConversation(harness.engine, 'ann:bob')
  assert.deepEqual([...stored.writers.values()].map(({ user, lastClientId }) => [user, lastClientId]), [['bob', 1], ['ann', 2]])
  assert.equal(await storedMessages(harness.engine, 'ann:bob'), 3)
})
