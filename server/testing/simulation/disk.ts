/** A disk under a server that may crash at any moment: commits take time, fail, or reach the platter without anybody learning of it. */
import { MemoryEngine } from '../../../storage/memory-engine.js'
import { TestBlobStore } from '../blob-store.js'
import type { World } from './world.js'

export interface DiskFaults {
  /** Probability that a commit fails without having been stored. */
  readonly failBefore: number
  /** Probability that a commit fails although it was stored. */
  readonly failAfter: number
  /** A planted bug: commits are reported as done before they are stored. */
  readonly acknowledgesEarly: boolean
}

export class Disk {
  readonly #world: World
  readonly faults: DiskFaults
  #isFaulty = true
  #wellSinceMs = Infinity
  engine: MemoryEngine
  /** What is stored beside it. */
  readonly blobs: TestBlobStore

  /** `blobs`: of all shards of one server. */
  constructor(world: World, faults: DiskFaults, blobs = new TestBlobStore(), stored = new MemoryEngine()) {
    this.#world = world
    this.blobs = blobs
    this.faults = faults
    this.engine = this.#engineOn(stored)
  }

  get isFaulty(): boolean {
    return this.#isFaulty
  }

  set isFaulty(isFaulty: boolean) {
    this.#wellSinceMs = isFaulty ? Infinity : Math.min(this.#wellSinceMs, this.#world.nowMs())
    this.#isFaulty = isFaulty
  }

  /** Whether nothing has been wrong with it for longer than this. */
  isWellFor(ms: number): boolean {
    return this.#world.nowMs() - this.#wellSinceMs > ms
  }

  /** The machine died: what was not stored at this moment is lost. */
  crash(): void {
    this.engine = this.#engineOn(this.engine)
  }

  /** A planted bug may make what is stored differ from what was reported; the checks read this. */
  get stored(): MemoryEngine {
    return this.engine
  }

  #engineOn(stored: MemoryEngine): MemoryEngine {
    const { random } = this.#world
    const engine = stored.copy({
      beforeCommit: async () => {
        await this.#wait()
        if (this.isFaulty && random.chance(this.faults.failBefore)) throw new Error('simulated: input/output error before the write')
        // The machine died while this was on its way: it never arrives.
        if (engine !== this.engine) await new Promise(() => undefined)
      },
      afterCommit: async () => {
        if (random.chance(0.5)) await this.#wait()
        if (this.isFaulty && random.chance(this.faults.failAfter)) throw new Error('simulated: input/output error after the write')
      },
      beforeOpen: () => {
        if (this.isFaulty && random.chance(0.3)) throw new Error('simulated: still broken')
      },
    })
    if (this.faults.acknowledgesEarly) plantEarlyAcknowledgement(engine)
    return engine
  }

  #wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#world.after(this.#world.random.below(20), resolve)
    })
  }
}

function plantEarlyAcknowledgement(engine: MemoryEngine): void {
  const commit = engine.commit.bind(engine)
  engine.commit = (batch) => {
    commit(batch).catch(() => undefined)
    return Promise.resolve()
  }
}
