/**
 * Random bytes in small pieces, for session ids and tokens. A draw from the operating system costs 5 µs however little it is, and
 * every session takes two; a large one serves a hundred sessions.
 */
import { randomFillSync } from 'node:crypto'

const POOL_BYTES = 4096

/** Outside any pool of Node's: nothing else is ever a view of this memory. */
const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let used = POOL_BYTES

/** Unpredictable bytes, at most 4096, which are yours: none is handed out twice, and none is kept here. */
export function randomPiece(size: number): Buffer {
  if (used + size > POOL_BYTES) {
    randomFillSync(pool)
    used = 0
  }
  const piece = Buffer.from(pool.subarray(used, used + size))
  pool.fill(0, used, used + size)
  used += size
  return piece
}
