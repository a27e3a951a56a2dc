/**
 * Tokens of uploads and URLs of downloads: what they allow stands in them, under a MAC of the server's (HMAC-SHA256), so that nobody can
 * guess or change one, and nothing has to be kept for them. The keys are derived from the server's secret (HKDF, RFC 5869), one for
 * each purpose: they survive a restart, and neither can be used as the other.
 */
import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import type { RenditionKind } from './blob-router.js'

export interface UploadClaims {
  /** Of the upload, 32 hexadecimal digits. */
  readonly id: string
  readonly user: string
  /** Of the whole, in bytes, as announced. */
  readonly size: number
  /** Unix time, ms. */
  readonly expiresMs: number
}

export interface DownloadClaims {
  /** Of the blob, 64 hexadecimal digits. */
  readonly id: string
  readonly rendition: RenditionKind | 'original'
  /** What the download shall be called; empty: nothing. */
  readonly name: string
  /** Unix time, ms. */
  readonly expiresMs: number
}

/** What can be downloaded of a blob. */
export const RENDITIONS = ['original', 'thumbnail', 'square-640', 'square-96'] as const satisfies readonly (RenditionKind | 'original')[]
const MAC_BYTES = 32
const VERSION = 1
/** Version, size, expiry, id. */
const HEAD_BYTES = 1 + 8 + 8 + 16
/** Longer ones are not looked at: nobody has been given one. */
const TOKEN_CHARACTERS_MAX = 1024
const QUERY_CHARACTERS_MAX = 4096

/** Seals and opens. `open` functions return null for whatever is not ours, not whole or over; they do not say which. */
export class Capabilities {
  readonly #uploadKey: Buffer
  readonly #downloadKey: Buffer

  /** `secret`: the server's, 32 bytes. */
  constructor(secret: Uint8Array) {
    this.#uploadKey = derive(secret, 'chatd blob upload token')
    this.#downloadKey = derive(secret, 'chatd blob download url')
  }

  /** A token for the header `Authorization: Bearer`. [BLB-9] */
  uploadToken({ id, user, size, expiresMs }: UploadClaims): string {
    const head = Buffer.alloc(HEAD_BYTES)
    head[0] = VERSION
    head.writeBigUInt64BE(BigInt(size), 1)
    head.writeBigUInt64BE(BigInt(expiresMs), 9)
    head.write(id, 17, 'hex')
    const claims = Buffer.concat([head, Buffer.from(user)])
    return Buffer.concat([mac(this.#uploadKey, claims), claims]).toString('base64url')
  }

  openUpload(token: string, nowMs: number): UploadClaims | null {
    if (token.length > TOKEN_CHARACTERS_MAX) return null
    const bytes = fromBase64Url(token)
    if (bytes === null) return null
    const claims = bytes.subarray(MAC_BYTES)
    if (claims.length <= HEAD_BYTES || !timingSafeEqual(bytes.subarray(0, MAC_BYTES), mac(this.#uploadKey, claims)) || claims[0] !== VERSION) return null
    const size = Number(claims.readBigUInt64BE(1))
    const expiresMs = Number(claims.readBigUInt64BE(9))
    if (nowMs >= expiresMs) return null
    return { id: claims.toString('hex', 17, HEAD_BYTES), user: claims.toString('utf8', HEAD_BYTES), size, expiresMs }
  }

  /** Path and query of a download: `/blobs/<id>?e=…&m=…`. The same claims give the same text, so that it can be cached. [BLB-18] */
  downloadPath(claims: DownloadClaims): string {
    const parameters = new URLSearchParams({ e: claims.expiresMs.toString(36) })
    if (claims.rendition !== 'original') parameters.set('r', claims.rendition)
    if (claims.name !== '') parameters.set('n', claims.name)
    parameters.set('m', downloadMac(this.#downloadKey, claims).toString('base64url'))
    return `/blobs/${claims.id}?${parameters.toString()}`
  }

  /** `id` and `query` of a request's path, without slash and question mark. */
  openDownload(id: string, query: string, nowMs: number): DownloadClaims | null {
    if (query.length > QUERY_CHARACTERS_MAX) return null
    const parameters = new URLSearchParams(query)
    // Each once, and no others: what we give out has one spelling.
    if ([...parameters.keys()].some((key) => !['e', 'r', 'n', 'm'].includes(key) || parameters.getAll(key).length > 1)) return null
    const rendition = parameters.get('r') ?? 'original'
    const expires = parameters.get('e') ?? ''
    if (!isRendition(rendition) || !/^[0-9a-z]{1,10}$/.test(expires)) return null
    const claims = { id, rendition, name: parameters.get('n') ?? '', expiresMs: parseInt(expires, 36) }
    const given = fromBase64Url(parameters.get('m') ?? '')
    if (given?.length !== MAC_BYTES || !timingSafeEqual(given, downloadMac(this.#downloadKey, claims))) return null
    return nowMs < claims.expiresMs ? claims : null
  }
}

export function isRendition(text: string): text is DownloadClaims['rendition'] {
  return (RENDITIONS as readonly string[]).includes(text)
}

/** A quarter of its age: the same URL is given for so long, and a cache that goes by URLs is of use. */
const SAME_URL_PARTS = 4

/** When a URL given at `nowMs` ends: no later than `ageMs` from then, no sooner than three quarters of that. Unix time, ms. */
export function urlExpiryMs(nowMs: number, ageMs: number): number {
  const step = Math.max(1, Math.floor(ageMs / SAME_URL_PARTS))
  return Math.floor((nowMs + ageMs) / step) * step
}

/** Every part with its length or in a field that can't grow: no two claims are the same bytes. */
function downloadMac(key: Buffer, { id, rendition, name, expiresMs }: DownloadClaims): Buffer {
  return mac(key, Buffer.from([id, rendition, String(expiresMs), name].map((part) => `${String(Buffer.byteLength(part))}:${part}`).join('')))
}

/** Null for another spelling than ours: the last letter may have bits to spare. */
function fromBase64Url(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}

function mac(key: Buffer, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest()
}

function derive(secret: Uint8Array, label: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, new Uint8Array(0), label, MAC_BYTES))
}
