/**
 * The extensions of a message that point elsewhere: which message it answers, whom it names, whether it was said before. Their form is
 * checked here for both sides; what they point at is the server's to look at. [OPS-19]
 */
import { isGroup, normalizeUser } from './address.js'
import { EMPTY_BYTES } from './bytes.js'
import { decodeExtensions, encodeExtensions, type Extension } from './extensions.js'
import { EXTENSION, LIMIT } from './generated/registry.js'
import { Reader } from './reader.js'
import { stringSize, uintSize, writeString, writeUint } from './writer.js'

export interface References {
  /** Seq of the message that this one answers; 0: none. [OPS-16] */
  readonly replyTo: number
  /** Users, normalised. [OPS-17] */
  readonly mentions: readonly string[]
  /** How often it was passed on; 0: it was not. [OPS-18] */
  readonly forwards: number
}

export const NO_REFERENCES: References = { replyTo: 0, mentions: [], forwards: 0 }

const reader = new Reader()

/** What the extensions of a message say; null: one of these three breaks its form. Others are left alone. */
export function readReferences(bytes: Uint8Array): References | null {
  if (bytes.length === 0) return NO_REFERENCES
  const extensions = decodeExtensions(bytes)
  if (extensions === null) return null
  let { replyTo, mentions, forwards } = NO_REFERENCES
  for (const { key, value } of extensions) {
    if (key === EXTENSION.reply) replyTo = readPositive(value, Number.MAX_SAFE_INTEGER)
    else if (key === EXTENSION.forwarded) forwards = readPositive(value, LIMIT.forwardsMax)
    else if (key === EXTENSION.mention) {
      const users = readUsers(value)
      if (users === null) return null
      mentions = users
    }
  }
  return replyTo < 0 || forwards < 0 ? null : { replyTo, mentions, forwards }
}

/** The extensions for these, along with `others`. Throws a RangeError for what would break the form. */
export function encodeReferences({ replyTo = 0, mentions = [], forwards = 0 }: Partial<References>, others: Uint8Array = EMPTY_BYTES): Uint8Array {
  const extensions: Extension[] = decodeExtensions(others) ?? []
  if (replyTo !== 0) extensions.push({ key: EXTENSION.reply, value: encodeUint(replyTo) })
  if (mentions.length > 0) extensions.push({ key: EXTENSION.mention, value: encodeUsers(mentions) })
  if (forwards !== 0) extensions.push({ key: EXTENSION.forwarded, value: encodeUint(Math.min(forwards, LIMIT.forwardsMax)) })
  return encodeExtensions(extensions)
}

/** One uint from 1 to `max` and nothing else; -1 for anything else. */
function readPositive(value: Uint8Array, max: number): number {
  reader.reset(value, 0, value.length)
  const number = reader.uint()
  return reader.failed || reader.position !== reader.end || number === 0 || number > max ? -1 : number
}

function readUsers(value: Uint8Array): string[] | null {
  const users = new Set<string>()
  reader.reset(value, 0, value.length)
  for (let count = 1; reader.position < reader.end; count++) {
    const name = reader.string()
    if (reader.failed || count > LIMIT.mentionsMax || normalizeUser(name) !== name || users.has(name)) return null
    users.add(name)
  }
  return users.size === 0 ? null : [...users]
}

function encodeUint(value: number): Uint8Array {
  if (!Number.isSafeInteger(value) || value < 1) throw new RangeError('not a positive whole number')
  const bytes = new Uint8Array(uintSize(value))
  writeUint(bytes, 0, value)
  return bytes
}

function encodeUsers(names: readonly string[]): Uint8Array {
  const users = new Set<string>()
  for (const name of names) {
    const user = isGroup(name) ? null : normalizeUser(name)
    if (user === null) throw new RangeError(`not a user: ${name}`)
    users.add(user)
  }
  if (users.size > LIMIT.mentionsMax) throw new RangeError(`a message mentions at most ${LIMIT.mentionsMax}`)
  const bytes = new Uint8Array([...users].reduce((sum, user) => sum + stringSize(user), 0))
  let position = 0
  for (const user of users) position = writeString(bytes, position, user, user.length)
  return bytes
}
