/** How much may be under way from one shard to another. */
export interface ChannelLimits {
  /** Entries, and bytes of entries, that were sent and not confirmed; one always. */
  readonly windowEntries: number
  readonly windowBytes: number
  /** From so many entries, or bytes, that are not confirmed on, commands that would add to them are refused as busy. */
  readonly entriesMax: number
  readonly bytesMax: number
  /** Entries of queues in a transaction: from there on what arrives waits for the next one. */
  readonly appendedMax: number
  /** What nothing was heard of for so long is sent again. */
  readonly resendMs: number
  /** Who waits for the effect of an entry in another shard is told that it is unavailable after so long; the effect comes all the same. */
  readonly answerMs: number
  /** Confirmed entries before they are deleted: a range at a time, not one by one. */
  readonly trimEvery: number
  /** Or for so long, where the channel rests: what was deleted must not lie there. */
  readonly trimMs: number
}

export const CHANNEL_LIMITS: ChannelLimits = {
  windowEntries: 1024,
  windowBytes: 1 << 20,
  entriesMax: 100_000,
  bytesMax: 64 << 20,
  appendedMax: 10_000,
  resendMs: 2000,
  answerMs: 10_000,
  trimEvery: 1024,
  trimMs: 5000,
}
