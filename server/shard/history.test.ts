import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { HistoryRequest } from '../router/router.js'
import { routerError, ShardHarness } from '../testing/shard-harness.js'

/** Ann has written `count` messages to bob, one a second. */
async function written(count: number): Promise<{ harness: ShardHarness; startMs: number }> {
  const harness = new ShardHarness()
  await harness.addUsers('ann', 'bob', 'cy')
  const ann = await harness.attach('ann')
  const startMs = harness.nowMs
  for (let i = 0; i < count; i++) {
    ann.send('bob', String(i + 1))
    await harness.pass(1000)
  }
  return { harness, startMs }
}

void test('[HIS-1] history pages by seq and by time, in both directions, ascending, and says whether there is more', async () => {
  const { harness, startMs } = await written(10)
  const page = async (request: Omit<HistoryRequest, 'limit'>, limit = 3): Promise<[number[], boolean]> => {
    const { messages, more, tail } = await harness.router.history('bob', 'ann', { ...request, limit })
    assert.equal(tail, 10)
    return [messages.map(({ seq }) => seq), more]
  }
  const cases: [Omit<HistoryRequest, 'limit'>, number[], boolean][] = [
    [{}, [8, 9, 10], true],
    [{ before: 4 }, [1, 2, 3], false],
    [{ before: 5 }, [2, 3, 4], true],
    [{ before: 1 }, [], false],
    [{ after: 0 }, [1, 2, 3], true],
    [{ after: 7 }, [8, 9, 10], false],
    [{ after: 10 }, [], false],
    [{ after: 99 }, [], false],
    [{ before: 99 }, [8, 9, 10], true],
    [{ after: 2, before: 5 }, [3, 4], false],
    [{ after: 2, before: 9 }, [3, 4, 5], true],
    [{ sinceMs: startMs }, [1, 2, 3], true],
    [{ sinceMs: startMs + 7000 }, [8, 9, 10], false],
    [{ sinceMs: startMs + 7001 }, [9, 10], false],
    [{ sinceMs: startMs + 60_000 }, [], false],
    [{ untilMs: startMs + 2000 }, [1, 2], false],
    [{ untilMs: startMs + 2001 }, [1, 2, 3], false],
    [{ untilMs: startMs }, [], false],
    [{ sinceMs: startMs + 1000, untilMs: startMs + 3000 }, [2, 3], false],
    [{ sinceMs: startMs + 1000, after: 4 }, [5, 6, 7], true],
  ]
  for (const [request, seqs, more] of cases) assert.deepEqual(await page(request), [seqs, more], JSON.stringify(request))
  assert.deepEqual(await page({}, 0), [[], true])
  assert.deepEqual(await page({}, 1000), [[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], false])
})

void test('[HIS-1] a page holds at most historyPageMax messages', async () => {
  const harness = new ShardHarness()
  await harness.addUsers('ann', 'bob')
  const ann = await harness.attach('ann')
  for (let i = 0; i <= LIMIT.historyPageMax; i++) ann.send('bob', 'x')
  await harness.settle()
  const page = await harness.router.history('ann', 'bob', { limit: 10_000 })
  assert.deepEqual([page.messages.length, page.more], [LIMIT.historyPageMax, true])
})

void test('[HIS-2] history is for members alone', async () => {
  const { harness } = await written(1)
  await assert.rejects(harness.router.history('cy', 'ann', { limit: 1 }), routerError(ERROR.noSuchConversation))
  await assert.rejects(harness.router.history('ann', '#team', { limit: 1 }), routerError(ERROR.noSuchConversation))
  await assert.rejects(harness.router.history('ann', 'a b', { limit: 1 }), routerError(ERROR.malformedAddress))
  assert.deepEqual((await harness.router.history('ann', 'BOB', { limit: 1 })).messages.map(({ from }) => from), ['ann'])
})

void test('[RCP-11] history read by query moves no watermark', async () => {
  const { harness } = await written(3)
  await harness.router.history('bob', 'ann', { limit: 10 })
  await harness.router.conversations('bob', '', 10)
  assert.deepEqual(await harness.router.receipts('ann', 'bob'), [{ member: 'bob', delivered: 0, read: 0 }])
})

void test('[HIS-3] conversations are listed by address in pages, with last message, watermarks and unread', async () => {
  const harness = new ShardHarness()
  // As names in the store these are not in the order of the addresses.
  const others = ['a', 'a-b', 'a.b', 'a_b', 'z', 'm1']
  await harness.addUsers('m', ...others)
  const m = await harness.attach('m')
  for (const [i, other] of others.entries()) for (let n = 0; n <= i; n++) m.send(other, `${other} ${String(n)}`)
  m.send('m', 'note')
  await harness.settle()
  const addresses: string[] = []
  for (let more = true; more;) {
    const page = await harness.router.conversations('m', addresses.at(-1) ?? '', 2)
    addresses.push(...page.conversations.map(({ conversation }) => conversation))
    more = page.more
  }
  assert.deepEqual(addresses, [...others, 'm'].sort())
  const z = await harness.attach('z')
  z.acknowledge(3)
  z.mark('m', 2)
  await harness.settle()
  const { conversations } = await harness.router.conversations('z', '', 10)
  const shown = conversations.map(({ conversation, tail, read, unread, others: members, last }) =>
    ({ conversation, tail, read, unread, members, last: last === null ? null : Buffer.from(last.text).toString() }))
  assert.deepEqual(shown, [{ conversation: 'm', tail: 5, read: 2, unread: 3, members: [{ member: 'm', delivered: 0, read: 0 }], last: 'z 4' }])
  const ofM = (await harness.router.conversations('m', 'm1', 10)).conversations
  assert.deepEqual(ofM.map(({ conversation, unread, others: members }) => ({ conversation, unread, members })),
    [{ conversation: 'z', unread: 0, members: [{ member: 'z', delivered: 3, read: 2 }] }])
})
