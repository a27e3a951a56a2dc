/** One place that turns what the file system says into a code of ours. */
import { BlobError } from './blob-store.js'
import type { BlobErrorCode } from './blob-store.js'

/** `error` of node:fs as a BlobError; `doing` is the message's beginning when we have nothing better to say. */
export function toBlobError(error: unknown, doing: string): BlobError {
  if (error instanceof BlobError) return error
  const code = BY_CODE[errnoOf(error)] ?? 'internal'
  return new BlobError(code, `${doing}: ${ADVICE[code] ?? ''}${error instanceof Error ? error.message : String(error)}`, { cause: error })
}

/** The code of an error of node's, '' where it has none. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}

const ADVICE: Partial<Record<BlobErrorCode, string>> = {
  'no-space': 'no space left on the disk of the blob directory; free some: ',
  'denied': 'the blob directory cannot be used; check its owner, permissions, mount, and that no symbolic link stands in it: ',
  'unavailable': 'too many files are open; raise the limit of the process: ',
}

const BY_CODE: Readonly<Partial<Record<string, BlobErrorCode>>> = {
  ENOENT: 'not-found',
  ENOSPC: 'no-space',
  EDQUOT: 'no-space',
  EROFS: 'denied',
  EACCES: 'denied',
  EPERM: 'denied',
  // A symbolic link, or something else that is no folder, stands where one of ours should be.
  ELOOP: 'denied',
  ENOTDIR: 'denied',
  EISDIR: 'denied',
  EMFILE: 'unavailable',
  ENFILE: 'unavailable',
}
