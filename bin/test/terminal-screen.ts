/** The little of a terminal that the interactive program needs, for tests: what is written becomes lines of text. */
import { Writable } from 'node:stream'
import { characters, characterWidth } from '../chat-cli/text-width.js'

 
const SEQUENCE = /\u001b\[([?0-9;]*)([A-Za-z])/y

/** A stdout that is a terminal. Understands cursor position, clearing and the modes; throws on anything else that acts. */
export class TerminalScreen extends Writable {
  readonly isTTY = true
  readonly columns: number
  readonly rows: number
  #cells: string[][] = []
  #row = 0
  #column = 0
  /** Modes that are on, like `?1049`. */
  readonly modes = new Set<string>()
  readonly #watchers = new Set<() => void>()

  constructor(columns = 80, rows = 24) {
    super({ decodeStrings: false })
    this.columns = columns
    this.rows = rows
    this.#clear()
  }

  /** The lines as a person sees them, without spaces at their ends. */
  get lines(): string[] {
    return this.#cells.map((cells) => cells.join('').trimEnd())
  }

  get cursor(): { row: number; column: number } {
    return { row: this.#row, column: this.#column }
  }

  /** Resolves, with the first line that matches, as soon as there is one. */
  async sees(pattern: RegExp): Promise<string> {
    for (;;) {
      const line = this.lines.find((one) => pattern.test(one))
      if (line !== undefined) return line
      await new Promise<void>((resolve) => {
        const watcher = (): void => {
          this.#watchers.delete(watcher)
          resolve()
        }
        this.#watchers.add(watcher)
      })
    }
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.#take(chunk.toString())
    done()
    for (const watcher of [...this.#watchers]) watcher()
  }

  #take(text: string): void {
    let position = 0
    while (position < text.length) {
      SEQUENCE.lastIndex = position
      const match = SEQUENCE.exec(text)
      if (match !== null) {
        this.#act(match[1] ?? '', match[2] ?? '')
        position += match[0].length
        continue
      }
      const next = text.indexOf('\u001b', position + 1)
      const plain = text.slice(position, next === -1 ? text.length : next)
      for (const character of characters(plain)) this.#put(character)
      position += plain.length
    }
  }

  #act(parameters: string, action: string): void {
    switch (action) {
      case 'H': {
        const [row, column] = parameters.split(';').map(Number)
        this.#row = (row ?? 1) - 1
        this.#column = (column ?? 1) - 1
        return
      }
      case 'G': this.#column = Number(parameters || 1) - 1; return
      case 'J':
        if (parameters === '2') this.#clear()
        else this.#cells.forEach((line, row) => row >= this.#row && line.fill(' ', row === this.#row ? this.#column : 0))
        return
      case 'K': this.#cells[this.#row]?.fill(' ', this.#column); return
      case 'h': this.modes.add(parameters); return
      case 'l': this.modes.delete(parameters); return
      case 'm': return
      default: throw new Error(`the terminal got CSI ${parameters}${action}`)
    }
  }

  #put(character: string): void {
    if (character === '\r' || character === '\r\n') this.#column = 0
    if (character === '\n' || character === '\r\n') this.#row += 1
    if (/^[\r\n]+$/.test(character)) return
    if (/\p{Cc}/u.test(character)) throw new Error(`the terminal got a control character: ${JSON.stringify(character)}`)
    const line = this.#cells[this.#row]
    if (line === undefined) return
    line[this.#column] = character
    const width = characterWidth(character)
    if (width === 2) line[this.#column + 1] = ''
    this.#column += width
  }

  #clear(): void {
    this.#cells = Array.from({ length: this.rows }, () => new Array<string>(this.columns).fill(' '))
  }
}
