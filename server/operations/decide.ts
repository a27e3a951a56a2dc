/** Whether an operation may be done to a message, and what it makes of it. Pure. */
import { isExpired } from '../../protocol/expiry.js'
import { ERROR, type ErrorCode, OPERATION } from '../../protocol/generated/registry.js'
import { type MessageState, PAST_EDITS_MAX } from './message-state.js'

export type OperationKind = (typeof OPERATION)[keyof typeof OPERATION]

export interface OperationRequest {
  readonly user: string
  /** Whether the user is an admin, or the owner, of the group. */
  readonly isAdmin: boolean
  readonly kind: OperationKind
  /** UTF-8, its form checked. */
  readonly text: Uint8Array
  /** Whether an earlier edit, of this seq, is still the last one for somebody who may not read this operation. [OPS-13] */
  readonly isStillRead: (edit: number) => boolean
}

export interface OperationTarget {
  readonly from: string
  readonly timeMs: number
  /** As it was sent; empty where it carries something else. */
  readonly text: Uint8Array
  /** Neither text nor anything else is left of it. */
  readonly isErased: boolean
  readonly state: MessageState
  /** 0: it does not. */
  readonly expiresMs: number
}

export interface OperationLimits {
  readonly editAgeMs: number
  readonly deleteAgeMs: number
}

/** Nothing would change. [OPS-11] */
export const UNCHANGED = 'unchanged'

/** The state that the operation with this seq and time leaves, or why it is refused. */
export function decide(
  request: OperationRequest, target: OperationTarget, seq: number, timeMs: number, limits: OperationLimits,
): MessageState | typeof UNCHANGED | ErrorCode {
  switch (request.kind) {
    case OPERATION.edit: return edited(request, target, seq, timeMs, limits)
    case OPERATION.delete: return deleted(request, target, seq, timeMs, limits)
    case OPERATION.react: return reactedTo(request, target, seq, timeMs)
  }
}

/** [OPS-4, OPS-5] */
function edited(
  { user, text, isStillRead }: OperationRequest, target: OperationTarget, seq: number, timeMs: number, { editAgeMs }: OperationLimits,
): MessageState | typeof UNCHANGED | ErrorCode {
  const { state } = target
  if (target.from !== user) return ERROR.notAllowed
  if (isGone(target, timeMs)) return ERROR.messageDeleted
  if (timeMs - target.timeMs > editAgeMs) return ERROR.tooLate
  if (Buffer.compare(text, state.edit?.text ?? target.text) === 0) return UNCHANGED
  const edits = state.edit === null ? state.pastEdits : [...state.pastEdits, state.edit]
  const pastEdits = edits.filter((edit) => isStillRead(edit.seq)).slice(-PAST_EDITS_MAX)
  return { ...state, edit: { seq, timeMs, text }, pastEdits, expiresMs: target.expiresMs }
}

/** Nothing of what was said remains. [OPS-6, OPS-7] */
function deleted(
  { user, isAdmin }: OperationRequest, target: OperationTarget, seq: number, timeMs: number, { deleteAgeMs }: OperationLimits,
): MessageState | typeof UNCHANGED | ErrorCode {
  const { from, timeMs: sentMs } = target
  if (from !== user && !isAdmin) return ERROR.notAllowed
  if (isGone(target, timeMs)) return UNCHANGED
  if (!isAdmin && timeMs - sentMs > deleteAgeMs) return ERROR.tooLate
  return { deletion: { seq, timeMs, by: user }, edit: null, pastEdits: [], reactions: [], expiresMs: 0 }
}

/** [OPS-8, OPS-9] */
function reactedTo({ user, text }: OperationRequest, target: OperationTarget, seq: number, timeMs: number): MessageState | typeof UNCHANGED | ErrorCode {
  if (isGone(target, timeMs)) return ERROR.messageDeleted
  const { state, expiresMs } = target
  const emoji = Buffer.from(text).toString()
  const present = state.reactions.find((reaction) => reaction.user === user)?.emoji ?? ''
  if (present === emoji) return UNCHANGED
  const others = state.reactions.filter((reaction) => reaction.user !== user)
  return { ...state, expiresMs, reactions: emoji === '' ? others : [...others, { user, seq, emoji }] }
}

/** [OPS-8] [DIS-6] */
function isGone({ state, expiresMs, isErased }: OperationTarget, timeMs: number): boolean {
  // One that was erased does not come back with a clock that is set back.
  return state.deletion !== null || isExpired(expiresMs, timeMs) || isErased
}
