import assert from 'node:assert/strict'
import { mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Staging } from './staging.js'
import { bytesOf, readAll } from './testing/bytes.js'
import { smallDisk } from '../testing/small-disk.js'
import { temporaryDirectory } from '../testing/temporary-directory.js'

const ID = '0123456789abcdef'.repeat(2)
const OTHER = 'f'.repeat(32)

async function openStaging(t: TestContext): Promise<{ staging: Staging, directory: string }> {
  const directory = await temporaryDirectory(t)
  return { directory, staging: await Staging.open(directory) }
}

async function* chunksOf(bytes: Buffer, size: number, then?: Error): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  if (then !== undefined) throw then
}

async function content(staging: Staging, id: string): Promise<Buffer> {
  return readAll(await staging.read(id, 0, await staging.size(id) ?? assert.fail()))
}

test('an upload grows from append to append, and is what was sent', async (t) => {
  const { staging } = await openStaging(t)
  const bytes = bytesOf(1, 1_000_000)
  assert.equal(await staging.size(ID), null)
  let offset = 0
  for (const until of [0, 1, 70_000, 70_000, 999_999, 1_000_000]) {
    const part = bytes.subarray(offset, until)
    const source = offset % 2 === 0 ? Readable.from(chunksOf(part, 10_007)) : chunksOf(part, 4096)
    assert.deepEqual(await staging.append(ID, offset, source, 1_000_000), { size: until, outcome: 'complete' })
    assert.equal(await staging.size(ID), until)
    offset = until
  }
  assert.ok(bytes.equals(await content(staging, ID)))
  assert.ok(bytes.subarray(5, 300_000).equals(await readAll(await staging.read(ID, 5, 300_000))))
  assert.equal((await stat(staging.path(ID))).mode & 0o777, 0o600)
})

test('an empty upload is a file of no bytes', async (t) => {
  const { staging } = await openStaging(t)
  assert.deepEqual(await staging.append(ID, 0, Readable.from([]), 10), { size: 0, outcome: 'complete' })
  assert.equal(await staging.size(ID), 0)
})

test('stops at the largest size, keeps what fits, and says so', async (t) => {
  const { staging } = await openStaging(t)
  const bytes = bytesOf(2, 100_000)
  const source = Readable.from(chunksOf(bytes, 30_000))
  assert.deepEqual(await staging.append(ID, 0, source, 65_000), { size: 65_000, outcome: 'too-long' })
  // Who sends it is still to be told.
  assert.equal(source.destroyed, false)
  assert.ok(bytes.subarray(0, 65_000).equals(await content(staging, ID)))
  assert.deepEqual(await staging.append(ID, 65_000, Readable.from([Buffer.from('x')]), 65_000), { size: 65_000, outcome: 'too-long' })
  assert.deepEqual(await staging.append(ID, 65_000, Readable.from([Buffer.alloc(0)]), 65_000), { size: 65_000, outcome: 'complete' })
})

test('a source that breaks leaves what it gave', async (t) => {
  const { staging } = await openStaging(t)
  const bytes = bytesOf(3, 100_000)
  const cause = new Error('the train is in a tunnel')
  assert.deepEqual(await staging.append(ID, 0, chunksOf(bytes, 10_000, cause), 200_000), { size: 100_000, outcome: 'broken', cause })
  const stream = new PassThrough()
  stream.write(bytes.subarray(0, 500))
  const appended = staging.append(ID, 100_000, stream, 200_000)
  await untilSize(staging, ID, 100_500)
  stream.destroy(cause)
  assert.deepEqual(await appended, { size: 100_500, outcome: 'broken', cause })
  // A connection that ends without a word.
  const cut = new PassThrough()
  const second = staging.append(ID, 100_500, cut, 200_000)
  cut.destroy()
  assert.equal((await second).outcome, 'broken')
  assert.equal(await staging.size(ID), 100_500)
})

test('the signal ends an append that waits for its source', async (t) => {
  const { staging } = await openStaging(t)
  const stream = new PassThrough()
  const abort = new AbortController()
  stream.write('12345')
  const appended = staging.append(ID, 0, stream, 100, abort.signal)
  await untilSize(staging, ID, 5)
  abort.abort()
  assert.deepEqual(await appended, { size: 5, outcome: 'aborted' })
  assert.equal(stream.destroyed, false)
  stream.destroy(new Error('later'))
  // Also one that has come already.
  assert.deepEqual(await staging.append(ID, 5, new PassThrough(), 100, abort.signal), { size: 5, outcome: 'aborted' })
})

test('an append that is interrupted ends as by its signal, and another begins anew', async (t) => {
  const { staging } = await openStaging(t)
  const stream = new PassThrough()
  stream.write('12345')
  const appended = staging.append(ID, 0, stream, 100, new AbortController().signal)
  await untilSize(staging, ID, 5)
  staging.interrupt(ID)
  assert.deepEqual(await appended, { size: 5, outcome: 'aborted' })
  // None is under way.
  staging.interrupt(ID)
  assert.equal(await staging.remove(ID), true)
})

test('one writer at a time: a second is refused, others are not, and after the first it is free again', async (t) => {
  const { staging } = await openStaging(t)
  const stream = new PassThrough()
  const first = staging.append(ID, 0, stream, 100)
  assert.ok(staging.isBusy(ID))
  assert.deepEqual(await staging.append(ID, 0, Readable.from([Buffer.from('x')]), 100), { size: 0, outcome: 'busy' })
  assert.deepEqual(await staging.append(OTHER, 0, Readable.from([Buffer.from('x')]), 100), { size: 1, outcome: 'complete' })
  assert.equal(await staging.remove(ID), false)
  assert.equal(await staging.truncate(ID, 0), false)
  stream.end('12')
  assert.deepEqual(await first, { size: 2, outcome: 'complete' })
  assert.equal(staging.isBusy(ID), false)
  assert.deepEqual(await staging.append(ID, 2, Readable.from([Buffer.from('3')]), 100), { size: 3, outcome: 'complete' })
})

test('an offset that is not the size is refused with the size', async (t) => {
  const { staging } = await openStaging(t)
  const source = (): Readable => Readable.from([Buffer.from('123')])
  assert.deepEqual(await staging.append(ID, 1, source(), 100), { size: 0, outcome: 'wrong-offset' })
  assert.equal(await staging.size(ID), null)
  await staging.append(ID, 0, source(), 100)
  for (const offset of [0, 2, 4]) assert.deepEqual(await staging.append(ID, offset, source(), 100), { size: 3, outcome: 'wrong-offset' })
  assert.equal((await content(staging, ID)).toString(), '123')
})

test('the next chunk is asked for when the last one is written', async (t) => {
  const { staging } = await openStaging(t)
  let asked = 0
  async function* source(): AsyncGenerator<Buffer> {
    for (let n = 0; n < 30; n++) {
      asked++
      assert.ok((await stat(staging.path(ID))).size === n * 10_000, `${n} chunks are written`)
      yield Buffer.alloc(10_000, n)
    }
  }
  assert.deepEqual(await staging.append(ID, 0, source(), 1_000_000), { size: 300_000, outcome: 'complete' })
  assert.equal(asked, 30)
})

test('a source of anything but bytes is a mistake, and leaves the upload as it was', async (t) => {
  const { staging } = await openStaging(t)
  await staging.append(ID, 0, Readable.from([Buffer.from('123')]), 100)
  async function* texts(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('4')
    yield '5' as unknown as Uint8Array
  }
  await assert.rejects(staging.append(ID, 3, texts(), 100), TypeError)
  assert.equal(await staging.size(ID), 3)
})

test('ids and numbers that are none are refused', async (t) => {
  const { staging } = await openStaging(t)
  for (const id of ['', 'x', '../'.repeat(10) + 'ab', ID.toUpperCase(), ID + '\n', `${ID}0`, undefined as unknown as string]) {
    await assert.rejects(staging.append(id, 0, Readable.from([]), 1), TypeError)
    await assert.rejects(staging.size(id), TypeError)
    await assert.rejects(staging.read(id, 0, 1), TypeError)
    await assert.rejects(staging.remove(id), TypeError)
    await assert.rejects(staging.truncate(id, 0), TypeError)
    assert.throws(() => staging.path(id), TypeError)
  }
  for (const [offset, max] of [[-1, 1], [2, 1], [0.5, 1], [0, NaN]] as const) {
    await assert.rejects(staging.append(ID, offset, Readable.from([]), max), TypeError)
  }
})

test('shortens and removes', async (t) => {
  const { staging, directory } = await openStaging(t)
  await staging.append(ID, 0, Readable.from([Buffer.from('12345')]), 100)
  assert.equal(await staging.truncate(ID, 3), true)
  assert.equal((await content(staging, ID)).toString(), '123')
  await assert.rejects(staging.truncate(ID, 4), TypeError)
  assert.equal(await staging.remove(ID), true)
  assert.equal(await staging.remove(ID), true)
  assert.equal(await staging.size(ID), null)
  await assert.rejects(staging.truncate(ID, 0), { name: 'BlobError', code: 'not-found' })
  await assert.rejects(staging.read(ID, 0, 1), { name: 'BlobError', code: 'not-found' })
  assert.deepEqual(await readdir(path.join(directory, 'uploads')), [])
})

test('lists uploads, and nothing foreign, also after a restart', async (t) => {
  const { staging, directory } = await openStaging(t)
  await staging.append(ID, 0, Readable.from([Buffer.from('12345')]), 100)
  await staging.append(OTHER, 0, Readable.from([Buffer.from('1')]), 100)
  const uploads = path.join(directory, 'uploads')
  await writeFile(path.join(uploads, 'notes'), 'x')
  await mkdir(path.join(uploads, 'a'.repeat(32)))
  await symlink('notes', path.join(uploads, 'b'.repeat(32)))
  const again = await Staging.open(directory)
  const found: [string, number][] = []
  for await (const { id, size, modifiedMs } of again.list()) {
    found.push([id, size])
    assert.ok(Math.abs(modifiedMs - Date.now()) < 60_000)
  }
  assert.deepEqual(found.sort(), [[ID, 5], [OTHER, 1]])
  // What a link names is not an upload.
  await assert.rejects(again.size('b'.repeat(32)), { name: 'BlobError', code: 'denied' })
  await assert.rejects(again.append('b'.repeat(32), 1, Readable.from([Buffer.from('x')]), 9), { name: 'BlobError', code: 'denied' })
})

test('a link in place of the folder is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  await mkdir(path.join(directory, 'elsewhere'))
  await symlink(path.join(directory, 'elsewhere'), path.join(directory, 'uploads'))
  await assert.rejects(Staging.open(directory), { name: 'BlobError', code: 'denied', message: /symbolic link/ })
})

test('a full disk is an error, what had room stays as it was sent, and the upload goes on when there is space', async (t) => {
  const disk = await smallDisk(t, 4)
  if (disk === null) return
  const staging = await Staging.open(disk)
  const bytes = bytesOf(4, 3_500_000)
  const filler = path.join(disk, 'filler')
  await writeFile(filler, Buffer.alloc(2_000_000))
  const free = await staging.freeBytes()
  assert.ok(free > 1_500_000 && free < 2_500_000, `${free}`)
  await staging.append(ID, 0, chunksOf(bytes.subarray(0, 100_000), 50_000), bytes.length)
  await assert.rejects(staging.append(ID, 100_000, chunksOf(bytes.subarray(100_000), 50_001), bytes.length),
    { name: 'BlobError', code: 'no-space', message: /free some/ })
  assert.equal(staging.isBusy(ID), false)
  const kept = await staging.size(ID) ?? assert.fail()
  assert.ok(kept > 1_000_000 && kept < 3_000_000, `${kept}`)
  assert.ok(bytes.subarray(0, kept).equals(await content(staging, ID)))
  assert.ok(await staging.freeBytes() < 100_000)
  await rm(filler)
  assert.deepEqual(await staging.append(ID, kept, chunksOf(bytes.subarray(kept), 50_000), bytes.length), { size: bytes.length, outcome: 'complete' })
  assert.ok(bytes.equals(await content(staging, ID)))
})

/** Waits until a write that is under way has got so far. */
async function untilSize(staging: Staging, id: string, size: number): Promise<void> {
  while ((await staging.size(id) ?? 0) < size) await new Promise(setImmediate)
}

test('a chunk that is written is kept no longer, while the upload goes on', async (t) => {
  const { staging } = await openStaging(t)
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  const written: WeakRef<Uint8Array>[] = []
  let kept = -1
  async function* source(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < 50; at++) {
      const chunk = Buffer.alloc(1000, at)
      written.push(new WeakRef(chunk))
      yield chunk
    }
    // What a turn has looked at stays until it is over.
    await turn()
    collect()
    kept = written.filter((chunk) => chunk.deref() !== undefined).length
  }
  const { outcome } = await staging.append(ID, 0, source(), 50_000, new AbortController().signal)
  assert.equal(outcome, 'complete')
  assert.ok(kept <= 2, `${kept} of 50 are kept`)
})
