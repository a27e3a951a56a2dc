/**
 * Both ends of a channel over a network that loses, doubles and reorders, on disks whose machines crash between any two steps: each
 * entry takes effect exactly once and in order, and no more is under way than may be.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CHANNEL_LIMITS, type ChannelLimits } from './limits.js'
import { Receiver } from './receiver.js'
import { Sender, StoredRow } from './sender.js'

const LIMITS: ChannelLimits = { ...CHANNEL_LIMITS, windowEntries: 7, windowBytes: 30, entriesMax: 12, bytesMax: 60 }

type Step =
  | { kind: 'give', bytes: number, isMore: boolean }
  | { kind: 'commit' | 'crash' | 'trim' | 'again' | 'pump' }
  | { kind: 'apply' | 'commitTaken' | 'crashTaker' | 'hello' }
  | { kind: 'carry' | 'lose' | 'double' | 'carryBack' | 'loseBack', at: number }

const stepOf = fc.oneof(
  fc.record({ kind: fc.constant('give' as const), bytes: fc.integer({ min: 1, max: 15 }), isMore: fc.boolean() }),
  fc.record({ kind: fc.constantFrom('commit' as const, 'commit' as const, 'pump' as const, 'pump' as const, 'trim' as const, 'again' as const, 'crash' as const) }),
  fc.record({ kind: fc.constantFrom('apply' as const, 'apply' as const, 'commitTaken' as const, 'crashTaker' as const, 'hello' as const) }),
  fc.record({ kind: fc.constantFrom('carry' as const, 'carry' as const, 'lose' as const, 'double' as const, 'carryBack' as const, 'loseBack' as const), at: fc.nat() }),
)

const LIFE = { maxLength: 150, size: 'max' } as const

/** Of one row at most. */
const ROW_ENTRIES = 3

interface Bugs {
  /** The cursor is kept outside the batch that it belongs to. */
  readonly cursorApart?: boolean
  readonly confirmsEarly?: boolean
  readonly deletesEarly?: boolean
}

class Model {
  readonly #bugs: Bugs
  /** Rows of the giver's disk, by the numbers of their last entries; and what it has noted there as confirmed. */
  readonly #rows = new Map<number, StoredRow>()
  #notedConfirmed = 0
  #open: { number: number, bytes: number }[] = []
  /** The most that the giver has ever heard of. */
  #mostConfirmed = 0
  #sender = new Sender(LIMITS, 0, [])
  /** What has taken effect on the taker's disk, and in its open transaction. */
  #effects: number[] = []
  #cursor = 0
  #openEffects: number[] = []
  #queue: number[] = []
  #receiver = new Receiver(0)
  readonly #forth: { first: number, numbers: number[] }[] = []
  readonly #back: { cursor: number, again: boolean }[] = []

  constructor(bugs: Bugs) {
    this.#bugs = bugs
  }

  step(step: Step): void {
    switch (step.kind) {
      case 'give': this.#give(step.bytes, step.isMore); break
      case 'commit': this.#commit(); break
      case 'crash': this.#crash(); break
      case 'trim': this.#trim(); break
      case 'again': this.#sender.again(); break
      case 'pump': this.#pump(); break
      case 'apply': this.#apply(); break
      case 'commitTaken': this.#commitTaken(); break
      case 'crashTaker': this.#crashTaker(); break
      case 'hello': this.#back.push({ cursor: this.#receiver.stored, again: true }); break
      case 'carry': this.#arrive(take(this.#forth, step.at)); break
      case 'lose': take(this.#forth, step.at); break
      case 'double': {
        const batch = this.#forth[step.at % Math.max(1, this.#forth.length)]
        if (batch !== undefined) this.#forth.push(batch)
        break
      }
      case 'carryBack': this.#arriveBack(take(this.#back, step.at)); break
      case 'loseBack': take(this.#back, step.at); break
    }
    this.#check()
  }

  /** `isMore`: the last entry of the open transaction grows, where there is one. */
  #give(bytes: number, isMore: boolean): void {
    if (this.#sender.isFull) return
    const last = this.#open.at(-1)
    if (!isMore || last === undefined) this.#open.push({ number: this.#sender.give(1, bytes), bytes })
    else {
      assert.equal(this.#sender.give(0, bytes), last.number)
      last.bytes += bytes
    }
  }

  #commit(): void {
    while (this.#open.length > 0) {
      const entries = this.#open.splice(0, ROW_ENTRIES)
      const row = new StoredRow(entries.at(-1)!.number, entries.length, entries.reduce((sum, { bytes }) => sum + bytes, 0), null)
      this.#rows.set(row.last, row)
      this.#sender.stored(row)
    }
  }

  #crash(): void {
    this.#open = []
    this.#sender = new Sender(LIMITS, this.#notedConfirmed, [...this.#rows.values()].filter(({ last }) => last > this.#notedConfirmed))
  }

  /** In two batches, the note first. */
  #trim(): void {
    this.#notedConfirmed = this.#bugs.deletesEarly === true ? this.#sender.sent : this.#sender.confirmed
    for (const last of [...this.#rows.keys()]) if (last <= this.#notedConfirmed) this.#rows.delete(last)
  }

  #pump(): void {
    const rows = this.#sender.next()
    if (rows.length === 0) return
    const inFlight = [...this.#rows.values()].filter(({ last }) => last > this.#sender.confirmed && last <= this.#sender.sent)
    assert.ok(inFlight.length === 1 || inFlight.reduce((sum, { count }) => sum + count, 0) <= LIMITS.windowEntries)
    assert.ok(inFlight.length === 1 || inFlight.reduce((sum, { bytes }) => sum + bytes, 0) <= LIMITS.windowBytes)
    for (const { first, last, count } of rows) {
      assert.ok(this.#rows.has(last), `${String(last)} is sent and not on disk`)
      this.#forth.push({ first, numbers: Array.from({ length: count }, (_, at) => first + at) })
      this.#sender.passedOn(last)
    }
  }

  #arrive(batch: { first: number, numbers: number[] } | undefined): void {
    if (batch === undefined) return
    const known = this.#receiver.take(batch.first, batch.numbers.length)
    if (known === null) this.#back.push({ cursor: this.#receiver.stored, again: true })
    else this.#queue.push(...batch.numbers.slice(known))
  }

  #apply(): void {
    const number = this.#queue.shift()
    if (number === undefined) return
    this.#openEffects.push(number)
    assert.equal(this.#receiver.apply(), number)
    if (this.#bugs.confirmsEarly === true) this.#back.push({ cursor: number, again: false })
  }

  #commitTaken(): void {
    this.#effects.push(...this.#openEffects)
    this.#openEffects = []
    if (this.#bugs.cursorApart !== true) this.#cursor = this.#receiver.applied
    this.#receiver.store(this.#receiver.applied)
    this.#back.push({ cursor: this.#receiver.stored, again: false })
  }

  #crashTaker(): void {
    this.#openEffects = []
    this.#queue = []
    this.#receiver = new Receiver(this.#cursor)
  }

  #arriveBack(confirmation: { cursor: number, again: boolean } | undefined): void {
    if (confirmation === undefined) return
    assert.ok(this.#sender.confirm(confirmation.cursor), 'it confirms what never was')
    this.#mostConfirmed = Math.max(this.#mostConfirmed, this.#sender.confirmed)
    if (confirmation.again) this.#sender.again()
  }

  /** Effects are a beginning of what was given, each once; nothing is gone that the taker does not have. */
  #check(): void {
    const inOrder = [...this.#effects, ...this.#openEffects]
    assert.deepEqual(inOrder, Array.from({ length: inOrder.length }, (_, at) => at + 1))
    // After a crash the giver knows less of what is confirmed than it did when it gave.
    assert.ok(this.#sender.last - this.#mostConfirmed <= LIMITS.entriesMax)
    let number = this.#effects.length + 1
    for (const { first, last } of this.#rows.values()) if (first <= number && last >= number) number = last + 1
    assert.ok(number > this.#sender.last - this.#open.length, `${String(number)} is gone and was not taken`)
  }

  /** Nothing fails any more: all that is on the giver's disk takes effect. */
  rest(): void {
    this.#commit()
    for (let round = 0; round < 100; round++) {
      this.#sender.again()
      this.#pump()
      while (this.#forth.length > 0) this.#arrive(this.#forth.shift())
      while (this.#queue.length > 0) this.#apply()
      this.#commitTaken()
      while (this.#back.length > 0) this.#arriveBack(this.#back.shift())
      this.#check()
      if (this.#sender.confirmed === this.#sender.last) return
    }
    assert.fail('it does not come to rest')
  }
}

function take<T>(items: T[], at: number): T | undefined {
  return items.length === 0 ? undefined : items.splice(at % items.length, 1)[0]
}

function play(steps: readonly Step[], bugs: Bugs = {}): void {
  const model = new Model(bugs)
  for (const step of steps) model.step(step)
  model.rest()
}

void test('every entry takes effect exactly once and in order, whatever is lost, doubled, reordered or crashes', () => {
  fc.assert(fc.property(fc.array(stepOf, LIFE), (steps) => { play(steps) }), { numRuns: 2000 })
})

const BUGS: readonly [name: string, bugs: Bugs][] = [
  ['a cursor outside the batch', { cursorApart: true }],
  ['an entry that is confirmed before the commit', { confirmsEarly: true }],
  ['an entry that is deleted before it is confirmed', { deletesEarly: true }],
]

for (const [name, bugs] of BUGS) {
  void test(`${name} is found`, () => {
    const result = fc.check(fc.property(fc.array(stepOf, LIFE), (steps) => { play(steps, bugs) }), { numRuns: 2000 })
    assert.ok(result.failed)
  })
}

void test('a channel is full by entries and by bytes, and has room again when they are confirmed', () => {
  const few = new Sender({ ...LIMITS, entriesMax: 2 }, 0, [new StoredRow(1, 1, 1, null)])
  assert.equal(few.isFull, false)
  few.give(1, 1)
  assert.equal(few.isFull, true)
  few.stored(new StoredRow(2, 1, 1, null))
  assert.deepEqual(few.next().map(({ first }) => first), [1, 2])
  few.confirm(1)
  assert.equal(few.isFull, false)
  const large = new Sender({ ...LIMITS, bytesMax: 10 }, 7, [])
  assert.equal(large.give(1, 10), 8)
  assert.equal(large.isFull, true)
})

void test('a confirmation of what was never passed on is refused, a late one says nothing', () => {
  const sender = new Sender(LIMITS, 3, [new StoredRow(5, 2, 2, null)])
  sender.give(1, 1)
  assert.equal(sender.confirm(6), false)
  assert.equal(sender.confirm(5), true)
  assert.equal(sender.confirm(4), true)
  assert.equal(sender.confirmed, 5)
  sender.stored(new StoredRow(6, 1, 1, null))
  assert.equal(sender.confirm(6), false)
  sender.passedOn(6)
  assert.equal(sender.confirm(6), true)
})

void test('a row that is confirmed in part is sent again as a whole', () => {
  const sender = new Sender(LIMITS, 2, [new StoredRow(3, 3, 3, null), new StoredRow(5, 2, 2, null)])
  assert.deepEqual(sender.next().map(({ first, last }) => [first, last]), [[1, 3], [4, 5]])
  sender.confirm(4)
  assert.deepEqual([sender.confirmed, sender.sent, sender.bytes], [4, 5, 2])
  sender.again()
  assert.deepEqual(sender.next().map(({ first, last }) => [first, last]), [[4, 5]])
  sender.confirm(5)
  assert.deepEqual([sender.confirmed, sender.bytes], [5, 0])
})

void test('rows that wait keep their entries as long as they are no more than a window', () => {
  const sender = new Sender(LIMITS, 0, [])
  const rows = [1, 2, 3].map((last) => new StoredRow(last, 1, 12, new Uint8Array(12)))
  for (const row of rows) sender.stored(row)
  assert.deepEqual(rows.map(({ entries }) => entries !== null), [true, true, false])
})
