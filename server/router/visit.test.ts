/** Sessions that speak to conversations at home elsewhere, while links to their shards are lost and shards die. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ERROR, MARK, OPERATION } from '../../protocol/generated/registry.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import type { TestDevice } from '../testing/shard-harness.js'
import { ShardsHarness } from '../testing/shards-harness.js'
import { Random } from '../testing/simulation/random.js'
import type { VisitPlace } from './home-router.js'
import { Unanswered } from './unanswered.js'
import { Visit } from './visit.js'

/** Random lives. */
const SEEDS = 40
const STEPS = 60

/** Two devices that talk, at home in these shards, and their conversation in the third; the first shard alone is reached without a link. */
async function talk(one: number, other: number, conversation: number): Promise<{ harness: ShardsHarness, phone: TestDevice, friend: TestDevice }> {
  const harness = new ShardsHarness({ reach: 'links', between: 'links' })
  const [first, second] = harness.pairAt(one, other, conversation)
  await harness.addUsers(first, second)
  const [phone, friend] = [await harness.attach(first), await harness.attach(second)]
  phone.send(second, 'hello')
  await harness.settle()
  return { harness, phone, friend }
}

test('[MSG-1] [MSG-3] what was not answered is said again where the link to the conversation is lost', async () => {
  const { harness, phone, friend } = await talk(0, 0, 1)
  phone.send(friend.user, 'one')
  harness.cutLink(1)
  phone.send(friend.user, 'two')
  phone.mark(friend.user, 1, MARK.read)
  phone.operate(friend.user, 1, OPERATION.react, '👍')
  await harness.pass(5000)
  assert.deepEqual(phone.refusals, [])
  assert.deepEqual(phone.acks.map(({ clientId }) => clientId).sort(), [1, 2, 3, 4, 5])
  assert.deepEqual(friend.texts, ['hello', 'one', 'two'])
  assert.equal(phone.endedWith, 0)
})

test('[MSG-1] [MSG-3] what was not answered is said again where the shard of the conversation dies', async () => {
  for (const conversation of [0, 1]) {
    const { harness, phone, friend } = await talk(2, 2, conversation)
    phone.send(friend.user, 'one')
    harness.crash(conversation)
    phone.send(friend.user, 'two')
    await harness.pass(5000)
    assert.deepEqual(phone.acks.map(({ clientId, seq }) => [clientId, seq]), [[1, 1], [2, 2], [3, 3]])
    assert.deepEqual(friend.texts, ['hello', 'one', 'two'])
    assert.equal(phone.endedWith, 0)
  }
})

test('[MSG-1] [MSG-3] what was not answered is said again where the shard of the conversation is given up by a process that lives on', async () => {
  for (const conversation of [0, 1]) {
    const { harness, phone, friend } = await talk(2, 2, conversation)
    phone.send(friend.user, 'one')
    const visits = new Set(harness.routers[conversation]!.shard.sessions.visiting)
    const given = harness.giveUp(conversation)
    // The place that it had leads nowhere any more.
    if (conversation === 0) assert.ok(visits.size > 0 && [...visits].every(({ hasEnded }) => hasEnded))
    phone.send(friend.user, 'two')
    await given
    await harness.pass(5000)
    assert.deepEqual(phone.acks.map(({ clientId, seq }) => [clientId, seq]), [[1, 1], [2, 2], [3, 3]])
    assert.deepEqual(friend.texts, ['hello', 'one', 'two'])
    assert.equal(phone.endedWith, 0)
  }
})

test('a session keeps its connection where the home of its user dies, and goes on with all that it has said anywhere', async () => {
  const { harness, phone, friend } = await talk(1, 2, 2)
  phone.send(friend.user, 'one')
  harness.crash(1)
  phone.send(friend.user, 'two')
  friend.send(phone.user, 'hi')
  await harness.pass(5000)
  assert.deepEqual([phone.endedWith, friend.endedWith], [0, 0])
  assert.deepEqual(phone.acks.map(({ clientId }) => clientId), [1, 2, 3])
  assert.deepEqual(friend.texts.filter((text) => text !== 'hi'), ['hello', 'one', 'two'])
  assert.deepEqual(phone.texts.filter((text) => text === 'hi'), ['hi'])
})

test('a session ends where a shard that has not answered it stays away, and no other', async () => {
  const { harness, phone, friend } = await talk(0, 0, 1)
  harness.cutLink(1, true)
  await harness.pass(20_000)
  assert.equal(phone.endedWith, 0)
  phone.send(friend.user, 'is anybody there?')
  await harness.pass(9000)
  assert.equal(phone.endedWith, 0)
  await harness.pass(2000)
  assert.deepEqual([phone.endedWith, friend.endedWith], [ERROR.storageUnavailable, 0])
  harness.crash(1)
  await harness.pass(1000)
  const again = await harness.reattach(phone)
  again.send(friend.user, 'is anybody there?', 2)
  await harness.pass(1000)
  assert.deepEqual(friend.texts, ['hello', 'is anybody there?'])
})

test('a session ends where the store of a shard that is reached stays broken, and no other', async () => {
  for (const reach of ['calls', 'links'] as const) {
    let isBroken = false
    const fail = (): void => { if (isBroken) throw new Error('the test has it so') }
    const broken = new MemoryEngine({ beforeCommit: fail, beforeOpen: fail })
    const harness = new ShardsHarness({ reach, between: 'links', engines: [new MemoryEngine(), broken] })
    const [first, second] = harness.pairAt(0, 0, 1)
    await harness.addUsers(first, second)
    const [phone, friend] = [await harness.attach(first), await harness.attach(second)]
    phone.send(second, 'hello')
    await harness.settle()
    isBroken = true
    phone.send(second, 'is anybody there?')
    await harness.pass(9000)
    assert.deepEqual([phone.endedWith, friend.endedWith], [0, 0])
    await harness.pass(2000)
    assert.deepEqual([phone.endedWith, friend.endedWith], [ERROR.storageUnavailable, 0])
  }
})

test('a shard that is reached and answers nothing is told what waits ever more seldom', async () => {
  let isBroken = false
  const fail = (): void => { if (isBroken) throw new Error('the test has it so') }
  const broken = new MemoryEngine({ beforeCommit: fail, beforeOpen: fail })
  const harness = new ShardsHarness({ reach: 'links', between: 'links', engines: [new MemoryEngine(), broken] })
  const [first, second] = harness.pairAt(0, 0, 1)
  await harness.addUsers(first, second)
  const [phone, friend] = [await harness.attach(first), await harness.attach(second)]
  phone.send(second, 'hello')
  await harness.settle()
  const router = harness.routers[1]!
  const visit = router.visit.bind(router)
  let visits = 0
  router.visit = (visitor, sink) => {
    visits++
    return visit(visitor, sink)
  }
  isBroken = true
  phone.send(second, 'is anybody there?')
  await harness.pass(4000)
  assert.ok(visits >= 3 && visits <= 7, `${String(visits)} visits`)
  isBroken = false
  // What it waits at most, and what the store takes to be open again.
  await harness.pass(5000)
  assert.deepEqual(friend.texts, ['hello', 'is anybody there?'])
  assert.equal(phone.endedWith, 0)
})

test('a shard that is not reached is looked for all the time, whatever it was before', () => {
  let isReached = true
  let opened = 0
  const sink = { acked: () => { /* nobody is */ }, refused: () => { /* nor that */ }, ended: () => { /* nor that */ } }
  const visit: Visit = new Visit({
    sink,
    openPlace: () => {
      if (!isReached) throw new Error('there is no way to it')
      opened++
      return { router: { message: () => { /* it answers nothing */ } }, attachment: {} } as unknown as VisitPlace
    },
    waits: () => { visit.lost(nowMs) },
  }, 1)
  let nowMs = 0
  visit.message(1, 'bob', new Uint8Array(1), new Uint8Array(0))
  // It answers nothing, again and again: ever longer pauses.
  for (; nowMs < 10_000; nowMs += 100) {
    visit.ended(ERROR.storageUnavailable)
    while (visit.retry(nowMs)) nowMs += 100
  }
  assert.ok(opened < 12, `${String(opened)} times`)
  isReached = false
  visit.ended(ERROR.storageUnavailable)
  while (nowMs < 13_000) {
    visit.retry(nowMs)
    nowMs += 100
  }
  isReached = true
  const before = opened
  assert.equal(visit.retry(nowMs), false)
  assert.equal(opened, before + 1, 'it is back, and nobody has come')
})

test('a session waits anew for a shard that it has had an answer of', async () => {
  const { harness, phone, friend } = await talk(0, 0, 1)
  for (const text of ['one', 'two']) {
    harness.cutLink(1, true)
    phone.send(friend.user, text)
    await harness.pass(9000)
    harness.crash(1)
    await harness.pass(1000)
  }
  assert.deepEqual(friend.texts, ['hello', 'one', 'two'])
  assert.equal(phone.endedWith, 0)
})

test('[FLW-1] a shard that is away holds nobody up but those who speak to it', async () => {
  const { harness, friend } = await talk(0, 0, 1)
  harness.cutLink(1, true)
  await harness.pass(1000)
  assert.equal(harness.router.isCrowded, false)
  let told = 0
  harness.router.whenRoom(() => { told++ })
  await harness.settle()
  assert.equal(told, 1)
  const tablet = await harness.attach(friend.user, 'tablet')
  tablet.send(friend.user, 'a note')
  await harness.settle()
  assert.deepEqual(tablet.acks.map(({ seq }) => seq), [1])
})

/** One talks to another while anything may be lost but the process that both are connected to. */
async function live(seed: number): Promise<void> {
  const random = new Random(seed)
  const { harness, phone, friend } = await talk(1 + random.below(2), 1 + random.below(2), random.below(3))
  for (const device of [phone, friend]) device.acknowledgesAtOnce = true
  const said = ['hello']
  for (let step = 0; step < STEPS; step++) {
    const dice = random.below(20)
    if (dice < 12) {
      said.push(`message ${String(said.length)}`)
      phone.send(friend.user, said.at(-1)!)
    } else if (dice < 14) harness.cutLink(1 + random.below(2))
    else if (dice < 15) harness.crash(random.below(3))
    else if (dice < 18) await harness.settle()
    else await harness.pass(random.below(300))
  }
  await harness.pass(15_000)
  assert.deepEqual([phone.endedWith, friend.endedWith], [0, 0], `seed ${String(seed)}: a session ended`)
  assert.deepEqual(phone.refusals, [], `seed ${String(seed)}: something was refused`)
  assert.deepEqual(phone.acks.map(({ clientId, seq }) => [clientId, seq]), said.map((_, at) => [at + 1, at + 1]), `seed ${String(seed)}: acks`)
  assert.deepEqual(friend.texts, said, `seed ${String(seed)}: messages`)
}

test('[MSG-1] [MSG-3] [MSG-6] every message comes once and in order while links are lost and shards die, and no session ends', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) await live(seed)
})

test('a planted bug is caught: what was not answered is not said again', async (t) => {
  const { sendTo } = Unanswered.prototype
  Unanswered.prototype.sendTo = () => {}
  t.after(() => { Unanswered.prototype.sendTo = sendTo })
  await assert.rejects(async () => {
    for (let seed = 1; seed <= SEEDS; seed++) await live(seed)
  }, /seed \d+/)
})
