/** An invite in memory and in the store. */
import { StorageError, type Engine } from '../../storage/engine.js'
import { inviteKey } from '../../storage/shard-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { Resident } from '../shard/resident.js'
import type { InviteInfo } from './registration-router.js'

const VERSION = 1

export interface InviteRow {
  /** SHA-256 of the secret part of the code. [INV-8] */
  readonly secretHash: Uint8Array
  /** '': an operator */
  readonly maker: string
  readonly createdMs: number
  /** Unix time; 0: never. */
  readonly expiresMs: number
  readonly uses: number
  readonly used: number
  readonly revoked: boolean
  /** Uses, counted already, of which it is not known yet whether they have made an account elsewhere. */
  readonly pending: readonly PendingUse[]
}

export interface PendingUse {
  readonly user: string
  /** Of the keys of who registers. */
  readonly digest: Uint8Array
}

/** One invite; `name` is its id. */
export class InviteState extends Resident {
  /** null: there is no such invite. */
  row: InviteRow | null = null
}

export async function loadInvite(engine: Engine, id: string): Promise<InviteState> {
  const invite = new InviteState(id)
  const row = await engine.get(inviteKey(id))
  if (row !== undefined) invite.row = decodeInvite(row)
  return invite
}

export function encodeInvite(row: InviteRow): Uint8Array {
  const writer = new ValueWriter().begin().uint(VERSION).bytes(row.secretHash).string(row.maker).time(row.createdMs).time(row.expiresMs)
    .uint(row.uses).uint(row.used).bool(row.revoked)
  for (const { user, digest } of row.pending) writer.string(user).bytes(digest)
  return writer.take()
}

export function decodeInvite(value: Uint8Array): InviteRow {
  const reader = new ValueReader(value)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `an invite row has the unknown version ${String(version)}`)
  return {
    // A copy: the state outlives the page that the row came in.
    secretHash: Uint8Array.prototype.slice.call(reader.bytes()),
    maker: reader.string(),
    createdMs: reader.time(),
    expiresMs: reader.time(),
    uses: reader.uint(),
    used: reader.uint(),
    revoked: reader.bool(),
    pending: decodePending(reader),
  }
}

/** Up to the end of the row. */
function decodePending(reader: ValueReader): readonly PendingUse[] {
  const pending: PendingUse[] = []
  while (reader.more) pending.push({ user: reader.string(), digest: Uint8Array.prototype.slice.call(reader.bytes()) })
  return pending
}

export function isExpired(row: InviteRow, nowMs: number): boolean {
  return row.expiresMs > 0 && nowMs >= row.expiresMs
}

/** [INV-9] */
export function isOpen(row: InviteRow, nowMs: number): boolean {
  return !row.revoked && row.used < row.uses && !isExpired(row, nowMs)
}

export function inviteInfo(id: string, row: InviteRow, nowMs: number): InviteInfo {
  const { maker, createdMs, expiresMs, uses, used } = row
  const state = row.revoked ? 'revoked' : used >= uses ? 'used' : isExpired(row, nowMs) ? 'expired' : 'open'
  return { id, maker, createdMs, expiresMs, uses, used, state }
}
