/** How much may be under way from one shard to another. */
export interface ChannelLimits {
  /** Entries, and bytes of entries, that were sent and not confirmed; one always. */
  readonly windowEntries: number
  readonly windowBytes: number
  /** From so many entries, or bytes, that are not confirmed on, commands that would add to them are refused as busy. */
  readonly entriesMax: number
  readonly bytesMax: number
  /** What nothing was heard of for so long is sent again. */
  readonly resendMs: number
  /** Confirmed entries before they are deleted: a range at a time, not one by one. */
  readonly trimEvery: number
}

export const CHANNEL_LIMITS: ChannelLimits = {
  windowEntries: 1024,
  windowBytes: 1 << 20,
  entriesMax: 100_000,
  bytesMax: 64 << 20,
  resendMs: 2000,
  trimEvery: 1024,
}
