/**
 * The shard's end of links: the sessions of other nodes, each as a sink of the local router. What sinks are told is appended to the
 * link, entries as the bytes they are, and goes out once a turn.
 *
 * In which order: `serve` when the shard is open; a link that comes before is told `notOwner` and tries again. `stopServing` before the
 * shard closes: places are given up, answers that were told are still sent, and every link ends with `notOwner`; their nodes keep the
 * sessions and go where the directory says. When the local shard fails its sessions are told, one by one, as local ones are.
 */
import { ERROR, type ErrorCode } from '../../protocol/generated/registry.js'
import { HttpError } from '../blobs/http-error.js'
import type { Reader } from '../../protocol/reader.js'
import { decodeValue, encodeValue } from '../link/call-codec.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { appendAnswer, appendCrowded, appendFailed, LINK, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { type CallTargets, performCall } from './calls.js'
import { carryOut } from './link-commands.js'
import { LinkedSession } from './linked-session.js'
import { type AttachRequest, type Router, RouterError } from './router.js'

/** What such links are for, in hello. */
export const ROUTER_PURPOSE = 'router'

/** What welcome says of the shard that is served. */
export interface ShardDetails {
  readonly hasBlobs: boolean
}

export class LinkServer implements LinkPurpose {
  readonly #environment: LinkEnvironment
  #targets: CallTargets | null = null
  readonly #peers = new Set<LinkPeer>()

  constructor(environment: LinkEnvironment) {
    this.#environment = environment
  }

  /** From now on links lead to this router. */
  serve(targets: CallTargets): void {
    this.#targets = targets
  }

  /** The router is served no more. */
  stopServing(): void {
    this.#targets = null
    for (const peer of [...this.#peers]) peer.link.close(LINK_CLOSE.notOwner)
  }

  /** Sessions of other nodes. */
  get sessions(): number {
    let sessions = 0
    for (const peer of this.#peers) sessions += peer.size
    return sessions
  }

  open(link: LinkConnection): { details: Uint8Array, handler: LinkHandler } | LinkClose {
    if (this.#targets === null) return LINK_CLOSE.notOwner
    const peer = new LinkPeer(link, this.#targets, this.#environment, () => this.#peers.delete(peer))
    this.#peers.add(peer)
    const details: ShardDetails = { hasBlobs: this.#targets.router.blobs !== null }
    return { details: encodeValue(details).slice(), handler: peer }
  }
}

/** One node's sessions and calls. */
class LinkPeer implements LinkHandler {
  readonly link: LinkConnection
  readonly #targets: CallTargets
  readonly #router: Router
  readonly #environment: LinkEnvironment
  readonly #onEnd: () => void
  readonly #sessions = new Map<number, LinkedSession>()
  #calls = 0
  #callBytes = 0
  /** Whether the node was told to let those wait who can. */
  #isCrowded = false
  readonly #onRoom = (): void => this.#tellRoom()

  constructor(link: LinkConnection, targets: CallTargets, environment: LinkEnvironment, onEnd: () => void) {
    this.link = link
    this.#targets = targets
    this.#router = targets.router
    this.#environment = environment
    this.#onEnd = onEnd
  }

  get size(): number {
    return this.#sessions.size
  }

  drained(): void {}

  ended(): void {
    this.#onEnd()
    for (const session of this.#sessions.values()) this.#release(session)
    this.#sessions.clear()
  }

  frame(type: number, reader: Reader): void {
    switch (type) {
      case LINK.call:
        this.#call(reader)
        return
      case LINK.attach:
        this.#attach(reader)
        return
      default: {
        const session = this.#sessions.get(reader.uint())
        // What was on its way when the session ended.
        if (session !== undefined) this.#ofSession(type, session, reader)
      }
    }
  }

  #ofSession(type: number, session: LinkedSession, reader: Reader): void {
    if (type === LINK.detach) {
      this.#sessions.delete(session.id)
      this.#release(session)
      return
    }
    const { attachment } = session
    // Nothing comes before the node was told of the attachment, if it keeps to the rules.
    if (attachment === null || !carryOut(this.#router, attachment, type, reader)) this.link.close(LINK_CLOSE.malformed)
    else if (!this.#isCrowded && this.#router.isCrowded) this.#tellCrowded()
  }

  #release(session: LinkedSession): void {
    const { attachment } = session
    session.isOver = true
    session.attachment = null
    if (attachment !== null) this.#router.detach(attachment)
  }

  #tellCrowded(): void {
    this.#isCrowded = true
    appendCrowded(this.link.beginSend(), true)
    this.link.endSend()
    this.#router.whenRoom(this.#onRoom)
  }

  #tellRoom(): void {
    if (this.link.hasEnded) return
    if (this.#router.isCrowded) {
      this.#router.whenRoom(this.#onRoom)
      return
    }
    this.#isCrowded = false
    appendCrowded(this.link.beginSend(), false)
    this.link.endSend()
  }

  // Calls

  #call(reader: Reader): void {
    const call = reader.uint()
    const name = reader.string()
    const bytes = reader.rest()
    if (reader.failed) return
    const args = this.#read(bytes)
    if (!Array.isArray(args)) {
      this.link.close(LINK_CLOSE.malformed)
      return
    }
    this.#settle(call, bytes.length, LINK.result, () => {
      const performed = performCall(this.#targets, name, args)
      if (performed === null) throw new RouterError(ERROR.unavailable, `there is no call ${name} here`)
      return performed
    })
  }

  #attach(reader: Reader): void {
    const id = reader.uint()
    const call = reader.uint()
    const bytes = reader.rest()
    if (reader.failed) return
    const request = this.#read(bytes)
    if (typeof request !== 'object' || request === null || this.#sessions.has(id)) {
      this.link.close(LINK_CLOSE.malformed)
      return
    }
    const session = new LinkedSession(this.link, id, () => this.#sessions.delete(id))
    this.#sessions.set(id, session)
    this.#settle(call, bytes.length, LINK.attached, async () => {
      try {
        // A link that was held up brings both at once.
        if (session.isOver) throw new RouterError(ERROR.replaced, 'the connection has ended')
        const { attachment, ...attached } = await this.#router.attach(request as AttachRequest, session)
        // Detached, or the link ended, while it was being attached; or the shard ended it, and was told so.
        if (!session.isOver) session.attachment = attachment
        else if (!session.wasEnded) this.#router.detach(attachment)
        return attached
      } catch (error) {
        this.#sessions.delete(id)
        throw error
      }
    })
  }

  #read(bytes: Uint8Array): unknown {
    try {
      return decodeValue(bytes)
    } catch {
      return undefined
    }
  }

  /** Answers a call once `perform` has, within the limits of the link. */
  #settle(call: number, bytes: number, type: number, perform: () => Promise<unknown>): void {
    const { callsMax, callBytesMax } = this.#environment.limits
    if (this.#calls >= callsMax || this.#callBytes + bytes > callBytesMax) {
      this.#fail(call, new RouterError(ERROR.resourceLimit, 'too many calls at once', { retryAfterMs: 1000 }))
      return
    }
    this.#calls++
    this.#callBytes += bytes
    const done = (): void => {
      this.#calls--
      this.#callBytes -= bytes
    }
    Promise.resolve().then(perform).then((value) => {
      done()
      this.#answer(call, type, value)
    }, (error: unknown) => {
      done()
      this.#fail(call, error)
    }).catch((error: unknown) => this.#environment.log.error({ error: asError(error) }, 'link-call-failed'))
  }

  #answer(call: number, type: number, value: unknown): void {
    if (this.link.hasEnded) return
    const bytes = encodeValue(value)
    if (bytes.length > this.#environment.limits.frameBytesMax / 2) {
      this.#fail(call, new RouterError(ERROR.resourceLimit, 'the answer is too large for a link'))
      return
    }
    appendAnswer(this.link.beginSend(), type, call, bytes)
    this.link.endSend()
  }

  #fail(call: number, error: unknown): void {
    if (this.link.hasEnded) return
    const isRefusal = error instanceof RouterError || error instanceof HttpError
    if (!isRefusal) this.#environment.log.error({ error: asError(error) }, 'link-call-failed')
    const code: ErrorCode | 0 = isRefusal ? error.code : 0
    const retryAfterMs = error instanceof RouterError ? Math.ceil(error.retryAfterMs) : 0
    appendFailed(this.link.beginSend(), call, code, retryAfterMs, isRefusal ? error.message.replaceAll('\0', '') : '')
    this.link.endSend()
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
