/**
 * Takes metadata out of pictures without decoding them: chunks and blocks that a viewer needs are kept, by lists, and all else is left
 * out, also what lies behind the end. The colour profile stays. Throws a TypeError on what has not the form of its format; work and memory
 * are bounded by the length of the picture.
 *
 * PNG: https://www.w3.org/TR/png-3/ · GIF: https://www.w3.org/Graphics/GIF/spec-gif89a.txt · WebP: RFC 9649 · AVIF: ISO/IEC 14496-12
 */
import { stripIsoMedia } from './iso-media-strip.js'

export function stripContainer(picture: Buffer, type: string): Buffer {
  switch (type) {
    case 'image/png': return stripPng(picture)
    case 'image/gif': return stripGif(picture)
    case 'image/webp': return stripWebp(picture)
    case 'image/avif':
    case 'image/heic': return stripIsoMedia(picture)
    default: throw new TypeError(`no way to clean ${type}`)
  }
}

const PNG_SIGNATURE_BYTES = 8
/** Pixels, how their colours are meant, and frames. Not: eXIf, tEXt, zTXt, iTXt, tIME and what programs add of their own. */
const PNG_KEPT: ReadonlySet<string> = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'cICP', 'sBIT', 'bKGD', 'acTL', 'fcTL', 'fdAT'])

function stripPng(picture: Buffer): Buffer {
  const kept = [picture.subarray(0, PNG_SIGNATURE_BYTES)]
  for (let at = PNG_SIGNATURE_BYTES; ;) {
    const end = at + 12 + within(picture, at, 8).readUInt32BE(at) // length, type, data, checksum
    within(picture, at, end - at)
    const type = picture.toString('latin1', at + 4, at + 8)
    if (PNG_KEPT.has(type)) kept.push(picture.subarray(at, end))
    if (type === 'IEND') return Buffer.concat(kept)
    at = end
  }
}

const GIF_HEADER_BYTES = 13
const GIF_IMAGE_BYTES = 10
const GIF_TRAILER = Buffer.of(0x3b)
/** Application extensions that say how often an animation repeats; others hold XMP and the like. */
const GIF_LOOPS: ReadonlySet<string> = new Set(['NETSCAPE2.0', 'ANIMEXTS1.0'])

function stripGif(picture: Buffer): Buffer {
  let at = GIF_HEADER_BYTES + gifTableBytes(within(picture, 0, GIF_HEADER_BYTES)[10]!)
  const kept = [picture.subarray(0, at)]
  for (;;) {
    const start = at
    const kind = within(picture, at, 1)[at]!
    if (kind === 0x3b) return Buffer.concat([...kept, GIF_TRAILER])
    if (kind === 0x2c) {
      at += GIF_IMAGE_BYTES + gifTableBytes(within(picture, at, GIF_IMAGE_BYTES)[at + 9]!) + 1 // and the code size
      at = endOfGifBlocks(picture, at)
      kept.push(picture.subarray(start, at))
    } else if (kind === 0x21) {
      const label = within(picture, at, 2)[at + 1]!
      at = endOfGifBlocks(picture, at + 2)
      const isLoop = label === 0xff && picture[start + 2] === 11 && GIF_LOOPS.has(picture.toString('latin1', start + 3, start + 14))
      if (label === 0xf9 || isLoop) kept.push(picture.subarray(start, at))
    } else throw new TypeError('no block of a GIF')
  }
}

/** Bytes of a colour table, from the flags of what it belongs to. */
function gifTableBytes(flags: number): number {
  return (flags & 0x80) === 0 ? 0 : 3 << ((flags & 7) + 1)
}

function endOfGifBlocks(picture: Buffer, start: number): number {
  for (let at = start; ;) {
    const length = within(picture, at, 1)[at]!
    at += 1 + length
    if (length === 0) return at
  }
}

const RIFF_HEADER_BYTES = 12
const WEBP_KEPT: ReadonlySet<string> = new Set(['VP8X', 'ICCP', 'ANIM', 'ANMF', 'ALPH', 'VP8 ', 'VP8L'])
const WEBP_FRAME_KEPT: ReadonlySet<string> = new Set(['ALPH', 'VP8 ', 'VP8L'])
const WEBP_FRAME_BYTES = 16
/** Flags of VP8X: an EXIF and an XMP chunk follow. */
const WEBP_METADATA_FLAGS = 0x08 | 0x04

function stripWebp(picture: Buffer): Buffer {
  const end = Math.min(picture.length, 8 + within(picture, 0, RIFF_HEADER_BYTES).readUInt32LE(4))
  const body = riffChunks(picture.subarray(RIFF_HEADER_BYTES, end), WEBP_KEPT).map(({ name, data }) => {
    if (name === 'VP8X' && data.length > 0) {
      const flags = Buffer.from(data)
      flags[0]! &= ~WEBP_METADATA_FLAGS
      return riffChunk(name, flags)
    }
    if (name !== 'ANMF') return riffChunk(name, data)
    const frame = riffChunks(within(data, 0, WEBP_FRAME_BYTES).subarray(WEBP_FRAME_BYTES), WEBP_FRAME_KEPT)
    return riffChunk(name, Buffer.concat([data.subarray(0, WEBP_FRAME_BYTES), ...frame.map((chunk) => riffChunk(chunk.name, chunk.data))]))
  })
  return riffChunk('RIFF', Buffer.concat([Buffer.from('WEBP'), ...body]))
}

interface RiffChunk {
  readonly name: string
  readonly data: Buffer
}

function riffChunks(bytes: Buffer, kept: ReadonlySet<string>): RiffChunk[] {
  const chunks: RiffChunk[] = []
  for (let at = 0; at + 8 <= bytes.length;) {
    const length = bytes.readUInt32LE(at + 4)
    within(bytes, at, 8 + length)
    const name = bytes.toString('latin1', at, at + 4)
    if (kept.has(name)) chunks.push({ name, data: bytes.subarray(at + 8, at + 8 + length) })
    at += 8 + length + (length & 1)
  }
  return chunks
}

function riffChunk(name: string, data: Buffer): Buffer {
  const header = Buffer.alloc(8, name, 'latin1')
  header.writeUInt32LE(data.length, 4)
  return Buffer.concat([header, data, Buffer.alloc(data.length & 1)])
}

function within(picture: Buffer, at: number, length: number): Buffer {
  if (at + length > picture.length) throw new TypeError('the picture ends early')
  return picture
}
