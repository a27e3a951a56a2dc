import { open } from 'node:fs/promises'

/**
 * Brings the names in a directory to stable storage: without this a new one may be missing after a power cut. Rejects with the file
 * system's error. Does nothing on Windows, which has no such call for directories.
 */
export async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
