import assert from 'node:assert/strict'
import { test } from 'node:test'
import { element } from '../../protocol/element.js'
import type { Frame } from '../../protocol/generated/frames.js'
import { ERROR, type ErrorCode, FRAME, OPERATION } from '../../protocol/generated/registry.js'
import { encodeReferences } from '../../protocol/references.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { everything, ownerAt } from '../../storage/owner-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import { ValueWriter } from '../../storage/value.js'
import { readChange, readNewGroup } from '../groups/change.js'
import { ERASURES_MAX } from './erasures.js'
import { SEGMENT_MESSAGES } from '../search/segment.js'
import { type HarnessOptions, ShardHarness, type TestDevice } from '../testing/shard-harness.js'

const { edit, delete: remove, react } = OPERATION
const SKIING = '#skiing'
const MINUTE_MS = 60_000

interface Pair {
  readonly harness: ShardHarness
  readonly alice: TestDevice
  readonly bob: TestDevice
}

/** Alice and Bob; Alice has sent `texts`. */
async function pair(texts: readonly string[] = ['hello'], options: HarnessOptions = {}): Promise<Pair> {
  const harness = new ShardHarness(options)
  await harness.addUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  for (const text of texts) alice.send('bob', text)
  await harness.settle()
  return { harness, alice, bob }
}

async function group(harness: ShardHarness, creator: string, members: readonly string[], attributes: Record<string, string> = {}): Promise<void> {
  const query = element('group-create', { id: SKIING, ...attributes }, ...members.map((name) => element('member', { name })))
  await harness.router.groups.create(creator, SKIING, readNewGroup(query, SKIING))
}

async function change(harness: ShardHarness, author: string, kind: string, name: string, attributes: Record<string, string> = {}): Promise<void> {
  await harness.router.groups.change(author, SKIING, readChange(element(kind, attributes, element('member', { name }))))
}

/** Operations that came, as `seq from kind target text`. */
function operations(device: TestDevice): string[] {
  return device.frames.flatMap((frame: Frame) => frame.type === FRAME.operation
    ? [`${String(frame.seq)} ${frame.from} ${String(frame.kind)} ${String(frame.target)} ${Buffer.from(frame.text).toString()}`]
    : [])
}

/** History as one sees it: `seq text`, with what became of it. */
async function seen(harness: ShardHarness, viewer: string, conversation: string): Promise<string[]> {
  const { messages } = await harness.router.history(viewer, conversation, { limit: 100 })
  return messages.map(({ seq, text, present, operation, change: item }) => {
    const words = [String(seq), operation === null ? item?.name ?? Buffer.from(text).toString() : `→${String(operation.target)}: ${Buffer.from(text).toString()}`]
    if (present !== null && present.editedMs > 0) words.push('edited')
    if (present !== null && present.deletedMs > 0) words.push('deleted')
    for (const { emoji, count, own, users } of present?.reactions ?? []) words.push(`${emoji}${String(count)}${own ? '!' : ''}(${users.join()})`)
    return words.join(' ').trim()
  })
}

async function unread(harness: ShardHarness, user: string): Promise<number> {
  return (await harness.router.conversations(user, '', 10)).conversations[0]?.unread ?? -1
}

function errors(device: TestDevice): ErrorCode[] {
  return device.refusals.map(({ error }) => error)
}

/** Everything that the store holds, as one text. */
async function stored(harness: ShardHarness): Promise<string> {
  const rows = await harness.engine.range({ ...everything(), limit: 100_000 })
  return Buffer.concat(rows.map(([, row]) => row)).toString('latin1')
}

test('[OPS-1] [OPS-4] [OPS-12] an edit takes a seq, reaches the other, and history shows the new text in the place of the old', async () => {
  const { harness, alice, bob } = await pair(['helo', 'next'])
  alice.operate('bob', 1, edit, 'hello')
  alice.send('bob', 'third')
  await harness.settle()
  assert.deepEqual(alice.acks.map(({ seq }) => seq), [1, 2, 3, 4])
  assert.deepEqual(operations(bob), ['3 alice 1 1 hello'])
  assert.deepEqual(operations(alice), [], 'with one device the ack has said it all')
  const shown = ['1 hello edited', '2 next', '3 →1: hello', '4 third']
  assert.deepEqual(await seen(harness, 'bob', 'alice'), shown)
  harness.crash()
  assert.deepEqual(await seen(harness, 'alice', 'bob'), shown)
})

test('[OPS-5] the last edit holds; one that was replaced stands without its text', async () => {
  const { harness, alice } = await pair(['one'])
  const laptop = await harness.attach('alice', 'laptop')
  alice.operate('bob', 1, edit, 'two')
  laptop.operate('bob', 1, edit, 'three')
  await harness.settle()
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 three edited', '2 →1:', '3 →1: three'])
  assert.deepEqual(operations(laptop), ['2 alice 1 1 two', '3 alice 1 1 three'])
})

test('[OPS-4] only its author edits a message, in time, with a text that may be one', async () => {
  const { harness, alice, bob } = await pair(['one'])
  bob.operate('alice', 1, edit, 'mine')
  alice.operate('bob', 1, edit, '')
  alice.operate('bob', 1, edit, 'x'.repeat(701))
  alice.operate('bob', 1, edit, 'a\0b')
  await harness.pass(15 * MINUTE_MS)
  alice.operate('bob', 1, edit, 'just in time')
  await harness.settle()
  await harness.pass(1)
  alice.operate('bob', 1, edit, 'too late')
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.notAllowed])
  assert.deepEqual(errors(alice), [ERROR.emptyMessage, ERROR.textTooLong, ERROR.malformedText, ERROR.tooLate])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 just in time edited', '2 →1: just in time'])
})

test('[OPS-6] [OPS-7] what is deleted is gone from history and store, and its neighbours in the same row are not', async () => {
  const { harness, alice, bob } = await pair(['before', 'the secret', 'after'])
  alice.operate('bob', 2, edit, 'another secret')
  bob.operate('alice', 2, react, '👍')
  await harness.settle()
  bob.acknowledge()
  alice.operate('bob', 2, remove)
  await harness.settle()
  assert.deepEqual(operations(bob).at(-1), '6 alice 2 2 ')
  const shown = ['1 before', '2  deleted', '3 after', '4 →2:', '5 →2:', '6 →2:']
  assert.deepEqual(await seen(harness, 'bob', 'alice'), shown)
  harness.crash()
  assert.deepEqual(await seen(harness, 'alice', 'bob'), shown)
  // Queues are trimmed behind the slowest device; what they still hold is not given out.
  const log = (await harness.engine.range({ ...harness.shard.conversations.get('alice:bob')!.keys.all(), limit: 1000 })).map(([, row]) => Buffer.from(row).toString()).join()
  assert.doesNotMatch(log, /secret|👍/)
  assert.match(log, /before/)
  assert.match(await stored(harness), /before/)
})

test('[OPS-7] a device that has not been sent a message gets it without its text once it is deleted, also after a crash', async () => {
  const { harness, alice, bob } = await pair(['read', 'secret', 'kept'])
  const tablet = await harness.attach('bob', 'tablet')
  bob.acknowledge()
  assert.deepEqual(tablet.texts, ['read', 'secret', 'kept'])
  tablet.detach()
  alice.send('bob', 'another secret')
  alice.operate('bob', 4, edit, 'an edited secret')
  await harness.settle()
  alice.operate('bob', 2, remove)
  alice.operate('bob', 4, remove)
  await harness.settle()
  harness.crash()
  const again = await harness.reattach(tablet, 0)
  assert.deepEqual(again.texts, ['read', '', 'kept', ''])
  assert.deepEqual(operations(again), ['5 alice 1 4 ', '6 alice 2 2 ', '7 alice 2 4 '])
  assert.deepEqual(again.indexes, [1, 2, 3, 4, 5, 6, 7])
})

test('[OPS-6] a message is deleted by its author, for two days; deleting again changes nothing', async () => {
  const { harness, alice, bob } = await pair(['one', 'two'])
  bob.operate('alice', 1, remove)
  await harness.pass(2 * 86_400_000)
  alice.operate('bob', 1, remove)
  await harness.settle()
  await harness.pass(1)
  alice.operate('bob', 2, remove)
  alice.operate('bob', 1, remove)
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.notAllowed])
  assert.deepEqual(errors(alice), [ERROR.tooLate])
  assert.deepEqual(alice.acks.map(({ seq }) => seq), [1, 2, 3, 0], '[OPS-11] acked, without a place in the log')
  assert.equal((await harness.router.history('bob', 'alice', { limit: 10 })).tail, 3)
})

test('[OPS-8] a deleted message is neither edited nor reacted to', async () => {
  const { harness, alice, bob } = await pair(['one'])
  alice.operate('bob', 1, remove)
  alice.operate('bob', 1, edit, 'again')
  bob.operate('alice', 1, react, '👍')
  bob.operate('alice', 1, react, '')
  await harness.settle()
  assert.deepEqual(errors(alice), [ERROR.messageDeleted])
  assert.deepEqual(errors(bob), [ERROR.messageDeleted, ERROR.messageDeleted])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1  deleted', '2 →1:'])
})

test('[OPS-9] [OPS-11] a user has one reaction; another replaces it, none takes it away, the same again is nothing', async () => {
  const { harness, alice, bob } = await pair(['one'])
  bob.operate('alice', 1, react, '👍')
  alice.operate('bob', 1, react, '👍')
  bob.operate('alice', 1, react, '👍')
  await harness.settle()
  assert.deepEqual((await seen(harness, 'bob', 'alice'))[0], '1 one 👍2!(bob,alice)')
  bob.operate('alice', 1, react, '❤️')
  await harness.settle()
  assert.deepEqual((await seen(harness, 'alice', 'bob')), ['1 one 👍1!(alice) ❤️1(bob)', '2 →1:', '3 →1: 👍', '4 →1: ❤️'])
  bob.operate('alice', 1, react, '')
  bob.operate('alice', 1, react, '')
  await harness.settle()
  assert.deepEqual((await seen(harness, 'alice', 'bob'))[0], '1 one 👍1!(alice)')
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [2, 0, 4, 5, 0])
})

test('[OPS-10] what is no emoji is refused', async () => {
  const { harness, bob } = await pair(['one'])
  for (const text of ['yes', '👍👍', '👍 ', '1']) bob.operate('alice', 1, react, text)
  await harness.settle()
  assert.deepEqual(errors(bob), Array(4).fill(ERROR.invalidReaction))
})

test('[OPS-3] targets that do not exist, are no messages, or lie outside one\'s membership are refused', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol', 'eve')
  await group(harness, 'alice', ['bob'])
  const [alice, carol, eve] = [await harness.attach('alice'), await harness.attach('carol'), await harness.attach('eve')]
  alice.send(SKIING, 'two')
  alice.operate(SKIING, 2, react, '👍')
  await harness.settle()
  await change(harness, 'alice', 'add', 'carol')
  for (const target of [1, 3, 4, 5, 1000, Number.MAX_SAFE_INTEGER]) alice.operate(SKIING, target, react, '👍')
  carol.operate(SKIING, 2, react, '👍')
  eve.operate(SKIING, 2, react, '👍')
  eve.operate('alice', 1, react, '👍')
  eve.operate('nobody', 1, react, '👍')
  alice.operate('b ob', 1, react, '👍')
  alice.operate(SKIING, 0, react, '👍')
  alice.operate(SKIING, 2, 9, '👍')
  alice.operate(SKIING, 2, remove, 'text')
  await harness.settle()
  assert.deepEqual(errors(alice).sort(), [
    ...Array<number>(3).fill(ERROR.badRequest), ERROR.malformedAddress, ...Array<number>(6).fill(ERROR.noSuchMessage),
  ].sort())
  assert.deepEqual(errors(carol), [ERROR.noSuchMessage])
  assert.deepEqual(errors(eve), Array(3).fill(ERROR.noSuchConversation))
})

test('[OPS-6] in a group admins and the owner delete any message at any time, members their own', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol')
  await group(harness, 'alice', ['bob', 'carol'], { post: 'all' })
  const [alice, bob, carol] = [await harness.attach('alice'), await harness.attach('bob'), await harness.attach('carol')]
  for (const device of [alice, bob, carol]) device.send(SKIING, `of ${device.user}`)
  await harness.settle()
  const [ofAlice, ofBob, ofCarol] = [alice, bob, carol].map((device) => device.acks[0]!.seq) as [number, number, number]
  await harness.pass(10 * 86_400_000)
  bob.operate(SKIING, ofAlice, remove)
  bob.operate(SKIING, ofBob, remove)
  alice.operate(SKIING, ofBob, remove)
  alice.operate(SKIING, ofCarol, edit, 'mine')
  await change(harness, 'alice', 'role', 'carol', { role: 'admin' })
  carol.operate(SKIING, ofAlice, remove)
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.notAllowed, ERROR.tooLate])
  assert.deepEqual(errors(alice), [ERROR.notAllowed])
  assert.deepEqual(errors(carol), [])
  const shown = await seen(harness, 'bob', SKIING)
  assert.deepEqual(shown.filter((line) => line.includes('deleted')).length, 2)
  assert.deepEqual(operations(bob).map((line) => line.split(' ').slice(1, 4).join(' ')), [`alice 2 ${String(ofBob)}`, `carol 2 ${String(ofAlice)}`])
})

test('[OPS-13] who may not read a message learns nothing of it from operations, and who has left sees it as it was', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol')
  await group(harness, 'alice', ['bob'])
  const [alice, carol] = [await harness.attach('alice'), await harness.attach('carol')]
  alice.send(SKIING, 'before carol')
  alice.send(SKIING, 'to be deleted')
  await harness.settle()
  await change(harness, 'alice', 'add', 'carol')
  alice.operate(SKIING, 2, edit, 'not for carol')
  await harness.settle()
  assert.deepEqual(operations(carol), ['5 alice 1 2 '])
  assert.deepEqual(await seen(harness, 'carol', SKIING), ['4 add', '5 →2:'])
  await change(harness, 'alice', 'remove', 'bob')
  alice.operate(SKIING, 2, edit, 'not for bob')
  alice.operate(SKIING, 2, react, '👍')
  alice.operate(SKIING, 3, remove)
  await harness.settle()
  assert.deepEqual((await seen(harness, 'bob', SKIING)).slice(1, 3), ['2 not for carol edited', '3  deleted'])
  assert.deepEqual((await seen(harness, 'alice', SKIING)).slice(1, 3), ['2 not for bob edited 👍1!(alice)', '3  deleted'])
})

test('[OPS-14] edits and reactions leave unread alone; deleting what was not read lowers it, through crashes and reading', async () => {
  const { harness, alice, bob } = await pair(['one', 'two', 'three', 'four'])
  bob.mark('alice', 1)
  alice.operate('bob', 2, edit, 'zwei')
  alice.operate('bob', 2, react, '👍')
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 3)
  alice.operate('bob', 1, remove)
  alice.operate('bob', 3, remove)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 2)
  assert.equal(await unread(harness, 'alice'), 0)
  harness.crash()
  assert.equal(await unread(harness, 'bob'), 2)
  const later = await harness.reattach(bob, 0)
  later.mark('alice', 2)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 1, 'counted anew')
  const sender = await harness.reattach(alice, 0)
  sender.send('bob', 'nine', 100)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 2)
  harness.crash()
  assert.equal(await unread(harness, 'bob'), 2)
  const reader = await harness.reattach(later, 0)
  reader.mark('alice', 8)
  await harness.settle()
  assert.equal(await unread(harness, 'bob'), 1)
})

test('[OPS-14] an operation counts for delivered, and a watermark may stand on it', async () => {
  const { harness, alice, bob } = await pair(['one'])
  alice.operate('bob', 1, edit, 'eins')
  await harness.settle()
  bob.acknowledge()
  await harness.settle()
  bob.mark('alice', 2)
  await harness.settle()
  assert.deepEqual(alice.receipts, ['bob \'\' delivered 2', 'bob \'\' read 2'])
  harness.crash()
  assert.deepEqual((await harness.router.receipts('alice', 'bob')).map(({ delivered, read }) => [delivered, read]), [[2, 2]])
})

test('[OPS-2] an operation sent again gets the old ack and happens once; another one under its client id is a conflict', async () => {
  const { harness, alice, bob } = await pair(['one', 'two'])
  const first = alice.operate('bob', 1, edit, 'eins')
  alice.operate('bob', 2, react, '👍')
  await harness.settle()
  harness.crash()
  const again = await harness.reattach(alice, 0)
  again.operate('bob', 1, edit, 'eins', first)
  again.operate('bob', 2, react, '👍', first + 1)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [3, 4])
  again.operate('bob', 1, edit, 'uno', first)
  again.operate('bob', 2, edit, 'eins', first)
  again.operate('bob', 1, remove, '', first)
  again.send('bob', 'eins', first)
  again.operate('bob', 1, edit, 'one', 1)
  again.operate('bob', 2, react, '❤️', first + 1)
  await harness.settle()
  assert.deepEqual(errors(again), Array(6).fill(ERROR.conflict))
  again.operate('bob', 1, remove)
  await harness.settle()
  again.operate('bob', 1, edit, 'eins', first)
  again.send('bob', 'one', 1)
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [3, 4, 5, 3, 1], 'also when the text is gone')
  const taker = await harness.reattach(bob, 0)
  assert.deepEqual(operations(taker).length, 3)
})

test('[OPS-2] of two in flight the second sees what the first has left, and a crash between them loses none', async () => {
  const { harness, alice } = await pair(['one'])
  const ids = ['a', 'b', 'c'].map((text) => alice.operate('bob', 1, edit, text))
  harness.crash()
  const again = await harness.reattach(alice, 0)
  ids.forEach((id, position) => again.operate('bob', 1, edit, ['a', 'b', 'c'][position], id))
  await harness.settle()
  assert.deepEqual(again.acks.map(({ seq }) => seq), [2, 3, 4])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 c edited', '2 →1:', '3 →1:', '4 →1: c'])
})

test('[OPS-12] the last message of a conversation is the last that is none, as it is now', async () => {
  const { harness, alice, bob } = await pair(['one', 'two'])
  bob.operate('alice', 2, react, '👍')
  alice.operate('bob', 2, edit, 'zwei')
  await harness.settle()
  const [summary] = (await harness.router.conversations('bob', '', 10)).conversations
  assert.deepEqual([summary?.tail, summary?.last?.seq, Buffer.from(summary!.last!.text).toString()], [4, 2, 'zwei'])
  assert.equal(summary?.last?.present?.reactions[0]?.own, true)
})

test('[OPS-16] a reply names what its sender may read', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol')
  await group(harness, 'alice', ['bob'])
  const [bob, carol] = [await harness.attach('bob'), await harness.attach('carol')]
  bob.send(SKIING, 'two')
  await harness.settle()
  await change(harness, 'alice', 'add', 'carol')
  const reply = (replyTo: number): Uint8Array => encodeReferences({ replyTo })
  carol.send(SKIING, 'to what I have not read', undefined, reply(2))
  carol.send(SKIING, 'to what is not there', undefined, reply(99))
  carol.send('bob', 'to nothing', undefined, reply(1))
  bob.send(SKIING, 'yes', undefined, reply(2))
  await harness.settle()
  assert.deepEqual(errors(carol), Array(3).fill(ERROR.noSuchMessage))
  assert.deepEqual(bob.acks.map(({ seq }) => seq), [2, 4])
  const { messages } = await harness.router.history('carol', SKIING, { limit: 10 })
  assert.deepEqual(Buffer.from(messages.at(-1)!.extensions), Buffer.from(reply(2)))
})

test('[OPS-17] [OPS-18] [OPS-19] mentions of strangers are passed on, and what breaks the form is refused', async () => {
  const { harness, alice, bob } = await pair([])
  alice.send('bob', 'with carol', undefined, encodeReferences({ mentions: ['bob', 'carol'], forwards: 3 }))
  for (const bytes of [[3, 0], [5, 1, 9], [11, 1, 0], [11, 1, 101]]) alice.send('bob', 'bad', undefined, Uint8Array.from(bytes))
  await harness.settle()
  assert.deepEqual(errors(alice), Array(4).fill(ERROR.badRequest))
  assert.deepEqual(bob.texts, ['with carol'])
})

test('[OPS-3] retention takes what operations have made of a message along with it', async () => {
  const { harness, alice } = await pair(['old'], { limits: { retentionMs: 86_400_000 } })
  alice.operate('bob', 1, edit, 'older')
  await harness.pass(2 * 86_400_000)
  alice.send('bob', 'new')
  await harness.pass(7_200_000)
  const bob = await harness.attach('bob', 'laptop')
  bob.operate('alice', 1, react, '👍')
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.noSuchMessage])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['3 new'])
})

test('[OPS-7] the list of what a queue may still hold is short, and what is not on it is looked up in the log', async () => {
  const count = ERASURES_MAX + 2
  const { harness, alice } = await pair(Array.from({ length: count + 1 }, (_, i) => `message ${String(i + 1)}`))
  alice.operate('bob', 1, edit, 'edited 1')
  await harness.settle()
  for (let seq = 1; seq <= count; seq++) alice.operate('bob', seq, remove)
  await harness.settle()
  const listed = async (): Promise<number> => (await harness.shard.user('bob')).erasures?.items.length ?? 0
  assert.ok(await listed() <= ERASURES_MAX)
  harness.crash()
  const bob = await harness.attach('bob', 'tablet')
  assert.deepEqual(bob.texts.filter((text) => text !== ''), [`message ${String(count + 1)}`])
  assert.deepEqual(operations(bob).slice(0, 2).map((line) => line.trim()), [`${String(count + 2)} alice 1 1`, `${String(count + 3)} alice 2 1`])
  assert.equal(operations(bob).length, count + 1)
})

test('what was deleted in the queue of a user is forgotten with the user', async () => {
  const { harness, alice } = await pair()
  alice.operate('bob', 1, remove)
  await harness.settle()
  const listed = async (): Promise<unknown> => harness.engine.get(userKeys('bob').erasures())
  assert.notEqual(await listed(), undefined)
  await harness.router.removeUser('bob')
  assert.equal(await listed(), undefined)
  assert.equal((await harness.shard.user('bob')).erasures, null)
})

test('[OPS-7] what leaves the list while a page waits for the log is sent without its text all the same', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  bob.detach()
  await group(harness, 'alice', ['bob'])
  for (let seq = 1; seq <= ERASURES_MAX + 1; seq++) alice.send('bob', `message ${String(seq)}`)
  alice.send(SKIING, 'kept')
  await harness.settle()
  for (let seq = 1; seq <= ERASURES_MAX; seq++) alice.operate('bob', seq, remove)
  await harness.settle()
  await change(harness, 'alice', 'remove', 'bob')
  // What the queue holds of the group is looked up, and takes until one more was deleted.
  const range = harness.engine.range.bind(harness.engine)
  const { gte } = conversationKeys(SKIING).logRange(2)
  const isLookup = new Promise<void>((begin) => {
    harness.engine.range = async (request) => {
      if (Buffer.compare(request.gte, gte) === 0) {
        begin()
        await isDeleted
      }
      return range(request)
    }
  })
  const isDeleted = isLookup.then(() => {
    alice.operate('bob', ERASURES_MAX + 1, remove)
    return harness.settle()
  })
  const late = await harness.reattach(bob, 0, { window: 1024 })
  await isDeleted
  await harness.settle()
  assert.deepEqual(late.texts.filter((text) => text !== ''), ['kept'])
})

test('[OPS-7] deletions in very many conversations are honoured as well', async () => {
  const harness = new ShardHarness()
  const others = Array.from({ length: ERASURES_MAX + 3 }, (_, i) => `user${String(i)}`)
  await harness.addUsers('bob', ...others)
  const bob = await harness.attach('bob')
  bob.detach()
  for (const name of others) {
    const device = await harness.attach(name)
    device.send('bob', `secret ${name}`)
    device.send('bob', `kept ${name}`)
    await harness.settle()
    device.operate('bob', 1, remove)
    await harness.settle()
    await harness.router.profiles.block('bob', name)
  }
  harness.crash()
  const late = await harness.reattach(bob, 0, { window: 1024 })
  assert.deepEqual(late.texts.filter((text) => text !== ''), others.map((name) => `kept ${name}`))
})

test('[OPS-7] what is deleted is found by no search, and its words are gone from the index; what was edited is shown as it is now', async () => {
  const { harness, alice } = await pair([])
  for (let i = 1; i <= SEGMENT_MESSAGES; i++) alice.send('bob', i === 7 ? 'the zanzibar secret' : i === 9 ? 'an uzbek lamp' : `filler ${String(i)}`)
  await harness.pass(5000)
  const find = async (text: string): Promise<string[]> => (
    (await harness.router.search('bob', { text, limit: 9 })).results.map(({ message }) => Buffer.from(message.text).toString())
  )
  assert.deepEqual(await find('zanzibar'), ['the zanzibar secret'])
  assert.match(await stored(harness), /zanzibar/)
  alice.operate('bob', 7, remove)
  alice.operate('bob', 9, edit, 'an uzbek carpet')
  await harness.settle()
  assert.deepEqual(await find('zanzibar'), [])
  for (const word of ['uzbek', 'carpet']) assert.deepEqual(await find(word), ['an uzbek carpet'])
  await harness.pass(5000)
  for (const word of ['uzbek', 'carpet']) assert.deepEqual(await find(word), ['an uzbek carpet'], 'by the index made anew')
  assert.deepEqual(await find('lamp'), [])
  assert.deepEqual(await find('zanzibar'), [])
  const conversation = (await harness.engine.range({ ...everything(), limit: 100_000 })).filter(([key]) => ownerAt(key)?.table !== 'user')
  assert.doesNotMatch(Buffer.concat(conversation.map(([, row]) => row)).toString('latin1'), /zanzibar/)
})

test('[OPS-13] a search shows of edits and reactions what history shows, with the index and without', async () => {
  const { harness, alice } = await pair(['an uzbek lamp'])
  alice.operate('bob', 1, edit, 'an uzbek carpet')
  await harness.settle()
  await harness.router.profiles.block('bob', 'alice')
  alice.operate('bob', 1, edit, 'an uzbek secret')
  alice.operate('bob', 1, react, '👍')
  await harness.settle()
  const find = async (text: string): Promise<unknown[]> => (
    (await harness.router.search('bob', { text, limit: 9 })).results.map(({ message: { text: shown, present } }) => [Buffer.from(shown).toString(), present?.reactions])
  )
  for (let round = 0; round < 2; round++) {
    for (const word of ['uzbek', 'carpet']) assert.deepEqual(await find(word), [['an uzbek carpet', []]])
    for (const word of ['lamp', 'secret']) assert.deepEqual(await find(word), [])
    for (let i = 0; i < SEGMENT_MESSAGES; i++) alice.send('bob', `filler ${String(i)}`)
    await harness.pass(5000)
  }
})

test('[OPS-13] nothing of what a blocked user does to messages reaches the blocker, who says nothing more to it', async () => {
  const { harness, alice, bob } = await pair(['one', 'two'])
  await harness.router.profiles.block('bob', 'alice')
  alice.send('bob', 'hidden')
  alice.operate('bob', 1, edit, 'changed')
  alice.operate('bob', 2, react, '👍')
  alice.operate('bob', 3, remove)
  bob.operate('alice', 1, react, '👍')
  bob.operate('alice', 3, react, '👍')
  await harness.settle()
  assert.deepEqual(alice.acks.map(({ seq }) => seq), [1, 2, 3, 4, 5, 6])
  assert.deepEqual(operations(bob), [])
  assert.deepEqual(errors(bob), [ERROR.contactBlocked, ERROR.noSuchMessage])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 one', '2 two'])
  assert.equal(await unread(harness, 'bob'), 2)
  await harness.router.profiles.unblock('bob', 'alice')
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 one', '2 two'])
  assert.equal(await unread(harness, 'bob'), 2)
})

test('[PRF-10] [OPS-13] what is done to a message that was hidden from the blocker comes without its text, also after the unblock', async () => {
  const { harness, alice, bob } = await pair(['one'])
  await harness.router.profiles.block('bob', 'alice')
  alice.send('bob', 'hidden')
  await harness.settle()
  await harness.router.profiles.unblock('bob', 'alice')
  alice.operate('bob', 2, edit, 'the hidden words in other words')
  alice.operate('bob', 2, react, '👍')
  await harness.settle()
  assert.deepEqual(operations(bob), ['3 alice 1 2 ', '4 alice 3 2 '])
  assert.deepEqual(await seen(harness, 'bob', 'alice'), ['1 one', '3 →2:', '4 →2:'])
})

test('[PRF-13] who has blocked somebody says nothing to it by an edit, and still takes back what it said', async () => {
  const { harness, alice, bob } = await pair([])
  bob.send('alice', 'one')
  await harness.settle()
  await harness.router.profiles.block('bob', 'alice')
  bob.operate('alice', 1, edit, 'and another thing')
  bob.operate('alice', 1, remove)
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.contactBlocked])
  assert.deepEqual(operations(alice), ['2 bob 2 1 '])
})

test('[OPS-12] what the blocker takes back while it blocks stands in its own history, and what came around it does not', async () => {
  const { harness, alice, bob } = await pair(['one'])
  bob.send('alice', 'two')
  await harness.settle()
  await harness.router.profiles.block('bob', 'alice')
  alice.send('bob', 'hidden three')
  await harness.settle()
  bob.operate('alice', 2, remove)
  await harness.settle()
  alice.send('bob', 'hidden five')
  bob.mark('alice', 4)
  await harness.settle()
  assert.deepEqual([errors(bob), bob.acks.at(-1)?.seq], [[], 4])
  const shown = ['1 one', '2  deleted', '4 →2:']
  assert.deepEqual(await seen(harness, 'bob', 'alice'), shown)
  await harness.router.profiles.unblock('bob', 'alice')
  harness.crash()
  assert.deepEqual(await seen(harness, 'bob', 'alice'), shown)
  assert.equal(await unread(harness, 'bob'), 0)
})

test('[PRF-14] in a conversation of which everything is hidden nothing is done, and nothing is marked', async () => {
  const { harness, alice, bob } = await pair([])
  await harness.router.profiles.block('bob', 'alice')
  alice.send('bob', 'hidden')
  await harness.settle()
  bob.operate('alice', 1, react, '👍')
  bob.mark('alice', 1)
  await harness.settle()
  assert.deepEqual(errors(bob), [ERROR.noSuchConversation, ERROR.noSuchConversation])
})

test('[PRF-21] what a stranger does to its messages counts as more of them, but for deleting', async () => {
  const { harness, alice, bob } = await pair(['one'], { limits: { strangerBurst: 3, strangerPerSecond: 1 } })
  alice.operate('bob', 1, edit, 'two')
  alice.operate('bob', 1, edit, 'two')
  alice.operate('bob', 1, react, '👍')
  await harness.settle()
  alice.operate('bob', 1, react, '❤️')
  alice.operate('bob', 1, edit, 'three')
  await harness.settle()
  assert.deepEqual(alice.refusals.map(({ error, retryAfterMs }) => [error, retryAfterMs > 0]), Array(2).fill([ERROR.rateLimited, true]))
  alice.operate('bob', 1, remove)
  await harness.settle()
  assert.deepEqual(operations(bob).map((line) => line.split(' ')[2]), ['1', '3', '2'])
  bob.send('alice', 'who are you?')
  await harness.settle()
  const seq = alice.send('bob', 'hm')
  await harness.settle()
  assert.ok(seq > 0)
  for (const emoji of ['👍', '❤️', '🎉', '🦊', '👍', '❤️', '🎉', '🦊']) alice.operate('bob', 6, react, emoji)
  await harness.settle()
  assert.equal(alice.refusals.length, 2, 'an answer ends it')
})

test('[OPS-13] who has left, and who has blocked, sees a message as the last edit left it that it may read', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob', 'carol', 'dave')
  await group(harness, 'alice', ['bob', 'carol', 'dave'])
  const alice = await harness.attach('alice')
  alice.send(SKIING, 'first')
  alice.operate(SKIING, 2, edit, 'second')
  await harness.settle()
  await change(harness, 'alice', 'remove', 'bob')
  alice.operate(SKIING, 2, edit, 'third')
  alice.operate(SKIING, 2, edit, 'fourth')
  await harness.settle()
  await change(harness, 'alice', 'remove', 'carol')
  alice.operate(SKIING, 2, edit, 'fifth')
  await harness.settle()
  harness.crash()
  const texts = async (viewer: string): Promise<string> => (await seen(harness, viewer, SKIING)).filter((line) => line.startsWith('2 ') || line.includes('→')).join('; ')
  assert.equal(await texts('bob'), '2 second edited; 3 →2: second')
  assert.equal(await texts('carol'), '2 fourth edited; 3 →2:; 5 →2:; 6 →2: fourth')
  assert.equal(await texts('dave'), '2 fifth edited; 3 →2:; 5 →2:; 6 →2:; 8 →2: fifth')
  const again = await harness.reattach(alice, 0)
  again.operate(SKIING, 2, remove, '', 100)
  await harness.settle()
  for (const viewer of ['bob', 'carol', 'dave']) assert.match(await texts(viewer), /^2 {2}deleted;/)
  const log = (await harness.engine.range({ ...harness.shard.conversations.get(SKIING)!.keys.all(), limit: 1000 })).map(([, row]) => Buffer.from(row).toString()).join()
  assert.doesNotMatch(log, /first|second|third|fourth|fifth/, '[OPS-7]')

  const two = await pair(['old'])
  two.alice.operate('bob', 1, edit, 'before the block')
  await two.harness.settle()
  await two.harness.router.profiles.block('bob', 'alice')
  two.alice.operate('bob', 1, edit, 'during the block')
  await two.harness.settle()
  assert.deepEqual(await seen(two.harness, 'bob', 'alice'), ['1 before the block edited', '2 →1: before the block'])
  await two.harness.router.profiles.unblock('bob', 'alice')
  two.alice.operate('bob', 1, edit, 'behind the block')
  await two.harness.settle()
  assert.deepEqual(await seen(two.harness, 'bob', 'alice'), ['1 behind the block edited', '2 →1:', '4 →1: behind the block'])
  const states = (await two.harness.engine.range({ ...two.harness.shard.conversations.get('alice:bob')!.keys.states(0, 9), limit: 9 })).map(([, row]) => Buffer.from(row).toString()).join()
  assert.doesNotMatch(states, /before the block|during the block/, 'what nobody is shown any more is not kept')
})

test('[OPS-7] [OPS-12] rows of an earlier program are read as they were meant', async () => {
  const { harness, alice, bob } = await pair(['one', 'secret', 'three'])
  bob.detach()
  alice.operate('bob', 1, edit, 'eins')
  await harness.settle()
  const user = await harness.shard.user('bob')
  const state = new ValueWriter().uint(1).uint(0).time(0).string('').uint(4).time(harness.nowMs).bytes(Buffer.from('eins')).uint(1).string('bob').uint(2).bytes(Buffer.from('👍')).take()
  const batch = harness.engine.batch()
  batch.put(user.keys.erasures(), new ValueWriter().uint(1).uint(1).string('alice').uint(2).uint(4).take())
  batch.put(harness.shard.conversations.get('alice:bob')!.keys.state(1), state)
  await harness.engine.commit(batch)
  harness.crash()
  assert.deepEqual((await seen(harness, 'alice', 'bob'))[0], '1 eins edited 👍1(bob)')
  const late = await harness.reattach(bob, 0)
  assert.deepEqual(late.texts, ['one', '', 'three'])
})

test('[OPS-7] a late device gets no text of what was deleted, whether its user has left or blocked since, or however much was deleted', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('alice', 'bob')
  await group(harness, 'alice', ['bob'])
  const [alice, bob] = [await harness.attach('alice'), await harness.attach('bob')]
  bob.detach()
  alice.send(SKIING, 'a secret of the group')
  alice.send('bob', 'a secret of the pair')
  alice.send('bob', 'kept')
  await harness.settle()
  await change(harness, 'alice', 'remove', 'bob')
  await harness.router.profiles.block('bob', 'alice')
  harness.crash()
  const sender = await harness.reattach(alice, 0)
  sender.operate(SKIING, 2, remove, '', 100)
  sender.operate('bob', 1, remove, '', 101)
  await harness.settle()
  const late = await harness.reattach(bob, 0)
  assert.deepEqual(late.texts, ['', '', 'kept'])
  assert.deepEqual(operations(late), [], 'who has left or blocked is not told')
})
