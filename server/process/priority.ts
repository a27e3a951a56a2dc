/** How much this process stands back where cores are short. On a system that knows less of it, or forbids it, everything works, only less politely. */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { constants, getPriority, setPriority } from 'node:os'

/**
 * All threads have a priority that is lower by `nice`, 0 to 19, from now on. On Linux a priority belongs to a thread: those that are there
 * get it here, later ones have it from who starts them.
 */
export function lowerPriority(nice: number): void {
  try {
    const priority = Math.min(constants.priority.PRIORITY_LOW, getPriority() + nice)
    const threads = process.platform === 'linux' ? readdirSync('/proc/self/task').map(Number) : [0]
    for (const thread of threads) setPriority(thread, priority)
  } catch { /* as said */ }
}

/**
 * All threads get from now on the time that nobody else wants. The lowest priority is less than that: a thread that has it keeps its core
 * for the rest of its slice when another wakes up, which is milliseconds. Returns false where that is all that can be had: node has no
 * call for more, so this takes Linux with chrt.
 */
export function runWhenIdle(): boolean {
  lowerPriority(constants.priority.PRIORITY_LOW)
  if (process.platform !== 'linux') return false
  return spawnSync('chrt', ['--all-tasks', '--idle', '--pid', '0', String(process.pid)], { stdio: 'ignore' }).status === 0
}
