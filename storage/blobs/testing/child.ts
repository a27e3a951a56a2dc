/** Other processes for tests of files: one that stores and appends until it is killed, one that may not do what root may. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('./child-main.js', import.meta.url))

/** What the child says in a line. */
export interface BlobChildLine {
  readonly opened?: boolean
  /** This object was stored. */
  readonly put?: string
  /** This upload has so many bytes. */
  readonly id?: string
  readonly size?: number
  readonly code?: string
  readonly message?: string
}

/**
 * Runs a child to its end and gives each of its lines to `heard` as it comes, with a function that kills it (SIGKILL). 'write' puts and
 * appends for ever, 'unprivileged' tries everything once, as a user who may not write what others forbid.
 */
export async function runBlobChild(
  directory: string, mode: 'write' | 'unprivileged', seed: number, heard: (line: BlobChildLine, kill: () => void) => void,
): Promise<void> {
  const child = spawn(process.execPath, [MAIN, directory, mode, String(seed)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const kill = (): void => { child.kill('SIGKILL') }
  try {
    for await (const line of createInterface({ input: child.stdout })) heard(JSON.parse(line) as BlobChildLine, kill)
  } finally {
    kill()
    await exit
  }
}
