/** `explain`: a case in words, for who has to find out why a client fails it. */
import { definitionsOf, readPages } from '../spec/pages.js'
import { registry } from '../spec/registry.js'
import { beginnings, features, serverFeatures } from '../runner/load.js'
import { stepTimeoutMs } from '../runner/play.js'
import { serverSteps } from '../runner/server-case.js'
import type { ServerStep } from '../runner/server-case.js'
import { serverStepTimeoutMs } from '../runner/server-play.js'
import { listOf } from '../runner/step-parts.js'
import type { Case, ExpectedDump, Step } from '../runner/case.js'
import { serverWords } from './explain-server.js'
import { wrapped } from './wrap.js'

let pages: ReadonlyMap<string, string> | null = null

export function explainText(one: Case): string {
  const { id, mode, title, level, negative, transport, file, begin, welcome, acks, answers, steps, dump, password } = one
  const lines = [id, '', ...wrapped(`${title}.`, ''), '', `level        ${level}${negative ? `, negative: the ${mode === 'client' ? 'server' : 'client'} does something wrong, or something goes wrong` : ''}`]
  lines.push(`file         conformance/cases/${file}`)
  if (mode === 'client') lines.push(`transport    ${transportWords[transport]}`)
  for (const name of one.features) lines.push(...needLines(name, mode === 'client' ? features : serverFeatures))
  if (password !== undefined) lines.push(`password     ${JSON.stringify(password)}`)
  lines.push('', ...one.requirements.flatMap(requirementLines))
  if (begin !== undefined) lines.push('', ...wrapped(`Begins as ${begin}: ${beginnings[mode][begin]?.about ?? ''}`, ''))
  if (one.certificate !== undefined) lines.push('', `The certificate of the server is ${certificateWords[one.certificate]}.`)
  if (one.tlsMax !== undefined) lines.push('', `The server speaks ${one.tlsMax} at the most.`)
  if (welcome !== undefined) lines.push('', `Every welcome says ${JSON.stringify(welcome)}`)
  if (acks === true) lines.push('', 'The server acks whatever comes.')
  for (const [query, answer] of Object.entries(answers ?? {})) lines.push('', ...wrapped(`The query ${query} is answered by ${listOf(answer).join(', then ')}`, ''))
  lines.push('', 'Steps', ...(mode === 'client' ? steps.flatMap((step, place) => stepLines(step, numberOf(place))) : serverSteps(one).flatMap((step, place) => serverStepLines(step, numberOf(place)))))
  if (dump !== undefined) lines.push(...said(String(steps.length + 1).padStart(4), 'In the end the user sees', dumpWords(dump), 'what is shown is another thing, or changes again'))
  lines.push('', ...wrapped('In all of it the rules hold that always hold, such as numbers that rise and cursors of what was sent; who breaks one fails by it.', ''))
  lines.push('', mode === 'client' ? `Alone: chat-conformance client ${id} --trace -- ADAPTER` : `Alone: chat-conformance server URL ${id} --trace`)
  return `${lines.join('\n')}\n`
}

const transportWords = { any: 'TCP, in a browser WebSocket', tcp: 'TCP', tls: 'TLS', ws: 'WebSocket', wss: 'WebSocket over TLS' } as const

const certificateWords = { 'right': 'the right one', 'other-name': 'for another name', 'other-issuer': 'not the one to be trusted', 'expired': 'one that has expired' } as const

/** Of a step, from 1. */
function numberOf(place: number): string {
  return String(place + 1).padStart(4)
}

function needLines(name: string, known: readonly { readonly name: string; readonly about: string }[]): string[] {
  const about = known.find((feature) => feature.name === name)?.about ?? ''
  return wrapped(`${about.startsWith(`${name}: `) ? '' : `${name}: `}${about}`, ' '.repeat(13), 'needs        ')
}

/** The page where each requirement stands. */
function pagesOfRequirements(): ReadonlyMap<string, string> {
  return new Map(definitionsOf(readPages()).map(({ id, page }) => [id, page]))
}

function requirementLines(id: string): string[] {
  const requirement = registry.requirements.find((one) => one.id === id)
  pages ??= pagesOfRequirements()
  const page = pages.get(id) ?? ''
  return [`${id} (${requirement?.level ?? ''}), spec/${page}`, ...wrapped(requirement?.text ?? '', '    ')]
}

/** One step: what happens, with what, and what would fail the case there. */
function said(number: string, what: string, details: readonly string[], fails: string): string[] {
  const lines = [...wrapped(what, '      ', `${number}  `), ...details.flatMap((detail) => wrapped(detail, '          '))]
  if (fails !== '') lines.push(...wrapped(`fails if ${fails}`, '          ', '        ✗ '))
  return lines
}

function stepLines(step: Step, number: string): string[] {
  const within = `${String((step.within ?? stepTimeoutMs) / 1000)} s`
  for (const word of Object.keys(words) as (keyof typeof words)[]) {
    if (step[word] === undefined) continue
    const [what, details, fails] = words[word](step, within)
    const inner = word === 'repeat' ? (step.steps ?? []).flatMap((one, place) => stepLines(one, `${number}.${String(place + 1)}`)) : []
    return [...said(number, what, details, fails), ...inner]
  }
  return said(number, JSON.stringify(step), [], '')
}

function serverStepLines(step: ServerStep, number: string): string[] {
  const within = `${String((step.within ?? serverStepTimeoutMs) / 1000)} s`
  for (const word of Object.keys(serverWords) as (keyof typeof serverWords)[]) {
    if (step[word] === undefined) continue
    const [what, details, fails] = serverWords[word](step, within)
    const inner = word === 'repeat' ? (step.steps ?? []).flatMap((one, place) => serverStepLines(one, `${number}.${String(place + 1)}`)) : []
    return [...said(number, what, details, fails), ...inner]
  }
  return said(number, JSON.stringify(step), [], '')
}

type Words = readonly [what: string, details: readonly string[], fails: string]

const anotherFrame = 'another frame comes that changes something, the client ends the connection, or nothing comes (TIMEOUT)'

/** In words, by what a step does. */
const words = {
  do: ({ do: name, refused, later, ...rest }: Step): Words => [
    `The adapter is told: ${String(name)}${argumentWords(rest)}${later === true ? ', and answers when it comes' : ''}`, refused === undefined ? [] : [`It refuses with ${refused}.`],
    refused === undefined ? '' : 'it takes it, or refuses with something else',
  ],
  restart: (): Words => ['The client is killed without warning, and started again with the same storage', [], ''],
  kill: (): Words => ['The client is killed without warning', [], ''],
  accept: ({ accept = {} }: Step, within: string): Words => [
    `The client connects${accept.at === undefined ? '' : ` to ${accept.at === '' ? 'the first port' : accept.at}`}${accept.after === undefined ? '' : `, ${String(accept.after[0])} to ${String(accept.after[1])} ms after the last connection ended`}`, [],
    `it does not within ${within} (TIMEOUT)${accept.after === undefined ? '' : ', comes earlier or later'}`,
  ],
  open: ({ open = {} }: Step, within: string): Words => [
    `The client connects, logs in${open.by === undefined ? '' : ` by ${open.by}`}, and opens a session${open.until === undefined ? '' : `, as far as ${open.until}`}`,
    Object.entries(open).filter(([name]) => name !== 'by' && name !== 'until').map(([name, value]) => `${name}: ${JSON.stringify(value)}`), `it does not within ${within}, or does it otherwise`,
  ],
  untrusted: ({ untrusted = 0 }: Step): Words => [`The client tries to connect, and sends nothing for ${String(untrusted)} ms`, [], 'it sends something, or does not try'],
  noConnection: ({ noConnection = 0 }: Step): Words => [`No connection comes for ${String(noConnection)} ms`, [], 'one comes'],
  expect: ({ expect = [] }: Step, within: string): Words => [`The client sends, within ${within}`, listOf(expect), anotherFrame],
  quiet: ({ quiet = 0, even = [] }: Step): Words => [`The client sends nothing that changes anything for ${String(quiet)} ms${even.length > 0 ? `, and no ${even.join(', ')}` : ''}`, [], 'it sends something, or ends the connection'],
  expectClose: ({ expectClose = [] }: Step, within: string): Words => [`The client says close with ${listOf(expectClose).join(' or ')}, and ends the connection, within ${within}`, [], 'it says another error, ends without close, or goes on (TIMEOUT)'],
  expectEnd: (_: Step, within: string): Words => [`The client ends the connection within ${within}, with a close or without`, [], 'it does not'],
  expectDrop: (_: Step, within: string): Words => [`The client drops the connection within ${within}`, [], 'it keeps it'],
  send: ({ send = [] }: Step): Words => ['The server sends', listOf(send), ''],
  duplicate: ({ duplicate = '' }: Step): Words => ['The server sends, twice', [duplicate], ''],
  reorder: ({ reorder = [] }: Step): Words => ['The server sends, the last one first', reorder, ''],
  drop: ({ drop = [] }: Step): Words => ['The server has sent, but it never arrives', listOf(drop), ''],
  cut: ({ cut = '', bytes = 1 }: Step): Words => [`The server sends the first ${String(bytes)} bytes of`, [cut], ''],
  raw: ({ raw }: Step): Words => ['The server sends bytes', [JSON.stringify(raw)], ''],
  text: ({ text = '' }: Step): Words => ['The server sends a WebSocket message of text', [text], ''],
  throttle: ({ throttle }: Step): Words => [`From now on what the server sends goes out in pieces of ${String(throttle?.bytes)} bytes, ${String(throttle?.everyMs)} ms apart`, [], ''],
  close: ({ close }: Step): Words => [`The server ends the connection${close === 'reset' ? ' with a reset' : ''}`, [], ''],
  halfOpen: (): Words => ['From now on the server neither reads nor writes, and the connection stays', [], ''],
  silent: (): Words => ['From now on the server answers no ping', [], ''],
  hold: (): Words => ['From now on the server does not end its side of the connection', [], ''],
  delay: ({ delay = 0 }: Step): Words => [`${String(delay)} ms pass`, [], ''],
  sync: (): Words => ['The client answers a ping: it has read all that was sent', [], 'no pong comes'],
  serve: ({ serve = '', body = '', cutAfter }: Step): Words => [`A file is there at a URL, called $${serve}${cutAfter === undefined ? '' : `; the connection breaks after ${String(cutAfter)} bytes`}`, [JSON.stringify(body)], ''],
  backlog: ({ backlog = 0, from = 'bob' }: Step, within: string): Words => [`The server sends ${String(backlog)} messages of ${from}, as the window has room`, [], `cursors do not come within ${within}`],
  resend: (): Words => ['The server sends the entries again that lie behind the cursor of bind', [], ''],
  repeat: ({ repeat = 0 }: Step): Words => [`${String(repeat)} times:`, [], ''],
  dump: ({ dump = {} }: Step): Words => ['The user sees', dumpWords(dump), 'what is shown is another thing'],
  shown: ({ shown = 0 }: Step): Words => [`${String(shown)} messages are shown, in each conversation 1, 2, 3 and so on`, [], 'one is missing, is there twice, or stands elsewhere'],
  waits: ({ waits }: Step): Words => [`The waits before connections were between ${String(waits?.least)} and ${String(waits?.most)} ms`, [], `one was not, or all were alike, less than ${String(waits?.spread)} ms apart`],
  check: ({ check = [] }: Step): Words => ['It holds that', check.map(([value, pattern]) => `${value} is ${pattern}`), 'it does not'],
  listen: ({ listen = '' }: Step): Words => [`The server opens another port, called $${listen}`, [], ''],
} satisfies Partial<Record<keyof Step, (step: Step, within: string) => Words>>

function argumentWords(rest: Readonly<Record<string, unknown>>): string {
  const parts = Object.entries(rest).filter(([name]) => name !== 'within').map(([name, value]) => ` ${name} ${JSON.stringify(value)}`)
  return parts.join(',')
}

function dumpWords(dump: ExpectedDump): string[] {
  return Object.entries(dump).flatMap(([key, value]) => {
    if (key !== 'messages') return [`${key}: ${JSON.stringify(value)}`]
    const conversations = Object.entries(value as NonNullable<ExpectedDump['messages']>)
    if (conversations.length === 0) return ['no messages']
    return conversations.flatMap(([name, messages]) => [`in the conversation ${name}${messages.length === 0 ? ' nothing' : ''}`, ...messages.map(([seq, from, text, more = {}]) => (
      `  ${String(seq)}  ${from}: ${JSON.stringify(text)}${Object.entries(more).map(([flag, shown]) => shown === true ? ` (${flag})` : ` (${flag} ${JSON.stringify(shown)})`).join('')}`
    ))])
  })
}
