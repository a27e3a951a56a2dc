/** Random frames from the registry, for fast-check: values lean towards the bounds of their types. */
import fc from 'fast-check'
import type { FrameSpec } from '../generate/registry-file.js'
import { toHex } from './reference-encoder.js'
import type { JsonElement, JsonExtension, JsonFields, JsonValue } from './reference-encoder.js'
import { registry } from './registry.js'

export interface RandomFrame {
  readonly spec: FrameSpec
  readonly fields: JsonFields
  readonly extensions: readonly JsonExtension[]
}

/** Uints of every length, not just large ones. */
export const uint: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 53 }).chain((bits) => fc.integer({ min: -1, max: 1 }).map((step) => Math.min(Math.max(2 ** bits + step, 0), 2 ** 53 - 1))),
  fc.maxSafeNat(),
)

const int = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.integer({ min: -(2 ** 52), max: 2 ** 52 - 1 }))

const time = fc.integer({ min: 0, max: 2 ** 48 - 1 })

/** Any text without U+0000, of all widths. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 150 }),
).map((value) => value.replaceAll('\u0000', '\u0001'))

const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 120, maxLength: 140 })).map(toHex)

// XML parsers of JavaScript keep attributes in objects, where __proto__ is no key.
const elementName = fc.oneof(
  fc.constantFrom(...registry.tokens),
  fc.stringMatching(/^[A-Za-z_][A-Za-z0-9._-]{0,63}$/),
).filter((name) => name !== '__proto__')

const itemText = fc.oneof(fc.constantFrom(...registry.tokens), uint.map(String), fc.stringMatching(/^[0-9]{1,17}$/), text)

const elementNode = fc.letrec<{ element: JsonElement; child: JsonElement | string }>((tie) => ({
  element: fc.record({
    name: elementName,
    attributes: fc.uniqueArray(fc.tuple(elementName, itemText), { maxLength: 5, selector: ([name]) => name }).map((entries) =>
      Object.fromEntries(entries)),
    children: fc.array(tie('child'), { maxLength: 4 }).map(separateTexts),
  }),
  child: fc.oneof({ maxDepth: 4, depthIdentifier: 'tree' }, itemText, tie('element')),
}))

/** Trees that keep to all rules. */
export const element: fc.Arbitrary<JsonElement> = elementNode.element.filter((tree) => depthOf(tree) <= 8)

function depthOf(tree: JsonElement): number {
  return 1 + Math.max(0, ...tree.children.map((child) => (typeof child === 'string' ? 0 : depthOf(child))))
}

/** [ELM-5] */
function separateTexts(children: readonly (JsonElement | string)[]): (JsonElement | string)[] {
  return children.filter((child, index) => child !== '' && !(typeof child === 'string' && typeof children[index - 1] === 'string'))
}

function valueOf(type: string): fc.Arbitrary<JsonValue> {
  switch (type) {
    case 'uint': return uint
    case 'int': return int
    case 'time': return time
    case 'string': return text
    case 'bytes':
    case 'text': return bytes
    case 'uint[]': return fc.array(uint, { maxLength: 16 })
    case 'string[]': return fc.array(text, { maxLength: 16 })
    case 'element': return element
    default: throw new Error(`no type ${type}`)
  }
}

/** Unknown optional ones only: critical ones end most frames. */
const extensions: fc.Arbitrary<readonly JsonExtension[]> = fc.oneof(
  { weight: 3, arbitrary: fc.constant([]) },
  fc.uniqueArray(fc.integer({ min: 50, max: 2 ** 40 }).map((half) => 2 * half + 1), { maxLength: 16 }).chain((keys) =>
    fc.array(bytes, { minLength: keys.length, maxLength: keys.length }).map((values) =>
      keys.sort((left, right) => left - right).map((key, index) => ({ key, hex: values[index]! })))),
)

/** Any frame of the registry. */
export const frame: fc.Arbitrary<RandomFrame> = fc.constantFrom(...registry.frames).chain((spec) =>
  fc.record({
    spec: fc.constant(spec),
    fields: fc.record(Object.fromEntries(spec.fields.map((field) => [field.name, valueOf(field.type)]))),
    extensions,
  }))
