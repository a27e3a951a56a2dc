/** `chatd plan`: what a service of a given size would need, from what one of each thing was measured to cost. */
import { type Answers, type Constant, CONSTANTS, type Question, QUESTIONS } from '../../server/capacity/constants.js'
import { type Need, plan, type Plan } from '../../server/capacity/plan.js'
import { table } from '../table.js'
import { usageFailure } from './failure.js'

const SHARES: readonly Question[] = ['online-share', 'media-share', 'away-share', 'busy']
/** Beyond it sums lose their last digits. */
const MOST = 1e15

export const PLAN_OPTIONS = Object.keys(QUESTIONS) as Question[]

/** What was asked, the rest as it is by default. Throws a CommandFailure for what is no number. */
export function answersOf(given: Readonly<Record<string, unknown>>): Answers {
  return Object.fromEntries(PLAN_OPTIONS.map((name) => [name, answerOf(name, given[name])])) as Record<Question, number>
}

function answerOf(name: Question, text: unknown): number {
  if (typeof text !== 'string') return QUESTIONS[name].value
  const number = text.trim() === '' ? NaN : Number(text)
  if (!(number > 0 && number <= MOST)) throw usageFailure(`--${name} takes a number above 0, such as ${String(QUESTIONS[name].value)}, not ${text}`, 'plan')
  if (SHARES.includes(name) && number > 1) throw usageFailure(`--${name} is a share: from 0 to 1`, 'plan')
  if (name === 'copies' && !Number.isInteger(number)) throw usageFailure('--copies is a whole number', 'plan')
  return number
}

export function printPlan(answers: Answers, json: boolean): void {
  const made = plan(answers)
  process.stdout.write(json ? `${JSON.stringify({ asked: answers, ...made })}\n` : planText(answers, made))
}

/** For people; every line of it follows from the tables of constants below. */
export function planText(asked: Answers, { load, needs, nodes, cores, files, redis, writtenByNodeADay, death }: Plan): string {
  const [first, second] = needs
  return `${short(asked.users)} users a month, ${short(asked['messages-per-day'])} messages a day, one in ${short(1 / asked['media-share'])} with a file

At the daily peak, a second:
  ${short(load.connections)} connections, ${short(load.messages)} messages, ${short(load.deliveries)} deliveries, ${short(load.returns)} returns, ${short(load.uploads)} uploads

Nodes of ${short(asked.cores)} cores, ${bytes(asked.memory)} of memory, ${bytes(asked.disk)} of disk, ${short(asked.network)}bit/s, ${short(asked.busy * 100)} % busy at the peak, ${short(asked.copies)} ${asked.copies === 1 ? 'copy' : 'copies'} of each shard:
${table([['', 'in all', 'of a node', 'nodes'], ...needs.map(needRow)], true)}
  ${short(nodes)} nodes. First to give out: ${first!.name}; with twice as much of it in a node, ${second!.name} at ${short(Math.max(second!.nodes, Math.ceil(first!.nodes / 2)))} nodes.
  ${short(cores.events)} cores for messages, deliveries and returns, ${short(cores.standbys)} for standbys.
  Each node writes ${bytes(writtenByNodeADay)} a day to its disk.
  When a node dies, ${short(death.connections)} connections go to the others, ${short(death.each)} to each: ${short(death.seconds * 1000)} ms of their free CPU.

Redis: ${redisText(redis)}.
Files: ${short(files.cores)} cores, ${bytes(files.bytes)} in an object store for ${short(asked['keep-days'])} days, ${short(files.bitsPerSecond)}bit/s in and out.

None of this was ever run. What it follows from, and what is only assumed: \`chatd plan --constants\`, and spec/capacity.md.
`
}

function redisText({ processes, bytes: memory, bytesPerSecond }: Plan['redis']): string {
  if (processes === 0) return 'none, for one copy needs no changelog'
  return `${short(processes)} ${processes === 1 ? 'process with a replica' : 'processes with a replica each'}, ${bytes(memory)} of memory and ${bytes(bytesPerSecond)} a second in all`
}

function needRow({ name, unit, total, byNode, nodes }: Need): string[] {
  const show = (value: number): string => unit === 'bytes' ? bytes(value) : unit === 'bits/s' ? `${short(value)}bit/s` : `${short(value)}${unit === 'cores' ? ' cores' : ''}`
  return [name, show(total), show(byNode), short(nodes)]
}

/** The constants, and the questions with what they are when nobody says; as in spec/capacity.md. */
export function constantsText(): string {
  const rows = (of: Readonly<Record<string, Constant>>, prefix: string): string[][] =>
    Object.entries(of).map(([name, { value, unit, origin, about }]) => [prefix + name, `${plain(value)} ${unit}`, origin, about])
  return `${markdown([['asked', 'unless said', 'origin', 'what'], ...rows(QUESTIONS, '--')])}\n${markdown([['constant', 'value', 'origin', 'what'], ...rows(CONSTANTS, '')])}`
}

function markdown([head, ...rows]: string[][]): string {
  return [head!, head!.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |\n`).join('')
}

const SCALES: readonly (readonly [number, string])[] = [[1e18, ' E'], [1e15, ' P'], [1e12, ' T'], [1e9, ' G'], [1e6, ' M'], [1e3, ' k']]

/** Three digits are more than a plan knows. */
function short(value: number): string {
  for (const [scale, name] of SCALES) if (value >= 0.9995 * scale) return `${three(value / scale)}${name}`
  return three(value)
}

function bytes(value: number): string {
  const text = short(value)
  return /[A-Za-z]$/.test(text) ? `${text}B` : `${text} B`
}

function three(value: number): string {
  return String(Number(value.toPrecision(3)))
}

function plain(value: number): string {
  return value >= 1e6 ? value.toExponential().replace('e+', 'e') : String(value)
}
