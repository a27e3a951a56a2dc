/** The XML form of a frame, written from `spec/elements.md` alone: what the codec's own XML writer is held against. */
import { frameOf, registry } from './registry.js'
import type { FieldEntry } from './registry.js'
import type { ElementValue, ExtensionValues, FieldValue, FieldValues } from './wire.js'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;' }
const iqTypes: Readonly<Record<string, string>> = { query: 'get', result: 'result', fail: 'error' }

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>'"]/g, (character) => escapes[character] ?? character)
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function tag(name: string, attributes: readonly (readonly [string, string])[], content: string): string {
  const head = [name, ...attributes.map(([key, value]) => `${key}="${escapeXml(value)}"`)].join(' ')
  return content === '' ? `<${head}/>` : `<${head}>${content}</${name}>`
}

function elementXml(element: ElementValue): string {
  const attributes = Object.entries(element.attributes ?? {}).sort(([left], [right]) => left < right ? -1 : 1)
  const content = (element.children ?? []).map((child) => typeof child === 'string' ? escapeXml(child) : elementXml(child)).join('')
  return tag(element.name, attributes, content)
}

function numberText(field: FieldEntry, value: number): string {
  if (field.type === 'time') return new Date(value).toISOString()
  if (field.name === 'error') return registry.errors.find(({ code }) => code === value)?.name ?? String(value)
  return Object.entries(field.values ?? {}).find(([, number]) => number === value)?.[0] ?? String(value)
}

function attributeText(field: FieldEntry, value: FieldValue): string {
  if (typeof value === 'number') return numberText(field, value)
  if (typeof value !== 'string') throw new TypeError(`${field.name} is no attribute`)
  return field.type === 'bytes' ? base64(value) : value
}

function childXml(field: FieldEntry, value: FieldValue): string {
  if (field.type === 'text' && Array.isArray(value)) return tag('body', [['encoding', 'base64']], Buffer.from(value as number[]).toString('base64'))
  if (field.type === 'text') return value === '' ? '' : tag('body', [], escapeXml(value as string))
  if (field.type === 'element') return elementXml(value as ElementValue)
  return (value as readonly (number | string)[]).map((item) => tag(field.xml ?? field.name, [], escapeXml(String(item)))).join('')
}

/** One line, without a line end. */
export function xmlOf(example: { readonly frame: string; readonly values: FieldValues; readonly extensions?: ExtensionValues }): string {
  const frame = frameOf(example.frame)
  const iqType = iqTypes[frame.name]
  const attributes: [string, string][] = iqType === undefined ? [] : [['type', iqType]]
  let content = ''
  for (const field of frame.fields) {
    const value = example.values[field.name]
    if (value === undefined) throw new TypeError(`the example leaves out ${field.name}`)
    if (field.type === 'text' || field.type === 'element' || field.type.endsWith('[]')) content += childXml(field, value)
    else attributes.push([field.xml ?? field.name, attributeText(field, value)])
  }
  for (const [key, hex] of Object.entries(example.extensions ?? {})) content += tag('x', [['key', key]], base64(hex))
  return tag(frame.xml ?? frame.name, attributes, content)
}
