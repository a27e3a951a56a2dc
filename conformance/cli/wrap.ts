/** Lines of text for a terminal. */
const columnsMax = 110

/** The text in lines of at most 110 columns where it has spaces to break at; `first` stands before the first line, `indent` before the others. */
export function wrapped(text: string, indent: string, first = indent): string[] {
  const lines: string[] = []
  // What stands in columns keeps its spaces.
  let line = first + (/^ */.exec(text)?.[0] ?? '')
  let isEmpty = true
  for (const word of text.trimStart().split(/(?<=\S) /)) {
    if (!isEmpty && line.length + 1 + word.length > columnsMax) {
      lines.push(line)
      line = indent
      isEmpty = true
    }
    line += isEmpty ? word : ` ${word}`
    isEmpty = false
  }
  return [...lines, line]
}
