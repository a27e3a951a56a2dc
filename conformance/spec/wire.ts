/**
 * An encoder of its own, driven by the registry and written from the spec alone: it makes the worked examples of the prose. That it
 * shares nothing with `protocol/` is the point; the codec's tests then hold the examples against the codec.
 *
 * Bytes come in pieces with a note each, so that an example explains itself.
 */
import { frameOf, registry } from './registry.js'
import type { FieldEntry, FrameEntry } from './registry.js'

/** Some bytes of a frame and what they are. */
export interface Piece {
  readonly bytes: readonly number[]
  readonly note: string
}

export interface ElementValue {
  readonly name: string
  readonly attributes?: Readonly<Record<string, string>>
  readonly children?: readonly (ElementValue | string)[]
}

/** `bytes` fields are given in hexadecimal, `time` in milliseconds since 1970; a `text` that is not UTF-8 as the list of its bytes. */
export type FieldValue = number | string | readonly number[] | readonly string[] | ElementValue

export type FieldValues = Readonly<Record<string, FieldValue>>

const utf8 = new TextEncoder()

/** [FRM-2] */
export function uintBytes(value: number): number[] {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${String(value)} is no uint`)
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7f) {
    bytes.push(0x80 | rest % 0x80)
    rest = Math.floor(rest / 0x80)
  }
  bytes.push(rest)
  return bytes
}

/** [FRM-18] */
function intBytes(value: number): number[] {
  return uintBytes(value < 0 ? -2 * value - 1 : 2 * value)
}

function timeBytes(timeMs: number): number[] {
  return Array.from({ length: 6 }, (_, place) => Math.floor(timeMs / 2 ** (8 * (5 - place))) % 0x100)
}

function stringBytes(text: string): number[] {
  const bytes = [...utf8.encode(text)]
  return [...uintBytes(bytes.length), ...bytes]
}

function hexBytes(hex: string): number[] {
  return [...Buffer.from(hex.replaceAll(' ', ''), 'hex')]
}

const firstToken = 3

function tokenOf(text: string): number {
  const place = registry.tokens.indexOf(text)
  return place < 0 ? -1 : place + firstToken
}

function isDecimal(text: string): boolean {
  return /^(0|[1-9][0-9]*)$/.test(text) && BigInt(text) <= BigInt(Number.MAX_SAFE_INTEGER)
}

/** One name, value or text: token before number before literal. [ELM-2] */
function itemPiece(role: string, text: string): Piece {
  const token = tokenOf(text)
  if (token >= 0) return { bytes: uintBytes(token), note: `${role} ${text}: token ${String(token)}` }
  if (role !== 'name' && isDecimal(text)) return { bytes: [1, ...uintBytes(Number(text))], note: `${role} ${text}: a number` }
  return { bytes: [0, ...stringBytes(text)], note: `${role} "${text}": a literal` }
}

function countPiece(count: number, one: string, many: string): Piece {
  return { bytes: uintBytes(count), note: `${String(count)} ${count === 1 ? one : many}` }
}

/** [ELM-1] [ELM-4] */
function elementPieces(element: ElementValue): Piece[] {
  const attributes = Object.entries(element.attributes ?? {})
    .sort(([left], [right]) => Buffer.compare(utf8.encode(left), utf8.encode(right)))
  const children = element.children ?? []
  const pieces = [itemPiece('name', element.name), countPiece(attributes.length, 'attribute', 'attributes')]
  for (const [name, value] of attributes) pieces.push(itemPiece('name', name), itemPiece('value', value))
  pieces.push(countPiece(children.length, 'child', 'children'))
  for (const child of children) {
    if (typeof child === 'string') pieces.push(itemPiece('text', child))
    else pieces.push({ bytes: [2], note: 'child: an element' }, ...elementPieces(child))
  }
  return pieces
}

/** One encoded element. [ELM-1] */
export function elementBytes(element: ElementValue): number[] {
  return elementPieces(element).flatMap(({ bytes }) => [...bytes])
}

function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce((sum, piece) => sum + piece.bytes.length, 0)
}

function numberNote(field: FieldEntry, value: number): string {
  const name = Object.entries(field.values ?? {}).find(([, number]) => number === value)?.[0]
  return name === undefined ? `${field.name}: ${String(value)}` : `${field.name}: ${String(value)}, ${name}`
}

function fieldPieces(field: FieldEntry, value: FieldValue | undefined): Piece[] {
  const fail = (): never => {
    throw new TypeError(`${field.name} is not given as ${field.type}`)
  }
  switch (field.type) {
    case 'uint':
      return typeof value === 'number' ? [{ bytes: uintBytes(value), note: numberNote(field, value) }] : fail()
    case 'int':
      return typeof value === 'number' ? [{ bytes: intBytes(value), note: `${field.name}: ${String(value)}` }] : fail()
    case 'time':
      return typeof value === 'number'
        ? [{ bytes: timeBytes(value), note: `${field.name}: ${new Date(value).toISOString()}` }] : fail()
    case 'string':
    case 'text': {
      if (field.type === 'text' && Array.isArray(value)) {
        const bytes = value as readonly number[]
        return [{ bytes: [...uintBytes(bytes.length), ...bytes], note: `${field.name}: ${String(bytes.length)} bytes` }]
      }
      if (typeof value !== 'string') return fail()
      const bytes = stringBytes(value)
      return [{ bytes, note: value === '' ? `${field.name}: empty` : `${field.name}: ${JSON.stringify(value)}` }]
    }
    case 'bytes': {
      if (typeof value !== 'string') return fail()
      const bytes = hexBytes(value)
      return [{ bytes: [...uintBytes(bytes.length), ...bytes], note: `${field.name}: ${String(bytes.length)} bytes` }]
    }
    case 'uint[]':
    case 'string[]': {
      if (!Array.isArray(value)) return fail()
      const items = value as readonly (number | string)[]
      const head = { bytes: uintBytes(items.length), note: `${field.name}: ${String(items.length)} in the list` }
      return [head, ...items.map((item) => typeof item === 'number'
        ? { bytes: uintBytes(item), note: `  ${String(item)}` } : { bytes: stringBytes(item), note: `  ${JSON.stringify(item)}` })]
    }
    case 'element': {
      if (typeof value !== 'object' || Array.isArray(value)) return fail()
      const pieces = elementPieces(value as ElementValue)
      const length = lengthOf(pieces)
      return [{ bytes: uintBytes(length), note: `${field.name}: ${String(length)} bytes` },
        ...pieces.map((piece) => ({ bytes: piece.bytes, note: `  ${piece.note}` }))]
    }
    default:
      return fail()
  }
}

/** Extensions by key, their bytes in hexadecimal. [FRM-8] */
export type ExtensionValues = Readonly<Record<number, string>>

function extensionPieces(extensions: ExtensionValues): Piece[] {
  return Object.entries(extensions).map(([key, hex]) => {
    const bytes = hexBytes(hex)
    const kind = Number(key) % 2 === 0 ? 'critical' : 'optional'
    return { bytes: [...uintBytes(Number(key)), ...uintBytes(bytes.length), ...bytes], note: `extension ${key}, ${kind}: ${String(bytes.length)} bytes` }
  })
}

/** A whole frame, length first, in annotated pieces. Throws when the values do not fit the registry. [FRM-1] */
export function framePieces(name: string, values: FieldValues, extensions: ExtensionValues = {}): Piece[] {
  const frame: FrameEntry = frameOf(name)
  const unknown = Object.keys(values).find((key) => !frame.fields.some((field) => field.name === key))
  if (unknown !== undefined) throw new TypeError(`${name} has no field ${unknown}`)
  const body = [
    { bytes: uintBytes(frame.type), note: `type ${String(frame.type)}: ${frame.name}` },
    ...frame.fields.flatMap((field) => fieldPieces(field, values[field.name])),
    ...extensionPieces(extensions),
  ]
  const length = lengthOf(body)
  return [{ bytes: uintBytes(length), note: `length: ${String(length)} bytes of body` }, ...body]
}
