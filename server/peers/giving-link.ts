/** The dialler's end of a link between shards: its channel and its questions go out, confirmations and answers come in. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { Reader } from '../../protocol/reader.js'
import { FormError } from '../channels/forms.js'
import { type AnswerOf, type ArgsOfQuestion, type NoticeName, type QuestionName, readAnswer, writeArgs } from '../channels/questions.js'
import { AskedCalls } from '../link/asked-calls.js'
import { encodeValue } from '../link/call-codec.js'
import type { LinkConnection, LinkHandler } from '../link/link-connection.js'
import { appendNotice, appendOfferHead, appendShard, LINK, LINK_CLOSE, type LinkClose } from '../link/link-frames.js'
import type { OpenedLink } from '../link/open-link.js'
import { RouterError } from '../router/router.js'
import { identityForm, type ShardIdentity } from './shard-identity.js'

/** What comes over the link. */
export interface GivingLinkUser {
  /** The first word of the other shard: how much of the channel it has. */
  greeted(cursor: number): void
  confirmed(cursor: number, again: boolean): void
}

export class GivingLink implements LinkHandler {
  readonly link: LinkConnection
  /** The node at the other end. */
  readonly node: string
  readonly #user: GivingLinkUser
  readonly #calls: AskedCalls
  /** Bytes that may wait at the link before offers are left to the resend. */
  readonly #waitingBytesMax: number
  #isGreeted = false
  /** Called once, when the link has ended. */
  onEnd: (reason: LinkClose) => void = () => {}

  constructor({ link, node }: OpenedLink, identity: ShardIdentity, waitingBytesMax: number, user: GivingLinkUser) {
    this.link = link
    this.node = node
    this.#user = user
    this.#calls = new AskedCalls(link)
    this.#waitingBytesMax = waitingBytesMax
    appendShard(link.beginSend(), encodeValue(identityForm.write(identity)))
    link.endSend()
  }

  /** The other shard has said how much it has. */
  get isGreeted(): boolean {
    return this.#isGreeted
  }

  /** false: it can't begin yet. */
  offer(first: number, entries: Uint8Array): boolean {
    if (!this.#isGreeted) return false
    // It was sent before, and who takes so little does not need it twice.
    if (this.link.isBlocked && this.link.waitingBytes > this.#waitingBytesMax) return true
    appendOfferHead(this.link.beginSend(), first, entries.length)
    this.link.sendBytes(entries)
    return true
  }

  async ask<N extends QuestionName>(name: N, args: ArgsOfQuestion<N>): Promise<AnswerOf<N>> {
    const wire = await this.#calls.ask(name, writeArgs(name, args))
    try {
      return readAnswer(name, wire)
    } catch (error) {
      if (!(error instanceof FormError)) throw error
      this.link.environment.log.error({ error, name }, 'shard-answer-malformed')
      throw new RouterError(ERROR.unavailable, 'the answer of another shard makes no sense', { cause: error })
    }
  }

  tell<N extends NoticeName>(name: N, args: ArgsOfQuestion<N>): void {
    if (this.link.isBlocked) return
    appendNotice(this.link.beginSend(), name, encodeValue(writeArgs(name, args)))
    this.link.endSend()
  }

  frame(type: number, reader: Reader): void {
    switch (type) {
      case LINK.confirm: {
        const cursor = reader.uint()
        const again = reader.uint() !== 0
        if (!reader.failed) this.#confirmed(cursor, again)
        return
      }
      case LINK.result:
        this.#calls.answered(reader)
        return
      case LINK.failed:
        this.#calls.failed(reader)
        return
      default: this.link.close(LINK_CLOSE.malformed)
    }
  }

  #confirmed(cursor: number, again: boolean): void {
    if (this.#isGreeted) {
      this.#user.confirmed(cursor, again)
      return
    }
    this.#isGreeted = true
    this.#user.greeted(cursor)
  }

  drained(): void {}

  ended(reason: LinkClose): void {
    this.link.environment.counters.linksEnded++
    this.#calls.end()
    this.onEnd(reason)
  }
}
