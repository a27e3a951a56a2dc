import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isBehind } from './conversation-search.js'
import { mergePages } from './merge.js'
import type { SearchPage, SearchPosition, SearchResult } from './search-router.js'

const EMPTY = new Uint8Array(0)

function resultAt({ timeMs, conversation, seq }: SearchPosition): SearchResult {
  return { conversation, message: { seq, timeMs, from: 'ann', text: EMPTY, extensions: EMPTY, change: null, operation: null, present: null } }
}

const placeOf = ({ conversation, message }: SearchResult): SearchPosition => ({ timeMs: message.timeMs, conversation, seq: message.seq })

/** What one shard answers that looks at `looks` messages for one page, of which each `hit`th is found. */
function pageOf(messages: readonly SearchPosition[], after: SearchPosition | undefined, limit: number, looks: number, isHit: (place: SearchPosition) => boolean): SearchPage {
  const rest = messages.filter((place) => after === undefined || isBehind(place, after))
  const results: SearchResult[] = []
  let next: SearchPosition | null = null
  for (const [at, place] of rest.entries()) {
    if (at >= looks || results.length >= limit) return { results, more: true, next: next ?? place, rowsRead: at }
    if (isHit(place)) results.push(resultAt(place))
    next = place
  }
  return { results, more: false, next: null, rowsRead: rest.length }
}

void test('[SCH-3] the pages of several shards are those of one', () => {
  const placeAt = fc.record({ timeMs: fc.nat(20), conversation: fc.constantFrom('a', 'b', 'c', 'd'), seq: fc.nat(20) }, { noNullPrototype: true })
  const places = fc.uniqueArray(placeAt, { maxLength: 40, size: 'max', selector: (place) => JSON.stringify(place) })
  fc.assert(fc.property(places, fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }), (all, limit, looks) => {
    const isHit = ({ seq }: SearchPosition): boolean => seq % 3 !== 0
    const sorted = [...all].sort((one, other) => (isBehind(one, other) ? 1 : -1))
    // Conversations are each in one shard.
    const shards = [['a', 'c'], ['b'], ['d']].map((names) => sorted.filter(({ conversation }) => names.includes(conversation)))
    const found: SearchPosition[] = []
    let after: SearchPosition | undefined
    for (let pages = 0; ; pages++) {
      assert.ok(pages < 200, 'the pages go on without end')
      const page = mergePages(shards.map((messages) => pageOf(messages, after, limit, looks, isHit)), limit)
      assert.ok(page.results.length <= limit)
      found.push(...page.results.map(placeOf))
      if (page.next === null) break
      assert.ok(after === undefined || isBehind(page.next, after), 'a page ends where the one before did')
      after = page.next
    }
    assert.deepEqual(found, sorted.filter(isHit))
  }), { numRuns: 500 })
})
