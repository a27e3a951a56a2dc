/**
 * What content is, from its first bytes, never from its name or what a client said of it. Formats that a browser could run (HTML, XML,
 * SVG, scripts) are looked for first, by a table after the WHATWG MIME Sniffing standard (https://mimesniff.spec.whatwg.org), then binary
 * formats by their signatures. A file that is valid as several formats gets one type, by what it begins with; what makes it harmless
 * is that only a short list is ever shown, and everything else is downloaded.
 */
import { fileTypeFromBuffer } from 'file-type'

export type MediaKind = 'image' | 'video' | 'audio' | 'other'

export interface Sniffed {
  /** A media type without parameters, in lower case. */
  readonly type: string
  /** What a client can do with it. Markup is `other` whatever its type is called: an SVG is a document, not a picture. */
  readonly kind: MediaKind
}

/** Bytes of the beginning that are looked at; all formats that are known can be told by them. */
export const HEAD_BYTES = 4100

const UNKNOWN = 'application/octet-stream'
const TEXT = 'text/plain'
const SVG = 'image/svg+xml'

/** Types that a browser may show in place: pictures, sound and film that can't hold a program. */
const SHOWN_INLINE: ReadonlySet<string> = new Set([
  'image/jpeg', 'image/png', 'image/webp', 'image/gif', 'image/avif',
  'video/mp4', 'video/webm',
  'audio/mpeg', 'audio/mp4', 'audio/ogg', 'audio/aac', 'audio/wav', 'audio/webm', 'audio/flac',
])

/** Several names of one format, by the name that is used here. */
const ALIASES: ReadonlyMap<string, string> = new Map([
  ['image/jpg', 'image/jpeg'], ['image/pjpeg', 'image/jpeg'], ['image/apng', 'image/png'], ['image/x-png', 'image/png'],
  ['image/heif', 'image/heic'], ['image/heic-sequence', 'image/heic'], ['image/heif-sequence', 'image/heic'],
  ['audio/x-m4a', 'audio/mp4'], ['audio/m4a', 'audio/mp4'], ['audio/mp3', 'audio/mpeg'], ['audio/x-mp3', 'audio/mpeg'],
  ['audio/x-wav', 'audio/wav'], ['audio/wave', 'audio/wav'], ['audio/vnd.wave', 'audio/wav'], ['audio/x-flac', 'audio/flac'],
  ['audio/x-aac', 'audio/aac'], ['audio/opus', 'audio/ogg'],
  ['video/x-m4v', 'video/mp4'], ['video/x-matroska', 'video/matroska'],
  ['text/xml', 'application/xml'], ['application/x-pdf', 'application/pdf'], ['application/x-zip-compressed', 'application/zip'],
])

/** Beginnings of markup and scripts after byte order mark and white space, in lower case; `tag`: a tag has to end behind it. */
const MARKUP: readonly { readonly text: string; readonly type: string; readonly tag: boolean }[] = [
  { text: '<?xml', type: 'application/xml', tag: false },
  { text: '<?php', type: 'application/x-httpd-php', tag: false },
  { text: '<svg', type: SVG, tag: true },
  { text: '<!doctype svg', type: SVG, tag: true },
  { text: '<!doctype html', type: 'text/html', tag: true },
  { text: '<!--', type: 'text/html', tag: false },
  ...['html', 'head', 'script', 'iframe', 'h1', 'div', 'font', 'table', 'a', 'style', 'title', 'b', 'body', 'br', 'p', 'meta', 'img', 'link', 'form',
    'object', 'embed', 'base', 'template', 'video', 'audio', 'math']
    .map((name) => ({ text: `<${name}`, type: 'text/html', tag: true })),
  { text: '%pdf-', type: 'application/pdf', tag: false },
  { text: '#!', type: 'text/x-script', tag: false },
]

/** Types of texts that nothing in their first bytes tells from any other text. */
const TEXT_WITHOUT_SIGNATURE = /^(text\/(?!html|xml)|application\/(json|javascript|ecmascript|x-ndjson|yaml|x-yaml|toml|sql|rtf|.+\+json$))/
/** Formats that are ZIP archives of a certain content, and may lie beyond the head. */
const ZIP_WITHIN = /^application\/(zip|java-archive|epub\+zip|.+\+zip$|vnd\.(openxmlformats-officedocument|oasis\.opendocument|android)\.)/

/**
 * Looks at the first `HEAD_BYTES` bytes alone; more may be given. The same bytes always give the same answer; it never rejects. What is
 * nothing that is known is `text/plain` if it is text (UTF-8 or UTF-16 with a byte order mark, without control characters), otherwise
 * `application/octet-stream`.
 */
export async function sniff(content: Uint8Array): Promise<Sniffed> {
  const head = content.subarray(0, HEAD_BYTES)
  const encoding = encodingOf(head)
  const text = textOf(head, encoding)
  // The mark of UTF-16 is the beginning of some sound too, but that holds bytes that no text does.
  const binary = text !== null && encoding !== 'utf-8' ? null : await binaryOf(head)
  const type = markupOf(text ?? latin1(head)) ?? binary ?? (text === null ? UNKNOWN : TEXT)
  return { type, kind: kindOf(type) }
}

/** Whether a browser may be told to show this. Whatever it is not true for is only ever downloaded: HTML, SVG, XML, PDF and all unknown. */
export function isShownInline(type: string): boolean {
  return SHOWN_INLINE.has(type)
}

/** Whether an operator's list lets a type in. Patterns: a type (`application/pdf`), all of a kind (`image/*`), or all (`*`). */
export function isAllowed(type: string, patterns: readonly string[]): boolean {
  const name = canonicalType(type)
  return patterns.some((pattern) => {
    const wanted = pattern.trim().toLowerCase()
    if (wanted === '*' || wanted === '*/*') return true
    return wanted.endsWith('/*') ? name.startsWith(wanted.slice(0, -1)) : canonicalType(wanted) === name
  })
}

/** Whether what a client said of a file fits what it is. Only worth a line in a log: the sniffed type is what counts. */
export function agrees(claimed: string, sniffed: string): boolean {
  const claim = canonicalType(claimed)
  if (claim === sniffed || claim === UNKNOWN || claim === '') return true
  if (sniffed === TEXT) return TEXT_WITHOUT_SIGNATURE.test(claim)
  if (sniffed === 'application/zip') return ZIP_WITHIN.test(claim)
  return sniffed === UNKNOWN && !SHOWN_INLINE.has(claim) && claim !== SVG && claim !== 'text/html'
}

/** Without parameters, in lower case, by the name that is used here. */
function canonicalType(type: string): string {
  const name = type.split(';', 1)[0]!.trim().toLowerCase()
  return ALIASES.get(name) ?? name
}

function kindOf(type: string): MediaKind {
  if (type === SVG) return 'other'
  const kind = type.slice(0, type.indexOf('/'))
  return kind === 'image' || kind === 'video' || kind === 'audio' ? kind : 'other'
}

/** The type by signature, or null. */
async function binaryOf(head: Uint8Array): Promise<string | null> {
  try {
    const found = await fileTypeFromBuffer(head)
    return found === undefined ? null : canonicalType(found.mime)
  } catch {
    return null // a format that goes on behind the head, or one that is broken
  }
}

function markupOf(head: string): string | null {
  const text = head.replace(/^\uFEFF/, '').replace(/^[\t\n\f\r ]+/, '').toLowerCase()
  const found = MARKUP.find((entry) => text.startsWith(entry.text) && (!entry.tag || /^([\t\n\f\r />]|$)/.test(text.slice(entry.text.length))))
  if (found === undefined) return null
  // A prologue or a comment may come before what the document is.
  if (found.type === 'application/xml' || found.text === '<!--') {
    if (/<svg[\s/>:]|<[\w.-]+:svg[\s/>]/.test(text)) return SVG
    if (found.type === 'application/xml' && /<html[\s/>]/.test(text)) return 'application/xhtml+xml'
  }
  return found.type
}

/** By the byte order mark. */
function encodingOf(head: Uint8Array): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (head[0] === 0xff && head[1] === 0xfe) return 'utf-16le'
  return head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8'
}

/** The head as text, or null where it is none. A character that the end of a full head cuts is no reason against it. */
function textOf(head: Uint8Array, encoding: string): string | null {
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(head, { stream: head.length === HEAD_BYTES })
    return isText(text) ? text : null
  } catch {
    return null
  }
}

/** The standard's binary data bytes are what no text holds. */
function isText(text: string): boolean {
  return !/[\0-\x08\x0b\x0e-\x1a\x1c-\x1f]/.test(text)
}

/** Byte by byte, for beginnings of files that are binary further on, without the UTF-8 byte order mark. */
function latin1(head: Uint8Array): string {
  const start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0
  return Buffer.from(head.buffer, head.byteOffset + start, head.length - start).toString('latin1')
}
