/**
 * What a picture is turned into when it arrives: its size as shown, a placeholder of a few bytes, and smaller or cleaned pictures. Bytes
 * in, descriptions out: who calls keeps rows, files and names. The work is done by `PreviewPool`.
 */

/** A picture to look at. `source` is read once, or given back unread or half read. */
export interface PreviewRequest {
  /** What the content is, as sniffed: `sniff(head).type`. */
  readonly type: string
  /** Bytes that `source` will yield. One that yields more or fewer has no preview. */
  readonly size: number
  readonly wants: PreviewWants
  /** The plain bytes of the picture, in order. It may wait before it is read: what opens a file does so best when it is. */
  readonly source: AsyncIterable<Uint8Array>
  /** That nobody has looked at it is an error then, so that it can be tried again, rather than null. */
  readonly isNeeded?: boolean
}

/**
 * Nobody has looked at the picture, for a reason that says nothing about it: too many wait, no process starts, its source failed. Or who
 * did has died of it, or of something else: `hasDied`.
 */
export class NotLookedAt extends Error {
  override readonly name = 'NotLookedAt'
  readonly hasDied: boolean
  constructor(message: string, hasDied = false) {
    super(message)
    this.hasDied = hasDied
  }
}

export interface PreviewWants {
  /** 320 pixels at the longer edge, never enlarged, WebP. */
  readonly thumbnail: boolean
  /** 640 and 96 pixels square, cut from the middle, enlarged where the picture is smaller, WebP. */
  readonly squares: boolean
  /** The picture itself without EXIF, GPS, XMP and comments, orientation applied, in its own format. */
  readonly stripped: boolean
}

export type RenditionKind = 'thumbnail' | 'square-640' | 'square-96' | 'stripped'

/** A picture made from the original. None carries metadata, but for the colour profile that `stripped` may need. */
export interface Rendition {
  readonly kind: RenditionKind
  readonly type: string
  readonly width: number
  readonly height: number
  readonly bytes: Uint8Array
}

export interface Preview {
  /** Pixels as shown: EXIF orientation applied. */
  readonly width: number
  readonly height: number
  /** A ThumbHash, about 25 bytes: https://evanw.github.io/thumbhash/ */
  readonly placeholder: Uint8Array
  /** Those that were wanted, all of them. */
  readonly renditions: readonly Rendition[]
}

export interface Previews {
  /**
   * Never rejects but for `signal`'s reason once it is aborted, and with NotLookedAt where the request says so. Null: the picture can't be decoded, is too large, took too long, its
   * source failed, its process died, or too many others are waiting. It is a file all the same.
   */
  make(request: PreviewRequest, signal?: AbortSignal): Promise<Preview | null>
  /** Ends all processes; what is in work or waiting becomes null. */
  close(): Promise<void>
}

/** Longest edge of a thumbnail, and the edges of the squares, in pixels. [BLB-10] */
export const THUMBNAIL_PIXELS = 320
export const SQUARE_PIXELS = [640, 96] as const
/** A placeholder lies within a message, so it has a bound of its own; a ThumbHash has 25 bytes at most. */
export const PLACEHOLDER_BYTES_MAX = 1024
