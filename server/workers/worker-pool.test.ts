/** What becomes of a worker that can't be started; bin/chatd-cli/workers.test.ts has those that can. */
import assert from 'node:assert/strict'
import cluster from 'node:cluster'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { configOf } from '../config/config.js'
import { SILENT_LOG } from '../log.js'
import { Counters } from '../metrics/metrics.js'
import type { WorkerOrder } from './messages.js'
import { heapOptions } from './worker-heap.js'
import { WorkerPool } from './worker-pool.js'

/** Serves as soon as it is told what, with the options of its process in the place of listeners, and ends when it is told to. */
const PROGRAM = `
process.on('message', ({ kind }) => {
  if (kind === 'start') process.send({ kind: 'ready', listeners: process.execArgv })
  if (kind === 'stop') process.exit(0)
})
process.send({ kind: 'hello' })
`

const ORDER: WorkerOrder = {
  config: configOf({}), node: 'worker', linkSecret: new Uint8Array(0), shards: { kind: 'one', linkAddress: '' },
  secretKey: new Uint8Array(0), secretIterations: 1, blobSocket: '',
}

/** A program for workers, and the events of a log. */
function rig(t: TestContext, text: string) {
  const folder = mkdtempSync(join(tmpdir(), 'chatd-pool-'))
  t.after(() => { rmSync(folder, { recursive: true, force: true }) })
  const program = join(folder, 'worker.cjs')
  writeFileSync(program, text)
  const events = new EventEmitter()
  return { folder, program, events, note: (fields: object, event: string): void => { events.emit(event, fields) } }
}

/** The first one serves; no other ever does. */
const SERVES_ONCE = `
process.on('message', ({ kind, order }) => {
  if (kind === 'start' && order.node === 'worker-1') process.send({ kind: 'ready', listeners: [] })
  if (kind === 'stop') process.exit(0)
})
process.send({ kind: 'hello' })
`

test('a worker that is told to stop while it is started again is not told of as one that could not be', { timeout: 60_000 }, async (t) => {
  const { program, events, note } = rig(t, SERVES_ONCE)
  const seen: string[] = []
  const order = (_place: number, starts: number): WorkerOrder => {
    events.emit('begun')
    return { ...ORDER, node: `worker-${String(starts)}` }
  }
  const log = { ...SILENT_LOG, info: note, warn: note, error: (_fields: object, event: string) => { seen.push(event) } }
  const pool = new WorkerPool({ count: 1, program, order, counters: new Counters(), drainTimeoutMs: 1000, log })
  await pool.start()
  const isBegun = once(events, 'begun')
  Object.values(cluster.workers ?? {})[0]?.process.kill('SIGKILL')
  await isBegun
  await pool.stop()
  await turn()
  assert.deepEqual(seen, ['worker-died'])
})

test('a worker has the options for its heap; one that can\'t be started takes nothing along, and is started later', { timeout: 60_000 }, async (t) => {
  const { folder, program, events, note } = rig(t, PROGRAM)
  const order = (): WorkerOrder => ORDER
  const pool = new WorkerPool({ count: 1, program, order, counters: new Counters(), drainTimeoutMs: 1000, log: { ...SILENT_LOG, info: note, warn: note, error: note } })
  t.after(() => pool.stop())
  const options = await pool.start()
  // Node adds what it needs itself.
  const missing = [...process.execArgv, ...heapOptions()].filter((option) => !options.includes(option))
  assert.deepEqual(missing, [], 'a worker has the options of this process, and those for its heap')

  const { execPath } = process
  t.after(() => { process.execPath = execPath })
  process.execPath = join(folder, 'nowhere')
  const isRefused = once(events, 'worker-not-restarted')
  Object.values(cluster.workers ?? {})[0]?.process.kill('SIGKILL')
  await isRefused
  assert.deepEqual(Object.keys(cluster.workers ?? {}), [])

  const fork = t.mock.method(cluster, 'fork', () => { throw new Error('spawn ENOMEM') })
  await once(events, 'worker-not-restarted')
  const isBack = once(events, 'worker-started')
  fork.mock.restore()
  process.execPath = execPath
  await isBack
})
