/** Operations from outside: the reference client against a whole server on real sockets, with restarts and lost devices between. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { Client, type ClientError, type ClientStorage, memoryStorage, MessageViews, readReferences } from '../../protocol/client/node.js'
import { encodeExtensions } from '../../protocol/extensions.js'
import { encodeOperate } from '../../protocol/generated/frames.js'
import { ERROR, EXTENSION, LIMIT, OPERATION } from '../../protocol/generated/registry.js'
import { errorOf, liveConfig, liveServer, login, PASSWORD } from '../testing/live-server.js'

/** A client that keeps what it is shown of one conversation. */
class Person {
  readonly client: Client
  readonly views: MessageViews
  readonly operations: string[] = []
  readonly replies: number[] = []
  seen = 0
  readonly #waiting = new Set<() => void>()

  constructor(t: TestContext, server: string, user: string, device = 'phone', storage: ClientStorage = memoryStorage()) {
    this.client = new Client({ server, user, device, password: PASSWORD, storage })
    this.views = new MessageViews(user)
    this.client.on('message', (message) => {
      this.views.add(message, 0)
      this.replies.push(readReferences(message.extensions)?.replyTo ?? 0)
      this.#noted()
    })
    this.client.on('operation', (operation) => {
      this.views.apply(operation)
      this.operations.push(`${String(operation.seq)} ${operation.from} ${String(operation.kind)} ${String(operation.target)} ${operation.text}`)
      this.#noted()
    })
    t.after(() => this.client.close())
  }

  async until(seen: number): Promise<void> {
    while (this.seen < seen) await new Promise<void>((resolve) => { this.#waiting.add(resolve) })
  }

  /** `seq text marks`, as history has it. */
  async history(conversation: string): Promise<string[]> {
    const { messages } = await this.client.history(conversation)
    return messages.map(({ seq, text, editedMs, isDeleted, reactions }) => [
      String(seq), text, editedMs === null ? '' : 'edited', isDeleted ? 'deleted' : '', ...reactions.map(({ emoji, count, own }) => `${emoji}${String(count)}${own ? '!' : ''}`),
    ].filter((word) => word !== '').join(' '))
  }

  #noted(): void {
    this.seen++
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

async function people(t: TestContext, url: string, ...users: string[]): Promise<Person[]> {
  const all = users.map((user) => new Person(t, url, user))
  await Promise.all(all.map(({ client }) => client.connect()))
  return all
}

function refusal(symbol: string): (error: ClientError) => boolean {
  return (error) => error.symbol === symbol
}

test('[SET-2] a client learns until when messages may be edited and deleted here', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { limits: { editAgeMs: 1000, deleteAgeMs: 0 } }))
  const [alice] = await people(t, url, 'alice') as [Person]
  const { editAgeMs, deleteAgeMs, groupsMax } = await alice.client.limits()
  assert.deepEqual({ editAgeMs, deleteAgeMs, groupsMax }, { editAgeMs: 1000, deleteAgeMs: 0, groupsMax: LIMIT.groupsMax })
})

test('[OPS-1] [OPS-12] [OPS-15] a pair edits, reacts, replies and deletes, and both see the same, live and in history', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const [alice, bob] = await people(t, url, 'alice', 'bob') as [Person, Person]
  await alice.client.send('bob', 'helo')
  await alice.client.send('bob', 'nonsense')
  await bob.until(2)
  assert.equal((await alice.client.edit('bob', 1, 'hello')).seq, 3)
  assert.equal((await bob.client.react('alice', 1, '👍')).seq, 4)
  assert.equal((await bob.client.send('alice', 'hi', { replyTo: 1, mentions: ['alice'] })).seq, 5)
  assert.equal((await alice.client.remove('bob', 2)).seq, 6)
  assert.equal((await alice.client.remove('bob', 2)).seq, 0)
  await Promise.all([alice.until(2), bob.until(4)])
  assert.deepEqual(bob.operations, ['3 alice edit 1 hello', '6 alice delete 2 '])
  assert.deepEqual(alice.operations, ['4 bob react 1 👍'])
  assert.deepEqual(alice.replies, [1])
  assert.deepEqual(await alice.history('bob'), ['1 hello edited 👍1', '2 deleted', '5 hi'])
  assert.deepEqual(await bob.history('alice'), ['1 hello edited 👍1!', '2 deleted', '5 hi'])
  assert.deepEqual([bob.views.get(1)?.text, bob.views.get(2)?.isDeleted], ['hello', true])
  const page = await bob.client.history('alice')
  assert.deepEqual(page.operations.map(({ seq, kind, target, text }) => [seq, kind, target, text]), [[3, 'edit', 1, 'hello'], [4, 'react', 1, '👍'], [6, 'delete', 2, '']])
  assert.deepEqual([page.first, page.last], [1, 6])
  await assert.rejects(bob.client.edit('alice', 1, 'mine'), refusal('not-allowed'))
  await assert.rejects(bob.client.react('alice', 1, 'no'), refusal('invalid-reaction'))
  await assert.rejects(bob.client.react('alice', 99, '👍'), refusal('no-such-message'))
  await assert.rejects(bob.client.edit('alice', 1, ''), refusal('empty-message'))
  await assert.rejects(bob.client.send('alice', 'to nothing', { replyTo: 99 }), refusal('no-such-message'))
})

test('[OPS-2] an operation kept in the outbox goes out when the server is back, once', async (t) => {
  const config = liveConfig(t)
  const first = await liveServer(t, config)
  const [alice] = await people(t, first.url, 'alice') as [Person]
  await alice.client.send('bob', 'helo')
  await alice.client.close()
  const storage = memoryStorage()
  const phone = new Person(t, first.url, 'alice', 'tablet', storage)
  await phone.client.connect()
  await first.stop()
  const edited = phone.client.edit('bob', 1, 'hello')
  const reacted = phone.client.react('bob', 1, '🎉')
  edited.catch(() => {})
  reacted.catch(() => {})
  while (phone.client.outbox().length < 2) await new Promise((resolve) => { setImmediate(resolve) })
  assert.deepEqual(phone.client.outbox().map(({ kind, seq, text }) => [kind, seq, text]), [['edit', 1, 'hello'], ['react', 1, '🎉']])
  await phone.client.close()
  const second = await liveServer(t, config, [])
  const again = new Person(t, second.url, 'alice', 'tablet', storage)
  const sent: string[] = []
  const done = new Promise<void>((resolve) => {
    again.client.on('sent', ({ kind, seq }) => {
      sent.push(`${kind} ${String(seq)}`)
      if (sent.length === 2) resolve()
    })
  })
  await again.client.connect()
  await done
  assert.deepEqual(sent, ['edit 2', 'react 3'])
  const [bob] = await people(t, second.url, 'bob') as [Person]
  await bob.until(3)
  assert.deepEqual(bob.operations, ['2 alice edit 1 hello', '3 alice react 1 🎉'])
})

test('[OPS-7] a device that comes later gets a deleted message without its text, from queue and history', async (t) => {
  const config = liveConfig(t)
  const first = await liveServer(t, config)
  const [alice] = await people(t, first.url, 'alice') as [Person]
  await alice.client.send('bob', 'a secret')
  await alice.client.send('bob', 'kept')
  await alice.client.remove('bob', 1)
  await alice.client.close()
  await first.stop()
  const second = await liveServer(t, config, [])
  const [bob] = await people(t, second.url, 'bob') as [Person]
  await bob.until(3)
  assert.deepEqual([bob.views.get(1)?.text, bob.views.get(1)?.isDeleted, bob.views.get(2)?.text], ['', true, 'kept'])
  assert.deepEqual(await bob.history('alice'), ['1 deleted', '2 kept'])
})

test('[OPS-6] in a group an admin takes a message away from all, and members a reaction more or less', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), ['alice', 'bob', 'carol'])
  const [alice, bob, carol] = await people(t, url, 'alice', 'bob', 'carol') as [Person, Person, Person]
  await alice.client.groups.create('#team', { members: ['bob', 'carol'] })
  const { seq } = await bob.client.send('#team', 'rude')
  await carol.until(2)
  await carol.client.react('#team', seq, '😮')
  await carol.client.react('#team', seq, '')
  await assert.rejects(carol.client.remove('#team', seq), refusal('not-allowed'))
  await alice.client.remove('#team', seq)
  await Promise.all([bob.until(4), carol.until(3)])
  assert.deepEqual((await carol.history('#team')).at(-1), `${String(seq)} deleted`)
  assert.equal(bob.views.get(seq)?.isDeleted ?? true, true)
})

test('[OPS-12] history pages past many operations without a message, and a list of conversations does not search that far', async (t) => {
  const { url } = await liveServer(t, liveConfig(t, { rate: { messagesPerSecond: 0 } }))
  const [alice, bob] = await people(t, url, 'alice', 'bob') as [Person, Person]
  await alice.client.send('bob', 'one')
  await alice.client.send('bob', 'two')
  for (let i = 0; i < 30; i++) await bob.client.react('alice', 2, i % 2 === 0 ? '👍' : '')
  const page = await alice.client.history('bob', { limit: 4 })
  assert.deepEqual([page.messages.map(({ seq }) => seq), page.operations.length, page.first, page.more], [[1, 2], 30, 1, false])
  const below = await alice.client.history('bob', { limit: 1, before: 20 })
  assert.deepEqual([below.messages.map(({ seq }) => seq), below.operations.length, below.first, below.more], [[2], 17, 2, true])
  const { conversations: [listed] } = await alice.client.conversations()
  assert.deepEqual([listed?.tail, listed?.last], [32, null])
  const above = await alice.client.history('bob', { limit: 5, after: 2 })
  assert.deepEqual([above.messages.length, above.operations.length, above.more], [0, 30, false])
})

test('[OPS-2] [FRM-7] an operation counts as a stanza, and a critical extension is refused', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const { client } = await login(t, url)
  client.send(encodeOperate(1, 'bob', 1, OPERATION.react, Buffer.from('👍'), encodeExtensions([{ key: EXTENSION.attachment, value: new Uint8Array(1) }])))
  assert.equal(await errorOf(client), ERROR.unsupportedExtension)
  client.send(encodeOperate(1, 'bob', 1, OPERATION.react, Buffer.from('👍')))
  assert.equal(await errorOf(client), ERROR.invalidClientId)
})
