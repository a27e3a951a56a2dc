/**
 * How much memory V8 may take for young objects. Since Node 22 it lets them have three times 32 MiB, which a storm of logins fills once
 * and nobody gives back: 6.9 KB for each of 10,000 idle sessions, as much again as a session itself. Three times 8 MiB cost no more CPU.
 */

const FLAG = '--max-semi-space-size'
const SEMI_SPACE_MIB = 8

/** Node 22.15 and later; typed here because the types are those of the oldest Node we run on. */
type Execve = (file: string, args: readonly string[], env: NodeJS.ProcessEnv) => never

/**
 * Starts this process's program anew in its place, with the limit set: it can't be set once V8 runs. Does nothing where the operator
 * has set one, where it is set already, where somebody has a channel to this process that would be lost, and where Node can't: one
 * that old has half of that limit of its own.
 */
export function limitYoungGeneration(): void {
  const { execve } = process as unknown as { execve?: Execve }
  const options = [...process.execArgv, process.env['NODE_OPTIONS'] ?? ''].join(' ')
  if (execve === undefined || process.platform === 'win32' || process.connected || options.includes(FLAG)) return
  execve(process.execPath, [process.execPath, `${FLAG}=${String(SEMI_SPACE_MIB)}`, ...process.execArgv, ...process.argv.slice(1)], process.env)
}
