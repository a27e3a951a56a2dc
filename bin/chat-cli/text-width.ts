/** How many columns text takes in a terminal, and cutting and wrapping by columns. Expects text that went through `safeText`. */

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
const ZERO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u
const EMOJI = /^(?:\p{Emoji_Presentation}|\p{Emoji}\ufe0f|\p{Regional_Indicator}{2})/u

/** First and last of the ranges that East Asian Width (UAX 11) calls wide or fullwidth, merged where nothing lies between. */
const WIDE: readonly (readonly [first: number, last: number])[] = [
  [0x1100, 0x115f], [0x2e80, 0x303e], [0x3041, 0x33ff], [0x3400, 0x4dbf], [0x4e00, 0xa4cf], [0xa960, 0xa97f], [0xac00, 0xd7a3],
  [0xf900, 0xfaff], [0xfe10, 0xfe19], [0xfe30, 0xfe6f], [0xff01, 0xff60], [0xffe0, 0xffe6], [0x17000, 0x18cff], [0x1b000, 0x1b2ff],
  [0x1f200, 0x1f2ff], [0x20000, 0x3fffd],
]

/** Most text; here characters are code units and columns, and the segmenter, slow as it is, is not asked. */
const PRINTABLE_ASCII = /^[ -~]*$/

/** What a reader takes for single characters: the steps of the cursor. */
export function characters(text: string): string[] {
  if (PRINTABLE_ASCII.test(text)) return text.split('')
  return Array.from(graphemes.segment(text), (part) => part.segment)
}

/** Columns of the whole text. */
export function textWidth(text: string): number {
  if (PRINTABLE_ASCII.test(text)) return text.length
  let width = 0
  for (const character of characters(text)) width += characterWidth(character)
  return width
}

/** The beginning of the text in at most `columns` columns; a cut shows as `…`. */
export function truncate(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let kept = ''
  let width = 0
  for (const character of characters(text)) {
    width += characterWidth(character)
    if (width > columns - 1) break
    kept += character
  }
  return columns < 1 ? '' : `${kept}…`
}

/** The end of the text in at most `columns` columns. */
export function endOf(text: string, columns: number): string {
  let kept = ''
  let width = 0
  for (const character of characters(text).reverse()) {
    width += characterWidth(character)
    if (width > columns) break
    kept = character + kept
  }
  return kept
}

/** Lines of at most `columns` columns, broken at spaces where there is one, and at every LF. Never empty. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const paragraph of text.split('\n')) wrapParagraph(paragraph, Math.max(columns, 2), lines)
  return lines
}

function wrapParagraph(paragraph: string, columns: number, lines: string[]): void {
  let line: string[] = []
  let width = 0
  let lastSpace = -1
  for (const character of characters(paragraph)) {
    const step = characterWidth(character)
    if (width + step > columns) {
      const rest = lastSpace === -1 || character === ' ' ? [] : line.splice(lastSpace).slice(1)
      lines.push(line.join(''))
      line = rest
      width = textWidth(rest.join(''))
      lastSpace = -1
      if (character === ' ') continue
      if (width + step > columns) {
        // A wide character after a word that only just fits.
        lines.push(line.join(''))
        line = []
        width = 0
      }
    }
    if (character === ' ') lastSpace = line.length
    line.push(character)
    width += step
  }
  lines.push(line.join(''))
}

/** Columns of one grapheme. */
export function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x300) return code === 0 ? 0 : 1
  if (ZERO_WIDTH.test(character)) return 0
  if (EMOJI.test(character)) return 2
  for (const [first, last] of WIDE) {
    if (code < first) return 1
    if (code <= last) return 2
  }
  return 1
}
