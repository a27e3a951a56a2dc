/** Entries that have waited in a queue for longer than what they say is kept: they are sent without it. [DIS-3] */
import { EMPTY_BYTES } from '../../protocol/bytes.js'
import { expiryOf, isExpired, withExpiry } from '../../protocol/expiry.js'
import type { Frame } from '../../protocol/generated/frames.js'
import { FRAME } from '../../protocol/generated/registry.js'
import { type EntryRun, framesOf, runOf } from '../shard/entry-run.js'

/** The run as a device may see it at this time: the same one where nothing in it has expired. */
export function withoutExpired(run: EntryRun, nowMs: number): EntryRun {
  if (!run.hasExtensions) return run
  const frames = framesOf(run)
  if (!frames.some((frame) => hasExpired(frame, nowMs))) return run
  return runOf(run, frames.map((frame) => hasExpired(frame, nowMs) ? emptied(frame) : frame))
}

function hasExpired(frame: Frame, nowMs: number): boolean {
  switch (frame.type) {
    case FRAME.delivery:
    case FRAME.deliveryFrom:
    case FRAME.operation: return isExpired(expiryOf(frame.extensions), nowMs)
    default: return false
  }
}

function emptied(frame: Frame): Frame {
  return 'text' in frame ? { ...frame, text: EMPTY_BYTES, extensions: withExpiry(EMPTY_BYTES, expiryOf(frame.extensions)) } : frame
}
