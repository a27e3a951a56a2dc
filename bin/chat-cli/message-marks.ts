/** What a line says of a message beyond its text: what became of it, and what it refers to. Nothing for most. */
import type { Attachment, ReactionRecord } from '../../protocol/client/node.js'
import { readReferences } from '../../protocol/client/node.js'
import { attachmentObject, attachmentText } from './attachment-text.js'
import { safeText } from './safe-text.js'

/** The part of a message that this is about; what is missing is taken as none. */
export interface MarkedMessage {
  readonly attachments?: readonly Attachment[]
  readonly extensions?: Uint8Array
  readonly editedMs?: number | null
  readonly isDeleted?: boolean
  readonly reactions?: readonly ReactionRecord[]
  /** When it is gone for all; 0: it stays. */
  readonly expiresMs?: number
}

/** Whether the message was deleted: from the queue it comes without text and extensions. [OPS-7] */
export function isDeleted({ text, change = null, extensions, expiresMs = 0, isDeleted: isMarked = false }: MarkedMessage & { readonly text: string; readonly change?: object | null }): boolean {
  return isMarked || (text === '' && change === null && expiresMs === 0 && (extensions?.length ?? 0) === 0)
}

/** Whether its time was up when it came: nothing but that is left of it. [DIS-3] */
export function isGone({ text, change = null, expiresMs = 0, attachments = [] }: MarkedMessage & { readonly text: string; readonly change?: object | null }): boolean {
  return expiresMs > 0 && text === '' && change === null && attachments.length === 0
}

/** Fields for a line of JSON, each only where there is something to say. */
export function marksJson({ attachments = [], extensions, editedMs = null, isDeleted = false, reactions = [], expiresMs = 0 }: MarkedMessage): Record<string, unknown> {
  const { replyTo, mentions, forwards } = referencesOf(extensions)
  return {
    ...attachments.length === 0 ? {} : { attachments: attachments.map(attachmentObject) },
    ...replyTo === 0 ? {} : { replyTo },
    ...mentions.length === 0 ? {} : { mentions },
    ...forwards === 0 ? {} : { forwards },
    ...editedMs === null ? {} : { edited: editedMs },
    ...isDeleted ? { deleted: true } : {},
    ...expiresMs === 0 ? {} : { expires: expiresMs },
    ...reactions.length === 0 ? {} : { reactions: reactions.map(({ emoji, count, own }) => ({ emoji, count, own })) },
  }
}

/** ` 📎 beach.jpg 2.4 MiB image/jpeg [reply to 12] [edited] [👍 2]`, for people. */
export function marksText({ attachments = [], extensions, editedMs = null, isDeleted = false, reactions = [] }: MarkedMessage): string {
  const { replyTo, forwards } = referencesOf(extensions)
  const marks = [
    ...replyTo === 0 ? [] : [`reply to ${replyTo}`],
    ...forwards === 0 ? [] : ['forwarded'],
    ...editedMs === null ? [] : ['edited'],
    ...isDeleted ? ['deleted'] : [],
    ...reactions.length === 0 ? [] : [reactionsText(reactions)],
  ]
  return [...attachments.map((attachment) => ` ${attachmentText(attachment)}`), ...marks.map((mark) => ` [${mark}]`)].join('')
}

/** `👍 2  ❤️ 1`; one's own in parentheses. */
export function reactionsText(reactions: readonly ReactionRecord[]): string {
  return reactions.map(({ emoji, count, own }) => own ? `(${safeText(emoji)} ${count})` : `${safeText(emoji)} ${count}`).join('  ')
}

export function referencesOf(extensions: Uint8Array | undefined): { replyTo: number; mentions: readonly string[]; forwards: number } {
  return (extensions === undefined ? null : readReferences(extensions)) ?? { replyTo: 0, mentions: [], forwards: 0 }
}
