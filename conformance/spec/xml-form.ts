/** The XML form of a frame, written from `spec/elements.md` alone: what the codec's own XML writer is held against. */
import { frameOf } from './registry.js'
import type { ElementValue, ExtensionValues, FieldValue, FieldValues } from './wire.js'
import type { FieldEntry } from './registry.js'

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;' }

function escapeXml(text: string): string {
  return text.replaceAll(/[&<>'"]/g, (character) => escapes[character] ?? character)
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function tag(name: string, attributes: readonly (readonly [string, string])[], content: string): string {
  const head = [name, ...attributes.map(([key, value]) => `${key}='${escapeXml(value)}'`)].join(' ')
  return content === '' ? `<${head}/>` : `<${head}>${content}</${name}>`
}

function elementXml(element: ElementValue): string {
  const attributes = Object.entries(element.attributes ?? {}).sort(([left], [right]) => left < right ? -1 : 1)
  const content = (element.children ?? []).map((child) => typeof child === 'string' ? escapeXml(child) : elementXml(child)).join('')
  return tag(element.name, attributes, content)
}

function attributeValue(field: FieldEntry, value: FieldValue): string {
  if (field.values !== undefined) return Object.entries(field.values).find(([, number]) => number === value)?.[0] ?? String(value)
  if (field.type === 'bytes') return base64(value as string)
  if (Array.isArray(value)) return value.join(' ')
  return String(value)
}

/** One line, without a line end. */
export function xmlOf(example: { readonly frame: string; readonly values: FieldValues; readonly extensions?: ExtensionValues }): string {
  const frame = frameOf(example.frame)
  const attributes: [string, string][] = []
  let content = ''
  for (const field of frame.fields) {
    const value = example.values[field.name]
    if (value === undefined) continue
    if (field.type === 'text') content += value === '' ? '' : tag('body', [], escapeXml(value as string))
    else if (field.type === 'element') content += elementXml(value as ElementValue)
    else attributes.push([field.xml ?? field.name, attributeValue(field, value)])
  }
  for (const [key, hex] of Object.entries(example.extensions ?? {})) content += tag('x', [['key', key]], base64(hex))
  return tag(frame.xml ?? frame.name, attributes, content)
}
