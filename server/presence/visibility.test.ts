/** Who sees what of whom, wherever the two are at home. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VERIFIER } from '../testing/shard-harness.js'
import type { Audience } from './privacy.js'
import type { Relations } from './relations.js'
import { DAY_MS, KINDS, look, type PresenceHarness, TestRelations, wasSeen } from './testing/rig.js'

for (const { where, start } of KINDS) {
  const harnessOf = async (options: Parameters<typeof start>[0], ...users: string[]): Promise<PresenceHarness> => {
    const harness = start(options)
    await harness.addUsers(...users)
    return harness
  }

  void test(`[PRS-5] each user watched is answered once, and told of when it changes, ${where}`, async () => {
    const harness = await harnessOf({}, 'alice', 'bob')
    const leftMs = await wasSeen(harness, 'bob', DAY_MS)
    const alice = await harness.attach('alice')
    alice.watch('bob', 'Alice')
    await harness.settle()
    assert.deepEqual(alice.seen().sort(), ['alice online', `bob offline ${String(leftMs)}`])
    const bob = await harness.attach('bob')
    await harness.pass(1000)
    assert.deepEqual(alice.seen(), ['bob online'])
    alice.unwatch('BOB', 'alice', 'carol')
    bob.detach()
    await harness.pass(1000)
    assert.deepEqual(alice.seen(), [])
    alice.watch('bob')
    await harness.settle()
    alice.unwatch()
    await harness.attach('bob')
    await harness.pass(1000)
    assert.deepEqual(alice.seen(), [`bob offline ${String(harness.nowMs - 2000)}`], 'no names at all: nobody is watched any more')
    assert.deepEqual(alice.declines, [])
  })

  void test(`[PRS-5] who registers a name that somebody watches is seen there, ${where}`, async () => {
    const harness = await harnessOf({}, 'alice')
    const alice = await harness.attach('alice')
    alice.watch('newcomer', 'other')
    await harness.settle()
    assert.deepEqual(alice.seen(), ['newcomer offline', 'other offline'])
    await harness.router.register({ user: 'newcomer', verifier: VERIFIER, invite: 'none', isKeptBack: false })
    await harness.addUsers('other')
    await harness.attach('newcomer')
    await harness.attach('other')
    await harness.pass(1000)
    assert.deepEqual(alice.seen(), ['newcomer online', 'other online'])
  })

  void test(`[PRS-9] answers to one watch come in its order, whoever takes longer to look up, ${where}`, async () => {
    // Those who are watched are at home in one shard, and alice is not.
    const slow = (answer: boolean): Promise<boolean> => new Promise((resolve) => {
      setImmediate(() => { setImmediate(() => { resolve(answer) }) })
    })
    const relations: Relations = {
      isContact: (owner, other) => owner === 'shy' || other === 'shy' ? slow(false) : false,
      isBlocked: (owner) => owner === 'blocking' ? true : owner === 'open' ? slow(false) : false,
    }
    const harness = await harnessOf({ relations }, 'alice', 'shy', 'blocking', 'open')
    await harness.router.changePrivacy('shy', { online: 'contacts', seen: 'contacts' })
    const alice = await harness.attach('alice')
    for (const names of [['shy', 'absent', 'blocking', 'open'], ['blocking', 'open', 'absent', 'shy'], ['open', 'shy', 'blocking', 'absent']]) {
      alice.watch(...names)
      await harness.settle()
      assert.deepEqual(alice.seen().map((line) => line.split(' ')[0]), names)
    }
  })

  void test(`[PRS-9] a user who hides, who has blocked, who is blocked and who does not exist are told of alike, ${where}`, async () => {
    const relations = new TestRelations()
    const harness = await harnessOf({ relations }, 'alice', 'hidden', 'blocker', 'victim', 'gone')
    for (const user of ['hidden', 'blocker', 'victim', 'gone']) await harness.attach(user)
    await harness.router.changePrivacy('hidden', { seen: 'nobody', online: 'nobody' })
    relations.blocked.add('blocker alice')
    relations.blocked.add('alice victim')
    await harness.router.removeUser('gone')
    await harness.pass(1000)
    const alice = await harness.attach('alice')
    for (const user of ['hidden', 'blocker', 'victim', 'gone', 'nobody']) assert.equal(await look(harness, alice, user), `${user} offline`)
    assert.deepEqual(alice.declines, [])
  })

  void test(`[PRS-17] hiding, blocking and removal take effect at once for those who watch, and so does their end, ${where}`, async () => {
    const relations = new TestRelations()
    const harness = await harnessOf({ relations }, 'alice', 'bob')
    const alice = await harness.attach('alice')
    await harness.attach('bob')
    assert.equal(await look(harness, alice, 'bob'), 'bob online')
    const steps: [() => unknown, string[]][] = [
      [() => harness.router.changePrivacy('bob', { online: 'nobody' }), ['bob offline']],
      [() => harness.router.changePrivacy('bob', { online: 'everybody' }), ['bob online']],
      [() => harness.router.changePrivacy('alice', { online: 'nobody' }), ['bob offline']],
      [() => harness.router.changePrivacy('alice', { online: 'except', except: ['carol'] }), ['bob online']],
      [() => { relations.blocked.add('bob alice'); return harness.refreshPresence('bob') }, ['bob offline']],
      [() => { relations.blocked.clear(); return harness.refreshPresence('alice') }, ['bob online']],
      [() => harness.router.removeUser('bob'), ['bob offline']],
    ]
    for (const [step, told] of steps) {
      await step()
      await harness.pass(1000)
      assert.deepEqual(alice.seen(), told, step.toString())
    }
  })

  void test(`[PRS-10] what one hides of oneself one does not see of others, each for itself, and pair by pair, ${where}`, async () => {
    const relations = new TestRelations()
    const harness = await harnessOf({ relations }, 'alice', 'bob', 'carol')
    const bobMs = await wasSeen(harness, 'bob', DAY_MS)
    const alice = await harness.attach('alice')
    await harness.attach('carol')
    await harness.pass(1000)
    const asSeen = async (seen: Audience, online: Audience, except: readonly string[] = []): Promise<string[]> => {
      await harness.router.changePrivacy('alice', { seen, online, except })
      await harness.settle()
      return [await look(harness, alice, 'bob'), await look(harness, alice, 'carol')]
    }
    const bobSeen = `bob offline ${String(bobMs)}`
    assert.deepEqual(await asSeen('everybody', 'everybody'), [bobSeen, 'carol online'])
    assert.deepEqual(await asSeen('nobody', 'everybody'), ['bob offline', 'carol online'])
    assert.deepEqual(await asSeen('everybody', 'nobody'), [bobSeen, 'carol offline'])
    assert.deepEqual(await asSeen('except', 'except', ['bob']), ['bob offline', 'carol online'])
    assert.deepEqual(await asSeen('except', 'except', ['Carol', 'carol', 'nobody-at-all']), [bobSeen, 'carol offline'])
    assert.deepEqual(await asSeen('contacts', 'contacts'), ['bob offline', 'carol offline'])
    relations.contacts.add('alice bob')
    assert.deepEqual(await asSeen('contacts', 'contacts'), [bobSeen, 'carol offline'])
    await harness.router.changePrivacy('bob', { seen: 'contacts' })
    assert.deepEqual(await asSeen('contacts', 'contacts'), ['bob offline', 'carol offline'])
    relations.contacts.add('bob alice')
    assert.deepEqual(await asSeen('contacts', 'contacts'), [bobSeen, 'carol offline'])
  })

  void test(`[PRS-8] what a session watched means nothing to the next one of the same device, ${where}`, async () => {
    const harness = await harnessOf({}, 'alice', 'bob')
    const alice = await harness.attach('alice')
    alice.watch('bob')
    await harness.settle()
    const again = await harness.reattach(alice, 0)
    await harness.attach('bob')
    await harness.pass(1000)
    assert.deepEqual([alice.seen().length, again.seen()], [1, []])
  })
}
