/**
 * What one of several shards tells the others of its part in blobs, in the transaction that is open: that it holds one or not any more, to the
 * blob's home; that messages carry what a user holds, to the user's. What is at home here is changed at once. Pure.
 */
import type { Blob } from '../blobs/blob-router.js'
import type { ChannelEntry } from '../channels/entries.js'
import type { Outgoing } from '../channels/outgoing.js'
import type { Transaction } from '../shard/transaction.js'
import type { BlobHome, BlobHomes } from './homes.js'
import { encodeDescription, type HeldFacts } from './rows.js'
import type { HoldingState } from './states.js'

export interface SharesHost {
  readonly transaction: Transaction
  readonly channels: { to(name: string): Outgoing | null } | null
}

export class Shares {
  readonly #host: SharesHost
  readonly #shard: number
  readonly #homes: BlobHomes

  /** `shard`: this one. */
  constructor(host: SharesHost, shard: number, homes: BlobHomes) {
    this.#host = host
    this.#shard = shard
    this.#homes = homes
  }

  /** `loan`: by which the shard knows of it; 0: it has put these bytes into the store itself, or still has what it had. */
  hold(home: BlobHome | null, blob: Blob, loan: number): void {
    if (home !== null) this.#homes.hold(home, this.#shard, blob, loan)
    else this.#give(blob.content.hash, { kind: 'blob-hold', description: encodeDescription(blob), loan })
  }

  drop(home: BlobHome | null, blob: string): void {
    if (home !== null) this.#homes.drop(home, this.#shard)
    else this.#give(blob, { kind: 'blob-drop', blob })
  }

  /** Of a user who is at home elsewhere: whether messages in this shard carry it. */
  carries({ user, blob }: HoldingState, { size, type }: HeldFacts, isCarried: boolean): void {
    this.#give(user, { kind: 'carried', user, blob, size, type, isCarried })
  }

  #give(to: string, entry: ChannelEntry): void {
    this.#host.channels?.to(to)?.append(this.#host.transaction, entry)
  }
}
