/** Entries and messages one by one, where sinks are told and the store holds whole runs. */
import assert from 'node:assert/strict'
import { FrameDecoder } from '../../protocol/frame-decoder.js'
import { encodeFrame, type Frame } from '../../protocol/generated/frames.js'
import type { Engine } from '../../storage/engine.js'
import { conversationKeys } from '../../storage/conversation-keys.js'
import { numberAt } from '../../storage/owner-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import type { DeviceSink } from '../router/router.js'
import { readRun } from '../shard/entry-run.js'
import { readLogRun } from '../shard/log-run.js'

/** The frames of a run of entries. Throws where they are not whole. */
export function decodeEntries(bytes: Uint8Array): Frame[] {
  const decoder = new FrameDecoder(bytes.length)
  decoder.push(bytes)
  const frames: Frame[] = []
  for (;;) {
    const frame = decoder.next()
    if (frame === null) break
    if (typeof frame === 'number') assert.fail(`an entry does not decode: ${String(frame)}`)
    frames.push(frame)
  }
  assert.equal(decoder.isWithinFrame, false, 'a run of entries ends within a frame')
  return frames
}

/** Tells a sink of single entries, each a frame with an index. */
export function tellEntries(sink: DeviceSink, ...frames: readonly Uint8Array[]): void {
  for (const bytes of frames) {
    const [frame] = decodeEntries(bytes)
    if (frame === undefined || !('index' in frame)) assert.fail('not an entry')
    sink.entries(bytes, frame.index, 1)
  }
}

/** Frames as a sink is told them. */
export function joinEntries(frames: readonly Frame[]): Uint8Array {
  return Buffer.concat(frames.map((frame) => encodeFrame(frame)))
}

/** Entries of the user's queue in the store. */
export async function storedEntries(engine: Engine, user: string): Promise<number> {
  const rows = await engine.range({ ...userKeys(user).entries(0), limit: 100_000 })
  return rows.reduce((sum, [key, row]) => sum + (readRun(row, numberAt(key), user)?.count ?? 0), 0)
}

/** Messages of the conversation's log in the store. */
export async function storedMessages(engine: Engine, conversation: string): Promise<number> {
  const rows = await engine.range({ ...conversationKeys(conversation).logRange(0), limit: 100_000 })
  return rows.reduce((sum, [key, row]) => sum + readLogRun(row, numberAt(key)).length, 0)
}
