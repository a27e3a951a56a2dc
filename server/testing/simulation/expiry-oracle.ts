/**
 * What must be true of messages that disappear: each expires by the timer that was in force at its place of the log, and everybody is
 * told the same; once it has expired nobody is handed anything of it, and when all has come to rest no row but those of queues holds it.
 * The server's clock may be set back: what it has shown once as past may be gone, and what is past by now is.
 */
import type { Element } from '../../../protocol/element.js'
import type { Engine } from '../../../storage/engine.js'
import { conversationKeys } from '../../../storage/conversation-keys.js'
import { everything, numberAt, ownerAt } from '../../../storage/owner-keys.js'
import { expiriesUpTo } from '../../../storage/shard-keys.js'
import { decodeState } from '../../operations/message-state.js'
import { Breach } from './breach.js'
import type { OperationOracle } from './operation-oracle.js'

export interface SimClock {
  nowMs(): number
  /** The latest time that it has shown. */
  readonly latestMs: number
}

const ROWS_MAX = 10_000

export class ExpiryOracle {
  readonly #clock: SimClock
  readonly #operations: OperationOracle
  /** By conversation and seq; 0: it stays. */
  readonly #expiries = new Map<string, number>()
  /** By conversation: what the timer was changed to at which seq. */
  readonly #timers = new Map<string, Map<number, number>>()

  constructor(clock: SimClock, operations: OperationOracle) {
    this.#clock = clock
    this.#operations = operations
    operations.hasExpiredBy = (conversation, seq, timeMs) => this.#isPast(conversation, seq, timeMs)
  }

  /** Somebody is told when a message expires, or that it stays. Of a deleted one nobody is told. [DIS-2] */
  told(conversation: string, seq: number, expiresMs: number): void {
    const name = key(conversation, seq)
    const known = this.#expiries.get(name)
    if (known === expiresMs) return
    const mayBeDeleted = this.#operations.mayBeDeleted(conversation, seq)
    if (known !== undefined && known !== 0 && expiresMs === 0 && mayBeDeleted) return
    if (known !== undefined && !(known === 0 && mayBeDeleted)) throw new Breach(`${name} expires at ${String(known)} and at ${String(expiresMs)}`)
    this.#expiries.set(name, expiresMs)
  }

  /** Somebody has learned of a change of the log. */
  changed(conversation: string, seq: number, change: Element): void {
    if (change.name !== 'timer') return
    let timers = this.#timers.get(conversation)
    if (timers === undefined) this.#timers.set(conversation, timers = new Map())
    timers.set(seq, Number(change.attributes.get('after')))
  }

  /** The server hands this out, which is of the message at `seq`; it has shown `askedMs` since that was asked for. [DIS-3] */
  given(user: string, conversation: string, seq: number, text: string, askedMs = this.#clock.nowMs()): void {
    if (text !== '' && this.#isPast(conversation, seq, Math.min(askedMs, this.#clock.nowMs()))) {
      throw new Breach(`${user} is handed '${text}' of ${key(conversation, seq)}, which has expired`)
    }
  }

  /** The server hands out the message without a text. */
  withheld(user: string, conversation: string, seq: number): void {
    if (this.#operations.mayBeDeleted(conversation, seq) || this.mayBeGone(conversation, seq)) return
    throw new Breach(`${user} is handed ${key(conversation, seq)} without its text, and it has not expired`)
  }

  /** Whether its time has come by some clock that the server has shown. */
  mayBeGone(conversation: string, seq: number): boolean {
    return this.#isPast(conversation, seq, this.#clock.latestMs)
  }

  /** Whether one expires from then on and up to then. */
  hasWithin(fromMs: number, toMs: number): boolean {
    for (const timeMs of this.#expiries.values()) if (timeMs >= fromMs && timeMs <= toMs) return true
    return false
  }

  /** By the timer in force at its place, as the log tells of it. `log` as one sees it who sees all of it. [DIS-2] */
  checkTimers(conversation: string, log: readonly { readonly seq: number, readonly timeMs: number, readonly isMessage: boolean }[]): void {
    const timers = this.#timers.get(conversation)
    let timerMs = 0
    for (const { seq, timeMs, isMessage } of log) {
      timerMs = timers?.get(seq) ?? timerMs
      const expiresMs = this.#expiries.get(key(conversation, seq)) ?? 0
      if (!isMessage || expiresMs === (timerMs === 0 ? 0 : timeMs + timerMs)) continue
      if (expiresMs === 0 && this.#operations.mayBeDeleted(conversation, seq)) continue
      throw new Breach(`${key(conversation, seq)} expires at ${String(expiresMs)}, sent at ${String(timeMs)} under a timer of ${String(timerMs)}`)
    }
  }

  /** At rest nothing waits to be erased, and no row but those of queues holds what has expired. [DIS-4] */
  async checkDisk(disk: Engine): Promise<void> {
    const nowMs = this.#clock.nowMs()
    const overdue = await disk.range({ ...expiriesUpTo(nowMs, null), limit: 1 })
    if (overdue.length > 0) throw new Breach('something has expired and waits in the list of what expires')
    const expired = [...this.#expiries].filter(([, timeMs]) => timeMs > 0 && timeMs <= nowMs).map(([name]) => name)
    if (expired.length === 0) return
    const rows = await disk.range({ ...everything(), limit: ROWS_MAX })
    const stored = Buffer.concat(rows.flatMap(([at, row]) => ownerAt(at)?.table === 'user' ? [] : [row])).toString('latin1')
    for (const name of expired) {
      const [conversation = '', seq = ''] = name.split(' ')
      for (const text of this.#operations.textsOf(conversation, Number(seq))) {
        // Numbers end the texts: the one that is followed by another digit is another text.
        if (new RegExp(`${text}(?![0-9])`).test(stored)) throw new Breach(`${name} '${text}' has expired and is on the disk`)
      }
    }
    for (const conversation of new Set(expired.map((name) => name.slice(0, name.lastIndexOf(' '))))) await this.#checkStates(disk, conversation, nowMs)
  }

  async #checkStates(disk: Engine, conversation: string, nowMs: number): Promise<void> {
    for (const [at, row] of await disk.range({ ...conversationKeys(conversation).states(0, ROWS_MAX), limit: ROWS_MAX })) {
      const seq = numberAt(at)
      if (this.#isPast(conversation, seq, nowMs) && decodeState(row).deletion === null) throw new Breach(`what operations made of ${key(conversation, seq)} is on the disk, and it has expired`)
    }
  }

  #isPast(conversation: string, seq: number, nowMs: number): boolean {
    const expiresMs = this.#expiries.get(key(conversation, seq)) ?? 0
    return expiresMs > 0 && expiresMs <= nowMs
  }
}

function key(conversation: string, seq: number): string {
  return `${conversation} ${String(seq)}`
}
