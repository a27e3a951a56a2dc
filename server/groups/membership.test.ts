/** Coming into a group and going: what it leaves of a group, and of those who were in it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { element } from '../../protocol/element.js'
import { ERROR, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { ConversationState } from '../shard/conversation-state.js'
import { changeGroup, createGroup, naming, SKIING } from '../testing/groups.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { readGroup, writeGroup } from './group-row.js'
import { GroupState } from './group-state.js'

async function withUsers(users: readonly string[], limits = {}): Promise<ShardHarness> {
  const harness = new ShardHarness({ limits })
  await harness.addUsers(...users)
  return harness
}

function changesTold(device: TestDevice): string[] {
  return device.frames.flatMap((frame) => frame.type === FRAME.change ? [frame.element.name] : [])
}

for (const isCold of [false, true]) {
  test(`[GRP-2] who was invited hears that the group was disbanded, ${isCold ? 'read from the store' : 'in memory'}`, async () => {
    const harness = await withUsers(['alice', 'bob'])
    await createGroup(harness, 'alice', [])
    await changeGroup(harness, 'alice', naming('invite', 'bob'))
    if (isCold) await harness.restart()
    await changeGroup(harness, 'alice', element('disband'))
    assert.deepEqual(changesTold(await harness.attach('bob')), ['invite', 'disband'])
  })

  test(`[GRP-12] with its last member a group is over: nobody comes in, and who could have is told, ${isCold ? 'read from the store' : 'in memory'}`, async () => {
    const harness = await withUsers(['alice', 'bob', 'carol'])
    await createGroup(harness, 'alice', [], { history: 'all' })
    const { code } = await harness.router.groups.makeLink('alice', SKIING, { needsApproval: false })
    await changeGroup(harness, 'alice', naming('invite', 'carol'))
    if (isCold) await harness.restart()
    assert.equal(await changeGroup(harness, 'alice', element('leave')), 4)
    await assert.rejects(harness.router.groups.join('bob', SKIING, code), routerError(ERROR.invalidLink))
    await assert.rejects(harness.router.groups.join('carol', SKIING, null), routerError(ERROR.noSuchConversation))
    await assert.rejects(harness.router.groups.details('bob', SKIING, code), routerError(ERROR.invalidLink))
    assert.deepEqual(changesTold(await harness.attach('carol')), ['invite', 'deny'])
    assert.deepEqual(changesTold(await harness.attach('alice')), ['create', 'invite', 'deny', 'leave'])
    assert.deepEqual((await harness.router.conversations('carol', '', 10)).conversations, [])
  })
}

test('[GRP-23] what somebody was in does not keep it from groups', async () => {
  const harness = await withUsers(['mallory', 'bob', 'friend'], { groupsMax: 3 })
  for (let i = 0; i < 3; i++) {
    await createGroup(harness, 'mallory', ['bob'], {}, `#g${String(i)}`)
    await changeGroup(harness, i === 0 ? 'mallory' : 'bob', i === 0 ? naming('remove', 'bob') : element('leave'), `#g${String(i)}`)
    if (i === 1) await harness.restart()
  }
  for (let i = 0; i < 3; i++) await createGroup(harness, 'friend', ['bob'], {}, `#friends${String(i)}`)
  await assert.rejects(createGroup(harness, 'bob', [], {}, '#mine'), routerError(ERROR.tooManyGroups))
  await harness.restart()
  await assert.rejects(createGroup(harness, 'bob', [], {}, '#mine'), routerError(ERROR.tooManyGroups))
  await changeGroup(harness, 'bob', element('leave'), '#friends0')
  await createGroup(harness, 'bob', [], {}, '#mine')
})

test('[GRP-23] a count of groups that a change has overtaken is not taken for the one that follows the change', async () => {
  const harness = await withUsers(['mallory', 'bob'])
  await createGroup(harness, 'mallory', ['bob'])
  await harness.restart()
  const listed = userKeys('bob').groups()
  const held: (() => void)[] = []
  const range = harness.engine.range.bind(harness.engine)
  harness.engine.range = async (request) => {
    const rows = await range(request)
    if (Buffer.compare(request.gte, listed.gte) === 0) await new Promise<void>((resolve) => { held.push(resolve) })
    return rows
  }
  const counted = [harness.router.groups.counts('bob')]
  await harness.settle()
  await changeGroup(harness, 'bob', element('leave'))
  counted.push(harness.router.groups.counts('bob'))
  await harness.settle()
  while (held.length > 0) {
    held.shift()!()
    await harness.settle()
  }
  assert.deepEqual(await Promise.all(counted), Array(2).fill({ member: 0, guest: 0 }))
})

test('[GRP-23] a count of groups is not what it was before a change that came while it waited for a commit', async () => {
  const harness = await withUsers(['mallory', 'bob'])
  await createGroup(harness, 'mallory', ['bob'])
  await harness.restart()
  const phone = await harness.attach('mallory')
  phone.send('bob', 'hello')
  await harness.settle()
  const commit = harness.engine.commit.bind(harness.engine)
  const held: (() => void)[] = []
  harness.engine.commit = async (batch) => {
    await new Promise<void>((resolve) => { held.push(resolve) })
    return commit(batch)
  }
  phone.send('bob', 'and again')
  const counted = harness.router.groups.counts('bob')
  await harness.settle()
  assert.equal(held.length, 1)
  const left = changeGroup(harness, 'bob', element('leave'))
  await harness.settle()
  while (held.length > 0) {
    held.shift()!()
    await harness.settle()
  }
  await left
  await counted
  assert.deepEqual(await harness.router.groups.counts('bob'), { member: 0, guest: 0 })
})

test('[GRP-23] invitations have a bound of their own, and do not keep one from groups', async () => {
  const harness = await withUsers(['mallory', 'mal', 'bob', 'friend'], { groupsMax: 3 })
  for (let i = 0; i < 3; i++) {
    await createGroup(harness, 'mallory', [], {}, `#g${String(i)}`)
    await changeGroup(harness, 'mallory', naming('invite', 'bob'), `#g${String(i)}`)
  }
  await createGroup(harness, 'mal', [], {}, '#h')
  await assert.rejects(changeGroup(harness, 'mal', naming('invite', 'bob'), '#h'), routerError(ERROR.tooManyGroups))
  await harness.restart()
  await assert.rejects(changeGroup(harness, 'mal', naming('invite', 'bob'), '#h'), routerError(ERROR.tooManyGroups))
  for (let i = 0; i < 2; i++) await createGroup(harness, 'friend', ['bob'], {}, `#friends${String(i)}`)
  await harness.router.groups.join('bob', '#g0', null)
  await assert.rejects(harness.router.groups.join('bob', '#g1', null), routerError(ERROR.tooManyGroups))
  await changeGroup(harness, 'mal', naming('invite', 'bob'), '#h')
})

test('[GRP-23] who asks to join more groups than it may be in is refused', async () => {
  const harness = await withUsers(['alice', 'mal', 'bob'], { groupsMax: 2 })
  const outcomes: string[] = []
  for (const [i, creator] of ['alice', 'alice', 'mal'].entries()) {
    await createGroup(harness, creator, [], {}, `#g${String(i)}`)
    const { code } = await harness.router.groups.makeLink(creator, `#g${String(i)}`, { needsApproval: true })
    outcomes.push(await harness.router.groups.join('bob', `#g${String(i)}`, code).then(({ isPending }) => String(isPending), () => 'refused'))
  }
  assert.deepEqual(outcomes, ['true', 'true', 'refused'])
})

test('[GRP-6] [GRP-23] what is done is answered as done also to who is in as many groups as it may be', async () => {
  const harness = await withUsers(['alice', 'bob', 'carol'], { groupsMax: 1 })
  await createGroup(harness, 'alice', ['bob'])
  const { groups } = harness.router
  const { code } = await groups.makeLink('alice', SKIING, { needsApproval: false, uses: 1 })
  const approved = await groups.makeLink('alice', SKIING, { needsApproval: true, uses: 1 })
  assert.equal(await changeGroup(harness, 'alice', naming('add', 'bob')), 0)
  assert.deepEqual(await groups.join('bob', SKIING, code), { seq: 0, isPending: false })
  assert.deepEqual(await groups.join('carol', SKIING, approved.code), { seq: 2, isPending: true })
  await createGroup(harness, 'carol', [], {}, '#full')
  assert.deepEqual(await groups.join('carol', SKIING, approved.code), { seq: 0, isPending: true }, 'its own use was the last one')
  await changeGroup(harness, 'alice', naming('deny', 'carol'))
  await assert.rejects(groups.join('carol', SKIING, approved.code), routerError(ERROR.invalidLink))
  assert.equal(await changeGroup(harness, 'alice', naming('invite', 'carol')), 4)
  assert.equal(await changeGroup(harness, 'alice', naming('invite', 'carol')), 0)
})

test('[GRP-6] [GRP-11] who has left is not told by a refusal whether the group is over', async () => {
  const harness = await withUsers(['alice', 'bob', 'carol'])
  await createGroup(harness, 'alice', ['bob', 'carol'])
  await changeGroup(harness, 'carol', element('leave'))
  await assert.rejects(changeGroup(harness, 'carol', element('disband')), routerError(ERROR.noSuchConversation))
  await changeGroup(harness, 'alice', element('disband'))
  await harness.restart()
  await assert.rejects(changeGroup(harness, 'carol', element('disband')), routerError(ERROR.noSuchConversation))
  for (const member of ['alice', 'bob']) assert.equal(await changeGroup(harness, member, element('disband')), 0)
})

test('[GRP-9] leaving and joining again and again costs no more room than what came in between', async () => {
  const harness = await withUsers(['alice', 'bob'])
  const alice = await harness.attach('alice')
  await createGroup(harness, 'alice', [])
  const { code } = await harness.router.groups.makeLink('alice', SKIING, { needsApproval: false })
  const intervals = async (): Promise<readonly { from: number, to: number }[]> =>
    (await harness.shard.conversation(SKIING)).group?.former.get('bob')?.intervals ?? []
  const comeAndGo = async (): Promise<void> => {
    await harness.router.groups.join('bob', SKIING, code)
    await changeGroup(harness, 'bob', element('leave'))
  }
  for (let i = 0; i < 10; i++) await comeAndGo()
  assert.deepEqual(await intervals(), [{ from: 2, to: 21 }])
  alice.send(SKIING, 'without bob')
  await harness.settle()
  await comeAndGo()
  assert.deepEqual(await intervals(), [{ from: 2, to: 21 }, { from: 23, to: 24 }])
  const { messages } = await harness.router.history('bob', SKIING, { limit: 100 })
  assert.deepEqual(messages.map(({ seq }) => seq), [...Array.from({ length: 20 }, (_, i) => i + 2), 23, 24])
  // With something in between each time they are bounded: of the earliest nothing is read any more.
  for (let i = 0; i < LIMIT.groupIntervalsMax; i++) {
    alice.send(SKIING, 'without bob')
    await harness.settle()
    await comeAndGo()
  }
  assert.equal((await intervals()).length, LIMIT.groupIntervalsMax)
  assert.equal((await intervals())[0]?.from, 26)
})

for (const act of ['create', 'add', 'join'] as const) {
  test(`[GRP-12] whoever is removed at any moment of ${act} is a member of no group, and the group has an owner`, async () => {
    for (let turns = 0; turns < 12; turns++) {
      const harness = await withUsers(['alice', 'bob'])
      if (act !== 'create') await createGroup(harness, 'bob', [])
      const { code } = act === 'join' ? await harness.router.groups.makeLink('bob', SKIING, { needsApproval: false }) : { code: '' }
      // A removal leaves the groups first, so that it is begun at every step of both.
      const steps: (() => Promise<unknown>)[] = [
        () => act === 'create' ? createGroup(harness, 'alice', ['bob'])
          : act === 'add' ? changeGroup(harness, 'bob', naming('add', 'alice')) : harness.router.groups.join('alice', SKIING, code),
        () => harness.router.removeUser('alice'),
      ]
      if (turns % 2 === 0) steps.reverse()
      const [first, second] = steps
      const begun = first!()
      for (let i = 0; i < turns >> 1; i++) await turn()
      await Promise.allSettled([begun, second!()])
      const { members } = await harness.shard.conversation(SKIING)
      assert.equal(members.find(({ user }) => user === 'alice'), undefined)
      if (members.length > 0) assert.equal(members[0]?.membership?.role, 'owner')
    }
  })
}

test('who has no account any more makes no group', async () => {
  const harness = await withUsers(['alice'])
  await harness.router.removeUser('alice')
  await assert.rejects(createGroup(harness, 'alice', []), routerError(ERROR.noSuchUser))
})

test('[GRP-22] a former member is shown the group as it was when it left, also after a restart', async () => {
  const harness = await withUsers(['alice', 'bob', 'carol'])
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  alice.acknowledgesAtOnce = bob.acknowledgesAtOnce = true
  await createGroup(harness, 'alice', ['bob', 'carol'])
  await changeGroup(harness, 'carol', element('leave'))
  await harness.settle()
  const shown = async (): Promise<unknown> => (await harness.router.conversations('carol', '', 10)).conversations
  const before = await shown()
  for (let i = 0; i < 20; i++) {
    alice.send(SKIING, 'x')
    bob.send(SKIING, 'y')
  }
  await changeGroup(harness, 'alice', element('info', { name: 'Secret plans' }))
  await changeGroup(harness, 'alice', naming('remove', 'bob'))
  await harness.pass(1000)
  assert.deepEqual(await shown(), before)
  await harness.restart()
  assert.deepEqual(await shown(), before)
})

test('[GRP-19] who was invited is shown name and size, and nobody\'s watermarks', async () => {
  const harness = await withUsers(['alice', 'bob', 'carol'])
  await createGroup(harness, 'alice', ['carol'])
  await changeGroup(harness, 'alice', naming('invite', 'bob'))
  await changeGroup(harness, 'alice', element('info', { name: 'Ski' }))
  const { conversations } = await harness.router.conversations('bob', '', 10)
  assert.deepEqual(conversations.map(({ group, others, tail, last }) => [group, others, tail, last]), [
    [{ displayName: 'Ski', size: 2, role: 'invited' }, [], 0, null],
  ])
})

test('a row of a group from before it said how former members saw it is read', () => {
  const conversation = new ConversationState(SKIING, conversationKeys(SKIING))
  const group = new GroupState('Skiing', 'alice')
  const writer = new ValueWriter().begin()
  writeGroup(writer, group, [])
  // Without former members: what is new is a count of no names. In its place one former member, in the form of then.
  const row = writer.take().subarray(0, -2)
  const old = new ValueWriter().begin()
  old.uint(1).string('bob').uint(1).uint(2).uint(5)
  const read = readGroup(new ValueReader(Buffer.concat([row, old.take()])), conversation)
  assert.deepEqual(read.former.get('bob'), { intervals: [{ from: 2, to: 5 }], displayName: 'skiing', size: 0, delivered: 0, read: 0 })
})

test('what is said behind a change in the same turn comes behind it', async () => {
  const harness = await withUsers(['alice', 'bob'])
  await createGroup(harness, 'alice', ['bob'])
  const bob = await harness.attach('bob')
  const leaving = changeGroup(harness, 'bob', element('leave'))
  bob.send(SKIING, 'too late')
  await leaving
  await harness.settle()
  assert.deepEqual(bob.refusals.map(({ error }) => error), [ERROR.noSuchConversation])
})
