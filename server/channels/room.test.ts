/** What arrives at once from another shard is spread over transactions, however little of a window it fills. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { groupRig } from '../testing/shards-rigs.js'

const COMMITS = 10
/** Of one author in one commit: one entry. */
const MESSAGES = 20
const APPENDED_MAX = 50

test('messages that have waited for a shard fill its transactions up to a limit, and come in their order', async () => {
  const { harness, group, owner, members } = await groupRig({ channels: { appendedMax: APPENDED_MAX } })
  const phone = await harness.attach(owner)
  const friends = await Promise.all(members.slice(2).map((member) => harness.attach(member)))
  harness.cutOff.add(2)
  const texts: string[] = []
  for (let commit = 0; commit < COMMITS; commit++) {
    for (let i = 0; i < MESSAGES; i++) {
      texts.push(`${String(commit)}/${String(i)}`)
      phone.send(group, texts.at(-1)!)
    }
    await harness.settle()
  }
  const { shard } = harness.routers[2]!
  const appended: number[] = []
  const seal = shard.seal.bind(shard)
  shard.seal = (transaction, withLate) => {
    appended.push(transaction.appended)
    seal(transaction, withLate)
  }
  harness.cutOff.clear()
  await harness.pass(10_000)
  for (const friend of friends) assert.deepEqual(friend.texts, texts)
  assert.ok(Math.max(...appended) >= APPENDED_MAX, 'the limit is reached')
  // One entry may go beyond.
  assert.ok(Math.max(...appended) < APPENDED_MAX + MESSAGES * friends.length, `${String(Math.max(...appended))} entries in one transaction`)
})
