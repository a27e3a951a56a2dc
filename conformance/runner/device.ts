/**
 * What a server knows of the one device that is tested, over all its connections in a case: so that a case need not say what follows
 * from what it said before, and so that the referee can tell what the client may do.
 */
import type { WireFrame } from './decode.js'

/** A stanza as it was sent first. */
export interface Stanza {
  readonly clientId: number
  readonly frame: WireFrame
  /** Everything but the client id. */
  readonly content: string
  seq: number
}

export class Device {
  readonly user: string
  readonly device: string
  /** Prepared; '': none that anything is checked by. */
  readonly password: string
  /** When `time` is 0 in a case: that of the first message. */
  readonly baseTimeMs = Date.UTC(2026, 0, 1, 8)
  queueEpoch = 1
  outboxEpoch = 0
  /** Epochs that were issued. */
  readonly outboxEpochs = new Set<number>()
  /** Tokens in hex, the one issued last first. */
  tokens: string[] = []
  /** Whether the client has shown that it has stored the newest token. */
  isTokenProven = false
  /** Highest index that exists in the queue. */
  lastIndex = 0
  /** Highest index that the client has acknowledged, in any session of this epoch. */
  acknowledged = 0
  /** Highest index that was ever written to the client. */
  sentTo = 0
  /** Entries by index, as they were sent first. */
  readonly entries = new Map<number, WireFrame>()
  /** By conversation. */
  readonly tails = new Map<string, number>()
  /** By client id, those of the present outbox epoch that have had no answer. Insertion is the order of sending. */
  readonly unanswered = new Map<number, Stanza>()
  /** By client id: all that were sent. */
  readonly sent = new Map<number, Stanza>()

  constructor(user: string, device: string, password: string) {
    this.user = user
    this.device = device
    this.password = password
  }

  nextSeq(conversation: string): number {
    const seq = (this.tails.get(conversation) ?? 0) + 1
    this.tails.set(conversation, seq)
    return seq
  }

  noteSeq(conversation: string, seq: number): void {
    if (seq > (this.tails.get(conversation) ?? 0)) this.tails.set(conversation, seq)
  }

  timeOf(seq: number): number {
    return this.baseTimeMs + (seq % 1_000_000) * 1000
  }

  /** The stanza has its answer, as far as the server is concerned. */
  answered(clientId: number): Stanza | undefined {
    const stanza = this.sent.get(clientId)
    this.unanswered.delete(clientId)
    return stanza
  }
}
