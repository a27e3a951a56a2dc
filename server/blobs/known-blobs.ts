/**
 * Blobs whose rows the shard has just told, so that the next download of the same need not ask, across processes as a rule. What the shard
 * forgets is told before anybody can see that it is forgotten; and after a few seconds it is asked again all the same.
 */
import type { Blob, BlobCommands } from './blob-router.js'

const KNOWN_MAX = 1024
const KNOWN_MS = 10_000

interface Known {
  readonly blob: Blob
  readonly untilMs: number
}

export class KnownBlobs {
  readonly #commands: Pick<BlobCommands, 'blob'>
  readonly #isTold: boolean
  readonly #known = new Map<string, Known>()
  /** Raised with each change: an answer from before is not remembered. */
  #changes = 0

  /** `isTold`: of what changes and is forgotten. In a cluster, and with several shards, that happens in other processes, too: nothing is remembered then. */
  constructor(commands: Pick<BlobCommands, 'blob'>, isTold: boolean) {
    this.#commands = commands
    this.#isTold = isTold
  }

  /** As `BlobCommands.blob`. */
  async blob(id: string): Promise<Blob | null> {
    const known = this.#known.get(id)
    if (known !== undefined && known.untilMs > performance.now()) return known.blob
    this.#known.delete(id)
    const changes = this.#changes
    const blob = await this.#commands.blob(id)
    if (blob === null || changes !== this.#changes || !this.#isTold) return blob
    this.#known.set(id, { blob, untilMs: performance.now() + KNOWN_MS })
    for (const [oldest] of this.#known) {
      if (this.#known.size <= KNOWN_MAX) break
      this.#known.delete(oldest)
    }
    return blob
  }

  /** The blob may have got smaller versions. */
  changed(id: string): void {
    this.#changes++
    this.#known.delete(id)
  }

  /** Blobs with any of these objects are no more. */
  forgotten(objects: ReadonlySet<string>): void {
    this.#changes++
    for (const [id, { blob }] of this.#known) {
      if (objects.has(blob.content.object) || blob.renditions.some(({ object }) => objects.has(object))) this.#known.delete(id)
    }
  }
}
