/** What may be a reaction to a message: one emoji. */
import { LIMIT } from './generated/registry.js'
import { decodeText } from './utf8.js'

const PICTURE = String.raw`\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?(?:[\u{E0020}-\u{E007E}]+\u{E007F})?`

/**
 * The forms of https://www.unicode.org/reports/tr51/#def_emoji_sequence, not the list of those that have a picture: that list grows, and
 * a server should not have to. Skin tones and regional indicators by themselves are no reaction.
 */
const EMOJI = new RegExp(String.raw`^(?:\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3|${PICTURE}(?:\u200D${PICTURE})*)$`, 'u')

/** Longest UTF-8 that is looked at. */
const BYTES_MAX = 4 * LIMIT.reactionCharactersMax

/** Whether the bytes are one emoji in UTF-8, of at most reactionCharactersMax code points. Never throws. [OPS-10] */
export function isReaction(bytes: Uint8Array): boolean {
  if (bytes.length === 0 || bytes.length > BYTES_MAX) return false
  const text = decodeText(bytes)
  return text !== null && EMOJI.test(text) && [...text].length <= LIMIT.reactionCharactersMax
}
