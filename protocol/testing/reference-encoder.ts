/**
 * A second encoder that shares nothing with the codec: it reads spec/protocol.json itself, works on JSON values and counts in BigInt,
 * plainly and slowly. Vectors are made with it and random frames are compared with it, so that a fault of the generator can't hide in
 * both directions of one codec.
 */
import type { FrameSpec } from '../generate/registry-file.js'
import { registry } from './registry.js'

export interface JsonElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly (JsonElement | string)[]
}

/** Bytes and text as hex, times as milliseconds, lists as arrays. */
export type JsonValue = number | string | readonly (number | string)[] | JsonElement

export type JsonFields = Readonly<Record<string, JsonValue>>

export interface JsonExtension {
  readonly key: number
  readonly hex: string
}

export function frameSpec(name: string): FrameSpec {
  const spec = registry.frames.find((frame) => frame.name === name)
  if (!spec) throw new Error(`no frame ${name}`)
  return spec
}

export function uintBytes(value: number | bigint): number[] {
  const bytes: number[] = []
  let rest = BigInt(value)
  do {
    const low = Number(rest & 0x7fn)
    rest >>= 7n
    bytes.push(rest === 0n ? low : low | 0x80)
  } while (rest !== 0n)
  return bytes
}

export function stringBytes(text: string): number[] {
  return lengthFirst([...new TextEncoder().encode(text)])
}

export function hexBytes(hex: string): number[] {
  return (hex.match(/../g) ?? []).map((pair) => parseInt(pair, 16))
}

export function toHex(bytes: Iterable<number>): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}

export function lengthFirst(bytes: readonly number[]): number[] {
  return [...uintBytes(bytes.length), ...bytes]
}

function timeBytes(value: number): number[] {
  return hexBytes(value.toString(16).padStart(12, '0'))
}

function intBytes(value: number): number[] {
  const wide = BigInt(value)
  return uintBytes(wide >= 0n ? 2n * wide : -2n * wide - 1n)
}

function itemBytes(text: string): number[] {
  const token = registry.tokens.indexOf(text)
  if (token >= 0) return uintBytes(token + 3)
  if (/^(0|[1-9][0-9]*)$/.test(text) && BigInt(text) < 2n ** 53n) return [1, ...uintBytes(BigInt(text))]
  return [0, ...stringBytes(text)]
}

export function elementBytes(element: JsonElement): number[] {
  const attributes = Object.entries(element.attributes).sort(([left], [right]) => (left < right ? -1 : 1))
  return [
    ...itemBytes(element.name),
    ...uintBytes(attributes.length),
    ...attributes.flatMap(([name, value]) => [...itemBytes(name), ...itemBytes(value)]),
    ...uintBytes(element.children.length),
    ...element.children.flatMap((child) => (typeof child === 'string' ? itemBytes(child) : [2, ...elementBytes(child)])),
  ]
}

function valueBytes(type: string, value: JsonValue): number[] {
  switch (type) {
    case 'uint': return uintBytes(value as number)
    case 'int': return intBytes(value as number)
    case 'time': return timeBytes(value as number)
    case 'string': return stringBytes(value as string)
    case 'bytes':
    case 'text': return lengthFirst(hexBytes(value as string))
    case 'uint[]': return listBytes((value as number[]).map(uintBytes))
    case 'string[]': return listBytes((value as string[]).map(stringBytes))
    case 'element': return lengthFirst(elementBytes(value as JsonElement))
    default: throw new Error(`no type ${type}`)
  }
}

function listBytes(items: readonly number[][]): number[] {
  return [...uintBytes(items.length), ...items.flat()]
}

export function extensionBytes(extensions: readonly JsonExtension[]): number[] {
  return extensions.flatMap(({ key, hex }) => [...uintBytes(key), ...lengthFirst(hexBytes(hex))])
}

/** Type and fields of a frame, without length and extensions. */
export function fieldBytes(spec: FrameSpec, fields: JsonFields): number[] {
  return [...uintBytes(spec.type), ...spec.fields.flatMap((field) => valueBytes(field.type, fields[field.name]!))]
}

/** A whole frame, length included. */
export function frameBytes(spec: FrameSpec, fields: JsonFields, extensions: readonly JsonExtension[] = []): number[] {
  return lengthFirst([...fieldBytes(spec, fields), ...extensionBytes(extensions)])
}
