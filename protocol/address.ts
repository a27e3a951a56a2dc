/**
 * Addresses: `bob` (a user), `bob/phone` (a user's device), `#team` (a group). Every function returns the normalised form, or null
 * for what breaks the rules: RFC 8265 UsernameCaseMapped limited to ASCII, so that A-Z become a-z and nothing else is mapped. A name
 * that is normalised already comes back as it is, without a copy. [ADR-1] [ADR-2]
 */
import { LIMIT } from './generated/registry.js'

const GROUP_SIGN = 0x23
const FULL_STOP = 0x2e
const HYPHEN = 0x2d
const UNDERSCORE = 0x5f

/** Whether `text` from `start` on is a name, in either case: 1 to 64 of a-z A-Z 0-9 . - _ that begin with a letter or a digit. */
function isName(text: string, start: number): boolean {
  const length = text.length - start
  if (length < 1 || length > LIMIT.nameBytesMax) return false
  for (let index = start; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    const lower = unit | 0x20
    const isLetterOrDigit = (lower >= 0x61 && lower <= 0x7a) || (unit >= 0x30 && unit <= 0x39)
    if (isLetterOrDigit) continue
    if (index === start || (unit !== FULL_STOP && unit !== HYPHEN && unit !== UNDERSCORE)) return false
  }
  return true
}

/** ASCII only by now, where toLowerCase is the mapping asked for; it returns the same string when there is nothing to map. */
function lowerCase(text: string): string {
  return text.toLowerCase()
}

/** A user, or null. */
export function normalizeUser(text: string): string | null {
  return isName(text, 0) ? lowerCase(text) : null
}

/** A device id, or null. [ADR-3] */
export function normalizeDevice(text: string): string | null {
  return isName(text, 0) ? lowerCase(text) : null
}

/** A group, `#` included, or null. [ADR-4] */
export function normalizeGroup(text: string): string | null {
  return text.charCodeAt(0) === GROUP_SIGN && isName(text, 1) ? lowerCase(text) : null
}

/** What a message may be sent to: a user or a group; or null. */
export function normalizeConversation(text: string): string | null {
  return text.charCodeAt(0) === GROUP_SIGN ? normalizeGroup(text) : normalizeUser(text)
}

/** Whether a normalised conversation is a group. */
export function isGroup(conversation: string): boolean {
  return conversation.charCodeAt(0) === GROUP_SIGN
}

/** User and device of a full address `user/device`, normalised; or null. [ADR-4] */
export function parseFullAddress(text: string): { user: string; device: string } | null {
  const slash = text.indexOf('/')
  if (slash < 0) return null
  const user = normalizeUser(text.slice(0, slash))
  const device = normalizeDevice(text.slice(slash + 1))
  return user === null || device === null ? null : { user, device }
}
