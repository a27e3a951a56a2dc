/** For processes beside that of the messages, which go first. */
import { writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { lowerPriority, runWhenIdle } from '../process/priority.js'

/**
 * This process has a priority that is lower from now on, by `nice` from 0 to 19, the last being the time that nobody else wants, and
 * `oomScore` from 0 to 1000 for when the kernel has to end somebody. On a system that doesn't know it, or forbids it, everything works, only less politely.
 */
export function yieldToTheServer(nice: number, oomScore: number): void {
  if (nice === constants.priority.PRIORITY_LOW) runWhenIdle()
  else lowerPriority(nice)
  try {
    if (process.platform === 'linux') writeFileSync('/proc/self/oom_score_adj', String(oomScore))
  } catch { /* as said */ }
}

/** Ctrl-C and a service manager signal the whole group; when to end is the server's to say. */
export function leaveSignalsToTheServer(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { /* the server decides */ })
}
