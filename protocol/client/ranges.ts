/** Sets of seqs as ranges: from, to, from, to…, both ends included, rising and never touching. Seqs come nearly in order, so few ranges. */

/** Whether `seq` is in the set. */
export function hasSeq(ranges: readonly number[], seq: number): boolean {
  for (let index = 0; index < ranges.length; index += 2) {
    if (seq < ranges[index]!) return false
    if (seq <= ranges[index + 1]!) return true
  }
  return false
}

/** The set with `seq` in it; a new array. */
export function addSeq(ranges: readonly number[], seq: number): number[] {
  const result: number[] = []
  let from = seq
  let to = seq
  let isPlaced = false
  for (let index = 0; index < ranges.length; index += 2) {
    const start = ranges[index]!
    const end = ranges[index + 1]!
    if (end + 1 < from) {
      result.push(start, end)
    } else if (start - 1 > to) {
      if (!isPlaced) result.push(from, to)
      isPlaced = true
      result.push(start, end)
    } else {
      from = Math.min(from, start)
      to = Math.max(to, end)
    }
  }
  if (!isPlaced) result.push(from, to)
  return result
}

/** The set without `seq` and all that lies below; a new array. */
export function dropUpTo(ranges: readonly number[], seq: number): number[] {
  const result: number[] = []
  for (let index = 0; index < ranges.length; index += 2) {
    const end = ranges[index + 1]!
    if (end > seq) result.push(Math.max(ranges[index]!, seq + 1), end)
  }
  return result
}
