/** A cluster of real processes is stopped, and founded anew with another number of shards, as spec/cluster.md says. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Client, memoryStorage } from '../../protocol/client/node.js'
import { WITHOUT_REDIS } from '../cluster/testing/redis-server.js'
import { splitDirectory } from '../split/split-directory.js'
import { Nodes } from './nodes.js'
import { type Scope, scopeOf, until } from './scope.js'

const USERS = ['alice', 'bob', 'carol', 'dave', 'erin']
const SETTINGS = { CHATD_DATA_ENGINE: 'leveldb', CHATD_CLUSTER_BALANCE_EVERY_MS: '1000', CHATD_LIMITS_DRAIN_JITTER_MS: '0', CHATD_CLUSTER_FOUND_AFTER_MS: '500', CHATD_CLUSTER_LOOK_EVERY_MS: '200' }
const ALL = '#all'

interface Person {
  readonly client: Client
  readonly heard: string[]
}

async function connect(scope: Scope, nodes: Nodes, user: string, storage: ReturnType<typeof memoryStorage>): Promise<Person> {
  const heard: string[] = []
  const client = new Client({ server: nodes.all.map(({ tcp }) => tcp), user, password: `pw-${user}`, device: 'phone', storage })
  client.on('message', ({ conversation, from, text }) => { if (text !== '') heard.push(`${conversation} ${from}: ${text}`) })
  scope.after(() => client.close())
  await client.connect()
  return { client, heard }
}

test('[MSG-1] [QUE-2] a cluster is stopped and gets another number of shards, and everybody goes on', { skip: WITHOUT_REDIS, timeout: 180_000 }, async (t) => {
  const scope = scopeOf(t)
  const before = await Nodes.start(scope, USERS, { shards: 2, settings: SETTINGS })
  await before.untilSpread()
  const storages = new Map(USERS.map((user) => [user, memoryStorage()]))
  const people = await Promise.all(USERS.map((user) => connect(scope, before, user, storages.get(user)!)))
  const [alice] = people as [Person]
  await alice.client.groups.create(ALL, { members: USERS.slice(1) })
  await Promise.all(people.map(({ client }, at) => client.send(ALL, `from ${USERS[at]!}`)))
  await until('all to hear it', () => people.every(({ heard }) => heard.length >= USERS.length - 1))
  for (const { client } of people.slice(1)) await client.close()
  for (const user of [ALL, ...USERS.slice(1)]) await alice.client.send(user, 'while you were away')
  await alice.client.close()

  const [last, ...others] = [...before.all].reverse()
  for (const node of others) {
    await node.stop()
    await before.untilWhole()
  }
  await last!.stop()
  const several = join(last!.directory, 'several')
  await assert.rejects(splitDirectory(last!.data, 3, several), /chatd cluster leave/)
  assert.match(await last!.command(['cluster', 'leave']), /belongs to no cluster any more/)
  const { rows } = await splitDirectory(last!.data, 3, several)
  assert.equal(rows.get('user account'), USERS.length)

  const after = await Nodes.start(scope, [], { count: 2, shards: 3, settings: SETTINGS, redis: before.redis, data: several })
  assert.equal(await after.shards(), 3)
  for (const [at, user] of USERS.entries()) {
    const { client, heard } = await connect(scope, after, user, storages.get(user)!)
    const ofAlice = (): string[] => heard.filter((text) => text.endsWith('while you were away')).sort()
    if (at > 0) await until(`${user} to hear the rest`, () => ofAlice().length >= 2)
    assert.deepEqual(ofAlice(), at === 0 ? [] : [`${ALL} alice: while you were away`, 'alice alice: while you were away'])
    assert.ok(heard.every((text) => !text.includes('from')), 'what was heard before does not come again')
    assert.equal((await client.history(ALL)).messages.filter(({ text }) => text !== '').length, USERS.length + 1 + at)
    await client.send(ALL, 'back again')
    await client.close()
  }
})
