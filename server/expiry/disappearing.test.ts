import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element, textOf } from '../../protocol/element.js'
import { withExpiry } from '../../protocol/expiry.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { ERROR, FRAME, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { encodeReferences } from '../../protocol/references.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { expiries } from '../../storage/shard-keys.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { ERASURES_MAX } from '../operations/erasures.js'
import { messageElement } from '../session/query-answers.js'
import { SEGMENT_MESSAGES } from '../search/segment.js'
import { forgetUpTo } from '../shard/retention.js'
import { routerError, ShardHarness, type TestDevice } from '../testing/shard-harness.js'

const SKIING = '#skiing'
const HOUR_MS = 3_600_000
const SWEEP_MS = LIMIT.expiryDelayMs

interface Pair {
  readonly harness: ShardHarness
  readonly alice: TestDevice
  readonly bob: TestDevice
}

/** Alice has said hello to Bob as seq 1, and turned on a timer of an hour as seq 2. */
async function timedPair(options: ConstructorParameters<typeof ShardHarness>[0] = {}): Promise<Pair> {
  const harness = new ShardHarness(options)
  await harness.addUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  alice.send('bob', 'hello')
  await harness.settle()
  assert.equal(await harness.router.timers.set('alice', 'bob', HOUR_MS), 2)
  await harness.settle()
  return { harness, alice, bob }
}

async function timedGroup(harness: ShardHarness, members: readonly string[], attributes: Record<string, string> = {}): Promise<void> {
  const query = element('group-create', { id: SKIING, ...attributes }, ...members.map((name) => element('member', { name })))
  await harness.router.groups.create('alice', SKIING, readNewGroup(query, SKIING))
  await harness.router.timers.set('alice', SKIING, HOUR_MS)
}

/** History as one sees it, `seq text`; what expires is marked. */
async function seen(harness: ShardHarness, viewer: string, conversation: string): Promise<string[]> {
  const { messages } = await harness.router.history(viewer, conversation, { limit: 100 })
  return messages.map((message) => {
    const shown = messageElement('message', message)
    const body = shown.children.map((child) => typeof child === 'string' ? '' : child.name === 'body' ? textOf(child) : child.name)
    return [message.seq, ...body, ...shown.attributes.has('expires') ? ['expires'] : []].join(' ')
  })
}

/** Whether any row of a conversation or an index holds this text. Rows of queues are passed over: they are emptied as they are read. */
async function isStored(harness: ShardHarness, text: string): Promise<boolean> {
  const rows = await harness.engine.range({ ...everything(), limit: 10_000 })
  return rows.some(([key, row]) => ownerAt(key)?.table !== 'user' && Buffer.from(row).includes(text))
}

function textsWithSeqs(device: TestDevice): string[] {
  return device.frames.flatMap((frame) => frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom || frame.type === FRAME.operation
    ? [`${String(frame.seq)} ${Buffer.from(frame.text).toString()}`]
    : [])
}

test('[DIS-1] a timer takes a seq, is told to all devices of both, and survives a restart', async () => {
  const { harness, alice, bob } = await timedPair()
  const tablet = await harness.attach('alice', 'tablet')
  await harness.router.timers.set('bob', 'alice', 2 * HOUR_MS)
  await harness.settle()
  for (const device of [alice, bob, tablet]) {
    const change = device.frames.findLast((frame) => frame.type === FRAME.change)
    assert.ok(change?.type === FRAME.change)
    assert.deepEqual([change.seq, change.from, change.element.name, change.element.attributes.get('after')], [3, 'bob', 'timer', String(2 * HOUR_MS)])
    assert.equal(change.conversation, device.user === 'alice' ? 'bob' : 'alice')
  }
  await harness.restart()
  assert.equal(await harness.router.timers.get('alice', 'bob'), 2 * HOUR_MS)
  const { conversations } = await harness.router.conversations('bob', '', 10)
  assert.deepEqual(conversations.map(({ conversation, timerMs, unread }) => [conversation, timerMs, unread]), [['alice', 2 * HOUR_MS, 1]])
})

test('[DIS-1] a timer that is so already takes no seq, and one out of bounds is refused', async () => {
  const { harness } = await timedPair()
  assert.equal(await harness.router.timers.set('bob', 'alice', HOUR_MS), 0)
  for (const afterMs of [1, LIMIT.timerMinMs - 1, LIMIT.timerMaxMs + 1]) {
    await assert.rejects(harness.router.timers.set('alice', 'bob', afterMs), routerError(ERROR.badRequest))
  }
  for (const afterMs of [LIMIT.timerMinMs, LIMIT.timerMaxMs, 0]) assert.ok(await harness.router.timers.set('alice', 'bob', afterMs) > 0)
})

test('[DIS-7] in a group those whom the policy lets edit change the timer; who is in no conversation changes nothing', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol')
  await timedGroup(harness, ['bob'])
  await assert.rejects(harness.router.timers.set('bob', SKIING, 0), routerError(ERROR.notAllowed))
  await assert.rejects(harness.router.timers.set('carol', SKIING, 0), routerError(ERROR.noSuchConversation))
  await assert.rejects(harness.router.timers.get('carol', SKIING), routerError(ERROR.noSuchConversation))
  await assert.rejects(harness.router.timers.set('bob', 'alice', HOUR_MS), routerError(ERROR.noSuchConversation))
  await harness.router.groups.change('alice', SKIING, readChange(element('policy', { edit: 'all' })))
  assert.equal(await harness.router.timers.set('bob', SKIING, 0), 4)
  assert.equal(await harness.router.timers.get('alice', SKIING), 0)
})

test('[DIS-7] who has blocked the other changes no timer; who is blocked does, and the blocker hears nothing of it', async () => {
  const { harness, bob } = await timedPair()
  await harness.router.profiles.block('bob', 'alice')
  await assert.rejects(harness.router.timers.set('bob', 'alice', 0), routerError(ERROR.contactBlocked))
  const before = bob.frames.length
  assert.equal(await harness.router.timers.set('alice', 'bob', 0), 3)
  await harness.settle()
  assert.equal(bob.frames.slice(before).filter(({ type }) => type === FRAME.change).length, 0)
})

test('[DIS-2] what is sent under a timer expires by it, whatever becomes of the timer', async () => {
  const { harness, alice, bob } = await timedPair()
  alice.send('bob', 'soon gone')
  await harness.settle()
  const sentMs = harness.nowMs
  await harness.router.timers.set('bob', 'alice', 0)
  alice.send('bob', 'stays')
  await harness.settle()
  assert.deepEqual([...alice.expiries], [[3, sentMs + HOUR_MS]])
  assert.deepEqual(bob.frames.flatMap((frame) => frame.type === FRAME.delivery ? [[frame.seq, Buffer.from(frame.extensions).equals(withExpiry(new Uint8Array(0), sentMs + HOUR_MS))]] : []),
    [[1, false], [3, true], [5, false]])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 hello', '2 timer', '3 soon gone expires', '4 timer', '5 stays'])
  harness.nowMs = sentMs + HOUR_MS
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 hello', '2 timer', '3 expires', '4 timer', '5 stays'])
})

test('[DIS-2] what else the message carries stays beside it', async () => {
  const { harness, alice, bob } = await timedPair()
  alice.send('bob', 'yes', undefined, encodeReferences({ replyTo: 1 }))
  await harness.settle()
  const frame = bob.frames.at(-1)
  assert.ok(frame?.type === FRAME.delivery)
  assert.deepEqual(Buffer.from(frame.extensions), Buffer.from(withExpiry(encodeReferences({ replyTo: 1 }), harness.nowMs + HOUR_MS)))
})

test('[DIS-3] a device that comes back later gets the entry without its text, also before the sweep, and every index', async () => {
  const { harness, alice, bob } = await timedPair()
  bob.acknowledge()
  bob.detach()
  alice.send('bob', 'soon gone')
  await harness.settle()
  alice.operate('bob', 3, OPERATION.edit, 'soon gone too')
  await harness.settle()
  await harness.router.timers.set('alice', 'bob', 0)
  alice.send('bob', 'stays')
  await harness.settle()
  harness.nowMs += HOUR_MS
  const again = await harness.reattach(bob, bob.lastIndex)
  assert.deepEqual(textsWithSeqs(again), ['3 ', '4 ', '6 stays'])
  assert.deepEqual(again.indexes, [3, 4, 5, 6])
})

test('[DIS-3] neither search, reports nor the list of conversations show what has expired', async () => {
  const { harness, alice } = await timedPair()
  for (let i = 0; i < SEGMENT_MESSAGES; i++) alice.send('bob', `secretword ${String(i)}`)
  await harness.pass(5000)
  assert.equal((await harness.router.search('bob', { text: 'secretword', limit: 5 })).results.length, 5)
  harness.nowMs += HOUR_MS
  assert.deepEqual((await harness.router.search('bob', { text: 'secretword', limit: 5 })).results, [])
  const { conversations } = await harness.router.conversations('bob', '', 10)
  assert.equal(conversations[0]?.last?.text.length, 0)
  await harness.router.profiles.report('bob', { conversation: 'alice', reason: 'spam', blocks: false })
  const { reports } = await harness.router.profiles.reports(0, 10)
  assert.ok(!JSON.stringify(reports.map(({ messages }) => messages.map(({ text }) => Buffer.from(text).toString()))).includes('secretword'))
})

test('[DIS-4] a sweep takes text, edits, reactions and words of the index off the disk, and lowers unread', async () => {
  const { harness, alice, bob } = await timedPair()
  for (let i = 0; i < SEGMENT_MESSAGES; i++) alice.send('bob', `secretword ${String(i)}`)
  await harness.settle()
  alice.operate('bob', 10, OPERATION.edit, 'secretword edited')
  bob.operate('alice', 11, OPERATION.react, '👍')
  await harness.pass(5000)
  assert.ok(await isStored(harness, 'secretword'))
  await harness.router.timers.set('alice', 'bob', 0)
  alice.send('bob', 'stays')
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.ok(!await isStored(harness, 'secretword'))
  assert.ok(!await isStored(harness, '👍'))
  assert.deepEqual(await harness.engine.range({ ...expiries(), limit: 10 }), [])
  const { conversations } = await harness.router.conversations('bob', '', 10)
  assert.deepEqual(conversations.map(({ unread, tail }) => [unread, tail]), [[2, SEGMENT_MESSAGES + 6]])
  await harness.restart()
  const after = await harness.router.conversations('bob', '', 10)
  assert.equal(after.conversations[0]?.unread, 2)
  assert.equal((await seen(harness, 'alice', 'bob')).at(-1), `${String(SEGMENT_MESSAGES + 6)} stays`)
})

test('[DIS-4] what expired while the server was down goes soon after it is back, and a crash in a sweep takes nothing back', async () => {
  const { harness, alice } = await timedPair()
  alice.send('bob', 'secretword')
  await harness.settle()
  harness.crash()
  harness.nowMs += HOUR_MS
  await harness.pass(SWEEP_MS)
  assert.ok(!await isStored(harness, 'secretword'))
  harness.crash()
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 hello', '2 timer', '3 expires'])
  assert.equal((await harness.router.conversations('bob', '', 10)).conversations[0]?.unread, 1)
})

test('[DIS-4] a conversation whose row is damaged does not hold up the others, and the sweep goes on trying', async () => {
  const { harness, alice } = await timedPair()
  await harness.addUsers('carol')
  alice.send('carol', 'hello')
  await harness.settle()
  await harness.router.timers.set('alice', 'carol', HOUR_MS)
  alice.send('bob', 'damaged')
  alice.send('carol', 'secretword')
  await harness.settle()
  const batch = harness.engine.batch()
  const key = (await harness.engine.range({ ...everything(), limit: 1000 })).find(([, row]) => Buffer.from(row).includes('damaged') && row[0] === 2)?.[0]
  assert.ok(key !== undefined)
  batch.put(key, Uint8Array.of(99))
  await harness.engine.commit(batch)
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.ok(!await isStored(harness, 'secretword'))
  assert.equal((await harness.engine.range({ ...expiries(), limit: 10 })).length, 1)
  assert.ok(harness.events.some((event) => event.includes('can\'t be read')))
})

test('[DIS-5] expires in a message of a client is refused, and a retry is known without it', async () => {
  const { harness, alice } = await timedPair()
  alice.send('bob', 'mine', 50, withExpiry(new Uint8Array(0), harness.nowMs + 1000))
  await harness.settle()
  assert.deepEqual(alice.refusals.map(({ error }) => error), [ERROR.badRequest])
  alice.send('bob', 'retried', 51)
  await harness.settle()
  const again = await harness.reattach(alice, 0)
  again.send('bob', 'retried', 51)
  again.send('bob', 'other', 51)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [3])
  assert.equal(again.expiries.get(3), alice.expiries.get(3))
  assert.deepEqual(again.refusals.map(({ error }) => error), [ERROR.conflict])
  await harness.pass(HOUR_MS + SWEEP_MS)
  again.send('bob', 'retried', 51)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [3, 3])
})

test('[DIS-6] an expired message is neither edited nor reacted to, before and after the sweep', async () => {
  const { harness, alice, bob } = await timedPair({ limits: { editAgeMs: 10 * HOUR_MS, deleteAgeMs: 10 * HOUR_MS } })
  alice.send('bob', 'soon gone')
  await harness.settle()
  harness.nowMs += HOUR_MS
  for (let round = 0; round < 2; round++) {
    alice.operate('bob', 3, OPERATION.edit, 'back')
    bob.operate('alice', 3, OPERATION.react, '👍')
    alice.operate('bob', 3, OPERATION.delete)
    await harness.pass(SWEEP_MS)
    assert.deepEqual(alice.refusals.splice(0).map(({ error }) => error), [ERROR.messageDeleted])
    assert.deepEqual(bob.refusals.splice(0).map(({ error }) => error), [ERROR.messageDeleted])
    assert.equal(alice.acks.at(-1)?.seq, 0)
  }
})

test('a message that was deleted before it expires stays a deleted one', async () => {
  const { harness, alice } = await timedPair()
  alice.send('bob', 'soon gone')
  await harness.settle()
  alice.operate('bob', 3, OPERATION.delete)
  await harness.pass(HOUR_MS + SWEEP_MS)
  const { messages } = await harness.router.history('bob', 'alice', { limit: 10 })
  assert.ok((messages[2]?.present?.deletedMs ?? 0) > 0)
})

test('in a group all members lose it at once, each of them its unread', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol')
  await timedGroup(harness, ['bob', 'carol'])
  const alice = await harness.attach('alice')
  const bob = await harness.attach('bob')
  alice.send(SKIING, 'soon gone')
  await harness.settle()
  bob.mark(SKIING, 3)
  alice.send(SKIING, 'soon gone too')
  await harness.pass(HOUR_MS + SWEEP_MS)
  for (const user of ['alice', 'bob', 'carol']) {
    const { conversations } = await harness.router.conversations(user, '', 10)
    assert.deepEqual(conversations.map(({ unread, timerMs }) => [unread, timerMs]), [[0, HOUR_MS]], user)
    assert.deepEqual((await seen(harness, user, SKIING)).slice(-2), ['3 expires', '4 expires'])
  }
  const carol = await harness.attach('carol')
  assert.deepEqual(textsWithSeqs(carol), ['3 ', '4 '])
})

test('one\'s notes have a timer too', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice')
  const alice = await harness.attach('alice')
  alice.send('alice', 'milk')
  await harness.settle()
  await harness.router.timers.set('alice', 'alice', HOUR_MS)
  alice.send('alice', 'secretword')
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.deepEqual(await seen(harness, 'alice', 'alice'), ['1 milk', '2 timer', '3 expires'])
})

test('the sweep sleeps while nothing is to expire', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  const alice = await harness.attach('alice')
  alice.send('bob', 'stays')
  await harness.pass(10 * SWEEP_MS)
  assert.ok(harness.engine instanceof MemoryEngine)
  let reads = 0
  const range = harness.engine.range.bind(harness.engine)
  harness.engine.range = (options) => { reads++; return range(options) }
  await harness.pass(HOUR_MS)
  assert.equal(reads, 0)
})

test('a message without room for expires is refused while a timer is on, and costs a stranger nothing', async () => {
  // The message and the timer have taken two of three.
  const { harness, alice } = await timedPair({ limits: { strangerPerSecond: 1, strangerBurst: 3 } })
  const full = encodeExtensions(Array.from({ length: LIMIT.extensionsMax }, (_, i) => ({ key: 1001 + 2 * i, value: new Uint8Array(1) })))
  alice.send('bob', 'full', undefined, full)
  await harness.settle()
  assert.deepEqual(alice.refusals.map(({ error }) => error), [ERROR.badRequest])
  alice.send('bob', 'not full')
  await harness.settle()
  assert.equal(alice.acks.at(-1)?.seq, 3)
})

test('[DIS-4] unread is right after a restart where nothing was said since', async () => {
  const { harness, alice, bob } = await timedPair()
  alice.send('bob', 'soon gone')
  await harness.settle()
  bob.mark('alice', 2)
  bob.acknowledge()
  await harness.pass(HOUR_MS + SWEEP_MS)
  for (let round = 0; round < 2; round++) {
    assert.deepEqual((await harness.router.conversations('bob', '', 10)).conversations.map(({ unread, read }) => [unread, read]), [[0, 2]])
    await harness.restart()
  }
})

test('[DIS-3] a device that comes back later gets a reaction without its emoji once the message has expired', async () => {
  const { harness, alice, bob } = await timedPair()
  alice.acknowledge()
  alice.detach()
  const tablet = await harness.attach('alice', 'tablet')
  tablet.send('bob', 'soon gone')
  await harness.settle()
  bob.operate('alice', 3, OPERATION.react, '👍')
  await harness.settle()
  const told = tablet.frames.at(-1)
  assert.ok(told?.type === FRAME.operation)
  assert.deepEqual(Buffer.from(told.extensions), Buffer.from(withExpiry(new Uint8Array(0), tablet.expiries.get(3) ?? 0)))
  harness.nowMs += HOUR_MS
  const again = await harness.reattach(alice, alice.lastIndex)
  assert.deepEqual(textsWithSeqs(again), ['3 ', '4 '])
})

test('[DIS-3] what expires while its commit is under way reaches no device', async () => {
  const { harness, alice, bob } = await timedPair()
  alice.send('bob', 'soon gone')
  harness.nowMs += HOUR_MS
  await harness.settle()
  alice.send('bob', 'stays a while')
  await harness.settle()
  assert.deepEqual(textsWithSeqs(bob), ['1 hello', '3 ', '4 stays a while'])
})

test('[DIS-2] an expired message keeps its expires where queues look up what was deleted', async () => {
  const { harness, alice, bob } = await timedPair()
  bob.acknowledge()
  bob.detach()
  alice.send('bob', 'soon gone')
  for (let i = 0; i <= ERASURES_MAX; i++) alice.send('bob', String(i))
  await harness.settle()
  for (let i = 0; i <= ERASURES_MAX; i++) alice.operate('bob', 4 + i, OPERATION.delete)
  await harness.pass(HOUR_MS + SWEEP_MS)
  const again = await harness.reattach(bob, bob.lastIndex)
  const frame = again.frames.find((each) => each.type === FRAME.delivery && each.seq === 3)
  assert.ok(frame?.type === FRAME.delivery)
  assert.deepEqual(Buffer.from(frame.extensions), Buffer.from(withExpiry(new Uint8Array(0), alice.expiries.get(3) ?? 0)))
})

test('[DIS-6] what was erased does not come back when the clock is set back', async () => {
  const { harness, alice, bob } = await timedPair({ limits: { editAgeMs: 10 * HOUR_MS } })
  alice.send('bob', 'soon gone')
  await harness.pass(HOUR_MS + SWEEP_MS)
  harness.nowMs -= HOUR_MS + SWEEP_MS
  alice.operate('bob', 3, OPERATION.edit, 'back')
  bob.operate('alice', 3, OPERATION.react, '👍')
  await harness.settle()
  assert.deepEqual([...alice.refusals, ...bob.refusals].map(({ error }) => error), [ERROR.messageDeleted, ERROR.messageDeleted])
  assert.ok(!await isStored(harness, 'back'))
})

test('[DIS-4] a clock that is set back while a sweep is under way leaves nothing behind', async () => {
  const { harness, alice } = await timedPair()
  alice.send('bob', 'secretword')
  await harness.settle()
  const alone = harness.shard.alone.bind(harness.shard)
  harness.shard.alone = (name, task) => {
    harness.nowMs -= 2 * SWEEP_MS
    return alone(name, task)
  }
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.ok(!await isStored(harness, 'secretword'))
})

test('[DIS-4] what retention has taken is lowered once, and its row does not come back', async () => {
  const { harness, alice } = await timedPair()
  alice.send('bob', 'soon gone')
  await harness.settle()
  await harness.router.timers.set('alice', 'bob', 0)
  alice.send('bob', 'stays')
  await harness.settle()
  // It has ceased to exist, and its row is not yet removed.
  await forgetUpTo(harness.shard, 'alice:bob', 3)
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.deepEqual((await harness.router.conversations('bob', '', 10)).conversations.map(({ unread }) => unread), [1])
  assert.ok(await isStored(harness, 'soon gone'), 'the sweep leaves its row to retention')
  assert.deepEqual(await harness.engine.range({ ...expiries(), limit: 10 }), [])
})

test('[PRF-21] a stranger changes the timer no more often than it may write', async () => {
  const limits = { strangerPerSecond: 1, strangerBurst: 3 }
  const { harness } = await timedPair({ limits })
  assert.equal(await harness.router.timers.set('alice', 'bob', 0), 3)
  await assert.rejects(harness.router.timers.set('alice', 'bob', HOUR_MS), routerError(ERROR.rateLimited))
  assert.equal(await harness.router.timers.set('alice', 'bob', 0), 0, 'what changes nothing costs nothing')
  assert.equal(await harness.router.timers.set('bob', 'alice', HOUR_MS), 4)
})

test('[DIS-4] conversations are erased together, so that many do not wait for a commit each', async () => {
  const harness = new ShardHarness()
  const others = Array.from({ length: 16 }, (_, i) => `user${String(i)}`)
  await harness.addUsers('alice', ...others)
  const alice = await harness.attach('alice')
  for (const other of others) alice.send(other, 'hello')
  await harness.settle()
  await Promise.all(others.map((other) => harness.router.timers.set('alice', other, HOUR_MS)))
  for (const other of others) alice.send(other, 'secretword')
  await harness.settle()
  let commits = 0
  const commit = harness.engine.commit.bind(harness.engine)
  harness.engine.commit = (batch) => {
    commits++
    return commit(batch)
  }
  await harness.pass(HOUR_MS + SWEEP_MS)
  assert.ok(!await isStored(harness, 'secretword'))
  assert.ok(commits < others.length, `${String(commits)} commits`)
})

test('changes of the timer are counted in a checkpoint as messages are', async () => {
  const { harness } = await timedPair({ limits: { checkpointEvery: 4 } })
  for (let i = 0; i < 6; i++) await harness.router.timers.set('alice', 'bob', (i % 2) * HOUR_MS)
  const conversation = await harness.shard.conversation('alice:bob')
  assert.ok(conversation.tail - conversation.checkpointSeq < 4, `${String(conversation.checkpointSeq)} of ${String(conversation.tail)}`)
})
