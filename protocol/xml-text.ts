/**
 * Text within the XML form. XML 1.0 can't carry most control characters, and parsers change white space; `\u{hex}` stands for them
 * here, and for the backslash itself, so that every string of a frame comes back as it was.
 */
import { escapeXML } from 'ltx'

/** What XML 1.0 does not allow, what parsers turn into something else (CR), and the backslash. */
const IN_CONTENT = /[\\\u0000-\u0008\u000b-\u001f\ufffe\uffff]/g
/** In attributes parsers turn TAB and LF into spaces too. */
const IN_ATTRIBUTE = /[\\\u0000-\u001f\ufffe\uffff]/g

function escapeUnit(unit: string): string {
  return `\\u{${unit.charCodeAt(0).toString(16)}}`
}

/** Text between tags. */
export function contentText(text: string): string {
  return escapeXML(text.replace(IN_CONTENT, escapeUnit))
}

/** An attribute with the space before it. */
export function attributeText(name: string, value: string): string {
  return ` ${name}="${escapeXML(value.replace(IN_ATTRIBUTE, escapeUnit))}"`
}

/** The text behind parsed content or a parsed attribute; null for a backslash that begins no escape. */
export function plainText(text: string): string | null {
  if (!text.includes('\\')) return text
  const isWhole = /^(?:[^\\]|\\u\{[0-9a-f]{1,4}\})*$/.test(text)
  return isWhole ? text.replace(/\\u\{([0-9a-f]+)\}/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))) : null
}
