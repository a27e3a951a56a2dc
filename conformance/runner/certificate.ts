/** Certificates of the scripted server (X.509 v3, RFC 5280; EC P-256), right ones and wrong ones: made for each case, kept nowhere. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

export interface Certificate {
  /** Of the certificate and of its private key, in PEM. */
  readonly certificate: string
  readonly key: string
}

/** What a server may show. `right`: what the client was told to trust, for the name that it was told. */
export type Shown = 'right' | 'other-name' | 'other-issuer' | 'expired'

const dayMs = 86_400_000

/** Tag, length, content. */
function der(tag: number, ...content: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(content)
  if (body.length < 0x80) return Buffer.concat([Buffer.from([tag, body.length]), body])
  const size = body.length < 0x100 ? [0x81, body.length] : [0x82, body.length >> 8, body.length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), body])
}

const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts)
const id = (hex: string): Buffer => der(0x06, Buffer.from(hex, 'hex'))
const integer = (bytes: Uint8Array): Buffer => der(0x02, bytes)
const octets = (...content: readonly Uint8Array[]): Buffer => der(0x04, ...content)
/** UTCTime: YYMMDDHHMMSSZ. */
const utcTime = (ms: number): Buffer => der(0x17, Buffer.from(new Date(ms).toISOString().replaceAll(/[-:T]|\.\d+/g, '').slice(2)))
const pem = (what: string, bytes: Buffer): string => `-----BEGIN ${what}-----\n${bytes.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd()}\n-----END ${what}-----\n`

/** dNSName or iPAddress of a subjectAltName. */
function alternative(host: string): Buffer {
  switch (isIP(host)) {
    case 4: return der(0x87, Buffer.from(host.split('.').map(Number)))
    case 6: return der(0x87, ipv6Bytes(host))
    default: return der(0x82, Buffer.from(host, 'ascii'))
  }
}

function ipv6Bytes(host: string): Buffer {
  const [before = [], after = []] = host.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - before.length - after.length).fill('0')
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex')
}

/** Signed by itself: whoever trusts it as an authority trusts it as that of these hosts. */
function certificateFor(hosts: readonly string[], isExpired = false): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const ecdsaWithSha256 = sequence(id('2a8648ce3d040302'))
  const name = sequence(der(0x31, sequence(id('550403'), der(0x0c, Buffer.from(`conformance test ${randomBytes(4).toString('hex')}`)))))
  const now = Date.now()
  const signed = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    ecdsaWithSha256,
    name,
    sequence(utcTime(now - 2 * dayMs), utcTime(isExpired ? now - dayMs : now + dayMs)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(
      sequence(id('551d11'), octets(sequence(...hosts.map(alternative)))), // subjectAltName
      sequence(id('551d25'), octets(sequence(id('2b06010505070301')))), // extKeyUsage: serverAuth
    )),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', signed, privateKey))
  return { certificate: pem('CERTIFICATE', sequence(signed, ecdsaWithSha256, signature)), key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

/** What the server shows, and what the client is told to trust. */
export function certificatesOf(shown: Shown, host: string): { readonly shown: Certificate; readonly trusted: string } {
  const certificate = certificateFor(shown === 'other-name' ? ['chat.invalid'] : [host, 'localhost'], shown === 'expired')
  return { shown: certificate, trusted: shown === 'other-issuer' ? certificateFor([host, 'localhost']).certificate : certificate.certificate }
}
