/** Files as lines tell of them: sizes, what a message carries, and the names under which they are saved. Pure. */
import { encodeBase64 } from '../../protocol/base64.js'
import type { Attachment } from '../../protocol/client/node.js'
import { endingOf } from '../../protocol/client/media-types.js'
import { safeText } from './safe-text.js'

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'] as const

/** `17 bytes`, `2.4 MiB`, `16 MiB` */
export function bytesText(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1024
    unit += 1
  }
  const digits = unit === 0 || value >= 99.95 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)
  return `${digits} ${bytes === 1 ? 'byte' : UNITS[unit] ?? ''}`
}

/** `📎 beach.jpg 2.4 MiB image/jpeg, 4032×3024`; safe for a terminal. */
export function attachmentText({ name, size, type, width, height, durationMs, key }: Attachment): string {
  const details = [
    ...width > 0 && height > 0 ? [`${width}×${height}`] : [],
    ...durationMs > 0 ? [playingTime(durationMs)] : [],
    ...key.length > 0 ? ['encrypted'] : [],
  ]
  return `📎 ${safeText(name === '' ? 'file' : name)} ${bytesText(size)} ${[safeText(type), ...details].join(', ')}`
}

/** `1:23`, `1:00:05` */
function playingTime(ms: number): string {
  const seconds = Math.round(ms / 1000)
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, String(seconds % 60).padStart(2, '0')]
  return hours === 0 ? `${minutes}:${rest}` : `${hours}:${String(minutes).padStart(2, '0')}:${rest}`
}

/** As scripts get it: what is not said is left out. */
export function attachmentObject({ id, type, size, name, width, height, durationMs, placeholder, thumbnail, preview, key }: Attachment): object {
  return {
    id, type, size,
    ...name === '' ? {} : { name },
    ...width === 0 ? {} : { width },
    ...height === 0 ? {} : { height },
    ...durationMs === 0 ? {} : { duration: durationMs },
    ...placeholder.length === 0 ? {} : { placeholder: encodeBase64(placeholder) },
    ...thumbnail ? { thumbnail } : {},
    ...preview === '' ? {} : { preview },
    ...key.length === 0 ? {} : { key: encodeBase64(key) },
  }
}

/** Of a name in most file systems, with room for a number and the name of a part. */
const NAME_BYTES_MAX = 200
/** What is a device on some systems, whatever its ending. */
const DEVICE = /^(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)/i

/** A name to save it under, from the one that its sender gave: never a path, never hidden, nothing that acts. `otherwise` where nothing is left. */
export function nameToSave({ name, type }: Pick<Attachment, 'name' | 'type'>, otherwise: string): string {
  const last = name.split(/[/\\]/).at(-1) ?? ''
  // Also what other systems take for a device, a stream or a pattern, and marks that turn the direction of what stands behind.
  const plain = last.replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '').replace(/[<>:"|?*]/g, '_').replace(/^[.\s]+|[.\s]+$/g, '')
  const safe = DEVICE.test(plain) ? `_${plain}` : plain
  if (safe === '') return `${otherwise}${endingOf(type)}`
  const { stem, extension } = partsOf(safe)
  return cut(stem, NAME_BYTES_MAX - Buffer.byteLength(extension)) + extension
}

/** The name, and where it is taken `name (2).jpg`, `name (3).jpg` … */
export function* freeNames(name: string): Generator<string, never, undefined> {
  yield name
  const { stem, extension } = partsOf(name)
  for (let number = 2; ; number++) yield `${stem} (${number})${extension}`
}

function partsOf(name: string): { stem: string; extension: string } {
  const extension = /(?<=.)\.[^.\s]{1,16}$/s.exec(name)?.[0] ?? ''
  return { stem: name.slice(0, name.length - extension.length), extension }
}

/** Not within a character. */
function cut(text: string, bytesMax: number): string {
  let kept = ''
  let bytes = 0
  for (const character of text) {
    bytes += Buffer.byteLength(character)
    if (bytes > bytesMax) return kept
    kept += character
  }
  return kept
}
