/** Which entries of channels have a commit of their own at once, and which wait for company. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestDevice } from '../testing/shard-harness.js'
import type { ShardsHarness } from '../testing/shards-harness.js'
import { pairRig } from '../testing/shards-rigs.js'

const DELAY_MS = 3
const [SENDER, RECIPIENT, CONVERSATION] = [0, 1, 2]

/** Two who have talked, and whatever followed from that is on disk; `commits` counts those of each shard from then on. */
async function quietRig(): Promise<{ harness: ShardsHarness, commits: number[], other: string, phone: TestDevice, friend: TestDevice }> {
  const commits = [0, 0, 0]
  const { harness, other, phone, friend } = await pairRig({ limits: { watermarkDelayMs: DELAY_MS }, afterCommit: (shard) => { commits[shard]!++ } })
  phone.send(other, 'hello')
  await harness.settle()
  friend.acknowledge()
  await harness.pass(10_000)
  phone.acknowledge()
  await harness.pass(10_000)
  commits.fill(0)
  return { harness, commits, other, phone, friend }
}

void test('a message waits for no company in any shard, but for what is of no use to the only device of who wrote it', async () => {
  const { harness, commits, other, phone, friend } = await quietRig()
  phone.send(other, 'there')
  await harness.settle()
  assert.deepEqual([phone.acks.at(-1)?.seq, friend.texts.at(-1)], [2, 'there'])
  assert.deepEqual([commits[SENDER], commits[RECIPIENT], commits[CONVERSATION]], [0, 1, 1])
  await harness.pass(DELAY_MS)
  assert.equal(commits[SENDER], 1, 'that the entry was taken is on disk before long')
})

void test('[RCP-4] a receipt waits for company in each shard on its way, and for no longer than watermarks do', async () => {
  const { harness, commits, other, phone, friend } = await quietRig()
  phone.send(other, 'there')
  await harness.pass(DELAY_MS)
  commits.fill(0)
  friend.acknowledge()
  for (const expected of [[0, 1, 0], [0, 1, 1], [1, 1, 1]]) {
    await harness.pass(DELAY_MS - 1)
    assert.notDeepEqual(commits, expected)
    await harness.pass(1)
    assert.deepEqual(commits, expected)
  }
  assert.equal(phone.receipts.at(-1), `${other} '' delivered 2`)
})

void test('a receipt goes along with a message that comes while it waits', async () => {
  const { harness, commits, other, phone, friend } = await quietRig()
  phone.send(other, 'there')
  await harness.pass(DELAY_MS)
  friend.acknowledge()
  await harness.pass(DELAY_MS)
  commits.fill(0)
  phone.send(other, 'again')
  await harness.settle()
  assert.deepEqual([commits[RECIPIENT], commits[CONVERSATION]], [1, 1])
  await harness.pass(DELAY_MS)
  assert.deepEqual([commits[SENDER], commits[CONVERSATION]], [1, 1])
  assert.equal(phone.receipts.at(-1), `${other} '' delivered 2`)
})

for (const channels of [{ windowEntries: 4 }, { windowBytes: 1024 }]) {
  void test(`a message does not wait behind a window full of what nobody waits for: ${JSON.stringify(channels)}`, async () => {
    const { harness, one, other, phone, friend } = await pairRig({ limits: { watermarkDelayMs: 1000 }, channels })
    phone.send(other, 'hello')
    await harness.settle()
    for (let n = 0; n < 20; n++) {
      phone.send(other, 'x'.repeat(100))
      await harness.settle()
    }
    friend.send(one, 'there')
    await harness.settle()
    assert.equal(phone.texts.at(-1), 'there')
  })
}
