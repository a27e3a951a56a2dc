import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { StorageError } from '../../storage/engine.js'
import { Segment, SEGMENT_MESSAGES, SEGMENT_WORDS_MAX, SegmentBuilder, segmentEnd } from './segment.js'
import { parseWords, wordsOf } from './words.js'

interface Said { readonly from: string, readonly text: string }

function segmentOf(messages: readonly Said[], builder = new SegmentBuilder()): Uint8Array {
  for (const [place, { from, text }] of messages.entries()) {
    builder.begin(place, from, 1000 + place)
    builder.text(Buffer.from(text))
  }
  return builder.take()
}

function candidates(row: Uint8Array, words: string, from?: string): number[] {
  return new Segment(row).candidates(parseWords(words)!, from)
}

const said = fc.record({
  from: fc.constantFrom('alice', 'bob'),
  text: fc.array(fc.constantFrom('a', 'ab', 'abc', 'b', 'bé', 'good', 'gönn', '東京', '🎉', 'x'.repeat(50)), { maxLength: 6 }).map((words) => words.join(' ')),
})

test('[SCH-2] names exactly the messages that hold the words', () => {
  fc.assert(fc.property(
    fc.array(said, { minLength: 1, maxLength: SEGMENT_MESSAGES }),
    fc.constantFrom('a', 'ab', 'b a', 'good go', 'gonn', '東', '🎉 abc', 'xx', 'be', 'zz'), fc.constantFrom('alice', 'bob', undefined),
    (messages, search, from) => {
      const query = parseWords(search)!
      const expected = messages.flatMap((message, place) => {
        const words = [...wordsOf(message.text)]
        const holds = query.words.every((word) => words.includes(word)) && words.some((word) => word.startsWith(query.prefix))
        return holds && (from === undefined || message.from === from) ? [place] : []
      })
      assert.deepEqual(candidates(segmentOf(messages), search, from), expected.reverse())
    },
  ))
})

test('a builder that has made a segment, or was cleared in the middle of one, makes the next as a new one does', () => {
  const builder = new SegmentBuilder()
  fc.assert(fc.property(fc.array(said, { minLength: 1, maxLength: SEGMENT_MESSAGES }), fc.boolean(), (messages, isCleared) => {
    assert.deepEqual(segmentOf(messages, builder), segmentOf(messages))
    if (!isCleared) return
    builder.begin(7, 'carol', 1)
    builder.text(Buffer.from('left behind'))
    builder.clear()
  }), { numRuns: 50 })
})

test('keeps the time of its first message, and where segments end', () => {
  assert.equal(new Segment(segmentOf([{ from: 'bob', text: 'hi' }])).firstTimeMs, 1000)
  assert.deepEqual([1, 256, 257, 512, 513].map(segmentEnd), [256, 256, 512, 512, 768])
})

test('[SCH-4] beyond its words it names every message that may hold more, and stays small', () => {
  const messages = Array.from({ length: SEGMENT_MESSAGES }, (_, place) =>
    ({ from: 'bob', text: Array.from({ length: 200 }, (_each, index) => `${place.toString(36)}q${index.toString(36)}${'ж'.repeat(28)}`).join(' ') }))
  const row = segmentOf(messages)
  assert.ok(row.length < 1024 * 1024, `${String(row.length)} bytes`)
  const first = candidates(row, 'zzzz')
  assert.ok(first.length > 0 && !first.includes(0), 'those that found room are known to hold none')
  assert.ok(candidates(row, `${(255).toString(36)}q5j`).includes(255))
  assert.ok(SEGMENT_WORDS_MAX < 200 * SEGMENT_MESSAGES)
})

test('damage is an error of its own, and never anything else', () => {
  const row = segmentOf([{ from: 'bob', text: 'good morning' }, { from: 'alice', text: 'good night' }])
  fc.assert(fc.property(fc.nat(row.length - 1), fc.nat(255), fc.boolean(), (at, byte, cuts) => {
    const damaged = cuts ? row.slice(0, at) : Uint8Array.from(row)
    if (!cuts) damaged[at] = byte
    try {
      const places = candidates(damaged, 'good mor', 'bob')
      assert.ok(places.every((place) => place >= 0 && place < SEGMENT_MESSAGES))
    } catch (error) {
      assert.ok(error instanceof StorageError && error.code === 'corrupt', String(error))
    }
  }), { numRuns: 3000 })
})
