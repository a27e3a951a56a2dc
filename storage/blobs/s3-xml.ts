/**
 * The two documents of S3 that we read. `ltx` parses them, as everywhere in chatd, rather than a pattern of our own: servers differ in
 * order, namespaces and escapes. Their length is bounded before they come here.
 */
import { parse } from 'ltx'
import type { Element } from 'ltx'

/** How long a list of 1,000 keys of 1,024 bytes, all escaped, may be; no answer is read beyond it. */
export const S3_XML_BYTES_MAX = 4 * 1024 * 1024

export interface S3ErrorText {
  readonly code: string
  readonly message: string
  /** Where the bucket is, in answers that say it is not here. */
  readonly region: string
}

/** What an error says; null where it is none of S3's, such as the page of a proxy. */
export function parseS3Error(xml: string): S3ErrorText | null {
  const root = parseRoot(xml, 'Error')
  const code = root?.getChildText('Code') ?? ''
  if (root === null || code === '') return null
  return { code, message: root.getChildText('Message') ?? '', region: root.getChildText('Region') ?? '' }
}

export interface S3ListPage {
  readonly objects: readonly { key: string, size: number, modifiedMs: number }[]
  /** What to ask for the next page with; null: this was the last. */
  readonly next: string | null
}

/** A page of ListObjectsV2 with `encoding-type=url`; null where it is none. Objects that can't be ours, by key, size or time, are left out. */
export function parseS3List(xml: string): S3ListPage | null {
  const root = parseRoot(xml, 'ListBucketResult')
  if (root === null) return null
  const objects: { key: string, size: number, modifiedMs: number }[] = []
  for (const entry of root.getChildren('Contents')) {
    const key = decodeKey(entry.getChildText('Key') ?? '')
    const size = entry.getChildText('Size') ?? ''
    const modifiedMs = Date.parse(entry.getChildText('LastModified') ?? '')
    if (key !== null && /^\d{1,15}$/.test(size) && !Number.isNaN(modifiedMs)) objects.push({ key, size: Number(size), modifiedMs })
  }
  if (root.getChildText('IsTruncated') !== 'true') return { objects, next: null }
  const next = root.getChildText('NextContinuationToken') ?? ''
  return next === '' ? null : { objects, next }
}

function parseRoot(xml: string, name: string): Element | null {
  try {
    const root = parse(xml)
    return root.getName() === name ? root : null
  } catch {
    return null
  }
}

/** A server that leaves the encoding out gives our keys unchanged: nothing in them needs it. */
function decodeKey(key: string): string | null {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '))
  } catch {
    return null
  }
}
