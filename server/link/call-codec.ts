/**
 * Arguments and results of calls over a link: MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md). Bytes come back as
 * Uint8Array, Infinity as itself; a property that is undefined is left out. One extension type stands for Map. An instance of a class
 * arrives as a plain object with what can be read of it: fields and getters.
 */
import { Decoder, Encoder, ExtensionCodec } from '@msgpack/msgpack'

/** An array of key and value in turn. */
const EXTENSION_MAP = 0
const EXTENSION_INSTANCE = 1
/** Values within values, so that nobody's bytes make us call ourselves without end. */
const DEPTH_MAX = 64

const extensionCodec = new ExtensionCodec()
extensionCodec.register({
  type: EXTENSION_MAP,
  encode: (value) => value instanceof Map ? new Encoder({ extensionCodec, maxDepth: DEPTH_MAX }).encode([...value].flat(1)) : null,
  decode: (bytes) => {
    const items = new Decoder({ extensionCodec }).decode(bytes)
    if (!Array.isArray(items) || items.length % 2 !== 0) throw new RangeError('not a map')
    return new Map(Array.from({ length: items.length / 2 }, (_, i) => [items[2 * i] as unknown, items[2 * i + 1] as unknown]))
  },
})

extensionCodec.register({
  type: EXTENSION_INSTANCE,
  encode: (value) => isInstance(value) ? new Encoder({ extensionCodec, ignoreUndefined: true, maxDepth: DEPTH_MAX }).encode(readable(value)) : null,
  decode: (bytes) => new Decoder({ extensionCodec }).decode(bytes),
})

function isInstance(value: unknown): value is object {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof Map) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype !== Object.prototype && prototype !== null
}

function readable(value: object): Readonly<Record<string, unknown>> {
  const prototype = Object.getPrototypeOf(value) as object
  const getters = Object.entries(Object.getOwnPropertyDescriptors(prototype)).filter(([, property]) => 'get' in property).map(([name]) => name)
  return Object.fromEntries([...Object.keys(value), ...getters].map((name) => [name, (value as Readonly<Record<string, unknown>>)[name]]))
}

const encoder = new Encoder({ extensionCodec, ignoreUndefined: true, maxDepth: DEPTH_MAX })
const decoder = new Decoder({ extensionCodec })

/** The bytes are good until the next call: copy them, or have them copied. `undefined` as a whole becomes null. */
export function encodeValue(value: unknown): Uint8Array {
  return encoder.encodeSharedRef(value ?? null)
}

/** Throws for bytes that are no value. Byte arrays in it are views of `bytes`. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decoder.decode(bytes)
}
