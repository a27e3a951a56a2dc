/** What the extensions of a message add to its text. */
import { readAttachments } from '../attachments.js'
import type { Attachment } from '../attachments.js'
import { checkMessageExtensions } from '../extensions.js'

export interface MessageContent {
  readonly attachments: readonly Attachment[]
  /** There is more to it than this version understands. [FRM-7] */
  readonly isIncomplete: boolean
}

const TEXT_ALONE: MessageContent = { attachments: [], isIncomplete: false }

/** Attachments without their form are something that can't be shown. [BLB-11] */
export function contentOf(extensions: Uint8Array): MessageContent {
  if (extensions.length === 0) return TEXT_ALONE
  const attachments = readAttachments(extensions)
  return { attachments: attachments ?? [], isIncomplete: attachments === null || checkMessageExtensions(extensions) === 'critical' }
}
