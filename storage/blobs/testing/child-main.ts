/** Run by `runBlobChild`: tells what happens in lines of JSON, each when what it says is done. */
import { writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { BlobError } from '../blob-store.js'
import { FileBlobStore } from '../file-blob-store.js'
import { Staging } from '../staging.js'
import { bytesOf, nameOf } from './bytes.js'

const [directory = '', mode = 'write', seedText = '1'] = process.argv.slice(2)
const NOBODY = 65_534
const PIECE = 150_000

function say(line: object): void {
  writeSync(1, JSON.stringify(line) + '\n')
}

/** Uploads of three pieces each; the whole ones are put under their hash. */
async function write(store: FileBlobStore, staging: Staging, seed: number): Promise<never> {
  for (let upload = seed;; upload++) {
    const id = upload.toString(16).padStart(32, '0')
    const bytes = bytesOf(upload, 3 * PIECE)
    for (let offset = 0; offset < bytes.length; offset += PIECE) {
      const { size } = await staging.append(id, offset, chunksOf(bytes.subarray(offset, offset + PIECE)), bytes.length)
      say({ id, size })
    }
    // Every third stays an upload, so that there is something to find.
    if (upload % 3 === 0) continue
    await store.put(nameOf(bytes), staging.path(id), bytes.length)
    say({ put: nameOf(bytes) })
  }
}

async function* chunksOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 20_000) yield bytes.subarray(at, at + 20_000)
}

async function tryAll(): Promise<void> {
  const steps: (() => Promise<unknown>)[] = [
    async () => (await FileBlobStore.open(path.join(directory, 'blobs'))).check(),
    async () => {
      const file = path.join(directory, 'anyone', 'upload')
      await writeFile(file, 'x')
      return (await FileBlobStore.open(path.join(directory, 'blobs'))).put(nameOf(Buffer.from('x')), file, 1)
    },
    async () => (await Staging.open(path.join(directory, 'blobs'))).append('0'.repeat(32), 0, chunksOf(Buffer.from('x')), 1),
  ]
  for (const step of steps) {
    await step().then(() => { say({ code: 'none' }) }, (error: unknown) => {
      say({ code: error instanceof BlobError ? error.code : 'other', message: (error as Error).message })
    })
  }
}

if (mode === 'unprivileged' && process.getuid?.() === 0) {
  process.setgid?.(NOBODY)
  process.setuid?.(NOBODY)
}
if (mode === 'unprivileged') {
  await tryAll()
} else {
  const [store, staging] = [await FileBlobStore.open(directory), await Staging.open(directory)]
  say({ opened: true })
  await write(store, staging, Number(seedText))
}
