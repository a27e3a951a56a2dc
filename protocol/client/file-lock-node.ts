/**
 * A lock against a second process, or thread, that works on the same files: a file that names its holder, and is taken over when that one is
 * dead.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { link, readFile, realpath, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { hasNoLinks } from './file-writing-node.js'

/** Locks of this thread: its own name in a lock file says nothing after a restart under the same one. */
const held = new Set<string>()

/** How often the file may pass from hand to hand while this process tries. */
const TRIES_MAX = 10

/** How long a lock may be empty while its holder lives, where it can't be made whole at once. */
const EMPTY_MS_MAX = 5000

/** Somebody has the lock; `holder` says who. */
export class LockedError extends Error {
  override readonly name = 'LockedError'
  readonly holder: string

  /** `pid` 0: not known. */
  constructor(path: string, pid: number) {
    const holder = pid === 0 ? 'another process' : pid === process.pid ? 'this process' : `process ${pid}`
    super(`${path} is held by ${holder}`)
    this.holder = holder
  }
}

/** Makes the lock file `path`; resolves with what unlocks it. Rejects with a LockedError, or the file system's error. */
export async function lockFile(path: string): Promise<() => Promise<void>> {
  const real = join(await realpath(dirname(path)), basename(path))
  if (held.has(real)) throw new LockedError(real, process.pid)
  held.add(real)
  try {
    await take(real)
  } catch (error) {
    held.delete(real)
    throw error
  }
  return async () => {
    try {
      await rm(real, { force: true })
    } finally {
      held.delete(real)
    }
  }
}

/**
 * Makes the file, or replaces that of a dead holder.
 *
 * What was read as a dead one's file may be a living one's by the time it is replaced. So who wants to replace it first takes a lock of that very
 * file: nobody else may touch the file then, as its holder is dead, and if it is no longer the same, somebody was faster.
 */
async function take(path: string): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (await tryCreate(path)) return
    const content = await readIfThere(path)
    // Given back in between.
    if (content === null) continue
    if (content === '' && await isYoung(path)) throw new LockedError(path, 0)
    const [pid, start = '', , thread = '', threadStart = ''] = content.trim().split(' ')
    if (await isAlive(Number(pid), start, thread, threadStart)) throw new LockedError(path, Number(pid))
    const turn = besides(path, createHash('sha256').update(`${basename(path)}\n${content}`).digest('hex').slice(0, 32))
    await take(turn)
    try {
      if (await readIfThere(path) === content) {
        await rename(await writeAside(path), path)
        return
      }
    } finally {
      await unlink(turn)
    }
  }
  throw new LockedError(path, 0)
}

async function tryCreate(path: string): Promise<boolean> {
  const aside = await writeAside(path)
  try {
    await link(aside, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    if (!hasNoLinks(error)) throw error
    return await tryWrite(path, await readFile(aside))
  } finally {
    await unlink(aside)
  }
}

/** Where the file system has no links: others may see the file empty for a moment, and take it if that moment is long. */
async function tryWrite(path: string, content: Buffer): Promise<boolean> {
  try {
    await writeFile(path, content, { flag: 'wx', mode: 0o600 })
    return content.equals(await readFile(path))
  } catch (error) {
    if (isCode(error, 'EEXIST') || isCode(error, 'ENOENT')) return false
    throw error
  }
}

/** Written aside and put in place whole, so that a lock file is never seen without its content, which no other has. */
async function writeAside(path: string): Promise<string> {
  const id = randomUUID()
  const aside = besides(path, id)
  const thread = ownThread()
  const [start, threadStart] = [await startOf(`${process.pid}`) ?? '', await startOf(thread) ?? '']
  await writeFile(aside, `${process.pid} ${start} ${id} ${thread} ${threadStart}\n`, { flag: 'wx', mode: 0o600 })
  return aside
}

/** A file in the same folder, whose name is short whatever the lock's name: that may be as long as the file system takes. */
function besides(path: string, id: string): string {
  return join(dirname(path), `.chatd-lock-${id}`)
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

/** Whether somebody may be about to write it. */
async function isYoung(path: string): Promise<boolean> {
  try {
    return Math.abs(Date.now() - (await stat(path)).mtimeMs) < EMPTY_MS_MAX
  } catch (error) {
    if (isCode(error, 'ENOENT')) return true
    throw error
  }
}

/** `thread` and its start are '' where that is not known. What can't be found out counts as alive. */
async function isAlive(pid: number, start: string, thread: string, threadStart: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid < 1) return false
  // Without a start it is of an earlier process with the same id, as in a container: what this thread has locked is known.
  if (pid === process.pid && start === '') return false
  if (!isIdTaken(pid)) return false
  // Ids are used again; the start time tells two processes apart where the system has it.
  const present = await startOf(`${pid}`)
  if (present !== '' && present !== null && start !== '' && present !== start) return false
  // A process that is hidden from this one hides its threads, too.
  if (threadStart === '' || present === null) return true
  const threadPresent = await startOf(thread)
  return threadPresent === '' || threadPresent === threadStart
}

function isIdTaken(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return !isCode(error, 'ESRCH')
  }
}

/** This thread, as PID/task/ID; '' where the system does not tell. A worker that dies leaves the process alive. */
function ownThread(): string {
  try {
    // What is read asynchronously is read by another thread.
    return readlinkSync('/proc/thread-self')
  } catch {
    return ''
  }
}

/** When a process or a thread of it started, in the system's ticks; null: it is not there, or not to be seen; '' where that is not known. */
async function startOf(task: string): Promise<string | null> {
  if (task === '') return ''
  try {
    const line = await readFile(`/proc/${task}/stat`, 'utf8')
    // Field 22, counted behind the name, which may hold spaces and parentheses.
    return line.slice(line.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch (error) {
    return isCode(error, 'ENOENT') || isCode(error, 'ESRCH') ? null : ''
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}
