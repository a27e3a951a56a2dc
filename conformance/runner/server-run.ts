/** Plays cases of server mode, several at a time where each has people of its own. */
import { greet, registrationOf } from './accounts.js'
import type { Case } from './case.js'
import type { Target } from './dial.js'
import { ServerPlay } from './server-play.js'
import type { ServerPlayOptions } from './server-play.js'
import type { Result } from './verdict.js'

export interface ServerRunOptions extends ServerPlayOptions {
  /** Cases at a time; one where accounts are shared. */
  readonly parallel: number
  readonly onResult: (result: Result) => void
  /** Begins no other case. */
  readonly stop?: AbortSignal
}

/** What is seen of the server before any case. Throws an AccountFailure. */
export async function featuresOf(target: Target, areFresh: boolean): Promise<Set<string>> {
  const greeting = await greet(target)
  greeting.end()
  const { scheme } = target
  const registration = registrationOf(greeting.features)
  const channelBindings = greeting.features.values['channelBindings'] as readonly string[]
  const found: Readonly<Record<string, boolean>> = {
    'accounts': areFresh,
    'websocket': scheme === 'ws' || scheme === 'wss',
    'stream': scheme === 'tcp' || scheme === 'tls',
    'tls': scheme === 'tls' || scheme === 'wss',
    'plain': scheme === 'tcp' || scheme === 'ws',
    'channel-binding': channelBindings.includes('tls-exporter'),
    'registration': registration?.who === 1,
    'no-registration': registration === null,
    'registration-by-invite': registration?.who === 2,
  }
  return new Set(Object.keys(found).filter((name) => found[name]))
}

/** Plays the cases; the results come in their order, where the run was stopped those that there were. Rejects for a fault of the suite. */
export async function runServerCases(cases: readonly Case[], options: ServerRunOptions): Promise<Result[]> {
  const results = new Array<Result | undefined>(cases.length)
  let next = 0
  const stop = (): void => { next = cases.length }
  options.stop?.addEventListener('abort', stop)
  const atATime = options.accounts.areFresh ? options.parallel : 1
  const work = async (): Promise<void> => {
    for (let place = next++; place < cases.length; place = next++) {
      const result = await ServerPlay.run(cases[place]!, options)
      // How a case ends that was stopped says nothing of the server.
      if (options.stop?.aborted === true) return
      results[place] = result
      options.onResult(result)
    }
  }
  const workers = Array.from({ length: Math.min(atATime, cases.length) }, () => work().catch((error: unknown) => {
    // A case that can't be played ends the run: the others finish what they have.
    next = cases.length
    throw error
  }))
  const ended = await Promise.allSettled(workers)
  options.stop?.removeEventListener('abort', stop)
  for (const end of ended) if (end.status === 'rejected') throw end.reason
  return results.filter((result) => result !== undefined)
}
