/**
 * The shard's end of links: the sessions of other nodes, each as a sink of the local router. What sinks are told is appended to the
 * link, entries as the bytes they are, and goes out once a turn.
 *
 * In which order: `serve` when the shard is open; a link that comes before is told `notOwner` and tries again. `stopServing` before the
 * shard closes: places are given up, answers that were told are still sent, and every link ends with `notOwner`; their nodes keep the
 * sessions and go where the directory says. When the local shard fails its sessions are told, one by one, as local ones are.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { encodeValue } from '../link/call-codec.js'
import type { LinkPurpose } from '../link/link-acceptor.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import { appendCrowded, LINK, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { readValue, TakenCalls } from '../link/taken-calls.js'
import { type CallTargets, performCall } from './calls.js'
import { carryOut, carryOutSaid } from './link-commands.js'
import type { HomeRouter } from './home-router.js'
import { LinkedSession } from './linked-session.js'
import { type AttachRequest, RouterError } from './router.js'

/** What links to a shard are for, in hello. */
export const ROUTER_PURPOSE = 'router'

/** The same where there may be several. Links to shard 0 are what they are where there is no other. */
export function routerPurpose(shard: number): string {
  return shard === 0 ? ROUTER_PURPOSE : `${ROUTER_PURPOSE}/${String(shard)}`
}

/** What welcome says of the shard that is served. */
export interface ShardDetails {
  readonly hasBlobs: boolean
}

export class LinkServer implements LinkPurpose {
  #targets: CallTargets | null = null
  readonly #peers = new Set<LinkPeer>()

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
    const peer = new LinkPeer(link, this.#targets, () => this.#peers.delete(peer))
    this.#peers.add(peer)
    const details: ShardDetails = { hasBlobs: this.#targets.router.blobs !== null }
    return { details: encodeValue(details).slice(), handler: peer }
  }
}

/** One node's sessions and calls. */
class LinkPeer implements LinkHandler {
  readonly link: LinkConnection
  readonly #targets: CallTargets
  readonly #router: HomeRouter
  readonly #onEnd: () => void
  readonly #sessions = new Map<number, LinkedSession>()
  readonly #calls: TakenCalls
  /** Whether the node was told to let those wait who can. */
  #isCrowded = false
  readonly #onRoom = (): void => this.#tellRoom()

  constructor(link: LinkConnection, targets: CallTargets, onEnd: () => void) {
    this.link = link
    this.#targets = targets
    this.#router = targets.router
    this.#onEnd = onEnd
    this.#calls = new TakenCalls(link)
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
        this.#calls.take(reader, (name, args) => performCall(this.#targets, name, args))
        return
      case LINK.attach:
        this.#attach(reader)
        return
      case LINK.visit:
        this.#visit(reader)
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
    const { attachment, isVisit } = session
    const carry = isVisit ? carryOutSaid : carryOut
    // Nothing comes before the node was told of the attachment, if it keeps to the rules.
    if (attachment === null || !carry(this.#router, attachment, type, reader)) this.link.close(LINK_CLOSE.malformed)
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

  #attach(reader: Reader): void {
    const id = reader.uint()
    const call = reader.uint()
    const bytes = reader.rest()
    if (reader.failed) return
    const request = readValue(bytes)
    if (typeof request !== 'object' || request === null || this.#sessions.has(id)) {
      this.link.close(LINK_CLOSE.malformed)
      return
    }
    const session = new LinkedSession(this.link, id, false, () => this.#sessions.delete(id))
    this.#sessions.set(id, session)
    this.#calls.settle(call, bytes.length, LINK.attached, async () => {
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

  /** It has no answer but its end: what is said on it may follow at once. */
  #visit(reader: Reader): void {
    const id = reader.uint()
    const user = reader.string()
    const deviceNumber = reader.uint()
    const outboxEpoch = reader.uint()
    if (reader.failed) return
    if (this.#sessions.has(id)) {
      this.link.close(LINK_CLOSE.malformed)
      return
    }
    const session = new LinkedSession(this.link, id, true, () => this.#sessions.delete(id))
    this.#sessions.set(id, session)
    try {
      session.attachment = this.#router.visit({ user, deviceNumber, outboxEpoch }, session).attachment
    } catch (error) {
      if (!(error instanceof RouterError)) throw error
      session.ended(error.code)
    }
  }
}
