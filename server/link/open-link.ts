/** The dialling end: proves who it is, and has the other side do so, before anything else is said. */
import { asError } from '../../protocol/as-error.js'
import type { Reader } from '../../protocol/reader.js'
import type { Transport } from '../listeners/transport.js'
import { checkIdentity, type DialOptions, DiallerHandshake, type LinkIdentity, NONCE_BYTES } from './handshake.js'
import { LinkConnection, type LinkHandler } from './link-connection.js'
import type { LinkEnvironment } from './link-environment.js'
import { closeName, LINK, LINK_CLOSE, type LinkClose } from './link-frames.js'

/** Why there is no link. */
export class LinkError extends Error {
  override readonly name = 'LinkError'
  readonly reason: LinkClose

  constructor(reason: LinkClose, options: { cause?: unknown } = {}) {
    const { cause } = options
    super(`no link: ${closeName(reason)}${cause instanceof Error && cause.message !== '' ? `, ${cause.message}` : ''}`, options)
    this.reason = reason
  }
}

/** What was opened: a link with a node that is who it says. */
export interface OpenedLink {
  readonly link: LinkConnection
  readonly node: string
  /** What the purpose says of itself, MessagePack. */
  readonly details: Uint8Array
}

/**
 * Opens a link over a transport that was made in this turn. `make` is called with it before any frame behind welcome is handled, and says
 * who handles them. Resolves with what `make` returned; rejects with LinkError, or with what `make` threw.
 */
export function openLink<T extends LinkHandler>(
  transport: Transport, identity: LinkIdentity, options: DialOptions, environment: LinkEnvironment, make: (opened: OpenedLink) => T,
): Promise<T> {
  checkIdentity(identity)
  return new Promise((resolve, reject) => {
    const handshake = new DiallerHandshake(identity, options, transport.channelBinding(), environment.randomBytes(NONCE_BYTES))
    let isOpening = true
    const welcome = (details: Uint8Array): void => {
      try {
        const handler = make({ link, node: handshake.peer, details })
        isOpening = false
        environment.counters.linksOpened++
        link.opened(handler)
        resolve(handler)
      } catch (error) {
        reject(asError(error))
        link.close(LINK_CLOSE.malformed)
      }
    }
    const link: LinkConnection = new LinkConnection(transport, environment, {
      frame: (type, reader) => {
        const next = step(handshake, type, reader)
        if (typeof next === 'number') link.close(next)
        else if (type === LINK.welcome) welcome(next)
        else send(link, next)
      },
      drained: () => {},
      ended: (reason) => reject(new LinkError(reason)),
    })
    environment.scheduler.after(environment.limits.openTimeoutMs, () => { if (isOpening) link.close(LINK_CLOSE.openTimeout) })
    link.start()
    send(link, handshake.hello())
  })
}

function step(handshake: DiallerHandshake, type: number, reader: Reader): Uint8Array | LinkClose {
  switch (type) {
    case LINK.challenge: return handshake.peer === '' ? handshake.challenge(reader) : LINK_CLOSE.malformed
    case LINK.welcome: return handshake.welcome(reader)
    default: return LINK_CLOSE.malformed
  }
}

function send(link: LinkConnection, frame: Uint8Array): void {
  link.beginSend().append(frame)
  link.endSend()
}
