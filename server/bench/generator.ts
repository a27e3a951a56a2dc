/** One scenario in a process of its own: the load generator. Takes the scenario's name and options, sends the figures to its parent. */
import type { Options } from './options.js'
import { scenarios } from './scenarios.js'

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => { process.exit(1) }) // so that the server ends with us

const scenario = scenarios[process.argv[2] ?? '']
if (scenario === undefined || process.send === undefined) throw new Error('started by the bench alone')
const runs = await scenario.run(JSON.parse(process.argv[3] ?? '') as Options)
process.send(runs, () => { process.exit(0) })
