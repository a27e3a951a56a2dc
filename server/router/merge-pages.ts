/** Pages of several shards, each in the order of names, as one. */
export function mergeByName<T>(pages: readonly { readonly items: readonly T[], readonly more: boolean }[], limit: number, nameOf: (item: T) => string): { items: T[], more: boolean } {
  const all = pages.flatMap(({ items }) => items).sort((one, other) => (nameOf(one) < nameOf(other) ? -1 : 1))
  // Behind the last of a page that is cut off something may be missing.
  const ends = pages.flatMap(({ items, more }) => {
    const last = items.at(-1)
    return more && last !== undefined ? [nameOf(last)] : []
  }).sort()
  const [end] = ends
  const known = end === undefined ? all : all.filter((item) => nameOf(item) <= end)
  return { items: known.slice(0, limit), more: ends.length > 0 || known.length > limit }
}
