import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * Makes a directory and those above it that are missing, for their owner alone. Rejects with the file system's error.
 *
 * `mkdir` with `recursive` does the same, but below a place that holds what it likes, as /proc does, it tries for ever at full speed.
 */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 })
  } catch (error) {
    if (!isCode(error, 'ENOENT') || dirname(path) === path) {
      unlessThere(error)
      return
    }
    await makeDirectory(dirname(path))
    await mkdir(path, { mode: 0o700 }).catch(unlessThere)
  }
}

function unlessThere(error: unknown): void {
  if (!isCode(error, 'EEXIST')) throw error
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code
}
