/** What of a stored message a search may look at, and for whom: the one place that decides it. */
import { decodeExtensions } from '../../protocol/extensions.js'
import { EXTENSION } from '../../protocol/generated/registry.js'
import { decodeText } from '../../protocol/utf8.js'
import { readableBy } from '../groups/access.js'
import type { StoredMessage } from '../router/router.js'
import type { ConversationState } from '../shard/state.js'

const EMPTY_BYTES = new Uint8Array(0)

/** Whether the user may read this message of the conversation now. [SCH-1] */
export function mayRead(conversation: ConversationState, user: string, seq: number): boolean {
  if (seq <= conversation.trimmedTo || seq > conversation.committedTail) return false
  return readableBy(conversation, user).some(({ from, to }) => seq >= from && seq <= to)
}

/** UTF-8 of the text as history shows it; empty where there is none, or it is not the server's to read. [SCH-4] [SCH-8] */
export function searchableBytes(
  { text, extensions, change, operation }: Pick<StoredMessage, 'text' | 'extensions' | 'change' | 'operation'>,
): Uint8Array {
  if (change !== null || operation !== null) return EMPTY_BYTES
  if (extensions.length > 0 && decodeExtensions(extensions)?.some(({ key }) => key === EXTENSION.encrypted) === true) return EMPTY_BYTES
  return text
}

/** The same as a string. */
export function searchableText(message: Pick<StoredMessage, 'text' | 'extensions' | 'change' | 'operation'>): string {
  return decodeText(searchableBytes(message)) ?? ''
}
