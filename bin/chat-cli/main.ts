/** `chat`, the terminal client: reads the command line, runs one command, ends with its exit code. */
import { readFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import type { Command } from './arguments.js'
import { parseCommand } from './arguments.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import { helpText } from './help.js'
import { LineOutput, OutputClosed } from './line-output.js'
import type { World } from './world.js'
import { complain } from './world.js'
import { namedInAction } from './people-arguments.js'
import { refusalText } from './refusal.js'

/** Runs the command that `args` name and ends the process. */
export async function main(args: readonly string[]): Promise<void> {
  const stop = new AbortController()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      // The second one means: now.
      if (stop.signal.aborted) process.exit(EXIT.incomplete)
      stop.abort()
    })
  }
  const world: World = {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    environment: process.env,
    hostName: hostname(),
    homeDirectory: homedir(),
    stop: stop.signal,
  }
  // stdin may still be open, and nothing waits for it any more.
  process.exit(await run(args, world))
}

/** Runs a command within `world`. Never rejects: what goes wrong is one line on stderr and an exit code. */
export async function run(args: readonly string[], world: World): Promise<ExitCode> {
  // A person who closes the terminal, or pipes stderr away, gets no stack trace for it.
  world.stderr.on('error', () => {})
  let command: Command | null = null
  try {
    command = parseCommand(args)
    return await runCommand(command, world)
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.ok
    complain(world, refusalText(error, command === null ? '' : namedIn(command)))
    return error instanceof ChatFailure ? error.exitCode : EXIT.failed
  }
}

/** The conversation or the user that the command is about; '' for none. */
function namedIn(command: Command): string {
  switch (command.kind) {
    case 'history': case 'fetch': return command.conversation
    case 'search': return command.conversation ?? ''
    case 'people': return namedInAction(command.action)
    default: return ''
  }
}

/** What a command needs is loaded for that command alone: a script may call it many times. */
async function runCommand(command: Command, world: World): Promise<ExitCode> {
  switch (command.kind) {
    case 'help': return print(world, helpText(command.topic))
    case 'version': return print(world, `chat ${await version()}`)
    case 'screen': return (await import('./interactive.js')).interactive(command.account, world)
    case 'send': return (await import('./send.js')).send(command, world)
    case 'fetch': return (await import('./fetch.js')).fetchFiles(command, world)
    case 'blobs': return (await import('./blobs.js')).blobs(command, world)
    case 'recv': return (await import('./recv.js')).recv(command, world)
    case 'history': return (await import('./queries.js')).history(command, world)
    case 'devices': return (await import('./queries.js')).devices(command, world)
    case 'presence': return (await import('./presence.js')).presence(command, world)
    case 'privacy': return (await import('./presence.js')).privacy(command, world)
    case 'operate': return (await import('./operate.js')).operate(command, world)
    case 'register': return (await import('./register.js')).registerUser(command, world)
    case 'invite': return (await import('./invite.js')).invite(command, world)
    case 'search': return (await import('./search.js')).search(command, world)
    case 'group': return (await import('./group-command.js')).group(command, world)
    case 'people': return (await import('./people.js')).people(command, world)
  }
}

async function print(world: World, text: string): Promise<ExitCode> {
  await new LineOutput(world.stdout).line(text)
  return EXIT.ok
}

async function version(): Promise<string> {
  const manifest = JSON.parse(await readFile(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }
  return manifest.version
}
