/** For processes beside that of the messages, which go first. */
import { readdirSync, writeFileSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/**
 * This process has a priority that is lower from now on, by `nice` from 0 to 19, and `oomScore` from 0 to 1000 for when the kernel has to end
 * somebody. On a system that doesn't know it, or forbids it, everything works, only less politely.
 */
export function yieldToTheServer(nice: number, oomScore: number): void {
  try {
    // On Linux a priority belongs to a thread. Those that are there get it here, later ones have it from who starts them.
    const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0]
    const priority = Math.min(constants.priority.PRIORITY_LOW, getPriority() + nice)
    for (const thread of threads) setPriority(thread, priority)
    if (process.platform === 'linux') writeFileSync('/proc/self/oom_score_adj', String(oomScore))
  } catch { /* as said */ }
}

/** Ctrl-C and a service manager signal the whole group; when to end is the server's to say. */
export function leaveSignalsToTheServer(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => { /* the server decides */ })
}
