/** Why a worker could not start, on its way to the supervisor: what the operator can change keeps its kind. */
import { StorageError, type StorageErrorCode } from '../../storage/engine.js'
import { ConfigError } from '../config/config.js'
import { ListenError } from '../run/listen-error.js'

export interface WorkerFailure {
  readonly kind: 'listen' | 'configuration' | 'storage' | 'fault'
  readonly message: string
  /** Of a StorageError; else ''. */
  readonly code: StorageErrorCode | ''
}

export function failureOf(error: unknown): WorkerFailure {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof StorageError) return { kind: 'storage', message, code: error.code }
  const kind = error instanceof ListenError ? 'listen' : error instanceof ConfigError ? 'configuration' : 'fault'
  return { kind, message, code: '' }
}

export function errorOfFailure({ kind, message, code }: WorkerFailure): Error {
  switch (kind) {
    case 'listen': return new ListenError(message)
    case 'configuration': return new ConfigError(message)
    case 'storage': return new StorageError(code === '' ? 'io' : code, message)
    case 'fault': return new Error(message)
  }
}
