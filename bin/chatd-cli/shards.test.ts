/** `chatd start` with several shards: each a process with a store of its own, and all of them one server to everybody outside. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { Client, memoryStorage } from '../../protocol/client/node.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { homeOf, evenTable } from '../../server/channels/federation.js'
import { BlobSession } from '../../server/blobs/testing/blob-session.js'
import { content } from '../../server/blobs/testing/http-rig.js'
import { errorOf, login, PASSWORD } from '../../server/testing/live-server.js'
import { until } from '../../server/proof/scope.js'
import { addUsers, CHATD, CHEAP, folder, type Line, run, type Running, start } from './testing/running.js'

const SHARDS = ['--set', 'data.shards=2']
/** alice, bob and these are at home in both shards. */
const USERS = ['carol', 'dave', 'erin']

/** What a command prints, and how it ends. */
async function output(args: readonly string[]): Promise<{ code: number | null, stdout: string, stderr: string }> {
  const child = spawn(process.execPath, [CHATD, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => { stdout += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { stderr += chunk.toString() })
  const [code] = await once(child, 'close') as [number | null]
  return { code, stdout, stderr }
}

interface Person {
  readonly client: Client
  readonly heard: string[]
}

async function connect(t: TestContext, server: Running, user: string, storage = memoryStorage(), device = 'phone'): Promise<Person> {
  const heard: string[] = []
  const client = new Client({ server: server.listeners[0]!, user, password: PASSWORD, device, storage })
  // Changes of groups have no text.
  client.on('message', ({ conversation, from, text }) => { if (text !== '') heard.push(`${conversation} ${from}: ${text}`) })
  t.after(() => client.close())
  await client.connect()
  return { client, heard }
}

async function stop(server: Running): Promise<void> {
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0, JSON.stringify(server.lines.slice(-10)))
}

test('people at home in different shards talk in pairs and in a group, and the operator sees one server', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await start(t, directory, SHARDS)
  // The server says how many shards there are: nobody else has to.
  await addUsers(data, USERS)
  const homes = new Set(['alice', 'bob', ...USERS].map((user) => homeOf({ shardOf: evenTable(2) }, user)))
  assert.equal(homes.size, 2)
  const people = await Promise.all(['alice', 'bob', ...USERS].map((user) => connect(t, server, user)))
  const [alice, bob, carol] = people as [Person, Person, Person]
  await alice.client.groups.create('#skiing', { members: ['bob', ...USERS] })
  for (const [at, { client }] of people.entries()) {
    await client.send('#skiing', `hello from ${String(at)}`)
    for (const other of ['alice', 'bob', ...USERS]) await client.send(other, `hi ${other}`)
  }
  await until('all messages to have come', () => people.every(({ heard }) => heard.filter((text) => text.includes(': hi ')).length >= 4))
  await until('what was said in the group to have come', () => people.every(({ heard }) => heard.filter((text) => text.includes(': hello from ')).length >= 4))
  assert.equal((await bob.client.conversations()).conversations.length, 6)

  const value = async (name: string): Promise<number> => {
    const metrics = await (await fetch(`${server.admin}/metrics`)).text()
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1])
  }
  // The processes tell what they have counted once a second.
  while (await value('chatd_sessions') !== people.length || await value('chatd_acks_sent_total') < 30) await new Promise((resolve) => { setTimeout(resolve, 50) })
  assert.equal(await value('chatd_store_available'), 1)
  for (const labels of ['from="0",to="1"', 'from="1",to="0"']) assert.equal(await value(`chatd_channel_reached\\{${labels}\\}`), 1)
  assert.equal(await (await fetch(`${server.admin}/readyz`)).text(), 'ready\n')

  const { stdout } = await output(['user', 'list', '--data', data, '--json'])
  assert.deepEqual(stdout.trim().split('\n').map((line) => (JSON.parse(line) as { user: string }).user), ['alice', 'bob', ...USERS])
  const { client: tablet } = await login(t, server.listeners[0]!, 'dave', 'tablet')
  assert.equal(await run(['user', 'disable', 'dave', '--data', data]), 0)
  assert.equal(await errorOf(tablet), ERROR.accountDisabled)
  assert.equal(await run(['user', 'remove', 'erin', '--data', data]), 0)
  await assert.rejects(carol.client.send('erin', 'are you there?'))
  await stop(server)
  // And while no server runs.
  assert.equal(await run(['user', 'enable', 'dave', '--data', data, ...CHEAP]), 0)
  const again = await start(t, directory, [])
  const dave = await connect(t, again, 'dave')
  await dave.client.send('#skiing', 'back again')
  await stop(again)
})

test('one of the processes dies: the others serve, and its users come back to what they had', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const server = await start(t, directory, SHARDS)
  await addUsers(join(directory, 'data'), USERS)
  const people = await Promise.all(['alice', 'bob', ...USERS].map((user) => connect(t, server, user)))
  const pids = server.lines.filter(({ event }) => event === 'worker-started').map(({ workerPid }) => workerPid)
  assert.equal(pids.length, 2)
  await people[0]!.client.groups.create('#skiing', { members: ['bob', ...USERS] })
  const sent: Promise<unknown>[] = []
  for (let number = 0; number < 60; number++) {
    if (number === 20 || number === 40) process.kill(pids[number / 20 - 1]!, 'SIGKILL')
    for (const { client } of people) for (const to of ['alice', 'bob', ...USERS, '#skiing']) sent.push(client.send(to, String(number)))
    if (number % 10 === 9) await Promise.all(sent)
  }
  await Promise.all(sent)
  const numbers = Array.from({ length: 60 }, (_, number) => String(number))
  for (const [at, user] of ['alice', 'bob', ...USERS].entries()) {
    const { heard } = people[at]!
    for (const other of ['alice', 'bob', ...USERS].filter((name) => name !== user)) {
      for (const conversation of [other, '#skiing']) {
        const from = `${conversation} ${other}: `
        const numbersFrom = (): string[] => heard.filter((text) => text.startsWith(from)).map((text) => text.slice(from.length))
        await until(() => `${user} to hear all of ${from}`, () => numbersFrom().length >= numbers.length)
        assert.deepEqual(numbersFrom(), numbers, `${user} hears ${from}`)
      }
    }
  }
  assert.equal(server.lines.filter(({ event }) => event === 'worker-died').length, 2)
  await stop(server)
})

test('[MSG-1] [QUE-2] the data of one shard is split into three, and people go on where they were', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const before = await start(t, directory)
  await addUsers(join(directory, 'data'), USERS)
  const storage = memoryStorage()
  const bob = await connect(t, before, 'bob', storage)
  const alice = await connect(t, before, 'alice')
  await alice.client.groups.create('#skiing', { members: ['bob', 'carol'] })
  await alice.client.send('bob', 'one')
  await until('bob to hear it', () => bob.heard.includes('alice alice: one'))
  await bob.client.close()
  await alice.client.send('bob', 'two')
  await alice.client.send('#skiing', 'three')
  await stop(before)

  const [data, several] = [join(directory, 'data'), join(directory, 'several')]
  const { code, stdout } = await output(['split', data, '--shards', '3', '--to', several])
  assert.equal(code, 0)
  assert.match(stdout, /user account: 5\n/)
  renameSync(data, join(directory, 'before'))
  renameSync(several, data)
  const after = await start(t, directory, [])
  assert.equal(after.lines.filter(({ event }) => event === 'worker-started').length, 3)
  const again = await connect(t, after, 'bob', storage)
  await until('bob to hear the rest', () => again.heard.length >= 2)
  assert.deepEqual(again.heard.filter((text) => text.includes('alice: ')), ['alice alice: two', '#skiing alice: three'])
  const page = await again.client.history('alice')
  assert.deepEqual(page.messages.map(({ text }) => text), ['one', 'two'])
  await again.client.send('alice', 'four')
  await stop(after)
})

/** The data directory has another number of shards from now on. Returns what the command says. */
async function resplit(directory: string, shards: number): Promise<string> {
  const [data, several] = [join(directory, 'data'), join(directory, `with-${String(shards)}`)]
  const { code, stdout, stderr } = await output(['split', data, '--shards', String(shards), '--to', several])
  assert.equal(code, 0, stderr)
  renameSync(data, join(directory, `before-${String(shards)}`))
  renameSync(several, data)
  return stdout
}

test('[MSG-1] [QUE-2] two shards that are killed with messages between them become three, and then one', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const home = (name: string, shards = 2): number => homeOf({ shardOf: evenTable(shards) }, name)
  const numbers = Array.from({ length: 30 }, (_, number) => String(number))
  const before = await start(t, directory, SHARDS)
  await addUsers(join(directory, 'data'), USERS)
  const sender = ['alice', ...USERS].find((user) => home(user) !== home('bob'))!
  const group = numbers.map((number) => `#group${number}`).find((name) => home(name) === home(sender))!
  const bobs = memoryStorage()
  const bob = await connect(t, before, 'bob', bobs)
  // By turns: each worker has one of them.
  const devices = ['phone', 'tablet'].map((device) => ({ device, storage: memoryStorage() }))
  const people: Person[] = []
  for (const { device, storage } of devices) people.push(await connect(t, before, sender, storage, device))
  await people[0]!.client.groups.create(group, { members: ['bob'] })
  await people[0]!.client.send(group, 'before')
  await until('bob to hear it', () => bob.heard.includes(`${group} ${sender}: before`))
  await bob.client.close()

  const workers = before.lines.filter(({ event }) => event === 'worker-started')
  process.kill(workers.find(({ worker }) => worker === `shard-${String(home('bob'))}`)!.workerPid, 'SIGSTOP')
  // Those whose connection is at the worker that stands still are never told.
  const sent = people.map(({ client }, at) => Promise.all(numbers.map((number) => client.send(group, `${devices[at]!.device} ${number}`))))
  await Promise.any(sent)
  for (const { workerPid } of workers) process.kill(workerPid, 'SIGKILL')
  before.child.kill('SIGKILL')
  await before.ended
  void Promise.allSettled(sent)
  for (const { client } of people) await client.close()

  const taken = /taken first, from shard to shard: (\d+)/.exec(await resplit(directory, 3))?.[1]
  // What one device says in one commit is one.
  assert.ok(Number(taken) > 0, `${String(taken)} entries`)
  const three = await start(t, directory, [])
  assert.equal(three.lines.filter(({ event }) => event === 'worker-started').length, 3)
  const bobAgain = await connect(t, three, 'bob', bobs)
  // What had no answer is said again.
  for (const { device, storage } of devices) await connect(t, three, sender, storage, device)
  const from = (device: string): string[] => bobAgain.heard.filter((text) => text.startsWith(`${group} ${sender}: ${device} `)).map((text) => text.split(' ').at(-1)!)
  for (const { device } of devices) {
    await until(`bob to hear all from the ${device}`, () => from(device).length >= numbers.length)
    assert.deepEqual(from(device), numbers)
  }
  assert.equal(bobAgain.heard.length, 2 * numbers.length)
  await bobAgain.client.close()
  await stop(three)

  const json = await output(['split', join(directory, 'data'), '--shards', '2', '--to', join(directory, 'two'), '--json'])
  assert.equal((JSON.parse(json.stdout) as { rows: Record<string, number> }).rows['user account'], 5)
  assert.match(await resplit(directory, 1), /in one shard\n$/)
  const one = await start(t, directory)
  const bobAtOne = await connect(t, one, 'bob', bobs)
  assert.equal((await bobAtOne.client.history(group, { limit: 100 })).messages.length, 2 * numbers.length + 2)
  const again = await connect(t, one, sender, devices[0]!.storage)
  await again.client.send(group, 'after')
  await until('bob to hear it', () => bobAtOne.heard.length > 0)
  assert.deepEqual(bobAtOne.heard, [`${group} ${sender}: after`])
  await stop(one)
})

test('what the command line says of shards must be what the data directory holds', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await start(t, directory, SHARDS)
  const refused = async (code: number, text: RegExp, ...args: readonly string[]): Promise<void> => {
    const { code: ended, stderr } = await output(['start', '--listen', 'tcp://127.0.0.1:0', '--set', 'admin.url=', ...CHEAP, ...args])
    assert.match(stderr, text)
    assert.equal(ended, code)
  }
  await refused(3, /holds 2 shards, not 3/, '--data', data, '--shards', '3')
  await refused(3, /leave listen.workers out, or set it to 2/, '--data', data, '--workers', '3')
  await refused(4, /is in use by the process/, '--data', data)
  const one = join(directory, 'one')
  await addUsers(one, ['alice'])
  await refused(3, /chatd split .*one --shards 2 --to ANOTHER/, '--data', one, '--shards', '2')
  // The server has noticed nothing of it.
  await login(t, server.listeners[0]!, 'alice')
  await stop(server)
})

test('a second start takes nothing from the server that runs, whose processes reach the files also after they have died', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await start(t, directory, SHARDS)
  const written = join(data, 'blobs', 'tmp', 'being-written')
  writeFileSync(written, '')
  const { code, stderr } = await output(['start', '--data', data, '--listen', 'ws://127.0.0.1:0', '--set', 'admin.url=', ...CHEAP])
  assert.match(stderr, /is in use by the process/)
  assert.equal(code, 4)
  assert.ok(existsSync(written))
  const home = `shard-${String(homeOf({ shardOf: evenTable(2) }, 'alice'))}`
  const ofAlice = ({ event, worker }: Line): boolean => event === 'worker-started' && worker === home
  process.kill((await server.line(ofAlice)).workerPid, 'SIGKILL')
  await server.line(ofAlice, 1)
  const [alice, bob] = [await BlobSession.open(t, server.listeners[0]!, 'alice'), await BlobSession.open(t, server.listeners[0]!, 'bob')]
  const bytes = content(300_000)
  const blob = await alice.upload(bytes)
  const seq = await alice.send('bob', 1, blob)
  assert.ok((await bob.download({ with: 'alice', seq, id: blob['id'] })).equals(bytes))
  await stop(server)
})
