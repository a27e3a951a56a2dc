/**
 * What has to be true of the rows on disk and the objects of the store at every moment, whatever happened before: read from the messages
 * and pictures themselves, not from what the shard counts.
 */
import { readAttachments } from '../../../protocol/attachments.js'
import { blobCopies, blobKeys, endAt, endKey, ends, eraseAt, erases, releaseAt, releases, sharedNameAt, uploadKey, visitorHoldings } from '../../../storage/blob-keys.js'
import type { Engine, Entry, KeyRange } from '../../../storage/engine.js'
import { conversationKeys } from '../../../storage/conversation-keys.js'
import { everything, numberAt, ownerAt } from '../../../storage/owner-keys.js'
import { userKeys } from '../../../storage/user-keys.js'
import { shardMetaKey } from '../../../storage/shard-keys.js'
import type { Blob } from '../../blobs/blob-router.js'
import { readStoredProfile } from '../../profiles/profile.js'
import { isErased, readLogRun } from '../../shard/log-run.js'
import { decodeAccount, decodeConversation } from '../../shard/records.js'
import { ConversationState } from '../../shard/conversation-state.js'
import { loanAt } from '../homes.js'
import { objectsOf, storedBytesOf } from '../merge.js'
import {
  type BlobRow, decodeBlob, decodeBlobUse, decodeContents, decodeHolding, decodeReference, decodeTotals, decodeUpload, type HoldingRow, keepsBlob, type SharedContent,
} from '../rows.js'
import { holdingName, TOTALS } from '../states.js'

const ROWS_MAX = 100_000

export class BlobBreach extends Error {
  override readonly name = 'BlobBreach'
}

/** What the disk of a shard says. */
export interface Audit {
  /** Those that it holds, by id. */
  readonly blobs: ReadonlyMap<string, BlobRow>
  /** Of several shards: those that are at home in it. */
  readonly homes: ReadonlyMap<string, readonly SharedContent[]>
  /** Of several: of users who are at home in others, as `holdings`. */
  readonly visitors: ReadonlyMap<string, HoldingRow>
  /** By `user/id`. */
  readonly holdings: ReadonlyMap<string, HoldingRow>
  /** Ids that a message that is there, or a picture, carries. */
  readonly carried: ReadonlySet<string>
  /** Objects that the store is to erase. */
  readonly erased: ReadonlySet<string>
}

/** Throws BlobBreach for what is not as it has to be. `stored`: names of the objects in the store. */
export async function auditBlobs(engine: Engine, stored: ReadonlySet<string>): Promise<Audit> {
  return auditShard(engine, stored, false)
}

/** The same of several shards, as they are on disk at one moment. What is between them may be on its way. */
export async function auditShards(engines: readonly Engine[], stored: ReadonlySet<string>): Promise<readonly Audit[]> {
  const audits = await Promise.all(engines.map((engine) => auditShard(engine, stored, true)))
  for (const { blobs } of audits) for (const { erased } of audits) for (const [id, { blob }] of blobs) mustStay(id, blob, erased)
  return audits
}

/** When nothing is on its way any more: what shards have told each other is what is so. `homeOf`: of users and blobs. */
export function checkShares(audits: readonly Audit[], homeOf: (name: string) => number): void {
  for (const [shard, { blobs, homes, visitors, holdings }] of audits.entries()) {
    for (const id of blobs.keys()) {
      const holders = audits[homeOf(id)]?.homes.get(id)?.flatMap((content) => content.holders) ?? []
      if (!holders.includes(shard)) breach(`shard ${String(shard)} holds ${id}, and its home does not know`)
    }
    for (const [id, contents] of homes) {
      for (const { holders, loans } of contents) {
        if (loans.length > 0) breach(`a loan of ${id} does not end`)
        for (const holder of holders) if (audits[holder]?.blobs.has(id) !== true) breach(`shard ${String(holder)} is said to hold ${id}`)
      }
    }
    for (const name of visitors.keys()) {
      const home = audits[homeOf(name.slice(0, name.indexOf('/')))]
      if (home?.holdings.get(name)?.elsewhere.includes(shard) !== true) breach(`${name} is held in shard ${String(shard)}, and its home does not know`)
    }
    for (const [name, { elsewhere }] of holdings) {
      for (const other of elsewhere) if (audits[other]?.visitors.has(name) !== true) breach(`${name} is said to be held in shard ${String(other)}`)
    }
  }
}

async function auditShard(engine: Engine, stored: ReadonlySet<string>, isOfSeveral: boolean): Promise<Audit> {
  const rows = await engine.range({ ...everything(), limit: ROWS_MAX })
  const users = names(rows, 'user')
  const conversations = names(rows, 'conversation')
  const blobs = await blobsIn(engine, rows, isOfSeveral)
  const homes = new Map<string, readonly SharedContent[]>()
  if (isOfSeveral) for (const id of names(rows, 'blob')) homes.set(id, decodeContents(await existing(engine, blobKeys(id).home(), `the home of blob ${id}`)))
  const holdings = new Map<string, HoldingRow>()
  for (const user of users) {
    const keys = userKeys(user)
    for (const [key, row] of await all(engine, keys.holdings(''))) holdings.set(holdingName(user, keys.nameAt(key)), decodeHolding(row))
  }
  const visitors = new Map((await all(engine, visitorHoldings())).map(([key, row]) => [sharedNameAt(key), decodeHolding(row)] as const))
  const everybody = new Map([...holdings, ...visitors])
  const { counted, carried } = await auditReferences(engine, users, conversations)
  const erased = new Set((await all(engine, erases())).map(([key]) => eraseAt(key)).filter(({ kind }) => kind === 'object').map(({ name }) => name))
  checkBlobs(blobs, everybody, erased, stored)
  for (const id of carried) if (!blobs.has(id)) breach(`${id} is carried, and there is no such blob`)
  for (const [name, { references }] of everybody) {
    if (references !== (counted.get(name) ?? 0)) breach(`${name} has ${String(references)} references, and ${String(counted.get(name) ?? 0)} are there`)
  }
  for (const name of counted.keys()) if (!everybody.has(name)) breach(`${name} is referred to and not held`)
  await checkEnds(engine, everybody, homes)
  await checkUse(engine, users, isOfSeveral ? homeBytes(homes) : blobBytes(blobs), holdings)
  return { blobs, homes, visitors, holdings, carried, erased }
}

async function blobsIn(engine: Engine, rows: readonly Entry[], isOfSeveral: boolean): Promise<ReadonlyMap<string, BlobRow>> {
  if (isOfSeveral) return new Map((await all(engine, blobCopies())).map(([key, row]) => [sharedNameAt(key), decodeBlob(row)] as const))
  const blobs = new Map<string, BlobRow>()
  for (const id of names(rows, 'blob')) blobs.set(id, decodeBlob(await existing(engine, blobKeys(id).meta(), `the row of blob ${id}`)))
  return blobs
}

/** By `user/id`, how often what is there carries it; and all that is carried. */
async function auditReferences(
  engine: Engine, users: readonly string[], conversations: readonly string[],
): Promise<{ readonly counted: ReadonlyMap<string, number>, readonly carried: ReadonlySet<string> }> {
  const counted = new Map<string, number>()
  const carried = new Set<string>()
  const count = (user: string, id: string): void => { counted.set(holdingName(user, id), (counted.get(holdingName(user, id)) ?? 0) + 1) }
  for (const name of conversations) await auditConversation(engine, name, count, (id) => carried.add(id))
  for (const user of users) {
    const { profile, isPictureHeld } = await readStoredProfile(engine, userKeys(user))
    if (!isPictureHeld) continue
    count(user, profile.picture)
    carried.add(profile.picture)
  }
  return { counted, carried }
}

/** References as they are listed; what messages carry has to be among them, but for what is to be released. */
async function auditConversation(engine: Engine, name: string, count: (user: string, id: string) => void, carry: (id: string) => void): Promise<void> {
  const keys = conversationKeys(name)
  const listed = new Map<number, readonly string[]>()
  for (const [key, row] of await all(engine, keys.references(0, Number.MAX_SAFE_INTEGER))) {
    const { user, blobs } = decodeReference(row)
    for (const blob of blobs) count(user, blob)
    listed.set(numberAt(key), blobs)
  }
  for (const [, row] of await all(engine, keys.pictureReferences(0, Number.MAX_SAFE_INTEGER))) {
    const { user, blobs } = decodeReference(row)
    for (const blob of blobs) count(user, blob)
  }
  const meta = await engine.get(keys.meta())
  if (meta === undefined) return
  const conversation = new ConversationState(name, keys)
  decodeConversation(meta, conversation)
  // Nobody has the notes of who is gone.
  const owner = await engine.get(userKeys(name.replace(/[:#]/g, '/')).account())
  if (owner !== undefined && decodeAccount(owner).removed) return
  const released = (await all(engine, releases(null))).map(([key]) => releaseAt(key)).filter((release) => release.conversation === name)
  for (const [key, row] of await all(engine, keys.logRange(0))) {
    for (const record of readLogRun(row, numberAt(key))) {
      if (record.seq <= conversation.trimmedTo || isErased(record)) continue
      const ids = readAttachments(record.extensions)?.map(({ id }) => id) ?? []
      if (ids.length === 0) continue
      if (JSON.stringify(listed.get(record.seq)) !== JSON.stringify(ids)) breach(`message ${String(record.seq)} of ${name} carries what is not listed`)
      if (released.some(({ kind, first, last }) => kind === 'messages' && record.seq >= first && record.seq <= last)) {
        breach(`message ${String(record.seq)} of ${name} is to be released, and is there`)
      }
      for (const id of ids) carry(id)
    }
  }
  const { group } = conversation
  if (group !== null && group.pictureSeq > 0) carry(group.picture)
}

function checkBlobs(
  blobs: ReadonlyMap<string, BlobRow>, holdings: ReadonlyMap<string, HoldingRow>, erased: ReadonlySet<string>, stored: ReadonlySet<string>,
): void {
  const holders = new Map<string, number>()
  for (const [name, row] of holdings) {
    if (!keepsBlob(row)) continue
    const id = name.slice(name.indexOf('/') + 1)
    holders.set(id, (holders.get(id) ?? 0) + 1)
    if (!blobs.has(id)) breach(`${name} is held, and there is no such blob`)
  }
  for (const [id, { blob, holders: counted }] of blobs) {
    if (counted !== (holders.get(id) ?? 0)) breach(`blob ${id} says ${String(counted)} holders, and has ${String(holders.get(id) ?? 0)}`)
    if (counted === 0) breach(`nobody holds blob ${id}`)
    for (const object of objectsOf(blob)) if (!stored.has(object)) breach(`an object of blob ${id} is not in the store`)
    mustStay(id, blob, erased)
  }
}

function mustStay(id: string, blob: Blob, erased: ReadonlySet<string>): void {
  for (const object of objectsOf(blob)) if (erased.has(object)) breach(`an object of blob ${id} is to be erased`)
}

async function checkEnds(engine: Engine, holdings: ReadonlyMap<string, HoldingRow>, homes: ReadonlyMap<string, readonly SharedContent[]>): Promise<void> {
  for (const [name, { references, heldUntilMs, elsewhere }] of holdings) {
    if (references === 0 && heldUntilMs === 0 && elsewhere.length === 0) breach(`${name} has no reason to be held`)
    if (heldUntilMs > 0) await existing(engine, endKey(heldUntilMs, 'hold', name), `the end of ${name}`)
  }
  const isLent = (blob: string, shard: number, endsMs: number): boolean =>
    homes.get(blob)?.some(({ loans }) => loans.some((loan) => loan.shard === shard && loan.endsMs === endsMs)) === true
  for (const [id, contents] of homes) {
    for (const { shard, endsMs } of contents.flatMap(({ loans }) => loans)) {
      await existing(engine, endKey(endsMs, 'loan', `${id}/${String(shard)}`), `the end of a loan of ${id}`)
    }
  }
  for (const [key] of await all(engine, ends())) {
    const { timeMs, kind, name } = endAt(key)
    if (kind === 'hold' && holdings.get(name)?.heldUntilMs !== timeMs) breach(`the end of ${name} is listed, and does not come`)
    if (kind === 'loan' && !isLent(loanAt(name).blob, loanAt(name).shard, timeMs)) breach(`the end of the loan ${name} is listed, and does not come`)
    if (kind === 'upload' && decodeUpload(await existing(engine, uploadKey(name), `upload ${name}`), name).upload.expiresMs !== timeMs) breach(`the end of upload ${name} is another`)
  }
}

function blobBytes(blobs: ReadonlyMap<string, BlobRow>): number {
  let bytes = 0
  for (const { blob } of blobs.values()) bytes += storedBytesOf(blob)
  return bytes
}

/** Each object once. */
function homeBytes(homes: ReadonlyMap<string, readonly SharedContent[]>): number {
  const bytes = new Map<string, number>()
  for (const contents of homes.values()) {
    for (const { blob: { content, renditions } } of contents) for (const { object, size } of [content, ...renditions]) bytes.set(object, size)
  }
  return [...bytes.values()].reduce((sum, size) => sum + size, 0)
}

async function checkUse(engine: Engine, users: readonly string[], storedBytes: number, holdings: ReadonlyMap<string, HoldingRow>): Promise<void> {
  let underWayBytes = 0
  for (const user of users) {
    const row = await engine.get(userKeys(user).blobUse())
    const use = row === undefined ? { heldBytes: 0, uploads: [] } : decodeBlobUse(row)
    const held = [...holdings].filter(([name]) => name.startsWith(`${user}/`)).reduce((sum, [, { size }]) => sum + size, 0)
    if (use.heldBytes !== held) breach(`${user} is said to hold ${String(use.heldBytes)} bytes, and holds ${String(held)}`)
    for (const { id, size } of use.uploads) {
      const { upload, blob } = decodeUpload(await existing(engine, uploadKey(id), `upload ${id}`), id)
      if (blob !== '' || upload.user !== user || upload.size !== size) breach(`upload ${id} of ${user} is not under way`)
      underWayBytes += size
    }
  }
  const row = await engine.get(shardMetaKey(TOTALS))
  const totals = row === undefined ? { storedBytes: 0, underWayBytes: 0 } : decodeTotals(row)
  if (totals.storedBytes !== storedBytes || totals.underWayBytes !== underWayBytes) {
    breach(`the totals are ${JSON.stringify(totals)}, and should be ${JSON.stringify({ storedBytes, underWayBytes })}`)
  }
}

function names(rows: readonly Entry[], table: 'user' | 'conversation' | 'blob'): string[] {
  const found = new Set<string>()
  for (const [key] of rows) {
    const owner = ownerAt(key)
    if (owner?.table === table) found.add(owner.name)
  }
  return [...found]
}

async function all(engine: Engine, range: KeyRange): Promise<Entry[]> {
  return engine.range({ ...range, limit: ROWS_MAX })
}

async function existing(engine: Engine, key: Uint8Array, what: string): Promise<Uint8Array> {
  return await engine.get(key) ?? breach(`${what} is missing`)
}

function breach(what: string): never {
  throw new BlobBreach(what)
}
