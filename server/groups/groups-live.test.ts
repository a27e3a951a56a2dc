/** Groups from outside: the reference client against a whole server on real sockets, and a restart between. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { membersOf } from '../../protocol/client/group-client.js'
import { Client, type ClientError, type Message } from '../../protocol/client/node.js'
import { element } from '../../protocol/element.js'
import { encodeQuery, type FailFrame } from '../../protocol/generated/frames.js'
import { ERROR, FRAME } from '../../protocol/generated/registry.js'
import type { Config } from '../config/settings.js'
import { liveConfig, liveServer, login, PASSWORD } from '../testing/live-server.js'

/** A client that keeps what it is shown. */
class Person {
  readonly client: Client
  readonly seen: string[] = []
  readonly receipts: string[] = []
  readonly #waiting = new Set<() => void>()

  constructor(t: TestContext, server: string, user: string) {
    this.client = new Client({ server, user, device: 'phone', password: PASSWORD })
    this.client.on('message', (message) => { this.#shown(message) })
    this.client.on('receipt', ({ conversation, member, mark, seq }) => {
      this.receipts.push(`${conversation} ${member} ${mark} ${String(seq)}`)
      this.#wake()
    })
    t.after(() => this.client.close())
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => { this.#waiting.add(resolve) })
  }

  #shown({ conversation, from, seq, text, change }: Message): void {
    const what = change === null ? text : [change.name, ...membersOf(change)].join(' ')
    this.seen.push(`${conversation} ${String(seq)} ${from}: ${what}`)
    this.#wake()
  }

  #wake(): void {
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

test('[GRP-1] [GRP-2] [GRP-14] people talk in a group, see its changes in one order, and learn when all have read', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), ['alice', 'bob', 'carol', 'dave'])
  const [alice, bob, carol] = await people(t, url, 'alice', 'bob', 'carol') as [Person, Person, Person]
  assert.equal(await alice.client.groups.create('#Skiing', { name: 'Skiing ⛷️', members: ['bob'] }), 1)
  const { code } = await alice.client.groups.makeLink('#skiing', { uses: 1 })
  assert.deepEqual(await carol.client.groups.join('#skiing', code), { seq: 2, isPending: false })
  const ack = await bob.client.send('#skiing', 'snow!')
  assert.equal(ack.seq, 3)
  await alice.until(() => alice.seen.length === 3)
  await carol.until(() => carol.seen.length === 2)
  assert.deepEqual(alice.seen, ['#skiing 1 alice: create alice bob', '#skiing 2 carol: join', '#skiing 3 bob: snow!'])
  assert.deepEqual(carol.seen, ['#skiing 2 carol: join', '#skiing 3 bob: snow!'])
  await Promise.all([alice.client.markRead('#skiing', 3), carol.client.markRead('#skiing', 3)])
  await bob.until(() => bob.receipts.includes('#skiing #skiing read 3'))
  const marks = await bob.client.receipts('#skiing')
  assert.deepEqual(marks.map(({ member, read }) => [member, read]).sort(), [['alice', 3], ['carol', 3]])
  const info = await carol.client.groups.info('#skiing')
  assert.deepEqual([info.name, info.size, info.role, info.members.map(({ user, role }) => `${user} ${role}`)],
    ['Skiing ⛷️', 3, 'member', ['alice owner', 'bob member', 'carol member']])
  await assert.rejects(carol.client.groups.change('#skiing', { kind: 'disband' }), refusal('not-allowed'))
  await alice.client.groups.change('#skiing', { kind: 'remove', members: ['carol'] })
  await assert.rejects(carol.client.send('#skiing', 'hm'), refusal('no-such-conversation'))
  const page = await carol.client.history('#skiing')
  assert.deepEqual(page.messages.map(({ seq, change }) => [seq, change?.name]), [[2, 'join'], [3, undefined], [4, 'remove']])
  const { conversations: [listed] } = await carol.client.conversations()
  assert.deepEqual([listed?.group, listed?.last?.change?.name], [{ name: 'Skiing ⛷️', size: 2, role: 'former' }, 'remove'])
})

test('[GRP-13] a member who was away gets messages and changes in order, also over a restart of the server', async (t) => {
  const config: Config = liveConfig(t)
  const first = await liveServer(t, config, ['alice', 'bob'])
  const [alice] = await people(t, first.url, 'alice') as [Person]
  await alice.client.groups.create('#team', { members: ['bob'], policy: { post: 'admins' } })
  await alice.client.send('#team', 'one')
  await alice.client.groups.change('#team', { kind: 'info', about: 'us' })
  await alice.client.send('#team', 'two')
  await alice.client.close()
  await first.stop()
  const second = await liveServer(t, config, [])
  const [bob] = await people(t, second.url, 'bob') as [Person]
  await bob.until(() => bob.seen.length === 4)
  assert.deepEqual(bob.seen, ['#team 1 alice: create alice bob', '#team 2 alice: one', '#team 3 alice: info', '#team 4 alice: two'])
  await assert.rejects(bob.client.send('#team', 'may I?'), refusal('not-allowed'))
  assert.equal((await bob.client.groups.info('#team')).policy?.post, 'admins')
})

test('[GRP-17] [GRP-18] names taken and links that are not good are refused with a code', async (t) => {
  const { url } = await liveServer(t, liveConfig(t))
  const [alice, bob] = await people(t, url, 'alice', 'bob') as [Person, Person]
  await alice.client.groups.create('#team')
  await assert.rejects(bob.client.groups.create('#team'), refusal('group-taken'))
  await assert.rejects(bob.client.groups.join('#team', 'AAAAAAAAAAAAAAAAAAAAAA'), refusal('invalid-link'))
  await assert.rejects(bob.client.groups.create('team'), refusal('malformed-address'))
  await assert.rejects(alice.client.groups.change('#team', { kind: 'role', members: ['bob'], role: 'admin' }), refusal('no-such-member'))
})

test('[GRP-18] a link that makes no sense is not made', async (t) => {
  const { url } = await liveServer(t, liveConfig(t), ['alice'])
  const { client } = await login(t, url)
  client.send(encodeQuery(1, element('group-create', { id: '#team' })))
  await client.until(FRAME.result)
  const senseless = [{ approval: 'x' }, { approval: '' }, { expires: 1 }, { expires: 'never' }, { uses: 0 }]
  for (const [at, attributes] of senseless.entries()) {
    client.send(encodeQuery(2 + at, element('group-link', { id: '#team', ...attributes })))
    const answer = await client.next()
    assert.deepEqual([answer?.type, (answer as FailFrame).error], [FRAME.fail, ERROR.badRequest], JSON.stringify(attributes))
  }
  client.send(encodeQuery(9, element('group-link', { id: '#team', approval: 'false', expires: Date.now() + 60_000, uses: 1 })))
  assert.equal((await client.next())?.type, FRAME.result)
})
