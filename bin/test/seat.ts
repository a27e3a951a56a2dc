/** The interactive program with a keyboard and a terminal of streams, for tests. */
import { PassThrough, Writable } from 'node:stream'
import type { TestContext } from 'node:test'
import { run } from '../chat-cli/main.js'
import type { Place } from './harness.js'
import { TerminalScreen } from './terminal-screen.js'

/** A person at a terminal. */
export interface Seat {
  readonly screen: TerminalScreen
  readonly ended: Promise<number>
  readonly errors: () => string
  type(keys: string): void
}

export function sit(t: TestContext, place: Place, args: readonly string[], environment: Record<string, string> = {}): Seat {
  const screen = new TerminalScreen()
  const keyboard = Object.assign(new PassThrough(), { isTTY: true, setRawMode: () => {} })
  let errors = ''
  const stop = new AbortController()
  const ended = run(args, {
    stdin: keyboard,
    stdout: screen,
    stderr: new Writable({ write: (chunk: Buffer, _encoding, done) => { errors += chunk.toString(); done() } }),
    environment: { XDG_STATE_HOME: place.path('screen-state'), ...environment },
    hostName: 'testhost',
    homeDirectory: place.directory,
    stop: stop.signal,
  })
  t.after(async () => {
    stop.abort()
    await ended
  })
  return { screen, ended, errors: () => errors, type: (keys) => keyboard.write(keys) }
}

export function signIn(place: Place, user: string, scheme: 'tcp' | 'ws' = 'tcp'): string[] {
  return ['--server', place.url(scheme), '--user', user, '--password-file', place.path(`${user}.password`)]
}
