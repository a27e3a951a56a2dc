/**
 * Fetches what a device missed that was told too old: the list of conversations, and of each the messages behind the last one shown.
 * [QUE-9] Progress is stored with each message, so that a crash goes on where it was.
 */
import { EMPTY_BYTES } from '../bytes.js'
import { LIMIT } from '../generated/registry.js'
import { ClientError, localError } from './client-error.js'
import type { ClientCore } from './core.js'
import type { Message } from './core-types.js'
import type { ConversationInfo, HistoryMessage, HistoryOperation, HistoryPage, HistoryRequest } from './query-elements.js'

export interface CatchUpOptions {
  readonly core: ClientCore
  /** Tells the application; its promise is waited for. */
  readonly begin: () => Promise<void>
  readonly conversations: () => AsyncIterable<ConversationInfo>
  readonly history: (conversation: string, request: HistoryRequest) => Promise<HistoryPage>
  readonly deliver: (message: Message) => Promise<void> | null
  readonly pause: (delayMs: number) => Promise<void>
  readonly wake: () => void
  readonly fail: (error: ClientError) => void
  /** Of one conversation, the newest. */
  readonly messagesMax: number
}

/** Before a failed query is asked again, on top of what the server asks for. */
const RETRY_MS = 1000

export class CatchUp {
  readonly #options: CatchUpOptions
  #isRunning = false
  /**
   * Told too old again meanwhile: what was listed may be incomplete, or of a service that is no more. The run under way gives out nothing
   * further: the pages that it gets now are of the new one, and where they begin is not.
   */
  #isStale = false
  #isStopped = false
  /** A message that the application works on. */
  #delivering: Promise<void> | null = null

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** Starts, or makes a run under way start over. */
  start(): void {
    if (this.#isRunning) {
      this.#isStale = true
      return
    }
    this.#isRunning = true
    void this.#run()
  }

  /** Gives out no more messages; resolves when the present one is handled. */
  async stop(): Promise<void> {
    this.#isStopped = true
    try {
      await this.#delivering
    } catch {
      // The run itself tells of it.
    }
  }

  async #run(): Promise<void> {
    const { core, begin, fail, wake } = this.#options
    try {
      await begin()
      do {
        this.#isStale = false
        await this.#retrying(() => this.#fetchAll())
      } while (this.#isStale)
      core.caughtUp()
      wake()
    } catch (error) {
      if (error instanceof ClientError) fail(error)
      else fail(localError('handler-failed', 'a handler failed while missed messages were fetched', error))
    } finally {
      this.#isRunning = false
    }
  }

  /** Ends early where it has become stale. */
  async #fetchAll(): Promise<void> {
    const { core, conversations } = this.#options
    const known = core.tailsBefore()
    for await (const info of conversations()) {
      if (this.#isStale) return
      if ((known.get(info.conversation) ?? 0) > info.tail) {
        core.forget(info.conversation)
        // What the list has just told is of this one.
        core.learn(info.conversation, info.tail, info.read, info.members)
      }
      known.delete(info.conversation)
      await this.#fetchOne(info)
    }
    if (this.#isStale) return
    for (const conversation of known.keys()) core.forget(conversation)
  }

  async #fetchOne(info: ConversationInfo): Promise<void> {
    const { core, deliver, wake, messagesMax } = this.#options
    const { conversation } = info
    let after = Math.max(core.watermarks(conversation).shown, info.tail - messagesMax)
    while (after < info.tail && !this.#isStale) {
      const from = after
      const page = await this.#page(conversation, from)
      if (page === null) return
      for (const message of inOrder(page)) {
        if (this.#isStale) return
        after = Math.max(after, message.seq)
        if (core.isNews(conversation, message.seq)) {
          if (this.#isStopped) throw localError('closed', 'the client was closed')
          this.#delivering = deliver('target' in message ? missedOperation(message) : missed(message))
          if (this.#delivering !== null) await this.#delivering
          this.#delivering = null
        }
        core.recovered(conversation, message.from, message.seq)
      }
      wake()
      // A page without progress would go on for ever.
      if (!page.more || after === from) return
    }
  }

  /** null: this has become stale, and then what it asks for may not even exist. */
  async #page(conversation: string, after: number): Promise<HistoryPage | null> {
    try {
      return await this.#retrying(() => this.#options.history(conversation, { after, limit: LIMIT.historyPageMax }))
    } catch (error) {
      if (this.#isStale && this.#options.core.state !== 'stopped') return null
      throw error
    }
  }

  /** Asks again what failed for the moment; the connection mends itself meanwhile. */
  async #retrying<T>(ask: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await ask()
      } catch (error) {
        const isPassing = error instanceof ClientError && error.isRetryable && this.#options.core.state !== 'stopped'
        if (!isPassing) throw error
        await this.#options.pause(error.retryAfterMs + RETRY_MS)
      }
    }
  }
}

function missed(message: HistoryMessage): Message {
  const { conversation, from, seq, timeMs, text, own, isIncomplete, attachments, extensions, expiresMs, change } = message
  return { conversation, from, seq, index: 0, timeMs, text, own, missed: true, isIncomplete, attachments, extensions, expiresMs, change, operation: null }
}

function missedOperation({ conversation, from, seq, timeMs, text, own, target, kind, expiresMs }: HistoryOperation): Message {
  return {
    conversation, from, seq, index: 0, timeMs, text, own, missed: true, isIncomplete: false, attachments: [], extensions: EMPTY_BYTES, expiresMs, change: null,
    operation: { target, kind },
  }
}

function inOrder({ messages, operations }: HistoryPage): (HistoryMessage | HistoryOperation)[] {
  return [...messages, ...operations].sort((one, other) => one.seq - other.seq)
}
