/**
 * Writes the source of generated/frames.ts: for every frame an interface, two encoders and a decoder, as straight-line code over
 * reader.ts and writer.ts. Pure: the same registry gives the same text.
 */
import type { FieldSpec, FrameSpec, RegistryFile } from './registry-file.js'
import { docComment } from './tables.js'

interface TypeRules {
  /** Type in TypeScript. */
  readonly language: string
  /** Expression that reads it. */
  readonly read: string
  /** Whether its size is kept in a variable because writing needs it again. */
  readonly keepsSize: boolean
  /** Expression for the size; for `keepsSize` of the content, without its length. */
  readonly size: (value: string) => string
  /** Expression for the position behind it once it is written. */
  readonly write: (value: string) => string
}

const TYPES: Readonly<Record<string, TypeRules>> = {
  'uint': number('uint', 'uintSize', 'writeUint'),
  'int': {
    language: 'number',
    read: 'reader.int()',
    keepsSize: false,
    size: (value) => `uintSize(zigzag(${value}))`,
    write: (value) => `writeUint(bytes, position, zigzag(${value}))`,
  },
  'time': number('time', 'timeSize', 'writeTime'),
  'string': {
    language: 'string',
    read: 'reader.string()',
    keepsSize: true,
    size: (value) => `utf8Size(${value})`,
    write: (value) => `writeString(bytes, position, ${value}, ${value}Bytes)`,
  },
  'bytes': byteString(),
  'text': byteString(),
  'uint[]': list('number', 'Uint'),
  'string[]': list('string', 'String'),
  'element': {
    language: 'Element',
    read: 'readElement(reader)',
    keepsSize: true,
    size: (value) => `elementSize(${value})`,
    write: (value) => `writeElement(bytes, writeUint(bytes, position, ${value}Bytes), ${value})`,
  },
}

function number(method: string, size: string, write: string): TypeRules {
  return {
    language: 'number',
    read: `reader.${method}()`,
    keepsSize: false,
    size: (value) => `${size}(${value})`,
    write: (value) => `${write}(bytes, position, ${value})`,
  }
}

function byteString(): TypeRules {
  return {
    language: 'Uint8Array',
    read: 'reader.byteString()',
    keepsSize: false,
    size: (value) => `uintSize(${value}.length) + ${value}.length`,
    write: (value) => `writeByteString(bytes, position, ${value})`,
  }
}

function list(language: string, kind: string): TypeRules {
  return {
    language: `readonly ${language}[]`,
    read: `read${kind}List(reader)`,
    keepsSize: false,
    size: (value) => `${kind.toLowerCase()}ListSize(${value})`,
    write: (value) => `write${kind}List(bytes, position, ${value})`,
  }
}

const HEADER = `// Generated from spec/protocol.json by \`npm run generate\`; change that file or the generator, not this one.
import { EMPTY_BYTES } from '../bytes.js'
import { elementSize, readElement, writeElement } from '../element.js'
import type { Element } from '../element.js'
import { checkExtensions } from '../extensions.js'
import { ByteBuffer } from '../byte-buffer.js'
import { Reader } from '../reader.js'
import { utf8Size } from '../utf8.js'
import {
  stringListSize, timeSize, uintListSize, uintSize, writeByteString, writeRaw, writeString, writeStringList, writeTime, writeUint,
  writeUintList, zigzag,
} from '../writer.js'
import { ERROR, LIMIT } from './registry.js'
import type { ErrorCode } from './registry.js'
`

const HELPERS = `const reader = new Reader()

function readUintList(reader: Reader): number[] {
  const list: number[] = []
  for (let count = reader.count(LIMIT.listItemsMax); count > 0 && !reader.failed; count--) list.push(reader.uint())
  return list
}

function readStringList(reader: Reader): string[] {
  const list: string[] = []
  for (let count = reader.count(LIMIT.listItemsMax); count > 0 && !reader.failed; count--) list.push(reader.string())
  return list
}

/** 0, or the code that refuses the whole frame; where \`passesCritical\`, unknown critical extensions are left to others. [FRM-7] */
function refuseExtensions(extensions: Uint8Array, passesCritical: boolean): 0 | ErrorCode {
  const check = checkExtensions(extensions)
  if (check === 'malformed') return ERROR.malformedFrame
  return check === 'critical' && !passesCritical ? ERROR.unsupportedCriticalExtension : 0
}
`

/** Text of \`protocol/generated/frames.ts\`. */
export function framesSource(registry: RegistryFile): string {
  const { frames } = registry
  return [
    HEADER,
    ...frames.map(interfaceSource),
    `/** Any frame of the protocol, told apart by \`type\` (see FRAME). */\nexport type Frame =\n${
      frames.map((frame) => `  | ${typeName(frame)}`).join('\n')}\n`,
    ...frames.map(encoderSource),
    encodeFrameSource(frames),
    HELPERS,
    ...frames.map(decoderSource),
    decodeFrameSource(frames),
  ].join('\n')
}

function interfaceSource(frame: FrameSpec): string {
  const fields = frame.fields.map((field) =>
    `${docComment(field.doc, '  ')}  readonly ${field.name}: ${rules(field).language}\n`)
  return `${docComment(frame.doc)}export interface ${typeName(frame)} {
  readonly type: ${frame.type}
${fields.join('')}  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}
`
}

function encoderSource(frame: FrameSpec): string {
  const parameters = frame.fields.map((field) => `${field.name}: ${rules(field).language}`)
  const kept = frame.fields.filter((field) => rules(field).keepsSize)
    .map((field) => `  const ${field.name}Bytes = ${rules(field).size(field.name)}\n`)
  const sizes = frame.fields.map((field) =>
    `    + ${rules(field).keepsSize ? `uintSize(${field.name}Bytes) + ${field.name}Bytes` : rules(field).size(field.name)}\n`)
  const writes = frame.fields.map((field) => `  position = ${rules(field).write(field.name)}\n`)
  const all = [...parameters, 'extensions: Uint8Array = EMPTY_BYTES'].join(', ')
  const values = [...frame.fields.map((field) => field.name), 'extensions'].join(', ')
  return `/** Appends ${article(frame.name)} frame, its length included. */
export function append${capital(frame.name)}(
  frames: ByteBuffer, ${all},
): void {
${kept.join('')}  const size = ${typeSize(frame)}
${sizes.join('')}    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, ${frame.type})
${writes.join('')}  writeRaw(bytes, position, extensions)
}

/** Encodes ${article(frame.name)} frame, its length included. The bytes are the caller's. */
export function encode${capital(frame.name)}(
  ${all},
): Uint8Array {
  const frames = new ByteBuffer()
  append${capital(frame.name)}(frames, ${values})
  return frames.bytes
}
`
}

function encodeFrameSource(frames: readonly FrameSpec[]): string {
  const cases = frames.map((frame) => {
    const values = [...frame.fields.map((field) => field.name), 'extensions'].map((name) => `frame.${name}`)
    return `    case ${frame.type}:\n      return encode${capital(frame.name)}(${values.join(', ')})\n`
  })
  return `/**
 * Encodes any frame, its length included. The bytes are the caller's. Throws a RangeError for a value outside its range or a string
 * with U+0000: those are mistakes of the program. It checks neither text nor extensions, which pass through as they are.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
${cases.join('')}  }
}
`
}

function decoderSource(frame: FrameSpec): string {
  const reads = frame.fields.map((field) => `  const ${field.name} = ${rules(field).read}\n`)
  const fields = frame.fields.map((field) => `${field.name}, `)
  const passes = frame.stanza === true || frame.entry === true
  return `function decode${capital(frame.name)}(reader: Reader): ${typeName(frame)} | ErrorCode {
${reads.join('')}  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, ${passes})
    if (code !== 0) return code
  }
  return { type: ${frame.type}, ${fields.join('')}extensions }
}
`
}

function decodeFrameSource(frames: readonly FrameSpec[]): string {
  const cases = frames.map((frame) =>
    `    case ${frame.type}:\n      return decode${capital(frame.name)}(reader)\n`)
  return `function decodeBody(reader: Reader): Frame | ErrorCode | null {
  const type = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  switch (type) {
${cases.join('')}    default:
      return type % 2 === 0 ? ERROR.unsupportedFrame : null
  }
}

/**
 * Decodes one body, \`bytes[start, end)\`, without the length before it; the caller guarantees 0 <= start <= end <= bytes.length.
 * Returns the frame; null for an unknown frame that is to be ignored [FRM-6]; or the code of the error that closes the connection:
 * malformed-frame, unsupported-frame or unsupported-critical-extension. Never throws.
 *
 * Byte fields and extensions of the frame are views of \`bytes\`: valid as long as the owner of \`bytes\` leaves them alone.
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): Frame | ErrorCode | null {
  reader.reset(bytes, start, end)
  const frame = decodeBody(reader)
  // Let go of the chunk: the reader outlives it.
  reader.reset(EMPTY_BYTES, 0, 0)
  return frame
}
`
}

function rules(field: FieldSpec): TypeRules {
  const found = TYPES[field.type]
  if (!found) throw new Error(`unknown type of field ${field.name}: ${field.type}`)
  return found
}

function typeSize(frame: FrameSpec): number {
  if (frame.type >= 0x4000) throw new Error(`type of ${frame.name} is too large for this generator`)
  return frame.type < 0x80 ? 1 : 2
}

function typeName(frame: FrameSpec): string {
  return `${capital(frame.name)}Frame`
}

function capital(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1)
}

function article(name: string): string {
  return `${/^[aeiou]/.test(name) ? 'an' : 'a'} ${name}`
}
