/** What groups have read from the store, and how much of it stays in memory. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { element } from '../../protocol/element.js'
import { ERROR, MARK, OPERATION } from '../../protocol/generated/registry.js'
import { changeGroup, createGroup, naming, SKIING } from '../testing/groups.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'

/** Counts what is read from now on, and makes it take a while. */
function slowReads(harness: ShardHarness): () => number {
  let reads = 0
  const range = harness.engine.range.bind(harness.engine)
  harness.engine.range = async (request) => {
    reads++
    await turn()
    await turn()
    return range(request)
  }
  return () => reads
}

async function answered(devices: readonly TestDevice[], turns: number): Promise<number> {
  const count = (): number => devices.filter(({ acks, refusals }) => acks.length + refusals.length > 0).length
  for (let i = 0; i < turns && count() < devices.length; i++) await turn()
  return count()
}

test('a group with more members than have room in memory can be used, and each of them is read once for it', async () => {
  const harness = new ShardHarness({ limits: { residentUsersMax: 100 } })
  const names = Array.from({ length: 150 }, (_, i) => `user${String(i)}`)
  await harness.addUsers('alice', ...names)
  await createGroup(harness, 'alice', names)
  await harness.restart()
  const alice = await harness.attach('alice')
  const reads = slowReads(harness)
  alice.send(SKIING, 'hello')
  assert.equal(await answered([alice], 500), 1)
  assert.ok(reads() <= 2 * names.length + 5, `${String(reads())} reads`)
})

for (const [residentUsersMax, online, groups] of [[100, 120, 1], [100, 120, 6], [50, 10, 4]] as const) {
  const room = `room for ${String(residentUsersMax)} users beside ${String(online)} online`
  test(`${String(groups)} groups that nobody has used lately get their messages at once, with ${room}`, async () => {
    const harness = new ShardHarness({ limits: { residentUsersMax } })
    const present = Array.from({ length: online }, (_, i) => `on${String(i)}`)
    await harness.addUsers(...present)
    for (let g = 0; g < groups; g++) {
      const members = Array.from({ length: 80 }, (_, i) => `g${String(g)}-${String(i)}`)
      await harness.addUsers(...members)
      await createGroup(harness, present[g]!, members, {}, `#g${String(g)}`)
    }
    await harness.restart()
    const devices = await Promise.all(present.map((name) => harness.attach(name)))
    const reads = slowReads(harness)
    for (let g = 0; g < groups; g++) devices[g]!.send(`#g${String(g)}`, 'hello')
    assert.equal(await answered(devices.slice(0, groups), 1000), groups)
    assert.ok(reads() <= groups * (2 * 80 + 5), `${String(reads())} reads`)
  })
}

test('[GRP-4] a stranger is refused without the members being read, whatever it asks for', async () => {
  const harness = new ShardHarness()
  const names = Array.from({ length: 50 }, (_, i) => `user${String(i)}`)
  await harness.addUsers('alice', 'mallory', ...names)
  await createGroup(harness, 'alice', names)
  await harness.restart()
  const mallory = await harness.attach('mallory')
  const reads = slowReads(harness)
  mallory.send(SKIING, 'hi')
  mallory.mark(SKIING, 1, MARK.read)
  mallory.operate(SKIING, 1, OPERATION.react, '👍')
  for (let i = 0; i < 50 && mallory.refusals.length < 3; i++) await turn()
  assert.deepEqual(mallory.refusals.map(({ error }) => error), Array(3).fill(ERROR.noSuchConversation))
  const { groups } = harness.router
  const victims = names.concat(Array.from({ length: 100 }, (_, i) => `victim${String(i)}`))
  await assert.rejects(groups.details('mallory', SKIING, null), routerError(ERROR.noSuchConversation))
  await assert.rejects(groups.join('mallory', SKIING, 'AAAA'), routerError(ERROR.invalidLink))
  await assert.rejects(groups.makeLink('mallory', SKIING, { needsApproval: false }), routerError(ERROR.noSuchConversation))
  await assert.rejects(groups.revokeLink('mallory', SKIING, 'AAAA'), routerError(ERROR.noSuchConversation))
  await assert.rejects(createGroup(harness, 'mallory', victims), routerError(ERROR.groupTaken))
  for (const item of [naming('add', ...victims), naming('invite', ...victims), naming('remove', ...names), element('disband'), element('leave')]) {
    await assert.rejects(changeGroup(harness, 'mallory', item), routerError(ERROR.noSuchConversation))
  }
  assert.ok(reads() < 15, `${String(reads())} reads`)
})

test('[GRP-5] a member whose role does not allow a change has nobody else read for it', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  await createGroup(harness, 'alice', ['bob'])
  const reads = slowReads(harness)
  const victims = Array.from({ length: 150 }, (_, i) => `victim${String(i)}`)
  for (const kind of ['add', 'invite', 'remove']) {
    await assert.rejects(changeGroup(harness, 'bob', naming(kind, ...victims)), routerError(ERROR.notAllowed))
  }
  assert.ok(reads() < 5, `${String(reads())} reads`)
})

test('users that were let go are not held by the routes of their group and its sessions', async () => {
  const harness = new ShardHarness({ limits: { residentUsersMax: 60 } })
  const names = Array.from({ length: 50 }, (_, i) => `user${String(i)}`)
  await harness.addUsers('alice', ...names)
  await createGroup(harness, 'alice', names)
  const alice = await harness.attach('alice')
  alice.send(SKIING, 'x')
  await harness.pass(1000)
  const { shard } = harness
  const held = (): boolean[] => {
    const routes = [shard.conversations.get(SKIING)?.route, ...shard.users.get('alice')!.feeds[0]!.routes.values()]
    return routes.flatMap((route) => route?.users.map(({ alive }) => !alive) ?? [])
  }
  assert.equal(held().length, 102)
  for (let i = 0; i < 300; i++) {
    await shard.user(`nobody${String(i)}`)
    await harness.settle()
  }
  assert.equal(shard.users.get('user0'), undefined)
  assert.deepEqual(held().filter((isDead) => isDead), [])
  alice.send(SKIING, 'y')
  await harness.settle()
  assert.equal(alice.acks.length, 2)
})
