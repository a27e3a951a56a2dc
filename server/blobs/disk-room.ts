/** Room on the disk that uploads are staged on: what is to be written soon counts as written, so that many at once can't fill it. */

export class DiskRoom {
  readonly #freeBytes: () => Promise<number>
  readonly #freeBytesMin: number
  /** Promised to bodies that are read, and not written yet. */
  #promised = 0
  /** The same by another process on this disk, as far as it has told. */
  promisedElsewhere = 0

  constructor(freeBytes: () => Promise<number>, freeBytesMin: number) {
    this.#freeBytes = freeBytes
    this.#freeBytesMin = freeBytesMin
  }

  get promised(): number {
    return this.#promised
  }

  /** Whether so many bytes more would leave enough. Rejects with the BlobError of a disk that does not say. */
  async has(bytes: number): Promise<boolean> {
    return this.#leavesEnough(await this.#freeBytes(), bytes)
  }

  #leavesEnough(free: number, bytes: number): boolean {
    return free - this.#promised - this.promisedElsewhere - bytes >= this.#freeBytesMin
  }

  /** Bytes that are going to be written; null: there is no room. Whoever has them tells what was written, and releases the rest. */
  async promise(bytes: number): Promise<RoomPromise | null> {
    const free = await this.#freeBytes()
    // Looked at and taken in one turn: who asks at the same time must not get the same.
    if (!this.#leavesEnough(free, bytes)) return null
    this.#promised += bytes
    let left = bytes
    const take = (count: number): void => {
      const taken = Math.min(count, left)
      left -= taken
      this.#promised -= taken
    }
    return { written: take, release: () => take(left) }
  }
}

export interface RoomPromise {
  written(bytes: number): void
  release(): void
}
