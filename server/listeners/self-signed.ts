/**
 * A self-signed certificate (EC P-256, X.509 v3, RFC 5280), for trying TLS and for tests. It is written in DER by hand: forty lines,
 * where a library would bring a dozen packages.
 */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { isIP } from 'node:net'

const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OID = 0x06
const UTF8_STRING = 0x0c
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18
const SEQUENCE = 0x30
const SET = 0x31
/** Context-specific: version and extensions of the certificate; dNSName and iPAddress of a subjectAltName. */
const VERSION = 0xa0
const EXTENSIONS = 0xa3
const DNS_NAME = 0x82
const IP_ADDRESS = 0x87

const TRUE = Buffer.from([0x01, 0x01, 0xff])
/** Clocks of clients may run behind by this much. */
const BACKDATED_MS = 300_000
const DAY_MS = 86_400_000

/** Certificate and key in PEM for these DNS names and IP addresses, valid from now for `days`. */
export function selfSigned(hosts: readonly string[], days: number, nowMs: number): { certificate: string, key: string } {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const algorithm = der(SEQUENCE, oid('2a8648ce3d040302')) // ecdsa-with-SHA256
  const name = der(SEQUENCE, der(SET, der(SEQUENCE, oid('550403'), der(UTF8_STRING, Buffer.from(hosts[0] ?? 'chatd'))))) // commonName
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40 // positive, and no leading zero
  const body = der(
    SEQUENCE,
    der(VERSION, der(INTEGER, Buffer.from([2]))),
    der(INTEGER, serial),
    algorithm,
    name,
    der(SEQUENCE, time(nowMs - BACKDATED_MS), time(nowMs + days * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(EXTENSIONS, der(
      SEQUENCE,
      extension('551d13', true, der(SEQUENCE)), // basicConstraints: no CA
      extension('551d0f', true, Buffer.from([BIT_STRING, 2, 7, 0x80])), // keyUsage: digitalSignature
      // extKeyUsage: serverAuth, and clientAuth, for a node of a cluster shows it to the node that it dials
      extension('551d25', false, der(SEQUENCE, oid('2b06010505070301'), oid('2b06010505070302'))),
      extension('551d11', false, der(SEQUENCE, ...hosts.map(alternativeName))), // subjectAltName
    )),
  )
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', body, privateKey))
  return {
    certificate: pem('CERTIFICATE', der(SEQUENCE, body, algorithm, signature)),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const size = content.length
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff]
  return Buffer.concat([Buffer.from([tag, ...length]), content])
}

/** An object identifier from its encoded arcs in hexadecimal. */
function oid(hex: string): Buffer {
  return der(OID, Buffer.from(hex, 'hex'))
}

function extension(id: string, isCritical: boolean, value: Buffer): Buffer {
  return der(SEQUENCE, oid(id), ...isCritical ? [TRUE] : [], der(OCTET_STRING, value))
}

/** UTCTime up to 2049, then GeneralizedTime (RFC 5280, 4.1.2.5). */
function time(ms: number): Buffer {
  const text = `${new Date(ms).toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}Z`
  return text < '2050' ? der(UTC_TIME, Buffer.from(text.slice(2))) : der(GENERALIZED_TIME, Buffer.from(text))
}

function alternativeName(host: string): Buffer {
  switch (isIP(host)) {
    case 4: return der(IP_ADDRESS, Buffer.from(host.split('.').map(Number)))
    case 6: return der(IP_ADDRESS, ipv6Bytes(host))
    default: return der(DNS_NAME, Buffer.from(host, 'ascii'))
  }
}

function ipv6Bytes(host: string): Buffer {
  // URL spells an address in groups without an embedded IPv4 part.
  const [head = '', tail] = new URL(`http://[${host}]`).hostname.slice(1, -1).split('::')
  const groups = (text: string): string[] => text === '' ? [] : text.split(':')
  const before = groups(head)
  const after = tail === undefined ? [] : groups(tail)
  const all = [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after]
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex')
}

function pem(label: string, bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
