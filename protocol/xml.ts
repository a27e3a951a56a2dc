/**
 * The XML form of every frame, for examples, vectors, the debug log and gateways: never on the hot path. The names come from the
 * registry. Fields are attributes in the order of the registry, all of them present; items of a list, text, an element and extensions
 * are children, in this order:
 *
 *     <message id="7" to="bob"><body>hi</body><x key="9">aGk=</x></message>
 *     <iq type="get" id="1"><history limit="20" with="bob"/></iq>
 *
 * uint and int are decimal, or the name of a value that has one (marks, resume, errors); time is ISO 8601; bytes are base64; the body
 * is left out when empty, and base64 when it is not well-formed UTF-8. What XML can't carry is escaped, see xml-text.ts.
 */
import { Element as XmlElement, parse } from 'ltx'
import { decodeBase64, encodeBase64 } from './base64.js'
import { element, isElementName } from './element.js'
import type { Element } from './element.js'
import { decodeExtensions, encodeExtensions } from './extensions.js'
import type { Extension } from './extensions.js'
import { encodeFrame } from './generated/frames.js'
import type { Frame } from './generated/frames.js'
import { ERRORS, FRAMES, LIMIT } from './generated/registry.js'
import type { FieldInfo, FrameInfo } from './generated/registry.js'
import { decodeString, encodeText } from './utf8.js'
import { attributeText, contentText, plainText } from './xml-text.js'

/** Longest XML text that is parsed at all, in UTF-16 units: the parser itself knows no bounds. */
export const XML_LENGTH_MAX = 4 * LIMIT.frameBytesMax

/** `type` of an iq, which tells its three frames apart. */
const IQ_TYPES: Readonly<Record<string, string>> = { query: 'get', result: 'result', fail: 'error' }

type FieldValue = number | string | Uint8Array | readonly number[] | readonly string[] | Element

/**
 * The XML form of a frame, secrets included: auth, response and welcome have no place in a log in this form [TOK-6]. Throws a
 * RangeError for extensions that are malformed: no decoder hands out such a frame.
 */
export function frameToXml(frame: Frame): string {
  const info = FRAMES.get(frame.type)!
  const values = frame as unknown as Readonly<Record<string, FieldValue>>
  let attributes = info.name in IQ_TYPES ? attributeText('type', IQ_TYPES[info.name]!) : ''
  let children = ''
  for (const field of info.fields) {
    const value = values[field.name]!
    if (isChild(field)) children += childXml(field, value)
    else attributes += attributeText(field.xml, attributeValue(field, value))
  }
  return tag(info.xml, attributes, children + extensionsXml(frame.extensions))
}

/** The XML form of an element tree. */
export function elementToXml(tree: Element): string {
  let attributes = ''
  for (const name of [...tree.attributes.keys()].sort()) attributes += attributeText(name, tree.attributes.get(name) ?? '')
  let children = ''
  for (const child of tree.children) children += typeof child === 'string' ? contentText(child) : elementToXml(child)
  return tag(tree.name, attributes, children)
}

function tag(name: string, attributes: string, content: string): string {
  return content === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${content}</${name}>`
}

function isChild(field: FieldInfo): boolean {
  return field.type === 'text' || field.type === 'element' || field.type.endsWith('[]')
}

function attributeValue(field: FieldInfo, value: FieldValue): string {
  if (value instanceof Uint8Array) return encodeBase64(value)
  if (typeof value === 'string') return value
  if (typeof value !== 'number') throw new TypeError(`${field.name} is no attribute`)
  if (field.type === 'time') return new Date(value).toISOString()
  return nameOfValue(field, value) ?? String(value)
}

function nameOfValue(field: FieldInfo, value: number): string | undefined {
  if (field.name === 'error') return ERRORS.get(value)?.name
  return Object.entries(field.values ?? {}).find(([, known]) => known === value)?.[0]
}

function childXml(field: FieldInfo, value: FieldValue): string {
  if (value instanceof Uint8Array) return bodyXml(value)
  if (Array.isArray(value)) return value.map((item) => tag(field.xml, '', contentText(String(item)))).join('')
  return elementToXml(value as Element)
}

function bodyXml(text: Uint8Array): string {
  if (text.length === 0) return ''
  const decoded = decodeString(text, 0, text.length)
  return decoded === null
    ? tag('body', attributeText('encoding', 'base64'), encodeBase64(text))
    : tag('body', '', contentText(decoded))
}

function extensionsXml(bytes: Uint8Array): string {
  const extensions = decodeExtensions(bytes)
  if (extensions === null) throw new RangeError('the extensions are malformed')
  return extensions.map(({ key, value }) => tag('x', attributeText('key', String(key)), encodeBase64(value))).join('')
}

/** The frame behind an XML form; null for what frameToXml would not have written, but for white space in tags and the order of attributes. */
export function xmlToFrame(text: string): Frame | null {
  const root = parseXml(text)
  if (root === null) return null
  for (const info of FRAMES.values()) {
    if (info.xml === root.name && hasAttributesOf(root, info)) return readFrame(root, info)
  }
  return null
}

/** The element tree behind an XML form; null if it is not well-formed or breaks a rule for elements. */
export function xmlToElement(text: string): Element | null {
  const root = parseXml(text)
  return root === null ? null : readTree(root, 1)
}

function parseXml(text: string): XmlElement | null {
  if (text.length > XML_LENGTH_MAX) return null
  try {
    const root: unknown = parse(text)
    return root instanceof XmlElement ? root : null
  } catch {
    return null
  }
}

function hasAttributesOf(root: XmlElement, info: FrameInfo): boolean {
  const names = info.fields.filter((field) => !isChild(field)).map((field) => field.xml)
  if (info.name in IQ_TYPES) {
    if (root.attrs['type'] !== IQ_TYPES[info.name]) return false
    names.push('type')
  }
  return names.length === Object.keys(root.attrs).length && names.every((name) => Object.hasOwn(root.attrs, name))
}

function readFrame(root: XmlElement, info: FrameInfo): Frame | null {
  const values: Record<string, FieldValue> = { type: info.type }
  const children = new Children(root)
  for (const field of info.fields) {
    const value = isChild(field) ? readChild(children, field) : readAttribute(field, String(root.attrs[field.xml]))
    if (value === null) return null
    values[field.name] = value
  }
  const extensions = readExtensions(children)
  if (extensions === null || !children.isEmpty) return null
  const frame = { ...values, extensions } as unknown as Frame
  try {
    // The encoder knows all ranges; asking it is simpler than knowing them twice.
    encodeFrame(frame)
    return frame
  } catch {
    return null
  }
}

/** Children of a frame's element, taken from the front. */
class Children {
  readonly #nodes: readonly unknown[]
  #position = 0

  constructor(parent: XmlElement) {
    this.#nodes = parent.children
  }

  get isEmpty(): boolean {
    return this.#position === this.#nodes.length
  }

  /** The next child, if it is an element, and of that name where one is given. */
  take(name?: string): XmlElement | null {
    const node = this.#nodes[this.#position]
    if (!(node instanceof XmlElement) || (name !== undefined && node.name !== name)) return null
    this.#position++
    return node
  }
}

function readAttribute(field: FieldInfo, raw: string): FieldValue | null {
  const text = plainText(raw)
  if (text === null || field.type === 'string') return text
  if (field.type === 'bytes') return decodeBase64(text)
  if (field.type === 'time') return readTime(text)
  return valueOfName(field, text) ?? readInteger(text)
}

function valueOfName(field: FieldInfo, name: string): number | undefined {
  if (field.name === 'error') return [...ERRORS.values()].find((error) => error.name === name)?.code
  return Object.entries(field.values ?? {}).find(([known]) => known === name)?.[1]
}

function readTime(text: string): number | null {
  const time = new Date(text)
  return !Number.isNaN(time.getTime()) && time.toISOString() === text ? time.getTime() : null
}

function readInteger(text: string): number | null {
  return /^(?:0|-?[1-9][0-9]{0,15})$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null
}

function readChild(children: Children, field: FieldInfo): FieldValue | null {
  if (field.type === 'text') return readBody(children)
  if (field.type === 'element') {
    const child = children.take()
    return child === null ? null : readTree(child, 1)
  }
  return readList(children, field)
}

function readBody(children: Children): Uint8Array | null {
  const body = children.take('body')
  if (body === null) return new Uint8Array(0)
  const text = plainText(body.text())
  if (text === null) return null
  return body.attrs['encoding'] === 'base64' ? decodeBase64(text) : encodeText(text)
}

function readList(children: Children, field: FieldInfo): readonly number[] | readonly string[] | null {
  const texts: string[] = []
  for (let item = children.take(field.xml); item !== null; item = children.take(field.xml)) {
    const text = plainText(item.text())
    if (text === null || texts.length === LIMIT.listItemsMax) return null
    texts.push(text)
  }
  if (field.type === 'string[]') return texts
  const numbers = texts.map(readInteger)
  return numbers.every((number) => number !== null) ? numbers : null
}

function readExtensions(children: Children): Uint8Array | null {
  const extensions: Extension[] = []
  for (let child = children.take('x'); child !== null; child = children.take('x')) {
    const key = readInteger(String(child.attrs['key']))
    const value = decodeBase64(child.text())
    if (key === null || key < 0 || value === null || key <= (extensions.at(-1)?.key ?? -1)) return null
    extensions.push({ key, value })
  }
  return extensions.length > LIMIT.extensionsMax ? null : encodeExtensions(extensions)
}

function readTree(node: XmlElement, depth: number): Element | null {
  if (depth > LIMIT.elementDepthMax || !isElementName(node.name)) return null
  const attributes: Record<string, string> = {}
  for (const name of Object.keys(node.attrs).sort()) {
    const value = plainText(String(node.attrs[name]))
    if (value === null || !isElementName(name)) return null
    attributes[name] = value
  }
  const children: (Element | string)[] = []
  for (const child of node.children) {
    const read = typeof child === 'string' ? plainText(child) : readTree(child, depth + 1)
    if (read === null) return null
    children.push(read)
  }
  return element(node.name, attributes, ...children)
}
