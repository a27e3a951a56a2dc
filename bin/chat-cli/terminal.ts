/** A terminal as a picture of lines: the second screen, drawn by difference, and left as it was found. Plain ANSI (ECMA-48) and xterm. */
import type { Writable } from 'node:stream'
import type { SpanLine, Style } from './screen-layout.js'
import type { Screen } from './screen-view.js'

const ESC = '\u001b'
/** Second screen, pastes marked as such. */
const ENTER = `${ESC}[?1049h${ESC}[?2004h${ESC}[2J`
const LEAVE = `${ESC}[?2004l${ESC}[?1049l${ESC}[0m${ESC}[?25h`
const HIDE_CURSOR = `${ESC}[?25l`
const SHOW_CURSOR = `${ESC}[?25h`
const CLEAR_TO_END = `${ESC}[K`
const RESET = `${ESC}[0m`

const BOLD = `${ESC}[1m`
/** Colours that can be read on a dark and on a light ground, without the red of what went wrong. */
const COLORED: Record<Style, string> = {
  plain: '', dim: `${ESC}[2m`, bold: BOLD, title: `${ESC}[7m`, read: `${ESC}[94m`, alert: `${ESC}[31m`,
  name1: `${ESC}[1;32m`, name2: `${ESC}[1;33m`, name3: `${ESC}[1;34m`, name4: `${ESC}[1;35m`, name5: `${ESC}[1;36m`, name6: BOLD,
}
/** https://no-color.org speaks of colours alone: weight and inversion stay. */
const UNCOLORED: Record<Style, string> = { ...COLORED, read: '', alert: BOLD, name1: BOLD, name2: BOLD, name3: BOLD, name4: BOLD, name5: BOLD }

export class Terminal {
  readonly #stream: Writable
  readonly #styles: Record<Style, string>
  #drawn: string[] = []

  constructor(stream: Writable, isColored: boolean) {
    this.#stream = stream
    this.#styles = isColored ? COLORED : UNCOLORED
  }

  enter(): void {
    this.#drawn = []
    this.#stream.write(ENTER)
  }

  leave(): void {
    this.#stream.write(LEAVE)
  }

  /** Draws everything anew the next time: after a resize, or when something else wrote to the terminal. */
  forget(): void {
    this.#drawn = []
    this.#stream.write(`${ESC}[2J`)
  }

  /** Writes the lines that differ from what stands there, in one write. */
  draw(screen: Screen): void {
    let output = HIDE_CURSOR
    for (const [row, line] of screen.lines.entries()) {
      const text = this.#encode(line)
      if (this.#drawn[row] === text) continue
      this.#drawn[row] = text
      output += `${ESC}[${row + 1};1H${text}${CLEAR_TO_END}`
    }
    this.#stream.write(`${output}${ESC}[${screen.row + 1};${screen.column + 1}H${SHOW_CURSOR}`)
  }

  #encode(line: SpanLine): string {
    let text = ''
    for (const span of line) {
      const style = this.#styles[span.style]
      text += style === '' ? span.text : `${style}${span.text}${RESET}`
    }
    return text
  }
}
