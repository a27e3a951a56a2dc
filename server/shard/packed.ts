/**
 * Bytes that stay in memory for as long as their user does, as a string of one-byte characters: 32 bytes take 48 on the heap. A
 * Buffer takes twice that for itself alone, and keeps all the rows alive that were read together with the one it is a view of.
 */

/** A copy of the bytes, one character each. */
export function pack(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The bytes, which are yours. Takes the same time whatever they are. */
export function unpack(packed: string): Buffer {
  return Buffer.from(packed, 'latin1')
}
