/**
 * The element tree that queries and their answers carry: XML's shape without its text. One tree has exactly one encoding. [ELM-2]
 *
 *     element := name, attribute count (uint), (name, value)*, child count (uint), child*
 *     name    := item 0 or 3…        value := item 0, 1 or 3…        child := item 0, 1, 2 or 3…
 *     item    := 0, string           what neither the dictionary nor the number form can say
 *              | 1, uint             a decimal number without sign or leading zero, up to 2^53 - 1
 *              | 2, element          a child element
 *              | n >= 3              tokens[n - 3]
 *
 * The dictionary comes first: a string that is a token is sent as that token. Names are 1 to 64 bytes of A-Z a-z 0-9 . - _ and begin
 * with a letter or an underscore, so that every tree has an XML form.
 */
import { LIMIT, TOKENS } from './generated/registry.js'
import { Reader } from './reader.js'
import { utf8Size } from './utf8.js'
import { stringSize, uintSize, writeString, writeUint } from './writer.js'

const ITEM_STRING = 0
const ITEM_NUMBER = 1
const ITEM_ELEMENT = 2
const ITEM_TOKEN = 3

/** [ELM-7] */
const NAME = /^[A-Za-z_][A-Za-z0-9._-]*$/
const NUMBER = /^(?:0|[1-9][0-9]{0,15})$/

const tokenItems: ReadonlyMap<string, number> = new Map(TOKENS.map((token, index) => [token, index + ITEM_TOKEN]))

export interface Element {
  readonly name: string
  /** In the order of the names' bytes when decoded; any order will do for the encoder. */
  readonly attributes: ReadonlyMap<string, string>
  /** Elements and texts; no text is empty, no two are neighbours. [ELM-5] */
  readonly children: readonly (Element | string)[]
}

/**
 * Builds an element that can be encoded: numbers become decimal, attributes that are undefined and empty texts are left out,
 * neighbouring texts are joined. Limits and names are checked by the encoder.
 */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...children: readonly (Element | string)[]
): Element {
  const values = new Map<string, string>()
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== undefined) values.set(key, String(value))
  }
  const kept: (Element | string)[] = []
  for (const child of children) {
    const last = kept.at(-1)
    if (typeof child === 'string' && typeof last === 'string') kept[kept.length - 1] = last + child
    else if (child !== '') kept.push(child)
  }
  return { name, attributes: values, children: kept }
}

/** The first child element of that name, or null. */
export function childOf(parent: Element, name: string): Element | null {
  for (const child of parent.children) {
    if (typeof child !== 'string' && child.name === name) return child
  }
  return null
}

/** All text directly within the element; '' if there is none. */
export function textOf(parent: Element): string {
  let text = ''
  for (const child of parent.children) {
    if (typeof child === 'string') text += child
  }
  return text
}

/** An attribute as an unsigned integer in its canonical spelling; null if it is missing or anything else. */
export function uintAttribute(parent: Element, name: string): number | null {
  const value = parent.attributes.get(name)
  return value !== undefined && isNumber(value) ? Number(value) : null
}

/** Whether a string may name an element or an attribute. */
export function isElementName(name: string): boolean {
  return name.length <= LIMIT.nameBytesMax && NAME.test(name)
}

function isNumber(value: string): boolean {
  return NUMBER.test(value) && Number(value) <= LIMIT.uintMax
}

/** Nodes read so far in the tree being read; reading is synchronous and never nested in another read. */
let nodes = 0

const NOTHING: Element = { name: '', attributes: new Map(), children: [] }

/** Reads an element field: its length, then one element that fills it. Sets `reader.failed` for whatever breaks a rule. [ELM-1…5] */
export function readElement(reader: Reader): Element {
  const size = reader.uint()
  const end = reader.end
  if (size > end - reader.position) {
    reader.fail()
    return NOTHING
  }
  nodes = 0
  reader.end = reader.position + size
  const root = readTree(reader, 1)
  if (reader.position !== reader.end) reader.fail()
  reader.end = end
  if (reader.failed) reader.fail()
  return root
}

/** An element by itself, as `encodeElement` gave it; null for bytes that are none. */
export function decodeElement(bytes: Uint8Array): Element | null {
  const reader = new Reader()
  reader.reset(bytes, 0, bytes.length)
  nodes = 0
  const root = readTree(reader, 1)
  return reader.failed || reader.position !== reader.end ? null : root
}

/** The bytes of an element by itself, without a length. Throws as `elementSize` does. */
export function encodeElement(root: Element): Uint8Array {
  const bytes = new Uint8Array(elementSize(root))
  writeElement(bytes, 0, root)
  return bytes
}

/** [ELM-3] */
function readTree(reader: Reader, depth: number): Element {
  if (++nodes > LIMIT.elementNodesMax || depth > LIMIT.elementDepthMax) {
    reader.fail()
    return NOTHING
  }
  const name = readName(reader)
  const attributes = new Map<string, string>()
  let last = ''
  for (let count = reader.count(LIMIT.elementAttributesMax); count > 0 && !reader.failed; count--) {
    const key = readName(reader)
    // Names are ASCII, so the order of code units is the order of bytes. [ELM-4]
    if (key <= last) reader.fail()
    attributes.set(key, readItem(reader, reader.uint()))
    last = key
  }
  return { name, attributes, children: readChildren(reader, depth) }
}

function readChildren(reader: Reader, depth: number): (Element | string)[] {
  const children: (Element | string)[] = []
  let isAfterText = false
  for (let count = reader.count(LIMIT.elementNodesMax); count > 0 && !reader.failed; count--) {
    const item = reader.uint()
    if (item === ITEM_ELEMENT) {
      children.push(readTree(reader, depth + 1))
      isAfterText = false
    } else {
      const text = readItem(reader, item)
      if (isAfterText || text === '' || ++nodes > LIMIT.elementNodesMax) reader.fail()
      children.push(text)
      isAfterText = true
    }
  }
  return children
}

function readName(reader: Reader): string {
  const item = reader.uint()
  const name = item === ITEM_NUMBER ? '' : readItem(reader, item)
  // Tokens are names all, which a test checks.
  if (item < ITEM_TOKEN && !isElementName(name)) reader.fail()
  return name
}

/** A string in its one spelling: a literal must be neither a token nor a number. [ELM-2] */
function readItem(reader: Reader, item: number): string {
  if (item >= ITEM_TOKEN) {
    const token = TOKENS[item - ITEM_TOKEN]
    if (token === undefined) reader.fail()
    return token ?? ''
  }
  if (item === ITEM_NUMBER) return String(reader.uint())
  if (item === ITEM_ELEMENT) reader.fail()
  const text = reader.string()
  if (tokenItems.has(text) || isNumber(text)) reader.fail()
  return text
}

/**
 * Bytes of an encoded element, without the length of the field. Throws a RangeError for a tree that breaks a limit or a rule: building
 * one is a mistake of the program.
 */
export function elementSize(root: Element): number {
  nodes = 0
  return treeSize(root, 1)
}

function treeSize(node: Element, depth: number): number {
  if (++nodes > LIMIT.elementNodesMax) throw new RangeError('the tree has too many nodes')
  if (depth > LIMIT.elementDepthMax) throw new RangeError('the tree is too deep')
  if (node.attributes.size > LIMIT.elementAttributesMax) throw new RangeError('the element has too many attributes')
  let size = nameSize(node.name) + uintSize(node.attributes.size) + uintSize(node.children.length)
  for (const [key, value] of node.attributes) size += nameSize(key) + itemSize(value)
  let isAfterText = false
  for (const child of node.children) {
    if (typeof child === 'string') {
      if (isAfterText || child === '') throw new RangeError('a text is empty or next to another')
      if (++nodes > LIMIT.elementNodesMax) throw new RangeError('the tree has too many nodes')
      size += itemSize(child)
      isAfterText = true
    } else {
      size += 1 + treeSize(child, depth + 1)
      isAfterText = false
    }
  }
  return size
}

function nameSize(name: string): number {
  if (!isElementName(name)) throw new RangeError(`not a name for an element or attribute: ${name}`)
  return itemSize(name)
}

function itemSize(text: string): number {
  const token = tokenItems.get(text)
  if (token !== undefined) return uintSize(token)
  return 1 + (isNumber(text) ? uintSize(Number(text)) : stringSize(text))
}

/** Writes a tree that elementSize has approved, without the length of the field; returns the position behind it. */
export function writeElement(bytes: Uint8Array, position: number, node: Element): number {
  position = writeItem(bytes, position, node.name)
  position = writeUint(bytes, position, node.attributes.size)
  for (const key of [...node.attributes.keys()].sort()) {
    position = writeItem(bytes, position, key)
    position = writeItem(bytes, position, node.attributes.get(key) ?? '')
  }
  position = writeUint(bytes, position, node.children.length)
  for (const child of node.children) {
    if (typeof child === 'string') {
      position = writeItem(bytes, position, child)
    } else {
      bytes[position++] = ITEM_ELEMENT
      position = writeElement(bytes, position, child)
    }
  }
  return position
}

function writeItem(bytes: Uint8Array, position: number, text: string): number {
  const token = tokenItems.get(text)
  if (token !== undefined) return writeUint(bytes, position, token)
  if (isNumber(text)) {
    bytes[position++] = ITEM_NUMBER
    return writeUint(bytes, position, Number(text))
  }
  bytes[position++] = ITEM_STRING
  return writeString(bytes, position, text, utf8Size(text))
}
