/** Labels are for people: a longer one is cut, between characters, not refused. */
export function shorten(label: string, bytesMax: number): string {
  if (Buffer.byteLength(label) <= bytesMax) return label
  let cut = label.slice(0, bytesMax)
  while (Buffer.byteLength(cut) > bytesMax) cut = cut.slice(0, -1)
  // Not within a surrogate pair.
  return /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut
}
