import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { NewGroup } from '../groups/change.js'
import { RouterError } from '../router/router.js'
import { routerError, ShardHarness } from '../testing/shard-harness.js'
import type { HarnessOptions, TestDevice } from '../testing/shard-harness.js'
import { FailingEngine } from '../proof/failing-engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'

const NEW_GROUP: NewGroup = { displayName: 'Team', about: '', policy: {}, users: [] }

interface Pair { harness: ShardHarness; ann: TestDevice; bob: TestDevice }

async function pair(options: HarnessOptions = {}): Promise<Pair> {
  const harness = new ShardHarness(options)
  await harness.addUsers('ann', 'bob', 'carol')
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  return { harness, ann, bob }
}

async function send(harness: ShardHarness, device: TestDevice, to: string, ...texts: string[]): Promise<void> {
  for (const text of texts) device.send(to, text)
  await harness.settle()
}

async function texts(harness: ShardHarness, user: string, other: string, request = {}): Promise<string[]> {
  const page = await harness.router.history(user, other, { limit: 100, ...request })
  return page.messages.map(({ text }) => Buffer.from(text).toString())
}

async function summary(harness: ShardHarness, user: string): Promise<{ tail: number; unread: number; last: string } | undefined> {
  const [found] = (await harness.router.conversations(user, '', 10)).conversations
  if (found === undefined) return undefined
  return { tail: found.tail, unread: found.unread, last: found.last === null ? '' : Buffer.from(found.last.text).toString() }
}

void test('[PRF-10] [PRF-14] a blocked user is acked with seq as always, and nothing of its messages reaches the blocker, also after unblock', async () => {
  const { harness, ann, bob } = await pair()
  await send(harness, ann, 'bob', 'one', 'two')
  await harness.router.profiles.block('bob', 'ann')
  await send(harness, ann, 'bob', 'three', 'four')
  assert.deepEqual(ann.acks.map(({ seq }) => seq), [1, 2, 3, 4])
  assert.deepEqual(ann.refusals, [])
  assert.deepEqual(bob.texts, ['one', 'two'])
  assert.deepEqual(await summary(harness, 'bob'), { tail: 2, unread: 2, last: 'two' })
  assert.deepEqual(await summary(harness, 'ann'), { tail: 4, unread: 0, last: 'four' })
  assert.deepEqual(await texts(harness, 'bob', 'ann'), ['one', 'two'])
  assert.deepEqual(await texts(harness, 'ann', 'bob'), ['one', 'two', 'three', 'four'])
  bob.mark('ann', 3)
  await harness.settle()
  assert.deepEqual(bob.refusals.map(({ error }) => error), [ERROR.invalidWatermark])

  await harness.router.profiles.unblock('bob', 'ann')
  await send(harness, ann, 'bob', 'five')
  assert.deepEqual(bob.texts, ['one', 'two', 'five'])
  assert.deepEqual(await texts(harness, 'bob', 'ann'), ['one', 'two', 'five'])
  assert.deepEqual(await summary(harness, 'bob'), { tail: 5, unread: 3, last: 'five' })

  for (const isCrash of [true, false]) {
    if (isCrash) harness.crash()
    else await harness.restart()
    assert.deepEqual(await texts(harness, 'bob', 'ann'), ['one', 'two', 'five'])
    assert.deepEqual(await summary(harness, 'bob'), { tail: 5, unread: 3, last: 'five' })
  }
})

void test('[PRF-10] a block outlives a crash, is loaded with the conversation, and the unread count leaves out what it hides', async () => {
  const { harness, ann } = await pair()
  await send(harness, ann, 'bob', 'one')
  await harness.router.profiles.block('bob', 'ann')
  harness.crash()
  const again = await harness.reattach(ann, 0)
  const bob = await harness.attach('bob', 'tablet')
  for (let i = 2; i <= 200; i++) again.send('bob', String(i), 100 + i)
  await harness.settle()
  assert.equal(again.acks.at(-1)?.seq, 200)
  assert.deepEqual(bob.texts, ['one'])
  assert.deepEqual(await summary(harness, 'bob'), { tail: 1, unread: 1, last: 'one' })
  harness.crash()
  assert.deepEqual(await summary(harness, 'bob'), { tail: 1, unread: 1, last: 'one' })
  await harness.router.profiles.unblock('bob', 'ann')
  harness.crash()
  const last = await harness.reattach(again, 0)
  last.send('bob', 'after', 1000)
  await harness.settle()
  assert.deepEqual(await summary(harness, 'bob'), { tail: 201, unread: 2, last: 'after' })
  const reader = await harness.attach('bob', 'tablet')
  reader.mark('ann', 1)
  await harness.settle()
  assert.deepEqual(await summary(harness, 'bob'), { tail: 201, unread: 1, last: 'after' })
})

void test('[PRF-12] nothing the blocker receives or reads is told from the block on', async () => {
  const { harness, ann, bob } = await pair()
  await send(harness, ann, 'bob', 'one', 'two', 'three')
  bob.acknowledge(1)
  await harness.settle()
  await harness.router.profiles.block('bob', 'ann')
  bob.acknowledge(3)
  bob.mark('ann', 3)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 1'])
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 1, read: 0 }])
  assert.equal((await harness.router.conversations('bob', '', 1)).conversations[0]?.read, 3, 'for itself it has read')
  harness.crash()
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 1, read: 0 }])
})

void test('[PRF-12] after an unblock the next rise is told, and never at a seq that is hidden', async () => {
  const { harness, ann, bob } = await pair()
  await send(harness, ann, 'bob', 'one')
  await harness.router.profiles.block('bob', 'ann')
  await send(harness, ann, 'bob', 'hidden 2', 'hidden 3')
  await harness.router.profiles.unblock('bob', 'ann')
  bob.acknowledge(1)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 1'])
  await send(harness, ann, 'bob', 'four')
  // A client that marks a seq it was never given claims nothing beyond what it has.
  bob.mark('ann', 3)
  await harness.settle()
  assert.deepEqual(ann.receipts, ['bob \'\' delivered 1', 'bob \'\' read 1'])
  bob.acknowledge()
  await harness.settle()
  assert.deepEqual(ann.receipts.at(-1), 'bob \'\' delivered 4')
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 4, read: 1 }])
})

void test('[PRF-11] messages and blocks take effect in the order in which the shard gets them', async () => {
  const { harness, ann, bob } = await pair()
  await send(harness, ann, 'bob', 'zero')
  for (let round = 0; round < 20; round++) {
    ann.send('bob', `before ${String(round)}`)
    const blocked = harness.router.profiles.block('bob', 'ann')
    await blocked
    ann.send('bob', `during ${String(round)}`)
    const unblocked = harness.router.profiles.unblock('bob', 'ann')
    // Sent while the unblock is under way: on either side of it, but the same everywhere.
    ann.send('bob', `between ${String(round)}`)
    await unblocked
  }
  await harness.settle()
  const got = bob.texts
  assert.deepEqual(await texts(harness, 'bob', 'ann'), got)
  for (let round = 0; round < 20; round++) {
    assert.ok(got.includes(`before ${String(round)}`))
    assert.ok(!got.includes(`during ${String(round)}`))
  }
  assert.equal(ann.acks.length, 61)
  harness.crash()
  assert.deepEqual(await texts(harness, 'bob', 'ann'), got)
})

void test('[PRF-10] [PRF-14] a block from before the first message holds: the conversation does not exist for the blocker', async () => {
  for (const revive of [false, true]) {
    const { harness, ann } = await pair()
    await harness.router.profiles.block('bob', 'ann')
    if (revive) harness.crash()
    const sender = revive ? await harness.reattach(ann, 0) : ann
    const bob = await harness.attach('bob')
    await send(harness, sender, 'bob', 'let me in')
    assert.deepEqual(sender.acks.map(({ seq }) => seq), [1])
    assert.deepEqual(bob.texts, [])
    assert.equal(await summary(harness, 'bob'), undefined)
    assert.equal((await summary(harness, 'ann'))?.tail, 1)
    await assert.rejects(harness.router.history('bob', 'ann', { limit: 1 }), routerError(ERROR.noSuchConversation))
    await assert.rejects(harness.router.receipts('bob', 'ann'), routerError(ERROR.noSuchConversation))
    await assert.rejects(harness.router.profiles.changeFlags('bob', 'ann', { isPinned: true }), routerError(ERROR.noSuchConversation))
    await harness.router.profiles.unblock('bob', 'ann')
    assert.equal(await summary(harness, 'bob'), undefined)
    await send(harness, sender, 'bob', 'hello')
    assert.deepEqual(bob.texts, ['hello'])
    assert.deepEqual(await summary(harness, 'bob'), { tail: 2, unread: 1, last: 'hello' })
  }
})

void test('[PRF-13] who has blocked somebody is told so when writing to it', async () => {
  const { harness, bob } = await pair()
  await harness.router.profiles.block('bob', 'ann')
  await send(harness, bob, 'ann', 'hi')
  assert.deepEqual(bob.refusals.map(({ error }) => error), [ERROR.contactBlocked])
  await harness.router.profiles.unblock('bob', 'ann')
  await send(harness, bob, 'ann', 'hi')
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [1])
})

void test('[PRF-9] nobody blocks itself or a stranger to the server; what is done already changes nothing', async () => {
  const { harness } = await pair()
  const { profiles } = harness.router
  await assert.rejects(profiles.block('bob', 'bob'), routerError(ERROR.badRequest))
  await assert.rejects(profiles.block('bob', 'nobody'), routerError(ERROR.noSuchUser))
  await assert.rejects(profiles.setContact('bob', 'bob', ''), routerError(ERROR.badRequest))
  await assert.rejects(profiles.setContact('bob', 'nobody', ''), routerError(ERROR.noSuchUser))
  assert.equal(await profiles.unblock('bob', 'ann'), 0)
  assert.equal(await profiles.block('bob', 'ann'), 1)
  assert.equal(await profiles.block('bob', 'ann'), 1)
  assert.equal(await profiles.unblock('bob', 'ann'), 2)
  assert.equal(await profiles.unblock('bob', 'ann'), 2)
})

void test('[PRF-9] the list of blocked users takes 10,000 and no more, and pages give all of them', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('bob')
  const names = Array.from({ length: LIMIT.blockedMax + 1 }, (_, index) => `u${String(index).padStart(5, '0')}`)
  for (let i = 0; i < names.length; i += 500) await Promise.all(names.slice(i, i + 500).map((name) => harness.addUsers(name)))
  for (const name of names.slice(0, LIMIT.blockedMax)) await harness.router.profiles.block('bob', name)
  await assert.rejects(harness.router.profiles.block('bob', names.at(-1)!), routerError(ERROR.listFull))
  const got: string[] = []
  for (let more = true; more;) {
    const page = await harness.router.profiles.blocked('bob', { after: got.at(-1) ?? '', since: null, limit: 10_000 })
    assert.ok(page.items.length <= LIMIT.listPageMax)
    got.push(...page.items.map(({ user }) => user))
    more = page.more
  }
  assert.deepEqual(got, names.slice(0, LIMIT.blockedMax))
  await harness.router.profiles.unblock('bob', names[0]!)
  await harness.router.profiles.block('bob', names.at(-1)!)
  assert.equal(await harness.router.profiles.isBlocked('bob', names.at(-1)!), true)
  assert.equal(await harness.router.profiles.isBlocked('bob', names[0]!), false)
})

void test('[PRF-10] history pages pass over what is hidden in either direction, without empty pages', async () => {
  const { harness, ann, bob } = await pair()
  const seen: string[] = []
  for (let round = 0; round < 6; round++) {
    await send(harness, ann, 'bob', `a${String(round)}`)
    await send(harness, bob, 'ann', `b${String(round)}`)
    seen.push(`a${String(round)}`, `b${String(round)}`)
    await harness.router.profiles.block('bob', 'ann')
    await send(harness, ann, 'bob', ...Array.from({ length: 70 }, (_, i) => `hidden ${String(i)}`))
    await harness.router.profiles.unblock('bob', 'ann')
  }
  for (const limit of [1, 2, 3, 5, 12, 50]) {
    const up: string[] = []
    let after = 0
    for (let more = true; more;) {
      const page = await harness.router.history('bob', 'ann', { after, limit })
      assert.ok(page.messages.length > 0)
      up.push(...page.messages.map(({ text }) => Buffer.from(text).toString()))
      after = page.messages.at(-1)!.seq
      more = page.more
    }
    assert.deepEqual(up, seen, `up by ${String(limit)}`)
    const down: string[] = []
    let before = Number.MAX_SAFE_INTEGER
    for (let more = true; more;) {
      const page = await harness.router.history('bob', 'ann', { before, limit })
      assert.ok(page.messages.length > 0)
      down.unshift(...page.messages.map(({ text }) => Buffer.from(text).toString()))
      before = page.messages[0]!.seq
      more = page.more
    }
    assert.deepEqual(down, seen, `down by ${String(limit)}`)
  }
})

void test('[PRF-12] delivery told while the other has receipts off, and after a restart, keeps to what was told', async () => {
  const { harness, ann, bob } = await pair()
  await send(harness, ann, 'bob', 'one')
  bob.acknowledge()
  await harness.settle()
  await harness.router.profiles.block('bob', 'ann')
  await send(harness, ann, 'bob', 'two')
  await harness.restart()
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 1, read: 0 }])
  await harness.router.profiles.unblock('bob', 'ann')
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 1, read: 0 }])
})

void test('a block whose commit fails is refused, and holds nowhere', async () => {
  const engine = new FailingEngine(new MemoryEngine())
  const { harness } = await pair({ engine })
  engine.arm('lost', 0)
  await assert.rejects(harness.router.profiles.block('bob', 'ann'), routerError(ERROR.storageUnavailable))
  await harness.pass(60_000)
  assert.equal(await harness.router.profiles.isBlocked('bob', 'ann'), false)
  assert.equal(await harness.router.profiles.block('bob', 'ann'), 1)
})

void test('[PRF-18] a stranger may send 60 at once, then one a second, until it is answered or a contact', async () => {
  const limits = { strangerPerSecond: 1, strangerBurst: LIMIT.strangerMessagesBurst }
  const { harness, ann, bob } = await pair({ limits })
  await send(harness, ann, 'bob', ...Array.from({ length: 61 }, (_, i) => String(i)))
  assert.equal(ann.acks.length, 60)
  assert.deepEqual(ann.refusals.map(({ error, retryAfterMs }) => [error, retryAfterMs]), [[ERROR.rateLimited, 1000]])
  await harness.pass(1000)
  await send(harness, ann, 'bob', 'again', 'too soon')
  assert.deepEqual(ann.acks.at(-1)?.seq, 61, 'a refused message takes no seq')
  assert.equal(ann.refusals.length, 2)
  // To others it is free.
  await send(harness, ann, 'carol', 'hi')
  assert.equal(ann.refusals.length, 2)
  await send(harness, bob, 'ann', 'who is this?')
  await send(harness, ann, 'bob', ...Array.from({ length: 100 }, (_, i) => String(i)))
  assert.equal(ann.refusals.length, 2)

  await harness.router.profiles.setContact('carol', 'ann', 'Ann')
  await send(harness, ann, 'carol', ...Array.from({ length: 100 }, (_, i) => String(i)))
  assert.equal(ann.refusals.length, 2)
  await harness.router.profiles.removeContact('carol', 'ann')
  await send(harness, ann, 'carol', ...Array.from({ length: 70 }, (_, i) => String(i)))
  assert.ok(ann.refusals.length > 2)
})

void test('[PRF-18] who has written to somebody is written to without a limit, also when it blocks later and after a crash', async () => {
  const { harness, ann, bob } = await pair({ limits: { strangerPerSecond: 1, strangerBurst: 5 } })
  await send(harness, bob, 'ann', 'hi')
  await send(harness, ann, 'bob', '1', '2', '3', '4', '5', '6', '7')
  assert.deepEqual(ann.refusals, [])
  await harness.router.profiles.block('bob', 'ann')
  harness.crash()
  const again = await harness.reattach(ann, 0)
  for (let i = 0; i < 20; i++) again.send('bob', 'x', 100 + i)
  await harness.settle()
  assert.deepEqual(again.refusals, [], 'a block changes nothing that the blocked one sees')
  assert.equal(again.acks.length, 20)
})

void test('[PRF-20] nobody is added or invited to a group by one whom it has blocked, and can\'t be told from who is in too many', async () => {
  const { harness } = await pair({ limits: { groupsMax: 1 } })
  await harness.addUsers('dave')
  await harness.router.groups.create('dave', '#other', NEW_GROUP)
  await harness.router.profiles.block('bob', 'ann')
  const refusal = async (work: Promise<unknown>, name: string): Promise<unknown> => {
    const error: unknown = await work.then(() => assert.fail('was let in'), (reason: unknown) => reason)
    assert.ok(error instanceof RouterError)
    return [error.code, error.retryAfterMs, error.message.replace(name, 'X')]
  }
  const { groups } = harness.router
  const full = await refusal(groups.create('ann', '#full', { ...NEW_GROUP, users: ['dave'] }), 'dave')
  assert.deepEqual(await refusal(groups.create('ann', '#team', { ...NEW_GROUP, users: ['bob'] }), 'bob'), full)
  await groups.create('ann', '#team', NEW_GROUP)
  for (const kind of ['add', 'invite'] as const) assert.deepEqual(await refusal(groups.change('ann', '#team', { kind, users: ['bob'] }), 'bob'), full)
  await groups.change('ann', '#team', { kind: 'add', users: ['carol'] })
  await harness.router.profiles.unblock('bob', 'ann')
  await groups.change('ann', '#team', { kind: 'add', users: ['bob'] })
  await harness.router.profiles.block('bob', 'ann')
  const bob = await harness.attach('bob')
  const ann = await harness.attach('ann')
  await send(harness, ann, '#team', 'to all')
  assert.deepEqual(bob.texts, ['to all'], 'in groups both go on as members')
  bob.acknowledge()
  bob.mark('#team', 4)
  await harness.settle()
  assert.equal((await harness.router.receipts('ann', '#team')).find(({ member }) => member === 'bob')?.read, 4)
})

void test('tells listeners of each change of how two stand to each other, after its commit', async () => {
  const { harness } = await pair()
  const { profiles } = harness.router
  const told: string[] = []
  const stop = profiles.onRelation(({ owner, other, isBlocked, isContact }) => told.push(`${owner} ${other} ${String(isBlocked)} ${String(isContact)}`))
  await profiles.block('bob', 'ann')
  await profiles.block('bob', 'ann')
  await profiles.setContact('bob', 'ann', '')
  await profiles.unblock('bob', 'ann')
  stop()
  await profiles.block('bob', 'ann')
  assert.deepEqual(told, ['bob ann true false', 'bob ann true true', 'bob ann false true'])
})
