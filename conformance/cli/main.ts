/** `chat-conformance`. */
import { loadCases } from '../runner/load.js'
import { runCases } from '../runner/run.js'

export async function main(argv: readonly string[]): Promise<void> {
  const dashes = argv.indexOf('--')
  const filters = argv.slice(1, dashes)
  const cases = loadCases().filter(({ id }) => filters.length === 0 || filters.some((filter) => id.startsWith(filter)))
  const began = performance.now()
  const results = await runCases(cases, {
    command: argv.slice(dashes + 1), cwd: process.cwd(), seed: '1', slowness: 1, parallel: 8,
    onResult: ({ case: { id }, verdict, failure, trace, durationMs }) => {
      console.log(verdict, id, durationMs, failure ?? '')
      if (failure !== null || process.env['TRACE'] !== undefined) for (const line of trace) console.log(`   ${line.atMs} ${line.who} ${line.connection} ${line.text}`)
    },
  })
  console.log(results.length, Math.round(performance.now() - began))
}
