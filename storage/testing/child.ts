/** Other processes for tests: one that holds a store, one that writes until it is killed. */
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { closeAfter } from './temporary-directory.js'

const MAIN = fileURLToPath(new URL('./child-main.js', import.meta.url))

/** What the child says in a line. */
export interface ChildLine {
  readonly opened?: boolean
  readonly code?: string
  readonly message?: string
  readonly committed?: number
}

export interface Child {
  readonly process: ChildProcess
  /** The next line; null when there is none any more. */
  next(): Promise<ChildLine | null>
  kill(): Promise<void>
}

/**
 * Starts a child that opens the store and then does as `mode` says: 'hold' it, 'write' to it, or 'once': close it. 'unprivileged' is
 * 'once' by a user who may not write what others forbid, as root may.
 */
export function startChild(
  t: TestContext, directory: string, engine: string, mode: 'hold' | 'write' | 'once' | 'unprivileged',
): Child {
  const child = spawn(process.execPath, [MAIN, directory, engine, mode], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await exit
  }
  closeAfter(t, { close: kill })
  return {
    process: child,
    kill,
    async next() {
      const { value, done } = await lines.next()
      return done === true ? null : JSON.parse(value) as ChildLine
    },
  }
}

/** Lets a child write, kills it with SIGKILL in the middle once `least` is committed, and gives the last commit that it told of. */
export async function acknowledgedThenKilled(t: TestContext, directory: string, engine: string, least: number): Promise<number> {
  const child = startChild(t, directory, engine, 'write')
  let last = 0
  for (;;) {
    const line = await child.next()
    if (line === null) return last
    if (line.code !== undefined) throw new Error(line.message)
    last = line.committed ?? last
    if (last === least) void child.kill()
  }
}
