import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { appendFile, lstat, mkdir, readFile, realpath, rename, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test, type TestContext } from 'node:test'
import { temporaryDirectory } from '../testing/temporary-directory.js'
import { copyBlobFiles } from './copy-files.js'
import { FileBlobStore } from './file-blob-store.js'
import { Staging } from './staging.js'

const NAMES = ['one', 'two', 'three'].map((name) => createHash('sha256').update(name).digest('hex'))
const UPLOAD = 'ab'.repeat(16)

/** Three objects, and an upload under way. */
async function files(t: TestContext): Promise<{ folder: string, from: string, to: string }> {
  const folder = await temporaryDirectory(t)
  const [from, to] = [path.join(folder, 'one'), path.join(folder, 'several')]
  const store = await FileBlobStore.open(from)
  for (const name of NAMES) {
    await writeFile(path.join(folder, 'file'), name)
    await store.put(name, path.join(folder, 'file'), name.length)
  }
  await store.close()
  const staging = await Staging.open(from)
  await staging.append(UPLOAD, 0, Readable.from([Buffer.from('half')]), 100)
  return { folder, from, to }
}

function pathOf(directory: string, name: string): string {
  return path.join(directory, 'objects', name.slice(0, 2), name.slice(2, 4), name)
}

async function read(store: FileBlobStore, name: string): Promise<string> {
  return text(await store.read(name, 0, name.length))
}

test('objects get a second name, uploads are copied, and neither directory changes with the other', async (t) => {
  const { from, to } = await files(t)
  const copied = await copyBlobFiles(from, to)
  assert.equal((copied?.linked ?? 0) + (copied?.copied ?? 0), NAMES.length + 1)
  if (copied?.copied === 1) assert.equal((await lstat(pathOf(from, NAMES[0]!))).ino, (await lstat(pathOf(to, NAMES[0]!))).ino)
  const [store, staging] = [await FileBlobStore.open(to), await Staging.open(to)]
  for (const name of NAMES) assert.equal(await read(store, name), name)
  await store.delete(NAMES[0]!)
  assert.equal((await staging.append(UPLOAD, 4, Readable.from([Buffer.from(' and half')]), 100)).size, 13)
  assert.equal(await readFile(pathOf(from, NAMES[0]!), 'utf8'), NAMES[0])
  assert.equal(await readFile(path.join(from, 'uploads', UPLOAD), 'utf8'), 'half')
  await appendFile(path.join(from, 'uploads', UPLOAD), ' more')
  assert.equal(await staging.size(UPLOAD), 13)
  await store.close()
})

test('where there are no files there is nothing to copy', async (t) => {
  const folder = await temporaryDirectory(t)
  assert.equal(await copyBlobFiles(path.join(folder, 'one'), path.join(folder, 'several')), null)
  await mkdir(path.join(folder, 'one'))
  assert.deepEqual(await copyBlobFiles(path.join(folder, 'one'), path.join(folder, 'several')), { isLink: false, linked: 0, copied: 0 })
})

test('a link to another place is made again, and the files stay where they are', async (t) => {
  const { folder, from, to } = await files(t)
  const elsewhere = path.join(folder, 'elsewhere')
  await rename(from, elsewhere)
  await symlink('elsewhere', from)
  assert.deepEqual(await copyBlobFiles(from, to), { isLink: true, linked: 0, copied: 0 })
  assert.equal(await realpath(to), await realpath(elsewhere))
})
