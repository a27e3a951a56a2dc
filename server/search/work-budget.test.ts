import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { WorkBudget } from './work-budget.js'

test('what all do in one turn is bounded, and who waits comes one after the other', async () => {
  const deferred: (() => void)[] = []
  const turns = new WorkBudget({ defer: (run) => { deferred.push(run) }, after: () => assert.fail('no timers') })
  let done = 0
  const works = Array.from({ length: 5 }, async () => {
    for (let i = 0; i < 10; i++) {
      if (turns.isOver) await turns.next()
      turns.spend(5000)
      done += 5000
    }
  })
  let isOver = false
  const all = Promise.all(works).then(() => { isOver = true })
  const byTurn: number[] = []
  for (let before = 0; ; before = done) {
    await turn()
    byTurn.push(done - before)
    const run = deferred.shift()
    if (run === undefined) break
    assert.equal(deferred.length, 0, 'renewed once a turn')
    run()
  }
  await all
  assert.ok(isOver)
  assert.equal(done, 5 * 10 * 5000)
  assert.ok(byTurn.every((letters) => letters <= 25_000), byTurn.join(' '))
})

test('who does little never waits', () => {
  const turns = new WorkBudget({ defer: () => {}, after: () => {} })
  turns.spend(100)
  assert.equal(turns.isOver, false)
})
