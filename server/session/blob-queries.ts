/** The queries of spec/blobs.md: attributes in, elements out. Who may see what is the shard's to say, and URLs are the desk's to make. */
import { isMediaType } from '../../protocol/attachments.js'
import { encodeBase64 } from '../../protocol/base64.js'
import { element, type Element } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { Desk } from '../blobs/blob-desk.js'
import type { Blob, BlobPlace, RenditionKind } from '../blobs/blob-router.js'
import { isRendition, RENDITIONS } from '../blobs/capability.js'
import { HttpError } from '../blobs/http-error.js'
import { QueryError } from './query-error.js'
import { conversationOf, optionalBoolean, optionalUint, userOf } from './query-fields.js'

/** The answer; null where it is no such query. `desk`: null where no blobs are kept. */
export function answerBlobQuery(desk: Desk | null, user: string, query: Element): Promise<Element> | null {
  switch (query.name) {
    case 'upload': return upload(kept(desk), user, query)
    case 'blob': return blob(kept(desk), user, query)
    case 'blob-url': return blobUrl(kept(desk), user, query)
    case 'blob-keep': return blobKeep(kept(desk), user, query)
    case 'blobs': return blobs(kept(desk), user)
    default: return null
  }
}

function kept(desk: Desk | null): Desk {
  if (desk === null) throw new QueryError(ERROR.noBlobs, 'blobs are not kept here')
  return desk
}

async function upload(desk: Desk, user: string, query: Element): Promise<Element> {
  const size = optionalUint(query, 'size')
  if (size === null || size === 0) throw new QueryError(ERROR.badRequest, 'size is missing or 0: say how many bytes it has')
  const type = query.attributes.get('type') ?? ''
  if (!isMediaType(type)) throw new QueryError(ERROR.badRequest, 'type is missing, or no media type in lower case without parameters')
  const opened = await asQuery(desk.upload(user, {
    size, hash: hexOf(query, 'hash', 64), type,
    strip: optionalBoolean(query, 'strip') === true, picture: optionalBoolean(query, 'picture') === true,
  }))
  if ('blob' in opened) return element('upload', {}, blobElement(opened.blob)) // [BLB-4]
  const { id, url, token, offset, expiresMs } = opened.slot
  return element('upload', { id, url, token, offset, expires: expiresMs })
}

async function blob(desk: Desk, user: string, query: Element): Promise<Element> {
  if (!query.attributes.has('upload')) return blobElement(await desk.find(user, hexOf(query, 'id', 64)))
  const uploadId = hexOf(query, 'upload', 32)
  const became = await asQuery(desk.whatBecame(user, uploadId))
  return 'blob' in became ? blobElement(became.blob) : element('blob', { upload: uploadId, offset: became.offset })
}

async function blobUrl(desk: Desk, user: string, query: Element): Promise<Element> {
  const rendition = query.attributes.get('rendition') ?? 'original'
  if (!isRendition(rendition)) throw new QueryError(ERROR.badRequest, `rendition is one of ${RENDITIONS.join(', ')}`)
  const name = query.attributes.get('name') ?? ''
  if (Buffer.byteLength(name) > LIMIT.attachmentNameBytesMax) throw new QueryError(ERROR.badRequest, `name has more than ${String(LIMIT.attachmentNameBytesMax)} bytes`)
  const { url, expiresMs, part } = await desk.url(user, placeOf(query), rendition, name)
  return element('blob-url', { url, expires: expiresMs, type: part.type, size: part.size, hash: part.hash })
}

/** A message, what the user holds, the picture of a user or of a group: by which of the attributes are there. */
function placeOf(query: Element): BlobPlace {
  const { attributes } = query
  if (attributes.has('user')) {
    if (attributes.has('id') || attributes.has('with') || attributes.has('seq')) throw new QueryError(ERROR.badRequest, 'user goes without id, with and seq')
    return { kind: 'profile', user: userOf(query, 'user') }
  }
  if (!attributes.has('with')) {
    if (attributes.has('seq')) throw new QueryError(ERROR.badRequest, 'seq goes with with')
    return { kind: 'own', id: hexOf(query, 'id', 64) }
  }
  const conversation = conversationOf(query)
  if (attributes.has('seq') || attributes.has('id')) return { kind: 'message', conversation, seq: seqOf(query), id: hexOf(query, 'id', 64) }
  if (!conversation.startsWith('#')) throw new QueryError(ERROR.badRequest, 'with alone names a group; the picture of a user goes by user')
  return { kind: 'group', group: conversation }
}

async function blobKeep(desk: Desk, user: string, query: Element): Promise<Element> {
  const id = hexOf(query, 'id', 64)
  const blob = await desk.keep(user, conversationOf(query), seqOf(query), id)
  return element('blob-keep', {}, blobElement(blob))
}

async function blobs(desk: Desk, user: string): Promise<Element> {
  const { used, quota } = await desk.usage(user)
  return element('blobs', { used, quota: quota === 0 ? undefined : quota, blobBytesMax: desk.sizeMax })
}

/** The description. [BLB-3] */
function blobElement({ content, width, height, placeholder, renditions }: Blob): Element {
  const has = (kind: RenditionKind): boolean => renditions.some((rendition) => rendition.kind === kind)
  return element('blob', {
    id: content.hash, type: content.type, size: content.size,
    ...width === 0 ? {} : { width, height },
    ...placeholder.length === 0 ? {} : { placeholder: encodeBase64(placeholder) },
    ...has('thumbnail') ? { thumbnail: 'true' } : {},
    ...has('square-640') ? { picture: 'true' } : {},
  })
}

function seqOf(query: Element): number {
  const seq = optionalUint(query, 'seq')
  if (seq === null || seq === 0) throw new QueryError(ERROR.badRequest, 'seq is missing or 0: name the message')
  return seq
}

function hexOf(query: Element, name: string, digits: number): string {
  const value = query.attributes.get(name) ?? ''
  if (value.length !== digits || !/^[0-9a-f]*$/.test(value)) throw new QueryError(ERROR.badRequest, `${name} is missing, or not ${String(digits)} lower-case hexadecimal digits`)
  return value
}

/** What finishing an upload is refused with has a code of the registry too. */
async function asQuery<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof HttpError && error.code >= 300) throw new QueryError(error.code, error.message)
    throw error
  }
}
