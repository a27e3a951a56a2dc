import assert from 'node:assert/strict'
import { test } from 'node:test'
import { StorageError } from './engine.js'
import { storageErrorCode, toStorageError } from './storage-error.js'

function failure(message: string, code = '', cause?: unknown): Error {
  return Object.assign(new Error(message, { cause }), { code })
}

test('knows what engines and the file system say', () => {
  const table: [Error, string][] = [
    [failure('ENOSPC: no space left on device, write', 'ENOSPC'), 'disk-full'],
    [failure('IO error: No space left on device: While appending to file: x.log: No space left on device', 'LEVEL_IO_ERROR'), 'disk-full'],
    [failure('EDQUOT', 'EDQUOT'), 'disk-full'],
    [failure('IO error: /x/000003.log: Disk quota exceeded', 'LEVEL_IO_ERROR'), 'disk-full'],
    [failure('EROFS: read-only file system, open', 'EROFS'), 'read-only'],
    [failure('EACCES: permission denied', 'EACCES'), 'read-only'],
    [failure('EPERM', 'EPERM'), 'read-only'],
    [failure('IO error: While open a file for lock: /x/LOCK: Permission denied', 'LEVEL_IO_ERROR'), 'read-only'],
    [failure('IO error: /x/LOCK: Read-only file system', 'LEVEL_IO_ERROR'), 'read-only'],
    [failure('IO error: lock /x/LOCK: Resource temporarily unavailable', 'LEVEL_LOCKED'), 'locked'],
    [failure('IO error: While lock file: /x/LOCK: Resource temporarily unavailable', 'LEVEL_IO_ERROR'), 'locked'],
    [failure('Corruption: checksum mismatch', 'LEVEL_CORRUPTION'), 'corrupt'],
    [failure('Corruption: block checksum mismatch in file', ''), 'corrupt'],
    [failure('Database failed to open', 'LEVEL_DATABASE_NOT_OPEN', failure('Corruption: x', 'LEVEL_CORRUPTION')), 'corrupt'],
    [failure('IO error: Input/output error', 'LEVEL_IO_ERROR'), 'io'],
    [failure('something', ''), 'io'],
  ]
  for (const [error, code] of table) assert.equal(storageErrorCode(error), code, error.message)
  assert.equal(storageErrorCode('a text'), 'io')
})

test('keeps the cause, says what to do, and leaves its own errors alone', () => {
  const cause = failure('ENOSPC', 'ENOSPC')
  const error = toStorageError(cause, 'the commit failed')
  assert.equal(error.cause, cause)
  assert.match(error.message, /^the commit failed: no space left .* free some/)
  assert.match(toStorageError(failure('outer', '', new Error('inner')), 'x').message, /outer: inner/)
  assert.match(toStorageError(12, 'x').message, /^x: 12$/)
  const own = new StorageError('locked', 'mine')
  assert.equal(toStorageError(own, 'x'), own)
})
