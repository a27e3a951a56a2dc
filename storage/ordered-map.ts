/** A map from bytes to bytes in the order of the keys: sorted leaves of bounded size, so that an insert moves little. */
import type { Entry, ReadRange } from './engine.js'

const LEAF_MAX = 256

export class OrderedMap {
  /** Never empty; every leaf but the first has entries; all sorted. */
  #leaves: Entry[][] = [[]]
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Shares keys and values, which nobody may change. */
  copy(): OrderedMap {
    const copy = new OrderedMap()
    copy.#leaves = this.#leaves.map((leaf) => leaf.slice())
    copy.#size = this.#size
    return copy
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const leaf = this.#leafOf(this.#leafIndex(key))
    const found = leaf[lowerBound(leaf, key)]
    return found !== undefined && Buffer.compare(found[0], key) === 0 ? found[1] : undefined
  }

  set(key: Uint8Array, value: Uint8Array): void {
    const at = this.#leafIndex(key)
    const leaf = this.#leafOf(at)
    const index = lowerBound(leaf, key)
    const found = leaf[index]
    if (found !== undefined && Buffer.compare(found[0], key) === 0) {
      leaf[index] = [found[0], value]
      return
    }
    leaf.splice(index, 0, [key, value])
    this.#size++
    if (leaf.length > LEAF_MAX) this.#leaves.splice(at + 1, 0, leaf.splice(LEAF_MAX >>> 1))
  }

  delete(key: Uint8Array): void {
    const at = this.#leafIndex(key)
    const leaf = this.#leafOf(at)
    const index = lowerBound(leaf, key)
    const found = leaf[index]
    if (found === undefined || Buffer.compare(found[0], key) !== 0) return
    leaf.splice(index, 1)
    this.#size--
    if (leaf.length === 0 && this.#leaves.length > 1) this.#leaves.splice(at, 1)
  }

  range(options: ReadRange): Entry[] {
    const page: Entry[] = []
    if (options.limit <= 0 || Buffer.compare(options.gte, options.lt) >= 0) return page
    const bytesMax = options.bytesMax ?? Infinity
    let bytes = 0
    for (const entry of options.reverse === true ? this.#backward(options) : this.#forward(options)) {
      page.push(entry)
      bytes += entry[0].length + entry[1].length
      if (page.length >= options.limit || bytes >= bytesMax) break
    }
    return page
  }

  * #forward({ gte, lt }: ReadRange): Generator<Entry> {
    let at = this.#leafIndex(gte)
    let index = lowerBound(this.#leafOf(at), gte)
    for (; at < this.#leaves.length; at++, index = 0) {
      const leaf = this.#leafOf(at)
      for (; index < leaf.length; index++) {
        const entry = leaf[index]
        if (entry === undefined || Buffer.compare(entry[0], lt) >= 0) return
        yield entry
      }
    }
  }

  * #backward({ gte, lt }: ReadRange): Generator<Entry> {
    let at = this.#leafIndex(lt)
    let index = lowerBound(this.#leafOf(at), lt) - 1
    while (at >= 0) {
      const leaf = this.#leafOf(at)
      for (; index >= 0; index--) {
        const entry = leaf[index]
        if (entry === undefined || Buffer.compare(entry[0], gte) < 0) return
        yield entry
      }
      at--
      index = at >= 0 ? this.#leafOf(at).length - 1 : -1
    }
  }

  /** The last leaf that begins at or before the key. */
  #leafIndex(key: Uint8Array): number {
    let low = 0
    let high = this.#leaves.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      const first = this.#leafOf(middle)[0]
      if (first !== undefined && Buffer.compare(first[0], key) <= 0) low = middle
      else high = middle - 1
    }
    return low
  }

  #leafOf(index: number): Entry[] {
    const leaf = this.#leaves[index]
    if (leaf === undefined) throw new RangeError('no such leaf')
    return leaf
  }
}

/** Index of the first entry at or behind the key. */
function lowerBound(leaf: readonly Entry[], key: Uint8Array): number {
  let low = 0
  let high = leaf.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const entry = leaf[middle]
    if (entry !== undefined && Buffer.compare(entry[0], key) < 0) low = middle + 1
    else high = middle
  }
  return low
}
