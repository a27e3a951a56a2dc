/** How servers of this process begin to listen. */
import { chmodSync, rmSync } from 'node:fs'
import type { ListenOptions, Server } from 'node:net'

/**
 * Resolves when `server` listens; rejects with the error of `listen` (EADDRINUSE, EACCES…). Later errors are those of accept(), out of file
 * descriptors above all, and `failed` hears of them: the next accept may succeed, and one that nobody hears would end the process.
 */
export function listenOn(server: Server, where: ListenOptions, failed: (error: Error) => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(where, () => {
      server.off('error', reject)
      server.on('error', failed)
      resolve()
    })
  })
}

/**
 * The same for a Unix socket that the process's own user alone can open; on Windows a pipe. To be called by who owns the path: a socket that
 * is there is that of a dead process, and is taken away.
 */
export async function listenPrivately(server: Server, path: string, backlog?: number): Promise<void> {
  // A worker process listens itself, too.
  const where = { path, exclusive: true, ...backlog === undefined ? {} : { backlog } }
  if (process.platform === 'win32') return listenOn(server, where)
  rmSync(path, { force: true })
  const umask = process.umask(0o177)
  let listening: Promise<void>
  try {
    listening = listenOn(server, where)
  } finally {
    // The socket is made within the call: the mask is back before anybody else makes a file or a folder.
    process.umask(umask)
  }
  await listening
  chmodSync(path, 0o600)
}
