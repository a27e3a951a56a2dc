/**
 * The extension `attachment` of a message: references to blobs, as one element. Their form is checked here for both sides; whether the
 * sender holds them is the server's to look at. [BLB-11]
 */
import { decodeBase64, encodeBase64 } from './base64.js'
import { EMPTY_BYTES } from './bytes.js'
import { checkDisplayText } from './display-text.js'
import { decodeElement, element, type Element, encodeElement, uintAttribute } from './element.js'
import { decodeExtensions, encodeExtensions, findExtension } from './extensions.js'
import { EXTENSION, LIMIT } from './generated/registry.js'
import { utf8Size } from './utf8.js'

export interface Attachment {
  /** SHA-256 of the blob, 64 lower-case hexadecimal digits. [BLB-1] */
  readonly id: string
  /** Media type; with `key` of what is inside. */
  readonly type: string
  /** Bytes, 1 or more; with `key` of what is inside. */
  readonly size: number
  /** Of the file; empty: none. */
  readonly name: string
  /** As shown, in pixels; 0: not said. */
  readonly width: number
  readonly height: number
  /** 0: not said. */
  readonly durationMs: number
  /** ThumbHash; empty: none. */
  readonly placeholder: Uint8Array
  /** The server has a small version. */
  readonly thumbnail: boolean
  /** Id of the attachment of the same message that stands for this one; empty: none. */
  readonly preview: string
  /** What the client has encrypted the blob with; empty: it is not encrypted. */
  readonly key: Uint8Array
}

const ID = /^[0-9a-f]{64}$/
/** RFC 6838, section 4.2, in lower case and without parameters. */
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]*\/[a-z0-9][a-z0-9!#$&^_.+-]*$/

const NO_ATTACHMENTS: readonly Attachment[] = []

export function isBlobId(text: string): boolean {
  return ID.test(text)
}

/** Whether it is `type/subtype` in lower case, without parameters. */
export function isMediaType(text: string): boolean {
  return text.length <= LIMIT.mediaTypeBytesMax && MEDIA_TYPE.test(text)
}

/** Whether it may be the name of an attachment: a name that is fit to be shown, and no path. [BLB-11] */
export function isFileName(text: string): boolean {
  return text !== '' && text !== '.' && text !== '..' && utf8Size(text) <= LIMIT.attachmentNameBytesMax && !/[/\\]/.test(text) &&
    checkDisplayText(text, LIMIT.attachmentNameBytesMax) === null
}

/** Whether there is an attachment extension, well-formed or not; does not allocate but for the view of one. */
export function hasAttachments(extensions: Uint8Array): boolean {
  return findExtension(extensions, EXTENSION.attachment) !== null
}

/** What the extensions of a message carry, mostly nothing; null: this one breaks its form. Others are left alone. Never throws. [BLB-11] */
export function readAttachments(extensions: Uint8Array): readonly Attachment[] | null {
  const value = findExtension(extensions, EXTENSION.attachment)
  if (value === null) return NO_ATTACHMENTS
  const root = decodeElement(value)
  if (root?.name !== 'attachments') return null
  const attachments = new Map<string, Attachment>()
  for (const child of root.children) {
    if (typeof child === 'string' || child.name !== 'attachment') continue
    const attachment = readAttachment(child)
    if (attachment === null || attachments.has(attachment.id) || attachments.size === LIMIT.attachmentsMax) return null
    attachments.set(attachment.id, attachment)
  }
  for (const { id, preview } of attachments.values()) if (preview !== '' && (preview === id || !attachments.has(preview))) return null
  return attachments.size === 0 ? null : [...attachments.values()]
}

/** The extensions for these, along with `others`. Throws a RangeError for what would break the form. */
export function encodeAttachments(attachments: readonly Attachment[], others: Uint8Array = EMPTY_BYTES): Uint8Array {
  const value = encodeElement(element('attachments', {}, ...attachments.map(attachmentElement)))
  const extensions = encodeExtensions([...decodeExtensions(others) ?? [], { key: EXTENSION.attachment, value }])
  if (readAttachments(extensions) === null) throw new RangeError('an attachment breaks its form')
  return extensions
}

function readAttachment(node: Element): Attachment | null {
  const id = node.attributes.get('id') ?? ''
  const type = node.attributes.get('type') ?? ''
  const size = uintAttribute(node, 'size') ?? 0
  const name = node.attributes.get('name') ?? ''
  const width = positiveOf(node, 'width', LIMIT.attachmentPixelsMax)
  const height = positiveOf(node, 'height', LIMIT.attachmentPixelsMax)
  const durationMs = positiveOf(node, 'duration', LIMIT.uintMax)
  const placeholder = bytesOf(node, 'placeholder', LIMIT.placeholderBytesMax)
  const thumbnail = node.attributes.get('thumbnail') ?? 'false'
  const preview = node.attributes.get('preview') ?? ''
  const key = bytesOf(node, 'key', LIMIT.attachmentKeyBytesMax)
  if (!isBlobId(id) || !isMediaType(type) || size === 0 || (node.attributes.has('name') && !isFileName(name))) return null
  if (width < 0 || height < 0 || durationMs < 0 || placeholder === null || key === null) return null
  if ((thumbnail !== 'true' && thumbnail !== 'false') || (node.attributes.has('preview') && !isBlobId(preview))) return null
  return { id, type, size, name, width, height, durationMs, placeholder, thumbnail: thumbnail === 'true', preview, key }
}

/** 0: it is not there; -1: it is anything but a number from 1 to `max`. */
function positiveOf(node: Element, name: string, max: number): number {
  if (!node.attributes.has(name)) return 0
  const value = uintAttribute(node, name)
  return value === null || value === 0 || value > max ? -1 : value
}

/** Empty: it is not there; null: it is anything but base64 of 1 to `max` bytes. */
function bytesOf(node: Element, name: string, max: number): Uint8Array | null {
  const text = node.attributes.get(name)
  if (text === undefined) return EMPTY_BYTES
  const bytes = text.length > 4 * Math.ceil(max / 3) ? null : decodeBase64(text)
  return bytes === null || bytes.length === 0 || bytes.length > max ? null : bytes
}

function attachmentElement(attachment: Attachment): Element {
  const { id, type, size, name, width, height, durationMs, placeholder, thumbnail, preview, key } = attachment
  return element('attachment', {
    id, type, size, name: name || undefined, width: width || undefined, height: height || undefined, duration: durationMs || undefined,
    placeholder: placeholder.length === 0 ? undefined : encodeBase64(placeholder), thumbnail: thumbnail ? 'true' : undefined,
    preview: preview || undefined, key: key.length === 0 ? undefined : encodeBase64(key),
  })
}
