/** The tables of the prose, made from the registry. Every function returns Markdown without a line end at its end. */
import { frameOf, registry } from './registry.js'
import type { ErrorEntry, FieldEntry } from './registry.js'

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`)
  return lines.join('\n')
}

function code(text: string): string {
  return `\`${text}\``
}

/** All frames: the map of the protocol. */
export function framesTable(): string {
  const rows = registry.frames.map((frame) => {
    const kind = frame.stanza === true ? 'stanza' : frame.entry === true ? 'queue entry' : ''
    return [String(frame.type), code(frame.name), frame.from, frame.phase, kind, frame.doc]
  })
  return table(['type', 'frame', 'sent by', 'phase', 'kind', 'what it is'], rows)
}

function fieldDoc(field: FieldEntry): string {
  return field.xml === undefined || field.xml === field.name ? field.doc : `${field.doc} (XML: ${code(field.xml)})`
}

/** Fields of one frame, in the order of the wire. */
export function frameTable(name: string): string {
  const frame = frameOf(name)
  const title = `${code(frame.name)}, type ${String(frame.type)}, from ${frame.from}. ${frame.doc}`
  return `${title}\n\n${table(['field', 'type', 'what it is'], frame.fields.map((field) => [code(field.name), field.type, fieldDoc(field)]))}`
}

export function typesTable(): string {
  return table(['type', 'on the wire'], Object.entries(registry.types).map(([name, doc]) => [code(name), doc]))
}

function errorDoc(error: ErrorEntry): string {
  return error.reserved === undefined ? error.doc : `${error.doc} Reserved ${error.reserved}; a client handles it all the same.`
}

/** Errors of one class. */
export function errorsTable(errorClass: string): string {
  const errors = registry.errors.filter((error) => error.class === errorClass)
  if (errors.length === 0) throw new RangeError(`no error has the class ${errorClass}`)
  return table(['code', 'name', 'what it says'], errors.map((error) => [String(error.code), code(error.name), errorDoc(error)]))
}

export function limitsTable(): string {
  const rows = registry.limits.map((limit) => {
    const advertised = limit.advertised === undefined ? '' : code(limit.advertised)
    return [code(limit.name), `${String(limit.value)} ${limit.unit}`.trimEnd(), advertised, limit.doc]
  })
  return table(['limit', 'value', 'told in', 'what it bounds'], rows)
}

/** The dictionary, ten tokens a row. A token's number on the wire is the row's plus the column's; 0 to 2 mean other things. [ELM-2] */
export function tokensTable(): string {
  const columns = 10
  const first = 3
  const rows: string[][] = []
  for (let start = 0; start < registry.tokens.length; start += columns) {
    const tokens = registry.tokens.slice(start, start + columns).map(code)
    while (tokens.length < columns) tokens.push('')
    rows.push([`**${String(first + start)}**`, ...tokens])
  }
  return table(['', ...Array.from({ length: columns }, (_, column) => `+${String(column)}`)], rows)
}

export function reservedTable(): string {
  const rows = registry.reservedFrames.map((range) => [`${String(range.from)} to ${String(range.to)}`, range.parity, range.doc])
  return table(['types', 'parity', 'kept for'], rows)
}

export function extensionsTable(): string {
  const rows = registry.extensions.map((extension) => {
    const kind = extension.key % 2 === 0 ? 'critical' : 'optional'
    return [String(extension.key), extension.name, kind, extension.status, extension.doc]
  })
  return table(['key', 'extension', 'kind', 'status', 'what it is'], rows)
}

export function portsTable(): string {
  return table(['transport', 'default port'], Object.entries(registry.ports).map(([name, port]) => [code(`${name}://`), String(port)]))
}
