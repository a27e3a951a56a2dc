/** What goes into a row of the journal comes out of it, run by run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { encodeDelivery } from '../../protocol/generated/frames.js'
import { ANY_PLACE, COUNTS_NOWHERE, EntryRun, readRun } from './entry-run.js'
import { JournalRow, readJournalRow } from './journal-row.js'
import { ANY_INDEX, SharedEntry } from './shared-entry.js'

const text = fc.uint8Array({ maxLength: 300 })
/** An entry, and which of the runs get it, together or each its own. */
const entry = fc.record({ text, isShared: fc.boolean(), runs: fc.uniqueArray(fc.nat({ max: 9 }), { maxLength: 10 }) })

function halves(run: EntryRun): number[] {
  const half = run.count >> 1
  return [run.bytesOf(0, half), run.bytesOf(half, run.count)]
}

test('every run of a row is read back as the row of its own would have been', () => {
  fc.assert(fc.property(fc.array(fc.nat({ max: 2 ** 40 }), { minLength: 10, maxLength: 10 }), fc.array(entry, { maxLength: 40 }), (tails, entries) => {
    const row = new JournalRow()
    const runs = tails.map((tail) => Object.assign(new EntryRun(), { last: tail }))
    for (const [user, run] of runs.entries()) row.begin(`user${String(user)}`, run)
    for (const { text, runs: receivers, isShared } of entries) {
      const shared = SharedEntry.of(encodeDelivery(ANY_INDEX, 'ann', 7, 1000, text, new Uint8Array(0)))
      for (const at of receivers) {
        const run = runs[at]!
        if (isShared) {
          run.pushShared(run.last + 1, shared, COUNTS_NOWHERE, ANY_PLACE)
          row.add(run, shared)
        } else {
          shared.append(run.frames, run.last + 1)
          run.push(run.last + 1, '', 0)
        }
      }
    }
    const bytes = runs.map((run) => [run.bytes, ...halves(run)])
    const read = readJournalRow(row.row())
    assert.deepEqual(read.map(({ user }) => user), tails.map((_, user) => `user${String(user)}`))
    for (const [at, { run }] of read.entries()) {
      assert.deepEqual([run.first, run.last, run.count], [runs[at]!.first, runs[at]!.last, runs[at]!.count])
      const out = new ByteBuffer()
      runs[at]!.writeTo(out, 0, runs[at]!.count)
      assert.deepEqual(Buffer.from(out.view()), Buffer.from(run.frames.view()))
      assert.deepEqual([run.bytes, ...halves(run)], bytes[at])
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
    run.pushShared(5, shared, COUNTS_NOWHERE, ANY_PLACE)
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
