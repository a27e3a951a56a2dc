/**
 * Metadata of AVIF and HEIC. Offsets into the file stand all over such a file, so nothing is moved: the bytes of EXIF and XMP items become
 * zeros, their items get a type that no reader looks for, and boxes that hold no picture become free space.
 *
 * Boxes: ISO/IEC 14496-12; items of a picture: ISO/IEC 23008-12.
 */

interface Box {
  readonly type: string
  readonly start: number
  /** Of the content, behind size and type. */
  readonly content: number
  readonly end: number
}

const KEPT_BOXES: ReadonlySet<string> = new Set(['ftyp', 'meta', 'mdat', 'moov'])
/** Types of items that describe a picture in words. */
const DESCRIBING_ITEMS: ReadonlySet<string> = new Set(['Exif', 'mime', 'uri '])
/** Much more than a picture of tiles has. Extents can be written in no bytes at all, so that their list's length is no bound. */
const ITEMS_MAX = 10_000
const EXTENTS_MAX = 20_000

/** Throws a TypeError on what has not this form. */
export function stripIsoMedia(picture: Buffer): Buffer {
  const cleaned = Buffer.from(picture)
  try {
    for (const box of boxes(cleaned, 0, cleaned.length)) {
      if (box.type === 'meta') cleanItems(cleaned, box)
      else if (box.type === 'moov') cleanMovie(cleaned, box)
      else if (!KEPT_BOXES.has(box.type)) free(cleaned, box)
    }
  } catch (cause) {
    if (cause instanceof RangeError) throw new TypeError('the picture ends early', { cause })
    throw cause
  }
  return cleaned
}

function* boxes(file: Buffer, from: number, to: number): Generator<Box> {
  for (let start = from; start + 8 <= to;) {
    const short = file.readUInt32BE(start)
    const content = start + (short === 1 ? 16 : 8)
    const size = short === 0 ? to - start : short === 1 ? Number(file.readBigUInt64BE(start + 8)) : short
    const end = start + size
    if (end < content || end > to) throw new TypeError('a box is longer than what holds it')
    yield { type: file.toString('latin1', start + 4, start + 8), start, content, end }
    start = end
  }
}

/** The container turns into free space, which readers pass over. */
function free(file: Buffer, box: Box): void {
  file.write('free', box.start + 4, 'latin1')
  file.fill(0, box.content, box.end)
}

/** An image sequence may describe itself at two depths. */
function cleanMovie(file: Buffer, movie: Box): void {
  for (const box of boxes(file, movie.content, movie.end)) {
    if (box.type === 'udta' || box.type === 'meta' || box.type === 'uuid') free(file, box)
    else if (box.type === 'trak') cleanMovie(file, box)
  }
}

function cleanItems(file: Buffer, meta: Box): void {
  let describing = new Set<number>()
  let locations: Box | null = null
  let data: Box | null = null
  for (const box of boxes(file, meta.content + 4, meta.end)) { // version and flags come first
    if (box.type === 'iinf') describing = renameItems(file, box)
    else if (box.type === 'iloc') locations = box
    else if (box.type === 'idat') data = box
    else if (box.type === 'udta' || box.type === 'uuid' || box.type === 'xml ') free(file, box)
  }
  if (describing.size === 0) return
  if (locations === null) throw new TypeError('an item has no place')
  let left = file.length
  for (const { item, start, end } of extents(file, locations, data)) {
    if (!describing.has(item)) continue
    left -= end - start
    if (left < 0) throw new TypeError('items lie upon each other')
    file.fill(0, start, end)
  }
}

/** Finds the items that describe, and gives them a type of no meaning. */
function renameItems(file: Buffer, information: Box): Set<number> {
  const found = new Set<number>()
  const first = information.content + (file[information.content] === 0 ? 6 : 8) // version and flags, and a count of 2 or 4 bytes
  for (const entry of boxes(file, first, information.end)) {
    const version = file[entry.content]!
    if (entry.type !== 'infe' || version < 2) continue
    const item = version === 2 ? file.readUInt16BE(entry.content + 4) : file.readUInt32BE(entry.content + 4)
    const typeAt = entry.content + (version === 2 ? 8 : 10)
    if (!DESCRIBING_ITEMS.has(file.toString('latin1', typeAt, typeAt + 4))) continue
    file.write('none', typeAt, 'latin1')
    found.add(item)
  }
  return found
}

interface Extent {
  readonly item: number
  readonly start: number
  readonly end: number
}

/** Where items lie in the file. */
function* extents(file: Buffer, locations: Box, data: Box | null): Generator<Extent> {
  const reader = new FieldReader(file, locations.content, locations.end)
  const version = reader.number(1)
  reader.number(3)
  const sizes = reader.number(1)
  const moreSizes = reader.number(1)
  const count = reader.number(version < 2 ? 2 : 4)
  if (count > ITEMS_MAX) throw new TypeError('there are too many items')
  let extentsLeft = EXTENTS_MAX
  for (let n = 0; n < count; n++) {
    const item = reader.number(version < 2 ? 2 : 4)
    const method = version === 0 ? 0 : reader.number(2) & 15
    reader.number(2) // another file's, which a picture in one file has not
    const base = reader.number(moreSizes >> 4)
    const extentCount = reader.number(2)
    extentsLeft -= extentCount
    if (extentsLeft < 0) throw new TypeError('there are too many extents')
    for (let extent = 0; extent < extentCount; extent++) {
      if (version > 0) reader.number(moreSizes & 15)
      const offset = base + reader.number(sizes >> 4)
      const length = reader.number(sizes & 15)
      if (method > 1 || (method === 1 && data === null)) continue // made from other items, which have extents of their own
      const start = offset + (method === 1 ? data!.content : 0)
      const end = length === 0 ? file.length : start + length
      if (start > end || end > file.length) throw new TypeError('an item lies outside of the file')
      yield { item, start, end }
    }
  }
}

/** Numbers of several widths, one behind the other. */
class FieldReader {
  readonly #file: Buffer
  readonly #end: number
  #at: number

  constructor(file: Buffer, start: number, end: number) {
    this.#file = file
    this.#at = start
    this.#end = end
  }

  /** A number of so many bytes, 0 to 8. */
  number(bytes: number): number {
    const at = this.#at
    this.#at += bytes
    if (this.#at > this.#end || bytes > 8) throw new TypeError('a list of places ends early')
    if (bytes === 0) return 0
    if (bytes <= 6) return this.#file.readUIntBE(at, bytes)
    const value = Number(bytes === 8 ? this.#file.readBigUInt64BE(at) : NaN)
    if (!Number.isSafeInteger(value)) throw new TypeError('a number is out of bounds')
    return value
  }
}
