/**
 * The file that says that a data directory holds several shards, and how many. Each has a directory of its own with a store in it:
 *
 *     DIR/shards.json           written last, when all stores are what they should be
 *     DIR/shard-0/ …            see open.ts
 *
 * A directory of one shard has no such file, and its store lies in it. Slots are in as many equal parts as there are shards.
 */
import path from 'node:path'
import { StorageError } from './engine.js'
import { makeDirectory } from './make-directory.js'
import { readSmallFile, writeSmallFile } from './small-file.js'
import { toStorageError } from './storage-error.js'

const SHARDS_FILE = 'shards.json'
const FORMAT = 1
/** As many shards as a server may have: their numbers have five digits in keys, and every one has a link to every other. */
export const SHARDS_MAX = 256

/** The directory of a shard's store. */
export function shardDirectory(directory: string, shard: number): string {
  return path.join(directory, `shard-${String(shard)}`)
}

/** The directories of the stores of a server with so many shards. */
export function storeDirectories(directory: string, shards: number): readonly string[] {
  return shards === 1 ? [directory] : Array.from({ length: shards }, (_, shard) => shardDirectory(directory, shard))
}

/** Whether the directory is that of one shard among several. Rejects as `readShardCount`. */
export async function isShardDirectory(directory: string): Promise<boolean> {
  const whole = path.resolve(directory)
  return /^shard-\d+$/.test(path.basename(whole)) && await readShardCount(path.dirname(whole)) !== null
}

/** How many shards the directory holds; null: there is no such file. Rejects with a StorageError: 'corrupt', 'newer-format', 'read-only' or 'io'. */
export async function readShardCount(directory: string): Promise<number | null> {
  const file = path.join(directory, SHARDS_FILE)
  const text = await readSmallFile(file).catch((error: unknown) => { throw unreadable(error, directory) })
  return text === null ? null : parse(text, file)
}

/** Makes a new directory one of several shards. Their stores are made when they are opened. */
export async function makeShards(directory: string, shards: number): Promise<void> {
  await makeDirectory(directory)
  await writeShardCount(directory, shards)
}

/** Written whole or not at all, and on stable storage when the promise resolves. */
export async function writeShardCount(directory: string, shards: number): Promise<void> {
  await writeSmallFile(path.join(directory, SHARDS_FILE), `${JSON.stringify({ format: FORMAT, shards }, null, 2)}\n`)
}

function parse(text: string, file: string): number {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw damaged(file, cause)
  }
  if (typeof value !== 'object' || value === null) throw damaged(file)
  const { format, shards } = value as Record<string, unknown>
  if (typeof format === 'number' && format > FORMAT) {
    throw new StorageError('newer-format', `${file} says format ${String(format)}, this program knows ${String(FORMAT)}; use the version that wrote it, or a newer one`)
  }
  if (format !== FORMAT || typeof shards !== 'number' || !Number.isSafeInteger(shards) || shards < 2 || shards > SHARDS_MAX) throw damaged(file)
  return shards
}

function unreadable(error: unknown, directory: string): StorageError {
  const { code } = error as { readonly code?: unknown }
  if (code === 'ENOTDIR') return new StorageError('io', `${directory} is no directory; name another as the data directory`, { cause: error })
  return toStorageError(error, `cannot look into ${directory}`)
}

function damaged(file: string, cause?: unknown): StorageError {
  return new StorageError('corrupt', `${file} is damaged; restore it from a backup`, { cause })
}
