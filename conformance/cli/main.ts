/** `chat-conformance`: see help.ts. */
import { readFileSync, writeFileSync } from 'node:fs'
import { withAdapters } from './adapters.js'
import { loadCases } from '../runner/load.js'
import { readKnown } from '../runner/known.js'
import { runCases } from '../runner/run.js'
import { runServerCases } from '../runner/server-run.js'
import { AccountFailure } from '../runner/accounts.js'
import type { Case } from '../runner/case.js'
import { CaseFault } from '../runner/variables.js'
import type { Result } from '../runner/verdict.js'
import { htmlReport } from '../report/html.js'
import { jsonReport } from '../report/json.js'
import { junitXml } from '../report/junit.js'
import { markdownReport } from '../report/markdown.js'
import { isBroken, judge } from '../report/summary.js'
import type { Run } from '../report/summary.js'
import { Progress, failureText, summaryText, traceText } from '../report/terminal.js'
import { UsageError, readArguments, select } from './arguments.js'
import type { Arguments } from './arguments.js'
import { explainText } from './explain.js'
import { help } from './help.js'
import { newAdapter } from './new.js'
import { listText, requirementsText } from './list.js'
import { serverOptions } from './server.js'

/** Sets the exit code; see help.ts. */
export async function main(argv: readonly string[]): Promise<void> {
  // Whoever read it has enough, as `head` has.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  try {
    process.exitCode = await run(readArguments(argv))
  } catch (error) {
    if (error instanceof CaseFault) {
      process.stderr.write(`chat-conformance: a case is written wrongly: ${error.message}\n`)
      process.exitCode = 2
      return
    }
    if (error instanceof AccountFailure) {
      process.stderr.write(`chat-conformance: ${error.message}\n`)
      process.exitCode = 2
      return
    }
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`chat-conformance: ${error.message}\nchat-conformance --help says what there is\n`)
    process.exitCode = 2
  }
}

async function run(args: Arguments): Promise<number> {
  if (args.command === 'help') {
    process.stdout.write(help)
    return 0
  }
  if (args.command === 'new') {
    process.stdout.write(newAdapter(args.positionals))
    return 0
  }
  const cases = loadCases()
  switch (args.command) {
    case 'list': {
      const selected = select(cases, args.filter)
      process.stdout.write(args.listsRequirements ? requirementsText(selected) : listText(selected))
      return 0
    }
    case 'explain':
      if (args.positionals.length === 0) throw new UsageError('explain takes the id of a case')
      process.stdout.write(select(cases, args.filter).map(explainText).join('\n'))
      return 0
    case 'client': return testClient(args, cases.filter(({ mode }) => mode === 'client'))
    case 'server': return testServer(args, cases.filter(({ mode }) => mode === 'server'))
  }
}

function knownOf({ known }: Arguments, cases: readonly Case[]): Run['known'] {
  if (known === '') return new Map()
  try {
    return readKnown(readFileSync(known, 'utf8'), cases)
  } catch (error) {
    throw new UsageError(`${known}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** As one types it. */
function quoted(word: string): string {
  return /^[\w./:=@+-]+$/.test(word) ? word : `'${word.replaceAll(`'`, `'\\''`)}'`
}

async function testClient(args: Arguments, cases: readonly Case[]): Promise<number> {
  if (args.adapter.length === 0 && !args.isDialIn) throw new UsageError('client takes the adapter behind --, or --dial-in')
  const selected = select(cases, args.filter)
  const command = args.adapter.map(quoted).join(' ')
  const { host } = args.at
  const how = `${args.isDialIn ? ' --dial-in' : ''}${host === '127.0.0.1' ? '' : ` --at ${quoted(host)}`}${command === '' ? '' : ` -- ${command}`}`
  const alone = (id: string): string => `chat-conformance client ${id} --seed ${quoted(args.seed)} --trace${how}`
  const { seed, slowness, parallel } = args
  const about = { mode: 'client', target: command === '' ? 'what dialled in' : command, seed, alone, known: knownOf(args, cases) } as const
  return stoppable((stop) => withAdapters(args, stop, (adapters) => (
    report(args, selected, about, (onResult) => runCases(selected, { adapters, host, seed, slowness, parallel, onResult, stop }))
  )))
}

async function testServer(args: Arguments, cases: readonly Case[]): Promise<number> {
  const selected = select(cases, args.filter)
  const options = await serverOptions(args, process.env)
  const url = args.positionals[0] ?? ''
  const given = [
    ['user', args.user], ['password-file', args.passwordFile], ['other', args.other], ['other-password-file', args.otherPasswordFile],
    ['invite-file', args.inviteFile], ['ca', args.ca], ...args.has.map((name) => ['has', name] as const),
  ] as const
  const same = given.filter(([, value]) => value !== '').map(([name, value]) => ` --${name} ${quoted(value)}`).join('')
  const alone = (id: string): string => `chat-conformance server ${quoted(url)} ${id}${args.registers ? ' --register' : ''}${same} --seed ${quoted(args.seed)} --trace`
  return stoppable((stop) => (
    report(args, selected, { mode: 'server', target: url, seed: args.seed, alone, known: knownOf(args, cases) }, (onResult) => (
      runServerCases(selected, { ...options, parallel: args.parallel, onResult, stop })
    ))
  ))
}

/** On Ctrl-C no adapter stays, nor its folder: adapters have process groups of their own, so the terminal does not reach them. */
async function stoppable(run: (stop: AbortSignal) => Promise<number>): Promise<number> {
  const stop = new AbortController()
  let exitCode = 0
  const onSignal = (_name: NodeJS.Signals, number: number): void => {
    exitCode = 128 + number
    stop.abort()
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.once(name, onSignal)
  try {
    const found = await run(stop.signal)
    return exitCode === 0 ? found : exitCode
  } finally {
    for (const name of signals) process.off(name, onSignal)
  }
}

async function report(
  args: Arguments, selected: readonly Case[], about: Omit<Run, 'results' | 'durationMs'>,
  play: (onResult: (result: Result) => void) => Promise<readonly Result[]>,
): Promise<number> {
  const beganMs = performance.now()
  const progress = new Progress(selected.length, process.stdout)
  const empty: Run = { ...about, results: [], durationMs: 0 }
  const results = await play((result) => {
    const isShown = result.failure !== null || judge(empty, result).isBroken
    const text = isShown ? failureText(empty, result) : ''
    progress.step(result, args.showsTrace && (isShown || selected.length === 1) ? `${text}\n${traceText(result)}` : text)
  })
  progress.end()
  if (results.length < selected.length) {
    process.stdout.write(`Stopped after ${String(results.length)} of ${String(selected.length)} cases.\n`)
    return 1
  }
  const whole: Run = { ...about, results, durationMs: Math.round(performance.now() - beganMs) }
  const files = [[args.junit, junitXml], [args.json, jsonReport], [args.html, htmlReport], [args.markdown, markdownReport]] as const
  for (const [file, make] of files) if (file !== '') writeFileSync(file, make(whole))
  process.stdout.write(`${summaryText(whole)}\n`)
  return isBroken(whole) ? 1 : 0
}
