/** How far a file has come: a bar on a terminal, lines for scripts, else nothing. */
import { bytesText } from './attachment-text.js'
import type { LineOutput } from './line-output.js'
import { safeJson, safeText } from './safe-text.js'
import { textWidth, truncate } from './text-width.js'
import type { World } from './world.js'

const ESC = '\u001b'
const COLUMNS_DEFAULT = 80
const BAR_COLUMNS_MAX = 30
/** A bar is drawn, and a line is printed, no more often than this. */
const DRAW_MS = 100
const LINE_MS = 500

export interface ProgressOptions {
  /** `upload` or `download`: the name of the field in the lines for scripts. */
  readonly kind: 'upload' | 'download'
  readonly world: World
  /** Where lines for scripts go; null: there are none. */
  readonly output: Pick<LineOutput, 'line'> | null
  /** Unix time or any other clock, in ms. */
  readonly nowMs: () => number
}

/** One file after the other. */
export class Progress {
  readonly #options: ProgressOptions
  #name = ''
  #drawnMs = -Infinity
  #toldMs = -Infinity
  #told = -1
  #isDrawn = false

  constructor(options: ProgressOptions) {
    this.#options = options
  }

  begin(name: string): void {
    this.#name = name
    this.#drawnMs = -Infinity
    this.#toldMs = -Infinity
    this.#told = -1
  }

  show(sent: number, total: number): void {
    const nowMs = this.#options.nowMs()
    if (this.#options.world.stderr.isTTY === true && (nowMs - this.#drawnMs >= DRAW_MS || sent === total)) {
      this.#drawnMs = nowMs
      this.#isDrawn = true
      this.#options.world.stderr.write(`\r${barText(this.#name, sent, total, this.#options.world.stderr.columns ?? 0)}${ESC}[K`)
    }
    if (this.#options.output === null || sent === this.#told || (nowMs - this.#toldMs < LINE_MS && sent < total)) return
    this.#toldMs = nowMs
    this.#told = sent
    // Where nobody reads any more, the line about the whole will say so.
    this.#options.output.line(safeJson({ [this.#options.kind]: this.#name, sent, total })).catch(() => {})
  }

  /** Takes the bar off the terminal, so that something else can be written. */
  clear(): void {
    if (!this.#isDrawn) return
    this.#isDrawn = false
    this.#options.world.stderr.write(`\r${ESC}[K`)
  }
}

/** `beach.jpg [#########         ]  45 %  1.1 of 2.4 MiB`, in less than `columns`, so that no terminal wraps it. */
export function barText(name: string, sent: number, total: number, columns: number): string {
  const room = (columns > 0 ? columns : COLUMNS_DEFAULT) - 1
  const share = total === 0 ? 1 : Math.min(1, sent / total)
  const numbers = `${String(Math.floor(share * 100)).padStart(3)} %`
  const sizes = `  ${bytesText(sent)} of ${bytesText(total)}`
  const tail = textWidth(numbers + sizes) + 12 <= room ? numbers + sizes : numbers
  const title = truncate(safeText(name), Math.max(0, Math.floor((room - textWidth(tail)) / 2)))
  const bar = Math.min(BAR_COLUMNS_MAX, room - textWidth(title) - textWidth(tail) - 4)
  const done = Math.round(share * bar)
  return truncate(bar < 3 ? `${title} ${tail}` : `${title} [${'#'.repeat(done)}${' '.repeat(bar - done)}] ${tail}`, room)
}
