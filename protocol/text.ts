/** What may stand in the text of a message. */
import { ERROR, LIMIT } from './generated/registry.js'
import { countCodePoints } from './utf8.js'

/**
 * Checks the text of a message: 0 if it is well-formed UTF-8 without U+0000 and has at most 700 code points, else malformed-text or
 * text-too-long, whichever is met first from the start; no more than 701 characters are looked at. Never throws. [MSG-7] [MSG-8]
 */
export function checkText(text: Uint8Array): 0 | typeof ERROR.malformedText | typeof ERROR.textTooLong {
  const count = countCodePoints(text, 0, text.length, LIMIT.textCharactersMax)
  if (count < 0) return ERROR.malformedText
  return count > LIMIT.textCharactersMax ? ERROR.textTooLong : 0
}
