/** How the pool keeps its bounds, whatever its processes, its sources and its callers do. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { constants, getPriority } from 'node:os'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import sharp from 'sharp'
import type { Log } from '../../log.js'
import { SILENT_LOG } from '../../log.js'
import type { PreviewPoolOptions } from './preview-pool.js'
import { RESERVED_BYTES } from './preview-process.js'
import { quarters } from './testing/pictures.js'
import { inChunks, poolFor, requestOf, type TestPool, THUMBNAIL } from './testing/preview-testing.js'
import { NotLookedAt } from './previews.js'

const BAD_PROGRAM = fileURLToPath(new URL('testing/bad-program.js', import.meta.url))
const picture = await quarters(400, 300).png().toBuffer()

function badPool(t: TestContext, options: PreviewPoolOptions = {}): TestPool {
  return poolFor(t, { program: BAD_PROGRAM, ...options })
}

function order(text: string): Uint8Array {
  return Buffer.from(text)
}

/** A source that yields the beginning and then waits until it is released; `begun` resolves when it waits. */
function stalling(): { source: AsyncGenerator<Uint8Array>, begun: Promise<void>, release: () => void, isGivenBack: () => boolean } {
  let begin: () => void
  let release!: () => void
  let isGivenBack = false
  const begun = new Promise<void>((resolve) => { begin = resolve })
  const released = new Promise<void>((resolve) => { release = resolve })
  async function* source(): AsyncGenerator<Uint8Array> {
    try {
      yield picture.subarray(0, 10)
      begin()
      await released
      yield picture.subarray(10)
    } finally {
      isGivenBack = true
    }
  }
  return { source: source(), begun, release, isGivenBack: () => isGivenBack }
}

async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await turn()
  }
}

test('starts no process before there is a picture, one when there is, and ends it when it was idle', async (t) => {
  const { pool, look } = poolFor(t, { idleMs: 50 })
  assert.deepEqual(pool.pids, [])
  assert.ok(await look(picture, 'image/png', THUMBNAIL))
  const [pid] = pool.pids
  assert.ok(pid)
  await gone(pid)
  assert.ok(await look(picture, 'image/png', THUMBNAIL), 'and starts another')
  assert.notEqual(pool.pids[0], pid)
})

test('gives a process nothing of the server: no environment, no file; and a lower priority', { skip: process.platform !== 'linux' }, async (t) => {
  process.env['CHATD_TEST_SECRET'] = 'hunter2'
  t.after(() => delete process.env['CHATD_TEST_SECRET'])
  const { pool, look } = poolFor(t)
  await look(picture, 'image/png', THUMBNAIL)
  const pid = pool.pids[0]!
  const environment = readFileSync(`/proc/${String(pid)}/environ`, 'latin1')
  assert.equal(environment.includes('hunter2') || environment.includes('PATH=/usr'), false, environment)
  const limit = Number(/Max data size\s+(\d+)/.exec(readFileSync(`/proc/${String(pid)}/limits`, 'latin1'))?.[1])
  assert.equal(limit, 1024 * 1024 * 1024 + RESERVED_BYTES)
  assert.match(readFileSync(`/proc/${String(pid)}/limits`, 'latin1'), /Max core file size\s+0 /)
  assert.equal(getPriority(pid), Math.max(getPriority(), constants.priority.PRIORITY_BELOW_NORMAL))
  assert.equal(readFileSync(`/proc/${String(pid)}/oom_score_adj`, 'latin1').trim(), '1000')
})

test('replaces a process after as many pictures as it may see', async (t) => {
  const { pool, look } = poolFor(t, { picturesPerProcessMax: 2 })
  await look(picture, 'image/png', THUMBNAIL)
  const [first] = pool.pids
  await look(picture, 'image/png', THUMBNAIL)
  await gone(first!)
  assert.ok(await look(picture, 'image/png', THUMBNAIL))
  assert.notEqual(pool.pids[0], first)
})

test('has no preview for a picture whose process is killed, and one for the next', async (t) => {
  const { pool, look, outcomes } = poolFor(t)
  const { source, begun, isGivenBack } = stalling()
  const killed = pool.make({ type: 'image/png', size: picture.length, wants: THUMBNAIL, source })
  await begun
  process.kill(pool.pids[0]!, 'SIGKILL')
  assert.equal(await killed, null)
  assert.ok(await look(picture, 'image/png', THUMBNAIL))
  assert.deepEqual(outcomes, ['crashed', 'made'])
  assert.equal(isGivenBack(), false, 'it waits, and nobody can end it before it goes on')
})

test('kills a process that hangs, and goes on with another', { skip: process.platform === 'win32' }, async (t) => {
  const { pool, look, outcomes } = badPool(t, { timeoutMs: 5000 })
  assert.equal(await look(order('be fine'), 'image/png', THUMBNAIL), null)
  const first = pool.pids[0]!
  assert.equal(await look(order('hang'), 'image/png', THUMBNAIL), null)
  await gone(first)
  assert.equal(await look(order('be fine'), 'image/png', THUMBNAIL), null)
  const stopped = pool.pids[0]!
  process.kill(stopped, 'SIGSTOP')
  assert.equal(await look(picture, 'image/png', THUMBNAIL), null)
  await gone(stopped)
  assert.deepEqual(outcomes, ['undecodable', 'timeout', 'undecodable', 'timeout'])
})

test('ends a process that takes more memory than it may', { skip: process.platform !== 'linux' }, async (t) => {
  const { look, outcomes } = badPool(t, { memoryBytesMax: 400_000_000 })
  assert.equal(await look(order('gorge'), 'image/png', THUMBNAIL), null)
  assert.equal(outcomes.length, 1)
  assert.ok(outcomes[0] === 'memory' || outcomes[0] === 'crashed', outcomes[0])
})

test('believes no answer that a process in good order would not give', async (t) => {
  const orders = ['too wide', 'no number', 'long placeholder', 'no placeholder', 'nothing made', 'wrong type', 'not wanted', 'huge rendition', 'wide rendition',
    'twice', 'an unknown fault', 'a list', 'no frame', 'no json', 'half an answer', 'crash']
  const { look, outcomes } = badPool(t)
  for (const text of orders) assert.equal(await look(order(text), 'image/png', THUMBNAIL), null, text)
  assert.deepEqual(outcomes, orders.map(() => 'crashed'))
})

test('logs what a process died of', async (t) => {
  const lines: unknown[] = []
  const log: Log = { ...SILENT_LOG, warn: (fields, event) => lines.push([event, fields['pictures']]) }
  const { look } = badPool(t, { log })
  await look(order('be fine'), 'image/png')
  await look(order('crash'), 'image/png')
  await look(order('be fine'), 'image/png')
  assert.deepEqual(lines, [['preview-process-ended', 1]])
})

test('rests where no process can be started at all', async (t) => {
  const { look, outcomes, pool } = badPool(t, { program: '/nonexistent/program.js' })
  assert.equal(await look(picture, 'image/png'), null)
  assert.equal(await look(picture, 'image/png'), null)
  assert.deepEqual(outcomes, ['crashed', 'unavailable'])
  assert.deepEqual(pool.pids, [])
})

test('outlives a system that has no descriptors left', { skip: process.platform !== 'linux' }, async () => {
  const program = fileURLToPath(new URL('testing/no-descriptors.js', import.meta.url))
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', 'ulimit -n 40; exec "$@"', 'sh', process.execPath, program])
  assert.equal(stdout, 'unavailable,unavailable', 'and rests after it')
})

test('has no more processes and waiting pictures than it may, and says once that it is full', async (t) => {
  let told = 0
  const log: Log = { ...SILENT_LOG, warn: () => { told++ } }
  const { pool, look, outcomes } = poolFor(t, { processesMax: 2, waitingMax: 3, log })
  const stalled = [stalling(), stalling()]
  const first = stalled.map(async ({ source }) => pool.make({ type: 'image/png', size: picture.length, wants: THUMBNAIL, source }))
  const waiting = [1, 2, 3].map(async () => look(picture, 'image/png', THUMBNAIL))
  assert.deepEqual([pool.working, pool.waiting, pool.pids.length], [2, 3, 2])
  assert.deepEqual(await Promise.all([look(picture, 'image/png'), look(picture, 'image/png')]), [null, null])
  // Who has to know is told that nobody has looked.
  await assert.rejects(pool.make({ ...requestOf(picture, 'image/png'), isNeeded: true }), NotLookedAt)
  assert.equal(told, 1)
  for (const { release } of stalled) release()
  for (const preview of await Promise.all([...first, ...waiting])) assert.ok(preview)
  assert.equal(pool.pids.length, 2)
  assert.deepEqual(outcomes, ['busy', 'busy', 'busy', 'made', 'made', 'made', 'made', 'made'])
})

test('a picture that has to be in memory as a whole is there, and in no temporary file', { skip: process.platform !== 'linux' }, async (t) => {
  const { pool, look } = poolFor(t)
  // More than the 100 MB of pixels from which on libvips takes to the disk, in a format that is not read row by row.
  const large = await sharp({ create: { width: 7000, height: 5000, channels: 3, background: '#336699' } }).withMetadata({ orientation: 6 }).webp({ effort: 0 }).toBuffer()
  // Such a file has no name for long, but whoever has it open shows it.
  const files = new Set<string>()
  const timer = setInterval(() => { for (const pid of pool.pids) for (const file of openFiles(pid)) files.add(file) }, 20)
  const preview = await look(large, 'image/webp', { thumbnail: false, squares: false, stripped: true })
  clearInterval(timer)
  assert.deepEqual([preview?.width, preview?.height], [5000, 7000])
  assert.deepEqual([...files].filter((file) => file.endsWith(' (deleted)')), [])
})

/** What a process has open, as Linux tells it. */
function openFiles(pid: number): string[] {
  const folder = `/proc/${String(pid)}/fd`
  try {
    return readdirSync(folder).flatMap((entry) => {
      try {
        return [readlinkSync(`${folder}/${entry}`)]
      } catch {
        return [] // closed meanwhile
      }
    })
  } catch {
    return [] // it has ended
  }
}

test('refuses at once what is too long, empty, or of a type that has no preview, and gives the source back', async (t) => {
  const { pool, outcomes } = poolFor(t, { inputBytesMax: 100 })
  for (const [type, size] of [['image/svg+xml', 10], ['application/pdf', 10], ['video/mp4', 10], ['image/tiff', 10], ['image/png', 101], ['image/png', 0], ['image/png', NaN]] as const) {
    const source = Readable.from([picture])
    const closed = once(source, 'close')
    assert.equal(await pool.make({ type, size, wants: THUMBNAIL, source }), null)
    await closed
  }
  assert.deepEqual(outcomes, ['unsupported', 'unsupported', 'unsupported', 'unsupported', 'too-large', 'undecodable', 'undecodable'])
  assert.deepEqual(pool.pids, [])
})

test('has no preview for a source that fails, is longer or shorter than said, or never goes on', async (t) => {
  const { pool, look, outcomes } = poolFor(t)
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield picture.subarray(0, 100)
    throw new Error('the disk is gone')
  }
  const make = async (source: AsyncIterable<Uint8Array>, size = picture.length): Promise<unknown> => pool.make({ type: 'image/png', size, wants: THUMBNAIL, source })
  assert.equal(await make(failing()), null)
  assert.equal(await make(inChunks(picture), picture.length + 1), null)
  assert.equal(await make(inChunks(picture), picture.length - 1), null)
  assert.equal(await make({ [Symbol.asyncIterator]: () => { throw new Error('no such file') } }), null)
  assert.deepEqual(outcomes, ['source', 'source', 'source', 'source'])
  assert.ok(await look(picture, 'image/png', THUMBNAIL))
  const { pool: hasty, outcomes: hastyOutcomes } = poolFor(t, { timeoutMs: 2000 })
  assert.ok(await hasty.make(requestOf(picture, 'image/png', THUMBNAIL)) !== undefined)
  const { source } = stalling()
  assert.equal(await hasty.make({ type: 'image/png', size: picture.length, wants: THUMBNAIL, source }), null)
  assert.equal(hastyOutcomes.at(-1), 'timeout')
})

test('holds no more of a picture than what is on its way, and nothing of one that is done', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const { pool, outcomes } = poolFor(t)
  const refs: WeakRef<Uint8Array>[] = []
  const alive = async (): Promise<number> => {
    // A weak reference that was made or read in a turn holds until the turn has ended.
    for (let n = 0; n < 3; n++) {
      await turn()
      collect()
    }
    return refs.filter((ref) => ref.deref() !== undefined).length
  }
  const chunks = 200
  let during = 0
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < chunks; n++) {
      if (n === chunks - 1) during = await alive()
      const chunk = Buffer.alloc(65_536, n)
      refs.push(new WeakRef(chunk))
      yield chunk
    }
  }
  assert.equal(await pool.make({ type: 'image/png', size: chunks * 65_536, wants: THUMBNAIL, source: source() }), null)
  assert.deepEqual(outcomes, ['undecodable'])
  assert.ok(during < 10, `${String(during)} of ${String(chunks)} chunks were held`)
  assert.ok(await alive() < 3)
})

test('rejects with the signal\'s reason, before, while waiting and in the middle', async (t) => {
  const { pool, look, outcomes } = poolFor(t)
  const reason = new Error('the upload was taken back')
  await assert.rejects(pool.make(requestOf(picture, 'image/png'), AbortSignal.abort(reason)), reason)
  const { source, begun, release, isGivenBack } = stalling()
  const [working, waiting] = [new AbortController(), new AbortController()]
  const first = assert.rejects(pool.make({ type: 'image/png', size: picture.length, wants: THUMBNAIL, source }, working.signal), reason)
  const second = assert.rejects(pool.make(requestOf(picture, 'image/png'), waiting.signal), reason)
  await begun
  waiting.abort(reason)
  await second
  assert.deepEqual([pool.working, pool.waiting], [1, 0])
  working.abort(reason)
  await first
  release()
  assert.ok(await look(picture, 'image/png', THUMBNAIL))
  assert.equal(isGivenBack(), true)
  assert.deepEqual(outcomes, ['aborted', 'aborted', 'aborted', 'made'])
})

test('a signal that is aborted afterwards does nothing', async (t) => {
  const { pool } = poolFor(t)
  const controller = new AbortController()
  assert.ok(await pool.make(requestOf(picture, 'image/png', THUMBNAIL), controller.signal))
  const [pid] = pool.pids
  controller.abort()
  assert.ok(await pool.make(requestOf(picture, 'image/png', THUMBNAIL)))
  assert.equal(pool.pids[0], pid)
})

test('closes while it works: all pictures are without preview, all processes are gone', async (t) => {
  const { pool, look, outcomes } = poolFor(t)
  const { source, begun } = stalling()
  const working = pool.make({ type: 'image/png', size: picture.length, wants: THUMBNAIL, source })
  const waiting = look(picture, 'image/png')
  await begun
  const [pid] = pool.pids
  await pool.close()
  assert.deepEqual(await Promise.all([working, waiting]), [null, null])
  await gone(pid!)
  assert.equal(await look(picture, 'image/png'), null)
  assert.deepEqual(outcomes, ['closed', 'closed', 'closed'])
  await pool.close()
})
