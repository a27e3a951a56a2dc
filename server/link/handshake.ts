/**
 * Both ends of a link prove to each other that they know the cluster's secret, without sending it: HMAC-SHA-256 challenge and response
 * both ways (RFC 2104; the pattern of ISO/IEC 9798-4, mutual, with random nonces).
 *
 *     dialler  → hello: versions, cluster, own name, whom it means, purpose, nonce
 *     listener → challenge: the version, own name, nonce
 *     dialler  → proof: MAC("chatd link dialler", transcript)
 *     listener → welcome: MAC("chatd link listener", transcript), what the purpose has to say
 *
 * The transcript is all of hello and challenge and, on TLS, 32 bytes that the TLS exporter makes of the session (RFC 9266): both
 * names, nonces, versions and the TLS session are proved, so nothing of it can be changed on the way, and a proof is of no use
 * elsewhere. The dialler proves itself first: a stranger who connects is told nothing that it could try secrets on.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { appendChallenge, appendHello, appendProof, LINK_CLOSE, LINK_VERSIONS, type LinkClose, type LinkHello } from './link-frames.js'

export const NONCE_BYTES = 32
const MAC_BYTES = 32
const VERSIONS_MAX = 64
/** Fewer bytes could be guessed by who has seen one handshake. */
export const SECRET_BYTES_MIN = 32

export interface LinkIdentity {
  /** The cluster's name, and this node's in it. */
  readonly cluster: string
  readonly node: string
  /** At least SECRET_BYTES_MIN bytes, the same at every node. */
  readonly secret: Uint8Array
}

/** Throws a RangeError for a secret that is too short. */
export function checkIdentity({ secret, node }: LinkIdentity): void {
  if (secret.length < SECRET_BYTES_MIN) throw new RangeError(`the secret of a cluster has at least ${String(SECRET_BYTES_MIN)} bytes`)
  if (node === '' || Buffer.byteLength(node) > LIMIT.addressBytesMax) throw new RangeError('a node has a name')
}

interface Transcript {
  readonly hello: Uint8Array
  readonly challenge: Uint8Array
  readonly binding: Uint8Array | null
}

function mac(secret: Uint8Array, role: 'dialler' | 'listener', { hello, challenge, binding }: Transcript): Buffer {
  const hmac = createHmac('sha256', secret).update(`chatd link ${role}`)
  for (const part of [hello, challenge, binding ?? new Uint8Array(0)]) {
    const length = Buffer.alloc(4)
    length.writeUInt32BE(part.length)
    hmac.update(length).update(part)
  }
  return hmac.digest()
}

function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right)
}

/** All that is left of the frame, as a copy. */
function fieldsOf(reader: Reader): Uint8Array {
  return reader.bytes.slice(reader.position, reader.end)
}

/** The fields of the one frame in `out`: behind its length, of one byte or two, and its type. */
function sentFields(out: ByteBuffer): Uint8Array {
  const head = out.bytes[0]! < 0x80 ? 2 : 3
  return out.bytes.slice(head, out.length)
}

export interface DialOptions {
  /** Name of the node that is meant; '' takes any of the cluster. */
  readonly expects: string
  readonly purpose: string
}

/** The dialler's side. Each step returns the frame to send, or why the link can't be. */
export class DiallerHandshake {
  readonly #identity: LinkIdentity
  readonly #options: DialOptions
  readonly #binding: Uint8Array | null
  readonly #nonce: Uint8Array
  #transcript: Transcript | null = null
  #hello: Uint8Array = new Uint8Array(0)
  /** Of the other node, once it has said it; proved by `welcome`. */
  peer = ''

  constructor(identity: LinkIdentity, options: DialOptions, binding: Uint8Array | null, nonce: Uint8Array) {
    this.#identity = identity
    this.#options = options
    this.#binding = binding
    this.#nonce = nonce
  }

  hello(): Uint8Array {
    const { cluster, node } = this.#identity
    const out = new ByteBuffer()
    appendHello(out, { versions: LINK_VERSIONS, cluster, node, ...this.#options, nonce: this.#nonce })
    this.#hello = sentFields(out)
    return out.view()
  }

  challenge(reader: Reader): Uint8Array | LinkClose {
    const challenge = fieldsOf(reader)
    const version = reader.uint()
    const node = reader.string()
    const nonce = reader.rest()
    if (reader.failed || nonce.length !== NONCE_BYTES) return LINK_CLOSE.malformed
    if (!LINK_VERSIONS.includes(version)) return LINK_CLOSE.unsupportedVersion
    if (this.#options.expects !== '' && node !== this.#options.expects) return LINK_CLOSE.wrongNode
    this.peer = node
    this.#transcript = { hello: this.#hello, challenge, binding: this.#binding }
    const out = new ByteBuffer()
    appendProof(out, mac(this.#identity.secret, 'dialler', this.#transcript))
    return out.view()
  }

  /** What the purpose has to say, or why the link can't be. */
  welcome(reader: Reader): Uint8Array | LinkClose {
    const proof = reader.byteString()
    const details = reader.rest()
    if (reader.failed || this.#transcript === null) return LINK_CLOSE.malformed
    return isEqual(proof, mac(this.#identity.secret, 'listener', this.#transcript)) ? details : LINK_CLOSE.notAuthorized
  }
}

/** The listener's side. */
export class ListenerHandshake {
  readonly #identity: LinkIdentity
  readonly #binding: Uint8Array | null
  readonly #nonce: Uint8Array
  #transcript: Transcript | null = null
  /** What the dialler says; proved once `proof` has returned. */
  hello: LinkHello | null = null

  constructor(identity: LinkIdentity, binding: Uint8Array | null, nonce: Uint8Array) {
    this.#identity = identity
    this.#binding = binding
    this.#nonce = nonce
  }

  /** The challenge, or why the link can't be. */
  answer(reader: Reader): Uint8Array | LinkClose {
    const { cluster, node } = this.#identity
    const fields = fieldsOf(reader)
    const hello = readHello(reader)
    if (hello === null) return LINK_CLOSE.malformed
    if (hello.cluster !== cluster || (hello.expects !== '' && hello.expects !== node)) return LINK_CLOSE.wrongNode
    const version = LINK_VERSIONS.find((each) => hello.versions.includes(each))
    if (version === undefined) return LINK_CLOSE.unsupportedVersion
    this.hello = hello
    const out = new ByteBuffer()
    appendChallenge(out, version, node, this.#nonce)
    this.#transcript = { hello: fields, challenge: sentFields(out), binding: this.#binding }
    return out.view()
  }

  /** The proof for welcome, or why the link can't be. */
  proof(reader: Reader): Uint8Array | LinkClose {
    const proof = reader.rest()
    if (this.#transcript === null || proof.length !== MAC_BYTES) return LINK_CLOSE.malformed
    if (!isEqual(proof, mac(this.#identity.secret, 'dialler', this.#transcript))) return LINK_CLOSE.notAuthorized
    return mac(this.#identity.secret, 'listener', this.#transcript)
  }
}

function readHello(reader: Reader): LinkHello | null {
  const versions: number[] = []
  for (let left = reader.count(VERSIONS_MAX); left > 0; left--) versions.push(reader.uint())
  if (reader.count(4) !== 4) return null
  const [cluster, node, expects, purpose] = [reader.string(), reader.string(), reader.string(), reader.string()]
  const nonce = reader.rest()
  return reader.failed || nonce.length !== NONCE_BYTES || node === '' ? null : { versions, cluster, node, expects, purpose, nonce }
}
