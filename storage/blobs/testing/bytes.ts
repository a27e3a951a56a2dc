/** Contents for tests: bytes that are known by their number, files of them, streams read to their end. */
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { BlobStore } from '../blob-store.js'

/** `size` bytes, others for each seed. */
export function bytesOf(seed: number, size: number): Buffer {
  const bytes = Buffer.alloc(size)
  let state = seed * 2654435761 + 1
  for (let at = 0; at < size; at++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + at | 0
    bytes[at] = state >>> 16
  }
  return bytes
}

/** The name that these bytes have as an object. */
export function nameOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** Puts bytes by way of a file in `directory`, and gives their name. */
export async function putBytes(store: BlobStore, directory: string, bytes: Uint8Array): Promise<string> {
  const file = path.join(directory, `to-put-${nextFile++}`)
  await writeFile(file, bytes)
  const name = nameOf(bytes)
  await store.put(name, file, bytes.length)
  return name
}

let nextFile = 1

/** All that a stream gives; rejects with its error. */
export async function readAll(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
