/**
 * `chatd`: from the command line to what carries it out, and from its errors to one line and an exit code. What a command needs is loaded
 * for that command alone: the whole server takes a second of some machines' time, and `chatd user add` uses little of it.
 */
import { loadConfig } from '../../server/config/config.js'
import { type Command, type ConfigArguments, parseCommand } from './arguments.js'
import type { ClusterCommand } from './cluster-arguments.js'
import { describeFailure, usageFailure } from './failure.js'
import { Hangups } from './hangups.js'
import { HELP } from './help.js'

/** Runs one command; sets the exit code, and never rejects for anything an operator can cause. */
export async function main(args: readonly string[]): Promise<void> {
  // What is stored is for the operator's account alone, also in a data directory that was there before and is open to others.
  process.umask(0o077)
  try {
    await run(parseCommand(args))
  } catch (error) {
    const { exitCode, text } = describeFailure(error)
    process.stderr.write(`chatd: ${text}\n`)
    process.exitCode = exitCode
  }
}

async function run(command: Command): Promise<void> {
  switch (command.kind) {
    case 'help': {
      const text = HELP[command.topic]
      if (text === undefined) throw usageFailure(`there is no command ${command.topic}`)
      process.stdout.write(text)
      return
    }
    case 'version': {
      const { version } = await import('../../server/process/version.js')
      process.stdout.write(`chatd ${version()}\n`)
      return
    }
    case 'config': {
      const { printConfig } = await import('../../server/config/print.js')
      process.stdout.write(printConfig(load(command.config)))
      return
    }
    case 'start': {
      const { config } = load(command.config)
      await startServer(config)
      return
    }
    case 'user':
      await (await import('./user.js')).changeUser(load(command.config).config, command)
      return
    case 'user-list':
      await (await import('./user.js')).listUsers(load(command.config).config, command.json)
      return
    case 'user-import':
      await (await import('./user.js')).importFromStdin(load(command.config).config)
      return
    case 'invite':
      await (await import('./invite.js')).runInvite(load(command.config).config, command.invite)
      return
    case 'search-rebuild':
      await (await import('./search.js')).rebuildIndex(load(command.config).config)
      return
    case 'report':
      await (await import('./report.js')).report(load(command.config).config, command.action, command.json)
      return
    case 'cluster':
      await runCluster(command.command, command.config)
      return
    case 'plan':
      (await import('./plan.js')).printPlan(command.answers, command.json)
      return
    case 'plan-constants':
      process.stdout.write((await import('./plan.js')).constantsText())
      return
    case 'split':
      await (await import('./split.js')).split(command.split)
      return
    case 'cert':
      (await import('./cert.js')).makeCertificate(command)
  }
}

async function startServer(config: ReturnType<typeof loadConfig>['config']): Promise<void> {
  const hangups = new Hangups(config)
  const { limitYoungGeneration } = await import('./young-generation.js')
  // Before anything that fills it.
  limitYoungGeneration()
  const { collectWhenQuiet } = await import('./quiet-collection.js')
  const { start } = await import('./start.js')
  collectWhenQuiet()
  await start(config, hangups)
}

async function runCluster(command: ClusterCommand, config: ConfigArguments): Promise<void> {
  const { leave, makeSecret, order, printStatus } = await import('./cluster.js')
  switch (command.action) {
    case 'secret':
      makeSecret(command.file)
      return
    case 'leave': return leave(load(config).config)
    case 'status': return printStatus(load(config).config, command.json)
    default: return order(load(config).config, command)
  }
}

function load({ file, flags }: ConfigArguments): ReturnType<typeof loadConfig> {
  return loadConfig({ file, flags, environment: process.env })
}
