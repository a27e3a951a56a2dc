/** What a client is expected to do on a connection, or not to do. Each rejects with a CaseFailed that says what came. */
import type { Connection } from './connection.js'
import { encodeFrame, frameToXml, mismatch, patternOf } from './frame-xml.js'
import { isFree, type Peer } from './peer.js'
import type { Signal } from './signal.js'
import { errorName } from './step-parts.js'
import type { Trace } from './trace.js'
import type { Variables } from './variables.js'
import { CaseFailed } from './verdict.js'

const dropEveryMs = 100

export interface ClientExpectationsOptions {
  readonly peer: Peer
  readonly signal: Signal
  readonly trace: Trace
  readonly variables: Variables
  /** Called while it waits: throws where something has ended the case. */
  readonly check: () => void
}

export class ClientExpectations {
  readonly #options: ClientExpectationsOptions

  constructor(options: ClientExpectationsOptions) {
    this.#options = options
  }

  /** The next frame is this one; those that may come at any time are passed over. */
  async frame(connection: Connection, xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'client')
    const found = await this.#options.signal.until(deadlineMs, () => {
      for (;;) {
        const frame = connection.inbox.shift()
        if (frame === undefined) break
        if (frame.frame !== pattern.entry.name) {
          if (!isFree(frame)) throw new CaseFailed('fail', xml, frameToXml(frame))
          continue
        }
        const fault = mismatch(pattern, frame, this.#options.variables)
        if (fault === null) return frame
        if (!isFree(frame)) throw new CaseFailed('fail', `${xml}: ${fault}`, frameToXml(frame))
      }
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the client ended the connection')
      return this.#nothing()
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing')
  }

  async quiet(connection: Connection, forMs: number, even: readonly string[] = []): Promise<void> {
    // What came before is not meant.
    connection.inbox = connection.inbox.filter((one) => !even.includes(one.frame))
    await this.#options.signal.until(performance.now() + forMs, () => {
      const frame = connection.inbox.find((one) => !isFree(one) || even.includes(one.frame))
      if (frame !== undefined) throw new CaseFailed('fail', `nothing for ${String(forMs)} ms`, frameToXml(frame))
      if (connection.endedMs > 0) throw new CaseFailed('fail', `nothing for ${String(forMs)} ms`, 'the client ended the connection')
      return this.#nothing()
    })
  }

  /** The client says why it ends the connection, and does. */
  async closed(connection: Connection, errors: readonly string[], deadlineMs: number): Promise<void> {
    const wanted = `close with ${errors.join(' or ')}`
    const close = await this.#options.signal.until(deadlineMs, () => {
      if (connection.clientClose !== null) return connection.clientClose
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the client ended the connection without close')
      return this.#nothing()
    })
    if (close === null) throw new CaseFailed('timeout', wanted, 'nothing')
    const code = close.values['error'] as number
    const name = errorName(code)
    if (!errors.includes(name) && !errors.includes('any')) throw new CaseFailed('fail', wanted, frameToXml(close))
    await this.ended(connection, deadlineMs)
    const isWebSocket = this.#options.peer.transport === 'ws'
    if (isWebSocket && connection.endCode !== 4000 + code) this.#options.trace.add('suite', connection.number, `[CLS-6] the close code is ${String(connection.endCode)}`)
  }

  /** The client ends the connection. */
  async ended(connection: Connection, deadlineMs: number): Promise<void> {
    const ended = await this.#options.signal.until(deadlineMs, () => connection.endedMs > 0 ? true : this.#nothing())
    if (ended === null) throw new CaseFailed('timeout', 'the client to end the connection', 'it did not')
    connection.inbox = []
  }

  /** The client drops the transport. */
  async dropped(connection: Connection, deadlineMs: number): Promise<void> {
    // Of an end alone nothing is to be seen here: what is written has to find nobody.
    while (!connection.isGone && performance.now() < deadlineMs) {
      connection.write(encodeFrame({ frame: 'ping', values: { nonce: 1 }, extensions: {} }))
      await this.#options.signal.until(performance.now() + dropEveryMs, () => connection.isGone ? true : null)
    }
    if (!connection.isGone) throw new CaseFailed('timeout', 'the client to drop the transport', 'it did not')
  }

  /** All that was sent has been read. */
  async answersPing(connection: Connection, deadlineMs: number): Promise<void> {
    await connection.flushed()
    connection.send([this.#options.peer.frame('<ping/>', connection)])
    const answered = await this.#options.signal.until(deadlineMs, () => {
      if (connection.endedMs > 0) throw new CaseFailed('fail', 'a pong', 'the client ended the connection')
      return connection.state.pings.length === 0 ? true : this.#nothing()
    })
    if (answered === null) throw new CaseFailed('timeout', 'a pong', 'nothing', ['KAL-2'])
  }

  /** It has not come yet. */
  #nothing(): null {
    this.#options.check()
    return null
  }
}
