/** A hundred clients that mean harm beside some that do not: these notice nothing, those are thrown out by code, memory stays bounded. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { ERROR, type ErrorCode, ERRORS } from '../../protocol/generated/registry.js'
import { abusersFor, type AbuseReport, isInsider } from './abuse-program.js'
import { type AbuseKind, INSIDERS, STRANGERS } from './abuser.js'
import { Chatd } from './chatd.js'
import type { Findings } from './checker.js'
import { judge, placesFor, Population, summary, usersOf } from './population.js'
import { type Scope, until } from './scope.js'

const PROGRAM = fileURLToPath(new URL('abuse-program.js', import.meta.url))
export const KINDS: readonly AbuseKind[] = [...STRANGERS, ...INSIDERS]

/** Short, so that the slow are found while somebody waits. */
const SETTINGS = { CHATD_LIMITS_OPEN_TIMEOUT_MS: '3000', CHATD_LIMITS_ACK_TIMEOUT_MS: '3000' }

/** On a machine that is busy with all the others any of them may find its time over before it is let in. */
const LATE = ERROR.openTimeout

interface Ends {
  /** What one of this kind has to be told sooner or later. */
  readonly must?: ErrorCode
  /** What it may be told besides. */
  readonly may?: readonly ErrorCode[]
}

/** How those of each kind end. Without anything they are slowed down and stay. */
const ENDS: Readonly<Record<AbuseKind, Ends>> = {
  silent: { must: ERROR.openTimeout },
  // Over WebSocket a message has to hold whole frames. [FRM-12]
  drip: { must: ERROR.openTimeout, may: [ERROR.malformedFrame] },
  // Random bytes are whatever chance has it: any fault of a frame, or the begin of one that never ends.
  garbage: {
    must: ERROR.malformedFrame,
    may: [...ERRORS.values()].filter((error) => error.scope === 'stream' && error.class === 'fault').map((error) => error.code),
  },
  oversize: { must: ERROR.frameTooLarge },
  deaf: { must: ERROR.slowConsumer },
  mute: { must: ERROR.slowConsumer },
  flood: {},
  // What it has sent too much of waits outside while it is slowed down, so that the server need not notice.
  overrun: { may: [ERROR.tooManyUnacknowledged] },
  pings: {},
  large: { must: ERROR.frameTooLarge },
}

/**
 * What the server may grow by, whatever is thrown at it: each of a hundred connections may hold outgoingBytesMax and incomingBytesMax,
 * 5 MiB by default, and V8 collects garbage when it sees fit, later on Node 24 (390 MiB seen) than on Node 20 (255).
 */
const GROWTH_BYTES_MAX = 640 * 1024 * 1024

/** The abusers of `count` connections in a process of their own; ends with the scope. */
export class Abuse {
  readonly #child: ChildProcess
  report: AbuseReport = { closes: {}, bytesOut: 0 }
  #stderr = ''

  constructor(scope: Scope, chatd: Chatd, kinds: readonly AbuseKind[], count: number) {
    this.#child = spawn(process.execPath, [PROGRAM, JSON.stringify({ tcp: chatd.tcp, ws: chatd.ws, kinds, count })], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
    this.#child.on('message', (report: AbuseReport) => { this.report = report })
    this.#child.stderr!.on('data', (text: Buffer) => { this.#stderr += text.toString() })
    scope.after(() => { this.stop() })
  }

  stop(): void { this.#child.kill('SIGKILL') }

  /** Throws when it has ended by itself. */
  check(): void {
    if (this.#child.exitCode !== null) throw new Error(`the abusers' process ended: ${this.#stderr}`)
  }
}

/** The accounts that abusers need. */
export function abusingUsers(kinds: readonly AbuseKind[], count: number): string[] {
  return abusersFor(kinds, count).filter(({ kind }) => isInsider(kind)).map(({ user }) => user)
}

export interface AbuseOptions {
  /** Normal ones. */
  readonly clients: number
  /** Abusers: ten times this. */
  readonly rounds: number
  readonly seed: number
}

export async function abuse(scope: Scope, { clients, rounds, seed }: AbuseOptions): Promise<Findings> {
  const count = rounds * KINDS.length
  const places = placesFor(clients)
  const chatd = await Chatd.start(scope, [...usersOf(places), ...abusingUsers(KINDS, count)], { settings: SETTINGS })
  const population = new Population({ places, urls: [chatd.tcp, chatd.ws], seed })
  scope.after(() => { population.stop() })
  await population.connect()
  population.talk()
  await population.untilAcked(200)
  const before = chatd.residentBytes
  let peak = before
  const sampler = setInterval(() => { peak = Math.max(peak, chatd.residentBytes) }, 50)
  scope.after(() => { clearInterval(sampler) })
  const connects = population.devices.map((device) => device.connects)

  const abusers = new Abuse(scope, chatd, KINDS, count)
  const missing = (): AbuseKind[] => KINDS.filter((kind) => {
    const { must } = ENDS[kind]
    return must !== undefined && !codesOf(chatd, abusers, kind).has(must)
  })
  await until(() => {
    abusers.check()
    return `${missing().join(', ')} to be thrown out; so far: ${JSON.stringify(abusers.report.closes)}`
  }, () => missing().length === 0)
  await population.untilAcked(300)
  // Nobody else was thrown out, and the normal ones need not have come back even once.
  for (const kind of KINDS) {
    const { must, may = [] } = ENDS[kind]
    for (const code of codesOf(chatd, abusers, kind)) assert.ok([must, ...may, LATE].some((known) => known === code), `${kind} was closed with ${code}`)
  }
  assert.deepEqual(population.devices.map((device) => device.connects), connects)
  // The end comes while the abuse goes on.
  await population.settle()
  const findings = await judge(population.logs, chatd.tcp, population.users)
  const growth = peak - before
  assert.ok(growth <= GROWTH_BYTES_MAX, `the server grew by ${mega(growth)}`)
  const { closes, bytesOut } = abusers.report
  scope.note(`${count} abusers, ${clients} others: ${mega(bytesOut)} thrown at the server, which grew by ${mega(growth)} from ${mega(before)}`)
  scope.note(`ends by kind: ${JSON.stringify(closes)}`)
  scope.note(summary(findings))
  return findings
}

/** What the abusers of a kind were told, and what the server's log says of those who do not listen. */
function codesOf(chatd: Chatd, abusers: Abuse, kind: AbuseKind): Set<number> {
  const told = Object.keys(abusers.report.closes[kind] ?? {}).map(Number).filter((code) => code !== 0)
  const logged = chatd.log.filter((line) => line.event === 'connection-ended' && line['by'] === 'server' && String(line['user']).startsWith(`${kind}-`)).map((line) => Number(line['code']))
  return new Set([...told, ...logged])
}

export function mega(bytes: number): string {
  return `${(bytes / 1_048_576).toFixed(0)} MiB`
}
