/** The elements of the queries about blobs: builds what is asked, reads what is answered. null: makes no sense. See spec/blobs.md. */
import { decodeBase64 } from '../base64.js'
import { EMPTY_BYTES } from '../bytes.js'
import { childOf, element, uintAttribute } from '../element.js'
import type { Element } from '../element.js'
import { readBoolean } from './query-elements.js'

/** What the server says of a blob that the user holds. */
export interface BlobInfo {
  /** SHA-256 of its bytes, 64 hexadecimal digits. [BLB-1] */
  readonly id: string
  /** Media type, found in the bytes. [BLB-3] */
  readonly type: string
  /** Bytes. */
  readonly size: number
  /** Of a picture as it is shown, in pixels; 0: none that could be decoded. */
  readonly width: number
  readonly height: number
  /** ThumbHash; empty: none. */
  readonly placeholder: Uint8Array
  /** There is a small version of it. */
  readonly thumbnail: boolean
  /** There are square versions of it: it can be the picture of a profile or a group. */
  readonly picture: boolean
}

/** Which version of a blob; the squares are those of pictures of profiles and groups. */
export type Rendition = 'original' | 'thumbnail' | 'square-640' | 'square-96'

/** Where an upload goes. */
export interface UploadSlot {
  readonly id: string
  readonly url: string
  readonly token: string
  /** Bytes that the server has already. */
  readonly offset: number
}

export interface UploadRequest {
  readonly size: number
  readonly hash: string
  readonly type: string
  readonly strip: boolean
  readonly picture: boolean
}

/** Where a download is. Who has the URL has the bytes: tell it nobody. [BLB-18] */
export interface DownloadGrant {
  readonly url: string
  readonly type: string
  readonly size: number
  /** SHA-256 of what is downloaded, 64 hexadecimal digits. */
  readonly hash: string
}

export interface BlobUsage {
  /** Bytes that the user's blobs and uploads take. */
  readonly used: number
  /** null: there is no limit. */
  readonly quota: number | null
  /** Of one blob, at this server. */
  readonly blobBytesMax: number
}

/** What may be downloaded, and by what right. */
export type BlobPlace =
  /** Of a message; `with` is its conversation. */
  | { readonly with: string; readonly seq: number; readonly id: string }
  /** The picture of a profile. */
  | { readonly user: string }
  /** The picture of a group. */
  | { readonly group: string }
  /** One that the user holds. */
  | { readonly id: string }

const HASH = /^[0-9a-f]{64}$/

export function uploadQuery({ size, hash, type, strip, picture }: UploadRequest): Element {
  return element('upload', { size, hash, type, strip: strip ? 'true' : undefined, picture: picture ? 'true' : undefined })
}

/** The blob, if the user holds it already. [BLB-4] */
export function readUpload(answer: Element): { readonly blob: BlobInfo } | { readonly slot: UploadSlot } | null {
  if (answer.name !== 'upload') return null
  const held = childOf(answer, 'blob')
  if (held !== null) {
    const blob = readBlob(held)
    return blob === null ? null : { blob }
  }
  const { id, url, token } = Object.fromEntries(answer.attributes)
  const offset = uintAttribute(answer, 'offset')
  return id === undefined || url === undefined || token === undefined || offset === null ? null : { slot: { id, url, token, offset } }
}

export function uploadedQuery(upload: string): Element {
  return element('blob', { upload })
}

/** What became of an upload; `under way`: it is not complete. */
export function readUploaded(answer: Element): BlobInfo | 'under way' | null {
  return answer.name === 'blob' && answer.attributes.has('offset') ? 'under way' : readBlob(answer)
}

export function keepQuery(conversation: string, seq: number, id: string): Element {
  return element('blob-keep', { with: conversation, seq, id })
}

/** The blob that is held from now on. */
export function readKept(answer: Element): BlobInfo | null {
  const blob = answer.name === 'blob-keep' ? childOf(answer, 'blob') : null
  return blob === null ? null : readBlob(blob)
}

/** A description. */
export function readBlob(answer: Element): BlobInfo | null {
  const { id = '', type } = Object.fromEntries(answer.attributes)
  const size = uintAttribute(answer, 'size')
  const placeholder = decodeBase64(answer.attributes.get('placeholder') ?? '')
  if (answer.name !== 'blob' || !HASH.test(id) || type === undefined || size === null) return null
  return {
    id, type, size, width: uintAttribute(answer, 'width') ?? 0, height: uintAttribute(answer, 'height') ?? 0, placeholder: placeholder ?? EMPTY_BYTES,
    thumbnail: readBoolean(answer, 'thumbnail') === true, picture: readBoolean(answer, 'picture') === true,
  }
}

export function blobUrlQuery(place: BlobPlace, rendition: Rendition): Element {
  const version = rendition === 'original' ? undefined : rendition
  if ('seq' in place) return element('blob-url', { id: place.id, with: place.with, seq: place.seq, rendition: version })
  if ('user' in place) return element('blob-url', { user: place.user, rendition: version })
  if ('group' in place) return element('blob-url', { with: place.group, rendition: version })
  return element('blob-url', { id: place.id, rendition: version })
}

export function readBlobUrl(answer: Element): DownloadGrant | null {
  const { url, type, hash = '' } = Object.fromEntries(answer.attributes)
  const size = uintAttribute(answer, 'size')
  return answer.name !== 'blob-url' || url === undefined || type === undefined || size === null || !HASH.test(hash) ? null : { url, type, size, hash }
}

export function usageQuery(): Element {
  return element('blobs')
}

export function readUsage(answer: Element): BlobUsage | null {
  const used = uintAttribute(answer, 'used')
  const blobBytesMax = uintAttribute(answer, 'blobBytesMax')
  return answer.name !== 'blobs' || used === null || blobBytesMax === null ? null : { used, quota: uintAttribute(answer, 'quota'), blobBytesMax }
}
