/** Sockets within this machine that the process's own user alone can open: Unix sockets, and pipes on Windows. */
import { chmodSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'

/**
 * Has `server` listen at `path`. To be called by who owns the path: a socket that is there is that of a dead process, and is taken away.
 * Rejects with the error of `listen`.
 */
export async function listenPrivately(server: Server, path: string, backlog?: number): Promise<void> {
  const isFile = process.platform !== 'win32'
  if (isFile) rmSync(path, { force: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const listening = (): void => {
      server.off('error', reject)
      resolve()
    }
    // Made within the call, so that the mask is back before anybody else makes a file or a folder. A worker process listens itself, too.
    const umask = isFile ? process.umask(0o177) : 0
    try {
      server.listen({ path, exclusive: true, ...backlog === undefined ? {} : { backlog } }, listening)
    } finally {
      if (isFile) process.umask(umask)
    }
  })
  // Out of file descriptors, say: the next accept may succeed.
  server.on('error', () => {})
  if (isFile) chmodSync(path, 0o600)
}
