/**
 * Forgets messages older than the operator wants them kept: a sweep over all conversations of the store, a few at a time with pauses
 * between, from key to key without a list of them in memory. A message first ceases to exist, on disk, in its conversation's row;
 * only then its record is removed. Numbers go on, so nothing else notices.
 *
 * A row may hold several messages of one moment: it goes when the last of them is too old.
 *
 *     next conversation ─▶ is its first row too old? ─▶ forgetUpTo (committed) ─▶ engine.trim
 */
import { conversationKeys } from '../../storage/conversation-keys.js'
import { everything, numberAt } from '../../storage/owner-keys.js'
import { searchKeys } from '../../storage/search-keys.js'
import { segmentEnd } from '../search/segment.js'
import { isInternal, nextConversation } from './conversation-walk.js'
import { forgetMessages } from './conversation.js'
import { seqAtTime } from './history.js'
import { eachSender } from './log-reader.js'
import { readLogRun } from './log-run.js'
import { decodeConversation } from './records.js'
import type { Shard } from './shard.js'
import { ConversationState } from './conversation-state.js'
import type { Member } from './member.js'

/** After the start, and between the end of one sweep and the next: what is late by an hour is not late. */
const FIRST_SWEEP_MS = 60_000
const SWEEP_PAUSE_MS = 3_600_000
/** So many conversations are looked at in one step, a read or two each, and then everybody else has the store for this long. */
const STEP_CONVERSATIONS = 16
const STEP_PAUSE_MS = 50
/** Messages forgotten in one step of one conversation, whose commands wait while they are counted. */
const STEP_MESSAGES = 4096
/** The store is away: look again after this. */
const RETRY_PAUSE_MS = 10_000

export class Retention {
  readonly #shard: Shard
  /** First key not yet looked at; null: a new sweep begins. */
  #from: Uint8Array | null = null
  readonly #run = (): void => {
    if (this.#shard.isClosed) return
    if (!this.#shard.isAvailable) {
      this.#later(RETRY_PAUSE_MS)
      return
    }
    this.#step().then(
      (pauseMs) => this.#later(pauseMs),
      (error: unknown) => {
        this.#shard.environment.log.warn({ err: error }, 'retention can\'t go on yet')
        this.#later(RETRY_PAUSE_MS)
      },
    )
  }

  constructor(shard: Shard) {
    this.#shard = shard
  }

  /** Sweeps until the shard is closed. */
  start(): void {
    this.#later(FIRST_SWEEP_MS)
  }

  #later(pauseMs: number): void {
    if (!this.#shard.isClosed) this.#shard.environment.scheduler.after(pauseMs, this.#run)
  }

  /** Returns how long to wait before the next one. */
  async #step(): Promise<number> {
    this.#from ??= everything().gte
    for (let i = 0; i < STEP_CONVERSATIONS; i++) {
      const name = await nextConversation(this.#shard, this.#from)
      if (name === null) {
        this.#from = null
        return SWEEP_PAUSE_MS
      }
      const keys = conversationKeys(name)
      // What has more to forget comes again in the next step.
      if (await this.#forgetIn(name)) {
        this.#from = keys.all().gte
        return STEP_PAUSE_MS
      }
      this.#from = keys.all().lt
    }
    return STEP_PAUSE_MS
  }

  /** true: there is more to forget than one step may. */
  async #forgetIn(name: string): Promise<boolean> {
    try {
      return await this.#forget(name)
    } catch (error) {
      if (!isInternal(error)) throw error
      return false
    }
  }

  async #forget(name: string): Promise<boolean> {
    const shard = this.#shard
    const { engine, environment } = shard
    const keys = conversationKeys(name)
    const oldestMs = environment.clock.nowMs() - environment.limits.retentionMs
    const first = (await shard.reading(engine.range({ ...keys.logRange(0), limit: 1 })))[0]
    if (first === undefined) return false
    const [firstKey, firstRow] = first
    if ((await shard.reading(lastTime(firstRow, numberAt(firstKey)))) >= oldestMs) return false
    const conversation = await shard.conversation(name)
    const wanted = await shard.reading(seqAtTime(engine, conversation, oldestMs)) - 1
    const seq = Math.min(wanted, conversation.trimmedTo + STEP_MESSAGES)
    if (seq > conversation.trimmedTo) await forgetUpTo(shard, name, seq)
    // Only the disk says what exists no longer, whatever has happened meanwhile.
    const trimmedTo = await shard.reading(this.#trimmedTo(name))
    // Of what is partly gone the words go as a whole: a search reads the rest in the log.
    await engine.trim(searchKeys(name).segments(0, segmentEnd(trimmedTo) + 1))
    await engine.trim(keys.states(0, trimmedTo + 1))
    // Last, since by what is left of it all of this is found again where one of them fails.
    await engine.trim(keys.logRange(numberAt(firstKey), trimmedTo + 1))
    return trimmedTo >= seq && wanted > seq
  }

  async #trimmedTo(name: string): Promise<number> {
    const row = await this.#shard.engine.get(conversationKeys(name).meta())
    if (row === undefined) return 0
    const stored = new ConversationState(name, conversationKeys(name))
    decodeConversation(row, stored)
    return stored.trimmedTo
  }
}

/**
 * Messages of the conversation up to `seq`, all committed, exist no longer, and what they carried is released. Resolves when that is on
 * disk; their rows are then the caller's to remove. [BLB-13]
 */
export async function forgetUpTo(shard: Shard, name: string, seq: number): Promise<void> {
  const unread = new Map<Member, number>()
  let carriesBlobs = false
  const isThere = ({ exists, trimmedTo, committedTail }: ConversationState): boolean => exists && seq > trimmedTo && seq <= committedTail
  await shard.alone(name, {
    read: async (conversation) => {
      unread.clear()
      if (!isThere(conversation)) return
      const references = conversation.keys.references(conversation.trimmedTo + 1, seq + 1)
      carriesBlobs = (await shard.engine.range({ ...references, limit: 1 })).length > 0
      await eachSender(shard.engine, conversation, conversation.trimmedTo + 1, seq, (from, at) => {
        for (const member of conversation.members) {
          if (member.user !== from && at > member.read && !conversation.hides(member.user, at)) unread.set(member, (unread.get(member) ?? 0) + 1)
        }
      })
    },
    run: (conversation) => {
      if (isThere(conversation)) {
        if (carriesBlobs) shard.ledger.release(conversation.name, 'messages', conversation.trimmedTo + 1, seq)
        forgetMessages(shard.transaction, conversation, seq, unread)
      }
      shard.schedule()
    },
  })
}

/** When the last message of a row was written. Rejects where the row is damaged. */
async function lastTime(row: Uint8Array, last: number): Promise<number> {
  return readLogRun(row, last).at(-1)?.timeMs ?? Infinity
}
