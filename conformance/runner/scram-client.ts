/** The client's side of SCRAM-SHA-256 and -PLUS (RFC 5802, RFC 7677, RFC 9266), from the spec alone. */
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'
import { WireFault } from './decode.js'
import type { ScramChange } from './server-case.js'

const derive = promisify(pbkdf2)
/** Many accounts of a run have one password and one salt. */
const derived = new Map<string, Promise<Buffer>>()

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function hash(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest()
}

function salted(password: string, salt: Buffer, iterations: number): Promise<Buffer> {
  const key = JSON.stringify([password, salt.toString('hex'), iterations])
  const found = derived.get(key) ?? derive(password, salt, iterations, 32, 'sha256')
  derived.set(key, found)
  return found
}

export interface Verifier {
  readonly salt: Buffer
  readonly iterations: number
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** What a server keeps of a password. */
export async function verifierOf(password: string, salt: Buffer, iterations: number): Promise<Verifier> {
  const key = await salted(password, salt, iterations)
  return { salt, iterations, storedKey: hash(hmac(key, 'Client Key')), serverKey: hmac(key, 'Server Key') }
}

export class ScramClient {
  readonly nonce = randomBytes(18).toString('base64')
  readonly first: string
  readonly #password: string
  readonly #gs2: string
  readonly #channelBinding: Buffer
  readonly #change: ScramChange
  readonly #bare: string
  #message = ''
  #serverKey: Buffer | null = null

  /** `channelBinding`: with -PLUS. */
  constructor(user: string, password: string, channelBinding: Buffer | null, change: ScramChange) {
    this.#password = change.password ?? password
    this.#gs2 = change.gs2 ?? (channelBinding === null ? 'n,,' : 'p=tls-exporter,,')
    this.#channelBinding = channelBinding ?? Buffer.alloc(0)
    this.#change = change
    this.#bare = `n=${change.name ?? user},r=${this.nonce}`
    this.first = change.first?.replaceAll('$clientNonce', this.nonce) ?? `${this.#gs2}${this.#bare}`
  }

  /** Takes server-first, returns client-final. Throws a WireFault where the server breaks a rule. */
  async final(serverFirst: string): Promise<string> {
    const parts = /^r=([^,]*),s=([A-Za-z0-9+/]+=*),i=([0-9]+)$/.exec(serverFirst)
    if (parts === null) throw new WireFault('SCR-1', `server-first is ${JSON.stringify(serverFirst)}`)
    const [, nonce = '', salt = '', iterations = ''] = parts
    if (!nonce.startsWith(this.nonce) || nonce.length < this.nonce.length + 24) throw new WireFault('SCR-1', `the nonce of server-first is ${nonce}`)
    const key = await salted(this.#password, Buffer.from(salt, 'base64'), Number(iterations))
    const binding = this.#change.binding ?? Buffer.concat([Buffer.from(this.#gs2), this.#channelBinding]).toString('base64')
    const bare = `c=${binding},r=${nonce}${this.#change.nonce ?? ''}`
    this.#message = `${this.#bare},${serverFirst},${bare}`
    const clientKey = hmac(key, 'Client Key')
    const signature = hmac(hash(clientKey), this.#message)
    this.#serverKey = hmac(key, 'Server Key')
    const proof = Buffer.from(clientKey.map((byte, place) => byte ^ signature[place]!)).toString('base64')
    return `${bare},p=${this.#change.proof ?? proof}`
  }

  /** Takes server-final. Throws a WireFault where it proves nothing. [SCR-4] */
  verify(serverFinal: string): void {
    const wanted = `v=${hmac(this.#serverKey ?? Buffer.alloc(0), this.#message).toString('base64')}`
    if (serverFinal !== wanted) throw new WireFault('SCR-1', `server-final is ${JSON.stringify(serverFinal)}, not the signature of the exchange`)
  }
}
