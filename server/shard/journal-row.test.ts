/** What goes into a row of the journal comes out of it, run by run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeDelivery } from '../../protocol/generated/frames.js'
import { EntryRun, readRun } from './entry-run.js'
import { JournalRow, readJournalRow } from './journal-row.js'
import { ANY_INDEX, SharedEntry } from './shared-entry.js'

const text = fc.uint8Array({ maxLength: 300 })
/** An entry, and which of the runs get it, together or each its own. */
const entry = fc.record({ text, isShared: fc.boolean(), runs: fc.uniqueArray(fc.nat({ max: 9 }), { maxLength: 10 }) })

test('every run of a row is read back as the row of its own would have been', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 10, maxLength: 10 }), fc.array(entry, { maxLength: 40 }), (tails, entries) => {
    const row = new JournalRow()
    const runs = tails.map((tail) => Object.assign(new EntryRun(), { last: tail }))
    for (const [user, run] of runs.entries()) row.begin(`user${String(user)}`, run)
    for (const { text, runs: receivers, isShared } of entries) {
      const shared = SharedEntry.of(encodeDelivery(ANY_INDEX, 'ann', 7, 1000, text, new Uint8Array(0)))
      for (const at of receivers) {
        const run = runs[at]!
        shared.append(run.frames, run.last + 1)
        run.push(run.last + 1, '', 0)
        if (isShared) row.add(run, shared)
        else run.isShared = false
      }
    }
    const read = readJournalRow(row.row())
    assert.deepEqual(read.map(({ user }) => user), tails.map((_, user) => `user${String(user)}`))
    for (const [at, { run }] of read.entries()) {
      assert.deepEqual([run.first, run.last, run.ends], [runs[at]!.first, runs[at]!.last, runs[at]!.ends])
      assert.deepEqual(Buffer.from(run.frames.view()), Buffer.from(runs[at]!.frames.view()))
      if (run.count > 0) assert.equal(readRun(run.frames.view(), run.last, 'bob')?.count, run.count)
    }
  }))
})

test('bytes that are no such row are damage, and never more than that', () => {
  const row = new JournalRow()
  const shared = SharedEntry.of(encodeDelivery(ANY_INDEX, 'ann', 7, 1000, Buffer.from('hi'), new Uint8Array(0)))
  for (const user of ['bob', 'cy']) {
    const run = Object.assign(new EntryRun(), { last: 4 })
    row.begin(user, run)
    shared.append(run.frames, 5)
    run.push(5, '', 0)
    row.add(run, shared)
  }
  const good = row.row()
  for (const bad of [new Uint8Array(0), Buffer.of(9), good.subarray(0, 3), good.subarray(0, good.length - 2)]) {
    assert.throws(() => readJournalRow(bad), { code: 'corrupt' })
  }
  fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
    try {
      readJournalRow(bytes)
    } catch (error) {
      assert.equal((error as { code?: unknown }).code, 'corrupt')
    }
  }))
})
