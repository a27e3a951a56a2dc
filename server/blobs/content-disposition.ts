/** What a download is called, by RFC 6266: `filename` for everybody, `filename*` (RFC 8187) where that could not say it all. */

const NAME_BYTES_MAX = 255

/**
 * `inline; filename="beach.jpg"`. The name is whatever a client said: nothing of it ends the header, names a folder, hides the end of
 * the name, or becomes a hidden file or a device. Empty: no name at all.
 */
export function contentDisposition(kind: 'inline' | 'attachment', name: string): string {
  const safe = safeName(name)
  if (safe === '') return kind
  // Decomposed, some characters are those that had a meaning: a wide slash is a slash.
  const decomposed = safeName(safe.normalize('NFKD').replaceAll(/[\u0300-\u036f]/g, ''))
  const plain = decomposed.replaceAll(/[^\x20-\x7e]+/g, '_').replaceAll(/["\\%]/g, '_') || '_'
  const extended = plain === safe ? '' : `; filename*=UTF-8''${percentEncode(safe)}`
  return `${kind}; filename="${plain}"${extended}`
}

/** One part of a path, without what has a meaning to some system. */
export function safeName(name: string): string {
  const cleaned = name
    // Only what is behind the last separator: some clients send paths.
    .replace(/^.*[/\\]/su, '')
    // Control characters, and those that turn the direction of text; halves of characters.
    .replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\ufffd]/gu, '')
    .replaceAll(/[<>:"|?*]/g, '_')
    .replace(/^[\s.]+/u, '')
  return shortened(cleaned).replace(/[\s.]+$/u, '').replace(/^(con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i, '_$1')
}

/** To what file systems hold, between characters, with its ending. */
function shortened(name: string): string {
  if (Buffer.byteLength(name) <= NAME_BYTES_MAX) return name
  const ending = /\.[A-Za-z0-9]{1,16}$/.exec(name)?.[0] ?? ''
  let start = ''
  let bytes = ending.length
  for (const character of name.slice(0, name.length - ending.length)) {
    bytes += Buffer.byteLength(character)
    if (bytes > NAME_BYTES_MAX) break
    start += character
  }
  return start + ending
}

/** Everything but the attr-char of RFC 8187. */
function percentEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(/['()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
