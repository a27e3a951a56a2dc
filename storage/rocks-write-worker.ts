/**
 * The writing thread of the RocksDB engine. It sleeps until the mailbox has a request, carries it out, sync included, and sleeps again;
 * it has no event loop to speak of. It shares the database that the engine has opened.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { loadRocks } from './rocks-binding.js'
import type { RocksBatch, RocksDatabase } from './rocks-binding.js'
import { DONE, ON_PORT, OUTCOME, OUTCOME_DONE, OUTCOME_FAILED, REQUEST, ROWS } from './rocks-mailbox.js'
import type { Mailbox } from './rocks-mailbox.js'
import { eachRow, failureOf, query } from './rocks-messages.js'

const SYNCED = { sync: true } as const
/** Up to here a trim leaves a tombstone for each key; range tombstones are cheaper to write and dearer to read past. */
const TRIM_KEYS = 512

/** What comes by the port. */
export type WriteRequest =
  | { readonly kind: 'commit'; readonly rows: ArrayBuffer; readonly count: number }
  | { readonly kind: 'trim'; readonly gte: Uint8Array; readonly lt: Uint8Array }
  | { readonly kind: 'stop' }

export interface WriteThreadData {
  readonly handle: bigint
  readonly mailbox: Mailbox
  readonly port: MessagePort
}

/** One batch serves all usual commits: its memory need not be found anew for each. */
function commit(batch: RocksBatch, rows: ArrayBufferLike, count: number): void {
  // Of a commit that failed something may be left.
  batch._clear()
  eachRow(rows, count, (key, value) => {
    if (value === null) batch._del(key)
    else batch._put(key, value)
  })
  batch._writeSync(SYNCED)
}

async function trim(db: RocksDatabase, gte: Uint8Array, lt: Uint8Array): Promise<true> {
  await db.clear({ gte, lt, limit: TRIM_KEYS })
  if (query(db, { gte, lt, reverse: false, limit: 1, bytesMax: 1 }).length > 0) await db.clear({ gte, lt })
  return true
}

/** false: the thread is to end. A commit is through when this returns. */
function carryOut(db: RocksDatabase, batch: RocksBatch, { mailbox, port }: WriteThreadData, count: number): boolean | Promise<true> {
  if (count !== ON_PORT) {
    commit(batch, mailbox.rows, count)
    return true
  }
  const request = (receiveMessageOnPort(port) as { message: WriteRequest } | undefined)?.message
  switch (request?.kind) {
    case 'commit':
      // A large one must not leave its memory behind.
      commit(db.batch(), request.rows, request.count)
      return true
    case 'trim':
      return trim(db, request.gte, request.lt)
    case 'stop':
      return false
    default:
      throw new TypeError('the mailbox announced a message, and there is none')
  }
}

async function main(): Promise<void> {
  const data = workerData as WriteThreadData
  const { RocksLevel } = await loadRocks()
  const db = new RocksLevel(data.handle, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.open()
  const batch = db.batch()
  const control = new Int32Array(data.mailbox.control)
  let isRunning = true
  // Counted here: the next request may have been made before this one is told to be done.
  for (let carriedOut = 0; isRunning; carriedOut++) {
    Atomics.wait(control, REQUEST, carriedOut)
    try {
      const outcome = carryOut(db, batch, data, control[ROWS] ?? 0)
      isRunning = outcome === true || await outcome
      control[OUTCOME] = OUTCOME_DONE
    } catch (error) {
      data.port.postMessage(failureOf(error))
      control[OUTCOME] = OUTCOME_FAILED
    }
    Atomics.add(control, DONE, 1)
    Atomics.notify(control, DONE)
  }
  data.port.close()
}

await main()
