/**
 * Users at home elsewhere, as far as they are known here: what has come of them over a channel counts, before what is on disk and what
 * the home answers, since it is newer than both.
 */
import type { Engine } from '../../storage/engine.js'
import { visitorKey } from '../../storage/channel-keys.js'
import { userKeys } from '../../storage/user-keys.js'
import type { Transaction } from '../shard/transaction.js'
import { PackedVerifier } from '../shard/packed-verifier.js'
import { type AccountRow, UserState } from '../shard/user-state.js'
import { decodeVisitor } from './entries.js'
import type { Peers, VisitorFacts } from './federation.js'
import type { Outgoing } from './outgoing.js'

/** What another shard knows of an account: that there is one. */
export const VISITOR_ACCOUNT: AccountRow = {
  verifier: new PackedVerifier({ salt: new Uint8Array(0), iterations: 0, storedKey: new Uint8Array(0), serverKey: new Uint8Array(0) }),
  createdMs: 0, disabled: false, removed: false, queueEpoch: 0, nextDevice: 0,
}

export interface VisitorsHost {
  readonly engine: Engine
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
}

export class Visitors {
  readonly #host: VisitorsHost
  readonly #peers: Pick<Peers, 'ask'>
  /** Visitors that are being read or asked about, and what was heard of them by then. */
  readonly #reading = new Map<string, { heard: VisitorFacts | null }>()
  /** What has come of visitors and is not on disk yet. */
  readonly #heard = new Map<string, VisitorFacts>()

  constructor(host: VisitorsHost, peers: Pick<Peers, 'ask'>) {
    this.#host = host
    this.#peers = peers
  }

  /** The user, behind this channel; of who is not known its home is asked. */
  async visitor(name: string, channel: Outgoing): Promise<UserState> {
    const user = new UserState(name, userKeys(name))
    user.channel = channel
    const { facts: { exists, readReceipts }, isRecorded } = await this.#factsOf(name, channel.shard)
    if (exists) user.account = VISITOR_ACCOUNT
    user.readReceipts = readReceipts
    user.isRecorded = isRecorded
    return user
  }

  async #factsOf(name: string, shard: number): Promise<{ facts: VisitorFacts, isRecorded: boolean }> {
    const reading = { heard: this.#heard.get(name) ?? null }
    this.#reading.set(name, reading)
    try {
      const row = await this.#host.engine.get(visitorKey(name))
      const found = row === undefined ? await this.#peers.ask(shard, 'visitor', name) : decodeVisitor(row)
      return { facts: reading.heard ?? found, isRecorded: row !== undefined || reading.heard !== null }
    } finally {
      this.#reading.delete(name)
    }
  }

  /** Something has come over the channel; it is written with the open transaction. */
  hear(name: string, facts: VisitorFacts): void {
    const reading = this.#reading.get(name)
    if (reading !== undefined) reading.heard = facts
    this.#heard.set(name, facts)
    this.#host.transaction.channels.heard.set(name, facts)
  }

  /** What a transaction has written of it is on disk. */
  written(heard: ReadonlyMap<string, VisitorFacts>): void {
    for (const [name, facts] of heard) if (this.#heard.get(name) === facts) this.#heard.delete(name)
  }
}
