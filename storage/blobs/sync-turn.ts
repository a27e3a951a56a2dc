/**
 * Files of blobs are brought to stable storage one at a time. The disk is one, and whoever commits messages waits behind what it is given:
 * one file of megabytes is a few milliseconds, those of all uploads that end at the same time would be a second. Who comes later finds
 * less to do: the file system's journal commits for all.
 */
let last: Promise<unknown> = Promise.resolve()

/** Runs `sync` when those before it have ended, however they ended. */
export function inSyncTurn<T>(sync: () => Promise<T>): Promise<T> {
  const running = last.then(sync)
  last = running.catch(() => undefined)
  return running
}
