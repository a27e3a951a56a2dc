/** Messages that carry blobs, as tests send them. */
import assert from 'node:assert/strict'
import { type Attachment, encodeAttachments } from '../../../protocol/attachments.js'
import { EMPTY_BYTES } from '../../../protocol/bytes.js'
import type { Blob } from '../../blobs/blob-router.js'
import type { TestDevice } from '../../testing/shard-harness.js'

export function attachment({ content }: Blob, more: Partial<Attachment> = {}): Attachment {
  const { hash: id, type, size } = content
  return {
    id, type, size, name: 'beach.png', width: 0, height: 0, durationMs: 0, placeholder: EMPTY_BYTES, thumbnail: false, preview: '', key: EMPTY_BYTES,
    ...more,
  }
}

export function carrying(...sent: readonly Blob[]): Uint8Array {
  return encodeAttachments(sent.map((blob) => attachment(blob)))
}

/** The seq that the message got; 0: it was refused, or is not answered yet. */
export async function trySendBlobs(device: TestDevice, to: string, sent: readonly Blob[], text = ''): Promise<number> {
  const clientId = device.send(to, text, undefined, carrying(...sent))
  await device.harness.settle()
  return device.acks.find((ack) => ack.clientId === clientId)?.seq ?? 0
}

/** The seq that the message got, which was not refused. */
export async function sendBlobs(device: TestDevice, to: string, sent: readonly Blob[], text = ''): Promise<number> {
  const seq = await trySendBlobs(device, to, sent, text)
  assert.ok(seq !== 0, `${device.user} to ${to}: it was refused`)
  return seq
}
