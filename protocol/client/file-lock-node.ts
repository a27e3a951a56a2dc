/** A lock against a second process on the same directory: a file that names its holder, and is taken over when that one is dead. */
import { createHash, randomUUID } from 'node:crypto'
import { link, readFile, realpath, rename, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { localError } from './client-error.js'

const LOCK = 'lock'

/** Directories locked by this process: its own id in a lock file says nothing after a restart under the same id. */
const held = new Set<string>()

/** How often the file may pass from hand to hand while this process tries. */
const TRIES_MAX = 10

/** Locks the directory; resolves with what unlocks it. Rejects with ClientError `storage-locked`. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(await realpath(directory), LOCK)
  if (held.has(path)) throw lockedError(directory, process.pid)
  held.add(path)
  try {
    await take(path, directory)
  } catch (error) {
    held.delete(path)
    throw error
  }
  return async () => {
    await unlink(path)
    held.delete(path)
  }
}

/**
 * Makes the file, or replaces that of a dead holder.
 *
 * What was read as a dead one's file may be a living one's by the time it is replaced. So who wants to replace it first takes a lock of that very
 * file: nobody else may touch the file then, as its holder is dead, and if it is no longer the same, somebody was faster.
 */
async function take(path: string, directory: string): Promise<void> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    if (await tryCreate(path)) return
    const content = await readIfThere(path)
    // Given back in between.
    if (content === null) continue
    const [pid, start] = content.trim().split(' ')
    if (await isAlive(Number(pid), start ?? '')) throw lockedError(directory, Number(pid))
    const turn = `${path}.${createHash('sha256').update(content).digest('hex').slice(0, 16)}`
    await take(turn, directory)
    try {
      if (await readIfThere(path) === content) {
        await rename(await writeAside(path), path)
        return
      }
    } finally {
      await unlink(turn)
    }
  }
  throw lockedError(directory, 0)
}

async function tryCreate(path: string): Promise<boolean> {
  const aside = await writeAside(path)
  try {
    await link(aside, path)
    return true
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false
    throw error
  } finally {
    await unlink(aside)
  }
}

/** Written aside and put in place whole, so that a lock file is never seen without its content, which no other has. */
async function writeAside(path: string): Promise<string> {
  const id = randomUUID()
  const aside = `${path}.${id}`
  await writeFile(aside, `${process.pid} ${await startOf(process.pid)} ${id}\n`, { flag: 'wx', mode: 0o600 })
  return aside
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isCode(error, 'ENOENT')) return null
    throw error
  }
}

async function isAlive(pid: number, start: string): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid < 1) return false
  // From an earlier process with the same id, as in a container, or from another thread of this one.
  if (pid === process.pid) return start !== '' && start === await startOf(pid)
  try {
    process.kill(pid, 0)
  } catch (error) {
    if (isCode(error, 'ESRCH')) return false
  }
  // Ids are used again; the start time tells two processes apart where the system has it.
  const present = await startOf(pid)
  return present === '' || start === '' || present === start
}

/** When a process started, in the system's ticks; '' where that is not known. */
async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // Field 22, counted behind the name, which may hold spaces and parentheses.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}

function lockedError(directory: string, pid: number): Error {
  const holder = pid === 0 ? 'another process' : pid === process.pid ? 'this process' : `process ${pid}`
  return localError('storage-locked', `the storage ${directory} is in use by ${holder}`)
}
