/** Conditional and partial requests by RFC 9110: If-None-Match (13.1.2), If-Range (13.1.5), Range (14.2). All in pure functions. */

/** Bytes from `start` to before `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/**
 * What of `size` bytes is wanted. 'whole' also for what we may ignore: several ranges (they would let a request be worth many), other
 * units, and what has not the form. 'unsatisfiable' where the one range begins behind the end. [BLB-19]
 */
export function rangeOf(header: string | undefined, size: number): ByteRange | 'whole' | 'unsatisfiable' {
  // Numbers of more digits are none of ours, and no number any more.
  const match = /^bytes=[\t ]*(\d{0,15})-(\d{0,15})[\t ]*$/i.exec(header ?? '')
  if (match === null) return 'whole'
  const [, first = '', last = ''] = match
  if (first === '') {
    if (last === '') return 'whole'
    const length = Math.min(Number(last), size)
    return length === 0 ? 'unsatisfiable' : { start: size - length, end: size }
  }
  const start = Number(first)
  if (last !== '' && Number(last) < start) return 'whole'
  if (start >= size) return 'unsatisfiable'
  return { start, end: last === '' ? size : Math.min(Number(last) + 1, size) }
}

/** Whether the client has it already: the weak comparison, `*`, and lists. `etag` is strong, with its quotes. */
export function matchesNone(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  if (header.trim() === '*') return true
  return [...header.matchAll(/(?:W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g)].some(([, tag]) => tag === etag)
}

/** Whether a Range is to be looked at: there is no If-Range, or it names just this one. Dates are no match: nothing here has one. */
export function rangeApplies(ifRange: string | undefined, etag: string): boolean {
  return ifRange === undefined || ifRange.trim() === etag
}
