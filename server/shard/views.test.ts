import assert from 'node:assert/strict'
import { test } from 'node:test'
import { KEPT_LIST, userKeys } from '../../storage/user-keys.js'
import { ShardHarness } from '../testing/shard-harness.js'

void test('[HIS-3] flags and profile of a listed conversation are read while its last message is', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('ann', 'bob')
  const phone = await harness.attach('ann')
  phone.send('bob', 'hello')
  await harness.settle()
  const { engine } = harness
  const [get, range] = [engine.get.bind(engine), engine.range.bind(engine)]
  const keys: string[] = []
  const held: (() => void)[] = []
  engine.get = (key) => {
    keys.push(Buffer.from(key).toString('hex'))
    return get(key)
  }
  let isListed = false
  engine.range = async (options) => {
    // The first says which conversations there are.
    if (isListed) await new Promise<void>((resolve) => { held.push(resolve) })
    isListed = true
    return range(options)
  }
  const listed = harness.router.conversations('ann', '', 10)
  await harness.settle()
  assert.equal(held.length, 1, 'the message is being read')
  const expected = [userKeys('bob').profile(), userKeys('ann').listItem(KEPT_LIST.flags, 'bob')].map((key) => Buffer.from(key).toString('hex'))
  for (const key of expected) assert.ok(keys.includes(key), key)
  engine.range = range
  for (const release of held) release()
  assert.equal((await listed).conversations.length, 1)
})
