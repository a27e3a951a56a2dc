/** `chatd` as a program: its commands, and `chatd start` with its log read. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PASSWORD } from '../../../server/testing/live-server.js'

export const CHATD = fileURLToPath(new URL('../../../../bin/chatd', import.meta.url))
export const CHEAP = ['--set', 'auth.scramIterations=4096', '--set', 'data.engine=leveldb']

export interface Line { readonly event: string, readonly pid: number, readonly workerPid: number, readonly worker?: string, readonly session?: string, readonly user?: string }

export interface Running {
  readonly child: ChildProcess
  readonly listeners: readonly string[]
  readonly admin: string
  readonly lines: Line[]
  readonly ended: Promise<number | null>
  /** The next line of the log that is of this kind, once there are more than `count`. */
  line(isIt: (line: Line) => boolean, count?: number): Promise<Line>
}

export function folder(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'chatd-workers-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

export async function run(args: readonly string[], input = ''): Promise<number | null> {
  const child = spawn(process.execPath, [CHATD, ...args], { stdio: ['pipe', 'ignore', 'ignore'] })
  child.stdin.end(input)
  const [code] = await once(child, 'close') as [number | null]
  return code
}

/** Starts on `directory`/data; where that is new, alice and bob are in it. */
export async function start(t: TestContext, directory: string, args: readonly string[] = [], urls = ['tcp://127.0.0.1:0', 'ws://127.0.0.1:0']): Promise<Running> {
  const data = join(directory, 'data')
  if (!existsSync(data)) await addUsers(data, ['alice', 'bob'], settingsOf(args))
  const child = spawn(process.execPath, [
    CHATD, 'start', '--data', data, ...urls.flatMap((url) => ['--listen', url]), '--set', 'admin.url=http://127.0.0.1:0',
    '--set', 'limits.drainTimeoutMs=2000', '--set', 'limits.drainJitterMs=0', '--set', 'rate.strangerPerSecond=0', ...CHEAP, ...args,
  ], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, npm_lifecycle_event: '' } })
  t.after(() => child.kill('SIGKILL'))
  const lines: Line[] = []
  let wake = (): void => {}
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line.startsWith('{') ? JSON.parse(line) as Line : { event: line, pid: 0, workerPid: 0 })
    wake()
  })
  const ended = once(child, 'close').then(([code]) => code as number | null)
  const [ready] = await Promise.race([once(createInterface({ input: child.stdout }), 'line') as Promise<[string]>, ended.then(() => assert.fail(JSON.stringify(lines)))])
  const { listeners, admin } = JSON.parse(ready) as { listeners: string[], admin: string }
  const line = async (isIt: (line: Line) => boolean, count = 0): Promise<Line> => {
    for (;;) {
      const found = lines.filter(isIt)[count]
      if (found !== undefined) return found
      await new Promise<void>((resolve) => { wake = resolve })
    }
  }
  return { child, listeners, admin, lines, ended, line }
}

/** Those that are given by name and value, which other commands take as well. */
function settingsOf(args: readonly string[]): string[] {
  return args.flatMap((arg, at) => args[at - 1] === '--set' ? ['--set', arg] : [])
}

/** Whether a server runs or not; they all have the same password. */
export async function addUsers(data: string, users: readonly string[], args: readonly string[] = []): Promise<void> {
  for (const user of users) assert.equal(await run(['user', 'add', user, '--data', data, '--password-stdin', ...CHEAP, ...args], `${PASSWORD}\n`), 0)
}
