/** What all keys of the store are made of. */
import type { KeyRange } from './engine.js'

/** Slot and table. */
export const HEAD_BYTES = 3

/** The slot of what a shard keeps for itself. */
const SLOT_RESERVED = 0xffff

/** A key in that slot; `name` is ASCII, and may be empty: then it is the first of its table. */
export function reserved(table: number, name: string): Buffer {
  const key = Buffer.allocUnsafe(HEAD_BYTES + name.length)
  key.writeUInt16BE(SLOT_RESERVED, 0)
  key[2] = table
  key.write(name, HEAD_BYTES, 'latin1')
  return key
}

/** Whether it is a key of this table in that slot. */
export function isReserved(key: Uint8Array, table: number): boolean {
  return key[0] === SLOT_RESERVED >>> 8 && key[1] === (SLOT_RESERVED & 0xff) && key[2] === table
}

/** As many as any number has, so that the order of the names is that of the numbers. */
export const DIGITS = 16

/** A number, or a time, at the beginning of a name. */
export function digits(number: number): string {
  return String(number).padStart(DIGITS, '0')
}

/** All of a table in that slot. */
export function wholeTable(table: number): KeyRange {
  return { gte: reserved(table, ''), lt: reserved(table + 1, '') }
}

/** All of it behind this key, where one is given. */
export function tableBehind(table: number, after: Uint8Array | null): KeyRange {
  return { gte: after === null ? reserved(table, '') : Buffer.concat([after, Buffer.of(0)]), lt: reserved(table + 1, '') }
}

/** Of a table whose names begin with a time: up to this one, and behind this key where one is given. */
export function tableUpTo(table: number, timeMs: number, after: Uint8Array | null): KeyRange {
  return { gte: tableBehind(table, after).gte, lt: reserved(table, digits(timeMs + 1)) }
}

/** Names come from the protocol's normalisation; this only keeps a mistake from damaging the order of the keys. Throws TypeError. */
export function checkName(name: string): void {
  if (name.length === 0) throw new TypeError('a key needs a name')
  for (let i = 0; i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === 0 || code > 0x7e) throw new TypeError('a name in a key is ASCII without 0')
  }
}

/** The bytes of a key from one place on, as text. */
export function latin1(key: Uint8Array, from: number, to = key.length): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1', from, to)
}
