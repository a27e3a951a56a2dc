/** What a file needs to be whole on stable storage, beside its own `sync`. */
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'

/** Writes all of `bytes` at `position`. Rejects with the file system's error. */
export async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const result = await file.write(bytes, written, bytes.length - written, position + written)
    written += result.bytesWritten
  }
}

/** Whether `link` failed since the file system, or this user there, can have no hard links. */
export function hasNoLinks(error: unknown): boolean {
  return ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes((error as NodeJS.ErrnoException).code ?? '')
}

/** Brings the names in a directory to stable storage. Rejects with the file system's error. */
export async function syncDirectory(directory: string): Promise<void> {
  // Windows can't open a directory; there the rename is as durable as it gets.
  if (process.platform === 'win32') return
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
