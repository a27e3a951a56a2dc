/** Bytes that follow from a seed, so that a case is played alike each time. */
import { createHash } from 'node:crypto'

export class SeededBytes {
  readonly #seed: string
  #count = 0

  constructor(seed: string) {
    this.#seed = seed
  }

  /** At most 32 bytes. */
  bytes(count: number): Buffer {
    return createHash('sha256').update(`${this.#seed} ${String(this.#count++)}`).digest().subarray(0, count)
  }

  /** From 0 up to, not including, 1. */
  fraction(): number {
    return this.bytes(6).readUIntBE(0, 6) / 2 ** 48
  }
}
