/** The file that says what a data directory holds. */
import path from 'node:path'
import { StorageError } from './engine.js'
import { readSmallFile, writeSmallFile } from './small-file.js'

/**
 * The format of keys and rows that this program writes; it opens no newer one. It reads all older ones, and raises the number of a store
 * as soon as it opens it.
 *
 *     1   a row for each queue entry and each message of a log
 *     2   rows may hold several of them that follow one another, under the number of the last
 *     3   a change of a group has a row of its own in the log
 *     4   an operation has one, too, and a message that has any a row for what they have made of it
 *     5   a conversation may have a timer, and what expires is listed by time
 *     6   messages and pictures carry blobs, and who holds which is kept
 *     7   a row of a channel may hold several entries, under the number of the last
 *     8   entries of channels say version 2
 *     9   what a commit appends to many queues may stand in one row of the journal
 *     10  entries of channels say version 3
 *
 * Nodes of a cluster say it with whatever rows they give one another (server/cluster/change-record.ts).
 */
export const STORE_FORMAT = 10

export const METADATA_FILE = 'store.json'

export type EngineName = 'rocksdb' | 'leveldb'

export interface StoreMetadata {
  readonly format: number
  readonly engine: EngineName
  /** Random; tells copies of the same directory from others. */
  readonly id: string
  /** ISO 8601 */
  readonly created: string
}

/** null when there is none; rejects with 'corrupt' or 'newer-format', or with the error of node:fs. */
export async function readMetadata(directory: string): Promise<StoreMetadata | null> {
  const file = path.join(directory, METADATA_FILE)
  const text = await readSmallFile(file)
  return text === null ? null : parseMetadata(text, file)
}

/** Written whole or not at all, and on stable storage when the promise resolves. */
export async function writeMetadata(directory: string, metadata: StoreMetadata): Promise<void> {
  await writeSmallFile(path.join(directory, METADATA_FILE), `${JSON.stringify(metadata, null, 2)}\n`)
}

function parseMetadata(text: string, file: string): StoreMetadata {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged(file, cause)
  }
  if (typeof value !== 'object' || value === null) throw damaged(file)
  const { format, engine, id, created } = value as Record<keyof StoreMetadata, unknown>
  if (typeof format !== 'number' || !Number.isSafeInteger(format) || format < 1) throw damaged(file)
  // Before anything else is looked at: a newer program may have changed everything else.
  if (format > STORE_FORMAT) {
    throw new StorageError('newer-format', `${file} says format ${format}, this program knows formats up to ${STORE_FORMAT}; ` +
      'use the version that wrote it, or a newer one')
  }
  if ((engine !== 'rocksdb' && engine !== 'leveldb') || typeof id !== 'string' || typeof created !== 'string') throw damaged(file)
  return { format, engine, id, created }
}

function damaged(file: string, cause?: unknown): StorageError {
  return new StorageError('corrupt', `${file} is damaged; restore it from a backup`, { cause })
}
