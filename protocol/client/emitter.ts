/** Typed events whose handlers may be asynchronous. */

/** A handler may return a promise; who emits decides whether that is waited for. */
export type Handler<T> = (value: T) => unknown

export class Emitter<Events extends object> {
  readonly #handlers = new Map<keyof Events, Set<Handler<never>>>()

  /** Calls `handler` for each event from now on; returns what takes it off again. */
  on<K extends keyof Events>(event: K, handler: Handler<Events[K]>): () => void {
    let handlers = this.#handlers.get(event)
    if (handlers === undefined) {
      handlers = new Set()
      this.#handlers.set(event, handlers)
    }
    handlers.add(handler)
    return () => { handlers.delete(handler) }
  }

  /** Calls all handlers. One that throws is a mistake of the program: it is thrown again, where nobody catches it. */
  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const handler of this.#handlers.get(event) ?? []) {
      try {
        const result = (handler as Handler<Events[K]>)(value)
        if (isPromise(result)) result.catch(throwLater)
      } catch (error) {
        throwLater(error)
      }
    }
  }

  /** Calls all handlers; null if none of them returned a promise. Throws, or rejects, with the first error. */
  emitAndWait<K extends keyof Events>(event: K, value: Events[K]): Promise<void> | null {
    let pending: Promise<unknown>[] | null = null
    for (const handler of this.#handlers.get(event) ?? []) {
      const result = (handler as Handler<Events[K]>)(value)
      if (isPromise(result)) (pending ??= []).push(result)
    }
    return pending === null ? null : Promise.all(pending).then(nothing)
  }
}

function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

function throwLater(error: unknown): void {
  queueMicrotask(() => { throw error })
}

function nothing(): void { /* the values of handlers mean nothing */ }
