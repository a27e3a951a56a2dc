/** Pictures of the simulations: what a message that carries one says of it, and how one comes to the server. */
import { encodeAttachments, readAttachments } from '../../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../../protocol/bytes.js'
import type { BlobCommands, RenditionKind } from '../../blobs/blob-router.js'
import { objectsOf } from '../../holdings/merge.js'
import type { StoredMessage } from '../../router/router.js'
import { blobOf, hashOf } from '../blob-store.js'

const SIZE = 1000
const TYPE = 'image/png'

/** What a message carries; none where it carries no picture. */
export function carrying(picture: string): Uint8Array {
  if (picture === '') return EMPTY_BYTES
  return encodeAttachments([{
    id: hashOf(picture), type: TYPE, size: SIZE, name: '', width: 0, height: 0, durationMs: 0, placeholder: EMPTY_BYTES, thumbnail: true, preview: '',
    key: EMPTY_BYTES,
  }])
}

/** The ids of what a message carries, as its reader is shown it. */
export function carriedBy({ extensions }: StoredMessage): string[] {
  return readAttachments(extensions)?.map(({ id }) => id) ?? []
}

/** As the HTTP side does it. `put` resolves with false where that ends there. */
export async function upload(
  blobs: BlobCommands, user: string, picture: string, renditions: readonly RenditionKind[], put: (object: string) => Promise<boolean>,
): Promise<void> {
  const opened = await blobs.openUpload(user, { size: SIZE, hash: hashOf(picture), type: TYPE, strip: false, picture: renditions.length > 1 })
  if ('blob' in opened) return
  const { id, key } = opened.upload
  const blob = blobOf(picture, key, { size: SIZE, type: TYPE, renditions })
  if (!await blobs.storing(id, objectsOf(blob))) return
  for (const object of objectsOf(blob)) if (!await put(object)) return
  await blobs.finishUpload(id, blob)
}
