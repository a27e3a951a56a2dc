/** One place that turns what engines and file system say into a code of ours. */
import { StorageError } from './engine.js'
import type { StorageErrorCode } from './engine.js'

/** `error` as a StorageError; `doing` is the message's beginning when we have nothing better to say. */
export function toStorageError(error: unknown, doing: string): StorageError {
  if (error instanceof StorageError) return error
  const code = storageErrorCode(error)
  const text = `${doing}: ${ADVICE[code] ?? ''}${messageOf(error)}`
  return new StorageError(code, text, { cause: error })
}

const ADVICE: Partial<Record<StorageErrorCode, string>> = {
  'disk-full': 'no space left on the disk of the data directory; free some: ',
  'read-only': 'the data directory cannot be written; check its owner, permissions and mount: ',
  'locked': 'another process has the data directory open; stop it first: ',
  'corrupt': 'a file of the store is damaged; restore the data directory from a backup: ',
}

/** The code for whatever an engine or `node:fs` threw, by its codes first; engines put the rest into texts. */
export function storageErrorCode(error: unknown): StorageErrorCode {
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
    const code = codeOf(cause)
    const known = BY_CODE[code] ?? byText(cause.message)
    if (known !== undefined) return known
  }
  return 'io'
}

const BY_CODE: Readonly<Partial<Record<string, StorageErrorCode>>> = {
  ENOSPC: 'disk-full',
  EDQUOT: 'disk-full',
  EROFS: 'read-only',
  EACCES: 'read-only',
  EPERM: 'read-only',
  LEVEL_LOCKED: 'locked',
  LEVEL_CORRUPTION: 'corrupt',
}

// RocksDB and LevelDB pass strerror() on in a text; only its words tell the cause.
function byText(text: string): StorageErrorCode | undefined {
  if (/no space left|disk quota exceeded|SpaceLimit/i.test(text)) return 'disk-full'
  if (/read-only file system|permission denied|operation not permitted/i.test(text)) return 'read-only'
  if (/lock hold by current process|already held by process|while lock file/i.test(text)) return 'locked'
  if (/corruption|checksum mismatch|bad magic|truncated (record|block)|file is too short/i.test(text)) return 'corrupt'
  return undefined
}

function codeOf(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : ''
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message
}
