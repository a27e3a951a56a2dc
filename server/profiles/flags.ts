/** What a user has set for a conversation, for all own devices: muted, archived, pinned, marked as unread. [PRF-16] */
import type { Engine } from '../../storage/engine.js'
import { KEPT_LIST, type UserKeys } from '../../storage/user-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { readListed } from './kept-list.js'

export interface ConversationFlags {
  /** Unix time; 0: not muted; MUTED_FOR_EVER: until it is changed. */
  readonly mutedUntilMs: number
  readonly isArchived: boolean
  readonly isPinned: boolean
  readonly isMarked: boolean
}

export const MUTED_FOR_EVER = Number.MAX_SAFE_INTEGER

export const NO_FLAGS: ConversationFlags = { mutedUntilMs: 0, isArchived: false, isPinned: false, isMarked: false }

const writer = new ValueWriter()

export function encodeFlags(flags: ConversationFlags): Uint8Array {
  return writer.begin().uint(flags.mutedUntilMs).bool(flags.isArchived).bool(flags.isPinned).bool(flags.isMarked).take()
}

export function decodeFlags(value: Uint8Array): ConversationFlags {
  const reader = new ValueReader(value)
  return { mutedUntilMs: reader.uint(), isArchived: reader.bool(), isPinned: reader.bool(), isMarked: reader.bool() }
}

export function areNone(flags: ConversationFlags): boolean {
  return flags.mutedUntilMs === 0 && !flags.isArchived && !flags.isPinned && !flags.isMarked
}

/** `conversation` as the user addresses it. */
export async function readFlags(engine: Engine, keys: UserKeys, conversation: string): Promise<ConversationFlags> {
  const item = await readListed(engine, keys, KEPT_LIST.flags, conversation)
  return item === null ? NO_FLAGS : decodeFlags(item.value)
}
