/** The two rows that presence keeps of a user: when it was last seen, and to whom that is shown. A user may have neither. */
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { AUDIENCES } from './privacy.js'
import type { Audience, Privacy } from './privacy.js'

const VERSION = 1

const writer = new ValueWriter()

export function encodeLastSeen(lastSeenMs: number): Uint8Array {
  return writer.begin().uint(VERSION).time(lastSeenMs).take()
}

/** Throws StorageError('corrupt'), as do all of these. */
export function decodeLastSeen(row: Uint8Array): number {
  return open(row, 'last seen').time()
}

export function encodePrivacy(privacy: Privacy): Uint8Array {
  writer.begin().uint(VERSION).uint(AUDIENCES.indexOf(privacy.seen)).uint(AUDIENCES.indexOf(privacy.online)).uint(privacy.except.length)
  for (const name of privacy.except) writer.string(name)
  return writer.take()
}

export function decodePrivacy(row: Uint8Array): Privacy {
  const reader = open(row, 'privacy')
  const seen = audience(reader.uint())
  const online = audience(reader.uint())
  const except: string[] = []
  for (let count = reader.uint(); count > 0; count--) except.push(reader.string())
  return { seen, online, except }
}

function audience(number: number): Audience {
  const found = AUDIENCES[number]
  if (found === undefined) throw new StorageError('corrupt', `a privacy row has the unknown audience ${String(number)}`)
  return found
}

function open(row: Uint8Array, what: string): ValueReader {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `a ${what} row has the unknown version ${String(version)}`)
  return reader
}
