/** The listener's end of a link between shards: the other shard's channel and its questions come in, confirmations and answers go out. */
import { asError } from '../../protocol/as-error.js'
import type { Reader } from '../../protocol/reader.js'
import { answerWire, hearWire } from '../channels/questions.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import { appendConfirm, LINK, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import { readValue, TakenCalls } from '../link/taken-calls.js'
import type { LocalRouter } from '../router/local-router.js'
import { identityForm, type ShardIdentity } from './shard-identity.js'

/** Who takes it. */
export interface TakingLinkUser {
  /** Who dials says so. Returns why it can't be; null: it may give. */
  begin(link: TakingLink, giver: ShardIdentity): LinkClose | null
  ended(link: TakingLink): void
}

export class TakingLink implements LinkHandler {
  readonly link: LinkConnection
  /** The node at the other end. */
  readonly node: string
  readonly #router: LocalRouter
  readonly #user: TakingLinkUser
  readonly #calls: TakenCalls
  /** -1: it has not said yet. */
  #giver = -1

  constructor(link: LinkConnection, node: string, router: LocalRouter, user: TakingLinkUser) {
    this.link = link
    this.node = node
    this.#router = router
    this.#user = user
    this.#calls = new TakenCalls(link)
  }

  /** The shard that gives. */
  get giver(): number {
    return this.#giver
  }

  confirm(cursor: number, again: boolean): void {
    appendConfirm(this.link.beginSend(), cursor, again)
    this.link.endSend()
  }

  frame(type: number, reader: Reader): void {
    if (this.#giver < 0) this.#begin(type, reader)
    else {
      switch (type) {
        case LINK.offer:
          this.#offered(reader)
          return
        case LINK.call:
          this.#calls.take(reader, (name, args) => answerWire(this.#router, this.#giver, name, args))
          return
        case LINK.notice:
          this.#told(reader)
          return
        default: this.link.close(LINK_CLOSE.malformed)
      }
    }
  }

  #begin(type: number, reader: Reader): void {
    const giver = type === LINK.shard ? readIdentity(reader.rest()) : null
    if (giver === null) {
      this.link.close(LINK_CLOSE.malformed)
      return
    }
    const refusal = this.#user.begin(this, giver)
    if (refusal !== null) {
      this.link.close(refusal)
      return
    }
    this.#giver = giver.shard
    this.#router.shard.channels?.greet(giver.shard)
  }

  #offered(reader: Reader): void {
    const first = reader.uint()
    const entries = reader.rest()
    if (!reader.failed && this.#router.shard.channels?.receive(this.#giver, first, entries) === false) reader.fail()
  }

  #told(reader: Reader): void {
    const name = reader.string()
    const args = readValue(reader.rest())
    if (reader.failed || !Array.isArray(args)) {
      reader.fail()
      return
    }
    // Nobody waits for it, and whom it does not reach it does not concern any more.
    hearWire(this.#router, this.#giver, name, args).catch((error: unknown) => {
      this.link.environment.log.debug({ name, error: asError(error) }, 'notice-lost')
    })
  }

  drained(): void {}

  ended(): void {
    this.#user.ended(this)
  }
}

/** null: it says nothing that makes sense. */
export function readIdentity(bytes: Uint8Array): ShardIdentity | null {
  try {
    return identityForm.read(readValue(bytes))
  } catch {
    return null
  }
}
