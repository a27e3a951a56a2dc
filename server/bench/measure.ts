/**
 * What the operating system says about processes and the machine. From /proc, so on Linux alone; elsewhere every figure is null and
 * shown as n/a, for a guess would be compared with real ones.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'

const isLinux = process.platform === 'linux'
const TICKS_PER_SECOND = 100

interface ProcessStat {
  readonly pid: number
  readonly parent: number
  readonly cpuSeconds: number
}

function statOf(pid: number): ProcessStat | null {
  try {
    const text = readFileSync(`/proc/${String(pid)}/stat`, 'latin1')
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { pid, parent: Number(fields[1]), cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND }
  } catch {
    return null // it ended between the listing and the look
  }
}

/** The process and its descendants. */
function treeOf(root: number): ProcessStat[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map((name) => statOf(Number(name))).filter((stat) => stat !== null)
  const found = all.filter((stat) => stat.pid === root)
  // Grows while it is walked, so grandchildren are found too.
  for (const parent of found) for (const stat of all) if (stat.parent === parent.pid) found.push(stat)
  return found
}

/** stat counts in steps of 10 ms; the threads' schedstat has nanoseconds, but forgets threads that ended. */
function scheduledSeconds(pid: number): number {
  let nanoseconds = 0
  try {
    for (const thread of readdirSync(`/proc/${String(pid)}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${String(pid)}/task/${thread}/schedstat`, 'latin1').split(' ')[0])
    }
  } catch { /* no schedstat in this kernel, or the thread is gone: stat's figure stands */ }
  return nanoseconds / 1e9
}

/** CPU seconds, user and system, of a process and its descendants so far; null where unknown. */
export function cpuSeconds(root: number): number | null {
  if (!isLinux) return null
  return treeOf(root).reduce((sum, stat) => sum + Math.max(stat.cpuSeconds, scheduledSeconds(stat.pid)), 0)
}

export interface Memory {
  /** Proportional set size: shared pages divided among those who share them. */
  readonly pssBytes: number
  readonly rssBytes: number
}

/** Memory of a process and its descendants, without the kernel's socket buffers; null where unknown. */
export function memory(root: number): Memory | null {
  if (!isLinux) return null
  let pssBytes = 0
  let rssBytes = 0
  for (const { pid } of treeOf(root)) {
    const text = readFileSync(`/proc/${String(pid)}/smaps_rollup`, 'latin1')
    pssBytes += Number(/^Pss:\s+(\d+)/m.exec(text)?.[1]) * 1024
    rssBytes += Number(/^Rss:\s+(\d+)/m.exec(text)?.[1]) * 1024
  }
  return { pssBytes, rssBytes }
}

/** The most memory that a process has held so far; null where unknown. */
export function peakMemoryBytes(pid: number): number | null {
  if (!isLinux) return null
  const found = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${String(pid)}/status`, 'latin1'))
  return found === null ? null : Number(found[1]) * 1024
}

/** What all cores have done since the machine started, in ticks. */
interface MachineTime {
  readonly idle: number
  readonly stolen: number
  readonly total: number
}

function machineTime(): MachineTime {
  const fields = readFileSync('/proc/stat', 'latin1').split('\n')[0]!.trim().split(/\s+/).slice(1).map(Number)
  // Waiting for a disk is having nothing to do.
  return { idle: fields[3]! + fields[4]!, stolen: fields[7]!, total: fields.reduce((sum, field) => sum + field, 0) }
}

function shareMeter(kind: 'idle' | 'stolen'): () => number | null {
  if (!isLinux) return () => null
  const before = machineTime()
  return () => {
    const now = machineTime()
    return now.total === before.total ? 0 : (now[kind] - before[kind]) / (now.total - before.total)
  }
}

/** Starts to count the share of CPU time (percent) that the host gave to others; what it returns reads it; null where unknown. */
export function stealMeter(): () => number | null {
  const share = shareMeter('stolen')
  return () => {
    const stolen = share()
    return stolen === null ? null : stolen * 100
  }
}

/** Starts to count how many cores of the machine had nothing to do; the same. */
function idleMeter(): () => number | null {
  const share = shareMeter('idle')
  return () => {
    const idle = share()
    return idle === null ? null : idle * cpus().length
  }
}

/** Waits, up to a bound, until a process uses under 2 % of a core, and returns its CPU seconds. */
export async function quiet(root: number, maxMs = 15_000): Promise<number | null> {
  let last = cpuSeconds(root)
  for (const endMs = Date.now() + maxMs; Date.now() < endMs;) {
    await sleep(500)
    const now = cpuSeconds(root)
    if (now === null || last === null || now - last <= 0.011) return now
    last = now
  }
  return last
}

/** One stretch of work, from the call to the call of what it returns. */
export interface Stretch {
  readonly perSecond: number
  readonly serverCpuUs: number | null
  readonly serverCores: number | null
  readonly generatorCores: number
  /** Next to none: server and generator stand in each other's way, and only CPU for each unit says what the server can do. */
  readonly idleCores: number | null
  readonly stealPct: number | null
}

export function measureStretch(serverPid: number): (units: number) => Stretch {
  const startMs = performance.now()
  const serverBefore = cpuSeconds(serverPid)
  const ownBefore = process.cpuUsage()
  const [idle, steal] = [idleMeter(), stealMeter()]
  return (units) => {
    const seconds = (performance.now() - startMs) / 1000
    const serverAfter = cpuSeconds(serverPid)
    const server = serverBefore === null || serverAfter === null ? null : serverAfter - serverBefore
    const own = process.cpuUsage(ownBefore)
    return {
      perSecond: units / seconds,
      serverCpuUs: server === null ? null : server * 1e6 / units,
      serverCores: server === null ? null : server / seconds,
      generatorCores: (own.user + own.system) / 1e6 / seconds,
      idleCores: idle(),
      stealPct: steal(),
    }
  }
}
