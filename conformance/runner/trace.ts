/** What happened, in order, for the reports. */

export interface TraceLine {
  /** Milliseconds since the case began. */
  readonly atMs: number
  /** Whose doing it is. */
  readonly who: 'client' | 'server' | 'suite'
  /** Number of the connection, from 1; 0: none. */
  readonly connection: number
  /** The XML form of a frame, or what happened. */
  readonly text: string
  /** The bytes of a frame, cut where they are many. */
  readonly hex: string
  /** How many there were. */
  readonly bytes: number
}

/** Of a long frame the report shows the beginning. */
const hexBytesMax = 256
const textCharactersMax = 1000
const linesMax = 2000

export class Trace {
  readonly lines: TraceLine[] = []
  readonly #beginMs = performance.now()

  add(who: TraceLine['who'], connection: number, text: string, bytes: Uint8Array = new Uint8Array(0)): void {
    if (this.lines.length >= linesMax) return
    const hex = Buffer.from(bytes.subarray(0, hexBytesMax)).toString('hex')
    const shown = text.length > textCharactersMax ? `${text.slice(0, textCharactersMax)}…` : text
    this.lines.push({ atMs: Math.round(performance.now() - this.#beginMs), who, connection, text: shown, hex, bytes: bytes.length })
  }
}
