/** What the Tab key makes of a line: names of people and commands, as far as they are beyond doubt. Pure. */
import type { Line } from './line-editor.js'

/** The line with the word before the cursor completed, as far as all candidates agree; a space follows where there is one alone. */
export function completeWord(line: Line, commands: readonly string[], names: readonly string[]): Line {
  const [word = ''] = /\S*$/.exec(line.before) ?? []
  const isCommand = word.startsWith('/') && word === line.before
  const candidates = (isCommand ? commands : names).filter((candidate) => candidate.startsWith(isCommand ? word : word.toLowerCase()))
  const [first] = candidates
  if (word === '' || first === undefined) return line
  let length = first.length
  for (const candidate of candidates) while (!candidate.startsWith(first.slice(0, length))) length -= 1
  const head = line.before.slice(0, line.before.length - word.length)
  return { before: `${head}${first.slice(0, length)}${candidates.length === 1 ? ' ' : ''}`, after: line.after }
}
