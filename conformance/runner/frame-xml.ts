/**
 * Frames of cases: the XML form of `spec/elements.md`, loosened for people who write cases. What is left out of a frame that is sent is 0
 * or empty, or what the caller fills in; what is left out of one that is expected may be anything. Where bytes stand `hex:00ff`, `text:` with
 * `\\0` for U+0000, `uint:5`, `zeros:40`, and `element:` with XML are taken.
 */
import { parse } from 'ltx'
import type { Element as XmlElement } from 'ltx'
import { registry } from '../spec/registry.js'
import type { FieldEntry, FrameEntry } from '../spec/registry.js'
import type { ElementValue, FieldValue } from '../spec/wire.js'
import { elementBytes, framePieces, uintBytes } from '../spec/wire.js'
import { xmlOf } from '../spec/xml-form.js'
import type { WireFrame } from './decode.js'
import { CaseFault, Variables } from './variables.js'

/** Which end of the connection a frame comes from. */
export type Side = 'client' | 'server'

/** Values for fields that a case left out, by field name. */
export type Defaults = (frame: FrameEntry, field: FieldEntry) => FieldValue | undefined

const iqTypes: Readonly<Record<string, string>> = { get: 'query', result: 'result', error: 'fail' }
const emptyElement: ElementValue = { name: 'empty' }

/** Which frame a text of a case speaks of: of those that have all its attributes the one with the fewest fields, of this side if there is one. */
export function frameEntryOf(xml: XmlElement, side: Side): FrameEntry {
  const names = Object.keys(xml.attrs).filter((name) => !(xml.name === 'iq' && name === 'type'))
  const fitting = registry.frames
    .filter((frame) => xml.name === 'iq' ? frame.name === iqTypes[String(xml.attrs['type'])] : (frame.xml ?? frame.name) === xml.name || frame.name === xml.name)
    .filter((frame) => names.every((name) => frame.fields.some((field) => xmlName(field) === name)))
    .sort((one, other) => one.fields.length - other.fields.length)
  const entry = fitting.find(({ from }) => from === side || from === 'both') ?? fitting[0]
  if (entry === undefined) throw new CaseFault(`no frame has this XML form: ${String(xml)}`)
  return entry
}

function xmlName(field: FieldEntry): string {
  return field.xml ?? field.name
}

export function readXml(text: string): XmlElement {
  try {
    return parse(text)
  } catch (error) {
    throw new CaseFault(`no XML: ${text}: ${error instanceof Error ? error.message : ''}`)
  }
}

/** What XML cannot carry. */
function unescape(text: string): string {
  return text.replaceAll(/\\u\{([0-9a-fA-F]+)\}/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
}

function childElements(xml: XmlElement): XmlElement[] {
  return xml.children.filter((child): child is XmlElement => typeof child !== 'string')
}

function numberOf(field: FieldEntry, text: string): number {
  const named = field.values?.[text] ?? (field.name === 'error' ? registry.errors.find(({ name }) => name === text)?.code : undefined)
  if (named !== undefined) return named
  if (field.type === 'time' && text.includes('-')) return Date.parse(text)
  if (!/^-?[0-9]+$/.test(text)) throw new CaseFault(`${field.name} is no number: ${text}`)
  return Number(text)
}

function hexOf(text: string): string {
  if (text.startsWith('hex:')) return text.slice(4)
  if (text.startsWith('text:')) return Buffer.from(text.slice(5).replaceAll('\\0', '\0')).toString('hex')
  if (text.startsWith('uint:')) return Buffer.from(uintBytes(Number(text.slice(5)))).toString('hex')
  if (text.startsWith('element:')) return Buffer.from(elementBytes(elementOf(readXml(text.slice(8)), new Variables()))).toString('hex')
  if (text.startsWith('zeros:')) return '00'.repeat(Number(text.slice(6)))
  return Buffer.from(text, 'base64').toString('hex')
}

/** An element of a query or an answer. */
export function elementOf(xml: XmlElement, variables: Variables): ElementValue {
  const attributes = Object.fromEntries(Object.entries(xml.attrs).map(([name, value]) => [name, variables.fill(unescape(String(value)))]))
  const children = xml.children.map((child) => typeof child === 'string' ? variables.fill(unescape(child)) : elementOf(child, variables))
  return { name: xml.name, attributes, children }
}

function textOf(xml: XmlElement, variables: Variables): FieldValue {
  const body = xml.getChild('body')
  if (body === undefined) return ''
  const text = variables.fill(unescape(body.getText()))
  if (body.attrs['encoding'] === 'hex') return [...Buffer.from(text, 'hex')]
  return text.repeat(Number(body.attrs['repeat'] ?? 1))
}

function attributeValue(field: FieldEntry, text: string): FieldValue {
  if (field.type === 'bytes') return hexOf(text)
  return field.type === 'string' ? text : numberOf(field, text)
}

function emptyOf(field: FieldEntry): FieldValue {
  if (field.type === 'element') return emptyElement
  return field.type === 'uint' || field.type === 'int' || field.type === 'time' ? 0 : ''
}

/** The frame that a case sends. */
export function frameFromXml(text: string, side: Side, variables: Variables, defaults: Defaults = () => undefined): WireFrame {
  const xml = readXml(text)
  const entry = frameEntryOf(xml, side)
  const values: Record<string, FieldValue> = {}
  for (const field of entry.fields) {
    const given = xml.attrs[xmlName(field)] as string | undefined
    if (given !== undefined) values[field.name] = attributeValue(field, variables.fill(unescape(given)))
    else if (field.type === 'text') values[field.name] = textOf(xml, variables)
    else if (field.type === 'element') {
      const child = childElements(xml).find(({ name }) => name !== 'x')
      values[field.name] = child === undefined ? emptyElement : elementOf(child, variables)
    } else if (field.type.endsWith('[]')) {
      const items = childElements(xml).filter(({ name }) => name === xmlName(field)).map((item) => variables.fill(unescape(item.getText())))
      values[field.name] = items.length === 0 ? defaults(entry, field) ?? [] : field.type === 'uint[]' ? items.map(Number) : items
    } else values[field.name] = defaults(entry, field) ?? emptyOf(field)
  }
  const extensions: Record<number, string> = {}
  for (const child of childElements(xml)) {
    if (child.name === 'x' && child.attrs['key'] !== undefined) extensions[Number(child.attrs['key'])] = hexOf(variables.fill(child.getText()))
  }
  return { frame: entry.name, values, extensions }
}

/** Bytes of a frame, length first. */
export function encodeFrame({ frame, values, extensions }: WireFrame): Buffer {
  return Buffer.from(framePieces(frame, values, extensions).flatMap(({ bytes }) => [...bytes]))
}

/** The XML form of a frame, for reports. */
export function frameToXml(frame: WireFrame): string {
  return xmlOf(frame)
}

/** The text that stands for a value in the XML form, which patterns are held against. */
function valueText(field: FieldEntry, value: FieldValue): string {
  if (Array.isArray(value)) return `hex:${Buffer.from(value as number[]).toString('hex')}`
  if (typeof value === 'object') return ''
  if (field.type === 'bytes') return Buffer.from(String(value), 'hex').toString('base64')
  if (typeof value === 'number') {
    if (field.name === 'error') return registry.errors.find(({ code }) => code === value)?.name ?? String(value)
    return Object.entries(field.values ?? {}).find(([, number]) => number === value)?.[0] ?? String(value)
  }
  return value
}

/** A frame that a case expects. */
export interface FramePattern {
  readonly entry: FrameEntry
  readonly xml: XmlElement
}

export function patternOf(text: string, side: Side): FramePattern {
  const xml = readXml(text)
  return { entry: frameEntryOf(xml, side), xml }
}

/** What differs, in words, or null where the frame is as expected: then `variables` keep what the pattern takes from it. */
export function mismatch(pattern: FramePattern, frame: WireFrame, variables: Variables): string | null {
  return variables.tentatively(() => difference(pattern, frame, variables))
}

function difference(pattern: FramePattern, frame: WireFrame, variables: Variables): string | null {
  if (frame.frame !== pattern.entry.name) return `${pattern.entry.name}, not ${frame.frame}`
  for (const field of pattern.entry.fields) {
    const fault = fieldMismatch(field, pattern.xml, frame.values[field.name]!, variables)
    if (fault !== null) return `${field.name} ${fault}`
  }
  for (const child of childElements(pattern.xml)) {
    if (child.name !== 'x' || child.attrs['key'] === undefined) continue
    const found = frame.extensions[Number(child.attrs['key'])]
    const wanted = hexOf(variables.fill(child.getText()))
    if (found !== wanted) return `extension ${String(child.attrs['key'])} ${wanted}`
  }
  return null
}

function fieldMismatch(field: FieldEntry, xml: XmlElement, value: FieldValue, variables: Variables): string | null {
  const given = xml.attrs[xmlName(field)] as string | undefined
  if (given !== undefined) return variables.match(unescape(given), valueText(field, value))
  if (field.type === 'text') {
    const body = xml.getChild('body')
    if (body === undefined) return null
    return variables.match(unescape(body.getText()).repeat(Number(body.attrs['repeat'] ?? 1)), valueText(field, value))
  }
  if (field.type === 'element') {
    const child = childElements(xml).find(({ name }) => name !== 'x')
    return child === undefined ? null : elementMismatch(child, value as ElementValue, variables)
  }
  if (!field.type.endsWith('[]')) return null
  const wanted = childElements(xml).filter(({ name }) => name === xmlName(field)).map((item) => item.getText())
  const items = value as readonly (string | number)[]
  if (wanted.length === 0) return null
  if (wanted.length !== items.length) return `with ${String(wanted.length)} items`
  for (const [place, item] of wanted.entries()) {
    const fault = variables.match(item, String(items[place]))
    if (fault !== null) return fault
  }
  return null
}

/** Attributes and children that the pattern does not name may be there [ELM-6]; those that it names stand in its order. */
function elementMismatch(pattern: XmlElement, element: ElementValue, variables: Variables): string | null {
  if (pattern.name !== element.name) return `<${pattern.name}>`
  for (const [name, wanted] of Object.entries(pattern.attrs)) {
    const found = element.attributes?.[name]
    const fault = found === undefined ? `there` : variables.match(unescape(String(wanted)), found)
    if (fault !== null) return `with ${name} ${fault}`
  }
  let place = 0
  const children = element.children ?? []
  for (const wanted of pattern.children) {
    for (;; place++) {
      const child = children[place]
      if (child === undefined) return `with ${String(wanted)}`
      if (typeof wanted === 'string' ? typeof child === 'string' && variables.match(wanted, child) === null
        : typeof child !== 'string' && elementMismatch(wanted, child, variables) === null) break
    }
    place++
  }
  return null
}
