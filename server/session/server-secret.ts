/**
 * What the challenges for unknown users are derived from, so that they look like those of known ones and stay the same for good: a
 * secret, and the iterations in force when it was made. A file of the data directory, readable by the owner alone. [OPN-13]
 */
import { randomBytes } from 'node:crypto'
import { constants, copyFileSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface ServerSecret {
  /** 32 bytes */
  readonly key: Uint8Array
  readonly iterations: number
}

const FILE = 'server-secret.json'

/** Reads the secret, or makes it. The directory has to be there. Throws what the file system says, or an Error for a damaged file. */
export function openServerSecret(directory: string, iterations: number): ServerSecret {
  const path = join(directory, FILE)
  const known = read(path)
  if (known !== null) return known
  const fresh = { key: randomBytes(32).toString('base64'), iterations }
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(fresh)}\n`, { mode: 0o600, flush: true })
  try {
    // A link fails where another process was faster; its secret is the one that counts then.
    linkSync(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(temporary, { force: true })
  }
  return read(path) ?? { key: Buffer.from(fresh.key, 'base64'), iterations }
}

/** For a copy of the data, so that it shows strangers the same. Without one there is nothing to copy. */
export function copyServerSecret(from: string, to: string): void {
  if (read(join(from, FILE)) !== null) copyFileSync(join(from, FILE), join(to, FILE), constants.COPYFILE_EXCL)
}

function read(path: string): ServerSecret | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
  try {
    const { key, iterations } = JSON.parse(text) as { key: unknown, iterations: unknown }
    const bytes = Buffer.from(String(key), 'base64')
    if (bytes.length === 32 && typeof iterations === 'number' && Number.isInteger(iterations)) return { key: bytes, iterations }
  } catch {
    // Not JSON: the same as JSON of another form.
  }
  throw new Error(`${path} is damaged: restore it, or remove it to have a new one made`)
}
