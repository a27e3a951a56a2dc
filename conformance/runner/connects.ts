/** How the client connects: when, to which port, and how long it has waited since it was connected last. */
import type { AcceptStep, Step } from './case.js'
import type { Connection } from './connection.js'
import { WireFault } from './decode.js'
import type { Peer } from './peer.js'
import type { Signal } from './signal.js'
import { textOf } from './step-parts.js'
import type { TestedClient } from './tested-client.js'
import { CaseFault } from './variables.js'
import { CaseFailed } from './verdict.js'

/** How long a client is given to connect before its clock jumps once more. */
const advanceEveryMs = 60
/** On a busy machine a client's timer fires late. */
const timerSlackMs = 1500

export interface ConnectsOptions {
  readonly peer: Peer
  readonly client: TestedClient
  readonly signal: Signal
  /** All waiting times are this many times as long. */
  readonly slowness: number
  /** Called while it waits: throws where something has ended the case. */
  readonly check: () => void
}

export class Connects {
  readonly #options: ConnectsOptions
  #present: Connection | null = null
  readonly #waits: number[] = []
  /** The client was killed since it connected last: how long it took then is no wait. */
  #isRestarted = false

  constructor(options: ConnectsOptions) {
    this.#options = options
  }

  /** The last one that a step has taken; null: none yet, or the client was started anew. */
  get present(): Connection | null {
    return this.#present
  }

  current(): Connection {
    if (this.#present === null) throw new CaseFault('there is no connection yet')
    return this.#present
  }

  /** The client is started anew. */
  forget(): void {
    this.#isRestarted = true
    this.#present = null
  }

  /** The client connects before the deadline, as the step says. */
  async accept(deadlineMs: number, { after, at, advancing }: AcceptStep = {}): Promise<Connection> {
    const { peer, client, signal, slowness, check } = this.#options
    const lastEndMs = peer.lastEndMs
    /** Of all jumps but the last: the client has waited for at least as long. */
    let aheadMs = 0
    let jumpMs = 0
    const look = (): Connection | null => {
      check()
      return peer.takeConnection()
    }
    let connection = look()
    // So many jumps, whatever the time: where this process stood still the client had none either.
    const jumpsMax = Math.ceil((deadlineMs - performance.now()) / advanceEveryMs)
    for (let jumps = 0; advancing !== undefined && connection === null && jumps < jumpsMax; jumps++) {
      connection = await signal.until(performance.now() + advanceEveryMs, look)
      if (connection !== null) break
      aheadMs += jumpMs
      jumpMs = advancing
      await client.command({ do: 'advance', ms: advancing })
    }
    connection ??= await signal.until(deadlineMs, look)
    if (connection === null) throw new CaseFailed('timeout', 'the client to connect', 'it did not')
    const waitMs = connection.openedMs - lastEndMs + aheadMs
    if (lastEndMs > 0 && !this.#isRestarted) this.#waits.push(waitMs)
    this.#isRestarted = false
    // One that the client has given up may be seen to end after the next has begun.
    const [least, most] = after ?? [-Infinity, Infinity]
    // The server's clock begins when it sends, the client's when it reads.
    if (waitMs < least - 5 || waitMs > most + timerSlackMs * slowness) {
      throw new CaseFailed('fail', `a connection ${String(least)} to ${String(most)} ms after the last one ended`, `one after ${String(Math.round(waitMs))} ms`)
    }
    if (at !== undefined && connection.at !== at) {
      throw new CaseFailed('fail', `a connection to ${at === '' ? 'the first port' : at}`, `one to ${connection.at === '' ? 'the first port' : connection.at}`)
    }
    this.#present = connection
    return connection
  }

  async open(step: Step, deadlineMs: number): Promise<void> {
    const { peer, check } = this.#options
    const present = this.#present
    const isFresh = present !== null && !present.state.hasFeatures && present.endedMs === 0 && !present.isOver && !present.isFrozen
    const connection = isFresh ? present : await this.accept(deadlineMs, step.open)
    check()
    let fault: string | null
    try {
      fault = await peer.open(connection, step.open ?? {}, deadlineMs)
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      throw new CaseFailed('fail', textOf(error.requirement), error.message, [error.requirement])
    }
    check()
    if (fault !== null) throw new CaseFailed(fault.endsWith('nothing came') ? 'timeout' : 'fail', 'the client to open a session', fault)
  }

  async none(forMs: number): Promise<void> {
    const found = await this.#options.signal.until(performance.now() + forMs, () => this.#options.peer.untaken)
    if (found !== null) throw new CaseFailed('fail', `no connection for ${String(forMs)} ms`, 'the client connected')
  }

  /** The client tries, and sends nothing. [FRM-16] */
  async untrusted(forMs: number): Promise<void> {
    await this.none(forMs)
    if (this.#options.peer.attempts === 0) throw new CaseFailed('timeout', 'the client to try to connect', 'it did not')
  }

  spread({ least, most, spread, last }: NonNullable<Step['waits']>): void {
    const waits = this.#waits.slice(last === undefined ? 0 : -last).map(Math.round)
    const wanted = `waits from ${String(least)} to ${String(most)} ms, more than ${String(spread)} ms apart`
    const lowest = Math.min(...waits)
    const highest = Math.max(...waits)
    const isWithin = lowest >= least - 5 && highest <= most + timerSlackMs * this.#options.slowness
    if (!isWithin || highest - lowest < spread) throw new CaseFailed('fail', wanted, waits.join(', '))
  }
}
