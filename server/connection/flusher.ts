/**
 * One write for each connection and turn of the event loop: whoever has something to send enters itself here, and all are flushed
 * together once the turn's input has been handled.
 */
export interface Flushable {
  flush(): void
}

export class Flusher {
  #dirty: Flushable[] = []
  #isScheduled = false
  readonly #run = (): void => this.#flushAll()

  /** Has `flush` called once, later in this turn. The caller sees to it that it enters itself only once. */
  add(item: Flushable): void {
    this.#dirty.push(item)
    if (this.#isScheduled) return
    this.#isScheduled = true
    // The check phase comes right after the poll phase that brought the input, or the commit.
    setImmediate(this.#run)
  }

  #flushAll(): void {
    const dirty = this.#dirty
    this.#dirty = []
    this.#isScheduled = false
    for (let i = 0; i < dirty.length; i++) dirty[i]!.flush()
  }
}
