/** Writes at once, or a few bytes at a time with pauses between, in the order of the calls. */
import type { Pipe } from './pipe.js'

export class ThrottledWriter {
  #pace: { readonly bytes: number; readonly everyMs: number } | null = null
  #writing: Promise<void> = Promise.resolve()

  /** From the next write on. */
  throttle(bytes: number, everyMs: number): void {
    this.#pace = { bytes, everyMs }
  }

  write(pipe: Pipe, bytes: Uint8Array): void {
    const pace = this.#pace
    if (pace === null) {
      pipe.write(bytes)
      return
    }
    this.#writing = this.#writing.then(async () => {
      for (let place = 0; place < bytes.length; place += pace.bytes) {
        pipe.writePart(bytes.subarray(place, place + pace.bytes), place + pace.bytes >= bytes.length)
        await new Promise((resolve) => { setTimeout(resolve, pace.everyMs) })
      }
    })
  }

  /** Resolves when all that was throttled is out. */
  flushed(): Promise<void> {
    return this.#writing
  }
}
