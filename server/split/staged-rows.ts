/** Rows of a store that are changed again and again: they are in memory until they are written, all at once. */
import type { Engine } from '../../storage/engine.js'

export class StagedRows {
  readonly #engine: Engine
  /** By the key, as text. */
  readonly #rows = new Map<string, { readonly key: Uint8Array, readonly row: Uint8Array }>()

  constructor(engine: Engine) {
    this.#engine = engine
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#rows.get(nameOf(key))?.row ?? this.#engine.get(key)
  }

  put(key: Uint8Array, row: Uint8Array): void {
    this.#rows.set(nameOf(key), { key, row })
  }

  async flush(): Promise<void> {
    if (this.#rows.size === 0) return
    const batch = this.#engine.batch()
    for (const { key, row } of this.#rows.values()) batch.put(key, row)
    await this.#engine.commit(batch)
    this.#rows.clear()
  }
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
}
