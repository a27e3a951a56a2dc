import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isReaction } from './reaction.js'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('[OPS-10] one emoji is a reaction, of whatever form', () => {
  const emoji = [
    '👍', '👍🏽', '❤', '❤️', '👨‍👩‍👧‍👦', '👩🏿‍❤️‍💋‍👨🏿', '🏳️‍🌈', '🇩🇪', '1️⃣', '#⃣', '🏴\u{E0067}\u{E0062}\u{E0065}\u{E006E}\u{E0067}\u{E007F}', '☺️', '🫡',
  ]
  for (const each of emoji) assert.equal(isReaction(bytes(each)), true, each)
})

test('[OPS-10] text, several emoji, parts of one, and what is too long are none', () => {
  const others = [
    '', 'a', '1', '#', ':)', '👍👍', '👍 ', 'x👍', '🏽', '🇩', '🇩🇪🇫🇷', '\u200D', '👍\u200D', '\uFE0F', '👍\u0000', '👍\u202E', '☺\uFE0E',
    `👩${'\u200D👩'.repeat(5)}`, `🏴${'\u{E0067}'.repeat(9)}\u{E007F}`, '👍'.repeat(1000),
  ]
  for (const each of others) assert.equal(isReaction(bytes(each)), false, each)
  assert.equal(isReaction(new Uint8Array([0xf0, 0x9f, 0x91])), false, 'cut off within a character')
})
