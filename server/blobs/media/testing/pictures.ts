/** Pictures for tests, made on the spot: ordinary ones by sharp, those that no program makes byte by byte. */
import { deflateSync } from 'node:zlib'
import { crc32 } from './crc32.js'
import sharp, { type Sharp } from 'sharp'

export const PREVIEWED = ['jpeg', 'png', 'webp', 'gif', 'avif'] as const

/** How a PDF begins. Joined here, since it would read as the id of a requirement. */
export const PDF = ['%PDF', '1.7\n'].join('-')

/** Four quarters of their own colours, so that a turn or a mirror shows: red and green above, blue and white below. */
export function quarters(width: number, height: number): Sharp {
  const data = Buffer.alloc(width * height * 3)
  const colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.set(colours[(y * 2 >= height ? 2 : 0) + (x * 2 >= width ? 1 : 0)]!, (y * width + x) * 3)
  }
  return sharp(data, { raw: { width, height, channels: 3 } })
}

/** Several frames, grey, each a little lighter. */
export async function animated(format: 'gif' | 'webp', frames = 5, width = 40, height = 30): Promise<Buffer> {
  const data = Buffer.alloc(width * height * frames * 3)
  for (let frame = 0; frame < frames; frame++) data.fill(frame * 20 + 20, frame * width * height * 3, (frame + 1) * width * height * 3)
  const image = sharp(data, { raw: { width, height: height * frames, channels: 3, pageHeight: height } })
  return format === 'gif' ? image.gif().toBuffer() : image.webp({ lossless: true }).toBuffer()
}

/** A chunk of a PNG: length, type, data, checksum. */
export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8 + body.length)
  frame.writeUInt32BE(data.length)
  body.copy(frame, 4)
  frame.writeUInt32BE(crc32(body), 4 + body.length)
  return frame
}

const PNG_SIGNATURE = Buffer.from('89504e470d0a1a0a', 'hex')

/** The chunk that says how large a PNG is; greyscale of 8 bits unless told. */
export function pngHeader(width: number, height: number, depth = 8, colour = 0): Buffer {
  const data = Buffer.alloc(13)
  data.writeUInt32BE(width, 0)
  data.writeUInt32BE(height, 4)
  data[8] = depth
  data[9] = colour
  return pngChunk('IHDR', data)
}

export function png(...chunks: readonly Buffer[]): Buffer {
  return Buffer.concat([PNG_SIGNATURE, ...chunks, pngChunk('IEND', Buffer.alloc(0))])
}

/** Puts chunks behind the header of a PNG. */
export function withPngChunks(picture: Buffer, ...chunks: readonly Buffer[]): Buffer {
  const headerEnd = PNG_SIGNATURE.length + 25
  return Buffer.concat([picture.subarray(0, headerEnd), ...chunks, picture.subarray(headerEnd)])
}

/** So many zeros, compressed as well as deflate can: about a thousandth. */
export function deflatedZeros(bytes: number): Buffer {
  return deflateSync(Buffer.alloc(bytes), { level: 9 })
}

/** A GIF of one pixel in so many frames. */
export function gifOfFrames(frames: number): Buffer {
  const frame = Buffer.from('21f90400010000002c000000000100010000020144003b', 'hex').subarray(0, -1)
  return Buffer.concat([Buffer.from('47494638396101000100800000000000ffffff', 'hex'), ...Array.from({ length: frames }, () => frame), Buffer.of(0x3b)])
}
