/** Whatever devices do in whatever order, with crashes between: what came live and what history says are one state. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MessageViews } from '../../protocol/client/message-views.js'
import { FRAME, OPERATION } from '../../protocol/generated/registry.js'
import { ownerAt } from '../../storage/owner-keys.js'
import { ShardHarness, type TestDevice } from '../testing/shard-harness.js'

const KINDS = ['edit', 'delete', 'react'] as const
const TEXTS = { edit: ['one', 'two', 'three'], delete: [''], react: ['👍', '❤️', '😂', ''] }
const PLACES = [['alice', 'phone', 'bob'], ['alice', 'laptop', 'bob'], ['bob', 'phone', 'alice']] as const
const MESSAGES = 4

interface Step {
  readonly place: number
  readonly action: 'message' | 'crash' | 'settle' | 'acknowledge' | (typeof KINDS)[number]
  readonly target: number
  readonly choice: number
}

const step: fc.Arbitrary<Step> = fc.record({
  place: fc.nat(PLACES.length - 1),
  action: fc.constantFrom('message', 'edit', 'edit', 'react', 'react', 'react', 'delete', 'settle', 'acknowledge', 'crash'),
  target: fc.integer({ min: 1, max: MESSAGES + 8 }),
  choice: fc.nat(11),
})

/** A device with its outbox: what has no answer is sent again after a crash, under the same client ids. [OPS-2] */
class Actor {
  readonly user: string
  readonly peer: string
  readonly view: MessageViews
  device!: TestDevice
  cursor = 0
  #nextClientId = 1
  readonly #outbox = new Map<number, (device: TestDevice) => void>()
  /** By client id: what its ack makes true here. */
  readonly #sent = new Map<number, (seq: number) => void>()
  /** Seqs of operations that changed something, by client id. */
  readonly operations = new Map<number, number>()
  #taken = 0
  #answered = 0

  constructor(user: string, peer: string) {
    this.user = user
    this.peer = peer
    this.view = new MessageViews(user)
  }

  message(text: string): void {
    this.#do((device, id) => { device.send(this.peer, text, id) }, (seq) => { this.view.add({ seq, text }, 0) })
  }

  operate(kind: (typeof KINDS)[number], target: number, text: string): void {
    const clientId = this.#do((device, id) => { device.operate(this.peer, target, OPERATION[kind], text, id) }, (seq) => {
      if (seq === 0) return
      this.operations.set(clientId, seq)
      this.view.apply({ seq, from: this.user, target, kind, text })
    })
  }

  comeBack(device: TestDevice): void {
    this.device = device
    this.#taken = this.#answered = 0
    for (const send of this.#outbox.values()) send(device)
  }

  /** Takes in what came. */
  take(): void {
    for (const frame of this.device.frames.slice(this.#taken)) {
      if (frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom) this.view.add({ seq: frame.seq, text: Buffer.from(frame.text).toString() }, 0)
      if (frame.type === FRAME.operation) {
        const kind = KINDS.find((name) => OPERATION[name] === frame.kind) ?? null
        this.view.apply({ seq: frame.seq, from: frame.from, target: frame.target, kind, text: Buffer.from(frame.text).toString() })
      }
    }
    this.#taken = this.device.frames.length
    this.cursor = Math.max(this.cursor, this.device.lastIndex)
    for (const { clientId, seq } of this.device.acks.slice(this.#answered)) {
      const before = this.operations.get(clientId)
      if (before !== undefined) assert.equal(seq, before, `${this.user} ${String(clientId)} was acknowledged as another seq before`)
      this.#sent.get(clientId)?.(seq)
      this.#outbox.delete(clientId)
    }
    this.#answered = this.device.acks.length
    for (const { clientId } of this.device.refusals) this.#outbox.delete(clientId)
  }

  #do(send: (device: TestDevice, clientId: number) => void, acked: (seq: number) => void): number {
    const clientId = this.#nextClientId++
    this.#outbox.set(clientId, (device) => { send(device, clientId) })
    this.#sent.set(clientId, acked)
    send(this.device, clientId)
    return clientId
  }
}

/** `plant` spoils each life of the server. */
async function run(steps: readonly Step[], plant: (harness: ShardHarness, life: number) => void = () => {}): Promise<void> {
  const harness = new ShardHarness()
  let life = 0
  plant(harness, life)
  await harness.addUsers('alice', 'bob')
  const actors = PLACES.map(([user, , peer]) => new Actor(user, peer))
  for (const [position, [user, id]] of PLACES.entries()) actors[position]!.comeBack(await harness.attach(user, id))
  for (let i = 0; i < MESSAGES; i++) actors[i % 3]!.message(`message ${String(i)}`)
  await harness.settle()
  for (const { place, action, target, choice } of steps) {
    const actor = actors[place]!
    if (action === 'message') actor.message(`more ${String(choice)}`)
    else if (action === 'settle') await harness.settle()
    else if (action === 'acknowledge') actor.device.acknowledge()
    else if (action === 'crash') {
      for (const each of actors) each.take()
      harness.crash()
      plant(harness, ++life)
      for (const each of actors) each.comeBack(await harness.reattach(each.device, each.cursor))
    } else actor.operate(action, target, TEXTS[action][choice % TEXTS[action].length] ?? '')
  }
  await harness.settle()
  for (const each of actors) each.take()
  for (const { user, peer, view } of actors) {
    const { messages, tail } = await harness.router.history(user, peer, { limit: 100 })
    const fresh = new MessageViews(user)
    for (const { seq, text, present, operation } of messages) {
      if (operation !== null) continue
      fresh.add({
        seq, text: Buffer.from(text).toString(), isDeleted: (present?.deletedMs ?? 0) > 0, editedMs: present !== null && present.editedMs > 0 ? present.editedMs : null,
        reactions: present?.reactions ?? [],
      }, tail)
      assert.deepEqual(view.get(seq), fresh.get(seq), `message ${String(seq)} to ${user}`)
    }
    assert.equal(messages.length, tail, 'every seq stands in the page')
    const done = actors.flatMap(({ operations }) => [...operations.values()]).sort((one, other) => one - other)
    assert.deepEqual(messages.flatMap(({ seq, operation }) => operation === null ? [] : [seq]), done, 'each operation happened once')
  }
}

test('[OPS-1] [OPS-5] [OPS-15] devices that operate at once, with crashes between, all end with the state that history shows', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40 }), (steps) => run(steps)), { numRuns: 150 })
})

/** Two edits, a crash before the first has its ack, and the first is sent again. */
const RETRIED: readonly Step[] = [
  { place: 0, action: 'edit', target: 1, choice: 0 }, { place: 1, action: 'react', target: 2, choice: 0 },
  { place: 0, action: 'settle', target: 1, choice: 0 }, { place: 0, action: 'edit', target: 1, choice: 1 },
  { place: 0, action: 'crash', target: 1, choice: 0 }, { place: 0, action: 'edit', target: 1, choice: 2 },
]

test('[OPS-2] an edit that happens twice, since a restarted server does not know that it has it, is caught', async () => {
  await run(RETRIED)
  await assert.rejects(run(RETRIED, ({ router }, life) => {
    const operate = router.operate.bind(router)
    // Each operation comes a second time, as from a client that has had no answer, and counts as new.
    router.operate = (attachment, clientId, conversation, target, kind, text) => {
      operate(attachment, clientId, conversation, target, kind, text)
      if (life > 0 && kind === OPERATION.edit) operate(attachment, clientId + 1000, conversation, target, kind, Buffer.concat([text, Buffer.from('!')]))
    }
  }), /each operation happened once|message 1/)
})

test('[OPS-5] an edit that is lost in a crash is caught', async () => {
  await assert.rejects(run(RETRIED, ({ engine }) => {
    const get = engine.range.bind(engine)
    // What operations have made of messages is not read back.
    engine.range = async (range) => (await get(range)).filter(([key]) => ownerAt(key)?.table !== 'conversation' || key.at(-9) !== 0x61)
  }), /message 1/)
})

test('[OPS-15] operations in any order of arrival, doubled or ahead of their message, give one state', () => {
  const operation = fc.record({
    from: fc.constantFrom('alice', 'bob', 'carol'), target: fc.constant(1), kind: fc.constantFrom(...KINDS, null), choice: fc.nat(11),
  })
  fc.assert(fc.property(fc.array(operation, { maxLength: 12 }), fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })), (list, random) => {
    const all = list.map(({ choice, ...rest }, index) => {
      const texts = rest.kind === null ? ['x'] : TEXTS[rest.kind]
      return { ...rest, seq: index + 2, text: texts[choice % texts.length] ?? '' }
    })
    const inOrder = new MessageViews('alice')
    inOrder.add({ seq: 1, text: 'hello' }, 0)
    for (const each of all) inOrder.apply(each)
    const shuffled = [...all, ...all].map((each) => ({ each, at: random.next().value })).sort((one, other) => one.at - other.at)
    const other = new MessageViews('alice')
    const addAt = Math.floor(random.next().value * (shuffled.length + 1))
    shuffled.forEach(({ each }, index) => {
      if (index === addAt) other.add({ seq: 1, text: 'hello' }, 0)
      other.apply(each)
    })
    other.add({ seq: 1, text: 'hello' }, 0)
    assert.deepEqual(other.get(1), inOrder.get(1))
  }))
})
