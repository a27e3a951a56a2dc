/** What the scripted server does where a case says so. */
import type { Step } from './case.js'
import type { Connection } from './connection.js'
import type { WireFrame } from './decode.js'
import { encodeFrame } from './frame-xml.js'
import type { Peer } from './peer.js'
import type { Signal } from './signal.js'
import { listOf, rawBytes } from './step-parts.js'
import { CaseFault } from './variables.js'
import { CaseFailed } from './verdict.js'

/** Messages of a backlog that go at once, where the window has room. */
const backlogPiece = 100

export interface PeerActionsOptions {
  readonly peer: Peer
  readonly signal: Signal
  /** Called while it waits: throws where something has ended the case. */
  readonly check: () => void
}

export class PeerActions {
  readonly #options: PeerActionsOptions

  constructor(options: PeerActionsOptions) {
    this.#options = options
  }

  async act(connection: Connection, step: Step): Promise<void> {
    const frames = (xml: string | readonly string[]): WireFrame[] => listOf(xml).map((text) => this.#options.peer.frame(text, connection))
    if (step.send !== undefined) connection.send(frames(step.send))
    else if (step.duplicate !== undefined) {
      const [frame] = frames(step.duplicate)
      connection.send([frame!, frame!])
    } else if (step.reorder !== undefined) connection.send(frames(step.reorder).reverse())
    else if (step.drop !== undefined) connection.send(frames(step.drop), true)
    else if (step.cut !== undefined) connection.raw(encodeFrame(this.#options.peer.frame(step.cut, connection)).subarray(0, step.bytes ?? 1))
    else if (step.raw !== undefined) connection.raw(rawBytes(step.raw))
    else if (step.text !== undefined) connection.text(step.text)
    else if (step.throttle !== undefined) connection.throttle(step.throttle.bytes, step.throttle.everyMs)
    else if (step.close !== undefined) connection.end(step.close)
    else if (step.halfOpen !== undefined) connection.freeze()
    else if (step.resend !== undefined) this.#resend(connection)
    else throw new CaseFault(`no step is called ${Object.keys(step).join(', ')}`)
    await connection.flushed()
  }

  /** [QUE-2] */
  #resend(connection: Connection): void {
    const cursor = connection.state.cursor
    const entries = [...this.#options.peer.device.entries].filter(([index]) => index > cursor).sort(([one], [other]) => one - other)
    if (entries.length > 0) connection.send(entries.map(([, frame]) => frame))
  }

  /** So many messages, each as soon as the client's cursor has made room for it. */
  async backlog(connection: Connection, count: number, from: string, deadlineMs: number): Promise<void> {
    const { peer, signal, check } = this.#options
    const piece = Math.min(backlogPiece, connection.state.window)
    for (let begin = 1; begin <= count; begin += piece) {
      const hasRoom = await signal.until(deadlineMs, () => {
        if (connection.endedMs > 0) throw new CaseFailed('fail', 'cursors for a backlog', 'the client ended the connection')
        check()
        return connection.state.sentTo - connection.state.cursor + piece <= connection.state.window ? true : null
      })
      if (hasRoom === null) throw new CaseFailed('timeout', 'a cursor, so that the window has room again', 'none', ['QUE-5'])
      const frames = Array.from({ length: Math.min(piece, count - begin + 1) }, (_, place) => (
        peer.frame(`<message from='${from}'><body>${String(begin + place)}</body></message>`, connection)
      ))
      connection.send(frames)
    }
  }
}
