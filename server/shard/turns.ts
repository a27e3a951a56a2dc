/** One after the other for each name: changes that read what the one before has written. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>()

  /** Names with something that runs or waits. */
  get size(): number {
    return this.#last.size
  }

  /** Runs `task` when all earlier ones of this name have settled. */
  run<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name) ?? Promise.resolve()
    const result = before.then(task, task)
    const leave = (): void => {
      if (this.#last.get(name) === settled) this.#last.delete(name)
    }
    const settled: Promise<void> = result.then(leave, leave)
    this.#last.set(name, settled)
    return result
  }
}
