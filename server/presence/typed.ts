/** What a session was last seen to do in its conversations, so that the others are told no more often than they have to be. [PRS-13] */
import { TYPING } from '../../protocol/generated/registry.js'
import type { PresenceLimits } from './limits.js'

/** When each kind was forwarded; -Infinity: never. */
interface LastTyped {
  readonly kind: number
  readonly atMs: number
  readonly typingMs: number
  readonly recordingMs: number
}

const NEVER_TYPED: LastTyped = { kind: TYPING.paused, atMs: -Infinity, typingMs: -Infinity, recordingMs: -Infinity }

export class Typed {
  readonly #limits: Pick<PresenceLimits, 'typingRefreshMs' | 'typingConversationsMax'>
  /** By conversation, the one longest ago first. */
  readonly #last = new Map<string, LastTyped>()

  constructor(limits: Pick<PresenceLimits, 'typingRefreshMs' | 'typingConversationsMax'>) {
    this.#limits = limits
  }

  /** Conversations that are remembered. */
  get size(): number {
    return this.#last.size
  }

  /** Whether this is news for the others; remembered as told if it is. */
  isNews(conversation: string, kind: number, nowMs: number): boolean {
    const { typingRefreshMs, typingConversationsMax } = this.#limits
    const last = this.#last.get(conversation) ?? NEVER_TYPED
    // A clock that was set makes it news.
    const isRecent = (atMs: number): boolean => Math.abs(nowMs - atMs) < typingRefreshMs
    if (kind === TYPING.paused ? last.kind === TYPING.paused : isRecent(kind === TYPING.typing ? last.typingMs : last.recordingMs)) return false
    const oldest = this.#last.entries().next()
    if (last === NEVER_TYPED && this.#last.size >= typingConversationsMax && oldest.done !== true) {
      // Nobody types in so many at once; to forget one of them now would let it be told again too soon.
      if (isRecent(oldest.value[1].atMs)) return false
      this.#last.delete(oldest.value[0])
    }
    this.#last.delete(conversation)
    this.#last.set(conversation, {
      kind,
      atMs: nowMs,
      typingMs: kind === TYPING.typing ? nowMs : last.typingMs,
      recordingMs: kind === TYPING.recording ? nowMs : last.recordingMs,
    })
    return true
  }

  /** It was not forwarded after all. */
  forget(conversation: string): void {
    this.#last.delete(conversation)
  }
}
