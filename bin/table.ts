/** Columns of text for a terminal. */

/** Each row on a line, indented, its cells padded to the widest of their column; with `numbers` all but the first stand to the right. */
export function table(rows: readonly (readonly string[])[], numbers = false): string {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)))
  const line = (row: readonly string[]): string => row.map((cell, at) => numbers && at > 0 ? cell.padStart(widths[at]!) : cell.padEnd(widths[at]!)).join('  ')
  return rows.map((row) => `  ${line(row)}`.trimEnd()).join('\n')
}
