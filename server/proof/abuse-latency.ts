/**
 * What normal users feel of a hundred abusers: the time from send to delivery, in turn quiet, while the abusers are at another server of
 * the same machine, and while they are at this one. What the middle one shows is the machine's, which gives its two cores to more
 * processes; what the last one shows beyond that is the server's.
 */
import { Abuse, abusingUsers, KINDS, mega } from './abuse.js'
import { Chatd } from './chatd.js'
import { Chatting, chattingUsers, median, type Quantiles, show } from './chatting.js'
import { seeded } from '../testing/seeded-random.js'
import type { Scope } from './scope.js'

export interface AbuseLatencyOptions {
  /** Pairs of normal users. */
  readonly clients: number
  readonly rounds: number
  readonly seed: number
}

/** Prints the quantiles of each phase and the ratio of the medians. Not a test: it needs a machine with nothing else to do. */
export async function abuseLatency(scope: Scope, { clients, rounds, seed }: AbuseLatencyOptions): Promise<{ ratio: number }> {
  const abusers = 10 * KINDS.length
  const users = chattingUsers(clients)
  const settings = { CHATD_LOG_LEVEL: 'warn' }
  const chatd = await Chatd.start(scope, [...users, ...abusingUsers(KINDS, abusers)], { settings })
  const elsewhere = await Chatd.start(scope, abusingUsers(KINDS, abusers), { settings })
  const chatting = await Chatting.start(scope, chatd, users, seeded(seed))
  const phases: Record<string, Quantiles[]> = { quiet: [], 'abusers elsewhere': [], 'abusers here': [] }
  for (let round = 1; round <= rounds; round++) {
    for (const [phase, found] of Object.entries(phases)) {
      const abuse = phase === 'quiet' ? null : new Abuse(scope, phase === 'abusers here' ? chatd : elsewhere, KINDS, abusers)
      if (abuse !== null) await chatting.settle()
      found.push(await chatting.measure())
      const sent = abuse === null ? '' : `, ${abusers} abusers sent ${mega(abuse.report.bytesOut)}`
      scope.note(`${phase}: ${show(found.at(-1)!)}${sent}; server ${mega(chatd.residentBytes)}`)
      abuse?.check()
      abuse?.stop()
      if (abuse !== null) await chatting.settle()
    }
  }
  const [quiet = NaN, machine = NaN, abused = NaN] = Object.values(phases).map((found) => median(found.map(({ p99 }) => p99)))
  const ratio = abused / quiet
  scope.note(`p99 of normal users, medians of ${rounds} rounds: quiet ${quiet.toFixed(2)} ms, abusers elsewhere ${machine.toFixed(2)} ms, `
    + `here ${abused.toFixed(2)} ms: ${ratio.toFixed(2)} times quiet, ${(abused / machine).toFixed(2)} times elsewhere`)
  return { ratio }
}
