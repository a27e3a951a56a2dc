/**
 * A thread of the RocksDB engine. The binding writes, syncs and seeks on the thread that calls it, so that none of it may happen on
 * the event loop that serves connections; here it may. The thread shares the database that the engine has opened.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { loadRocks } from './rocks-binding.js'
import type { RocksDatabase } from './rocks-binding.js'
import { eachRow, packRows } from './rocks-messages.js'
import type { RocksAnswer, RocksRequest, RocksThreadData, RocksWork } from './rocks-messages.js'

/** Up to here a trim leaves a tombstone for each key; range tombstones are cheaper to write and dearer to read past. */
const TRIM_KEYS = 512
const NO_BYTES = new Uint8Array(0)

/** Carries out one request. */
async function answer(db: RocksDatabase, request: RocksWork): Promise<RocksAnswer> {
  switch (request.kind) {
    case 'commit': {
      const batch = db.batch()
      eachRow(request.rows, request.count, (key, value) => {
        if (value === null) batch.del(key)
        else batch.put(key, value)
      })
      await batch.write({ sync: true })
      return done(request.id)
    }
    case 'trim': {
      await db.clear({ gte: request.gte, lt: request.lt, limit: TRIM_KEYS })
      if (query(db, { ...request, reverse: false, limit: 1, bytesMax: 1 }).length > 0) {
        await db.clear({ gte: request.gte, lt: request.lt })
      }
      return done(request.id)
    }
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

function query(db: RocksDatabase, range: { gte: Uint8Array; lt: Uint8Array; reverse: boolean; limit: number; bytesMax: number }): Buffer[] {
  return db.querySync({
    gte: range.gte,
    lt: range.lt,
    reverse: range.reverse,
    limit: range.limit,
    // The binding stops when more than this has been read, we promise to stop when as much has been.
    highWaterMarkBytes: range.bytesMax - 1,
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
  }).rows
}

function read(id: number, keys: readonly Uint8Array[], values: readonly (Uint8Array | null)[]): RocksAnswer {
  let bytes = 0
  for (const key of keys) bytes += key.length
  for (const value of values) bytes += value?.length ?? 0
  return { id, error: null, rows: packRows(keys, values, bytes), count: keys.length }
}

function done(id: number): RocksAnswer {
  return { id, error: null, rows: null, count: 0 }
}

function failed(id: number, error: unknown): RocksAnswer {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return { id, error: { code: typeof code === 'string' ? code : '', message: String(message) }, rows: null, count: 0 }
}

async function main(): Promise<void> {
  const port = parentPort
  if (port === null) throw new TypeError('this module is a thread of the RocksDB engine')
  const { handle } = workerData as RocksThreadData
  const { RocksLevel } = await loadRocks()
  const db = new RocksLevel(handle, { keyEncoding: 'buffer', valueEncoding: 'buffer' })
  await db.open()
  // Only a commit really waits, and the engine sends one at a time: answers keep the order of the requests.
  port.on('message', (request: RocksRequest) => {
    if (request.kind === 'stop') {
      port.close()
      return
    }
    answer(db, request).catch((error: unknown) => failed(request.id, error)).then((reply) => {
      port.postMessage(reply, reply.rows === null ? [] : [reply.rows])
    }, () => { process.exit(1) })
  })
}

await main()
