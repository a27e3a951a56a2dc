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
