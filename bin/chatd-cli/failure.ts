/** How `chatd` ends when it can't do what was asked: one line on stderr that says what to do, and a code from this table. */
import { ERRORS } from '../../protocol/generated/registry.js'
import { ConfigError } from '../../server/config/config.js'
import { RouterError } from '../../server/router/router.js'
import { ListenError } from '../../server/run/listen-error.js'
import { BlobError } from '../../storage/blobs/blob-store.js'
import { StorageError } from '../../storage/engine.js'
import { ImportError } from './user-import.js'

/** Exit codes of `chatd`; `chatd --help` prints them. */
export const EXIT = { ok: 0, failed: 1, usage: 2, configuration: 3, storage: 4, listen: 5, crashed: 6 } as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each exit code tells a script. */
export const EXIT_TEXTS: readonly (readonly [code: ExitCode, text: string])[] = [
  [EXIT.ok, 'done; a server that was told to stop has finished what was handed in'],
  [EXIT.failed, 'refused: the message on stderr says why'],
  [EXIT.usage, 'wrong arguments'],
  [EXIT.configuration, 'a value of the configuration, a certificate or a key can\'t be used'],
  [EXIT.storage, 'the data directory, or the store of blobs, can\'t be opened: in use, of another engine or a newer format, damaged, full, read-only'],
  [EXIT.listen, 'a listener can\'t be opened: its address is in use or not allowed'],
  [EXIT.crashed, 'a fault of the server'],
]

/** Ends the program with `exitCode` after printing `message`. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure'
  readonly exitCode: ExitCode
  constructor(exitCode: ExitCode, message: string) {
    super(message)
    this.exitCode = exitCode
  }
}

/** A wrong argument; `command` names the help to look at. */
export function usageFailure(message: string, command = ''): CommandFailure {
  return new CommandFailure(EXIT.usage, `${message}; see \`chatd ${command === '' ? '' : `${command} `}--help\``)
}

/** What to do where the system's own words only say what failed. */
const ADVICE: Readonly<Partial<Record<string, string>>> = {
  EMFILE: '; raise the limit of open files (ulimit -n, LimitNOFILE of a service)',
  ENFILE: '; the machine has too many files open: raise its limit, or close some',
}

/** The exit code and the one line for any error; an unforeseen one keeps its stack, for the report that it deserves. */
export function describeFailure(error: unknown): { readonly exitCode: ExitCode, readonly text: string } {
  if (error instanceof CommandFailure) return { exitCode: error.exitCode, text: error.message }
  if (error instanceof ConfigError) return { exitCode: EXIT.configuration, text: error.message }
  if (error instanceof StorageError || error instanceof BlobError) return { exitCode: EXIT.storage, text: error.message }
  if (error instanceof ListenError) return { exitCode: EXIT.listen, text: error.message }
  if (error instanceof ImportError) return { exitCode: EXIT.failed, text: error.message }
  if (error instanceof RouterError) return { exitCode: EXIT.failed, text: `${error.message} (${ERRORS.get(error.code)?.name ?? String(error.code)})` }
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return { exitCode: EXIT.failed, text: `${error.message}${ADVICE[error.code] ?? ''}` }
  return { exitCode: EXIT.crashed, text: error instanceof Error ? error.stack ?? error.message : String(error) }
}
