/** `chat`, the terminal client: reads the command line, runs one command, ends with its exit code. */
import { readFile } from 'node:fs/promises'
import { homedir, hostname } from 'node:os'
import { blobs } from './blobs.js'
import type { Command } from './arguments.js'
import { parseCommand } from './arguments.js'
import type { ExitCode } from './failure.js'
import { ChatFailure, EXIT } from './failure.js'
import { fetchFiles } from './fetch.js'
import { group } from './group-command.js'
import { helpText } from './help.js'
import { interactive } from './interactive.js'
import { LineOutput, OutputClosed } from './line-output.js'
import { operate } from './operate.js'
import { people } from './people.js'
import { presence, privacy } from './presence.js'
import { devices, history } from './queries.js'
import { invite } from './invite.js'
import { recv } from './recv.js'
import { registerUser } from './register.js'
import { search } from './search.js'
import { send } from './send.js'
import type { World } from './world.js'
import { complain } from './world.js'

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
  try {
    return await runCommand(parseCommand(args), world)
  } catch (error) {
    if (error instanceof OutputClosed) return EXIT.ok
    complain(world, error instanceof Error ? error.message : String(error))
    return error instanceof ChatFailure ? error.exitCode : EXIT.failed
  }
}

async function runCommand(command: Command, world: World): Promise<ExitCode> {
  switch (command.kind) {
    case 'help': return print(world, helpText(command.topic))
    case 'version': return print(world, `chat ${await version()}`)
    case 'screen': return interactive(command.account, world)
    case 'send': return send(command, world)
    case 'fetch': return fetchFiles(command, world)
    case 'blobs': return blobs(command, world)
    case 'recv': return recv(command, world)
    case 'history': return history(command, world)
    case 'devices': return devices(command, world)
    case 'presence': return presence(command, world)
    case 'privacy': return privacy(command, world)
    case 'operate': return operate(command, world)
    case 'register': return registerUser(command, world)
    case 'invite': return invite(command, world)
    case 'search': return search(command, world)
    case 'group': return group(command, world)
    case 'people': return people(command, world)
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
