/** How the terminal client ends when it can't do what was asked: one line on stderr and an exit code from this table. */

/** Exit codes of `chat`; `chat --help` prints this table. */
export const EXIT = {
  ok: 0,
  /** The server refused, the protocol was broken, a file could not be read … */
  failed: 1,
  usage: 2,
  /** Time ran out, or it was stopped, before everything was sent or received. */
  incomplete: 3,
  /** User, password or certificate were not accepted. */
  credentials: 4,
  /** The state directory is in use by another process, or can't be written. */
  state: 5,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each exit code tells a script. */
export const EXIT_TEXTS: readonly (readonly [code: ExitCode, text: string])[] = [
  [EXIT.ok, 'done: everything asked for was sent, received or shown'],
  [EXIT.failed, 'failed: the message on stderr says why'],
  [EXIT.usage, 'wrong arguments'],
  [EXIT.incomplete, 'not complete: time ran out or it was stopped first, or a message was refused'],
  [EXIT.credentials, 'user, password, token or certificate not accepted'],
  [EXIT.state, 'the state directory is in use by another process, or can not be written'],
]

/** Ends the program with `exitCode` after printing `message`: one line that says what to do. */
export class ChatFailure extends Error {
  override readonly name = 'ChatFailure'
  readonly exitCode: ExitCode
  constructor(exitCode: ExitCode, message: string, options: { cause?: unknown } = {}) {
    super(message, options)
    this.exitCode = exitCode
  }
}

/** A wrong argument; `command` names the help to look at, empty for the general one. */
export function usageFailure(message: string, command = ''): ChatFailure {
  return new ChatFailure(EXIT.usage, `${message}; see \`chat ${command === '' ? '' : `${command} `}--help\``)
}
