/**
 * What the server and a preview process say to each other, over the process's stdin and stdout:
 *
 *     length of the header (4 bytes, big endian) · header (JSON) · the bytes that the header counts
 *
 * The process works on content from anywhere, so all that it answers is checked like what comes from a client: a picture that takes
 * over the process can make wrong previews, and nothing else.
 */
import type { Readable } from 'node:stream'
import { PLACEHOLDER_BYTES_MAX, type Preview, type PreviewWants, type Rendition, type RenditionKind, SQUARE_PIXELS, THUMBNAIL_PIXELS } from './previews.js'

/** The limits that the process keeps by itself; those of time and memory are the server's. */
export interface PictureLimits {
  readonly pixelsMax: number
}

export interface PictureJob {
  readonly type: string
  /** Bytes that follow. */
  readonly size: number
  readonly wants: PreviewWants
  readonly limits: PictureLimits
}

/** Why there is no preview, where the process itself says so. */
export type PictureFault = 'undecodable' | 'too-large'

const HEADER_BYTES_MAX = 16 * 1024
const LENGTH_BYTES = 4

/** Thrown by everything here that reads: what came is not what this file says. */
export class FrameError extends Error {}

export function encodeHeader(header: object): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + json.length)
  frame.writeUInt32BE(json.length)
  json.copy(frame, LENGTH_BYTES)
  return frame
}

/** The answer, in pieces to be written in order. */
export function encodeAnswer(answer: Preview | PictureFault): Uint8Array[] {
  if (typeof answer === 'string') return [encodeHeader({ fault: answer })]
  const header = {
    width: answer.width, height: answer.height, placeholder: Buffer.from(answer.placeholder).toString('base64'),
    renditions: answer.renditions.map(({ kind, type, width, height, bytes }) => ({ kind, type, width, height, size: bytes.length })),
  }
  return [encodeHeader(header), ...answer.renditions.map((rendition) => rendition.bytes)]
}

/** Exact numbers of bytes from a stream, one read at a time. Nothing is read ahead but the rest of a chunk. */
export class ByteReader {
  readonly #stream: Readable
  readonly #chunks: Buffer[] = []
  #length = 0
  #wanted = 0
  #isOver = false
  #wake: () => void = nothing

  constructor(stream: Readable) {
    this.#stream = stream
    const over = (): void => {
      this.#isOver = true
      this.#wake()
    }
    stream.on('end', over).on('close', over).on('error', over).on('data', (chunk: Buffer) => {
      this.#chunks.push(chunk)
      this.#length += chunk.length
      if (this.#length < this.#wanted) return
      stream.pause()
      this.#wake()
    }).pause()
  }

  /** Null where the stream has ended before the first. Throws a FrameError where it ended before the last. */
  async bytes(length: number): Promise<Buffer | null> {
    this.#wanted = length
    while (this.#length < length && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#stream.resume()
      })
    }
    if (this.#length >= length) return this.#take(length)
    if (this.#length === 0) return null
    throw new FrameError('the stream ended early')
  }

  /** A header; null where the stream has ended before it. */
  async header(): Promise<unknown> {
    const start = await this.bytes(LENGTH_BYTES)
    if (start === null) return null
    const length = start.readUInt32BE()
    if (length === 0 || length > HEADER_BYTES_MAX) throw new FrameError('the header is too long')
    const json = await this.bytes(length)
    if (json === null) throw new FrameError('the stream ended within a header')
    try {
      return JSON.parse(json.toString())
    } catch (cause) {
      throw new FrameError('the header is no JSON', { cause })
    }
  }

  #take(length: number): Buffer {
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#length)
    this.#length -= length
    this.#chunks.length = 0
    if (this.#length > 0) this.#chunks.push(all.subarray(length))
    return all.subarray(0, length)
  }
}

function nothing(): void {}

/** Reads and checks the answer to a job. Throws a FrameError on one that a process in good order doesn't give. */
export async function readAnswer(reader: ByteReader, job: PictureJob, renditionBytesMax: number): Promise<Preview | PictureFault> {
  const header = await reader.header()
  if (!isRecord(header)) throw new FrameError('there is no answer')
  if (header['fault'] === 'undecodable' || header['fault'] === 'too-large') return header['fault']
  const { width, height, placeholder, renditions } = header
  if (!isPixels(width, job.limits.pixelsMax) || !isPixels(height, job.limits.pixelsMax) || width * height > job.limits.pixelsMax) throw new FrameError('a size is out of bounds')
  if (typeof placeholder !== 'string' || !Array.isArray(renditions)) throw new FrameError('a field has a wrong type')
  const hash = Buffer.from(placeholder, 'base64')
  if (hash.length === 0 || hash.length > PLACEHOLDER_BYTES_MAX) throw new FrameError('the placeholder is out of bounds')
  const missing = wantedRenditions(job)
  const made: Rendition[] = []
  let left = renditionBytesMax
  for (const entry of renditions as unknown[]) {
    if (!isRecord(entry)) throw new FrameError('a rendition is none')
    const wanted = missing.get(entry['kind'] as RenditionKind)
    const size = entry['size']
    if (wanted === undefined || entry['type'] !== wanted.type) throw new FrameError('a rendition was not asked for')
    if (!isPixels(entry['width'], wanted.edgeMax) || !isPixels(entry['height'], wanted.edgeMax)) throw new FrameError('a rendition is too wide')
    if (!isPixels(size, left)) throw new FrameError('a rendition is too long')
    left -= size
    missing.delete(wanted.kind)
    const bytes = await reader.bytes(size)
    if (bytes === null) throw new FrameError('a rendition is missing')
    made.push({ kind: wanted.kind, type: wanted.type, width: entry['width'], height: entry['height'], bytes })
  }
  if (missing.size > 0) throw new FrameError('a rendition is missing')
  return { width, height, placeholder: hash, renditions: made }
}

interface WantedRendition {
  readonly kind: RenditionKind
  readonly type: string
  readonly edgeMax: number
}

function wantedRenditions({ wants, type, limits }: PictureJob): Map<RenditionKind, WantedRendition> {
  const wanted: WantedRendition[] = []
  if (wants.thumbnail) wanted.push({ kind: 'thumbnail', type: 'image/webp', edgeMax: THUMBNAIL_PIXELS })
  if (wants.squares) for (const edgeMax of SQUARE_PIXELS) wanted.push({ kind: `square-${edgeMax}`, type: 'image/webp', edgeMax })
  if (wants.stripped) wanted.push({ kind: 'stripped', type, edgeMax: limits.pixelsMax })
  return new Map(wanted.map((entry) => [entry.kind, entry]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isPixels(value: unknown, max: number): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0 && (value as number) <= max
}
