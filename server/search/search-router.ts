/** The part of the router that searches. */
import type { StoredMessage } from '../router/router.js'

/** A place in the order of results: time falling, then the conversation's address rising, then seq falling. */
export interface SearchPosition {
  readonly timeMs: number
  readonly conversation: string
  readonly seq: number
}

export interface SearchRequest {
  /** As its person typed it. */
  readonly text: string
  /** A normalised address; undefined: all of the user's conversations. */
  readonly conversation?: string
  /** A normalised user: its messages alone. */
  readonly from?: string
  /** Unix time, inclusive. */
  readonly sinceMs?: number
  /** Unix time, exclusive. */
  readonly untilMs?: number
  /** Results behind this place alone. */
  readonly after?: SearchPosition
  readonly limit: number
}

export interface SearchResult {
  /** As the user addresses it. */
  readonly conversation: string
  readonly message: StoredMessage
}

export interface SearchPage {
  /** Newest first. [SCH-3] */
  readonly results: readonly SearchResult[]
  readonly more: boolean
  /** Where the next page goes on; null: there is none. */
  readonly next: SearchPosition | null
  /** What it cost: rows, and what took as long as reading them. */
  readonly rowsRead: number
}

export interface RebuildResult {
  readonly conversations: number
  readonly segments: number
}

export interface SearchRouter {
  /** Rejects with no-search, bad-request, no-such-conversation. */
  search(user: string, request: SearchRequest): Promise<SearchPage>
  /** Makes the whole index again from the logs, while everything goes on. Rejects with no-search. */
  rebuildSearch(): Promise<RebuildResult>
}
