/**
 * Looks for damage in an engine's write-ahead logs before the engine opens them. Both engines take a bad record for the torn end of
 * what a crash interrupted: LevelDB drops it and reads on behind it, RocksDB drops all that follows, both without a word, and
 * acknowledged rows would be gone. A torn end has nothing behind it; damage does.
 *
 * The format, which RocksDB took over from LevelDB (https://github.com/google/leveldb/blob/main/doc/log_format.md): blocks of 32 KiB
 * with records of
 *
 *     crc32c, masked   4 bytes, little-endian, over type and data
 *     length           2 bytes, little-endian
 *     type             1 byte: 1 whole, 2 first, 3 middle, 4 last part of a batch; 0 is filling
 */
import { open, readdir } from 'node:fs/promises'
import path from 'node:path'
import { StorageError } from './engine.js'

const BLOCK_BYTES = 32_768
const HEADER_BYTES = 7
const TYPE_WHOLE = 1
const TYPE_FIRST = 2
/** The last type of either engine; RocksDB has a few for itself, all checked in the same way. */
const TYPE_MAX = 11
const BLOCKS_PER_READ = 32

const CRC32C_TABLE = crc32cTable()

/** Rejects with 'corrupt' when a log in the engine's directory is damaged in front of its end. */
export async function checkLogs(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!/^\d+\.log$/.test(name)) continue
    const file = path.join(directory, name)
    const damagedAt = await findDamage(file)
    if (damagedAt === null) continue
    throw new StorageError('corrupt', `${file} is damaged at byte ${damagedAt}, in front of rows that were acknowledged; restore the ` +
      'data directory from a backup, or move this file away and lose what it holds')
  }
}

/** Offset of the first bad record that has the beginning of another batch behind it; null when the log is sound or just torn. */
async function findDamage(file: string): Promise<number | null> {
  const handle = await open(file, 'r').catch(unlessGone)
  // Whoever has the store open needs it no more; opening it says so.
  if (handle === null) return null
  try {
    const chunk = Buffer.allocUnsafeSlow(BLOCK_BYTES * BLOCKS_PER_READ)
    let badAt: number | null = null
    for (let offset = 0; ; offset += chunk.length) {
      const length = await readFully(handle, chunk, offset)
      for (let block = 0; block < length; block += BLOCK_BYTES) {
        const checked = checkBlock(chunk.subarray(block, Math.min(length, block + BLOCK_BYTES)), badAt !== null)
        if (checked.batchBehind) return badAt ?? offset + block + checked.badAt
        if (checked.badAt >= 0) badAt ??= offset + block + checked.badAt
      }
      if (length < chunk.length) return null
    }
  } finally {
    await handle.close()
  }
}

function unlessGone(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
  throw error
}

interface Checked {
  /** Offset of the first bad record in the block, or -1. */
  readonly badAt: number
  /** Whether a batch begins behind a bad record, of this block or an earlier one. */
  readonly batchBehind: boolean
}

function checkBlock(block: Buffer, isBad: boolean): Checked {
  let badAt = -1
  let at = 0
  while (at + HEADER_BYTES <= block.length) {
    const length = block.readUInt16LE(at + 4)
    const type = block.readUInt8(at + 6)
    const isFilling = type === 0 && length === 0
    if (isFilling && badAt < 0) break
    if (isRecord(block, at, length)) {
      if ((isBad || badAt >= 0) && (type === TYPE_WHOLE || type === TYPE_FIRST)) return { badAt, batchBehind: true }
      at += HEADER_BYTES + length
      continue
    }
    if (badAt < 0) badAt = at
    // The length may be what is damaged: the next record may begin at any byte.
    at++
  }
  return { badAt, batchBehind: false }
}

function isRecord(block: Buffer, at: number, length: number): boolean {
  const end = at + HEADER_BYTES + length
  const type = block.readUInt8(at + 6)
  if (type === 0 || type > TYPE_MAX || end > block.length) return false
  return block.readUInt32LE(at) === maskedCrc32c(block, at + 6, end)
}

async function readFully(handle: Awaited<ReturnType<typeof open>>, into: Buffer, offset: number): Promise<number> {
  let length = 0
  while (length < into.length) {
    const { bytesRead } = await handle.read(into, length, into.length - length, offset + length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  return length
}

/** CRC-32C of a stretch of bytes, in the engines' disguise: a checksum of data that holds checksums is a weak one. */
export function maskedCrc32c(bytes: Uint8Array, from: number, to: number): number {
  let crc = 0xffff_ffff
  for (let i = from; i < to; i++) crc = (CRC32C_TABLE[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0) ^ (crc >>> 8)
  crc = ~crc >>> 0
  return (((crc >>> 15) | (crc << 17)) + 0xa282_ead8) >>> 0
}

function crc32cTable(): Uint32Array {
  const table = new Uint32Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = i
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1
    table[i] = crc >>> 0
  }
  return table
}
