/** A lock against a second process on the same directory: a file that names its holder, and is taken over when that one is dead. */
import { randomUUID } from 'node:crypto'
import { link, open, readFile, realpath, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { localError } from './client-error.js'

const LOCK = 'lock'

/** Directories locked by this process: its own id in a lock file says nothing after a restart under the same id. */
const held = new Set<string>()

/** Locks the directory; resolves with what unlocks it. Rejects with ClientError `storage-locked`. */
export async function lockDirectory(directory: string): Promise<() => Promise<void>> {
  const path = join(await realpath(directory), LOCK)
  if (held.has(path)) throw lockedError(directory, process.pid)
  held.add(path)
  try {
    if (!await tryCreate(path)) {
      await removeStale(path, directory)
      if (!await tryCreate(path)) throw lockedError(directory, 0)
    }
  } catch (error) {
    held.delete(path)
    throw error
  }
  return async () => {
    await unlink(path)
    held.delete(path)
  }
}

async function tryCreate(path: string): Promise<boolean> {
  // Written aside and linked, so that a lock file is never seen without its content.
  const aside = `${path}.${randomUUID()}`
  const file = await open(aside, 'wx', 0o600)
  try {
    await file.writeFile(`${process.pid} ${await startOf(process.pid)}\n`)
  } finally {
    await file.close()
  }
  try {
    await link(aside, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    await unlink(aside)
  }
}

/** Takes the file of a dead holder out of the way; throws if the holder lives. */
async function removeStale(path: string, directory: string): Promise<void> {
  const content = await readFile(path, 'utf8')
  const [pid, start] = content.trim().split(' ')
  if (await isAlive(Number(pid), start ?? '')) throw lockedError(directory, Number(pid))
  const aside = `${path}.${randomUUID()}`
  await rename(path, aside)
  // Somebody else may have been faster, and this may be the lock of a living one.
  if (await readFile(aside, 'utf8') === content) {
    await unlink(aside)
    return
  }
  await rename(aside, path)
  throw lockedError(directory, 0)
}

async function isAlive(pid: number, start: string): Promise<boolean> {
  // This process does not hold it, so it is from an earlier one with the same id, as in a container.
  if (!Number.isSafeInteger(pid) || pid < 1 || pid === process.pid) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false
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

function lockedError(directory: string, pid: number): Error {
  const holder = pid === 0 ? 'another process' : pid === process.pid ? 'this process' : `process ${pid}`
  return localError('storage-locked', `the storage ${directory} is in use by ${holder}`)
}
