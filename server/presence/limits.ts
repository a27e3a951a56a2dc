/** Bounds of presence and typing. */
import { LIMIT } from '../../protocol/generated/registry.js'

export interface PresenceLimits {
  /** Users that one session watches. [PRS-6] */
  readonly watchesMax: number
  /** Changes of one user within this are told as one. [PRS-7] */
  readonly delayMs: number
  /** A watcher whose connection took nothing is told this much later what is true then. [PRS-1] */
  readonly retryMs: number
  /** Presences written to sessions in one turn; the rest waits for later ones, so that messages pass. [PRS-1] */
  readonly turnFramesMax: number
  readonly typingExpiryMs: number
  /** [PRS-13] */
  readonly typingRefreshMs: number
  /** Conversations of one session whose last typing is remembered: nobody types in more at once, and what comes beyond is dropped. */
  readonly typingConversationsMax: number
  /** Pairs of users of which is remembered whether there is a block between them, for typing. */
  readonly blockedPairsMax: number
  /** [PRS-18] */
  readonly exceptMax: number
  /** How often last seen may be written for one user whose devices stay connected. */
  readonly saveEveryMs: number
  /** A user who comes online is noted as seen if what is stored is older than this, for the case of a crash. */
  readonly staleMs: number
  /** How often a shard is asked whether it still tells what is watched there. Its users are offline when it has not answered for three times. */
  readonly renewMs: number
}

export const PRESENCE_LIMITS: PresenceLimits = {
  watchesMax: LIMIT.watchesMax,
  delayMs: LIMIT.presenceDelayMs,
  retryMs: 1000,
  turnFramesMax: 256,
  typingExpiryMs: LIMIT.typingExpiryMs,
  typingRefreshMs: LIMIT.typingRefreshMs,
  typingConversationsMax: 16,
  blockedPairsMax: 16_384,
  exceptMax: LIMIT.privacyExceptMax,
  saveEveryMs: 60_000,
  staleMs: 3_600_000,
  renewMs: 5000,
}
