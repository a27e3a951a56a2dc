/**
 * npm run bench -- [scenario[:size]…] [--json FILE] [--seconds N] [--runs N]
 *
 * Starts the real server for each scenario, drives it from another process, and prints medians over the runs. The exit code is 1 when
 * a scenario fails, or when a message was lost or doubled in it.
 */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Options } from './options.js'
import { faults, scenarios } from './scenarios.js'
import { type Figures, medians, spread } from './statistics.js'

const usage = `usage: npm run bench -- [scenario[:size]…] [--json FILE] [--seconds N] [--runs N]
scenarios: ${Object.keys(scenarios).join(' ')}    (size: connections of idle and phones, messages of offline, crash and bytes,
                                     deliveries under way to each member of group and groups,
                                     shards of shardsSame and shardsCross)
--json FILE    write every run to a file       --seconds N   length of a measured stretch (5)
--runs N       measured stretches (3)          --help        this text
serverCores, generatorCores and idleCores say what the machine had left: with next to no idle cores the generator slows the server
down, and serverCpuUs alone can be compared.
environment: BENCH_NODE   node binary for the server      BENCH_ENGINE   rocksdb or leveldb
             BENCH_TLS    full or resumed: clients come over TLS, with a whole handshake or a session of TLS that they had
             BENCH_CHATD  another checkout's bin/chatd, to compare two versions in one sitting`

interface Result {
  readonly scenario: string
  readonly median: Figures
  readonly runs: readonly Figures[]
}

function isFaulty(runs: readonly Figures[]): boolean {
  return runs.some((run) => [...faults].some((key) => (run[key] ?? 0) !== 0))
}

/** Runs a scenario in its own process. */
async function run(name: string, options: Options): Promise<Figures[]> {
  const generator = fork(fileURLToPath(new URL('generator.js', import.meta.url)), [name, JSON.stringify(options)])
  let figures: Figures[] | null = null
  generator.on('message', (message) => { figures = message as Figures[] })
  const forward = (signal: NodeJS.Signals): void => { generator.kill(signal) }
  process.once('SIGINT', forward).once('SIGTERM', forward)
  const [code] = await once(generator, 'exit') as [number | null]
  process.off('SIGINT', forward).off('SIGTERM', forward)
  if (code !== 0 || figures === null) throw new Error(`scenario ${name} failed with exit code ${String(code)}`)
  return figures
}

function shown(value: number | null): string {
  if (value === null || Number.isNaN(value)) return 'n/a'
  return value.toLocaleString('en', { maximumFractionDigits: Math.abs(value) >= 1000 ? 0 : Math.abs(value) >= 10 ? 1 : 2 })
}

function table({ scenario, median, runs }: Result): string {
  const title = scenarios[scenario.split(':')[0]!]!.title
  const lines = Object.entries(median).map(([key, value]) => {
    const range = spread(runs, key)
    const verdict = faults.has(key) && range?.max !== 0 ? '  has to be 0' : ''
    const detail = range !== null && range.min !== range.max ? `  (${shown(range.min)} to ${shown(range.max)})` : ''
    return `  ${key.padEnd(22)}${shown(value).padStart(12)}${detail}${verdict}`
  })
  return [`${scenario}: ${title}; medians of ${String(runs.length)}`, ...lines].join('\n')
}

function positive(option: string, value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new TypeError(`--${option} takes a whole number from 1; it is ${value}`)
  return number
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'string' }, seconds: { type: 'string' }, runs: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  if (values.help === true) {
    console.log(usage)
    return
  }
  const options = { seconds: positive('seconds', values.seconds ?? '5'), runs: positive('runs', values.runs ?? '3') }
  const wanted = (positionals.length > 0 ? positionals : Object.keys(scenarios)).map((positional) => {
    const [name, size] = positional.split(':') as [string, string | undefined]
    if (!Object.hasOwn(scenarios, name)) throw new TypeError(`there is no scenario ${name}; there are ${Object.keys(scenarios).join(', ')}`)
    return { name, label: positional, size: size === undefined ? 0 : positive(name, size) }
  })
  const machine = { node: process.version, serverNode: process.env['BENCH_NODE'] ?? process.version, cpu: cpus()[0]?.model ?? '', cores: cpus().length }
  console.log(`node ${machine.node}, ${String(machine.cores)} × ${machine.cpu}`)
  const results: Result[] = []
  for (const { name, label, size } of wanted) {
    const runs = await run(name, { ...options, size })
    const result = { scenario: label, median: medians(runs), runs }
    results.push(result)
    console.log('\n' + table(result))
    if (isFaulty(runs)) process.exitCode = 1
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ at: new Date().toISOString(), machine, options, results }, null, 1) + '\n')
  }
}

try {
  await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
