/** Where the control socket of a data directory is. */
import { createHash } from 'node:crypto'
import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'

/** sockaddr_un has room for 104 bytes on macOS and BSD, 108 on Linux, the closing zero included. */
const PATH_BYTES_MAX = 103

/**
 * The path of the socket: in the data directory, which belongs to the server's user alone, or where that path is too long for a
 * socket, in a directory below the temporary one that belongs to the same user alone. Throws when the data directory is not there,
 * or that second directory belongs to somebody else.
 */
export function controlPath(directory: string): string {
  return socketPath(directory, 'control')
}

/** The same for another socket of the server, by its name: short, and a file name. */
export function socketPath(directory: string, name: string): string {
  const real = realpathSync(directory)
  const suffix = name === 'control' ? '' : `-${name}`
  const hash = createHash('sha256').update(real).digest('hex').slice(0, 16)
  if (process.platform === 'win32') return `\\\\.\\pipe\\chatd-${hash}${suffix}`
  const path = join(real, `${name}.sock`)
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return path
  return join(privateDirectory(), `${hash}${suffix}.sock`)
}

function privateDirectory(): string {
  const { uid } = userInfo()
  const path = join(tmpdir(), `chatd-${uid}`)
  mkdirSync(path, { recursive: true, mode: 0o700 })
  const stats = lstatSync(path)
  if (!stats.isDirectory() || stats.uid !== uid || (stats.mode & 0o077) !== 0) {
    throw new Error(`${path} has to be a directory of yours that nobody else may enter: remove it`)
  }
  return path
}
