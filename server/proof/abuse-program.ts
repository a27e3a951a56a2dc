/** The process of the abusers, so that what they cost themselves is not in the way of those who measure. Reports over IPC, until killed. */
import { runWhenIdle } from '../process/priority.js'
import { Abuser, type AbuseKind, INSIDERS } from './abuser.js'

export interface AbuseTask {
  readonly tcp: string
  readonly ws: string
  readonly kinds: readonly AbuseKind[]
  readonly count: number
}

export interface AbuseReport {
  /** By kind: codes of the ends of its connections, with how often; 0: an end without a code. */
  readonly closes: Readonly<Record<string, Readonly<Record<number, number>>>>
  readonly bytesOut: number
}

const REPORT_MS = 200
/** Not all in one moment. */
const START_MS = 1000

/** Who the abusers are: the kinds in turn. A user for each that needs one. */
export function abusersFor(kinds: readonly AbuseKind[], count: number): { kind: AbuseKind, user: string }[] {
  return Array.from({ length: count }, (_, at) => {
    const kind = kinds[at % kinds.length]!
    return { kind, user: `${kind}-${at}` }
  })
}

function run({ tcp, ws, kinds, count }: AbuseTask): void {
  // Abusers have machines of their own: here they get the time that nobody else wants.
  runWhenIdle()
  const all = abusersFor(kinds, count)
  const victims = all.filter(({ kind }) => kind === 'deaf' || kind === 'mute').map(({ user }) => user)
  const closes: Record<string, Record<number, number>> = {}
  const abusers = all.map(({ kind, user }, at) => new Abuser({
    kind, user, victims: victims.length > 0 ? victims : [user], url: Math.floor(at / kinds.length) % 2 === 0 ? tcp : ws,
    onClosed: (code) => {
      const own = closes[kind] ??= {}
      own[code] = (own[code] ?? 0) + 1
    },
  }))
  abusers.forEach((abuser, at) => setTimeout(() => { abuser.start() }, at * START_MS / abusers.length))
  setInterval(() => process.send?.({ closes, bytesOut: abusers.reduce((sum, abuser) => sum + abuser.bytesOut, 0) } satisfies AbuseReport), REPORT_MS)
  process.on('disconnect', () => { process.exit(0) })
}

/** Those with an account. */
export function isInsider(kind: AbuseKind): boolean {
  return (INSIDERS as readonly string[]).includes(kind)
}

if (process.argv[2] !== undefined && process.argv[1]?.endsWith('abuse-program.js') === true) run(JSON.parse(process.argv[2]) as AbuseTask)
