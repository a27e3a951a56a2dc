/**
 * What both sides of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS share (RFC 5802, RFC 7677). The two state machines are in scram-client.ts
 * and scram-server.ts; they do no I/O, and cryptography is passed in, so that node:crypto and WebCrypto can both serve.
 */
import { LIMIT } from './generated/registry.js'
import { preparePassword } from './password.js'
import { encodeText } from './utf8.js'

/** The cryptography SCRAM needs. Inputs are not changed; results are the caller's. */
export interface ScramCrypto {
  /** From a CSPRNG. */
  randomBytes(size: number): Uint8Array
  sha256(data: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** HMAC-SHA-256. */
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** PBKDF2 with HMAC-SHA-256, 32 bytes. */
  pbkdf2(password: Uint8Array, salt: Uint8Array, iterations: number): Uint8Array | Promise<Uint8Array>
}

/** What a server stores instead of a password (RFC 5802, section 3). */
export interface ScramVerifier {
  readonly salt: Uint8Array
  readonly iterations: number
  /** H(ClientKey), 32 bytes. */
  readonly storedKey: Uint8Array
  /** 32 bytes. */
  readonly serverKey: Uint8Array
}

/** Bytes of every salt; one size for all, so that the one shown for an unknown user gives nothing away. [OPN-13] */
export const SCRAM_SALT_BYTES = 16

/** The one channel-binding type (RFC 9266). [SCR-2] */
export const CHANNEL_BINDING_TYPE = 'tls-exporter'

/** Random bytes in a nonce: 18 make 24 letters of base64 and no padding. */
export const NONCE_BYTES = 18

/**
 * The verifier of a password, which is prepared here [ADR-6]. Throws a RangeError for a password that preparation refuses, and for
 * iterations outside 4096 to 10,000,000 [SCR-5].
 */
export async function deriveVerifier(
  password: string, salt: Uint8Array, iterations: number, crypto: ScramCrypto,
): Promise<ScramVerifier> {
  const prepared = preparePassword(password)
  if (prepared === null) throw new RangeError('the password is empty, too long or has a control character')
  if (!isIterationCount(iterations)) throw new RangeError(`not a number of iterations: ${iterations}`)
  const saltedPassword = await crypto.pbkdf2(encodeText(prepared), salt, iterations)
  const clientKey = await crypto.hmac(saltedPassword, encodeText('Client Key'))
  return {
    salt,
    iterations,
    storedKey: await crypto.sha256(clientKey),
    serverKey: await crypto.hmac(saltedPassword, encodeText('Server Key')),
  }
}

/**
 * What an unknown user is asked with, so that nobody learns who exists: always the same for the same name and secret, and no proof
 * fits it. `name` is the normalised user where there is one. [OPN-13]
 */
export async function deriveFakeVerifier(
  name: string, secret: Uint8Array, iterations: number, crypto: ScramCrypto,
): Promise<ScramVerifier> {
  const salt = await crypto.hmac(secret, encodeText(`salt ${name}`))
  return {
    salt: salt.slice(0, SCRAM_SALT_BYTES),
    iterations,
    storedKey: await crypto.hmac(secret, encodeText(`stored key ${name}`)),
    serverKey: await crypto.hmac(secret, encodeText(`server key ${name}`)),
  }
}

/** [SCR-5] */
export function isIterationCount(iterations: number): boolean {
  return Number.isInteger(iterations) && iterations >= LIMIT.scramIterationsMin && iterations <= LIMIT.scramIterationsMax
}

/** Compares secrets in a time that depends on their length alone. */
export function equalInConstantTime(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false
  let difference = 0
  for (let index = 0; index < left.length; index++) difference |= left[index]! ^ right[index]!
  return difference === 0
}

/** left XOR right, both of the same length, in new memory. */
export function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  const result = new Uint8Array(left.length)
  for (let index = 0; index < left.length; index++) result[index] = left[index]! ^ right[index]!
  return result
}

/** A saslname (RFC 5802, section 5.1): `,` and `=` are escaped. */
export function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

/** The name behind a saslname; null if it is empty or has another escape than =2C and =3D. */
export function unescapeName(text: string): string | null {
  if (text === '' || /=(?!2C|3D)/.test(text)) return null
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** Printable ASCII but for the comma (RFC 5802, section 7). */
export function isNonce(text: string): boolean {
  return /^[\x21-\x2b\x2d-\x7e]+$/.test(text)
}

/** The value of `key=value`; null if the attribute is missing or another. */
export function attributeValue(attribute: string | undefined, key: string): string | null {
  return attribute?.startsWith(`${key}=`) === true ? attribute.slice(key.length + 1) : null
}
