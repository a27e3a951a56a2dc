/** Preparation of passwords, on both sides alike, before anything is derived from them. */
import { LIMIT } from './generated/registry.js'
import { encodeText } from './utf8.js'

/** Spaces of Unicode (general category Zs) other than U+0020. */
const OTHER_SPACES = /[^\P{Zs} ]/gu
const CONTROL_OR_SURROGATE = /[\p{Cc}\p{Cs}]/u

/**
 * The password as it goes into SCRAM: non-ASCII spaces become U+0020, then NFC; nothing is trimmed or folded. Null if it is empty,
 * longer than 1024 bytes of UTF-8, or holds a control character or a lone surrogate. [ADR-6]
 */
export function preparePassword(password: string): string | null {
  // Normalising can't shorten text by more than a small factor; this keeps a huge input from being worked on.
  if (password.length > 4 * LIMIT.passwordBytesMax) return null
  if (CONTROL_OR_SURROGATE.test(password)) return null
  const prepared = password.replace(OTHER_SPACES, ' ').normalize('NFC')
  if (prepared === '' || encodeText(prepared).length > LIMIT.passwordBytesMax) return null
  return prepared
}
