/** What links are given from the outside: time, turns, limits, a log, so that a simulation can stand in for all of it. */
import { randomBytes } from 'node:crypto'
import { type Clock, SYSTEM_CLOCK } from '../clock.js'
import type { Flushable } from '../connection/flusher.js'
import { Flusher } from '../connection/flusher.js'
import { type Log, SILENT_LOG } from '../log.js'
import type { Scheduler } from '../shard/environment.js'
import { LINK_FRAME_BYTES_MAX } from './link-decoder.js'

export interface LinkLimits {
  /** Milliseconds without a byte sent after which an end sends a ping; it looks this often. */
  readonly heartbeatMs: number
  /** An end that has heard nothing for this long takes the other for dead. */
  readonly silenceMs: number
  /** From the connection to the proof of who is there. */
  readonly openTimeoutMs: number
  /** Links that have not proved yet who they are, at one listener. */
  readonly openingMax: number
  /** Bytes that may wait to be sent on one link; beyond it the link ends, and its sessions go on over the next one. */
  readonly outgoingBytesMax: number
  /** From so many bytes on that wait at a link, devices above their rate wait. */
  readonly crowdedBytes: number
  readonly frameBytesMax: number
  /** Calls under way on one link, and the bytes of their arguments; a call without an answer for `callTimeoutMs` has failed. */
  readonly callsMax: number
  readonly callBytesMax: number
  readonly callTimeoutMs: number
}

export const LINK_LIMITS: LinkLimits = {
  heartbeatMs: 1000,
  silenceMs: 4000,
  openTimeoutMs: 5000,
  openingMax: 64,
  outgoingBytesMax: 256 << 20,
  crowdedBytes: 1 << 20,
  frameBytesMax: LINK_FRAME_BYTES_MAX,
  callsMax: 10_000,
  callBytesMax: 64 << 20,
  callTimeoutMs: 30_000,
}

/** Counted for metrics. */
export interface LinkCounters {
  linkBytesIn: number
  linkBytesOut: number
  /** Links that were opened, and those that ended, by whichever side. */
  linksOpened: number
  linksEnded: number
}

export interface LinkEnvironment {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly scheduler: Scheduler
  /** Random bytes fit for nonces. */
  randomBytes(count: number): Uint8Array
  readonly flusher: { add(item: Flushable): void }
  readonly limits: LinkLimits
  readonly log: Log
  readonly counters: LinkCounters
}

export function newLinkCounters(): LinkCounters {
  return { linkBytesIn: 0, linkBytesOut: 0, linksOpened: 0, linksEnded: 0 }
}

/** Of a real process. Its timers keep no process alive that has nothing else to do. */
export function systemLinkEnvironment(options: { log?: Log, limits?: Partial<LinkLimits>, clock?: Clock, counters?: LinkCounters } = {}): LinkEnvironment {
  return {
    clock: options.clock ?? SYSTEM_CLOCK,
    scheduler: {
      defer: (task) => { setImmediate(task) },
      after: (delayMs, task) => { setTimeout(task, delayMs).unref() },
    },
    randomBytes: (count) => randomBytes(count),
    flusher: new Flusher(),
    limits: { ...LINK_LIMITS, ...options.limits },
    log: options.log ?? SILENT_LOG,
    counters: options.counters ?? newLinkCounters(),
  }
}
