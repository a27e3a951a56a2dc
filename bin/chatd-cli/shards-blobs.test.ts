/** Pictures and files where there are several shards, each a process, over HTTP as clients have it. */
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { type Attachment, Client, memoryStorage } from '../../protocol/client/node.js'
import { evenTable, homeOf } from '../../server/channels/federation.js'
import { until } from '../../server/proof/scope.js'
import { conversationName } from '../../server/shard/conversation-name.js'
import { PASSWORD } from '../../server/testing/live-server.js'
import { addUsers, folder, type Running, start } from './testing/running.js'

const SHARDS = 2
const BYTES = 300_000
const TYPE = 'application/octet-stream'
/** In each of them a process dies. */
const ROUNDS = 4
/** What has been uploaded is sent, and counted, within this; then it is over where nothing carries it. */
const HOLD_MS = 10_000
/** The same where a message may have to wait for a process to come back: an upload that needs nothing of it has long ended then. */
const HOLD_OVER_DEATH_MS = 30_000

function shardOf(name: string): number {
  return homeOf({ shardOf: evenTable(SHARDS) }, name)
}

/** Bytes whose blob is at home in this shard. */
function contentAt(shard: number): Buffer {
  for (;;) {
    const bytes = randomBytes(BYTES)
    if (shardOf(createHash('sha256').update(bytes).digest('hex')) === shard) return bytes
  }
}

/** Somebody at home in this shard whose conversation with the other is at home in that one. */
function friendOf(other: string, home: number, conversation: number): string {
  for (let number = 0; ; number++) {
    const name = `friend${String(number)}`
    if (shardOf(name) === home && shardOf(conversationName(name, other)) === conversation) return name
  }
}

function startHolding(t: TestContext, directory: string, holdMs: number): Promise<Running> {
  return start(t, directory, ['--set', `data.shards=${String(SHARDS)}`, '--set', `blobs.holdMs=${String(holdMs)}`, '--set', 'blobs.uploadAgeMs=60000'])
}

async function connect(t: TestContext, server: Running, user: string): Promise<Client> {
  const client = new Client({ server: server.listeners[0]!, user, password: PASSWORD, device: 'phone', storage: memoryStorage() })
  t.after(() => client.close())
  await client.connect()
  return client
}

/** Files of the store. */
function objects(data: string): string[] {
  return readdirSync(join(data, 'blobs', 'objects'), { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map(({ name }) => name)
}

async function stop(server: Running): Promise<void> {
  server.child.kill('SIGTERM')
  assert.equal(await server.ended, 0, JSON.stringify(server.lines.slice(-10)))
}

async function fetched(client: Client, from: string, seq: number): Promise<Buffer> {
  const { messages } = await client.history(from, { after: seq - 1, limit: 1 })
  const attachment = messages[0]?.attachments[0]
  assert.ok(attachment !== undefined, `message ${String(seq)} carries nothing`)
  return Buffer.from((await client.download({ with: from, seq, attachment })).bytes)
}

test('[BLB-13] [BLB-14] [BLB-16] what is sent to somebody of another shard is fetched there, and erased when the message is deleted', { timeout: 180_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await startHolding(t, directory, HOLD_MS)
  const home = shardOf('alice')
  const friends = [0, 1].map((conversation) => friendOf('alice', 1 - home, conversation))
  await addUsers(data, friends)
  const alice = await connect(t, server, 'alice')
  const sent = await Promise.all(friends.flatMap((friend) => [0, 1].map(async (shard) => {
    const bytes = contentAt(shard)
    const { seq } = await alice.send(friend, '', { attachments: [await alice.upload(bytes, { type: TYPE })] })
    return { friend, seq, bytes }
  })))
  const others = new Map(await Promise.all(friends.map(async (friend) => [friend, await connect(t, server, friend)] as const)))
  const allArrive = async (): Promise<void> => {
    for (const { friend, seq, bytes } of sent) assert.ok((await fetched(others.get(friend)!, 'alice', seq)).equals(bytes))
  }
  await allArrive()
  // When what was uploaded later and sent to nobody has gone, the messages alone hold the others.
  await Promise.all([0, 1].map((shard) => alice.upload(contentAt(shard), { type: TYPE })))
  assert.equal(objects(data).length, sent.length + 2)
  await until('what nobody carries to have gone', () => objects(data).length === sent.length)
  await allArrive()
  assert.equal((await alice.blobUsage()).used, sent.length * BYTES)
  for (const { friend, seq } of sent) await alice.remove(friend, seq)
  await until('their bytes to have gone', () => objects(data).length === 0)
  await stop(server)
})

test('[BLB-7] [BLB-13] processes die while pictures are sent and deleted: nothing that a message carries is lost, and the rest goes', { timeout: 300_000 }, async (t) => {
  const directory = folder(t)
  const data = join(directory, 'data')
  const server = await startHolding(t, directory, HOLD_OVER_DEATH_MS)
  const friends = [0, 1].map((conversation) => friendOf('alice', 1 - shardOf('alice'), conversation))
  await addUsers(data, friends)
  const alice = await connect(t, server, 'alice')
  const others = await Promise.all(friends.map((friend) => connect(t, server, friend)))
  const upload = async (shard: number): Promise<{ bytes: Buffer, attachment: Attachment }> => {
    const bytes = contentAt(shard)
    return { bytes, attachment: await alice.upload(bytes, { type: TYPE }) }
  }
  const kept: { readonly at: number, readonly seq: number, readonly bytes: Buffer }[] = []
  for (let round = 0; round < ROUNDS; round++) {
    // Two wait for their messages when the process dies, and two are on their way.
    const uploads = [...await Promise.all([0, 1].map(upload)), ...[0, 1].map(upload)]
    // The one that has lived longest: each in turn.
    const { workerPid } = await server.line(({ event }) => event === 'worker-started', round)
    process.kill(workerPid, 'SIGKILL')
    const sent = uploads.map(async (uploaded, number) => {
      const at = [0, 1, 1, 0][number]!
      const { bytes, attachment } = await uploaded
      const { seq } = await alice.send(friends[at]!, '', { attachments: [attachment] })
      return { at, seq, bytes }
    })
    await server.line(({ event }) => event === 'worker-started', SHARDS + round)
    for (const [number, message] of (await Promise.all(sent)).entries()) {
      if (number % 2 === 0) await alice.remove(friends[message.at]!, message.seq)
      else kept.push(message)
    }
  }
  await until(() => `all but ${String(kept.length)} to have gone: ${String(objects(data).length)}`, () => objects(data).length === kept.length)
  for (const { at, seq, bytes } of kept) assert.ok((await fetched(others[at]!, 'alice', seq)).equals(bytes), `message ${String(seq)}`)
  assert.equal((await alice.blobUsage()).used, kept.length * BYTES)
  await stop(server)
})
