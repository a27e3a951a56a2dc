import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element, type Element } from '../../protocol/element.js'
import { type ChangeFrame, type Frame } from '../../protocol/generated/frames.js'
import { ERROR, type ErrorCode, FRAME, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { readChange, readNewGroup } from './change.js'

const SKIING = '#skiing'

async function withUsers(...users: string[]): Promise<ShardHarness> {
  const harness = new ShardHarness()
  await harness.addUsers(...users)
  return harness
}

function naming(kind: string, ...users: string[]): Element {
  return element(kind, {}, ...users.map((name) => element('member', { name })))
}

async function create(harness: ShardHarness, creator: string, users: readonly string[], attributes: Record<string, string> = {}): Promise<number> {
  return harness.router.groups.create(creator, SKIING, readNewGroup(element('group-create', { id: SKIING, name: 'Skiing', ...attributes }, ...naming('x', ...users).children), SKIING))
}

async function change(harness: ShardHarness, author: string, item: Element): Promise<number> {
  return harness.router.groups.change(author, SKIING, readChange(item))
}

/** Texts and changes that came, in order. */
function told(device: TestDevice): string[] {
  return device.frames.flatMap((frame: Frame) => {
    if (frame.type === FRAME.deliveryFrom || frame.type === FRAME.delivery) return [Buffer.from(frame.text).toString()]
    return frame.type === FRAME.change ? [shown(frame)] : []
  })
}

function shown(frame: ChangeFrame): string {
  return [frame.element.name, ...frame.element.children.map((child) => typeof child === 'string' ? child : child.attributes.get('name'))].join(' ')
}

async function roles(harness: ShardHarness, viewer: string): Promise<Record<string, string>> {
  const { inside } = await harness.router.groups.details(viewer, SKIING, null)
  return Object.fromEntries(inside?.members.map(({ user, role }) => [user, role]) ?? [])
}

async function seqs(harness: ShardHarness, viewer: string): Promise<number[]> {
  const page = await harness.router.history(viewer, SKIING, { limit: 100 })
  return page.messages.map(({ seq }) => seq)
}

test('[GRP-1] [GRP-2] a message and a change to a group reach every member, in one order, with seqs of one log', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  assert.equal(await create(harness, 'alice', ['bob', 'carol']), 1)
  alice.send(SKIING, 'snow!')
  await harness.settle()
  assert.equal(await change(harness, 'alice', element('info', { name: 'Ski' })), 3)
  bob.send(SKIING, 'where?')
  await harness.settle()
  assert.deepEqual(alice.acks.map(({ seq }) => seq), [2])
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [4])
  assert.deepEqual(told(carol), ['create alice bob carol', 'snow!', 'info', 'where?'])
  assert.deepEqual(told(bob), ['create alice bob carol', 'snow!', 'info'])
  assert.deepEqual(carol.frames.flatMap((frame) => 'seq' in frame && frame.type !== FRAME.receipt ? [frame.seq] : []), [1, 2, 3, 4])
  const page = await harness.router.history('carol', SKIING, { limit: 10 })
  assert.deepEqual(page.messages.map(({ seq, from, change: item }) => [seq, from, item?.name ?? 'message']), [
    [1, 'alice', 'create'], [2, 'alice', 'message'], [3, 'alice', 'info'], [4, 'bob', 'message'],
  ])
})

test('[GRP-13] membership, settings and the log survive a crash', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const alice = await harness.attach('alice')
  await create(harness, 'alice', ['bob'], { about: 'for snow', post: 'admins' })
  await change(harness, 'alice', naming('add', 'carol'))
  await change(harness, 'alice', element('role', { role: 'admin' }, ...naming('x', 'carol').children))
  alice.send(SKIING, 'snow!')
  await harness.settle()
  harness.crash()
  assert.deepEqual(await roles(harness, 'bob'), { alice: 'owner', bob: 'member', carol: 'admin' })
  const details = await harness.router.groups.details('bob', SKIING, null)
  assert.deepEqual([details.displayName, details.about, details.inside?.policy.post, details.inside?.tail], ['Skiing', 'for snow', 'admins', 4])
  const bob = await harness.attach('bob')
  assert.deepEqual(told(bob), ['create alice bob', 'add carol', 'role carol', 'snow!'])
  const carol = await harness.attach('carol')
  carol.send(SKIING, 'hello')
  await harness.settle()
  assert.deepEqual(carol.acks.map(({ seq }) => seq), [5])
  assert.deepEqual(await harness.router.conversations('bob', '', 10).then(({ conversations }) => conversations.map(({ conversation, unread, group }) => [conversation, unread, group?.size])), [
    [SKIING, 2, 3],
  ])
})

test('[GRP-4] strangers and former members are refused, and learn nothing', async () => {
  const harness = await withUsers('alice', 'bob', 'eve')
  await create(harness, 'alice', ['bob'])
  const [bob, eve] = [await harness.attach('bob'), await harness.attach('eve')]
  eve.send(SKIING, 'let me in')
  eve.send('#nowhere', 'hello?')
  eve.mark(SKIING, 1)
  await change(harness, 'alice', naming('remove', 'bob'))
  bob.send(SKIING, 'still here?')
  bob.mark(SKIING, 1)
  await harness.settle()
  assert.deepEqual(eve.refusals.map(({ error }) => error), Array(3).fill(ERROR.noSuchConversation))
  assert.deepEqual(bob.refusals.map(({ error }) => error), Array(2).fill(ERROR.noSuchConversation))
  for (const attempt of [
    harness.router.history('eve', SKIING, { limit: 10 }), harness.router.receipts('eve', SKIING), harness.router.groups.details('eve', SKIING, null),
    change(harness, 'eve', element('info', { name: 'Mine' })), change(harness, 'bob', element('info', { name: 'Mine' })), harness.router.groups.join('eve', SKIING, null),
    harness.router.receipts('bob', SKIING), harness.router.groups.details('bob', SKIING, null),
  ]) await assert.rejects(attempt, routerError(ERROR.noSuchConversation))
})

test('[GRP-9] [GRP-11] who was removed keeps what it could read, and gets nothing after it', async () => {
  const harness = await withUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  await create(harness, 'alice', ['bob'])
  alice.send(SKIING, 'one')
  await harness.settle()
  await change(harness, 'alice', naming('remove', 'bob'))
  alice.send(SKIING, 'secret')
  await harness.settle()
  harness.crash()
  assert.deepEqual(told(bob), ['create alice bob', 'one', 'remove bob'])
  assert.deepEqual(await seqs(harness, 'bob'), [1, 2, 3])
  const { conversations } = await harness.router.conversations('bob', '', 10)
  assert.deepEqual(conversations.map(({ tail, group, last }) => [tail, group?.role, last?.change?.name]), [[3, 'former', 'remove']])
  // Back again: a second interval, with a hole before it.
  assert.equal(await change(harness, 'alice', naming('add', 'bob')), 5)
  assert.deepEqual(await seqs(harness, 'bob'), [1, 2, 3, 5])
  const before = await harness.router.history('bob', SKIING, { limit: 100, before: 5 })
  assert.deepEqual([before.messages.map(({ seq }) => seq), before.more], [[1, 2, 3], false])
  const upwards = await harness.router.history('bob', SKIING, { limit: 100, after: 1 })
  assert.deepEqual([upwards.messages.map(({ seq }) => seq), upwards.more, upwards.tail], [[2, 3, 5], false, 5])
})

test('[GRP-10] what a new member may read follows from the policy at its joining', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'dave')
  await create(harness, 'alice', [])
  await change(harness, 'alice', naming('add', 'bob'))
  await change(harness, 'alice', element('policy', { history: 'all' }))
  await change(harness, 'alice', naming('add', 'carol'))
  await change(harness, 'alice', element('policy', { history: 'joined' }))
  assert.deepEqual(await seqs(harness, 'bob'), [2, 3, 4, 5])
  assert.deepEqual(await seqs(harness, 'carol'), [1, 2, 3, 4, 5])
})

test('[GRP-5] roles and policies decide who may do what', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'dave')
  await create(harness, 'alice', ['bob', 'carol'])
  const notAllowed = routerError(ERROR.notAllowed)
  for (const item of [
    naming('add', 'dave'), naming('invite', 'dave'), naming('remove', 'carol'), element('role', { role: 'admin' }, ...naming('x', 'bob').children),
    element('info', { name: 'Mine' }), element('policy', { post: 'admins' }), naming('owner', 'bob'), element('disband'), naming('deny', 'dave'),
  ]) await assert.rejects(change(harness, 'bob', item), notAllowed, item.name)
  await assert.rejects(harness.router.groups.makeLink('bob', SKIING, { needsApproval: false }), notAllowed)
  await change(harness, 'alice', element('role', { role: 'admin' }, ...naming('x', 'bob').children))
  // An admin does all but what is the owner's.
  await change(harness, 'bob', naming('add', 'dave'))
  for (const item of [naming('remove', 'alice'), element('role', { role: 'member' }, ...naming('x', 'alice').children), naming('owner', 'bob'), element('disband')]) {
    await assert.rejects(change(harness, 'bob', item), notAllowed, item.name)
  }
  await change(harness, 'bob', element('policy', { post: 'admins', edit: 'all' }))
  const carol = await harness.attach('carol')
  carol.send(SKIING, 'may I?')
  await harness.settle()
  assert.deepEqual(carol.refusals.map(({ error }) => error), [ERROR.notAllowed])
  await change(harness, 'carol', element('info', { about: 'ours' }))
})

test('[GRP-3] of two admins who remove each other the first one does', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  await create(harness, 'alice', ['bob', 'carol'])
  await change(harness, 'alice', element('role', { role: 'admin' }, ...naming('x', 'bob', 'carol').children))
  const outcomes = await Promise.allSettled([change(harness, 'bob', naming('remove', 'carol')), change(harness, 'carol', naming('remove', 'bob'))])
  assert.deepEqual(outcomes.map(({ status }) => status), ['fulfilled', 'rejected'])
  assert.deepEqual(await roles(harness, 'alice'), { alice: 'owner', bob: 'admin' })
})

test('[GRP-3] a message that meets the removal of its sender has one outcome for all', async () => {
  const harness = await withUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  await create(harness, 'alice', ['bob'])
  bob.send(SKIING, 'before')
  const removed = change(harness, 'alice', naming('remove', 'bob'))
  await removed
  bob.send(SKIING, 'after')
  // A retry of what was accepted gets its ack, member or not. [MSG-3]
  const again = await harness.reattach(bob, bob.lastIndex)
  again.send(SKIING, 'before', 1)
  await harness.settle()
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [2])
  assert.deepEqual(again.acks.map(({ seq }) => seq), [2])
  assert.deepEqual(told(alice), ['create alice bob', 'before', 'remove bob'])
})

test('[GRP-6] a change that is true already takes no place', async () => {
  const harness = await withUsers('alice', 'bob')
  await create(harness, 'alice', ['bob'])
  for (const item of [
    naming('add', 'bob'), element('role', { role: 'member' }, ...naming('x', 'bob').children), element('info', { name: 'Skiing' }),
    element('policy', { post: 'all' }), naming('deny', 'bob'), naming('owner', 'alice'), naming('invite', 'bob'),
  ]) assert.equal(await change(harness, 'alice', item), 0, item.name)
  assert.equal((await harness.router.groups.details('bob', SKIING, null)).inside?.tail, 1)
})

test('[GRP-6] who has lost the answer asks again, though by then it has no right to, and nothing happens twice', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'mallory')
  await create(harness, 'alice', ['bob', 'carol'])
  assert.equal(await change(harness, 'alice', naming('owner', 'bob')), 2)
  assert.equal(await change(harness, 'alice', naming('owner', 'bob')), 0)
  await assert.rejects(change(harness, 'alice', naming('owner', 'carol')), routerError(ERROR.notAllowed))
  await assert.rejects(change(harness, 'carol', naming('owner', 'bob')), routerError(ERROR.notAllowed))
  const { code } = await harness.router.groups.makeLink('bob', SKIING, { needsApproval: false })
  await harness.router.groups.revokeLink('bob', SKIING, code)
  await harness.router.groups.revokeLink('bob', SKIING, code)
  const stepDown = element('role', { role: 'member' }, ...naming('x', 'alice').children)
  assert.equal(await change(harness, 'alice', stepDown), 3)
  assert.equal(await change(harness, 'alice', stepDown), 0)
  assert.equal(await change(harness, 'carol', element('leave')), 4)
  assert.equal(await change(harness, 'carol', element('leave')), 0)
  await assert.rejects(change(harness, 'carol', element('disband')), routerError(ERROR.noSuchConversation))
  assert.equal(await change(harness, 'bob', element('disband')), 5)
  assert.equal(await change(harness, 'bob', element('disband')), 0)
  for (const item of [element('leave'), element('disband')]) {
    await assert.rejects(change(harness, 'mallory', item), routerError(ERROR.noSuchConversation))
  }
  assert.deepEqual(await seqs(harness, 'bob'), [1, 2, 3, 4, 5])
})

test('[GRP-7] an add that names somebody who does not exist adds nobody', async () => {
  const harness = await withUsers('alice', 'bob')
  await create(harness, 'alice', [])
  await assert.rejects(change(harness, 'alice', naming('add', 'bob', 'nobody')), routerError(ERROR.noSuchUser))
  await assert.rejects(create(harness, 'bob', ['nobody'], { id: '#other' }), routerError(ERROR.groupTaken))
  assert.deepEqual(await roles(harness, 'alice'), { alice: 'owner' })
})

test('[GRP-8] a group of 200 takes no other, in one step or by one', async () => {
  const names = Array.from({ length: 201 }, (_, at) => `user${String(at)}`)
  const harness = await withUsers(...names)
  const [owner = '', ...others] = names
  await assert.rejects(create(harness, owner, others), routerError(ERROR.groupFull))
  await create(harness, owner, others.slice(0, 198))
  await assert.rejects(change(harness, owner, naming('add', ...others.slice(198))), routerError(ERROR.groupFull))
  await change(harness, owner, naming('add', others[198] ?? ''))
  await assert.rejects(change(harness, owner, naming('add', others[199] ?? '')), routerError(ERROR.groupFull))
  const { code } = await harness.router.groups.makeLink(owner, SKIING, { needsApproval: false })
  await assert.rejects(harness.router.groups.join(others[199] ?? '', SKIING, code), routerError(ERROR.groupFull))
  const devices = await Promise.all([owner, others[0] ?? '', others[198] ?? ''].map((name) => harness.attach(name)))
  devices[0]?.send(SKIING, 'hello all')
  await harness.settle()
  assert.deepEqual(devices.map((device) => told(device).at(-1)), ['add user199', 'hello all', 'hello all'])
})

test('[GRP-12] the owner who leaves, or whose account goes, leaves the group to the eldest admin', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'dave')
  await create(harness, 'alice', ['bob', 'carol', 'dave'])
  await change(harness, 'alice', element('role', { role: 'admin' }, ...naming('x', 'carol').children))
  const dave = await harness.attach('dave')
  await change(harness, 'alice', element('leave'))
  assert.deepEqual(await roles(harness, 'bob'), { bob: 'member', carol: 'owner', dave: 'member' })
  await harness.router.removeUser('carol')
  await harness.settle()
  assert.deepEqual(await roles(harness, 'bob'), { bob: 'owner', dave: 'member' })
  assert.deepEqual(told(dave).slice(-4), ['leave', 'owner carol', 'leave', 'owner bob'])
  await change(harness, 'bob', element('leave'))
  await change(harness, 'dave', element('leave'))
  assert.equal(await change(harness, 'dave', element('leave')), 0)
  assert.deepEqual(await seqs(harness, 'dave'), [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('[GRP-14] [GRP-15] a sender learns when all have received and read, and waits for nobody who came later or left', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'dave')
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  await create(harness, 'alice', ['bob', 'carol'])
  alice.send(SKIING, 'snow!')
  await harness.settle()
  bob.acknowledge()
  await harness.settle()
  assert.deepEqual(alice.receipts, [])
  await change(harness, 'alice', naming('add', 'dave'))
  carol.acknowledge()
  await harness.settle()
  // Carol has the add as well, Bob has not: both have the message.
  assert.deepEqual(alice.receipts, [`${SKIING} '' delivered 2`])
  carol.mark(SKIING, 2)
  bob.mark(SKIING, 2)
  await harness.settle()
  assert.deepEqual(alice.receipts.slice(1), [`${SKIING} '' read 2`])
  assert.deepEqual([bob.receipts, carol.receipts], [[], []])
  // Dave never comes; with him gone the next message is read by all.
  alice.send(SKIING, 'tomorrow')
  await harness.settle()
  bob.mark(SKIING, 4)
  carol.mark(SKIING, 4)
  await harness.settle()
  assert.equal(alice.receipts.length, 2)
  await change(harness, 'alice', naming('remove', 'dave'))
  await harness.settle()
  assert.deepEqual(alice.receipts.slice(2), [`${SKIING} '' read 4`])
  assert.deepEqual((await harness.router.receipts('alice', SKIING)).map(({ member, read }) => [member, read]), [['bob', 4], ['carol', 4]])
})

test('[GRP-14] what each member has received is on disk within half a second, in one row for all', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  await create(harness, 'alice', ['bob', 'carol'])
  alice.send(SKIING, 'snow!')
  await harness.settle()
  bob.acknowledge()
  await harness.pass(500)
  const delivered = async (): Promise<unknown> => (await harness.router.receipts('alice', SKIING)).map((each) => [each.member, each.delivered])
  harness.crash()
  assert.deepEqual(await delivered(), [['bob', 2], ['carol', 1]])
  // Who comes back is not taken for who left.
  await change(harness, 'alice', naming('remove', 'bob'))
  await change(harness, 'alice', naming('add', 'bob'))
  await harness.pass(500)
  harness.crash()
  assert.deepEqual(await delivered(), [['carol', 1], ['bob', 4]])
  const again = await harness.attach('bob')
  again.acknowledge()
  await harness.settle()
  await change(harness, 'alice', element('disband'))
  await harness.pass(500)
  harness.crash()
  assert.deepEqual(await seqs(harness, 'alice'), [1, 2, 3, 4, 5])
})

test('[GRP-16] who tells nobody what it reads is not waited for', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  await create(harness, 'alice', ['bob', 'carol'])
  await harness.router.changeSettings('bob', { readReceipts: false })
  alice.send(SKIING, 'snow!')
  await harness.settle()
  bob.mark(SKIING, 2)
  await harness.settle()
  assert.deepEqual(alice.receipts, [])
  carol.mark(SKIING, 2)
  await harness.settle()
  assert.deepEqual(alice.receipts, [`${SKIING} '' read 2`])
  bob.send(SKIING, 'who has read this?')
  await harness.settle()
  alice.mark(SKIING, 3)
  carol.mark(SKIING, 3)
  await harness.settle()
  assert.deepEqual(bob.receipts, [`${SKIING} '' delivered 3`])
})

test('[GRP-16] [RCP-4] read of all goes no further than what all have received', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  await create(harness, 'alice', ['bob', 'carol'])
  await harness.router.changeSettings('carol', { readReceipts: false })
  alice.send(SKIING, 'snow!')
  await harness.settle()
  bob.mark(SKIING, 2)
  await harness.settle()
  assert.deepEqual(alice.receipts, [], 'carol has not got it')
  carol.acknowledge()
  await harness.settle()
  assert.deepEqual(alice.receipts, [`${SKIING} '' read 2`])
})

test('[RCP-5] 50 members who read 100 messages cost the sender two entries for each change it can show', async () => {
  const names = Array.from({ length: 50 }, (_, at) => `user${String(at)}`)
  const harness = await withUsers('alice', ...names)
  const alice = await harness.attach('alice')
  await create(harness, 'alice', names)
  const devices = []
  for (const name of names) devices.push(await harness.attach(name))
  for (let i = 0; i < 100; i++) alice.send(SKIING, `message ${String(i)}`)
  await harness.settle()
  for (const device of devices) device.acknowledge()
  for (let seq = 2; seq <= 101; seq++) for (const device of devices) device.mark(SKIING, seq)
  await harness.settle()
  assert.deepEqual(alice.receipts.at(-1), `${SKIING} '' read 101`)
  assert.ok(alice.receipts.length <= 2 * 101, `${String(alice.receipts.length)} receipts`)
})

test('[GRP-17] group-create again is answered as the first time, for its creator alone', async () => {
  const harness = await withUsers('alice', 'bob')
  assert.equal(await create(harness, 'alice', ['bob']), 1)
  harness.crash()
  assert.equal(await create(harness, 'alice', ['bob']), 1)
  await assert.rejects(create(harness, 'bob', []), routerError(ERROR.groupTaken))
  await change(harness, 'alice', element('disband'))
  await assert.rejects(create(harness, 'alice', []), routerError(ERROR.groupTaken), 'what is over is not there')
})

test('[GRP-18] [GRP-19] links let in as long as they are good, and tell members what they are', async () => {
  const harness = await withUsers('alice', 'bob', 'carol', 'dave', 'eve')
  const { groups } = harness.router
  await create(harness, 'alice', [])
  const invalid = routerError(ERROR.invalidLink)
  const once = await groups.makeLink('alice', SKIING, { uses: 1, needsApproval: false })
  assert.deepEqual(await groups.details('bob', SKIING, once.code).then(({ displayName, size, role, inside }) => [displayName, size, role, inside]), ['Skiing', 1, 'none', null])
  assert.deepEqual(await groups.join('bob', SKIING, once.code), { seq: 2, isPending: false })
  assert.deepEqual(await groups.join('bob', SKIING, once.code), { seq: 0, isPending: false })
  await assert.rejects(groups.join('carol', SKIING, once.code), invalid)
  await assert.rejects(groups.details('carol', SKIING, once.code), invalid)
  const short = await groups.makeLink('alice', SKIING, { expiresMs: harness.nowMs + 1000, needsApproval: false })
  await harness.pass(1000)
  await assert.rejects(groups.join('carol', SKIING, short.code), invalid)
  const approved = await groups.makeLink('alice', SKIING, { needsApproval: true })
  harness.crash()
  const again = harness.router.groups
  assert.deepEqual(await again.join('carol', SKIING, approved.code), { seq: 3, isPending: true })
  assert.deepEqual(await again.join('carol', SKIING, approved.code), { seq: 0, isPending: true })
  await assert.rejects(again.details('carol', SKIING, null), routerError(ERROR.noSuchConversation))
  assert.deepEqual((await again.details('bob', SKIING, null)).inside?.guests, [{ user: 'carol', kind: 'request', by: '' }])
  assert.deepEqual((await again.details('bob', SKIING, null)).inside?.links, [])
  assert.equal(await change(harness, 'alice', naming('add', 'carol')), 4)
  await again.revokeLink('alice', SKIING, approved.code)
  await assert.rejects(again.join('dave', SKIING, approved.code), invalid)
  await assert.rejects(again.join('dave', '#nowhere', approved.code), invalid)
  for (const code of ['', 'x', 'A'.repeat(22)]) await assert.rejects(again.join('dave', SKIING, code), invalid)
  assert.deepEqual(await roles(harness, 'carol'), { alice: 'owner', bob: 'member', carol: 'member' })
})

test('[451 list-full] a group has as many links and waiting guests as it may: time alone does not help, so nobody is told to try again', async () => {
  const harness = await withUsers('alice')
  const { groups } = harness.router
  await create(harness, 'alice', [])
  for (let made = 0; made < LIMIT.groupLinksMax; made++) await groups.makeLink('alice', SKIING, { needsApproval: made === 0 })
  await assert.rejects(groups.makeLink('alice', SKIING, { needsApproval: false }), routerError(ERROR.listFull))
  const guests = Array.from({ length: LIMIT.groupGuestsMax + 1 }, (_, number) => `guest${String(number)}`)
  await harness.addUsers(...guests)
  for (let at = 0; at < LIMIT.groupGuestsMax; at += 100) await change(harness, 'alice', naming('invite', ...guests.slice(at, at + 100)))
  const late = guests.at(-1)!
  await assert.rejects(change(harness, 'alice', naming('invite', late)), routerError(ERROR.listFull))
  const { inside } = await groups.details('alice', SKIING, null)
  const approved = inside?.links.find(({ needsApproval }) => needsApproval)
  await assert.rejects(groups.join(late, SKIING, approved?.code ?? ''), routerError(ERROR.listFull))
})

test('[GRP-2] who is invited hears of it, and takes it up or turns it down', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  const [bob, carol] = [await harness.attach('bob'), await harness.attach('carol')]
  await create(harness, 'alice', [])
  await change(harness, 'alice', naming('invite', 'bob', 'carol'))
  await harness.settle()
  assert.deepEqual([told(bob), told(carol)], [['invite bob carol'], ['invite bob carol']])
  assert.deepEqual(await harness.router.groups.details('bob', SKIING, null).then(({ displayName, role }) => [displayName, role]), ['Skiing', 'invited'])
  assert.deepEqual((await harness.router.conversations('bob', '', 10)).conversations.map(({ group, tail }) => [group?.role, tail]), [['invited', 0]])
  await change(harness, 'carol', element('leave'))
  await assert.rejects(harness.router.groups.join('carol', SKIING, null), routerError(ERROR.noSuchConversation))
  assert.deepEqual((await harness.router.conversations('carol', '', 10)).conversations, [])
  assert.deepEqual(await harness.router.groups.join('bob', SKIING, null), { seq: 4, isPending: false })
  assert.deepEqual(await seqs(harness, 'bob'), [4])
})

test('[GRP-2] a group that is disbanded has nobody, and its members keep what they could read', async () => {
  const harness = await withUsers('alice', 'bob', 'carol')
  await create(harness, 'alice', ['bob'])
  await change(harness, 'alice', naming('invite', 'carol'))
  const bob = await harness.attach('bob')
  await change(harness, 'alice', element('disband'))
  bob.send(SKIING, 'anybody?')
  await harness.settle()
  assert.deepEqual(bob.refusals.map(({ error }) => error), [ERROR.noSuchConversation])
  assert.deepEqual(told(bob).at(-1), 'disband')
  assert.deepEqual(await seqs(harness, 'alice'), [1, 2, 3])
  await assert.rejects(harness.router.groups.join('carol', SKIING, null), routerError(ERROR.noSuchConversation))
})

test('[GRP-21] changes are not unread, and a watermark may stand on one', async () => {
  const harness = await withUsers('alice', 'bob')
  const alice = await harness.attach('alice')
  await create(harness, 'alice', ['bob'])
  alice.send(SKIING, 'one')
  await harness.settle()
  await change(harness, 'alice', element('info', { name: 'Ski' }))
  alice.send(SKIING, 'two')
  await harness.settle()
  const unread = async (): Promise<number | undefined> => (await harness.router.conversations('bob', '', 10)).conversations[0]?.unread
  assert.equal(await unread(), 2)
  const bob = await harness.attach('bob')
  bob.mark(SKIING, 3)
  await harness.settle()
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [3])
  assert.equal(await unread(), 1)
  harness.crash()
  assert.equal(await unread(), 1)
})

test('[ELM-6] changes that say nothing, or nonsense, are refused with a code', () => {
  const refusals: [Element, ErrorCode][] = [
    [element('add'), ERROR.badRequest], [naming('add', '-x'), ERROR.malformedAddress], [element('role', { role: 'king' }), ERROR.badRequest],
    [naming('owner', 'a', 'b'), ERROR.badRequest], [element('info'), ERROR.badRequest], [element('policy', { post: 'nobody' }), ERROR.badRequest],
    [element('policy'), ERROR.badRequest], [element('fly'), ERROR.badRequest], [element('info', { name: ' ' }), ERROR.malformedText],
    [element('info', { name: 'a\nb' }), ERROR.malformedText], [element('info', { name: '\u202eevil' }), ERROR.malformedText],
    [element('info', { name: 'x'.repeat(101) }), ERROR.textTooLong], [element('info', { about: 'x'.repeat(513) }), ERROR.textTooLong],
    [element('info', { picture: '../x' }), ERROR.noSuchBlob], [naming('add', ...Array.from({ length: 201 }, (_, at) => `u${String(at)}`)), ERROR.groupFull],
  ]
  for (const [item, code] of refusals) assert.throws(() => readChange(item), routerError(code), JSON.stringify([...item.attributes]))
  // Emoji and right-to-left names are names.
  for (const name of ['⛷️ 🏔️', 'שלום', 'مرحبا', '👨‍👩‍👧'.repeat(20)]) assert.deepEqual(readChange(element('info', { name })), { kind: 'info', name })
})

test('[OPS-4] who may not post any more may still edit, take back and react to what was said', async () => {
  const harness = await withUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  await create(harness, 'alice', ['bob'])
  bob.send(SKIING, 'snow?')
  alice.send(SKIING, 'yes')
  await harness.settle()
  await change(harness, 'alice', element('policy', { post: 'admins' }))
  bob.send(SKIING, 'really?')
  bob.operate(SKIING, 2, OPERATION.edit, 'snow!')
  bob.operate(SKIING, 3, OPERATION.react, '👍')
  bob.operate(SKIING, 2, OPERATION.delete)
  await harness.settle()
  assert.deepEqual(bob.refusals.map(({ error }) => error), [ERROR.notAllowed])
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [2, 5, 6, 7])
})
