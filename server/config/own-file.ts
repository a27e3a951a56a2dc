/** Files with secrets: for the owner alone, since everything else of a configuration may be printed. */
import { readFileSync, statSync } from 'node:fs'
import { ConfigError } from './config-error.js'

/** `setting`: the name of the one that names the file. Throws ConfigError, which tells nothing of what is in it. */
export function readOwnFile(setting: string, file: string): Buffer {
  try {
    if (process.platform !== 'win32' && (statSync(file).mode & 0o077) !== 0) {
      throw new ConfigError(`${setting}: ${file} can be read by other users of this machine: chmod 600 ${file}`)
    }
    return readFileSync(file)
  } catch (error) {
    if (error instanceof ConfigError) throw error
    throw new ConfigError(`can't read ${setting} ${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`)
  }
}
