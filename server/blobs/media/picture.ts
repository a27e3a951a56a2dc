/**
 * Decodes a picture and makes its smaller and cleaner versions, by sharp (libvips). Only to be used in a preview process: decoders are
 * the part of a server that a file can do most harm to.
 */
import sharp, { type Metadata, type Sharp, type SharpOptions } from 'sharp'
import { rgbaToThumbHash } from 'thumbhash'
import { stripContainer } from './container-strip.js'
import type { PictureFault, PictureJob } from './preview-frames.js'
import { type Preview, type Rendition, SQUARE_PIXELS, THUMBNAIL_PIXELS } from './previews.js'

/**
 * The formats that are decoded, by their type. `heif` reads AVIF, and HEIC in a libvips that was built with an HEVC decoder; the one that
 * comes with sharp has none, since HEVC is under patents.
 */
const LOADERS = ['VipsForeignLoadJpegBuffer', 'VipsForeignLoadPngBuffer', 'VipsForeignLoadWebpBuffer', 'VipsForeignLoadNsgifBuffer', 'VipsForeignLoadHeifBuffer']

// Whatever libvips could read besides (SVG, PDF, TIFF, what ImageMagick knows) is refused by its own list, before any of its code runs.
sharp.block({ operation: ['VipsForeignLoad'] })
sharp.unblock({ operation: LOADERS })
// One picture at a time, each seen once; the pool's processes are what runs at the same time.
sharp.cache(false)
sharp.concurrency(1)

/** ThumbHash takes at most this; more would not be seen in it. */
const PLACEHOLDER_PIXELS = 100
const WEBP = { quality: 80 } as const
const JPEG_QUALITY = 92

/** Pixels of 8 bits in sRGB, as sharp takes them back. */
interface Pixels {
  readonly data: Buffer
  readonly width: number
  readonly height: number
  readonly channels: 1 | 2 | 3 | 4
}

/** What is made of a picture, or why nothing is. Never rejects because of the picture. */
export async function lookAt(picture: Buffer, job: PictureJob): Promise<Preview | PictureFault> {
  // The first frame only. Pixel limits count before anything is decoded; `unlimited` would lift those of the decoders.
  const options: SharpOptions = { pages: 1, limitInputPixels: job.limits.pixelsMax, unlimited: false, failOn: 'error', sequentialRead: true }
  try {
    const metadata = await sharp(picture, options).metadata()
    if (typeOf(metadata) !== job.type) return 'undecodable'
    return await make(picture, metadata, options, job)
  } catch (error) {
    return error instanceof Error && error.message.includes('exceeds pixel limit') ? 'too-large' : 'undecodable'
  }
}

async function make(picture: Buffer, metadata: Metadata, options: SharpOptions, { wants, type }: PictureJob): Promise<Preview> {
  const { width, height } = metadata.autoOrient
  const renditions: Rendition[] = []
  // What is not asked for is not made: a placeholder alone needs no more than its own pixels.
  const edge = wants.thumbnail ? THUMBNAIL_PIXELS : PLACEHOLDER_PIXELS
  const small = await pixels(sharp(picture, options).autoOrient().resize(edge, edge, { fit: 'inside', withoutEnlargement: true }))
  // From pixels alone: whatever the camera wrote beside them is left behind. [BLB-10]
  if (wants.thumbnail) renditions.push(await webp('thumbnail', fromPixels(small)))
  if (wants.squares) {
    const largest = await pixels(sharp(picture, options).autoOrient().resize(SQUARE_PIXELS[0], SQUARE_PIXELS[0], { fit: 'cover' }))
    for (const square of SQUARE_PIXELS) renditions.push(await webp(`square-${square}`, fromPixels(largest).resize(square, square)))
  }
  if (wants.stripped) renditions.push(await strip(picture, metadata, options, type))
  return { width, height, placeholder: await placeholderOf(small), renditions }
}

async function pixels(image: Sharp): Promise<Pixels> {
  const { data, info } = await image.toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true })
  return { data, width: info.width, height: info.height, channels: info.channels }
}

function fromPixels({ data, width, height, channels }: Pixels): Sharp {
  return sharp(data, { raw: { width, height, channels } })
}

async function webp(kind: Rendition['kind'], image: Sharp): Promise<Rendition> {
  const { data, info } = await image.webp(WEBP).toBuffer({ resolveWithObject: true })
  return { kind, type: 'image/webp', width: info.width, height: info.height, bytes: data }
}

async function placeholderOf(small: Pixels): Promise<Uint8Array> {
  const tiny = fromPixels(small).resize(PLACEHOLDER_PIXELS, PLACEHOLDER_PIXELS, { fit: 'inside', withoutEnlargement: true }).toColourspace('srgb').ensureAlpha()
  const { data, width, height } = await pixels(tiny)
  return rgbaToThumbHash(width, height, data)
}

/**
 * Without re-encoding where the container can be cleaned by itself: nothing is lost, and animations stay. A JPEG is made anew, since
 * cameras hide whole pictures and films behind its end and within its segments.
 */
async function strip(picture: Buffer, metadata: Metadata, options: SharpOptions, type: string): Promise<Rendition> {
  const isTurned = (metadata.orientation ?? 1) > 1 && type !== 'image/avif' && type !== 'image/heic' // those turn by a property that stays
  const isAnimated = (metadata.pages ?? 1) > 1
  if (type !== 'image/jpeg' && (isAnimated || !isTurned)) {
    const bytes = stripContainer(picture, type)
    const cleaned = await sharp(bytes, options).metadata()
    return { kind: 'stripped', type, width: cleaned.autoOrient.width, height: cleaned.autoOrient.height, bytes }
  }
  const { data, info } = await reencoded(sharp(picture, options).autoOrient(), metadata, type).toBuffer({ resolveWithObject: true })
  return { kind: 'stripped', type, width: info.width, height: info.height, bytes: data }
}

/** In the same format, with colours as sRGB, so that no profile is needed. */
function reencoded(image: Sharp, metadata: Metadata, type: string): Sharp {
  if (type === 'image/jpeg') {
    const chromaSubsampling = metadata.chromaSubsampling === '4:4:4' ? '4:4:4' : '4:2:0'
    return image.toColourspace(metadata.space === 'b-w' ? 'b-w' : 'srgb').jpeg({ quality: JPEG_QUALITY, chromaSubsampling, progressive: metadata.isProgressive })
  }
  if (type === 'image/png') return image.toColourspace(metadata.depth === 'ushort' ? 'rgb16' : 'srgb').png()
  if (type === 'image/webp') return image.webp({ quality: JPEG_QUALITY })
  throw new TypeError(`${type} is not made anew`)
}

function typeOf({ format, compression }: Metadata): string | null {
  switch (format) {
    case 'jpeg':
    case 'png':
    case 'webp':
    case 'gif':
      return `image/${format}`
    case 'heif':
      return compression === 'av1' ? 'image/avif' : compression === 'hevc' ? 'image/heic' : null
    default:
      return null
  }
}
