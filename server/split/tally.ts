/** Counts and checksums of rows by their kinds, the same in whatever order and however many stores the rows come from. */
import { createHash } from 'node:crypto'

const CHECKSUM_BITS = 64
const LENGTH_BYTES = 4

interface KindTally {
  rows: number
  /** Sum over the rows of the beginning of their SHA-256, modulo 2^64. */
  checksum: bigint
}

export class Tally {
  readonly #kinds = new Map<string, KindTally>()

  /** `times`: it counts as so many rows. */
  add(kind: string, key: Uint8Array, value: Uint8Array, times = 1): void {
    if (times === 0) return
    const length = Buffer.allocUnsafe(LENGTH_BYTES)
    length.writeUInt32BE(key.length)
    const hash = createHash('sha256').update(length).update(key).update(value).digest().readBigUInt64BE()
    const checksum = times === 1 ? hash : hash * BigInt(times)
    const tally = this.#kinds.get(kind)
    if (tally === undefined) this.#kinds.set(kind, { rows: times, checksum: BigInt.asUintN(CHECKSUM_BITS, checksum) })
    else {
      tally.rows += times
      tally.checksum = BigInt.asUintN(CHECKSUM_BITS, tally.checksum + checksum)
    }
  }

  /** Rows by their kinds, in the order of the names. */
  get rows(): ReadonlyMap<string, number> {
    return new Map([...this.#kinds].sort(([one], [other]) => (one < other ? -1 : 1)).map(([kind, { rows }]) => [kind, rows]))
  }

  /** Kinds of which the other has other rows. */
  differences(other: Tally): string[] {
    const kinds = [...new Set([...this.#kinds.keys(), ...other.#kinds.keys()])].sort()
    return kinds.filter((kind) => {
      const [one, two] = [this.#kinds.get(kind), other.#kinds.get(kind)]
      return one?.rows !== two?.rows || one?.checksum !== two?.checksum
    })
  }
}
