/** Between the JSON of the vectors and the frames of the codec. */
import type { FrameSpec } from '../generate/registry-file.js'
import type { Element } from '../element.js'
import { decodeExtensions, encodeExtensions } from '../extensions.js'
import type { Frame } from '../generated/frames.js'
import { hexBytes, toHex } from './reference-encoder.js'
import type { JsonElement, JsonExtension, JsonFields, JsonValue } from './reference-encoder.js'

export function elementFromJson(json: JsonElement): Element {
  return {
    name: json.name,
    attributes: new Map(Object.entries(json.attributes)),
    children: json.children.map((child) => (typeof child === 'string' ? child : elementFromJson(child))),
  }
}

function elementToJson(element: Element): JsonElement {
  return {
    name: element.name,
    attributes: Object.fromEntries(element.attributes),
    children: element.children.map((child) => (typeof child === 'string' ? child : elementToJson(child))),
  }
}

/** The frame that the codec should make of these fields. */
export function frameFromJson(spec: FrameSpec, fields: JsonFields, extensions: readonly JsonExtension[] = []): Frame {
  const frame: Record<string, unknown> = { type: spec.type }
  for (const { name, type } of spec.fields) {
    const value = fields[name]!
    if (type === 'bytes' || type === 'text') frame[name] = new Uint8Array(hexBytes(value as string))
    else frame[name] = type === 'element' ? elementFromJson(value as JsonElement) : value
  }
  frame['extensions'] = encodeExtensions(extensions.map(({ key, hex }) => ({ key, value: new Uint8Array(hexBytes(hex)) })))
  return frame as unknown as Frame
}

/** The fields of a decoded frame in the vectors' JSON. */
export function frameToJson(spec: FrameSpec, frame: Frame): { fields: JsonFields; extensions: JsonExtension[] } {
  const values = frame as unknown as Readonly<Record<string, unknown>>
  const fields: Record<string, JsonValue> = {}
  for (const { name, type } of spec.fields) {
    const value = values[name]
    if (type === 'bytes' || type === 'text') fields[name] = toHex(value as Uint8Array)
    else fields[name] = type === 'element' ? elementToJson(value as Element) : value as JsonValue
  }
  const extensions = (decodeExtensions(frame.extensions) ?? []).map(({ key, value }) => ({ key, hex: toHex(value) }))
  return { fields, extensions }
}
