/** `chatd`: from the command line to what carries it out, and from its errors to one line and an exit code. */
import { loadConfig } from '../../server/config/config.js'
import { version } from '../../server/version.js'
import { printConfig } from '../../server/config/print.js'
import { type Command, type ConfigArguments, parseCommand } from './arguments.js'
import { makeCertificate } from './cert.js'
import { leave, makeSecret, order, printStatus } from './cluster.js'
import type { ClusterCommand } from './cluster-arguments.js'
import { describeFailure, usageFailure } from './failure.js'
import { HELP } from './help.js'
import { runInvite } from './invite.js'
import { constantsText, printPlan } from './plan.js'
import { collectWhenQuiet } from './quiet-collection.js'
import { report } from './report.js'
import { rebuildIndex } from './search.js'
import { start } from './start.js'
import { changeUser, importFromStdin, listUsers } from './user.js'
import { limitYoungGeneration } from './young-generation.js'

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
    case 'version':
      process.stdout.write(`chatd ${version()}\n`)
      return
    case 'config':
      process.stdout.write(printConfig(load(command.config)))
      return
    case 'start': {
      const { config } = load(command.config)
      limitYoungGeneration()
      collectWhenQuiet()
      await start(config)
      return
    }
    case 'user':
      await changeUser(load(command.config).config, command)
      return
    case 'user-list':
      await listUsers(load(command.config).config, command.json)
      return
    case 'user-import':
      await importFromStdin(load(command.config).config)
      return
    case 'invite':
      await runInvite(load(command.config).config, command.invite)
      return
    case 'search-rebuild':
      await rebuildIndex(load(command.config).config)
      return
    case 'report':
      await report(load(command.config).config, command.action, command.json)
      return
    case 'cluster':
      await runCluster(command.command, command.config)
      return
    case 'plan':
      printPlan(command.answers, command.json)
      return
    case 'plan-constants':
      process.stdout.write(constantsText())
      return
    case 'cert':
      makeCertificate(command)
  }
}

async function runCluster(command: ClusterCommand, config: ConfigArguments): Promise<void> {
  switch (command.action) {
    case 'secret':
      makeSecret(command.file)
      return
    case 'leave': return leave(load(config).config)
    case 'status': return printStatus(load(config).config, command.json)
    default: return order(load(config).config, command.action, command.node)
  }
}

function load({ file, flags }: ConfigArguments): ReturnType<typeof loadConfig> {
  return loadConfig({ file, flags, environment: process.env })
}
