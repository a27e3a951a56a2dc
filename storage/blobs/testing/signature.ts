/**
 * Checks signatures as S3 does, from the description of Signature Version 4 and with nothing of the signer's:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac } from 'node:crypto'

export interface SignedRequest {
  readonly method: string
  /** As it stands in the request line. */
  readonly target: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

const AUTHORIZATION = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/

/** Whose key and which region the request names, and the signature that it should have with this secret; null if it has none. */
export function signatureOf(request: SignedRequest, secret: string): { accessKeyId: string, region: string, given: string, right: string } | null {
  const header = (name: string): string => String(request.headers[name] ?? '').trim().replace(/ +/g, ' ')
  const parts = AUTHORIZATION.exec(header('authorization'))
  if (parts === null) return null
  const [, accessKeyId = '', date = '', region = '', signedHeaders = '', given = ''] = parts
  const [path = '', query = ''] = request.target.split('?')
  const canonical = [
    request.method,
    path,
    query.split('&').filter((pair) => pair !== '').map(canonicalPair).sort().join('&'),
    ...signedHeaders.split(';').map((name) => `${name}:${header(name)}`),
    '',
    signedHeaders,
    header('x-amz-content-sha256'),
  ].join('\n')
  const scope = `${date}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', header('x-amz-date'), scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const key = [date, region, 's3', 'aws4_request'].reduce<Buffer>((derived, part) => hmac(derived, part), Buffer.from(`AWS4${secret}`))
  return { accessKeyId, region, given, right: hmac(key, text).toString('hex') }
}

function canonicalPair(pair: string): string {
  const [name = '', value = ''] = pair.split('=', 2).map((part) => escape(decodeURIComponent(part.replaceAll('+', ' '))))
  return `${name}=${value}`
}

function escape(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
