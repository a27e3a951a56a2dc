/** How long a client waits before it connects again. */
import { LIMIT } from './generated/registry.js'

/**
 * Milliseconds to wait before attempt `attempt`, counted from 0 since the last welcome [RCN-2]: a time drawn uniformly from 0 to
 * min(cap, base × 2^attempt), so that the jitter comes after the cap [RCN-1], on top of what the server asked for [RCN-3].
 * `random` is a number from 0 up to, not including, 1.
 */
export function backOffMs(attempt: number, retryAfterMs: number, random: number): number {
  const bound = Math.min(LIMIT.reconnectCapMs, LIMIT.reconnectBaseMs * 2 ** attempt)
  return retryAfterMs + Math.floor(random * (bound + 1))
}
