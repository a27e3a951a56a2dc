/** The channel from another shard: what has come over it and waits to take effect, in its order. */
import { Fifo } from '../shard/fifo.js'
import type { PackedEntries } from './packed-entries.js'
import { Receiver } from './receiver.js'

export class Incoming {
  /** The shard that it comes from. */
  readonly shard: number
  receiver = new Receiver(0)
  isReady = false
  readonly waiting = new Fifo<PackedEntries>()
  isRunning = false
  /** Entries, and bytes of entries, that came since a commit was asked for that waits for no company. */
  entriesUnasked = 0
  bytesUnasked = 0
  /** The other end was asked to begin again, and nothing that follows has come yet. */
  isAskedAgain = false

  constructor(shard: number) {
    this.shard = shard
  }
}
