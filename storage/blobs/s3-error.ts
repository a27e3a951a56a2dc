/** One place that turns what an S3 server answers into a code of ours, and words that an operator can act on. */
import { BlobError } from './blob-store.js'
import type { BlobErrorCode } from './blob-store.js'
import type { S3Place } from './s3-address.js'
import { parseS3Error } from './s3-xml.js'
import type { S3ErrorText } from './s3-xml.js'

/** What is longer is not read: an error of S3's has some hundred bytes. */
export const S3_ERROR_BYTES_MAX = 64 * 1024

export interface S3Refusal {
  readonly status: number
  /** As far as it was there and could be read; answers to HEAD have none. */
  readonly xml: string
  /** Headers of the answer by name, '' where it has none. */
  header(name: string): string
}

/** The answer as a BlobError. Its text has no address beyond the endpoint's, and what the server says only in part and without `secrets`. */
export function s3Error(refusal: S3Refusal, place: S3Place, secrets: readonly string[], nowMs: number): BlobError {
  const text = parseS3Error(refusal.xml)
  const code = codeOf(refusal.status, text)
  const advice = adviceOf(refusal, place, text, nowMs)
  const said = text === null ? '' : ` ${text.code}${text.message === '' ? '' : `: ${text.message}`}`
  const id = refusal.header('x-amz-request-id')
  const message = `${advice}${place.endpoint} answers ${refusal.status}${clean(said, secrets)}${id === '' ? '' : ` (request ${clean(id, secrets)})`}`
  return new BlobError(code, message)
}

// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html, and what other servers add.
const BY_S3_CODE: Readonly<Partial<Record<string, BlobErrorCode>>> = {
  NoSuchKey: 'not-found',
  InvalidRange: 'damaged',
  BadDigest: 'damaged',
  XAmzContentSHA256Mismatch: 'damaged',
  SlowDown: 'unavailable',
  RequestTimeout: 'unavailable',
  IncompleteBody: 'unavailable',
  OperationAborted: 'unavailable',
  TemporaryRedirect: 'unavailable',
  QuotaExceeded: 'no-space',
  XMinioStorageFull: 'no-space',
  XMinioAdminBucketQuotaExceeded: 'no-space',
  NoSuchBucket: 'denied',
  PermanentRedirect: 'denied',
  AuthorizationHeaderMalformed: 'denied',
  ExpiredToken: 'denied',
  InvalidToken: 'denied',
  TokenRefreshRequired: 'denied',
}

function codeOf(status: number, text: S3ErrorText | null): BlobErrorCode {
  const known = text === null ? undefined : BY_S3_CODE[text.code]
  if (known !== undefined) return known
  if (status === 507) return 'no-space'
  if (status === 408 || status === 429 || (status >= 500 && status !== 501)) return 'unavailable'
  if (status === 416) return 'damaged'
  // A 404 that does not say NoSuchKey may come from a wrong address, and then says nothing of objects.
  if (status === 401 || status === 403 || status === 404 || (status >= 300 && status < 400)) return 'denied'
  return 'internal'
}

function adviceOf(refusal: S3Refusal, place: S3Place, text: S3ErrorText | null, nowMs: number): string {
  const region = [refusal.header('x-amz-bucket-region'), text?.region ?? ''].find((named) => named !== '') ?? ''
  if (/^[A-Za-z0-9-]{1,64}$/.test(region) && region !== place.region) {
    return `the bucket ${place.bucket} is in the region ${region}, not ${place.region}; change region and endpoint: `
  }
  switch (text?.code) {
    case 'RequestTimeTooSkewed': return clockAdvice(Date.parse(refusal.header('date')), nowMs)
    case 'NoSuchBucket': return `there is no bucket ${place.bucket}; create it, or change its name or the endpoint: `
    case 'SignatureDoesNotMatch': return 'the secret access key is not the one of the access key: '
    case 'InvalidAccessKeyId': return 'the access key is not known there: '
    case 'ExpiredToken': case 'InvalidToken': case 'TokenRefreshRequired': return 'the session token is not valid any more: '
    case 'AccessDenied':
      return `the keys may not do this; allow s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket for the bucket ${place.bucket}: `
    default:
  }
  if (refusal.status >= 300 && refusal.status < 400) return 'the bucket is not at this endpoint: '
  return refusal.status === 404 && text === null ? 'this does not look like S3; check the endpoint: ' : ''
}

/** The server says when it answered, so it can be said by how much. */
function clockAdvice(serverMs: number, nowMs: number): string {
  if (Number.isNaN(serverMs)) return 'the clock of this machine is wrong; set it: '
  const seconds = Math.round((nowMs - serverMs) / 1000)
  return `the clock of this machine is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the server's; set it: `
}

/** What a server says, for a log: one short line, and nothing that was to stay secret, should the server repeat it. */
function clean(said: string, secrets: readonly string[]): string {
  let text = said
  for (const secret of secrets) {
    if (secret !== '') text = text.replaceAll(secret, '…')
  }
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]+/gu, ' ').slice(0, 300)
}
