/** How a process of the server ends by itself: with its last lines written, and whatever still hangs in it. */
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises'
import type { ProcessLog } from '../log.js'
import { endAtOnce } from './end-at-once.js'

/** For the last lines of the log, and for calls to files: a thread carries them out, which may hang for good. */
export const LAST_LINE_MS = 500
const LOOK_MS = 10

/**
 * Ends with `code`, or as by SIGKILL where that could not come: `process.exit` waits for calls to files that nobody else waits for any more, and
 * for the log's last line, although its reader may have stalled.
 * @param fileCallsMs how long it waits for the former
 */
export async function endProcess(log: Pick<ProcessLog, 'flush'>, code: number, fileCallsMs = LAST_LINE_MS): Promise<never> {
  if (!await log.flush(LAST_LINE_MS)) endAtOnce()
  // The call that wrote the last line is counted until its turn is over.
  await nextTurn()
  const untilMs = performance.now() + fileCallsMs
  while (hasFileCalls()) {
    if (performance.now() >= untilMs) endAtOnce()
    await delay(LOOK_MS)
  }
  return process.exit(code)
}

/** A mistake of the program: nothing it holds can be trusted from then on. What was acknowledged is on disk. `say`: called once. */
export function endOnCrash(log: Pick<ProcessLog, 'error' | 'flush'>, code: number, say: (error: Error) => void = () => {}): void {
  let hasCrashed = false
  process.on('uncaughtException', (error) => {
    if (hasCrashed) return
    hasCrashed = true
    log.error({ error }, 'crashed')
    say(error)
    void endProcess(log, code, 0)
  })
}

function hasFileCalls(): boolean {
  return process.getActiveResourcesInfo().some((name) => name.startsWith('FSReq'))
}
