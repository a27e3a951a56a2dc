/** Queries without an answer. All of them may be asked twice without harm, so those in flight when a connection ends are asked again. */
import type { Element } from '../element.js'
import { LIMIT } from '../generated/registry.js'
import { Deque } from './deque.js'

export interface Query {
  readonly id: number
  readonly element: Element
  readonly dueMs: number
  /** Nobody waits for its answer any more, but the server still counts it. */
  isAbandoned: boolean
}

export class Queries {
  #nextId = 1
  readonly #ready = new Deque<Query>()
  readonly #flying = new Map<number, Query>()

  /** Queries that wait to be sent or answered. */
  get size(): number {
    return this.#ready.length + this.#flying.size
  }

  add(element: Element, dueMs: number): number {
    const query: Query = { id: this.#nextId++, element, dueMs, isAbandoned: false }
    this.#ready.push(query)
    return query.id
  }

  /** The query to send now, which is in flight from then on; undefined if none may be sent. [QRY-2] */
  next(): Query | undefined {
    if (this.#flying.size >= LIMIT.queriesMax) return undefined
    let query = this.#ready.shift()
    while (query?.isAbandoned) query = this.#ready.shift()
    if (query !== undefined) this.#flying.set(query.id, query)
    return query
  }

  /** The query that this id answers; undefined if there is none, or nobody waits for it. */
  answered(id: number): Query | undefined {
    const query = this.#flying.get(id)
    this.#flying.delete(id)
    return query?.isAbandoned ? undefined : query
  }

  lost(): void {
    if (this.#flying.size === 0) return
    const again = [...this.#flying.values()].filter((query) => !query.isAbandoned)
    this.#ready.reset([...again, ...this.#ready.toArray()])
    this.#flying.clear()
  }

  /** When the first query runs out of time; Infinity if none waits. They are few: `queriesMax` and those that wait behind them. */
  get nextDueMs(): number {
    let dueMs = Infinity
    for (const query of this.#waiting()) dueMs = Math.min(dueMs, query.dueMs)
    return dueMs
  }

  /** Gives up what is out of time, and returns its ids. */
  expire(nowMs: number): number[] {
    const ids: number[] = []
    for (const query of this.#waiting()) {
      if (query.dueMs > nowMs) continue
      query.isAbandoned = true
      ids.push(query.id)
    }
    return ids
  }

  #waiting(): Query[] {
    return [...this.#flying.values(), ...this.#ready.toArray()].filter((query) => !query.isAbandoned)
  }
}
