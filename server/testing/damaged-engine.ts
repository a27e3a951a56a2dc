/** An engine in memory on whose disk single rows are damaged, or which can't be read at all: whoever reads is told so. */
import { StorageError } from '../../storage/engine.js'
import type { Entry, ReadRange } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'

export class DamagedEngine extends MemoryEngine {
  readonly #damaged = new Set<string>()
  /** Reads fail for another reason. */
  isUnreadable = false

  /** From now on reading this row fails, alone or in a page. */
  damage(...keys: readonly Uint8Array[]): void {
    for (const key of keys) this.#damaged.add(Buffer.from(key).toString('hex'))
  }

  override async range(options: ReadRange): Promise<Entry[]> {
    const page = await super.range(options)
    this.#check(page.map(([key]) => key))
    return page
  }

  override async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    this.#check(keys)
    return super.getMany(keys)
  }

  #check(keys: readonly Uint8Array[]): void {
    if (this.isUnreadable) throw new StorageError('io', 'input/output error')
    for (const key of keys) {
      if (this.#damaged.has(Buffer.from(key).toString('hex'))) throw new StorageError('corrupt', 'a row of the store is damaged')
    }
  }
}
