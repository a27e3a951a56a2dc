/** A session where there are several shards: its place at the home of its user, and visits to those of the conversations it speaks to. */
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { HomeRouter, Visitor, VisitPlace } from './home-router.js'
import type { Attached, Attachment, DeviceSink } from './router.js'
import { Visit, type VisitHost } from './visit.js'

/** What a session asks of the router that it belongs to. */
export interface ShardsSessionHost {
  /** The router of a shard at present. */
  routerOf(shard: number): HomeRouter
  /** A visit has no place and something to say. */
  waits(session: ShardsSession, visit: Visit): void
}

/** Shared by those that speak to nobody elsewhere; never written to. */
const NO_VISITS: ReadonlyMap<number, Visit> = new Map()

export class ShardsSession implements Attachment, DeviceSink, VisitHost {
  readonly #host: ShardsSessionHost
  readonly user: string
  /** Number of the shard that is home to the user, and its router. */
  readonly shard: number
  readonly home: HomeRouter
  readonly sink: DeviceSink
  /** At its home. */
  #place: Attachment | null = null
  #visitor: Visitor | null = null
  #visits: ReadonlyMap<number, Visit> = NO_VISITS
  isOver = false

  constructor(host: ShardsSessionHost, user: string, shard: number, sink: DeviceSink) {
    this.#host = host
    this.user = user
    this.shard = shard
    this.home = host.routerOf(shard)
    this.sink = sink
  }

  begin({ attachment, deviceNumber, outboxEpoch }: Attached): void {
    this.#place = attachment
    this.#visitor = { user: this.user, deviceNumber, outboxEpoch }
  }

  get place(): Attachment {
    if (this.#place === null) throw new TypeError('not attached yet')
    return this.#place
  }

  get outboxEpoch(): number {
    return this.#visitor?.outboxEpoch ?? 0
  }

  /** Where it speaks to conversations of another shard. */
  visit(shard: number): Visit {
    const known = this.#visits.get(shard)
    if (known !== undefined) return known
    const visit = new Visit(this, shard)
    this.#visits = new Map([...this.#visits, [shard, visit]])
    return visit
  }

  openPlace(visit: Visit): VisitPlace {
    if (this.#visitor === null) throw new TypeError('not attached yet')
    return this.#host.routerOf(visit.shard).visit(this.#visitor, visit)
  }

  waits(visit: Visit): void {
    this.#host.waits(this, visit)
  }

  /** It ends from this side, without a word. */
  leave(): void {
    if (this.isOver) return
    this.isOver = true
    for (const visit of this.#visits.values()) visit.leave()
    this.#visits = NO_VISITS
  }

  /** A shard that it needs stays away. */
  end(error: ErrorCode): void {
    if (this.isOver) return
    this.leave()
    this.home.detach(this.place)
    this.sink.ended(error)
  }

  // From its home

  get isGone(): boolean {
    return this.sink.isGone === true
  }

  acked(clientId: number, seq: number, timeMs: number, expiresMs?: number): void {
    this.sink.acked(clientId, seq, timeMs, expiresMs)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void {
    this.sink.refused(clientId, error, retryAfterMs)
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    this.sink.entries(frames, last, count)
  }

  done(index: number): void {
    this.sink.done(index)
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    return this.sink.presence(user, state, lastSeenMs)
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void {
    this.sink.typing(conversation, from, kind, expiresMs)
  }

  declined(frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
    this.sink.declined(frame, names, error, retryAfterMs)
  }

  ended(error: ErrorCode): void {
    if (this.isOver) return
    this.leave()
    this.sink.ended(error)
  }
}
