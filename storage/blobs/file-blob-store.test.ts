import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, stat, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import path from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { BlobError } from './blob-store.js'
import { FileBlobStore } from './file-blob-store.js'
import { Staging } from './staging.js'
import { blobStoreSuite } from './testing/blob-store-suite.js'
import { bytesOf, nameOf, putBytes, readAll } from './testing/bytes.js'
import { runBlobChild } from './testing/child.js'
import { smallDisk } from '../testing/small-disk.js'
import { closeAfter, temporaryDirectory } from '../testing/temporary-directory.js'

blobStoreSuite('file', async (t) => closeAfter(t, await FileBlobStore.open(path.join(await temporaryDirectory(t), 'blobs'))))

/** A store within a directory for what is to be put. */
async function openStore(t: TestContext): Promise<{ store: FileBlobStore, directory: string, blobs: string }> {
  const directory = await temporaryDirectory(t)
  const blobs = path.join(directory, 'blobs')
  return { directory, blobs, store: closeAfter(t, await FileBlobStore.open(blobs)) }
}

function fileOf(blobs: string, name: string): string {
  return path.join(blobs, 'objects', name.slice(0, 2), name.slice(2, 4), name)
}

async function allNames(store: FileBlobStore): Promise<string[]> {
  const names: string[] = []
  for await (const { name } of store.list('')) names.push(name)
  return names
}

test('an object is a file under its name in two levels of folders, for the owner\'s eyes alone', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const bytes = bytesOf(1, 1000)
  const upload = path.join(directory, 'upload')
  await writeFile(upload, bytes, { mode: 0o644 })
  const name = nameOf(bytes)
  await store.put(name, upload, 1000)
  assert.ok(bytes.equals(await readFile(fileOf(blobs, name))))
  assert.equal((await stat(fileOf(blobs, name))).mode & 0o777, 0o600)
  for (const folder of ['', 'objects', 'tmp', `objects/${name.slice(0, 2)}`, `objects/${name.slice(0, 2)}/${name.slice(2, 4)}`]) {
    assert.equal((await stat(path.join(blobs, folder))).mode & 0o777, 0o700, folder)
  }
  assert.equal((await stat(fileOf(blobs, name))).nlink, 1)
})

test('another process finds what one has stored', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(2, 10))
  await store.close()
  const second = closeAfter(t, await FileBlobStore.open(blobs))
  assert.deepEqual(await allNames(second), [name])
  assert.ok(bytesOf(2, 10).equals(await readAll(await second.read(name, 0, 10))))
})

test('what an earlier process left in tmp is removed, and nothing else', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(3, 10))
  await store.close()
  await writeFile(path.join(blobs, 'tmp', 'half'), 'x')
  await mkdir(path.join(blobs, 'tmp', 'folder'))
  await writeFile(path.join(blobs, 'tmp', 'folder', 'half'), 'x')
  const second = closeAfter(t, await FileBlobStore.open(blobs))
  assert.deepEqual(await readdir(path.join(blobs, 'tmp')), [])
  assert.deepEqual(await allNames(second), [name])
})

test('putting an object again makes it count as stored now', async (t) => {
  const { store, directory } = await openStore(t)
  const bytes = bytesOf(4, 10)
  await putBytes(store, directory, bytes)
  const modified = async (): Promise<number> => {
    for await (const { modifiedMs } of store.list('')) return modifiedMs
    return assert.fail('nothing is listed')
  }
  const first = await modified()
  // The clock of a file system may stand still for some milliseconds.
  const deadline = Date.now() + 5000
  do await putBytes(store, directory, bytes)
  while (await modified() <= first && Date.now() < deadline)
  assert.ok(await modified() > first)
})

test('the time of a file that was written long ago is not the time when it was stored', async (t) => {
  const { store, directory } = await openStore(t)
  const upload = path.join(directory, 'upload')
  await writeFile(upload, 'x')
  await utimes(upload, 1000, 1000)
  await store.put(nameOf(Buffer.from('x')), upload, 1)
  for await (const { modifiedMs } of store.list('')) assert.ok(modifiedMs > Date.now() - 60_000)
})

test('an object that was damaged to another size is replaced by the next put, and readers of it get an error', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const bytes = bytesOf(5, 1_000_000)
  const name = await putBytes(store, directory, bytes)
  await truncate(fileOf(blobs, name), 999_999)
  await assert.rejects(store.read(name, 0, 1_000_000), { code: 'damaged', message: /999999 bytes/ })
  assert.equal((await readAll(await store.read(name, 0, 999_999))).length, 999_999)
  await putBytes(store, directory, bytes)
  assert.ok(bytes.equals(await readAll(await store.read(name, 0, 1_000_000))))
})

test('a file that shrinks while it is read ends its stream in an error', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(6, 2_000_000))
  const stream = await store.read(name, 0, 2_000_000)
  await once(stream, 'readable')
  await truncate(fileOf(blobs, name), 1_000_000)
  await assert.rejects(readAll(stream), { name: 'BlobError', code: 'damaged' })
})

test('foreign files among the objects are neither listed nor touched', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const name = await putBytes(store, directory, bytesOf(7, 10))
  const [first, second] = [name.slice(0, 2), name.slice(2, 4)]
  const foreign = [
    'README', 'zz', `${first}/notes`, `${first}/${second}/${name}.bak`, `${first}/${second}/.${name.slice(1)}`,
    // A name that would be right elsewhere.
    `${first}/${second}/${first}${second === '00' ? '01' : '00'}${name.slice(4)}`,
  ]
  for (const file of foreign) await writeFile(path.join(blobs, 'objects', file), 'x')
  await mkdir(path.join(blobs, 'objects', first, second, `${name.slice(0, 63)}${name.endsWith('0') ? '1' : '0'}`))
  await store.check()
  assert.deepEqual(await allNames(store), [name])
  for (const file of foreign) assert.ok(existsSync(path.join(blobs, 'objects', file)), file)
})

test('a folder that stands under the name of an object is told, not taken for one', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const bytes = bytesOf(8, 10)
  const name = nameOf(bytes)
  await mkdir(fileOf(blobs, name), { recursive: true })
  const denied = { name: 'BlobError', code: 'denied', message: new RegExp(name) }
  await assert.rejects(store.stat(name), denied)
  await assert.rejects(store.read(name, 0, 10), denied)
  await assert.rejects(store.delete(name), denied)
  await assert.rejects(putBytes(store, directory, bytes), denied)
})

test('symbolic links within the directory are not followed, and the directory itself may be one', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const [bytes, other] = [bytesOf(9, 10), bytesOf(10, 10)]
  const name = await putBytes(store, directory, bytes)
  await store.close()
  const first = path.join(blobs, 'objects', name.slice(0, 2))
  await rename(first, path.join(directory, 'elsewhere'))
  await symlink(path.join(directory, 'elsewhere'), first)
  const again = closeAfter(t, await FileBlobStore.open(blobs))
  const denied = { name: 'BlobError', code: 'denied', message: /symbolic link/ }
  await assert.rejects(again.check(), denied)
  await assert.rejects(again.read(name, 0, 10), denied)
  await assert.rejects(again.stat(name), denied)
  await assert.rejects(again.delete(name), denied)
  await assert.rejects(putBytes(again, directory, bytes), denied)
  assert.deepEqual(await allNames(again), [])
  // The rest is as it should be.
  const good = await putBytes(again, directory, other)
  assert.deepEqual(await allNames(again), [good])
  // In place of an object.
  await rename(fileOf(blobs, good), path.join(directory, 'object'))
  await symlink(path.join(directory, 'object'), fileOf(blobs, good))
  await assert.rejects(again.read(good, 0, 10), denied)
  await assert.rejects(again.stat(good), { code: 'denied' })
  // In place of objects, and of an upload.
  await assert.rejects(again.put(good, fileOf(blobs, good), 10), denied)
  await again.close()
  await rename(path.join(blobs, 'objects'), path.join(directory, 'objects'))
  await symlink(path.join(directory, 'objects'), path.join(blobs, 'objects'))
  await assert.rejects(FileBlobStore.open(blobs), denied)
  // The whole of it.
  await mkdir(path.join(directory, 'disk'))
  await symlink(path.join(directory, 'disk'), path.join(directory, 'link'))
  const linked = closeAfter(t, await FileBlobStore.open(path.join(directory, 'link')))
  await linked.check()
  await putBytes(linked, directory, bytes)
  assert.deepEqual(await allNames(linked), [name])
})

test('folders that somebody has tidied away are made again', async (t) => {
  const { store, directory, blobs } = await openStore(t)
  const bytes = bytesOf(11, 10)
  const name = await putBytes(store, directory, bytes)
  await rm(path.join(blobs, 'objects', name.slice(0, 2)), { recursive: true })
  assert.equal(await store.stat(name), null)
  await putBytes(store, directory, bytes)
  assert.equal(await store.stat(name), 10)
})

test('files of another file system are copied, whole, and their copies do not stay', async (t) => {
  const { store, blobs } = await openStore(t)
  const disk = await smallDisk(t, 8)
  if (disk === null) return
  const bytes = bytesOf(12, 1_000_000)
  for (let time = 0; time < 2; time++) {
    const upload = path.join(disk, 'upload')
    await writeFile(upload, bytes)
    await store.put(nameOf(bytes), upload, bytes.length)
    assert.equal(existsSync(upload), false)
    assert.deepEqual(await readdir(path.join(blobs, 'tmp')), [])
    assert.ok(bytes.equals(await readAll(await store.read(nameOf(bytes), 0, bytes.length))))
    // The second time over one that was damaged.
    await truncate(fileOf(blobs, nameOf(bytes)), 5)
  }
  assert.equal((await stat(fileOf(blobs, nameOf(bytes)))).mode & 0o777, 0o600)
})

test('a full disk refuses the object and keeps the file; with space again it is stored', async (t) => {
  const { directory } = await openStore(t)
  const disk = await smallDisk(t, 4)
  if (disk === null) return
  const store = closeAfter(t, await FileBlobStore.open(path.join(disk, 'blobs')))
  const bytes = bytesOf(13, 3_000_000)
  const upload = path.join(directory, 'upload')
  await writeFile(upload, bytes)
  const filler = path.join(disk, 'filler')
  await writeFile(filler, Buffer.alloc(2_000_000))
  await assert.rejects(store.put(nameOf(bytes), upload, bytes.length), { name: 'BlobError', code: 'no-space', message: /free some/ })
  assert.ok(existsSync(upload))
  assert.equal(await store.stat(nameOf(bytes)), null)
  assert.deepEqual(await readdir(path.join(disk, 'blobs', 'tmp')), [])
  await rm(filler)
  await store.put(nameOf(bytes), upload, bytes.length)
  assert.ok(bytes.equals(await readAll(await store.read(nameOf(bytes), 0, bytes.length))))
})

test('a directory that may not be written says so', async (t) => {
  const directory = await temporaryDirectory(t)
  await chmod(directory, 0o755)
  // Anybody may put a file here, and nobody but its owner anything below blobs.
  await mkdir(path.join(directory, 'anyone'))
  await chmod(path.join(directory, 'anyone'), 0o777)
  await mkdir(path.join(directory, 'blobs', 'objects'), { recursive: true })
  await mkdir(path.join(directory, 'blobs', 'tmp'))
  await mkdir(path.join(directory, 'blobs', 'uploads'))
  for (const folder of ['objects', 'tmp', 'uploads', '']) await chmod(path.join(directory, 'blobs', folder), 0o555)
  // Or whoever runs the test without privileges could not remove it.
  closeAfter(t, { close: () => chmod(path.join(directory, 'blobs'), 0o755) })
  const lines: unknown[] = []
  await runBlobChild(directory, 'unprivileged', 0, ({ code, message }) => { lines.push([code, message?.includes('permission')]) })
  assert.deepEqual(lines, [['denied', true], ['denied', true], ['denied', true]])
})

test('an open that fails is an error with a code', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(path.join(directory, 'file'), '')
  await assert.rejects(FileBlobStore.open(path.join(directory, 'file', 'blobs')), { name: 'BlobError', code: 'denied' })
  await assert.rejects(FileBlobStore.open(path.join(directory, 'file')), { name: 'BlobError', code: 'denied' })
})

test('close waits for what is being stored', async (t) => {
  const { store, directory } = await openStore(t)
  const bytes = bytesOf(14, 1_000_000)
  const upload = path.join(directory, 'upload')
  await writeFile(upload, bytes)
  let stored = false
  const put = store.put(nameOf(bytes), upload, bytes.length).then(() => { stored = true })
  await store.close()
  assert.ok(stored)
  await put
})

test('after SIGKILL at any moment every object is whole, and every upload has what was acknowledged', async (t) => {
  const directory = path.join(await temporaryDirectory(t), 'blobs')
  const acknowledged = new Map<string, number>()
  const stored = new Set<string>()
  for (let life = 0; life < 6; life++) {
    // Lives of different length, none of them at the same step.
    const killAfterMs = 20 + life * 23
    let timer: NodeJS.Timeout | undefined
    await runBlobChild(directory, 'write', life * 100_000, ({ opened, put, id, size }, kill) => {
      if (opened === true) timer = setTimeout(kill, killAfterMs)
      if (put !== undefined) stored.add(put)
      if (id !== undefined) acknowledged.set(id, size ?? 0)
    })
    clearTimeout(timer)
    const store = await FileBlobStore.open(directory)
    const staging = await Staging.open(directory)
    assert.deepEqual(await readdir(path.join(directory, 'tmp')), [])
    const visible = new Set<string>()
    for await (const { name, size } of store.list('')) {
      visible.add(name)
      assert.equal(nameOf(await readAll(await store.read(name, 0, size))), name)
    }
    for (const name of stored) assert.ok(visible.has(name), `${name} was stored`)
    for (const [id, size] of acknowledged) {
      const whole = bytesOf(Number.parseInt(id, 16), 450_000)
      const kept = await staging.size(id)
      // A whole one may have been moved before its put was told.
      if (kept === null) {
        assert.ok(visible.has(nameOf(whole)), `upload ${id} is gone`)
        continue
      }
      assert.ok(kept >= size, `upload ${id}: ${kept} of ${size} bytes`)
      assert.ok(whole.subarray(0, kept).equals(await readAll(await staging.read(id, 0, kept))), `upload ${id} is not what was sent`)
    }
    await store.close()
  }
  assert.ok(stored.size > 0 && acknowledged.size > stored.size)
})

test('errors of the store are of one class', async (t) => {
  const { store } = await openStore(t)
  await assert.rejects(store.read('ab'.repeat(32), 0, 1), BlobError)
})
