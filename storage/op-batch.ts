import type { Batch } from './engine.js'

/** A batch kept as two arrays, without an object for an operation; `values[i]` is null where `keys[i]` is to be deleted. */
export class OpBatch implements Batch {
  readonly keys: Uint8Array[] = []
  readonly values: (Uint8Array | null)[] = []
  /** Of all keys and values together. */
  bytes = 0

  get size(): number {
    return this.keys.length
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.keys.push(key)
    this.values.push(value)
    this.bytes += key.length + value.length
  }

  delete(key: Uint8Array): void {
    this.keys.push(key)
    this.values.push(null)
    this.bytes += key.length
  }
}
