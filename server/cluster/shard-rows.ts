/**
 * The two rows that the cluster keeps among the shard's own.
 *
 * `cluster-state` belongs to this engine alone: how far it has got in the changelog. It is written in the same batch as what the entries
 * hold, so that it says neither more nor less than the rest of the store. `cluster-members` is part of the shard's content and comes with
 * the changelog, like any other row.
 */
import { StorageError, type Engine } from '../../storage/engine.js'
import { shardMetaKey } from '../../storage/shard-keys.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { isToken, type Position } from './position.js'

export const STATE_KEY = shardMetaKey('cluster-state')
export const MEMBERS_KEY = shardMetaKey('cluster-members')

const VERSION = 1

/** A copy of another node's content that is not complete: nobody may serve from it. */
export interface CopyProgress {
  /** Keys up to this one are there, as they were at `position`; empty: none. */
  readonly after: Uint8Array
  /** What is there may hold parts of changes up to this number; it is whole once `position` has reached it. */
  readonly seen: number
}

/** What an engine is a state of. */
export interface ShardState {
  /** Random, made when the cluster's shard was founded: data of two foundings are never mixed. */
  readonly lineage: string
  readonly position: Position
  readonly copy: CopyProgress | null
}

const writer = new ValueWriter()

export function packState(lineage: string, position: Position, copy: CopyProgress | null): Buffer {
  writer.begin().uint(VERSION).string(lineage).uint(position.epoch).uint(position.number).string(position.token).bool(copy !== null)
  if (copy !== null) writer.bytes(copy.after).uint(copy.seen)
  return writer.take()
}

/** Throws StorageError 'corrupt'. */
function unpackState(row: Uint8Array): ShardState {
  const reader = versioned(row)
  const lineage = reader.string()
  const position = { epoch: reader.uint(), number: reader.uint(), token: reader.string() }
  const copy = reader.bool() ? { after: Uint8Array.from(reader.bytes()), seen: reader.uint() } : null
  if (!isToken(lineage) || !isToken(position.token)) throw new StorageError('corrupt', 'the row with the place in the changelog is damaged')
  return { lineage, position, copy }
}

/** null: this store has never been part of a cluster. Rejects with StorageError. */
export async function readState(engine: Engine): Promise<ShardState | null> {
  const row = await engine.get(STATE_KEY)
  return row === undefined ? null : unpackState(row)
}

/** Which nodes may take the shard; in doubt all of them are asked. */
export interface Membership {
  readonly members: readonly string[]
  /** Random: which change this is. */
  readonly change: string
  /** The owner that made it. As long as that has it not on its disk, it has not happened. */
  readonly by: string
  /** Who could take it before the change. */
  readonly before: readonly string[]
}

export const NO_MEMBERS: Membership = { members: [], change: '', by: '', before: [] }

export function packMembership({ members, change, by, before }: Membership): Buffer {
  writer.begin().uint(VERSION).string(change).string(by)
  for (const names of [members, before]) {
    writer.uint(names.length)
    for (const name of [...names].sort()) writer.string(name)
  }
  return writer.take()
}

/** Throws StorageError 'corrupt'. */
function unpackMembership(row: Uint8Array): Membership {
  const reader = versioned(row)
  const names = (): string[] => Array.from({ length: reader.uint() }, () => reader.string())
  return { change: reader.string(), by: reader.string(), members: names(), before: names() }
}

/** Nobody before the first entry of the changelog. Rejects with StorageError. */
export async function readMembership(engine: Engine): Promise<Membership> {
  const row = await engine.get(MEMBERS_KEY)
  return row === undefined ? NO_MEMBERS : unpackMembership(row)
}

function versioned(row: Uint8Array): ValueReader {
  const reader = new ValueReader(row)
  if (reader.uint() !== VERSION) throw new StorageError('corrupt', 'a row of the cluster is of a newer version; use the program that wrote it')
  return reader
}
