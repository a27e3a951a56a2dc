/** The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), from the spec alone: what a client under test authenticates to. */
import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto'
import { WireFault } from './decode.js'

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

/** What a server keeps of a password (RFC 5802, section 3), in hexadecimal. */
export function verifierOf(password: string, salt: Uint8Array, iterations: number): { readonly storedKey: string; readonly serverKey: string } {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  return {
    storedKey: createHash('sha256').update(hmac(salted, 'Client Key')).digest('hex'),
    serverKey: hmac(salted, 'Server Key').toString('hex'),
  }
}

/** What the exchange goes by; the parts of a case may change each of it. */
export interface ScramOptions {
  readonly user: string
  readonly password: string
  readonly salt: Uint8Array
  readonly iterations: number
  /** What is put behind the client's nonce. */
  readonly nonce: string
  /** Of the TLS below; null: there is none. */
  readonly exporter: Uint8Array | null
  readonly isPlusOffered: boolean
}

/** One exchange. Each method throws a WireFault where the client breaks a requirement. */
export class ScramExchange {
  readonly #options: ScramOptions
  #clientFirst = ''
  #serverFirst = ''
  /** The client's nonce. */
  clientNonce = ''
  /** The client's gs2 flag: n, y or p. */
  flag = ''
  #gs2 = ''

  constructor(options: ScramOptions) {
    this.#options = options
  }

  /** Takes `auth.data`, returns `challenge.data`. `isPlus`: the mechanism is that with channel binding. */
  challenge(data: string, isPlus: boolean): string {
    const text = Buffer.from(data, 'hex').toString('utf8')
    const parts = /^([npy])(=[^,]*)?,([^,]*),(n=([^,]*),r=([!-+\--~]+))$/.exec(text)
    if (parts === null) throw new WireFault('SCR-1', `client-first is ${JSON.stringify(text)}`)
    const [, flag = '', binding = '', authorization = '', bare = '', user = '', nonce = ''] = parts
    this.flag = flag
    this.#gs2 = text.slice(0, text.length - bare.length)
    this.#checkFlag(binding, isPlus)
    if (authorization !== '' && authorization !== `a=${this.#options.user}`) throw new WireFault('SCR-6', `the authorization identity is ${authorization}`)
    if (user !== this.#options.user) throw new WireFault('SCR-1', `the user name is ${JSON.stringify(user)}, not ${JSON.stringify(this.#options.user)}`)
    if (nonce.length < 24) throw new WireFault('SCR-1', `the nonce ${nonce} is shorter than 18 bytes in base64`)
    this.clientNonce = nonce
    this.#clientFirst = bare
    const { salt, iterations } = this.#options
    this.#serverFirst = `r=${nonce}${this.#options.nonce},s=${Buffer.from(salt).toString('base64')},i=${String(iterations)}`
    return Buffer.from(this.#serverFirst).toString('hex')
  }

  #checkFlag(binding: string, isPlus: boolean): void {
    const { exporter, isPlusOffered } = this.#options
    if (isPlus) {
      if (this.flag !== 'p' || binding !== '=tls-exporter') throw new WireFault('SCR-2', `the gs2 flag is ${this.flag}${binding} with channel binding`)
    } else if (this.flag === 'p') throw new WireFault('SCR-2', 'the gs2 flag is p without channel binding')
    else if (this.flag === 'y' && exporter === null) throw new WireFault('SCR-3', 'the gs2 flag is y on a transport that has no channel binding')
    else if (this.flag === 'y' && isPlusOffered) throw new WireFault('SCR-3', 'the gs2 flag is y, and SCRAM-SHA-256-PLUS was offered')
  }

  /** Takes `response.data`, returns `authenticated.data`. */
  final(data: string): string {
    const text = Buffer.from(data, 'hex').toString('utf8')
    const { salt, iterations, nonce, password } = this.#options
    const parts = /^(c=([^,]*),r=([^,]*)),p=([^,]*)$/.exec(text)
    if (parts === null) throw new WireFault('SCR-1', `client-final is ${JSON.stringify(text)}`)
    const [, bare = '', binding = '', wholeNonce = '', proofText = ''] = parts
    const bound = Buffer.concat([Buffer.from(this.#gs2), this.flag === 'p' ? this.#options.exporter ?? Buffer.alloc(0) : Buffer.alloc(0)])
    if (!Buffer.from(binding, 'base64').equals(bound)) throw new WireFault(this.flag === 'p' ? 'SCR-2' : 'SCR-1', `the channel binding is ${binding}, not ${bound.toString('base64')}`)
    if (wholeNonce !== `${this.clientNonce}${nonce}`) throw new WireFault('SCR-1', 'the nonce of client-final is another')
    const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
    const message = `${this.#clientFirst},${this.#serverFirst},${bare}`
    const storedKey = createHash('sha256').update(hmac(salted, 'Client Key')).digest()
    const signature = hmac(storedKey, message)
    const proof = Buffer.from(proofText, 'base64')
    if (proof.length !== 32) throw new WireFault('SCR-1', 'the proof is not 32 bytes')
    const clientKey = proof.map((byte, place) => byte ^ signature[place]!)
    if (!timingSafeEqual(createHash('sha256').update(clientKey).digest(), storedKey)) throw new WireFault('SCR-1', 'the proof is wrong')
    return Buffer.from(`v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`).toString('hex')
  }
}
