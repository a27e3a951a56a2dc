/** The lines of a stream, as fast as they are asked for. */
import type { Readable } from 'node:stream'
import { ChatFailure, EXIT } from './failure.js'

export interface InputLine {
  /** From 1. */
  readonly number: number
  readonly text: string
}

/** Longer than any message: whoever sends this means something else. */
const LINE_CHARACTERS_MAX = 65_536

/** Lines of UTF-8 without their ends (LF or CRLF); the last needs none. Throws a ChatFailure on a line of more than 65,536 characters. */
export async function* inputLines(stream: Readable): AsyncGenerator<InputLine> {
  stream.setEncoding('utf8')
  let rest = ''
  let number = 0
  for await (const chunk of stream as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield { number: ++number, text: withoutReturn(line) }
    if (rest.length > LINE_CHARACTERS_MAX) throw new ChatFailure(EXIT.failed, `line ${number + 1} of the input does not end: one message a line, please`)
  }
  if (rest !== '') yield { number: number + 1, text: withoutReturn(rest) }
}

function withoutReturn(line: string): string {
  return line.endsWith('\r') ? line.slice(0, -1) : line
}
