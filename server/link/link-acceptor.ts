/** The listening end: takes transports, has the other side prove who it is, and hands the link to whom it is for. */
import type { Reader } from '../../protocol/reader.js'
import type { Transport } from '../listeners/transport.js'
import { RepeatedLines } from '../repeated-lines.js'
import { checkIdentity, type LinkIdentity, ListenerHandshake, NONCE_BYTES } from './handshake.js'
import { LinkConnection, type LinkHandler } from './link-connection.js'
import type { LinkEnvironment } from './link-environment.js'
import { appendWelcome, closeName, LINK, LINK_CLOSE, type LinkClose } from './link-frames.js'

/** Who takes links of one purpose. */
export interface LinkPurpose {
  /**
   * A node that is who it says wants a link. Returns what welcome says (MessagePack) and who handles the link from then on, or why there
   * can't be one. Nothing is to be sent before this has returned.
   */
  open(link: LinkConnection, node: string): { readonly details: Uint8Array, readonly handler: LinkHandler } | LinkClose
}

export class LinkAcceptor {
  readonly #identity: LinkIdentity
  readonly #environment: LinkEnvironment
  readonly #purposes: ReadonlyMap<string, LinkPurpose>
  readonly #opening = new Set<LinkConnection>()
  readonly #links = new Set<LinkConnection>()
  /** Who is refused comes again each second. */
  readonly #refusals: RepeatedLines
  #isClosed = false

  /** Throws a RangeError for an identity that can't be. */
  constructor(identity: LinkIdentity, environment: LinkEnvironment, purposes: Readonly<Record<string, LinkPurpose>>) {
    checkIdentity(identity)
    this.#identity = identity
    this.#environment = environment
    this.#purposes = new Map(Object.entries(purposes))
    this.#refusals = new RepeatedLines(environment.log, () => environment.clock.monotonicMs())
  }

  /** Links that are open. */
  get size(): number {
    return this.#links.size
  }

  /** Takes a transport from a listener, in the turn in which it was made. */
  accept(transport: Transport): void {
    const { limits, scheduler } = this.#environment
    if (this.#isClosed || this.#opening.size >= limits.openingMax) {
      transport.start(IGNORANT)
      transport.destroy()
      return
    }
    const handshake = new ListenerHandshake(this.#identity, transport.channelBinding(), this.#environment.randomBytes(NONCE_BYTES))
    const link: LinkConnection = new LinkConnection(transport, this.#environment, {
      frame: (type, reader) => this.#opens(link, handshake, type, reader),
      drained: () => {},
      ended: (reason) => this.#refused(link, handshake, reason),
    })
    this.#opening.add(link)
    link.start()
    scheduler.after(limits.openTimeoutMs, () => { if (this.#opening.has(link)) link.close(LINK_CLOSE.openTimeout) })
  }

  /** Ends all links and takes no more. */
  close(): void {
    this.#isClosed = true
    for (const link of [...this.#opening, ...this.#links]) link.close(LINK_CLOSE.closed)
  }

  #opens(link: LinkConnection, handshake: ListenerHandshake, type: number, reader: Reader): void {
    if (type === LINK.hello && handshake.hello === null) this.#send(link, handshake.answer(reader))
    else if (type === LINK.proof && handshake.hello !== null) this.#proved(link, handshake, handshake.proof(reader))
    else link.close(LINK_CLOSE.malformed)
  }

  #send(link: LinkConnection, frame: Uint8Array | LinkClose): void {
    if (typeof frame === 'number') {
      link.close(frame)
      return
    }
    link.beginSend().append(frame)
    link.endSend()
  }

  #proved(link: LinkConnection, { hello }: ListenerHandshake, mac: Uint8Array | LinkClose): void {
    const { counters, log } = this.#environment
    const opened = typeof mac === 'number' ? mac
      : hello === null ? LINK_CLOSE.malformed : this.#purposes.get(hello.purpose)?.open(link, hello.node) ?? LINK_CLOSE.unknownPurpose
    if (typeof mac === 'number' || typeof opened === 'number' || hello === null) {
      link.close(typeof opened === 'number' ? opened : LINK_CLOSE.malformed)
      return
    }
    this.#opening.delete(link)
    this.#links.add(link)
    counters.linksOpened++
    log.info({ node: hello.node, purpose: hello.purpose, address: link.transport.remoteAddress }, 'link-opened')
    appendWelcome(link.beginSend(), mac, opened.details)
    link.endSend()
    const { handler } = opened
    link.opened({
      frame: (type, reader) => handler.frame(type, reader),
      drained: () => handler.drained(),
      ended: (reason) => {
        this.#links.delete(link)
        counters.linksEnded++
        log.info({ node: hello.node, purpose: hello.purpose, reason: closeName(reason) }, 'link-ended')
        handler.ended(reason)
      },
    })
  }

  #refused(link: LinkConnection, { hello }: ListenerHandshake, reason: LinkClose): void {
    this.#opening.delete(link)
    const fields = { address: link.transport.remoteAddress, node: hello?.node, purpose: hello?.purpose, reason: closeName(reason) }
    // While a shard changes hands all who need it ask, again and again, and nothing is wrong.
    if (reason === LINK_CLOSE.notOwner) this.#environment.log.debug(fields, 'link-refused')
    else this.#refusals.warn(fields, 'link-refused')
  }
}

/** Of a transport that nobody takes. */
const IGNORANT = { received: () => {}, drained: () => {}, failed: () => {}, peerEnded: () => {}, gone: () => {} }
