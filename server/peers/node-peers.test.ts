/** Several shards in each process, which change places. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR } from '../../protocol/generated/registry.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import { routerError } from '../testing/shard-harness.js'
import { type PairRig, pairRig } from '../testing/shards-rigs.js'

/** Shards 0 and 2 in the one process, 1 and 3 in the other. Entries that were lost come again when all is over. */
function rigOf(): Promise<PairRig> {
  return pairRig({ between: 'links', shards: 4, nodes: 2, channels: { resendMs: 1_000_000 } })
}

/** Longer than any wait before a link is dialled again. */
const REDIALLED_MS = 1100

/** Until a session has found the shard again that it speaks to. */
const VISITED_MS = 200

function reached({ harness }: PairRig, from: number): number[] {
  return harness.routers[from]!.shard.channels!.states().filter(({ isReached }) => isReached).map(({ shard }) => shard)
}

async function talk({ harness, phone, friend, other }: PairRig, text: string): Promise<void> {
  const before = friend.texts
  phone.send(other, text)
  await harness.settle()
  assert.deepEqual(friend.texts, [...before, text])
}

void test('shards of one process call each other, and have links to those of others', async () => {
  const rig = await rigOf()
  await talk(rig, 'first')
  for (const shard of [0, 1, 2, 3]) assert.deepEqual(reached(rig, shard), [0, 1, 2, 3].filter((other) => other !== shard))
  rig.harness.links!.cut(1)
  await rig.harness.settle()
  assert.deepEqual([0, 1, 2, 3].map((shard) => reached(rig, shard)), [[2], [3], [0], [1]])
  await rig.harness.pass(REDIALLED_MS)
  await talk(rig, 'second')
})

void test('a shard that changes its process is reached where it is, and what waited for it goes at once', async () => {
  const rig = await rigOf()
  const { harness, phone, friend, other } = rig
  await talk(rig, 'first')
  // The home of the conversation: beside that of the friend, away from it, and there and back at once.
  for (const nodes of [[1], [0], [1, 0]]) {
    for (const node of nodes) {
      phone.send(other, `before it goes to ${String(node)} as one of ${String(nodes.length)}`)
      harness.move(2, node)
    }
    await harness.pass(VISITED_MS)
    await talk(rig, `behind ${String(nodes)}`)
    for (const shard of [0, 1, 2, 3]) assert.equal(reached(rig, shard).length, 3)
  }
  assert.equal(friend.texts.length, phone.acks.length)
})

void test('what is given while the shard that takes it is nowhere goes when it is anywhere', async () => {
  const rig = await rigOf()
  const { harness, phone, other } = rig
  let { friend } = rig
  await talk(rig, 'first')
  for (const node of [0, 1]) {
    harness.links!.stopServing(1)
    phone.send(other, `on the way to ${String(node)}`)
    await harness.settle()
    assert.ok(!reached(rig, 2).includes(1))
    harness.move(1, node)
    await harness.settle()
    assert.ok(reached(rig, 2).includes(1))
    friend = await harness.reattach(friend)
    assert.deepEqual(friend.texts, [`on the way to ${String(node)}`])
  }
})

void test('links with a process that does not have the shard any more end when that is known, whatever it says itself', async () => {
  const rig = await rigOf()
  await talk(rig, 'first')
  const { harness } = rig
  harness.links!.assign(1, 0)
  await harness.settle()
  // It is said to be here, and is not open yet.
  assert.deepEqual([0, 2].map((shard) => reached(rig, shard).includes(1)), [false, false])
  harness.crash(1)
  await harness.settle()
  assert.deepEqual([0, 2].map((shard) => reached(rig, shard).includes(1)), [true, true])
})

void test('a shard that is given up tells those of its process nothing more, and asks and gives them nothing', async () => {
  const { harness, phone, friend, other } = await pairRig({ between: 'links', shards: 4, nodes: 2 }, [0, 2, 1])
  phone.watch(other)
  await harness.settle()
  assert.deepEqual(phone.seen(), [`${other} online`])
  harness.links!.stopServing(2)
  // It has sessions elsewhere by now.
  friend.detach()
  await harness.pass(2 * PRESENCE_LIMITS.delayMs)
  assert.deepEqual(phone.seen(), [])
  const { peers } = harness.routers[2]!.shard.environment.federation!
  await assert.rejects(peers.ask(0, 'visitor', other), routerError(ERROR.unavailable))
  assert.deepEqual([peers.offer(0, 1, new Uint8Array(0)), peers.isReached(0)], [false, false])
})
