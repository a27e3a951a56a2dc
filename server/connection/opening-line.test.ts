import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPENING_STEP, OpeningLine, OpeningLines } from './opening-line.js'

const { authenticate, bind } = OPENING_STEP

/** Steps that end when they are told to. */
class Steps {
  readonly begun: string[] = []
  readonly #ends = new Map<string, (error?: Error) => void>()

  readonly begin = (name: string) => (): Promise<string> => {
    this.begun.push(name)
    return new Promise((resolve, reject) => {
      this.#ends.set(name, (error) => { if (error === undefined) resolve(name); else reject(error) })
    })
  }

  async end(name: string, error?: Error): Promise<void> {
    this.#ends.get(name)!(error)
    for (let turn = 0; turn < 5; turn++) await Promise.resolve()
  }
}

test('only so many openings are worked on at once; the others follow in the order in which they came, also behind one that failed', async () => {
  const line = new OpeningLine(2)
  const steps = new Steps()
  const passed = ['a', 'b', 'c', 'd'].map((name) => line.pass({}, authenticate, steps.begin(name)))
  assert.deepEqual(steps.begun, ['a', 'b'])
  assert.equal(line.waiting, 2)
  await Promise.all([assert.rejects(passed[1]!, /gone wrong/), steps.end('b', new Error('gone wrong'))])
  assert.deepEqual(steps.begun, ['a', 'b', 'c'])
  await steps.end('a')
  assert.deepEqual(steps.begun, ['a', 'b', 'c', 'd'])
  await Promise.all([steps.end('c'), steps.end('d')])
  assert.deepEqual([await passed[0], await passed[2], await passed[3]], ['a', 'c', 'd'])
  void line.pass({}, bind, steps.begin('e'))
  assert.equal(steps.begun.at(-1), 'e')
})

test('who has authenticated comes before those who have not, and who has gone is not worked on', async () => {
  const line = new OpeningLine(1)
  const steps = new Steps()
  const gone = {}
  void line.pass({}, authenticate, steps.begin('first'))
  void line.pass(gone, authenticate, steps.begin('gone'))
  void line.pass({}, authenticate, steps.begin('later'))
  void line.pass({}, bind, steps.begin('further'))
  line.leave(gone)
  assert.equal(line.waiting, 2)
  for (const name of ['first', 'further', 'later']) await steps.end(name)
  assert.deepEqual(steps.begun, ['first', 'further', 'later'])
})

test('a shard that does not answer holds up nobody who is at home at another', async () => {
  const lines = new OpeningLines(4, 2)
  const steps = new Steps()
  const gone = {}
  for (const name of ['away 1', 'away 2', 'away 3']) void lines.pass(0, {}, authenticate, steps.begin(name))
  void lines.pass(0, gone, authenticate, steps.begin('away 4'))
  void lines.pass(1, {}, authenticate, steps.begin('here'))
  assert.deepEqual(steps.begun, ['away 1', 'away 2', 'here'])
  assert.equal(lines.waiting, 2)
  lines.leave(gone)
  assert.equal(lines.waiting, 1)
  await steps.end('away 1')
  assert.equal(steps.begun.at(-1), 'away 3')
})
