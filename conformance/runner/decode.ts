/**
 * A decoder of its own, driven by the registry and written from the spec alone, as `spec/wire.ts` is for the other direction: what a
 * client sends is judged by it. A fault names the requirement that the bytes break.
 */
import { registry } from '../spec/registry.js'
import type { FieldEntry, FrameEntry } from '../spec/registry.js'
import type { ElementValue, FieldValue, FieldValues } from '../spec/wire.js'

/** Bytes that break a requirement. */
export class WireFault extends Error {
  readonly requirement: string

  constructor(requirement: string, message: string) {
    super(message)
    this.requirement = requirement
  }
}

/** A frame as values, whoever made it. Extensions by key, their bytes in hexadecimal. */
export interface WireFrame {
  readonly frame: string
  readonly values: FieldValues
  readonly extensions: Readonly<Record<number, string>>
}

/** A frame as it came. `frame` is null for a type that the registry does not have. */
export interface Decoded {
  readonly type: number
  readonly frame: WireFrame | null
  /** Length and body. */
  readonly bytes: Uint8Array
}

const limits = new Map(registry.limits.map(({ name, value }) => [name, value]))
const framesByType = new Map(registry.frames.map((frame) => [frame.type, frame]))
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const firstToken = 3

/** The value of a limit of the registry. */
export function limitOf(name: string): number {
  const value = limits.get(name)
  if (value === undefined) throw new RangeError(`no limit is called ${name}`)
  return value
}

class Reader {
  readonly bytes: Uint8Array
  place = 0
  readonly #what: string

  constructor(bytes: Uint8Array, what: string) {
    this.bytes = bytes
    this.#what = what
  }

  get isAtEnd(): boolean {
    return this.place >= this.bytes.length
  }

  take(count: number): Uint8Array {
    if (count > this.bytes.length - this.place) throw new WireFault('FRM-4', `${this.#what} ends within a field`)
    this.place += count
    return this.bytes.subarray(this.place - count, this.place)
  }

  /** [FRM-2] */
  uint(): number {
    let value = 0
    for (let count = 0; ; count++) {
      const byte = this.take(1)[0]!
      if (count >= limitOf('uintBytesMax')) throw new WireFault('FRM-2', `a uint of ${this.#what} is longer than 8 bytes`)
      value += (byte & 0x7f) * 2 ** (7 * count)
      if (byte >= 0x80) continue
      if (byte === 0 && count > 0) throw new WireFault('FRM-2', `a uint of ${this.#what} is not in its shortest form`)
      if (value > Number.MAX_SAFE_INTEGER) throw new WireFault('FRM-2', `a uint of ${this.#what} is larger than 2^53 - 1`)
      return value
    }
  }

  /** [FRM-9] */
  string(): string {
    const bytes = this.take(this.uint())
    const text = textOf(bytes)
    if (text === null) throw new WireFault('FRM-9', `a string of ${this.#what} is not UTF-8, or holds U+0000`)
    return text
  }
}

function textOf(bytes: Uint8Array): string | null {
  try {
    const text = utf8.decode(bytes)
    return text.includes('\0') ? null : text
  } catch {
    return null
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function decodeItem(reader: Reader, role: 'name' | 'value', kind: number): string {
  if (kind === 0) {
    const text = reader.string()
    const isToken = registry.tokens.includes(text)
    const isNumber = role === 'value' && /^(0|[1-9][0-9]*)$/.test(text) && BigInt(text) <= BigInt(Number.MAX_SAFE_INTEGER)
    if (isToken || isNumber) throw new WireFault('ELM-2', `${JSON.stringify(text)} is sent as a literal`)
    return text
  }
  if (kind === 1) {
    if (role === 'name') throw new WireFault('ELM-2', 'a number stands where a name has to')
    return String(reader.uint())
  }
  const token = registry.tokens[kind - firstToken]
  if (token === undefined) throw new WireFault('ELM-2', `no token has the number ${String(kind)}`)
  return token
}

function decodeName(reader: Reader): string {
  const name = decodeItem(reader, 'name', reader.uint())
  if (!/^[A-Za-z_][A-Za-z0-9._-]{0,63}$/.test(name)) throw new WireFault('ELM-7', `${JSON.stringify(name)} is no name`)
  return name
}

function decodeAttributes(reader: Reader): Record<string, string> {
  const count = reader.uint()
  if (count > limitOf('elementAttributesMax')) throw new WireFault('ELM-3', 'an element has too many attributes')
  const attributes: Record<string, string> = {}
  let before: Buffer | null = null
  for (let place = 0; place < count; place++) {
    const name = decodeName(reader)
    const bytes = Buffer.from(name)
    if (before !== null && Buffer.compare(before, bytes) >= 0) throw new WireFault('ELM-4', 'attributes are not in order, or one stands twice')
    before = bytes
    attributes[name] = decodeItem(reader, 'value', reader.uint())
  }
  return attributes
}

function decodeElement(reader: Reader, depth: number, budget: { nodes: number }): ElementValue {
  if (depth > limitOf('elementDepthMax')) throw new WireFault('ELM-3', 'a tree is too deep')
  if (--budget.nodes < 0) throw new WireFault('ELM-3', 'a tree has too many nodes')
  const name = decodeName(reader)
  const attributes = decodeAttributes(reader)
  const children: (ElementValue | string)[] = []
  for (let count = reader.uint(); count > 0; count--) {
    const kind = reader.uint()
    if (kind === 2) {
      children.push(decodeElement(reader, depth + 1, budget))
      continue
    }
    if (--budget.nodes < 0) throw new WireFault('ELM-3', 'a tree has too many nodes')
    const text = decodeItem(reader, 'value', kind)
    if (text === '' || typeof children.at(-1) === 'string') throw new WireFault('ELM-5', 'a text is empty, or stands beside another')
    children.push(text)
  }
  return { name, attributes, children }
}

function decodeList<T>(reader: Reader, field: FieldEntry, item: () => T): readonly T[] {
  const count = reader.uint()
  if (count > limitOf('listItemsMax')) throw new WireFault('FRM-17', `${field.name} has ${String(count)} items`)
  return Array.from({ length: count }, item)
}

function decodeField(reader: Reader, field: FieldEntry): FieldValue {
  switch (field.type) {
    case 'uint': return reader.uint()
    case 'int': {
      const value = reader.uint()
      return value % 2 === 0 ? value / 2 : -(value + 1) / 2
    }
    case 'time': return reader.take(6).reduce((time, byte) => time * 0x100 + byte, 0)
    case 'string': return reader.string()
    case 'text': {
      const bytes = reader.take(reader.uint())
      return textOf(bytes) ?? [...bytes]
    }
    case 'bytes': return hexOf(reader.take(reader.uint()))
    case 'uint[]': return decodeList(reader, field, () => reader.uint())
    case 'string[]': return decodeList(reader, field, () => reader.string())
    case 'element': {
      const inner = new Reader(reader.take(reader.uint()), `the element of ${field.name}`)
      const element = decodeElement(inner, 1, { nodes: limitOf('elementNodesMax') })
      if (!inner.isAtEnd) throw new WireFault('ELM-8', 'an element does not fill its field')
      return element
    }
    default: throw new TypeError(`the registry has a type that is not known here: ${field.type}`)
  }
}

/** [FRM-8] */
function decodeExtensions(reader: Reader): Record<number, string> {
  const extensions: Record<number, string> = {}
  let before = -1
  for (let count = 0; !reader.isAtEnd; count++) {
    const key = reader.uint()
    if (key <= before) throw new WireFault('FRM-8', 'extensions are not in rising order')
    if (count >= limitOf('extensionsMax')) throw new WireFault('FRM-8', 'there are too many extensions')
    extensions[key] = hexOf(reader.take(reader.uint()))
    before = key
  }
  return extensions
}

/** A body, type first. Throws a WireFault. */
export function decodeBody(body: Uint8Array): { readonly type: number; readonly frame: WireFrame | null } {
  if (body.length === 0) throw new WireFault('FRM-11', 'a frame of length 0')
  const reader = new Reader(body, 'a frame')
  const type = reader.uint()
  const entry: FrameEntry | undefined = framesByType.get(type)
  if (entry === undefined) return { type, frame: null }
  const values: Record<string, FieldValue> = {}
  for (const field of entry.fields) values[field.name] = decodeField(reader, field)
  return { type, frame: { frame: entry.name, values, extensions: decodeExtensions(reader) } }
}

/** Cuts a stream into frames, however it comes in pieces. [FRM-5] */
export class StreamDecoder {
  #held = Buffer.alloc(0)

  push(chunk: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, chunk])
  }

  /** Bytes of a frame that is not whole yet. */
  get rest(): number {
    return this.#held.length
  }

  /** The next whole frame, null where there is none. Throws a WireFault: nothing behind it can be read. */
  next(bodyBytesMax: number): Decoded | null {
    const length = this.#length()
    if (length === null) return null
    if (length.value > bodyBytesMax) throw new WireFault('FRM-3', `a frame of ${String(length.value)} bytes where ${String(bodyBytesMax)} are allowed`)
    const end = length.bytes + length.value
    if (this.#held.length < end) return null
    const bytes = this.#held.subarray(0, end)
    this.#held = this.#held.subarray(end)
    return { ...decodeBody(bytes.subarray(length.bytes)), bytes }
  }

  #length(): { readonly value: number; readonly bytes: number } | null {
    const end = this.#held.findIndex((byte) => byte < 0x80)
    if (end < 0 && this.#held.length <= limitOf('uintBytesMax')) return null
    const reader = new Reader(this.#held, 'a length')
    return { value: reader.uint(), bytes: reader.place }
  }
}

/** Uints one after another, of the value of an extension in hexadecimal. Throws a WireFault. */
export function uintsOf(hex: string): number[] {
  const reader = new Reader(Buffer.from(hex, 'hex'), 'an extension')
  const found: number[] = []
  while (!reader.isAtEnd) found.push(reader.uint())
  return found
}
