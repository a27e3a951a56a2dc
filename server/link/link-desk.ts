/** The links of one node as it is configured: where it takes them, how it dials others, and who it says it is. */
import type { LinkIdentity } from './handshake.js'
import { LinkAcceptor, type LinkPurpose } from './link-acceptor.js'
import { type LinkAddress, parseLinkAddress } from './link-address.js'
import type { LinkEnvironment } from './link-environment.js'
import { LINK_CLOSE } from './link-frames.js'
import { dialLink, type LinkListener, type LinkTls, openLinkListener } from './link-sockets.js'
import { LinkError } from './open-link.js'
import type { Transport } from '../listeners/transport.js'

export class LinkDesk {
  readonly identity: LinkIdentity
  readonly environment: LinkEnvironment
  #tls: LinkTls | null
  #acceptor: LinkAcceptor | null = null
  #listener: LinkListener | null = null

  /** `tls`: null where neither this node nor another is reached over TLS. */
  constructor(identity: LinkIdentity, environment: LinkEnvironment, tls: LinkTls | null) {
    this.identity = identity
    this.environment = environment
    this.#tls = tls
  }

  /** Rejects with LinkError. */
  async dial(text: string): Promise<Transport> {
    const address = parseLinkAddress(text)
    if (address === null || (address.kind === 'tls' && this.#tls === null)) throw new LinkError(LINK_CLOSE.unreachable)
    return dialLink(address, this.#tls, this.environment.limits.openTimeoutMs)
  }

  /** Takes links for these purposes. Resolves with the address, real port and all; rejects with the error of `listen`. */
  async listen(address: LinkAddress, purposes: Readonly<Record<string, LinkPurpose>>): Promise<string> {
    const acceptor = this.#acceptor = new LinkAcceptor(this.identity, this.environment, purposes)
    this.#listener = await openLinkListener(address, this.#tls, (transport) => acceptor.accept(transport))
    return this.#listener.address
  }

  /** For links from now on. */
  renewTls(tls: LinkTls): void {
    this.#tls = tls
    this.#listener?.renewTls(tls)
  }

  /** Takes no more links, and ends those that are there. */
  close(): void {
    this.#listener?.stop()
    this.#acceptor?.close()
  }
}
