/**
 * A list that a user keeps in the store: items by name, and for each the version of the list that changed it last, so that a device
 * which knows the list as of a version asks for what changed since. Removed items stay as marks until there are many of them; then
 * all are dropped, and who asks from before that gets the whole list. [PRF-7]
 *
 * Edits of one user's lists have to come one after the other, each on disk before the next: they read what the last one wrote.
 */
import type { Batch, Engine } from '../../storage/engine.js'
import { StorageError } from '../../storage/engine.js'
import { numberAt } from '../../storage/owner-keys.js'
import type { KeptListNumber, UserKeys } from '../../storage/user-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'

/** Marks of removed items that are kept. */
export const REMOVED_MAX = 1000
const LISTS = 3
const PAGE_ROWS = 256
const VERSION = 1

const EMPTY = new Uint8Array(0)
const writer = new ValueWriter()

export interface ListItem {
  /** A user or a conversation. */
  readonly name: string
  /** Of the list, when this item changed. */
  readonly version: number
  readonly isRemoved: boolean
  readonly changedMs: number
  /** What the list keeps of it. */
  readonly value: Uint8Array
}

export interface ListPage {
  /** Of the whole list. */
  readonly version: number
  /** The whole list was asked for, or has to be taken for it: what it does not name is not in it. */
  readonly isFull: boolean
  readonly items: readonly ListItem[]
  readonly more: boolean
}

interface ListMeta {
  readonly version: number
  readonly count: number
  /** Marks of removed items. */
  readonly removed: number
  /** What was removed up to this version is not known any more. */
  readonly floor: number
}

const NEW: ListMeta = { version: 0, count: 0, removed: 0, floor: 0 }

/** What an edit has read; `put` and `remove` write to the batch at once, and are called once. */
export class ListEdit {
  readonly #keys: UserKeys
  readonly #list: KeptListNumber
  readonly #metas: ListMeta[]
  readonly name: string
  /** As it was; null: it is not in the list. */
  readonly item: ListItem | null
  readonly #mark: ListItem | null

  constructor(keys: UserKeys, list: KeptListNumber, metas: ListMeta[], name: string, row: ListItem | null) {
    this.#keys = keys
    this.#list = list
    this.#metas = metas
    this.name = name
    this.item = row?.isRemoved === true ? null : row
    this.#mark = row
  }

  /** Items in the list. */
  get count(): number {
    return this.#meta.count
  }

  get version(): number {
    return this.#meta.version
  }

  /** Whether the marks of removed items should go. */
  get isCluttered(): boolean {
    return this.#meta.removed > REMOVED_MAX
  }

  /** Returns the list's new version. */
  put(batch: Batch, value: Uint8Array, nowMs: number): number {
    return this.#write(batch, value, false, nowMs)
  }

  remove(batch: Batch, nowMs: number): number {
    return this.#write(batch, EMPTY, true, nowMs)
  }

  get #meta(): ListMeta {
    return this.#metas[this.#list]!
  }

  #write(batch: Batch, value: Uint8Array, isRemoved: boolean, changedMs: number): number {
    const { version: before, count, removed, floor } = this.#meta
    const version = before + 1
    const wasListed = this.item === null ? 0 : 1
    const wasMarked = this.#mark !== null && this.item === null ? 1 : 0
    this.#metas[this.#list] = {
      version, floor, count: count - wasListed + (isRemoved ? 0 : 1), removed: removed - wasMarked + (isRemoved ? 1 : 0),
    }
    if (this.#mark !== null) batch.delete(this.#keys.listChange(this.#list, this.#mark.version))
    batch.put(this.#keys.listChange(this.#list, version), Buffer.from(this.name, 'latin1'))
    batch.put(this.#keys.listItem(this.#list, this.name), encodeItem(version, isRemoved, changedMs, value))
    batch.put(this.#keys.listMeta(), encodeMetas(this.#metas))
    return version
  }
}

/** Rejects with StorageError. */
export async function editList(engine: Engine, keys: UserKeys, list: KeptListNumber, name: string): Promise<ListEdit> {
  const [metas, item] = await Promise.all([readMetas(engine, keys), readItem(engine, keys, list, name)])
  return new ListEdit(keys, list, metas, name, item)
}

/** Drops all marks of removed items. To be called as an edit is; the batch has to be committed before the next one. */
export async function dropRemoved(engine: Engine, keys: UserKeys, list: KeptListNumber, into: () => Batch): Promise<void> {
  const gone: ListItem[] = []
  for (let after = ''; ;) {
    const page = await engine.range({ ...keys.listItems(list, after), limit: PAGE_ROWS })
    for (const [key, row] of page) {
      const item = decodeItem(keys.nameAt(key), row)
      if (item.isRemoved) gone.push(item)
      after = item.name
    }
    if (page.length < PAGE_ROWS) break
  }
  const metas = await readMetas(engine, keys)
  const batch = into()
  for (const { name, version } of gone) {
    batch.delete(keys.listItem(list, name))
    batch.delete(keys.listChange(list, version))
  }
  const meta = metas[list]!
  metas[list] = { ...meta, removed: 0, floor: meta.version }
  batch.put(keys.listMeta(), encodeMetas(metas))
}

/** The item; null where the name is not in the list. */
export async function readListed(engine: Engine, keys: UserKeys, list: KeptListNumber, name: string): Promise<ListItem | null> {
  const item = await readItem(engine, keys, list, name)
  return item?.isRemoved === true ? null : item
}

export async function isListed(engine: Engine, keys: UserKeys, list: KeptListNumber, name: string): Promise<boolean> {
  return await readListed(engine, keys, list, name) !== null
}

/** A page by name, behind `after`; without removed items. */
export async function listPage(engine: Engine, keys: UserKeys, list: KeptListNumber, after: string, limit: number): Promise<ListPage> {
  const { version } = (await readMetas(engine, keys))[list]!
  const items: ListItem[] = []
  for (let from = after; items.length <= limit;) {
    const rows = await engine.range({ ...keys.listItems(list, from), limit: PAGE_ROWS })
    for (const [key, row] of rows) {
      const item = decodeItem(keys.nameAt(key), row)
      from = item.name
      if (!item.isRemoved) items.push(item)
    }
    if (rows.length < PAGE_ROWS) break
  }
  return { version, isFull: true, items: items.slice(0, limit), more: items.length > limit }
}

/** What changed behind the version `since`, in the order of the changes; the whole list where that is not known any more. */
export async function listChanges(engine: Engine, keys: UserKeys, list: KeptListNumber, since: number, limit: number): Promise<ListPage> {
  const { version, floor } = (await readMetas(engine, keys))[list]!
  if (since < floor || since > version) return listPage(engine, keys, list, '', limit)
  const rows = await engine.range({ ...keys.listChanges(list, since + 1), limit: limit + 1 })
  const items: ListItem[] = []
  for (const [key, row] of rows.slice(0, limit)) {
    const item = await readItem(engine, keys, list, Buffer.from(row).toString('latin1'))
    // Changed again while this was read: it comes again at its new place.
    if (item !== null && item.version === numberAt(key)) items.push(item)
  }
  return { version, isFull: false, items, more: rows.length > limit }
}

async function readItem(engine: Engine, keys: UserKeys, list: KeptListNumber, name: string): Promise<ListItem | null> {
  const row = await engine.get(keys.listItem(list, name))
  return row === undefined ? null : decodeItem(name, row)
}

async function readMetas(engine: Engine, keys: UserKeys): Promise<ListMeta[]> {
  const row = await engine.get(keys.listMeta())
  if (row === undefined) return new Array<ListMeta>(LISTS).fill(NEW)
  const reader = open(row)
  return Array.from({ length: LISTS }, () => ({ version: reader.uint(), count: reader.uint(), removed: reader.uint(), floor: reader.uint() }))
}

function encodeMetas(metas: readonly ListMeta[]): Uint8Array {
  writer.begin().uint(VERSION)
  for (const { version, count, removed, floor } of metas) writer.uint(version).uint(count).uint(removed).uint(floor)
  return writer.take()
}

function encodeItem(version: number, isRemoved: boolean, changedMs: number, value: Uint8Array): Uint8Array {
  return writer.begin().uint(VERSION).uint(version).bool(isRemoved).time(changedMs).bytes(value).take()
}

function decodeItem(name: string, row: Uint8Array): ListItem {
  const reader = open(row)
  return { name, version: reader.uint(), isRemoved: reader.bool(), changedMs: reader.time(), value: reader.bytes() }
}

function open(row: Uint8Array): ValueReader {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `a row of a kept list has the unknown version ${String(version)}`)
  return reader
}
