/** The outbox's order: whatever is refused for a time, and wherever the client dies. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { EMPTY_BYTES } from '../bytes.js'
import { Outbox } from './outbox.js'
import type { OutboxEntry } from './outbox.js'
import { applyChanges, copyState, emptyState } from './state.js'
import type { MutableState, StanzaKind } from './state.js'

/** An outbox with its storage: what is added is stored at once. */
class Bench {
  readonly disk: MutableState = emptyState()
  outbox = new Outbox(this.disk)
  nowMs = 0

  add(to: string, text: string, kind: StanzaKind = 'message'): void {
    this.outbox.add(kind, to, text, EMPTY_BYTES, 0)
    this.store()
  }

  store(): void {
    this.outbox.release(this.nowMs)
    const { changes, staged } = this.outbox.drain()
    applyChanges(this.disk, changes)
    this.outbox.stored(staged)
  }

  /** Sends all that may be sent; what went out, as `id text`. */
  pump(): string[] {
    this.store()
    return this.sendAll().map(({ clientId, text }) => `${clientId} ${text}`)
  }

  sendAll(): OutboxEntry[] {
    const sent: OutboxEntry[] = []
    for (let entry = this.outbox.next(); entry !== undefined; entry = this.outbox.next()) {
      this.outbox.sent(entry)
      sent.push(entry)
    }
    return sent
  }

  crash(): void {
    this.outbox = new Outbox(copyState(this.disk))
  }
}

test('[MSG-20] what is refused for a time goes again in order, one at a time, and later ones behind it; other conversations go on', () => {
  const bench = new Bench()
  for (const text of ['a', 'b', 'c']) bench.add('bob', text)
  assert.deepEqual(bench.pump(), ['1 a', '2 b', '3 c'])
  bench.outbox.refused(1, 100)
  bench.add('bob', 'd')
  bench.add('carol', 'x')
  assert.deepEqual(bench.pump(), ['5 x'], 'd waits, carol does not')
  // Answers need not come in order.
  bench.outbox.refused(3, 150)
  bench.nowMs = 200
  assert.equal(bench.outbox.nextDueMs, Infinity)
  assert.deepEqual(bench.pump(), [], 'b has no answer yet')
  bench.outbox.refused(2, 120)
  assert.equal(bench.outbox.nextDueMs, 150)
  assert.deepEqual(bench.pump(), ['6 a'])
  bench.outbox.refused(6, 300)
  assert.deepEqual(bench.pump(), [], 'refused again')
  bench.nowMs = 300
  assert.deepEqual(bench.pump(), ['7 a'])
  for (const [id, next] of [[7, '8 b'], [8, '9 c'], [9, '10 d']] as const) {
    bench.outbox.answered(id)
    assert.deepEqual(bench.pump(), [next])
  }
  bench.outbox.answered(10)
  bench.store()
  for (const text of ['e', 'f']) bench.add('bob', text)
  assert.deepEqual(bench.pump(), ['11 e', '12 f'], 'nothing waits any more')
})

test('[MSG-13] [MSG-20] after a crash what was held waits behind what has a new id, and what was not answered keeps its id', () => {
  const bench = new Bench()
  for (const text of ['a', 'b', 'c']) bench.add('bob', text)
  bench.pump()
  for (const id of [1, 2, 3]) bench.outbox.refused(id, 100)
  bench.store()
  bench.crash()
  assert.deepEqual(bench.pump(), ['1 a', '2 b', '3 c'], 'nobody knows of the refusals')
  for (const id of [1, 2, 3]) bench.outbox.refused(id, 100)
  bench.nowMs = 100
  assert.deepEqual(bench.pump(), ['4 a'])
  bench.crash()
  assert.deepEqual(bench.pump(), ['4 a'], 'b and c were not accepted under their ids')
  bench.outbox.answered(4)
  assert.deepEqual(bench.pump(), ['5 b'])
})

test('[MSG-13] [MSG-20] over a lost connection what is in flight is sent again under its id, and what is held waits for it', () => {
  const bench = new Bench()
  for (const text of ['a', 'b']) bench.add('bob', text)
  bench.pump()
  bench.outbox.refused(1, 100)
  bench.outbox.lost()
  bench.nowMs = 500
  assert.deepEqual(bench.pump(), ['2 b'])
  bench.outbox.refused(2, 600)
  bench.nowMs = 600
  assert.deepEqual(bench.pump(), ['3 a'])
  bench.outbox.lost()
  assert.deepEqual(bench.pump(), ['3 a'])
  bench.outbox.answered(3)
  assert.deepEqual(bench.pump(), ['4 b'])
})

/**
 * A server that takes nothing of a conversation, once it has refused something of it, before the client has heard of all refusals: with
 * such a one the order is whole, and ids rise in each session.
 */
class Server {
  readonly logs = new Map<string, string[]>()
  #flight: OutboxEntry[] = []
  #ids: number[] = []
  readonly #accepted = new Map<number, string>()
  readonly #closed = new Set<string>()
  #highest = 0

  connect(): void {
    this.#flight = []
    this.#ids = []
    this.#highest = 0
  }

  receive(entries: readonly OutboxEntry[]): void {
    for (const entry of entries) {
      assert.ok(entry.clientId > this.#highest, '[MSG-2]')
      this.#highest = entry.clientId
      this.#flight.push(entry)
      this.#ids.push(entry.clientId)
    }
  }

  /** Decides about the first that has no answer. Lost: the answer never comes, since the connection breaks. */
  answer(outbox: Outbox, refuses: boolean, nowMs: number, isLost: boolean): boolean {
    const entry = this.#flight.shift()
    const id = this.#ids.shift()
    if (entry === undefined || id === undefined) return false
    if (!this.#accepted.has(id) && (refuses || this.#closed.has(entry.to))) {
      this.#closed.add(entry.to)
      if (!isLost) outbox.refused(id, nowMs + 5)
    } else {
      if (!this.#accepted.has(id)) this.#log(entry.to).push(entry.text)
      this.#accepted.set(id, entry.text)
      if (!isLost) outbox.answered(id)
    }
    if (!isLost && !this.#flight.some(({ to }) => to === entry.to)) this.#closed.delete(entry.to)
    return true
  }

  #log(to: string): string[] {
    const log = this.logs.get(to) ?? []
    this.logs.set(to, log)
    return log
  }
}

test('[MSG-13] [MSG-20] [MSG-2] each is accepted once and in order through refusals, lost connections and crashes', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant('bob') }, { weight: 2, arbitrary: fc.constant('carol') }, { weight: 4, arbitrary: fc.constant('pump') },
    { weight: 5, arbitrary: fc.constant('accept') }, { weight: 3, arbitrary: fc.constant('refuse') }, { weight: 3, arbitrary: fc.constant('wait') },
    { weight: 1, arbitrary: fc.constant('break') }, { weight: 1, arbitrary: fc.constant('crash') },
  )
  fc.assert(fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
    const bench = new Bench()
    const server = new Server()
    let count = 0
    const reconnect = (): void => {
      // What is on its way may be accepted all the same.
      for (let left = count % 3; left > 0; left--) server.answer(bench.outbox, false, bench.nowMs, true)
      server.connect()
    }
    for (const name of steps) {
      if (name === 'bob' || name === 'carol') bench.add(name, String(count++))
      else if (name === 'accept') server.answer(bench.outbox, false, bench.nowMs, false)
      else if (name === 'refuse') server.answer(bench.outbox, true, bench.nowMs, false)
      else if (name === 'wait') bench.nowMs += 3
      else if (name === 'pump') bench.store()
      else {
        reconnect()
        if (name === 'crash') bench.crash()
        else bench.outbox.lost()
      }
      if (name === 'pump' || name === 'break' || name === 'crash') server.receive(bench.sendAll())
    }
    for (let rest = 0; rest < 10 * count + 10; rest++) {
      bench.nowMs += 5
      bench.store()
      server.receive(bench.sendAll())
      while (server.answer(bench.outbox, false, bench.nowMs, false)) { /* all of them */ }
    }
    assert.equal(bench.outbox.size, 0, 'something is stuck')
    const logs = [...server.logs.values()]
    assert.equal(logs.flat().length, count, 'lost or doubled')
    for (const log of logs) assert.deepEqual(log, log.toSorted((left, right) => Number(left) - Number(right)), 'out of order')
  }), { numRuns: 2000 })
})
