/**
 * Deleted messages whose text a queue may still hold for devices that have not taken it. The queue's rows stay as they are, since no
 * row says where an entry stands; a page that is read for a device is sent without the text of what is listed here. The list is short:
 * beyond it the oldest is forgotten, and the device learns of the deletion from its entry alone. [OPS-7]
 *
 *     byte    1, the version
 *     count   erasures: conversation as the user addresses it, seq, index of the entry that tells of the deletion
 */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { encodeFrame, type Frame } from '../../protocol/generated/frames.js'
import { FRAME } from '../../protocol/generated/registry.js'
import { StorageError } from '../../storage/engine.js'
import { ValueReader, ValueWriter } from '../../storage/value.js'
import { EntryRun } from '../shard/entry-run.js'
import type { UserState } from '../shard/state.js'
import type { Transaction } from '../shard/transaction.js'

const VERSION = 1
export const ERASURES_MAX = 64

export interface Erasure {
  readonly conversation: string
  readonly seq: number
  readonly index: number
}

/** To be called when the entry that tells of the deletion has been appended: it is the user's last. */
export function noteErasure(transaction: Transaction, user: UserState, erasure: Erasure): void {
  const kept = (user.erasures ?? []).filter(({ index }) => index > user.trimmedTo)
  user.erasures = [...kept, erasure].slice(-ERASURES_MAX)
  transaction.touch(user)
  transaction.batch.put(user.keys.erasures(), encodeErasures(user.erasures))
}

export function encodeErasures(erasures: readonly Erasure[]): Uint8Array {
  const writer = new ValueWriter().uint(VERSION).uint(erasures.length)
  for (const { conversation, seq, index } of erasures) writer.string(conversation).uint(seq).uint(index)
  return writer.take()
}

export function decodeErasures(row: Uint8Array): Erasure[] {
  const reader = new ValueReader(row)
  const version = reader.uint()
  if (version !== VERSION) throw new StorageError('corrupt', `the list of erasures has the unknown version ${String(version)}`)
  const count = reader.uint()
  const erasures: Erasure[] = []
  for (let i = 0; i < count; i++) erasures.push({ conversation: reader.string(), seq: reader.uint(), index: reader.uint() })
  return erasures
}

/** The run as a device may see it: the same one where nothing in it is erased. Only deletions on disk count. */
export function withoutErased(run: EntryRun, user: UserState): EntryRun {
  const { erasures, committedTail } = user
  if (erasures === null) return run
  const inForce = erasures.filter(({ index }) => index <= committedTail && index >= run.first)
  if (inForce.length === 0) return run
  const frames = framesOf(run)
  if (!frames.some((frame) => isErasedBy(frame, inForce))) return run
  const erased = new EntryRun()
  frames.forEach((frame, position) => {
    erased.frames.append(encodeFrame(isErasedBy(frame, inForce) ? emptied(frame) : frame))
    erased.push(run.first + position, run.conversations[position] ?? '', run.seqs[position] ?? 0)
  })
  return erased
}

function framesOf(run: EntryRun): Frame[] {
  const decoder = new FrameDecoder(run.frames.length)
  decoder.push(run.frames.view())
  const frames: Frame[] = []
  for (let frame = decoder.next(); frame !== null && typeof frame !== 'number'; frame = decoder.next()) frames.push(frame)
  // What can't be decoded as a whole is left alone: a device would refuse it, or skip it.
  return frames.length === run.count ? frames : []
}

function isErasedBy(frame: Frame, erasures: readonly Erasure[]): boolean {
  switch (frame.type) {
    case FRAME.delivery:
    case FRAME.deliveryFrom: return erasures.some(({ conversation, seq }) => seq === frame.seq && conversation === frame.conversation)
    case FRAME.operation: return frame.text.length > 0 && erasures.some(({ conversation, seq }) => seq === frame.target && conversation === frame.conversation)
    default: return false
  }
}

function emptied(frame: Frame): Frame {
  return 'text' in frame ? { ...frame, text: EMPTY_BYTES, extensions: EMPTY_BYTES } : frame
}
