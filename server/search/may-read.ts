/** What of a stored message a search may look at, and for whom: the one place that decides it. */
import { decodeExtensions } from '../../protocol/extensions.js'
import { EXTENSION } from '../../protocol/generated/registry.js'
import { decodeText } from '../../protocol/utf8.js'
import { readableBy } from '../groups/access.js'
import type { StoredMessage } from '../router/router.js'
import type { ConversationState } from '../shard/conversation-state.js'

/** Whether the user may read this message of the conversation now. [SCH-1] */
export function mayRead(conversation: ConversationState, user: string, seq: number): boolean {
  if (seq <= conversation.trimmedTo || seq > conversation.committedTail) return false
  return readableBy(conversation, user).some(({ from, to }) => seq >= from && seq <= to)
}

/** Whether a message with these extensions is not the server's to read. [SCH-8] */
export function isEncrypted(extensions: Uint8Array): boolean {
  return extensions.length > 0 && decodeExtensions(extensions)?.some(({ key }) => key === EXTENSION.encrypted) === true
}

/** The text as history shows it; empty where there is none, or it is not the server's to read. [SCH-4] [SCH-8] */
export function searchableText({ text, extensions, change, operation }: Pick<StoredMessage, 'text' | 'extensions' | 'change' | 'operation'>): string {
  return change !== null || operation !== null || isEncrypted(extensions) ? '' : decodeText(text) ?? ''
}
