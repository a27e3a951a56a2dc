/**
 * Text from the network is written by strangers. Before it reaches a terminal nothing in it may move the cursor, change colours,
 * set the title, answer back, or turn the direction of what stands beside it.
 */

const C0_PICTURES = 0x2400
const DEL_PICTURE = '\u2421'
const REPLACEMENT = '\ufffd'

/** Control characters (C0, DEL, C1), line and paragraph separators, and the characters that embed, override or isolate direction. */
 
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g

/**
 * `text` with everything that could act on a terminal made visible instead: control characters as their pictures (␛), C1 and
 * direction controls as U+FFFD, a tab as a space. Line ends (LF, CRLF, CR, U+2028, U+2029) become `lineEnd`.
 */
export function safeText(text: string, lineEnd = ' ⏎ '): string {
  if (text.search(UNSAFE) === -1) return text
  return text.replace(/\r\n?|[\n\u2028\u2029]/g, '\n').replace(UNSAFE, (character) => picture(character, lineEnd))
}

/** JSON on one line in which no character can act on a terminal: what JSON leaves bare is escaped, so that nothing is lost. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function picture(character: string, lineEnd: string): string {
  const code = character.charCodeAt(0)
  if (code === 0x0a) return lineEnd
  if (code === 0x09) return ' '
  if (code < 0x20) return String.fromCharCode(C0_PICTURES + code)
  return code === 0x7f ? DEL_PICTURE : REPLACEMENT
}
