/**
 * Slots: every user, conversation and blob is in one of 16,384, which stands at the head of its keys. So a slot is one range of the store,
 * and can move between shards.
 */
import type { KeyRange } from './engine.js'

/** As in Redis Cluster, so that its tools and clients agree with us. */
export const SLOT_COUNT = 16_384

const CRC16_TABLE = crc16Table()

/** The slot of a user, conversation or blob: CRC16 (XMODEM: polynomial 0x1021, initial value 0) of the name, modulo 16,384. */
export function slotOf(name: string): number {
  let crc = 0
  for (let i = 0; i < name.length; i++) {
    crc = ((crc << 8) & 0xffff) ^ (CRC16_TABLE[((crc >>> 8) ^ name.charCodeAt(i)) & 0xff] ?? 0)
  }
  return crc & (SLOT_COUNT - 1)
}

/** The slot at the head of a key. */
export function slotAt(key: Uint8Array): number {
  return ((key[0] ?? 0) << 8) | (key[1] ?? 0)
}

/** Everything in one slot. */
export function slotRange(slot: number): KeyRange {
  return { gte: Buffer.from([slot >>> 8, slot & 0xff]), lt: Buffer.from([(slot + 1) >>> 8, (slot + 1) & 0xff]) }
}

function crc16Table(): Uint16Array {
  const table = new Uint16Array(256)
  for (let i = 0; i < 256; i++) {
    let crc = i << 8
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1
    table[i] = crc
  }
  return table
}
