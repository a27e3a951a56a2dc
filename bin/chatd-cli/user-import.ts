/** Many accounts from lines of `name password`: for moving in from another server, and for measuring. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { normalizeUser } from '../../protocol/address.js'
import { ERROR } from '../../protocol/generated/registry.js'
import { preparePassword } from '../../protocol/password.js'
import { deriveVerifier, SCRAM_SALT_BYTES, type ScramCrypto } from '../../protocol/scram.js'
import { type Router, RouterError, type Verifier } from '../../server/router/router.js'

/** Accounts in work at once: enough to keep the threads that derive keys busy, and to share commits. */
const ACCOUNTS_AT_ONCE = 64

/** A shard that moves or whose store is opened again is away for seconds; how long an account is tried again, and how often. */
const TRIES_MAX = 30
const RETRY_MS = 1000

const pbkdf2Async = promisify(pbkdf2)

/** Deriving runs in threads of its own, so several passwords are worked on at once. */
const threadedCrypto: ScramCrypto = {
  randomBytes: (size) => randomBytes(size),
  sha256: (data) => createHash('sha256').update(data).digest(),
  hmac: (key, data) => createHmac('sha256', key).update(data).digest(),
  pbkdf2: (password, salt, iterations) => pbkdf2Async(password, salt, iterations, 32, 'sha256'),
}

export interface ImportResult {
  readonly added: number
  /** Names that were taken already; their passwords are left as they are. */
  readonly taken: number
}

/** A line that is no account. The message is one line for the operator and names the line, never the password. */
export class ImportError extends Error {
  override readonly name = 'ImportError'
}

/** Waits before the next try; handed in by tests, which don't. */
type Pause = (ms: number) => Promise<unknown>

/**
 * Adds an account for each line: a user name, one space, and the rest of the line as the password; empty lines are passed over.
 * Rejects with an ImportError at the first line that can't be used, or with the RouterError of the store; accounts of earlier lines
 * are then there, and a second import passes over them.
 */
export async function importUsers(
  router: Pick<Router, 'addUser'>, lines: AsyncIterable<string> | Iterable<string>, iterations: number, pause: Pause = sleep,
): Promise<ImportResult> {
  let added = 0
  let taken = 0
  let failure: unknown = null
  const working = new Set<Promise<void>>()
  const addOne = async (user: string, password: string): Promise<void> => {
    try {
      const verifier = await deriveVerifier(password, randomBytes(SCRAM_SALT_BYTES), iterations, threadedCrypto)
      if (await addUser(router, user, verifier, pause)) added++
      else taken++
    } catch (error) {
      failure ??= error
    }
  }
  let lineNumber = 0
  try {
    for await (const line of lines) {
      lineNumber++
      if (line === '') continue
      const { user, password } = accountOf(line, lineNumber)
      const work: Promise<void> = addOne(user, password).then(() => { working.delete(work) })
      working.add(work)
      if (working.size >= ACCOUNTS_AT_ONCE) await Promise.race(working)
      if (failure !== null) break
    }
  } finally {
    await Promise.all(working)
  }
  // eslint-disable-next-line @typescript-eslint/only-throw-error -- handed on as it came
  if (failure !== null) throw failure
  return { added, taken }
}

/** false: the name is taken. One that turns out to be after a try that had no answer was taken by that. */
async function addUser(router: Pick<Router, 'addUser'>, user: string, verifier: Verifier, pause: Pause): Promise<boolean> {
  for (let tries = 1; ; tries++) {
    try {
      await router.addUser(user, verifier)
      return true
    } catch (error) {
      if (!(error instanceof RouterError)) throw error
      if (error.code === ERROR.conflict) return tries > 1
      const isAway = error.code === ERROR.unavailable || error.code === ERROR.storageUnavailable
      if (!isAway || tries === TRIES_MAX) throw error
      await pause(RETRY_MS)
    }
  }
}

function unusable(lineNumber: number, why: string): ImportError {
  return new ImportError(`line ${String(lineNumber)}: ${why}; the lines before it are added: mend it, and import the whole file again`)
}

function accountOf(line: string, lineNumber: number): { user: string, password: string } {
  const space = line.indexOf(' ')
  const user = space < 0 ? null : normalizeUser(line.slice(0, space))
  const password = line.slice(space + 1)
  if (space < 0) throw unusable(lineNumber, 'write a user name, one space and the password')
  if (user === null) throw unusable(lineNumber, `the user name has to be 1 to 64 of a-z, 0-9, '.', '-' and '_'`)
  if (preparePassword(password) === null) throw unusable(lineNumber, 'the password is empty, too long or has a control character')
  return { user, password }
}
