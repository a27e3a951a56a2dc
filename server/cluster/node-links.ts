/**
 * What nodes ask each other beside the work of sessions: pages of a copy, reports, an operator's orders. Links of a purpose of their own,
 * so that a copy never stands before a message. One link to a node, made when something is asked, and kept.
 */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { decodeValue, encodeValue } from '../link/call-codec.js'
import type { LinkIdentity } from '../link/handshake.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { appendAnswer, appendCall, appendFailed, LINK, LINK_CLOSE } from '../link/link-frames.js'
import { openLink } from '../link/open-link.js'
import { readValue } from '../link/taken-calls.js'
import type { Transport } from '../listeners/transport.js'
import { RouterError } from '../router/router.js'

/** In hello. */
export const NODE_PURPOSE = 'node'

/** What a node does for others, by name; arguments and results are MessagePack. Rejections reach the other side with their message. */
export type NodeCalls = Readonly<Record<string, (argument: unknown) => Promise<unknown>>>

export class NodeCallServer implements LinkPurpose {
  readonly #calls: ReadonlyMap<string, (argument: unknown) => Promise<unknown>>
  readonly #callsMax: number

  constructor(calls: NodeCalls, { limits }: LinkEnvironment) {
    this.#calls = new Map(Object.entries(calls))
    this.#callsMax = limits.callsMax
  }

  open(link: LinkConnection): { details: Uint8Array, handler: LinkHandler } {
    return { details: encodeValue(null).slice(), handler: new CalledLink(link, this.#calls, this.#callsMax) }
  }
}

class CalledLink implements LinkHandler {
  readonly #link: LinkConnection
  readonly #calls: ReadonlyMap<string, (argument: unknown) => Promise<unknown>>
  readonly #callsMax: number
  #underWay = 0

  constructor(link: LinkConnection, calls: ReadonlyMap<string, (argument: unknown) => Promise<unknown>>, callsMax: number) {
    this.#link = link
    this.#calls = calls
    this.#callsMax = callsMax
  }

  drained(): void {}

  ended(): void {}

  frame(type: number, reader: Reader): void {
    const number = reader.uint()
    const name = reader.string()
    // A copy: the answer comes when the bytes of the link may be others.
    const argument = reader.rest().slice()
    const call = this.#calls.get(name)
    if (type !== LINK.call || reader.failed || this.#underWay >= this.#callsMax) this.#link.close(LINK_CLOSE.malformed)
    else if (call === undefined) this.#fail(number, new RouterError(ERROR.unavailable, `this node knows no ${name}: is it of another version?`))
    else this.#perform(number, call, argument)
  }

  #perform(number: number, call: (argument: unknown) => Promise<unknown>, argument: Uint8Array): void {
    this.#underWay++
    const done = (tell: () => void): void => {
      this.#underWay--
      if (this.#link.hasEnded) return
      tell()
      this.#link.endSend()
    }
    Promise.resolve().then(() => call(decodeValue(argument))).then(
      (value) => done(() => appendAnswer(this.#link.beginSend(), LINK.result, number, encodeValue(value))),
      (error: unknown) => done(() => this.#fail(number, error)),
    ).catch(() => this.#link.close(LINK_CLOSE.malformed))
  }

  #fail(number: number, error: unknown): void {
    const { code, retryAfterMs } = error instanceof RouterError ? error : { code: ERROR.unavailable, retryAfterMs: 0 }
    const message = error instanceof Error ? error.message : String(error)
    appendFailed(this.#link.beginSend(), number, code, Math.ceil(retryAfterMs), message.replaceAll('\0', ''))
    this.#link.endSend()
  }
}

interface Waiting {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** A link to a node that is asked. */
class CallingLink implements LinkHandler {
  readonly link: LinkConnection
  readonly #onEnd: () => void
  readonly #waiting = new Map<number, Waiting>()
  #last = 0

  constructor(link: LinkConnection, onEnd: () => void) {
    this.link = link
    this.#onEnd = onEnd
  }

  ask(name: string, argument: unknown): Promise<unknown> {
    if (this.link.hasEnded) return Promise.reject(lost())
    const number = ++this.#last
    const { scheduler, limits } = this.link.environment
    return new Promise((resolve, reject) => {
      this.#waiting.set(number, { resolve, reject })
      scheduler.after(limits.callTimeoutMs, () => this.#take(number)?.reject(lost()))
      appendCall(this.link.beginSend(), number, name, encodeValue(argument))
      this.link.endSend()
    })
  }

  drained(): void {}

  ended(): void {
    this.#onEnd()
    for (const number of [...this.#waiting.keys()]) this.#take(number)?.reject(lost())
  }

  frame(type: number, reader: Reader): void {
    const waiting = this.#take(reader.uint())
    if (type === LINK.result) {
      // A copy: who asked looks at it when the bytes of the link may be others.
      const value = readValue(reader.rest().slice())
      if (value === undefined) reader.fail()
      else if (!reader.failed) waiting?.resolve(value)
    } else if (type === LINK.failed) {
      const code = reader.uint()
      const retryAfterMs = reader.uint()
      const message = reader.string()
      if (!reader.failed) waiting?.reject(new RouterError(code as ErrorCode, message, { retryAfterMs }))
    } else {
      reader.fail()
    }
    // Which ends the link, with all others that wait.
    if (reader.failed) waiting?.reject(lost())
  }

  #take(number: number): Waiting | undefined {
    const waiting = this.#waiting.get(number)
    this.#waiting.delete(number)
    return waiting
  }
}

export interface NodeLinksOptions {
  readonly identity: LinkIdentity
  readonly environment: LinkEnvironment
  /** Rejects with LinkError. */
  readonly dial: (address: string) => Promise<Transport>
}

/** Asks other nodes. */
export class NodeLinks {
  readonly #options: NodeLinksOptions
  readonly #links = new Map<string, Promise<CallingLink>>()
  #isClosed = false

  constructor(options: NodeLinksOptions) {
    this.#options = options
  }

  /** Rejects with LinkError, or with RouterError: what the other node says, or that it says nothing. */
  async ask(node: string, address: string, name: string, argument: unknown): Promise<unknown> {
    if (this.#isClosed) throw lost()
    const link = await this.#linkTo(node, address)
    return link.ask(name, argument)
  }

  /** Forgotten as soon as it ends, not when it is next asked: who was restarted answers, and must not be taken for one that is away. */
  #linkTo(node: string, address: string): Promise<CallingLink> {
    const key = `${node} ${address}`
    const there = this.#links.get(key)
    if (there !== undefined) return there
    const forget = (): void => {
      if (this.#links.get(key) === opening) this.#links.delete(key)
    }
    const opening = this.#open(node, address, forget)
    this.#links.set(key, opening)
    opening.catch(forget)
    return opening
  }

  close(): void {
    this.#isClosed = true
    for (const opening of this.#links.values()) opening.then(({ link }) => link.close(LINK_CLOSE.closed), () => { /* it is not there */ })
    this.#links.clear()
  }

  async #open(node: string, address: string, onEnd: () => void): Promise<CallingLink> {
    const { identity, environment, dial } = this.#options
    return openLink(await dial(address), identity, { expects: node, purpose: NODE_PURPOSE }, environment, ({ link }) => new CallingLink(link, onEnd))
  }
}

function lost(): RouterError {
  return new RouterError(ERROR.unavailable, 'the other node can\'t be reached', { retryAfterMs: 1000 })
}
