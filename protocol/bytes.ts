/** Memory for frames: one place that knows whether this is Node or a browser. Feature-tested once, at load. */

const nodeBuffer = (globalThis as { Buffer?: { allocUnsafe(size: number): Uint8Array } }).Buffer

/** No bytes. Shared by everything that is empty; it has nothing that could be changed. */
export const EMPTY_BYTES: Uint8Array = new Uint8Array(0)

/**
 * Memory for exactly `size` bytes, which may hold old data: the caller must write every byte before it hands the memory on.
 * In Node small sizes come from Buffer's pool, in browsers the memory is zeroed.
 */
export const allocate: (size: number) => Uint8Array = nodeBuffer
  ? (size) => nodeBuffer.allocUnsafe(size)
  : (size) => new Uint8Array(size)

/** Joins the pieces into one new array, which is the caller's. */
export function concatBytes(...pieces: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const piece of pieces) size += piece.length
  const joined = new Uint8Array(size)
  let position = 0
  for (const piece of pieces) {
    joined.set(piece, position)
    position += piece.length
  }
  return joined
}

/** Whether both hold the same bytes. Not in constant time: never for secrets (see scram.ts). */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  for (let index = 0; index < left.length; index++) {
    if (left[index] !== right[index]) return false
  }
  return true
}
