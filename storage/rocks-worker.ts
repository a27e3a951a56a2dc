/**
 * The reading thread of the RocksDB engine. The binding seeks and reads on the thread that calls it, so that none of it may happen on
 * the event loop that serves connections; here it may. The thread shares the database that the engine has opened.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loadRocks } from './rocks-binding.js'
import type { RocksDatabase } from './rocks-binding.js'
import { failureOf, packRows, query } from './rocks-messages.js'
import type { RocksAnswer, RocksRequest, RocksThreadData, RocksWork } from './rocks-messages.js'

const NO_BYTES = new Uint8Array(0)

/** Carries out one request. */
function answer(db: RocksDatabase, request: RocksWork): RocksAnswer {
  switch (request.kind) {
    case 'range': {
      const rows = query(db, request)
      const keys: Uint8Array[] = []
      const values: Uint8Array[] = []
      for (let i = 0; i < rows.length; i += 2) {
        keys.push(rows[i] ?? NO_BYTES)
        values.push(rows[i + 1] ?? NO_BYTES)
      }
      return read(request.id, keys, values)
    }
    case 'get': {
      const values = db._getManySync(request.keys, { valueEncoding: 'buffer' })
      // The engine knows the keys that it asked for.
      return read(request.id, request.keys.map(() => NO_BYTES), values.map((value) => value ?? null))
    }
  }
}

function read(id: number, keys: readonly Uint8Array[], values: readonly (Uint8Array | null)[]): RocksAnswer {
  let bytes = 0
  for (const key of keys) bytes += key.length
  for (const value of values) bytes += value?.length ?? 0
  return { id, error: null, rows: packRows(keys, values, bytes), count: keys.length }
}

async function main(): Promise<void> {
  const port = parentPort
  if (port === null) throw new TypeError('this module is a thread of the RocksDB engine')
  const { handle } = workerData as RocksThreadData
  const { RocksLevel } = await loadRocks()
  const db = new RocksLevel(handle, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.open()
  port.on('message', (request: RocksRequest) => {
    if (request === 'stop') {
      port.close()
      return
    }
    const answers = request.map((work) => attempt(db, work))
    port.postMessage(answers, answers.flatMap(({ rows }) => rows === null ? [] : [rows]))
  })
}

function attempt(db: RocksDatabase, request: RocksWork): RocksAnswer {
  try {
    return answer(db, request)
  } catch (error) {
    return { id: request.id, error: failureOf(error), rows: null, count: 0 }
  }
}

await main()
