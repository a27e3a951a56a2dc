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
}

/** One exchange. Each method throws a WireFault where the client breaks a requirement. */
export class ScramExchange {
  readonly #options: ScramOptions
  #clientFirst = ''
  #serverFirst = ''
  /** The client's nonce. */
  clientNonce = ''

  constructor(options: ScramOptions) {
    this.#options = options
  }

  /** Takes `auth.data`, returns `challenge.data`. */
  challenge(data: string): string {
    const text = Buffer.from(data, 'hex').toString('utf8')
    const parts = /^([npy])(=[^,]*)?,([^,]*),(n=([^,]*),r=([!-+\--~]+))$/.exec(text)
    if (parts === null) throw new WireFault('SCR-1', `client-first is ${JSON.stringify(text)}`)
    const [, flag = '', , authorization = '', bare = '', user = '', nonce = ''] = parts
    if (flag !== 'n') throw new WireFault('SCR-3', `the gs2 flag is ${flag} on a transport that has no channel binding`)
    if (authorization !== '' && authorization !== `a=${this.#options.user}`) throw new WireFault('SCR-6', `the authorization identity is ${authorization}`)
    if (user !== this.#options.user) throw new WireFault('SCR-1', `the user name is ${JSON.stringify(user)}, not ${JSON.stringify(this.#options.user)}`)
    if (nonce.length < 24) throw new WireFault('SCR-1', `the nonce ${nonce} is shorter than 18 bytes in base64`)
    this.clientNonce = nonce
    this.#clientFirst = bare
    const { salt, iterations } = this.#options
    this.#serverFirst = `r=${nonce}${this.#options.nonce},s=${Buffer.from(salt).toString('base64')},i=${String(iterations)}`
    return Buffer.from(this.#serverFirst).toString('hex')
  }

  /** Takes `response.data`, returns `authenticated.data`. */
  final(data: string): string {
    const text = Buffer.from(data, 'hex').toString('utf8')
    const { salt, iterations, nonce, password } = this.#options
    const parts = /^(c=([^,]*),r=([^,]*)),p=([^,]*)$/.exec(text)
    if (parts === null) throw new WireFault('SCR-1', `client-final is ${JSON.stringify(text)}`)
    const [, bare = '', binding = '', wholeNonce = '', proofText = ''] = parts
    if (Buffer.from(binding, 'base64').toString() !== 'n,,' && !Buffer.from(binding, 'base64').toString().startsWith('n,a=')) {
      throw new WireFault('SCR-1', `the channel binding is ${binding}`)
    }
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
