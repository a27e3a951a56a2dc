/** What goes with the text of a message, and how it is written. */
import { encodeAttachments } from '../attachments.js'
import type { Attachment } from '../attachments.js'
import { encodeReferences } from '../references.js'
import type { References } from '../references.js'

/** What a message carries and refers to; and raw extensions, see encodeExtensions. */
export interface SendOptions extends Partial<References> {
  /** Of blobs that the user holds: uploaded, or kept. A message with one may be without text. */
  readonly attachments?: readonly Attachment[]
  readonly extensions?: Uint8Array
}

/** What may be given encoded already. */
export function extensionsOf(options: SendOptions | Uint8Array): Uint8Array {
  if (options instanceof Uint8Array) return options
  const { attachments = [], extensions } = options
  return encodeReferences(options, attachments.length === 0 ? extensions : encodeAttachments(attachments, extensions))
}
