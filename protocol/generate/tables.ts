/** Writes the source of generated/registry.ts: the registry's tables as constants. Pure: the same registry gives the same text. */
import type { FrameSpec, RegistryFile } from './registry-file.js'

/** Text of `protocol/generated/registry.ts`. */
export function registrySource(registry: RegistryFile): string {
  return [
    '// Generated from spec/protocol.json by `npm run generate`; change that file, not this one.\n',
    ...constants(registry),
    ...frameTables(registry),
    ...errorTables(registry),
    ...valueTables(registry),
  ].join('\n')
}

function constants(registry: RegistryFile): string[] {
  return [
    constant('Version of the protocol that this codec speaks. [OPN-2]', 'PROTOCOL_VERSION', String(registry.version)),
    constant('Name of the WebSocket subprotocol. [FRM-12]', 'SUBPROTOCOL', quote(registry.subprotocol)),
    constant('Name of the protocol in TLS ALPN. [FRM-13]', 'ALPN', quote(registry.alpn)),
    constant('Version of the dictionary of elements.', 'DICTIONARY_VERSION', String(registry.dictionary)),
    constant('Default ports by kind of listener.', 'PORTS', `${object(Object.entries(registry.ports))} as const`),
    constant('Authentication mechanisms, best first.', 'MECHANISMS', `${list(registry.mechanisms)} as const`),
    constant('Channel-binding types. [SCR-2]', 'CHANNEL_BINDINGS', `${list(registry.channelBindings)} as const`),
    constant('The dictionary of elements: names and values sent as one number. [ELM-2]', 'TOKENS',
      `[\n${registry.tokens.map((token) => `  ${quote(token)},`).join('\n')}\n] as const`),
  ]
}

function frameTables(registry: RegistryFile): string[] {
  const types = registry.frames.map((frame) => `${docComment(frame.doc, '  ')}  ${frame.name}: ${frame.type},`)
  const infos = registry.frames.map((frame) => `  [${frame.type}, ${frameInfo(frame)}],`)
  const defined = registry.extensions.filter((extension) => extension.status !== 'reserved')
  return [
    constant('Types of frames by name.', 'FRAME', `{\n${types.join('\n')}\n} as const`),
    'export type FieldType = \'uint\' | \'int\' | \'time\' | \'string\' | \'bytes\' | \'text\' | \'uint[]\' | \'string[]\' | \'element\'\n',
    'export interface FieldInfo {',
    '  readonly name: string',
    '  readonly type: FieldType',
    '  /** Name of the attribute or child in the XML form. */',
    '  readonly xml: string',
    '  /** Names of the values of an enumerated field. */',
    '  readonly values: Readonly<Record<string, number>> | null',
    '}\n',
    'export interface FrameInfo {',
    '  readonly type: number',
    '  readonly name: string',
    '  readonly from: \'client\' | \'server\' | \'both\'',
    '  /** When it may be sent: before welcome, after it, or always. [FRM-10] */',
    '  readonly phase: \'start\' | \'session\' | \'any\'',
    '  /** Carries a client id; answered by ack or refuse. */',
    '  readonly stanza: boolean',
    '  /** An entry of the queue. */',
    '  readonly entry: boolean',
    '  /** Name of the element in the XML form. */',
    '  readonly xml: string',
    '  readonly fields: readonly FieldInfo[]',
    '}\n',
    constant('What the registry says of each frame, by type.', 'FRAMES: ReadonlyMap<number, FrameInfo>',
      `new Map<number, FrameInfo>([\n${infos.join('\n')}\n])`),
    constant('Keys of the extensions by name, reserved ones included.', 'EXTENSION',
      `${object(registry.extensions.map((extension) => [extension.name, extension.key]))} as const`),
    constant('Keys of the extensions that this version defines; all others are unknown to it. [FRM-7]',
      'EXTENSIONS_DEFINED: ReadonlySet<number>', `new Set<number>([${defined.map((extension) => extension.key).join(', ')}])`),
  ]
}

function frameInfo(frame: FrameSpec): string {
  const fields = frame.fields.map((field) => {
    const values = field.values ? object(Object.entries(field.values)) : 'null'
    return `\n      { name: ${quote(field.name)}, type: ${quote(field.type)}, xml: ${quote(field.xml ?? field.name)}, values: ${values} },`
  })
  return `{
    type: ${frame.type},
    name: ${quote(frame.name)},
    from: ${quote(frame.from)},
    phase: ${quote(frame.phase)},
    stanza: ${frame.stanza === true},
    entry: ${frame.entry === true},
    xml: ${quote(frame.xml ?? frame.name)},
    fields: [${fields.join('')}\n    ],
  }`
}

function errorTables(registry: RegistryFile): string[] {
  const codes = registry.errors.map((error) => `${docComment(error.doc, '  ')}  ${camelCase(error.name)}: ${error.code},`)
  const infos = registry.errors.map((error) =>
    `  [${error.code}, {\n    code: ${error.code},\n    name: ${quote(error.name)},\n    scope: ${quote(error.scope)},\n`
    + `    class: ${quote(error.class)},\n    retryable: ${error.retryable},\n    doc: ${quote(error.doc)},\n`
    + `    reserved: ${error.reserved === undefined ? 'null' : quote(error.reserved)},\n  }],`)
  const classes = [...new Set(registry.errors.map((error) => quote(error.class)))]
  return [
    constant('Codes of the errors by name.', 'ERROR', `{\n${codes.join('\n')}\n} as const`),
    '/** A code that this version knows. A peer may send others. */',
    'export type ErrorCode = (typeof ERROR)[keyof typeof ERROR]\n',
    'export interface ErrorInfo {',
    '  readonly code: ErrorCode',
    '  /** As the registry spells it. */',
    '  readonly name: string',
    '  /** stream: the connection is closed; stanza: one request is refused. */',
    '  readonly scope: \'stream\' | \'stanza\'',
    '  /** What the client does next. [CLS-4] [CLS-5] */',
    `  readonly class: ${classes.join(' | ')}`,
    '  readonly retryable: boolean',
    '  readonly doc: string',
    '  /** What it is reserved for: our server does not send it yet, every client handles it. null: it is sent. */',
    '  readonly reserved: string | null',
    '}\n',
    constant('What the registry says of each error, by code.', 'ERRORS: ReadonlyMap<number, ErrorInfo>',
      `new Map<number, ErrorInfo>([\n${infos.join('\n')}\n])`),
  ]
}

function valueTables(registry: RegistryFile): string[] {
  const limits = registry.limits.map((limit) =>
    `${docComment(limit.unit === '' ? limit.doc : `${limit.doc} (${limit.unit})`, '  ')}  ${limit.name}: ${limit.value},`)
  return [
    constant('Limits and times of the protocol by name.', 'LIMIT', `{\n${limits.join('\n')}\n} as const`),
    constant('Values of welcome.resume. [QUE-8]', 'RESUME', `${object(valuesOf(registry, 'resume'))} as const`),
    constant('Values of receipt.mark and mark.mark.', 'MARK', `${object(valuesOf(registry, 'mark'))} as const`),
    constant('Values of activity.activity. [PRS-2]', 'ACTIVITY', `${object(valuesOf(registry, 'activity'))} as const`),
    constant('Values of presence.state. [PRS-5]', 'PRESENCE', `${object(valuesOf(registry, 'state'))} as const`),
    constant('Values of typing.kind and typingFrom.kind. [PRS-12]', 'TYPING', `${object(valuesOf(registry, 'kind', 'typing'))} as const`),
    constant('Values of operate.kind and operation.kind.', 'OPERATION', `${object(valuesOf(registry, 'kind', 'operat'))} as const`),
    constant('Values of changed.list.', 'LIST', `${object(valuesOf(registry, 'list'))} as const`),
  ]
}

/** The named values of all fields of that name, which must agree, in frames whose names begin so. */
function valuesOf(registry: RegistryFile, field: string, frames = ''): [string, number][] {
  const values = new Map<string, number>()
  for (const frame of registry.frames) {
    if (!frame.name.startsWith(frames)) continue
    for (const [name, value] of Object.entries(frame.fields.find((candidate) => candidate.name === field)?.values ?? {})) {
      if ((values.get(name) ?? value) !== value) throw new Error(`the values of ${field} disagree on ${name}`)
      values.set(name, value)
    }
  }
  return [...values]
}

/** `shutting-down` becomes `shuttingDown`. */
function camelCase(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** A doc comment in one line, indented. */
export function docComment(text: string, indent = ''): string {
  return `${indent}/** ${text.replaceAll('*/', '* /')} */\n`
}

function constant(doc: string, name: string, value: string): string {
  return `${docComment(doc)}export const ${name} = ${value}\n`
}

function object(entries: readonly (readonly [string, number])[]): string {
  return `{ ${entries.map(([key, value]) => `${key}: ${value}`).join(', ')} }`
}

function list(items: readonly string[]): string {
  return `[${items.map(quote).join(', ')}]`
}

export function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll('\'', '\\\'')}'`
}
