/** Presence between shards: how much goes from one to another, and what comes of what is lost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestDevice } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { pairRig, type PairRig } from '../testing/shards-rigs.js'
import { PRESENCE_LIMITS } from './limits.js'

const { delayMs, renewMs } = PRESENCE_LIMITS
/** Beyond which a home that does not answer counts as away. */
const SILENCE_MS = 5 * renewMs

/** The one watches the other, who is at home elsewhere and online. */
async function watching(): Promise<PairRig> {
  const rig = await pairRig()
  rig.phone.watch(rig.other)
  await rig.harness.settle()
  assert.deepEqual(rig.phone.seen(), [`${rig.other} online`])
  return rig
}

function counted(harness: ShardsHarness, name: string): number {
  return harness.asked.get(name) ?? 0
}

void test('a user is told of once to each shard that watches it, however many watch there', async () => {
  const { harness, one, other, phone, friend } = await watching()
  const devices = [phone]
  for (let i = 0; i < 8; i++) devices.push(await harness.attach(one, `tablet${String(i)}`))
  for (const device of devices) device.watch(other)
  await harness.settle()
  for (const device of devices) assert.deepEqual(device.seen(), [`${other} online`])
  harness.asked.clear()
  friend.detach()
  await harness.pass(delayMs)
  for (const device of devices) assert.match(device.seen().join(), /offline/)
  assert.deepEqual([counted(harness, 'presence'), counted(harness, 'watched')], [1, 0])
})

void test('a storm of logins costs a shard a request and a notice for each of the others in a turn', async () => {
  const harness = new ShardsHarness()
  const users = Array.from({ length: 60 }, (_, at) => `user${String(at)}`)
  await harness.addUsers(...users)
  const devices: TestDevice[] = []
  for (const user of users) devices.push(await harness.attach(user))
  harness.asked.clear()
  // Everybody watches everybody, in one turn.
  for (const device of devices) device.watch(...users)
  await harness.settle()
  for (const device of devices) assert.equal(device.seen().length, users.length)
  const pairs = users.length ** 2
  assert.ok(counted(harness, 'watched') <= 6 + pairs / 256, `${String(counted(harness, 'watched'))} requests`)
  assert.ok(counted(harness, 'presence') <= 6 + pairs / 256, `${String(counted(harness, 'presence'))} notices`)
  harness.asked.clear()
  for (const device of devices) device.detach()
  await harness.pass(delayMs)
  assert.ok(counted(harness, 'presence') <= 6, `${String(counted(harness, 'presence'))} notices`)
})

void test('[PRS-8] who is watched no more is told of no more, and nothing is kept of it', async () => {
  const { harness, one, other, phone, friend } = await watching()
  phone.unwatch(other)
  await harness.settle()
  harness.asked.clear()
  friend.detach()
  await harness.pass(delayMs)
  assert.equal(counted(harness, 'presence'), 0)
  assert.deepEqual(harness.routers.map(({ presence }) => presence.size), [1, 0, 0])
  phone.watch(other)
  await harness.settle()
  phone.detach()
  await harness.settle()
  assert.deepEqual(harness.routers.map(({ presence }) => presence.size), [0, 0, 0], one)
})

void test('[PRS-5] what is lost on the way is made up for', async () => {
  const { harness, other, phone, friend } = await watching()
  harness.losesNotices = true
  friend.detach()
  await harness.pass(delayMs)
  harness.losesNotices = false
  assert.deepEqual(phone.seen(), [])
  await harness.pass(3 * renewMs)
  assert.match(phone.seen().join(), new RegExp(`^${other} offline \\d+$`))
  await harness.attach(other)
  await harness.pass(delayMs)
  assert.deepEqual(phone.seen(), [`${other} online`])
})

void test('[PRS-5] what comes behind what was lost has all looked at anew', async () => {
  const { harness, one, other, phone, friend } = await watching()
  const second = harness.userAt(1, [one, other])
  await harness.addUsers(second)
  phone.watch(second)
  await harness.settle()
  phone.seen()
  harness.losesNotices = true
  await harness.attach(second)
  await harness.pass(delayMs)
  harness.losesNotices = false
  friend.detach()
  await harness.pass(renewMs)
  assert.deepEqual(phone.seen().map((line) => line.split(' ').slice(0, 2).join(' ')).sort(), [`${other} offline`, `${second} online`].sort())
})

void test('[PRS-17] who hides while a notice is lost is hidden all the same', async () => {
  const { harness, other, phone } = await watching()
  harness.losesNotices = true
  await harness.router.changePrivacy(other, { online: 'nobody', seen: 'nobody' })
  await harness.settle()
  harness.losesNotices = false
  await harness.pass(3 * renewMs)
  assert.deepEqual(phone.seen(), [`${other} offline`])
})

void test('[PRF-10] [PRS-17] a block hides at once, whoever of the two has made it', async () => {
  for (const isWatched of [true, false]) {
    const { harness, one, other, phone } = await watching()
    const [owner, blocked] = isWatched ? [other, one] : [one, other]
    await harness.router.profiles.block(owner, blocked)
    await harness.settle()
    assert.deepEqual(phone.seen(), [`${other} offline`])
    await harness.router.profiles.unblock(owner, blocked)
    await harness.settle()
    assert.deepEqual(phone.seen(), [`${other} online`])
  }
})

void test('[PRS-10] a contact of the watcher, or of the watched, counts as it is made', async () => {
  const { harness, one, other, phone } = await watching()
  await harness.router.changePrivacy(other, { online: 'contacts', seen: 'contacts' })
  await harness.router.changePrivacy(one, { online: 'contacts', seen: 'contacts' })
  await harness.settle()
  assert.deepEqual(phone.seen(), [`${other} offline`])
  await harness.router.profiles.setContact(other, one, 'One')
  await harness.settle()
  assert.deepEqual(phone.seen(), [])
  await harness.router.profiles.setContact(one, other, 'Other')
  await harness.settle()
  assert.deepEqual(phone.seen(), [`${other} online`])
})

void test('users of a shard that is away are offline, and shown again when it is back', async () => {
  const { harness, one, other, phone } = await watching()
  harness.cutOff.add(1)
  await harness.pass(SILENCE_MS)
  assert.deepEqual(phone.seen(), [`${other} offline`])
  const another = await harness.attach(one, 'tablet')
  another.watch(other)
  const second = harness.userAt(1, [one, other])
  another.watch(second)
  await harness.settle()
  assert.deepEqual([another.seen(), another.declines], [[`${other} offline`, `${second} offline`], []])
  harness.cutOff.clear()
  await harness.pass(2 * renewMs)
  for (const device of [phone, another]) assert.deepEqual(device.seen(), [`${other} online`])
})

void test('a shard that has closed tells nothing more, also where its process lives on', async () => {
  const { harness, phone, friend } = await watching()
  harness.asked.clear()
  friend.detach()
  const closed = harness.routers[1]!.shard.close()
  await harness.pass(delayMs)
  await closed
  assert.deepEqual([phone.seen(), counted(harness, 'presence')], [[], 0])
})

void test('[PRS-5] who begins to watch while a home can\'t be asked is answered when it can', async () => {
  const { harness, other, phone } = await pairRig()
  harness.cutOff.add(1)
  phone.watch(other)
  await harness.settle()
  assert.deepEqual([phone.seen(), phone.declines], [[], []])
  harness.cutOff.clear()
  await harness.pass(2 * renewMs)
  assert.deepEqual(phone.seen(), [`${other} online`])
})

for (const shard of [0, 1]) {
  void test(`shard ${String(shard)} dies, and what is watched goes on without anybody's doing`, async () => {
    const { harness, one, other, ...devices } = await watching()
    let { phone, friend } = devices
    harness.crash(shard)
    await harness.pass(3 * renewMs)
    if (shard === 0) {
      phone = await harness.reattach(phone)
      phone.watch(other)
      await harness.settle()
    } else {
      assert.match(phone.seen().join(), new RegExp(`^${other} offline`), one)
      friend = await harness.reattach(friend)
      await harness.pass(delayMs)
    }
    assert.deepEqual(phone.seen(), [`${other} online`])
    friend.detach()
    await harness.pass(delayMs)
    assert.match(phone.seen().join(), new RegExp(`^${other} offline`))
  })
}
