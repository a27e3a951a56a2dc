/** Searching at the shard: with an index, without one, with half of one, it finds the same. */
import { largestCommit } from '../testing/largest-commit.js'
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { element } from '../../protocol/element.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { ERROR, EXTENSION, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { conversationKeys, pairName } from '../../storage/conversation-keys.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { searchKeys } from '../../storage/search-keys.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { ConversationState } from '../shard/conversation-state.js'
import { Member } from '../shard/member.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'
import { mayRead, searchableText } from './may-read.js'
import type { SearchPage, SearchPosition, SearchRequest } from './search-router.js'
import { SEGMENT_MESSAGES } from './segment.js'

/** More than the pauses between the segments of these tests. */
const INDEXING_MS = 1000

/** With an index that is made ahead, so that what is due is known; `limits` may say otherwise. */
async function world(
  { limits, ...options }: ConstructorParameters<typeof ShardHarness>[0] = {},
): Promise<{ harness: ShardHarness, alice: TestDevice, bob: TestDevice }> {
  const harness = new ShardHarness({ ...options, limits: { searchIndexAhead: true, ...limits } })
  await harness.addUsers('alice', 'bob', 'carol')
  return { harness, alice: await harness.attach('alice'), bob: await harness.attach('bob') }
}

async function send(harness: ShardHarness, device: TestDevice, to: string, texts: readonly string[]): Promise<void> {
  for (const text of texts) {
    device.send(to, text)
    await harness.settle()
    harness.nowMs += 1000
  }
}

async function fill(harness: ShardHarness, device: TestDevice, to: string, count: number): Promise<void> {
  for (let index = 0; index < count; index++) device.send(to, `filler ${String(index)}`)
  await harness.settle()
}

/** All pages, one after the other. */
async function all(harness: ShardHarness, user: string, text: string, request: Partial<SearchRequest> = {}): Promise<string[]> {
  const found: string[] = []
  let after: SearchPosition | undefined
  for (let pages = 0; pages < 10_000; pages++) {
    const page = await harness.router.search(user, { text, limit: LIMIT.searchPageMax, ...request, ...after === undefined ? {} : { after } })
    for (const { conversation, message } of page.results) found.push(`${conversation} ${String(message.seq)} ${Buffer.from(message.text).toString()}`)
    assert.equal(page.more, page.next !== null)
    if (page.next === null) return found
    after = page.next
  }
  return assert.fail('the pages go on without end')
}

async function segmentRows(harness: ShardHarness, name: string): Promise<number> {
  return (await harness.engine.range({ ...searchKeys(name).all(), limit: 1000 })).length
}

test('[SCH-1] [SCH-3] finds what is in the user\'s own conversations, newest first, and nothing else', async () => {
  const { harness, alice, bob } = await world()
  const carol = await harness.attach('carol')
  await send(harness, alice, 'bob', ['good morning'])
  await send(harness, alice, 'carol', ['good evening'])
  await send(harness, bob, 'alice', ['what good times'])
  await send(harness, bob, 'carol', ['good, but not for alice'])
  await send(harness, carol, 'carol', ['a good note to myself'])
  assert.deepEqual(await all(harness, 'alice', 'good'), ['bob 2 what good times', 'carol 1 good evening', 'bob 1 good morning'])
  assert.deepEqual(await all(harness, 'carol', 'goo'), ['carol 1 a good note to myself', 'bob 1 good, but not for alice', 'alice 1 good evening'])
  assert.deepEqual(await all(harness, 'bob', 'evening'), [])
  assert.deepEqual(await all(harness, 'nobody', 'good'), [])
})

test('[SCH-5] conversation, sender and time narrow it; one that the user is not in does not exist', async () => {
  const { harness, alice, bob } = await world()
  const startMs = harness.nowMs
  await send(harness, alice, 'bob', ['tea one', 'tea two'])
  await send(harness, bob, 'alice', ['tea three'])
  await send(harness, alice, 'carol', ['tea four'])
  assert.deepEqual(await all(harness, 'alice', 'tea', { conversation: 'bob' }), ['bob 3 tea three', 'bob 2 tea two', 'bob 1 tea one'])
  assert.deepEqual(await all(harness, 'alice', 'tea', { from: 'bob' }), ['bob 3 tea three'])
  assert.deepEqual(await all(harness, 'alice', 'tea', { sinceMs: startMs + 1000, untilMs: startMs + 3000 }), ['bob 3 tea three', 'bob 2 tea two'])
  assert.deepEqual(await all(harness, 'alice', 'tea', { sinceMs: startMs + 10_000 }), [])
  for (const conversation of ['dave', '#skiing']) {
    await assert.rejects(harness.router.search('alice', { text: 'tea', conversation, limit: 9 }), routerError(ERROR.noSuchConversation))
  }
  await assert.rejects(harness.router.search('bob', { text: 'tea', conversation: 'carol', limit: 9 }), routerError(ERROR.noSuchConversation))
})

test('[SCH-6] [SCH-7] a search without words makes no sense, and where search is off there is none', async () => {
  const { harness } = await world()
  await assert.rejects(harness.router.search('alice', { text: ' ?! ', limit: 9 }), routerError(ERROR.badRequest))
  const off = new ShardHarness({ limits: { searchEnabled: false } })
  await off.addUsers('alice', 'bob')
  await fill(off, await off.attach('alice'), 'bob', SEGMENT_MESSAGES)
  await off.pass(INDEXING_MS)
  assert.equal(await segmentRows(off, 'alice:bob'), 0)
  await assert.rejects(off.router.search('alice', { text: 'x', limit: 9 }), routerError(ERROR.noSearch))
  await assert.rejects(off.router.rebuildSearch(), routerError(ERROR.noSearch))
})

test('a segment is indexed once it is full, in the background, and found through the index after a restart', async () => {
  const { harness, alice } = await world()
  await send(harness, alice, 'bob', ['the needle'])
  await fill(harness, alice, 'bob', SEGMENT_MESSAGES - 2)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 0)
  await fill(harness, alice, 'bob', 1)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  await fill(harness, alice, 'bob', 2 * SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 3)
  await harness.restart()
  const page = await harness.router.search('alice', { text: 'need', limit: 9 })
  assert.deepEqual(page.results.map(({ message }) => message.seq), [1])
  assert.ok(page.rowsRead < 20, `${String(page.rowsRead)} rows`)
})

test('unless it is made ahead, what nobody searches is not indexed, and what was searched is found through the index', async () => {
  const { harness, alice } = await world({ limits: { searchIndexAhead: false } })
  await send(harness, alice, 'bob', ['the needle'])
  await fill(harness, alice, 'bob', 3 * SEGMENT_MESSAGES)
  await fill(harness, alice, 'carol', SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 0)
  const search = (): Promise<SearchPage> => harness.router.search('alice', { text: 'need', conversation: 'bob', limit: 9 })
  const first = await search()
  await harness.pass(INDEXING_MS)
  assert.deepEqual([await segmentRows(harness, 'alice:bob'), await segmentRows(harness, 'alice:carol')], [3, 0])
  const again = await search()
  assert.deepEqual(again.results, first.results)
  assert.equal(first.results.length, 1)
  assert.ok(again.rowsRead < 20 && first.rowsRead > 100, `${String(first.rowsRead)} and ${String(again.rowsRead)} rows`)
  // An edit takes its segment along; the next search has it made again.
  alice.operate('bob', 1, OPERATION.edit, 'no more')
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 2)
  assert.deepEqual((await search()).results, [])
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 3)
})

test('what several searches miss at once is made once, also before it is on the disk', async () => {
  const { harness, alice } = await world({ limits: { searchIndexAhead: false } })
  await send(harness, alice, 'bob', ['the needle'])
  await fill(harness, alice, 'bob', 3 * SEGMENT_MESSAGES)
  const search = async (user: string): Promise<number[]> =>
    (await harness.router.search(user, { text: 'need', limit: 9 })).results.map(({ message }) => message.seq)
  assert.deepEqual(await Promise.all(['alice', 'bob'].map(search)), [[1], [1]])
  assert.deepEqual(await search('alice'), [1])
  assert.equal(harness.shard.indexer?.made, 3)
  // What was made of an older text is not what there is.
  alice.operate('bob', 1, OPERATION.edit, 'needless')
  await harness.settle()
  assert.deepEqual(await all(harness, 'bob', 'needless'), ['alice 1 needless'])
  assert.equal(harness.shard.indexer.made, 4)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 3)
})

test('segments of long texts are committed some at a time', async () => {
  const { harness, alice } = await world({ limits: { searchIndexAhead: false, searchRowsMax: 1_000_000 } })
  let word = 0
  for (let at = 0; at < 12 * SEGMENT_MESSAGES; at++) alice.send('bob', Array.from({ length: 12 }, () => `w${String(++word)}x`).join(' '))
  await harness.settle()
  const largest = largestCommit(harness.engine)
  assert.equal((await all(harness, 'alice', 'w1x')).length, 1)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 12)
  assert.ok(largest() > 0 && largest() < 256 * 1024, `${String(largest())} bytes in a commit`)
})

test('[SCH-4] without an index, with a damaged one, or with one that names too much, the same is found, and what is missing is made', async () => {
  const { harness, alice } = await world()
  await send(harness, alice, 'bob', ['the needle'])
  await fill(harness, alice, 'bob', 3 * SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  const keys = searchKeys('alice:bob')
  const batch = harness.engine.batch()
  const [first, second, third] = await harness.engine.range({ ...keys.all(), limit: 3 })
  batch.delete(second![0])
  batch.put(third![0], Buffer.from([9, 9, 9]))
  await harness.engine.commit(batch)
  assert.equal((await all(harness, 'alice', 'filler')).length, 3 * SEGMENT_MESSAGES)
  assert.deepEqual(await all(harness, 'alice', 'needle'), ['bob 1 the needle'])
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 3)
  assert.notDeepEqual(await harness.engine.get(third![0]), Buffer.from([9, 9, 9]))
  // A stale row: the words of the first segment in the place of the second.
  const stale = harness.engine.batch()
  stale.put(keys.segment(2 * SEGMENT_MESSAGES), first![1])
  await harness.engine.commit(stale)
  assert.deepEqual(await all(harness, 'alice', 'needle'), ['bob 1 the needle'])
})

test('[SCH-4] what retention has removed is found no more, and its words are gone from the store', async () => {
  const { harness, alice } = await world({ limits: { retentionMs: 86_400_000 } })
  await send(harness, alice, 'bob', ['a secretword'])
  await fill(harness, alice, 'bob', SEGMENT_MESSAGES + 10)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  harness.nowMs += 2 * 86_400_000
  await fill(harness, alice, 'bob', SEGMENT_MESSAGES)
  await harness.pass(120_000)
  assert.deepEqual(await all(harness, 'alice', 'secretword'), [])
  assert.equal((await all(harness, 'alice', 'filler')).length, SEGMENT_MESSAGES)
  for (const [key, row] of await harness.engine.range({ ...everything(), limit: 10_000 })) {
    if (ownerAt(key)?.table !== 'user') assert.ok(!Buffer.from(row).includes('secretword'), Buffer.from(key).toString('latin1'))
  }
  await harness.pass(7_200_000)
  await harness.router.rebuildSearch()
  assert.equal((await all(harness, 'alice', 'filler')).length, SEGMENT_MESSAGES)
})

test('a rebuild makes every full segment again, from whatever there is', async () => {
  const { harness, alice, bob } = await world()
  await fill(harness, alice, 'bob', 2 * SEGMENT_MESSAGES + 5)
  await fill(harness, bob, 'carol', SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  const before = await harness.engine.range({ ...searchKeys('alice:bob').all(), limit: 10 })
  const batch = harness.engine.batch()
  batch.delete(searchKeys('alice:bob').segment(SEGMENT_MESSAGES))
  batch.put(searchKeys('bob:carol').segment(7), Buffer.from('rubbish'))
  await harness.engine.commit(batch)
  assert.deepEqual(await harness.router.rebuildSearch(), { conversations: 2, segments: 3 })
  assert.deepEqual(await harness.engine.range({ ...searchKeys('alice:bob').all(), limit: 10 }), before)
  assert.equal(await segmentRows(harness, 'bob:carol'), 1)
})

test('a crash while the index is made costs nothing but the making', async () => {
  const { harness, alice } = await world()
  await send(harness, alice, 'bob', ['the needle'])
  await fill(harness, alice, 'bob', 2 * SEGMENT_MESSAGES)
  harness.crash()
  assert.deepEqual(await all(harness, 'alice', 'needle'), ['bob 1 the needle'])
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 2)
})

test('[SCH-3] a page costs what a page may, and the next one goes on where it ended', async () => {
  const { harness, alice } = await world({ limits: { searchRowsMax: 64 } })
  await send(harness, alice, 'bob', ['needle in bob'])
  await send(harness, alice, 'carol', ['needle in carol'])
  await fill(harness, alice, 'bob', 200)
  await fill(harness, alice, 'carol', 200)
  const first = await harness.router.search('alice', { text: 'needle', limit: 9 })
  assert.deepEqual([first.results.length, first.more], [0, true])
  assert.ok(first.rowsRead < 64 + 100)
  assert.deepEqual(await all(harness, 'alice', 'needle'), ['carol 1 needle in carol', 'bob 1 needle in bob'])
  assert.equal((await all(harness, 'alice', 'filler')).length, 400)
})

/** 700 letters that folding takes apart into 12,600. */
const DEAR = '\ufdfa'.repeat(LIMIT.textCharactersMax)

test('[SCH-3] texts that take long to compare cost more, and leave the event loop to others', async () => {
  const { harness, alice } = await world({ limits: { searchRowsMax: 500 } })
  for (let i = 0; i < 100; i++) alice.send('bob', DEAR)
  await harness.settle()
  let turns = 0
  let isOver = false
  const counting = (async () => {
    for (; !isOver; turns++) await new Promise((resolve) => { setImmediate(resolve) })
  })()
  const page = await harness.router.search('alice', { text: 'needle', limit: 9 })
  isOver = true
  await counting
  assert.deepEqual([page.results.length, page.more], [0, true])
  assert.ok(page.rowsRead >= 500 && page.rowsRead < 700, `${String(page.rowsRead)} rows`)
  assert.ok(turns >= 10, `${String(turns)} turns`)
  assert.deepEqual(await all(harness, 'alice', 'needle'), [])
})

test('searches of one user come one after the other, so that many at once hold no more than one', async () => {
  const { harness, alice } = await world()
  await send(harness, alice, 'bob', ['needle'])
  const { engine } = harness
  const range = engine.range.bind(engine)
  const held: (() => void)[] = []
  engine.range = async (options) => {
    await new Promise<void>((resolve) => { held.push(resolve) })
    return range(options)
  }
  const searches = Promise.all([1, 2, 3].map(() => harness.router.search('alice', { text: 'needle', limit: 9 })))
  const others = harness.router.search('bob', { text: 'needle', limit: 9 })
  await harness.settle()
  assert.equal(held.length, 2, 'one of alice and one of bob')
  engine.range = range
  for (const release of held) release()
  assert.deepEqual([...await searches, await others].map(({ results }) => results.length), [1, 1, 1, 1])
})

test('the index takes no more than its share of the time, whatever texts hold', async () => {
  const { harness, alice } = await world()
  for (let i = 0; i < 2 * SEGMENT_MESSAGES; i++) alice.send('bob', DEAR)
  await harness.settle()
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  assert.equal(harness.shard.indexer?.waiting, 1)
  await harness.pass(10_000)
  assert.equal(await segmentRows(harness, 'alice:bob'), 2)
  assert.deepEqual([harness.shard.indexer.waiting, harness.shard.indexer.made], [0, 2])
})

test('[SCH-1] [SCH-4] an edit made after somebody was removed, or was blocked, is not shown to it by a search', async () => {
  const { harness, alice, bob } = await world()
  const members = (...names: string[]): ReturnType<typeof element>[] => names.map((name) => element('member', { name }))
  await harness.router.groups.create('alice', '#tea', readNewGroup(element('group-create', { id: '#tea', name: 'Tea' }, ...members('bob')), '#tea'))
  await send(harness, alice, '#tea', ['old words'])
  const inGroup = alice.acks.at(-1)!.seq
  await send(harness, alice, 'bob', ['old words'])
  await harness.router.groups.change('alice', '#tea', readChange(element('remove', {}, ...members('bob'))))
  await harness.router.profiles.block('bob', 'alice')
  alice.operate('#tea', inGroup, OPERATION.edit, 'secret words')
  alice.operate('bob', 1, OPERATION.edit, 'secret words')
  await harness.settle()
  const check = async (): Promise<void> => {
    assert.deepEqual(await all(harness, 'bob', 'secret'), [])
    for (const conversation of ['#tea', 'alice']) assert.equal((await all(harness, 'bob', 'old words', { conversation })).length, 1)
    assert.equal((await all(harness, 'alice', 'secret words')).length, 2)
  }
  await check()
  await fill(harness, alice, '#tea', SEGMENT_MESSAGES)
  await fill(harness, alice, 'bob', SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  assert.deepEqual([await segmentRows(harness, '#tea'), await segmentRows(harness, 'alice:bob')], [1, 1])
  await check()
  assert.equal(bob.endedWith, 0)
})

test('[SCH-5] a conversation that is hidden from the user does not exist to a search either', async () => {
  const { harness, alice } = await world()
  await harness.router.profiles.block('bob', 'alice')
  await send(harness, alice, 'bob', ['hello'])
  const search = (): Promise<unknown> => harness.router.search('bob', { text: 'hello', conversation: 'alice', limit: 9 })
  await assert.rejects(search(), routerError(ERROR.noSuchConversation))
  await harness.router.profiles.unblock('bob', 'alice')
  await assert.rejects(search(), routerError(ERROR.noSuchConversation))
  await send(harness, alice, 'bob', ['hello again'])
  assert.deepEqual(await all(harness, 'bob', 'hello', { conversation: 'alice' }), ['alice 2 hello again'])
})

test('edits keep no segment but their own from being indexed, and that one is made again', async () => {
  const { harness, alice, bob } = await world()
  await send(harness, bob, 'carol', ['edited'])
  await fill(harness, alice, 'bob', SEGMENT_MESSAGES)
  // Between the reads of the segment.
  const { engine } = harness
  const range = engine.range.bind(engine)
  let edits = 0
  const edit = (device: TestDevice, to: string): void => {
    device.operate(to, 1, OPERATION.edit, `edit ${String(++edits)}`)
  }
  engine.range = (options) => {
    if (edits < 100) edit(bob, 'carol')
    return range(options)
  }
  await harness.pass(INDEXING_MS)
  engine.range = range
  assert.ok(edits > 0)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  edit(alice, 'bob')
  await harness.settle()
  assert.equal(await segmentRows(harness, 'alice:bob'), 0)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  // While it is made: what was read before may be gone.
  edit(alice, 'bob')
  await harness.settle()
  let isEdited = false
  engine.range = async (options) => {
    const rows = await range(options)
    if (!isEdited && rows.length > 1) {
      isEdited = true
      alice.operate('bob', 1, OPERATION.delete)
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    return rows
  }
  await harness.pass(INDEXING_MS)
  engine.range = range
  assert.ok(isEdited)
  assert.equal(await segmentRows(harness, 'alice:bob'), 1)
  for (const [key, row] of await engine.range({ ...searchKeys('alice:bob').all(), limit: 9 })) assert.ok(!Buffer.from(row).includes('edit'), Buffer.from(key).toString('latin1'))
})

test('[SCH-4] what retention has removed leaves no words in the store, also where a removal failed once', async () => {
  for (const failing of [1, 2, 3]) {
    const { harness, alice } = await world({ limits: { retentionMs: 86_400_000 } })
    await send(harness, alice, 'bob', ['a secretword'])
    await fill(harness, alice, 'bob', SEGMENT_MESSAGES - 1)
    await harness.pass(INDEXING_MS)
    alice.operate('bob', 2, OPERATION.edit, 'another secretword')
    await harness.pass(INDEXING_MS)
    assert.equal(await segmentRows(harness, 'alice:bob'), 1)
    harness.nowMs += 2 * 86_400_000
    const { engine } = harness
    const trim = engine.trim.bind(engine)
    let trims = 0
    engine.trim = (range) => ++trims === failing ? Promise.reject(new Error('disk full')) : trim(range)
    await harness.pass(120_000)
    assert.ok(trims >= failing)
    await harness.pass(86_400_000)
    for (const [key, row] of await engine.range({ ...everything(), limit: 10_000 })) {
      if (ownerAt(key)?.table !== 'user') assert.ok(!Buffer.from(row).includes('secretword'), `${String(failing)}: ${Buffer.from(key).toString('latin1')}`)
    }
  }
})

test('[SCH-8] text that is encrypted is neither indexed nor found', async () => {
  const extensions = encodeExtensions([{ key: EXTENSION.encrypted, value: Buffer.from('x') }])
  assert.equal(searchableText({ text: Buffer.from('hidden'), extensions, change: null, operation: null }), '')
  assert.equal(searchableText({ text: Buffer.from('shown'), extensions: encodeExtensions([{ key: 9, value: Buffer.from('x') }]), change: null, operation: null }), 'shown')
})

test('[SCH-1] only members read, and only what is there', () => {
  const conversation = new ConversationState('alice:bob', conversationKeys('alice:bob'))
  conversation.committedTail = 5
  conversation.trimmedTo = 2
  assert.ok(!mayRead(conversation, 'alice', 3))
  conversation.addMember(new Member('alice'))
  assert.deepEqual([2, 3, 5, 6].map((seq) => mayRead(conversation, 'alice', seq)), [false, true, true, false])
  assert.ok(!mayRead(conversation, 'carol', 3))
})

test('[SCH-1] in a group each finds what was said while it was a member, with an index and without', async () => {
  const { harness, alice, bob } = await world()
  const members = (kind: string, ...names: string[]): ReturnType<typeof element> => element(kind, {}, ...names.map((name) => element('member', { name })))
  await harness.router.groups.create('alice', '#tea', readNewGroup(element('group-create', { id: '#tea', name: 'Tea' }, ...members('x', 'bob').children), '#tea'))
  await send(harness, bob, '#tea', ['green tea'])
  await harness.router.groups.change('alice', '#tea', readChange(members('add', 'carol')))
  await send(harness, alice, '#tea', ['black tea'])
  await harness.router.groups.change('alice', '#tea', readChange(members('remove', 'bob')))
  await send(harness, alice, '#tea', ['white tea'])
  const texts = async (user: string, request: Partial<SearchRequest> = {}): Promise<string[]> =>
    (await all(harness, user, 'tea', request)).map((line) => line.replace(/^#tea \d+ /, ''))
  const check = async (): Promise<void> => {
    assert.deepEqual(await texts('alice'), ['white tea', 'black tea', 'green tea'])
    assert.deepEqual(await texts('bob', { conversation: '#tea' }), ['black tea', 'green tea'])
    assert.deepEqual(await texts('carol'), ['white tea', 'black tea'])
    await assert.rejects(harness.router.search('dave', { text: 'tea', conversation: '#tea', limit: 9 }), routerError(ERROR.noSuchConversation))
  }
  await check()
  await fill(harness, alice, '#tea', SEGMENT_MESSAGES)
  await harness.pass(INDEXING_MS)
  assert.equal(await segmentRows(harness, '#tea'), 1)
  await check()
  await harness.restart()
  await check()
})

test('[SCH-2] [SCH-3] whatever was said, whoever asks, in pages of any size: the same as reading it all', async () => {
  const word = fc.constantFrom('tea', 'team', 'Tee', 'thé', 'coffee', '茶', 'x')
  const line = fc.record({ from: fc.constantFrom(0, 1, 2), to: fc.constantFrom(0, 1, 2), text: fc.array(word, { minLength: 1, maxLength: 3 }), pauseMs: fc.constantFrom(0, 0, 1, 1000) })
  await fc.assert(fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 60 }), fc.constantFrom('te', 'tea', 'the', '茶', 'coffee t'), fc.integer({ min: 1, max: 7 }), async (lines, search, limit) => {
    const { harness, alice, bob } = await world({ limits: { searchRowsMax: 64 } })
    const devices = [alice, bob, await harness.attach('carol')]
    const users = ['alice', 'bob', 'carol']
    const said: { conversation: string, seq: number, timeMs: number, text: string }[] = []
    const tails = new Map<string, number>()
    for (const { from, to, text, pauseMs } of lines) {
      devices[from]!.send(users[to]!, text.join(' '))
      await harness.settle()
      const name = pairName(users[from]!, users[to]!)
      const seq = (tails.get(name) ?? 0) + 1
      tails.set(name, seq)
      said.push({ conversation: name, seq, timeMs: harness.nowMs, text: text.join(' ') })
      harness.nowMs += pauseMs
    }
    const last = search.split(' ').at(-1)!
    for (const user of users) {
      const expected = said.filter(({ conversation, text }) => {
        const words = text.toLowerCase().replaceAll('é', 'e').split(' ')
        return conversation.split(':').includes(user) && search.split(' ').slice(0, -1).every((each) => words.includes(each)) && words.some((each) => each.startsWith(last))
      }).map(({ conversation, seq, timeMs, text }) => ({ address: conversation.split(':').find((each) => each !== user) ?? user, seq, timeMs, text }))
        .sort((one, other) => other.timeMs - one.timeMs || (one.address < other.address ? -1 : one.address > other.address ? 1 : other.seq - one.seq))
        .map(({ address, seq, text }) => `${address} ${String(seq)} ${text}`)
      assert.deepEqual(await all(harness, user, search, { limit }), expected)
    }
  }), { numRuns: 25 })
})
