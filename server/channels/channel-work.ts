/** What one transaction does for channels: entries that it gives, cursors that move with it, watermarks that it carries to other shards. */
import { EntryRow } from './entry-row.js'
import type { VisitorFacts } from './federation.js'
import type { Incoming } from './incoming.js'
import type { Outgoing } from './outgoing.js'

/** A user has received this much of a conversation that is at home elsewhere. */
export interface RaisedWatermark {
  readonly channel: Outgoing
  readonly user: string
  readonly conversation: string
  seq: number
}

export class ChannelWork {
  /** Rows of entries, in the order of their numbers, which end with the channel's last. */
  readonly rows = new Map<Outgoing, EntryRow[]>()
  /** Channels whose entries have taken effect, with the number of the last one. */
  readonly applied = new Map<Incoming, number>()
  /** Somebody waits for what one of them did, as for a message. For a receipt nobody does. */
  isAwaited = false
  /** Merged: of each only the latest counts. */
  readonly watermarks = new Map<string, RaisedWatermark>()
  /** What it writes of visitors. */
  readonly heard = new Map<string, VisitorFacts>()
  /** Channels for which it notes how far they are confirmed: rows up to there go once that is on disk. */
  readonly noted = new Map<Outgoing, number>()

  /** The row that the channel's next entry goes into. */
  rowFor(channel: Outgoing): EntryRow {
    const rows = this.rows.get(channel)
    const open = rows?.at(-1)
    if (open?.isFull === false) return open
    const row = new EntryRow()
    if (rows === undefined) this.rows.set(channel, [row])
    else rows.push(row)
    return row
  }

  raise(channel: Outgoing, user: string, conversation: string, seq: number): void {
    const key = `${user} ${conversation}`
    const raised = this.watermarks.get(key)
    if (raised === undefined) this.watermarks.set(key, { channel, user, conversation, seq })
    else if (seq > raised.seq) raised.seq = seq
  }
}
