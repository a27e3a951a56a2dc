/** Between frames and what the core works with. */
import { normalizeConversation } from '../address.js'
import { EMPTY_BYTES } from '../bytes.js'
import { encodeMark, encodeMessage, encodeOperate } from '../generated/frames.js'
import type {
  ChangedFrame, ChangeFrame, DeliveryFrame, DeliveryFromFrame, DoneFrame, OperationFrame, ReceiptFrame, SkipFrame,
} from '../generated/frames.js'
import { ERROR, FRAME, LIMIT, LIST, MARK, OPERATION } from '../generated/registry.js'
import { isReaction } from '../reaction.js'
import { checkText } from '../text.js'
import { decodeText, encodeText } from '../utf8.js'
import { serverError } from './client-error.js'
import type { ClientError } from './client-error.js'
import type { ChangedEvent } from './core-types.js'
import type { InboxEntry } from './inbox.js'
import type { OutboxEntry } from './outbox.js'
import type { OperationName } from './state.js'

/** What surrounds the text and extensions of a message frame, at most. */
const MESSAGE_OVERHEAD_BYTES = 256
const LONE_SURROGATE = /\p{Surrogate}/u

const NO_ENTRY: InboxEntry = {
  type: FRAME.skip, index: 0, conversation: '', from: '', seq: 0, timeMs: 0, text: '', extensions: EMPTY_BYTES, mark: 0, change: null,
  operation: null,
}

/** The conversation that a message would go to, normalised; or the error that the server would refuse it with. [MSG-7] [MSG-8] [MSG-9] */
export function checkMessage(to: string, text: string, extensions: Uint8Array): string | ClientError {
  const conversation = normalizeConversation(to)
  if (conversation === null) return serverError(ERROR.malformedAddress, '', 0)
  // Encoding would mend what is malformed: a lone surrogate is refused, not changed.
  if (LONE_SURROGATE.test(text)) return serverError(ERROR.malformedText, '', 0)
  const bytes = encodeText(text)
  const code = text === '' && extensions.length === 0 ? ERROR.emptyMessage : checkText(bytes)
  if (code !== 0) return serverError(code, '', 0)
  const isTooLarge = bytes.length + extensions.length + MESSAGE_OVERHEAD_BYTES > LIMIT.frameBytesMax
  return isTooLarge ? serverError(ERROR.frameTooLarge, '', 0) : conversation
}

/** Text and extensions are copied: the frame is a view of the bytes received. */
export function deliveryEntry(frame: DeliveryFrame | DeliveryFromFrame, from: string): InboxEntry {
  const { type, index, conversation, seq, time, text } = frame
  const extensions = frame.extensions.length === 0 ? EMPTY_BYTES : frame.extensions.slice()
  return { type, index, conversation, from, seq, timeMs: time, text: decodeText(text), extensions, mark: 0, change: null, operation: null }
}

export function changeEntry(frame: ChangeFrame): InboxEntry {
  const { type, index, conversation, from, seq, time, element } = frame
  return { ...NO_ENTRY, type, index, conversation, from, seq, timeMs: time, change: element }
}

export function operationEntry(frame: OperationFrame): InboxEntry {
  const { type, index, conversation, from, seq, time, target, kind, text } = frame
  const extensions = frame.extensions.length === 0 ? EMPTY_BYTES : frame.extensions.slice()
  return { ...NO_ENTRY, type, index, conversation, from, seq, timeMs: time, text: decodeText(text), extensions, operation: { target, kind: operationName(kind) } }
}

/** null: a kind that this version does not know. [OPS-15] */
function operationName(kind: number): OperationName | null {
  switch (kind) {
    case OPERATION.edit: return 'edit'
    case OPERATION.delete: return 'delete'
    case OPERATION.react: return 'react'
    default: return null
  }
}

/** As `checkMessage`, for an operation. [OPS-4] [OPS-10] */
export function checkOperation(kind: OperationName, conversation: string, target: number, text: string): string | ClientError {
  if (!Number.isSafeInteger(target) || target < 1) return serverError(ERROR.badRequest, '', 0)
  const name = kind === 'edit' ? checkMessage(conversation, text, EMPTY_BYTES) : normalizeConversation(conversation)
  if (name === null) return serverError(ERROR.malformedAddress, '', 0)
  if (kind === 'react' && text !== '' && !isReaction(encodeText(text))) return serverError(ERROR.invalidReaction, '', 0)
  return name
}

export function receiptEntry(frame: ReceiptFrame): InboxEntry {
  const { type, index, conversation, member, mark, seq } = frame
  return { ...NO_ENTRY, type, index, conversation, from: member, seq, mark }
}

export function changedEntry({ type, index, list, version }: ChangedFrame): InboxEntry {
  return { ...NO_ENTRY, type, index, seq: version, mark: list }
}

/** The list that a change is of; null for one that this version does not know. */
export function listName(list: number): ChangedEvent['list'] | null {
  switch (list) {
    case LIST.profile: return 'profile'
    case LIST.contacts: return 'contacts'
    case LIST.blocked: return 'blocked'
    case LIST.flags: return 'flags'
    default: return null
  }
}

/** Of skip, and of done, which rides along with the entries. */
export function bareEntry(frame: SkipFrame | DoneFrame): InboxEntry {
  return { ...NO_ENTRY, type: frame.type, index: frame.index }
}

export function encodeStanza(entry: OutboxEntry): Uint8Array {
  if (entry.kind === 'mark') return encodeMark(entry.clientId, entry.to, MARK.read, entry.seq)
  if (entry.kind !== 'message') return encodeOperate(entry.clientId, entry.to, entry.seq, OPERATION[entry.kind], encodeText(entry.text))
  return encodeMessage(entry.clientId, entry.to, encodeText(entry.text), entry.extensions)
}
