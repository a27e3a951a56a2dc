/** Contents for tests: bytes that are known by their number, files of them, streams read to their end. */
import { createCipheriv, createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'
import type { BlobStore } from '../blob-store.js'

/** `size` bytes, others for each seed, that look random and are the same in each process. */
export function bytesOf(seed: number, size: number): Buffer {
  const key = Buffer.alloc(16)
  key.writeUInt32BE(seed)
  return createCipheriv('aes-128-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
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
