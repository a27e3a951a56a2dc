/**
 * What a burst of work, such as a storm of logins, has left to V8's young generation goes back to the system once the server is quiet.
 * V8 gives it back itself, but only where it collects young objects while little is allocated: on a server that has become quiet that
 * may be hours later. The collection does what V8's next one would have to do, a little earlier.
 */
import { getHeapSpaceStatistics } from 'node:v8'
import { youngCollector } from '../../server/process/young-objects.js'

/** V8 looks back on what was allocated in 5 s: so the third collection of a quiet time, or one soon after it, counts as a quiet one. */
const CHECK_MS = 2600
/** Of the event loop's time since the last check: a server that does more may have somebody who waits. */
const QUIET_SHARE_MAX = 0.05
/** Not worth a collection. V8 begins with less and goes back to less. */
const YOUNG_BYTES_KEPT = 4 * 1024 * 1024

/** Whether young objects should be collected now; `loopShare` of its time the event loop was busy of late. */
export function isTimeToCollect(loopShare: number, youngBytes: number): boolean {
  return loopShare < QUIET_SHARE_MAX && youngBytes > YOUNG_BYTES_KEPT
}

/** Looks after the young generation for as long as the process runs, which this does not prolong. */
export function collectWhenQuiet(): void {
  let collect: (() => void) | null = null
  let before = performance.eventLoopUtilization()
  const timer = setInterval(() => {
    const now = performance.eventLoopUtilization()
    const { utilization } = performance.eventLoopUtilization(now, before)
    before = now
    if (!isTimeToCollect(utilization, youngBytes())) return
    collect ??= youngCollector()
    if (collect === null) clearInterval(timer)
    else collect()
  }, CHECK_MS)
  timer.unref()
}

/** What V8 has for young objects, used or not. */
function youngBytes(): number {
  return getHeapSpaceStatistics().find((space) => space.space_name === 'new_space')?.physical_space_size ?? 0
}
