/** Who writes to a conversation, as far as retries have to be known. */

/** One outbox that writes to a conversation, and how far it has come: what recognises a retry without a read. [MSG-3] */
export class Writer {
  readonly user: string
  readonly device: number
  readonly epoch: number
  lastClientId: number
  lastSeq: number
  lastTimeMs: number
  /** No longer among the conversation's writers: whoever holds it must look it up again. */
  isForgotten = false

  constructor(user: string, device: number, epoch: number, lastClientId = 0, lastSeq = 0, lastTimeMs = 0) {
    this.user = user
    this.device = device
    this.epoch = epoch
    this.lastClientId = lastClientId
    this.lastSeq = lastSeq
    this.lastTimeMs = lastTimeMs
  }

  static key(user: string, device: number, epoch: number): string {
    return `${user}/${String(device)}/${String(epoch)}`
  }
}
