/** What a server is expected to say to a device, or not to say. Each rejects with a CaseFailed that says what came. */
import type { WireFrame } from './decode.js'
import { frameToXml, mismatch, patternOf } from './frame-xml.js'
import type { FramePattern } from './frame-xml.js'
import type { ServerStep } from './server-case.js'
import type { ServerConnection } from './server-connection.js'
import type { Seat } from './server-seat.js'
import type { Signal } from './signal.js'
import { errorName, listOf, plain } from './step-parts.js'
import type { Variables } from './variables.js'
import { CaseFailed, Unsupported } from './verdict.js'

/** What answers a query that an optional part of the protocol would answer. */
const optional: Readonly<Record<string, string>> = { 'no-search': 'search', 'no-blobs': 'blobs', 'no-invites': 'invites' }
/** Of pings that no step sends: others are counted from 1. */
const firstNonce = 500_000

export interface ServerExpectationsOptions {
  readonly signal: Signal
  readonly variables: Variables
  /** Throws where a rule was broken. */
  readonly check: () => void
}

export class ServerExpectations {
  readonly #options: ServerExpectationsOptions
  #nonce = firstNonce

  constructor(options: ServerExpectationsOptions) {
    this.#options = options
  }

  /** The next frame is this one; those that may come at any time are passed over. */
  async frame(seat: Seat, xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = seat.current()
    const found = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      for (let frame = connection.inbox.shift(); frame !== undefined; frame = connection.inbox.shift()) {
        const fault = mismatch(pattern, frame, this.#options.variables)
        if (fault === null) return frame
        if (!seat.isFree(frame)) throw new CaseFailed('fail', frame.frame === pattern.entry.name ? `${xml}: ${fault}` : xml, frameToXml(frame))
      }
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing')
  }

  /** These frames come, in whatever order. */
  async all(seat: Seat, texts: readonly string[], deadlineMs: number): Promise<void> {
    const open = texts.map((xml) => ({ xml, pattern: patternOf(xml, 'server') }))
    const connection = seat.current()
    const found = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      while (open.length > 0) {
        const frame = connection.inbox.shift()
        if (frame === undefined) break
        const place = open.findIndex(({ pattern }) => mismatch(pattern, frame, this.#options.variables) === null)
        if (place >= 0) open.splice(place, 1)
        else if (!seat.isFree(frame)) throw new CaseFailed('fail', open.map(({ xml }) => xml).join(' or '), frameToXml(frame))
      }
      if (open.length > 0 && connection.endedMs > 0) throw new CaseFailed('fail', open[0]!.xml, 'the server ended the connection')
      return open.length === 0 ? true : null
    })
    if (found === null) throw new CaseFailed('timeout', open.map(({ xml }) => xml).join(' and '), 'nothing')
  }

  /** Such a frame has come, or comes. */
  async some(seat: Seat, xml: string, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = seat.current()
    const found = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      if (connection.seen.some((frame) => mismatch(pattern, frame, this.#options.variables) === null)) return true
      if (connection.endedMs > 0) throw new CaseFailed('fail', xml, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', xml, 'nothing like it')
  }

  /** How many such frames have come, when everything has that the server had to say up to now. */
  async counted(seat: Seat, xml: string, count: number, deadlineMs: number): Promise<void> {
    const pattern = patternOf(xml, 'server')
    const connection = seat.current()
    if (connection.isUsable) await this.answersPing(connection, deadlineMs)
    const alike = connection.seen.filter((frame) => mismatch(pattern, frame, this.#options.variables) === null)
    if (alike.length !== count) throw new CaseFailed('fail', count === 0 ? `no ${xml}` : `${String(count)} of ${xml}`, alike.length === 0 ? 'none' : alike.map(frameToXml).join(', '))
  }

  /** Nothing comes that a case has to reckon with. */
  async quiet(seat: Seat, forMs: number): Promise<void> {
    const connection = seat.current()
    const wanted = `nothing for ${String(forMs)} ms`
    await this.#options.signal.until(performance.now() + forMs, () => {
      this.#options.check()
      const frame = connection.inbox.find((one) => !seat.isFree(one))
      if (frame !== undefined) throw new CaseFailed('fail', wanted, frameToXml(frame))
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection')
      return null
    })
  }

  /** The server says why it ends the connection, and does. */
  async closed(seat: Seat, errors: readonly string[], deadlineMs: number): Promise<void> {
    const connection = seat.current()
    const wanted = `close with ${errors.join(' or ')}`
    const close = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      if (connection.close === null && connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection without close')
      return connection.close
    })
    if (close === null) throw new CaseFailed('timeout', wanted, connection.inbox.filter((frame) => !seat.isFree(frame)).map(frameToXml).join(', ') || 'nothing')
    const name = errorName(close.values['error'] as number)
    if (!errors.includes(name)) throw new CaseFailed('fail', wanted, frameToXml(close))
    this.#options.variables.set('retryAfterMs', plain(close.values['retryAfterMs']))
    this.#options.variables.set('reason', plain(close.values['reason']))
    await this.ended(seat, deadlineMs)
  }

  /** The server ends the connection. */
  async ended(seat: Seat, deadlineMs: number): Promise<void> {
    const connection = seat.current()
    const ended = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      return connection.endedMs > 0 ? true : null
    })
    if (ended === null) throw new CaseFailed('timeout', 'the server to end the connection', 'it did not', ['CLS-1'])
    this.#options.variables.set('closeCode', String(connection.endCode))
    connection.inbox = []
  }

  /** Asks a query, and gets the answer that the step says. */
  async ask(seat: Seat, { ask = '', result, fail }: ServerStep, deadlineMs: number): Promise<void> {
    const connection = seat.current()
    const query = seat.frame(`<iq type='get'>${ask}</iq>`)
    connection.send([query])
    const id = query.values['id']
    const errors = listOf(fail ?? [])
    const wanted = fail === undefined ? `<iq type='result'>${result ?? ''}</iq>` : `<iq type='error' error='${errors.join(' or ')}'/>`
    const answer = await this.pick(connection, wanted, ({ frame, values }) => (frame === 'result' || frame === 'fail') && values['id'] === id, deadlineMs)
    const lacking = answer.frame === 'fail' ? optional[errorName(answer.values['error'] as number)] : undefined
    if (lacking !== undefined && fail === undefined) throw new Unsupported(`this server does not have ${lacking}`)
    const isWanted = answer.frame === 'fail' && errors.includes(errorName(answer.values['error'] as number))
    if (!isWanted) this.#compareFrame(patternOf(wanted, 'server'), wanted, answer)
    if (answer.frame === 'fail') this.#options.variables.set('retryAfterMs', plain(answer.values['retryAfterMs']))
  }

  /** The answer to a stanza is as the step says. */
  async answered(connection: ServerConnection, stanza: WireFrame, { acked, refused }: ServerStep, deadlineMs: number): Promise<void> {
    const id = stanza.values['clientId']
    const wanted = refused === undefined ? `<ack id='${plain(id)}' seq='${String(acked)}'/>` : `<refuse id='${plain(id)}' error='${refused}'/>`
    const answer = await this.pick(connection, wanted, ({ frame, values }) => (frame === 'ack' || frame === 'refuse') && values['clientId'] === id, deadlineMs)
    this.#compareFrame(patternOf(wanted, 'server'), wanted, answer)
  }

  /** Everything that the server had to say up to now has come. */
  async answersPing(connection: ServerConnection, deadlineMs: number): Promise<void> {
    await connection.flushed()
    const nonce = ++this.#nonce
    connection.send([{ frame: 'ping', values: { nonce }, extensions: {} }])
    await this.pick(connection, `<pong nonce='${String(nonce)}'/>`, ({ frame, values }) => frame === 'pong' && values['nonce'] === nonce, deadlineMs)
  }

  /** The same, and nothing of it counts any more. */
  async forget(connection: ServerConnection, deadlineMs: number): Promise<void> {
    await this.answersPing(connection, deadlineMs)
    connection.inbox = []
    connection.seen = []
  }

  /** The answer that is wanted, out of the inbox. */
  async pick(connection: ServerConnection, wanted: string, isIt: (frame: WireFrame) => boolean, deadlineMs: number): Promise<WireFrame> {
    const found = await this.#options.signal.until(deadlineMs, () => {
      this.#options.check()
      const place = connection.inbox.findIndex(isIt)
      if (place >= 0) return connection.inbox.splice(place, 1)[0]!
      if (connection.close !== null) throw new CaseFailed('fail', wanted, frameToXml(connection.close))
      if (connection.endedMs > 0) throw new CaseFailed('fail', wanted, 'the server ended the connection')
      return null
    })
    if (found === null) throw new CaseFailed('timeout', wanted, 'nothing')
    return found
  }

  #compareFrame(pattern: FramePattern, wanted: string, frame: WireFrame): void {
    const fault = mismatch(pattern, frame, this.#options.variables)
    if (fault !== null) throw new CaseFailed('fail', frame.frame === pattern.entry.name ? `${wanted}: ${fault}` : wanted, frameToXml(frame))
  }
}
