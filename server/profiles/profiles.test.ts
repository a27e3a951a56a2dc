import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element } from '../../protocol/element.js'
import { ERROR, FRAME, LIMIT, LIST, OPERATION } from '../../protocol/generated/registry.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { hashOf, SQUARES } from '../testing/blob-store.js'
import { routerError, ShardHarness, VERIFIER } from '../testing/shard-harness.js'
import type { TestDevice } from '../testing/shard-harness.js'
import { MUTED_FOR_EVER } from './flags.js'
import { REMOVED_MAX } from './kept-list.js'
import type { ProfileService } from './service.js'

async function start(limits = {}): Promise<{ harness: ShardHarness; profiles: () => ProfileService & ShardHarness['router']['profiles'] }> {
  const harness = new ShardHarness({ limits })
  await harness.addUsers('ann', 'bob', 'carol')
  return { harness, profiles: () => harness.router.profiles }
}

/** Lists and versions that the device was told of. */
function changes(device: TestDevice): [number, number][] {
  return device.frames.flatMap((frame): [number, number][] => frame.type === FRAME.changed ? [[frame.list, frame.version]] : [])
}

const WHOLE = { after: '', since: null, limit: 100 }

void test('[PRF-2] [PRF-4] a profile has the version of what it shows, is answered in short when that is known, and outlives a restart', async () => {
  const { harness, profiles } = await start()
  const [before] = await profiles().profiles('bob', [{ user: 'ann', version: 0 }])
  assert.deepEqual(before?.profile, { name: '', about: '', picture: '' })
  const first = await profiles().changeProfile('ann', { name: 'Ann 🦊', about: 'busy' })
  assert.notEqual(first.version, before.version)
  await harness.restart()
  const [shown, again, missing] = await profiles().profiles('bob', [
    { user: 'ann', version: before.version }, { user: 'ann', version: first.version }, { user: 'nobody', version: 0 },
  ])
  assert.deepEqual(shown, { user: 'ann', version: first.version, profile: { name: 'Ann 🦊', about: 'busy', picture: '' } })
  assert.deepEqual(again, { user: 'ann', version: first.version, profile: null })
  assert.equal(missing, null)
  const picture = (await harness.upload('ann', 'fox', { renditions: SQUARES })).content.hash
  const second = await profiles().changeProfile('ann', { about: '', picture })
  assert.deepEqual(second.profile, { name: 'Ann 🦊', about: '', picture })
  const back = await profiles().changeProfile('ann', { about: 'busy', picture: '' })
  assert.equal(back.version, first.version, 'the same content has the same version')
  assert.deepEqual((await profiles().changeProfile('ann', {})).profile, first.profile)
})

void test('[PRF-1] [PRF-3] what can\'t be shown beside the text of others is refused, and changes nothing', async () => {
  const { harness, profiles } = await start()
  await profiles().changeProfile('ann', { name: 'Ann' })
  const picture = (await harness.upload('ann', 'fox', { renditions: SQUARES })).content.hash
  const bad: [object, number][] = [
    [{ name: 'x'.repeat(65) }, ERROR.textTooLong], [{ about: '🦊'.repeat(141) }, ERROR.textTooLong], [{ name: ' \u200b\u3000' }, ERROR.malformedText],
    [{ name: 'a\u0000' }, ERROR.malformedText], [{ name: 'a\nb' }, ERROR.malformedText], [{ name: 'a\u2028b' }, ERROR.malformedText],
    [{ name: 'ann\u202egpj' }, ERROR.malformedText], [{ about: '\u2067open' }, ERROR.malformedText], [{ about: 'close\u2069' }, ERROR.malformedText],
    [{ picture: '../etc' }, ERROR.noSuchBlob], [{ picture: 'x'.repeat(64) }, ERROR.noSuchBlob], [{ picture: hashOf('nothing') }, ERROR.noSuchBlob],
    [{ picture: (await harness.upload('bob', 'of bob', { renditions: SQUARES })).content.hash }, ERROR.noSuchBlob],
    [{ picture: (await harness.upload('ann', 'without squares')).content.hash }, ERROR.noSuchBlob],
  ]
  for (const [change, error] of bad) await assert.rejects(profiles().changeProfile('ann', change), routerError(error as 400), JSON.stringify(change))
  const good = [{ name: 'x'.repeat(64) }, { about: '🦊'.repeat(140) }, { name: 'שלום' }, { name: 'a\u2067שלום\u2069b' }, { name: '👩‍👩‍👧' }, { picture }]
  for (const change of good) await profiles().changeProfile('ann', change)
})

void test('[PRF-6] to a blocked user a profile is the same as one that has nothing but the name, version and all', async () => {
  const { harness, profiles } = await start()
  const picture = (await harness.upload('ann', 'fox', { renditions: SQUARES })).content.hash
  await profiles().changeProfile('ann', { name: 'Ann', about: 'at home', picture })
  await profiles().changeProfile('carol', { name: 'Ann' })
  const [before] = await profiles().profiles('bob', [{ user: 'ann', version: 0 }])
  await profiles().block('ann', 'bob')
  const ask = async (user: string, version: number): Promise<unknown> => {
    const [shown] = await profiles().profiles('bob', [{ user, version }])
    return { ...shown, user: '' }
  }
  assert.deepEqual(await ask('ann', before!.version), await ask('carol', before!.version))
  const [withheld] = await profiles().profiles('bob', [{ user: 'ann', version: 0 }])
  assert.deepEqual(withheld?.profile, { name: 'Ann', about: '', picture: '' })
  assert.deepEqual(await ask('ann', withheld.version), await ask('carol', withheld.version))
  assert.deepEqual((await profiles().profiles('carol', [{ user: 'ann', version: 0 }]))[0]?.profile?.about, 'at home')
  await profiles().unblock('ann', 'bob')
  assert.deepEqual(await profiles().profiles('bob', [{ user: 'ann', version: 0 }]), [before])
})

void test('[PRF-6] the list of conversations carries the version that the profile shows to the asker', async () => {
  const { harness, profiles } = await start()
  await profiles().changeProfile('ann', { name: 'Ann', about: 'at home' })
  const ann = await harness.attach('ann')
  ann.send('bob', 'hi')
  ann.send('ann', 'note')
  await harness.settle()
  const listed = async (user: string): Promise<Record<string, number>> =>
    Object.fromEntries((await harness.router.conversations(user, '', 10)).conversations.map((each) => [each.conversation, each.profileVersion]))
  const shown = async (): Promise<number | undefined> => (await profiles().profiles('bob', [{ user: 'ann', version: 0 }]))[0]?.version
  const open = await listed('bob')
  assert.deepEqual(open, { ann: await shown() })
  await profiles().block('ann', 'bob')
  assert.notDeepEqual(await listed('bob'), open)
  assert.deepEqual(await listed('bob'), { ann: await shown() })
  assert.equal((await listed('ann'))['ann'], 0)
})

void test('[PRF-7] contacts keep own names, by name in pages and by what changed since a version', async () => {
  const { harness, profiles } = await start()
  assert.equal(await profiles().setContact('ann', 'carol', 'Caro'), 1)
  assert.equal(await profiles().setContact('ann', 'bob', ''), 2)
  assert.equal(await profiles().setContact('ann', 'bob', ''), 2)
  assert.equal(await profiles().setContact('ann', 'bob', 'Bobby'), 3)
  await harness.restart()
  const whole = await profiles().contacts('ann', WHOLE)
  assert.deepEqual(whole, {
    version: 3, isFull: true, more: false,
    items: [{ user: 'bob', name: 'Bobby', version: 3, isRemoved: false }, { user: 'carol', name: 'Caro', version: 1, isRemoved: false }],
  })
  assert.deepEqual((await profiles().contacts('ann', { ...WHOLE, limit: 1 })).items.map(({ user }) => user), ['bob'])
  assert.deepEqual((await profiles().contacts('ann', { ...WHOLE, after: 'bob' })).items.map(({ user }) => user), ['carol'])
  assert.equal(await profiles().removeContact('ann', 'carol'), 4)
  assert.equal(await profiles().removeContact('ann', 'carol'), 4)
  const since = await profiles().contacts('ann', { ...WHOLE, since: 2 })
  assert.deepEqual(since, {
    version: 4, isFull: false, more: false,
    items: [{ user: 'bob', name: 'Bobby', version: 3, isRemoved: false }, { user: 'carol', name: '', version: 4, isRemoved: true }],
  })
  const page = await profiles().contacts('ann', { ...WHOLE, since: 0, limit: 1 })
  assert.deepEqual([page.more, page.items.map(({ version }) => version)], [true, [3]])
  assert.deepEqual((await profiles().contacts('ann', { ...WHOLE, since: 3, limit: 1 })).items.map(({ version }) => version), [4])
  assert.equal((await profiles().contacts('ann', { ...WHOLE, since: 99 })).isFull, true, 'a version that there never was')
  assert.deepEqual((await profiles().contacts('bob', WHOLE)).items, [])
  assert.deepEqual([await profiles().isContact('ann', 'bob'), await profiles().isContact('ann', 'carol'), await profiles().isContact('bob', 'ann')], [true, false, false])
})

void test('[PRF-7] marks of removed items are dropped when there are many; who asks from before that gets the whole list', async () => {
  const { harness, profiles } = await start()
  await profiles().setContact('ann', 'carol', '')
  for (let i = 0; i <= REMOVED_MAX; i++) {
    const name = `u${String(i)}`
    await harness.addUsers(name)
    await profiles().setContact('ann', name, '')
    await profiles().removeContact('ann', name)
  }
  const { version, items } = await profiles().contacts('ann', WHOLE)
  assert.deepEqual(items.map(({ user }) => user), ['carol'])
  const late = await profiles().contacts('ann', { ...WHOLE, since: version - 4 })
  assert.deepEqual([late.isFull, late.items.map(({ user }) => user)], [true, ['carol']])
  await profiles().setContact('ann', 'bob', 'B')
  const soon = await profiles().contacts('ann', { ...WHOLE, since: version })
  assert.deepEqual([soon.isFull, soon.items.map(({ user }) => user)], [false, ['bob']])
  await profiles().setContact('ann', 'u7', 'back again')
  assert.deepEqual((await profiles().contacts('ann', WHOLE)).items.map(({ user }) => user), ['bob', 'carol', 'u7'])
})

void test('[PRF-9] contacts end at their limit, and a name for one is checked as any', async () => {
  const { profiles } = await start({ contactsMax: 1 })
  await profiles().setContact('ann', 'bob', 'B')
  await assert.rejects(profiles().setContact('ann', 'carol', ''), routerError(ERROR.listFull))
  await profiles().setContact('ann', 'bob', 'C')
  await assert.rejects(profiles().setContact('ann', 'bob', '\u202eB'), routerError(ERROR.malformedText))
  await assert.rejects(profiles().setContact('ann', 'bob', 'x'.repeat(65)), routerError(ERROR.textTooLong))
  await profiles().removeContact('ann', 'bob')
  await profiles().setContact('ann', 'carol', '')
})

void test('[PRF-16] flags belong to the user and the conversation, and outlive a crash', async () => {
  const { harness, profiles } = await start()
  const ann = await harness.attach('ann')
  ann.send('bob', 'hi')
  await harness.settle()
  await profiles().changeFlags('ann', 'bob', { isPinned: true })
  const { flags } = await profiles().changeFlags('ann', 'bob', { mutedUntilMs: MUTED_FOR_EVER, isMarked: true })
  assert.deepEqual(flags, { mutedUntilMs: MUTED_FOR_EVER, isArchived: false, isPinned: true, isMarked: true })
  harness.crash()
  assert.deepEqual((await harness.router.conversations('ann', '', 1)).conversations[0]?.flags, flags)
  assert.deepEqual((await harness.router.conversations('bob', '', 1)).conversations[0]?.flags.isPinned, false)
  assert.deepEqual(await profiles().flags('ann', WHOLE), { version: 2, isFull: true, more: false, items: [{ conversation: 'bob', flags, version: 2 }] })
  await profiles().changeFlags('ann', 'bob', { mutedUntilMs: 0, isPinned: false, isMarked: false })
  assert.deepEqual((await profiles().flags('ann', WHOLE)).items, [])
  assert.deepEqual((await profiles().flags('ann', { ...WHOLE, since: 2 })).items.map(({ conversation, flags: none }) => [conversation, none.isPinned]), [['bob', false]])
  await assert.rejects(profiles().changeFlags('ann', 'carol', { isPinned: true }), routerError(ERROR.noSuchConversation))
  await assert.rejects(profiles().changeFlags('ann', '#team', { isPinned: true }), routerError(ERROR.noSuchConversation))
})

void test('[PRF-8] [QUE-1] each change is an entry for the user\'s other devices, which counts as delivered nowhere', async () => {
  const { harness, profiles } = await start()
  const phone = await harness.attach('ann', 'phone')
  await profiles().changeProfile('ann', { name: 'only device' })
  assert.deepEqual(changes(phone), [], 'a single device has nobody to tell')
  const laptop = await harness.attach('ann', 'laptop')
  phone.send('bob', 'hi')
  await harness.settle()
  const { version } = await profiles().changeProfile('ann', { name: 'Ann' })
  await profiles().setContact('ann', 'bob', 'Bobby')
  await profiles().block('ann', 'carol')
  await profiles().changeFlags('ann', 'bob', { isArchived: true })
  await profiles().changeFlags('ann', 'bob', { isArchived: true })
  await harness.settle()
  const expected = [[LIST.profile, version], [LIST.contacts, 1], [LIST.blocked, 1], [LIST.flags, 1]]
  assert.deepEqual(changes(laptop), expected)
  assert.deepEqual(changes(phone), expected)
  assert.deepEqual(laptop.indexes, Array.from(laptop.indexes, (_, at) => at + 1))
  const bob = await harness.attach('bob')
  assert.equal(laptop.acknowledge(), true)
  await harness.settle()
  assert.deepEqual(bob.receipts, [])
})

void test('[PRF-8] while no device is there the last change of a list takes the place of the one before', async () => {
  const { harness, profiles } = await start()
  const phone = await harness.attach('ann', 'phone')
  const laptop = await harness.attach('ann', 'laptop')
  phone.detach()
  laptop.detach()
  for (let i = 0; i < 50; i++) await profiles().setContact('ann', 'bob', `B${String(i)}`)
  for (let i = 0; i < 50; i++) await profiles().changeProfile('ann', { about: String(i) })
  harness.crash()
  const again = await harness.reattach(laptop, 0)
  assert.deepEqual(changes(again).map(([list]) => list), [LIST.contacts, LIST.profile])
  assert.equal(changes(again)[0]?.[1], 50)
})

void test('[PRF-17] a report takes the last five messages that the reporter can see, and waits for the operator', async () => {
  const { harness, profiles } = await start()
  const ann = await harness.attach('ann')
  const bob = await harness.attach('bob')
  for (let i = 1; i <= 7; i++) ann.send('bob', String(i))
  await harness.settle()
  await profiles().block('bob', 'ann')
  ann.send('bob', 'hidden')
  await harness.settle()
  await profiles().unblock('bob', 'ann')
  const heard = bob.frames.length
  const annHeard = ann.frames.length
  await profiles().report('bob', { conversation: 'ann', reason: 'spam \u202e', blocks: true })
  await harness.settle()
  assert.deepEqual([ann.frames.length, bob.frames.length], [annHeard, heard])
  await harness.restart()
  const { reports } = await profiles().reports(0, 10)
  assert.equal(reports.length, 1)
  const { messages, ...rest } = reports[0]!
  assert.deepEqual(rest, { id: 1, timeMs: harness.nowMs, reporter: 'bob', conversation: 'ann', reason: 'spam \u202e' })
  assert.deepEqual(messages.map(({ seq, from, text }) => [seq, from, Buffer.from(text).toString()]), [3, 4, 5, 6, 7].map((seq) => [seq, 'ann', String(seq)]))
  assert.equal(await profiles().isBlocked('bob', 'ann'), true)
  assert.deepEqual((await profiles().readReport(1))?.reason, 'spam \u202e')
  assert.deepEqual([await profiles().closeReport(1), await profiles().closeReport(1)], [true, false])
  assert.deepEqual((await profiles().reports(0, 10)).reports, [])
  await profiles().report('bob', { conversation: 'ann', reason: '', blocks: false })
  assert.deepEqual((await profiles().reports(0, 10)).reports.map(({ id }) => id), [2], 'an id is not given twice')
})

void test('[PRF-17] neither operations, changes of the group nor deletions push out of a report what was said', async () => {
  const { harness, profiles } = await start()
  await harness.router.groups.create('ann', '#skiing', readNewGroup(element('group-create', { id: '#skiing' }, element('member', { name: 'bob' })), '#skiing'))
  const ann = await harness.attach('ann')
  ann.send('#skiing', 'an insult')
  ann.send('#skiing', 'kept as well')
  for (let i = 0; i < 6; i++) ann.send('#skiing', 'deleted')
  await harness.settle()
  for (let i = 0; i < 6; i++) ann.operate('#skiing', 4 + i, OPERATION.delete)
  for (let i = 0; i < 200; i++) ann.operate('#skiing', 3, OPERATION.react, i % 2 === 0 ? '👍' : '')
  await harness.settle()
  for (let i = 0; i < 6; i++) await harness.router.groups.change('ann', '#skiing', readChange(element('info', { name: `name ${String(i)}` })))
  await profiles().report('bob', { conversation: '#skiing', reason: '', blocks: false })
  const [report] = (await profiles().reports(0, 1)).reports
  assert.deepEqual(report?.messages.map(({ seq, text }) => [seq, Buffer.from(text).toString()]), [[2, 'an insult'], [3, 'kept as well']])
})

void test('[PRF-17] a report that can\'t block as it should leaves nothing behind', async () => {
  const { harness, profiles } = await start({ blockedMax: 1, reportsBurst: 1, reportsPerHour: 1 })
  const ann = await harness.attach('ann')
  const carol = await harness.attach('carol')
  ann.send('bob', 'hi')
  carol.send('bob', 'hi')
  await harness.settle()
  await profiles().block('bob', 'carol')
  const report = (conversation: string, blocks = true): Promise<void> => profiles().report('bob', { conversation, reason: '', blocks })
  await assert.rejects(report('ann'), routerError(ERROR.listFull))
  await profiles().unblock('bob', 'carol')
  await harness.router.removeUser('ann')
  await assert.rejects(report('ann'), routerError(ERROR.noSuchUser))
  await harness.router.groups.create('bob', '#own', readNewGroup(element('group-create', { id: '#own' }), '#own'))
  await assert.rejects(report('#own'), routerError(ERROR.badRequest), 'a group is left, not blocked')
  assert.deepEqual((await profiles().reports(0, 10)).reports, [])
  await report('carol')
  assert.equal(await profiles().isBlocked('bob', 'carol'), true)
  assert.equal((await profiles().reports(0, 10)).reports.length, 1)
})

void test('[PRF-17] reports are limited for each user, and by how many wait', async () => {
  const { harness, profiles } = await start({ reportsBurst: 2, reportsPerHour: 2, reportsMax: 3 })
  const ann = await harness.attach('ann')
  ann.send('bob', 'hi')
  ann.send('carol', 'hi')
  await harness.settle()
  const report = (user: string): Promise<void> => profiles().report(user, { conversation: 'ann', reason: '', blocks: false })
  await report('bob')
  await report('bob')
  await assert.rejects(report('bob'), (error: { code?: number; retryAfterMs?: number }) => error.code === ERROR.rateLimited && error.retryAfterMs === 1_800_000)
  await report('carol')
  await assert.rejects(report('carol'), routerError(ERROR.rateLimited))
  await profiles().closeReport(2)
  await harness.pass(1_800_000)
  await report('carol')
  assert.deepEqual((await profiles().reports(0, 2)).reports.map(({ id }) => id), [1, 3])
  assert.deepEqual((await profiles().reports(3, 2)).reports.map(({ id }) => id), [4])
  await assert.rejects(profiles().report('bob', { conversation: 'carol', reason: '', blocks: false }), routerError(ERROR.noSuchConversation))
  await assert.rejects(profiles().report('bob', { conversation: 'ann', reason: 'x'.repeat(701), blocks: false }), routerError(ERROR.textTooLong))
  await assert.rejects(profiles().report('bob', { conversation: 'bob', reason: '', blocks: true }), routerError(ERROR.badRequest))
})

void test('changes of one user at the same time come one after the other, and none is lost', async () => {
  const { harness, profiles } = await start()
  await harness.addUsers(...Array.from({ length: 30 }, (_, i) => `u${String(i)}`))
  const versions = await Promise.all(Array.from({ length: 30 }, (_, i) => profiles().setContact('ann', `u${String(i)}`, '')))
  assert.deepEqual([...versions].sort((one, other) => one - other), Array.from({ length: 30 }, (_, i) => i + 1))
  assert.equal((await profiles().contacts('ann', WHOLE)).items.length, 30)
})

void test('what a user kept goes with the account, and nobody inherits it', async () => {
  const { harness, profiles } = await start()
  await profiles().changeProfile('ann', { name: 'Ann' })
  await profiles().setContact('ann', 'bob', 'B')
  await profiles().block('ann', 'carol')
  await profiles().setContact('bob', 'ann', 'A')
  await harness.router.removeUser('ann')
  assert.deepEqual(await profiles().profiles('bob', [{ user: 'ann', version: 0 }]), [null])
  assert.equal(await profiles().isBlocked('ann', 'carol'), false)
  assert.deepEqual((await profiles().contacts('ann', WHOLE)).items, [])
  await assert.rejects(profiles().setContact('ann', 'bob', ''), routerError(ERROR.noSuchUser))
  await assert.rejects(profiles().changeProfile('ann', { name: 'x' }), routerError(ERROR.noSuchUser))
  await assert.rejects(harness.router.addUser('ann', VERIFIER), routerError(ERROR.conflict))
  assert.equal(await profiles().removeContact('bob', 'ann'), 2)
  assert.equal(LIMIT.contactsMax, harness.limits.contactsMax)
})
