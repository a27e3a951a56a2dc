/** What a shard does by itself while another one is away, and what comes of it when that is back. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { KEPT_LIST, userKeys } from '../../storage/user-keys.js'
import { RouterError } from '../router/router.js'
import { Accounts } from '../shard/accounts.js'
import { routerError } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { groupRig, NEW_GROUP, pairRig } from '../testing/shards-rigs.js'

/** Beyond what an answer waits for other shards. */
const LONG_MS = 15_000

void test('[PRF-12] [PRS-17] a block that the home of the conversation has not confirmed counts for presence, and holds up no other change', async () => {
  const { harness, one, other, friend } = await pairRig({}, [0, 0, 1])
  const third = harness.userAt(0, [one, other])
  await harness.addUsers(third)
  friend.watch(one)
  await harness.settle()
  assert.deepEqual(friend.seen(), [`${one} online`])
  harness.cutOff.add(1)
  const isRefused = assert.rejects(harness.router.profiles.block(one, other), routerError(ERROR.storageUnavailable))
  await harness.settle()
  assert.deepEqual(friend.seen(), [`${one} offline`])
  // Which would wait for ever, since no time passes.
  await harness.router.profiles.changeProfile(one, { name: 'One' })
  await harness.pass(LONG_MS)
  await isRefused
})

void test('[PRF-10] a block that the store of its user fails under is given to no channel of the life before', async () => {
  const { harness, one, other } = await pairRig()
  const engine = harness.engines[0]!
  const [get, commit] = [engine.get.bind(engine), engine.commit.bind(engine)]
  const held: (() => void)[] = []
  const item = userKeys(one).listItem(KEPT_LIST.blocked, other)
  engine.get = async (key) => {
    if (item.equals(key)) await new Promise<void>((resolve) => { held.push(resolve) })
    return get(key)
  }
  const isBlocked = harness.router.profiles.block(one, other).catch(() => undefined)
  await harness.settle()
  assert.notEqual(held.length, 0)
  engine.get = get
  engine.commit = () => Promise.reject(new Error('planted: input/output error'))
  await assert.rejects(harness.router.changeSettings(one, { readReceipts: false }))
  engine.commit = commit
  await harness.pass(60_000)
  for (const release of held) release()
  await harness.pass(1000)
  await isBlocked
  await harness.router.profiles.setContact(one, other, 'Other')
  await harness.router.profiles.unblock(one, other)
  assert.ok(!harness.events.some((event) => event.startsWith('a channel is stopped')))
})

void test('an account that is removed while another shard is away keeps nothing', async () => {
  const { harness, one, other, phone, friend } = await pairRig({}, [0, 0, 0])
  phone.send(other, 'hello')
  await harness.router.profiles.setContact(other, one, 'One')
  await harness.settle()
  phone.watch(other)
  await harness.settle()
  phone.seen()
  harness.cutOff.add(2)
  const isRefused = assert.rejects(harness.router.removeUser(other), routerError(ERROR.storageUnavailable))
  await harness.settle()
  assert.equal(friend.endedWith, ERROR.accountRemoved)
  assert.deepEqual(phone.seen(), [`${other} offline`])
  const keys = userKeys(other)
  for (const range of [keys.entries(0), keys.keptLists()]) assert.deepEqual(await harness.engines[0]!.range({ ...range, limit: 10 }), [])
  await harness.pass(LONG_MS)
  await isRefused
})

void test('an account whose removal is refused at the last moment is one for all shards', async () => {
  const { harness, one, other, phone } = await pairRig()
  phone.send(other, 'hello')
  await harness.settle()
  const refused = new RouterError(ERROR.conflict, 'the test has it so')
  await assert.rejects(new Accounts(harness.routers[1]!.shard).removeUser(other, () => { throw refused }), routerError(ERROR.conflict))
  await harness.settle()
  phone.send(other, 'still there?')
  await harness.settle()
  assert.deepEqual([phone.acks.length, phone.refusals], [2, []], one)
})

void test('[GRP-12] an account that is removed leaves groups whose home is away, too', async () => {
  const { harness, group, owner, members } = await groupRig()
  const [, , gone = '', ...others] = members
  harness.cutOff.add(0)
  const isRefused = assert.rejects(harness.router.removeUser(gone), routerError(ERROR.storageUnavailable))
  await harness.pass(LONG_MS)
  await isRefused
  assert.equal(await harness.router.account(gone), null)
  harness.cutOff.clear()
  await harness.pass(LONG_MS)
  const { inside } = await harness.router.groups.details(owner, group, null)
  assert.deepEqual(inside?.members.map(({ user }) => user), [owner, ...members.slice(0, 2), ...others])
})

void test('[GRP-12] a group that takes somebody in, or invites it, while its account is being removed does not keep it', async () => {
  for (const kind of ['add', 'invite'] as const) {
    const { harness, group, owner } = await groupRig()
    const late = harness.userAt(2, ['someone0', 'someone1', 'someone2', 'someone3', 'someone4', 'someone5', 'someone6', 'someone7', 'someone8', 'someone9'])
    await harness.addUsers(late)
    harness.hold(0, 2)
    await harness.router.groups.change(owner, group, { kind, users: [late] })
    const isRemoved = harness.router.removeUser(late)
    await harness.settle()
    harness.hold(0, 2, false)
    await harness.pass(LONG_MS)
    await isRemoved
    const { inside } = await harness.router.groups.details(owner, group, null)
    assert.deepEqual([inside?.members.length, inside?.guests], [5, []], kind)
  }
})

void test('[GRP-8] a group that is on its way to the disk counts', async () => {
  const harness = new ShardsHarness()
  const [owner, member] = [harness.userAt(0), harness.userAt(1)]
  await harness.addUsers(owner, member)
  const engine = harness.engines[1]!
  const commit = engine.commit.bind(engine)
  const held: (() => void)[] = []
  engine.commit = async (batch) => {
    await new Promise<void>((resolve) => { held.push(resolve) })
    return commit(batch)
  }
  await harness.router.groups.create(owner, harness.groupAt(0), { ...NEW_GROUP, users: [member] })
  await harness.settle()
  assert.equal(held.length, 1)
  const counts = harness.routers[1]!.groups.counts(member)
  await harness.settle()
  engine.commit = commit
  for (const release of held) release()
  assert.deepEqual(await counts, { member: 1, guest: 0 })
  assert.deepEqual(await harness.routers[1]!.groups.counts(member), { member: 1, guest: 0 })
})
