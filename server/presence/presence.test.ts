/** Presence on a shard: typing, limits, and what is stored. See visibility.test.ts for who may see what. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element } from '../../protocol/element.js'
import { ACTIVITY, ERROR, FRAME, LIMIT, TYPING } from '../../protocol/generated/registry.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { userKeys } from '../../storage/user-keys.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { routerError, ShardHarness } from '../testing/shard-harness.js'
import type { HarnessOptions, TestDevice } from '../testing/shard-harness.js'
import { createGroup, SKIING } from '../testing/groups.js'
import { BlockMemo } from './block-memo.js'
import type { Relations } from './relations.js'
import { decodeLastSeen, decodePrivacy, encodeLastSeen, encodePrivacy } from './rows.js'
import { look, TestRelations, wasSeen } from './testing/rig.js'

async function harnessOf(options: HarnessOptions, ...users: string[]): Promise<ShardHarness> {
  const harness = new ShardHarness(options)
  await harness.addUsers(...users)
  return harness
}

test('a change between two users has nobody looked at but the two, and changes that come at once are looked at together', async () => {
  let lookups = 0
  const relations: Relations = {
    isContact: () => false,
    isBlocked: () => {
      lookups++
      return false
    },
  }
  const harness = await harnessOf({ relations }, 'alice', 'bob', 'carol')
  const devices = [await harness.attach('alice', 'phone'), await harness.attach('alice', 'laptop')]
  for (const device of devices) for (let i = 0; i < 100; i += 10) device.watch(...Array.from({ length: 10 }, (_, k) => i + k === 0 ? 'bob' : `user${String(i + k)}`))
  await harness.settle()
  lookups = 0
  await harness.router.profiles.setContact('alice', 'bob', 'Bob')
  await harness.settle()
  assert.equal(lookups, 2 * devices.length)
  lookups = 0
  await Promise.all(Array.from({ length: 50 }, (_, i) => harness.router.changePrivacy('alice', { seen: i % 2 === 0 ? 'nobody' : 'everybody' })))
  await harness.settle()
  assert.equal(lookups, 2 * 2 * 100 * devices.length, 'at once, and once more for all that came meanwhile')
})

test('[PRS-6] of 10,000 subscriptions 256 are taken, and the rest is told why', async () => {
  const harness = await harnessOf({}, 'alice')
  const alice = await harness.attach('alice')
  for (let i = 0; i < 10_000; i += 16) alice.watch(...Array.from({ length: 16 }, (_, k) => `user${String(i + k)}`))
  await harness.settle()
  assert.equal(alice.presences.length, LIMIT.watchesMax)
  const declined = alice.declines.flatMap(({ frame, names, error }) => frame === FRAME.watch && error === ERROR.tooManyWatches ? names : [])
  assert.deepEqual([declined.length, declined[0]], [10_000 - LIMIT.watchesMax, `user${String(LIMIT.watchesMax)}`])
  assert.equal(harness.router.presence.size, LIMIT.watchesMax + 1)
  alice.detach()
  await harness.pass(1000)
  assert.equal(harness.router.presence.size, 0)
})

test('[PRS-11] [PRS-19] malformed names are declined and the others stand; values of no meaning change nothing', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const alice = await harness.attach('alice')
  alice.watch('b b', 'bob', '#team', '')
  alice.unwatch('ä', 'nobody')
  alice.type('b b')
  alice.type('bob', 9)
  alice.setActivity(0)
  alice.setActivity(7)
  await harness.settle()
  assert.deepEqual(alice.declines, [
    { frame: FRAME.watch, names: ['b b', '#team', ''], error: ERROR.malformedAddress },
    { frame: FRAME.unwatch, names: ['ä'], error: ERROR.malformedAddress },
    { frame: FRAME.typing, names: ['b b'], error: ERROR.malformedAddress },
    { frame: FRAME.typing, names: ['bob'], error: ERROR.badRequest },
    { frame: FRAME.activity, names: [], error: ERROR.badRequest },
    { frame: FRAME.activity, names: [], error: ERROR.badRequest },
  ])
  assert.deepEqual(alice.seen(), ['bob offline'])
})

test('contacts are those one has a conversation with, as long as nothing else says who they are', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  await harness.attach('bob')
  await harness.router.changePrivacy('bob', { online: 'contacts', seen: 'contacts' })
  const alice = await harness.attach('alice')
  assert.equal(await look(harness, alice, 'bob'), 'bob offline')
  alice.send('bob', 'hi')
  await harness.settle()
  assert.equal(await look(harness, alice, 'bob'), 'bob online')
})

test('[PRS-18] a list of exceptions is bounded and checked as a whole; what is refused changes nothing', async () => {
  const harness = await harnessOf({}, 'alice')
  const { router } = harness
  const names = Array.from({ length: LIMIT.privacyExceptMax }, (_, i) => `user${String(i).padStart(3, '0')}`)
  const stored = await router.changePrivacy('alice', { except: [...names, names[0]!], seen: 'except' })
  assert.deepEqual(stored, { seen: 'except', online: 'everybody', except: names })
  await assert.rejects(router.changePrivacy('alice', { except: [...names, 'mallory'] }), routerError(ERROR.tooManyExceptions))
  await assert.rejects(router.changePrivacy('alice', { except: ['b b'], online: 'nobody' }), routerError(ERROR.malformedAddress))
  await assert.rejects(router.privacy('nobody'), routerError(ERROR.noSuchUser))
  assert.deepEqual(await router.privacy('alice'), stored)
  await harness.restart()
  assert.deepEqual(await harness.router.privacy('alice'), stored)
})

test('[PRS-4] last seen and privacy survive a restart, and a removed user keeps neither', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const leftMs = await wasSeen(harness, 'bob')
  await harness.restart()
  const alice = await harness.attach('alice')
  assert.equal(await look(harness, alice, 'bob'), `bob offline ${String(leftMs)}`)
  await harness.router.changePrivacy('bob', { online: 'nobody' })
  const keys = userKeys('bob')
  assert.ok(await harness.engine.get(keys.privacy()) !== undefined && await harness.engine.get(keys.lastSeen()) !== undefined)
  await harness.router.removeUser('bob')
  await harness.pass(1000)
  assert.deepEqual([await harness.engine.get(keys.privacy()), await harness.engine.get(keys.lastSeen())], [undefined, undefined])
})

test('[PRS-4] while the session goes on last seen is written within a minute, and a crash takes no more', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const bob = await harness.attach('bob')
  await harness.pass(5000)
  bob.setActivity(ACTIVITY.inactive)
  const leftMs = harness.nowMs
  await harness.pass(62_000)
  harness.crash()
  const alice = await harness.attach('alice')
  assert.equal(await look(harness, alice, 'bob'), `bob offline ${String(leftMs)}`)
})

test('last seen commits with what can wait, never at once and never with each message', async () => {
  let commits = 0
  const engine = new MemoryEngine({ beforeCommit: () => { commits++ } })
  const harness = await harnessOf({ engine }, 'alice', 'bob')
  const bob = await harness.attach('bob')
  const alice = await harness.attach('alice')
  alice.send('bob', 'one')
  await harness.pass(10_000)
  commits = 0
  bob.setActivity(ACTIVITY.inactive)
  bob.detach()
  await harness.settle()
  assert.equal(commits, 0)
  alice.send('bob', 'two')
  await harness.settle()
  assert.equal(commits, 1)
  await harness.pass(10_000)
  assert.equal(commits, 2, 'one commit for all that could wait')
})

test('[PRS-12] typing in a group reads once between whom there is a block, until that changes', async () => {
  let lookups = 0
  const relations: Relations = {
    isContact: () => false,
    isBlocked: (owner, other) => {
      lookups++
      return harness.router.profiles.isBlocked(owner, other)
    },
  }
  const harness: ShardHarness = await harnessOf({ relations, presence: { blockedPairsMax: 2 } }, 'alice', 'bob', 'carol')
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  await createGroup(harness, 'alice', ['bob', 'carol'])
  const typed = async (device: TestDevice, kind: number): Promise<{ reads: number, told: string }> => {
    const before = [bob, carol, alice].map(({ typings }) => typings.length)
    lookups = 0
    device.type(SKIING, kind)
    await harness.pass(LIMIT.typingRefreshMs)
    return { reads: lookups, told: [bob, carol, alice].flatMap(({ user, typings }, at) => typings.length > before[at]! ? user : []).join(' ') }
  }
  assert.deepEqual(await typed(alice, TYPING.typing), { reads: 4, told: 'bob carol' })
  assert.deepEqual(await typed(alice, TYPING.typing), { reads: 0, told: 'bob carol' })
  for (const blocker of ['alice', 'bob']) {
    const other = blocker === 'alice' ? 'bob' : 'alice'
    await harness.router.profiles.block(blocker, other)
    assert.deepEqual(await typed(alice, TYPING.typing), { reads: 2, told: 'carol' }, blocker)
    assert.deepEqual(await typed(alice, TYPING.typing), { reads: 0, told: 'carol' })
    await harness.router.profiles.unblock(blocker, other)
    assert.deepEqual(await typed(alice, TYPING.typing), { reads: 2, told: 'bob carol' })
  }
  // Of more than it remembers the first goes.
  assert.deepEqual(await typed(bob, TYPING.typing), { reads: 2, told: 'carol alice' })
  assert.deepEqual(await typed(alice, TYPING.typing), { reads: 2, told: 'bob carol' })
})

test('[PRS-12] what is read of a block while it changes is not remembered, nor anything once the store has failed', async () => {
  let life = {}
  let isBlock = false
  const answers: (() => void)[] = []
  const memo = new BlockMemo(10, () => life, () => new Promise((resolve) => {
    const read = isBlock
    answers.push(() => { resolve(read) })
  }))
  const asked = async (): Promise<boolean> => {
    const answer = memo.isBetween('alice', 'bob')
    answers.pop()?.()
    return answer
  }
  const early = memo.isBetween('alice', 'bob')
  isBlock = true
  memo.forget('bob', 'alice')
  answers.pop()?.()
  assert.equal(await early, false)
  assert.equal(await asked(), true)
  isBlock = false
  assert.equal(await asked(), true, 'it is remembered')
  life = {}
  assert.equal(await asked(), false)
})

test('[PRS-12] typing reaches the active devices of the other members, and nobody else', async () => {
  const relations = new TestRelations()
  const harness = await harnessOf({ relations }, 'alice', 'bob', 'carol')
  const phone = await harness.attach('alice', 'phone')
  const laptop = await harness.attach('alice', 'laptop')
  const bobs = [await harness.attach('bob', 'one'), await harness.attach('bob', 'two')]
  const carol = await harness.attach('carol')
  phone.type('bob')
  phone.type('#team')
  phone.type('nobody')
  carol.type('alice')
  await harness.settle()
  // What is in the store is looked up, so they come in any order.
  assert.deepEqual(phone.declines.map(({ names, error }) => [...names, error]).sort(), [
    ['#team', ERROR.noSuchConversation], ['bob', ERROR.noSuchConversation], ['nobody', ERROR.noSuchConversation],
  ])
  assert.equal(carol.declines.length, 1)
  phone.send('bob', 'hi')
  await harness.settle()
  phone.type('Bob')
  phone.type('bob', TYPING.recording)
  phone.type('bob', TYPING.paused)
  await harness.settle()
  const told = ['alice alice typing 10000', 'alice alice recording 10000', 'alice alice paused 0']
  for (const bob of bobs) assert.deepEqual(bob.typings, told)
  bobs[1]!.setActivity(ACTIVITY.inactive)
  await harness.pass(LIMIT.typingRefreshMs)
  phone.type('bob')
  await harness.settle()
  assert.deepEqual(bobs.map((bob) => bob.typings.length), [4, 3])
  relations.blocked.add('bob alice')
  await harness.router.presence.refreshBetween('bob', 'alice')
  phone.type('bob', TYPING.recording)
  await harness.settle()
  assert.equal(bobs[0]!.typings.length, 4, 'who is blocked types into the void, and is not told')
  assert.equal(phone.declines.length, 3)
  assert.deepEqual([phone.typings, laptop.typings, carol.typings], [[], [], []])
})

test('[PRS-12] in a conversation that only somebody blocked has written in one types as in none', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const bob = await harness.attach('bob')
  const alice = await harness.attach('alice')
  await harness.router.profiles.block('bob', 'alice')
  alice.send('bob', 'let me in')
  await harness.settle()
  bob.type('alice')
  await harness.settle()
  assert.deepEqual(bob.declines.map(({ names, error }) => [...names, error]), [['alice', ERROR.noSuchConversation]])
})

test('[PRS-13] kinds that take turns cost the others no more, and neither do many conversations', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  alice.send('bob', 'hi')
  await harness.settle()
  for (let i = 0; i < 300; i++) alice.type('bob', [TYPING.typing, TYPING.paused, TYPING.recording][i % 3])
  await harness.settle()
  assert.deepEqual(bob.typings.map((line) => line.split(' ')[2]), ['typing', 'paused', 'recording', 'paused'])
})

test('[PRS-13] typing that goes on costs the others a frame every few seconds', async () => {
  const harness = await harnessOf({}, 'alice', 'bob')
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  alice.send('bob', 'hi')
  await harness.settle()
  for (let i = 0; i < 200; i++) {
    alice.type('bob')
    await harness.pass(100)
  }
  assert.equal(bob.typings.length, 20_000 / LIMIT.typingRefreshMs)
})

test('when the store fails presence ends with the sessions, and goes on with new ones', async () => {
  let isBroken = false
  const engine = new MemoryEngine({ beforeCommit: () => { if (isBroken) throw new Error('planted: input/output error') } })
  const harness = await harnessOf({ engine }, 'alice', 'bob')
  const alice = await harness.attach('alice')
  alice.watch('bob')
  await harness.settle()
  isBroken = true
  alice.send('bob', 'hi')
  await harness.settle()
  assert.equal(alice.endedWith, ERROR.storageUnavailable)
  assert.equal(harness.router.presence.size, 0)
  isBroken = false
  await harness.pass(60_000)
  await harness.attach('bob')
  const again = await harness.attach('alice')
  assert.equal(await look(harness, again, 'bob'), 'bob online')
})

test('rows say what they were given, and damage is found', () => {
  assert.equal(decodeLastSeen(encodeLastSeen(1_767_225_600_000)), 1_767_225_600_000)
  const privacy = { seen: 'except', online: 'contacts', except: ['bob', 'carol'] } as const
  assert.deepEqual(decodePrivacy(encodePrivacy(privacy)), privacy)
  for (const row of [Uint8Array.of(9, 1), Uint8Array.of(1, 7, 0, 0), Uint8Array.of(1, 0, 0, 3), Uint8Array.of()]) {
    assert.throws(() => decodePrivacy(row), { code: 'corrupt' })
  }
  assert.throws(() => decodeLastSeen(Uint8Array.of(2, 1)), { code: 'corrupt' })
})

test('[PRS-12] in a group typing reaches the members who are there, from those who may post', async () => {
  const harness = await harnessOf({}, 'alice', 'bob', 'carol', 'dave')
  const { groups } = harness.router
  const members = element('add', {}, element('member', { name: 'bob' }), element('member', { name: 'carol' }))
  await groups.create('alice', '#team', readNewGroup(element('group-create', { id: '#team', name: 'Team' }, ...members.children), '#team'))
  const [alice, bob, carol, dave] = await Promise.all(['alice', 'bob', 'carol', 'dave'].map((user) => harness.attach(user)))
  alice!.type('#Team', TYPING.recording)
  dave!.type('#team')
  await harness.settle()
  for (const device of [bob!, carol!]) assert.deepEqual(device.typings, ['#team alice recording 10000'])
  assert.deepEqual([alice!.typings, dave!.typings], [[], []])
  assert.deepEqual(dave!.declines.map(({ error }) => error), [ERROR.noSuchConversation])
  await groups.change('alice', '#team', readChange(element('policy', { post: 'admins' })))
  bob!.type('#team')
  await harness.settle()
  assert.deepEqual(bob!.declines.map(({ error }) => error), [ERROR.notAllowed])
  assert.deepEqual(alice!.typings, [])
})
