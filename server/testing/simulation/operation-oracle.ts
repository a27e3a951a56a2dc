/**
 * What must be true of edits, deletions and reactions: each happens once, by whom and when it may; what they leave of a message follows
 * from their order alone; and of what was deleted nothing is given out or kept. Knows what was asked for and acknowledged.
 */
import type { Engine } from '../../../storage/engine.js'
import { conversationKeys } from '../../../storage/conversation-keys.js'
import { ERROR, type ErrorCode } from '../../../protocol/generated/registry.js'
import { Breach } from './breach.js'

export type OperationName = 'edit' | 'delete' | 'react'

export interface SimOperation {
  readonly conversation: string
  readonly from: string
  readonly target: number
  readonly kind: OperationName
  readonly text: string
}

/** A message as operations have left it. */
export interface Outcome {
  readonly isDeleted: boolean
  /** Seq and text of the edit in force. */
  readonly edit: { readonly seq: number; readonly text: string } | null
  /** By user. */
  readonly reactions: ReadonlyMap<string, { readonly seq: number; readonly emoji: string }>
}

export class OperationOracle {
  /** By conversation, and in each by seq. */
  readonly #happened = new Map<string, Map<number, SimOperation>>()
  /** By conversation and target: texts that somebody wanted it to have, and who wanted it gone. */
  readonly #edits = new Map<string, Set<string>>()
  readonly #deleters = new Map<string, Set<string>>()
  /** When messages were sent, and what they said. */
  readonly #sent = new Map<string, { readonly timeMs: number; readonly text: string }>()
  /** Targets of deletions that have been acknowledged. */
  readonly #erased = new Set<string>()
  readonly #limits: { readonly editAgeMs: number; readonly deleteAgeMs: number }
  readonly #latestMs: () => number
  /** Whether a message had expired by then; known to who knows of timers. */
  hasExpiredBy: (conversation: string, seq: number, timeMs: number) => boolean = () => false

  /** `latestMs`: the latest time that any clock has shown. */
  constructor(limits: { readonly editAgeMs: number; readonly deleteAgeMs: number }, latestMs: () => number) {
    this.#limits = limits
    this.#latestMs = latestMs
  }

  asked({ conversation, from, target, kind, text }: SimOperation): void {
    if (kind === 'edit') setOf(this.#edits, key(conversation, target)).add(text)
    if (kind === 'delete') setOf(this.#deleters, key(conversation, target)).add(from)
  }

  /** A message was acknowledged, or came to a device. */
  sent(conversation: string, seq: number, timeMs: number, text: string): void {
    if (text !== '') this.#sent.set(key(conversation, seq), { timeMs, text })
  }

  /** What a message said when it was sent; undefined: only who sent it knows. */
  textOf(conversation: string, seq: number): string | undefined {
    return this.#sent.get(key(conversation, seq))?.text
  }

  /** Whether a message may be found with this text in place of its own. */
  mayHave(conversation: string, seq: number, text: string): boolean {
    if (text === '') return this.mayBeDeleted(conversation, seq) || this.hasExpiredBy(conversation, seq, this.#latestMs())
    return this.#edits.get(key(conversation, seq))?.has(text) === true
  }

  /** Whether anybody has asked for that. */
  mayBeDeleted(conversation: string, seq: number): boolean {
    return this.#deleters.has(key(conversation, seq))
  }

  /** Whether that was acknowledged to somebody. */
  isDeleted(conversation: string, seq: number): boolean {
    return this.#erased.has(key(conversation, seq))
  }

  /** All that it may ever have said. */
  textsOf(conversation: string, seq: number): string[] {
    const name = key(conversation, seq)
    const sent = this.#sent.get(name)?.text
    return [...sent === undefined ? [] : [sent], ...this.#edits.get(name) ?? []]
  }

  /** Acknowledged to who asked for it. [OPS-4, OPS-6] */
  acked(operation: SimOperation, seq: number, timeMs: number, author: string): void {
    const { conversation, from, target, kind } = operation
    const name = key(conversation, target)
    const isForeign = from !== author
    // What has expired is gone already, and a clock that is set back brings back what waits in queues.
    if (kind === 'delete' && !(seq === 0 && this.hasExpiredBy(conversation, target, this.#latestMs()))) this.#erased.add(name)
    if (seq === 0) return
    if (this.hasExpiredBy(conversation, target, timeMs)) throw new Breach(`${from} could ${kind} ${name}, which has expired`)
    const isPair = !conversation.startsWith('#')
    if (isForeign && (kind === 'edit' || (kind === 'delete' && isPair))) throw new Breach(`${from} could ${kind} ${name} of ${author}`)
    const sentMs = this.#sent.get(name)?.timeMs
    const ageMs = kind === 'edit' ? this.#limits.editAgeMs : kind === 'delete' && isPair ? this.#limits.deleteAgeMs : Infinity
    if (sentMs !== undefined && timeMs - sentMs > ageMs) throw new Breach(`${from} could ${kind} ${name} after ${String(timeMs - sentMs)} ms`)
    this.happened(operation, seq)
  }

  /** [OPS-4, OPS-6, OPS-8] */
  refused({ conversation, from, target, kind }: SimOperation, error: ErrorCode, author: string): void {
    const name = key(conversation, target)
    const ageMs = this.#latestMs() - (this.#sent.get(name)?.timeMs ?? 0)
    const isRight = error === ERROR.notAllowed ? kind !== 'react' && from !== author
      : error === ERROR.tooLate ? kind !== 'react' && ageMs > (kind === 'edit' ? this.#limits.editAgeMs : this.#limits.deleteAgeMs)
        : error === ERROR.messageDeleted ? kind !== 'delete' && this.mayHave(conversation, target, '') : false
    if (!isRight) throw new Breach(`${from} was refused to ${kind} ${name} with ${String(error)}`)
  }

  /** Somebody has learned that this is at a place of the log. One order for all, and each change asked for is there once. [OPS-1, OPS-2] */
  happened(operation: SimOperation, seq: number): void {
    const { conversation, from, target, kind, text } = operation
    let log = this.#happened.get(conversation)
    if (log === undefined) this.#happened.set(conversation, log = new Map())
    const known = log.get(seq)
    if (known !== undefined) {
      if (known.from !== from || known.target !== target || known.kind !== kind) throw new Breach(`${key(conversation, seq)} is two operations`)
      if (known.text !== '' || text === '') return
    }
    log.set(seq, operation)
    if (kind !== 'edit' || text === '') return
    for (const [other, each] of log) if (other !== seq && each.kind === kind && each.text === text) throw new Breach(`the edit '${text}' happened twice`)
  }

  /** A device is being sent the text of a message. [OPS-7] */
  given(user: string, conversation: string, target: number, text: string): void {
    const name = key(conversation, target)
    if (text !== '' && this.#erased.has(name)) throw new Breach(`${user} is sent '${text}' of ${name}, which was deleted`)
  }

  /** What is left of a message, of edits the last one that may be read. [OPS-5, OPS-9, OPS-13] */
  outcome(conversation: string, target: number, mayRead: (seq: number) => boolean = () => true): Outcome {
    let isDeleted = false
    let edit: Outcome['edit'] = null
    const reactions = new Map<string, { seq: number; emoji: string }>()
    for (const [seq, each] of [...this.#happened.get(conversation) ?? []].sort(([one], [other]) => one - other)) {
      if (each.target !== target) continue
      if (each.kind === 'delete') isDeleted = true
      else if (each.kind === 'edit') {
        if (mayRead(seq)) edit = { seq, text: each.text }
      }
      else if (each.text === '') reactions.delete(each.from)
      else reactions.set(each.from, { seq, emoji: each.text })
    }
    return { isDeleted, edit, reactions }
  }

  /** Of what was deleted nothing may be left on the disk, but in queues whose devices have not come. [OPS-7] */
  async checkDisk(disk: Engine): Promise<void> {
    const conversations = new Set([...this.#erased].map((name) => name.slice(0, name.lastIndexOf(' '))))
    for (const conversation of conversations) {
      const keys = conversationKeys(conversation)
      const rows = [...await disk.range({ ...keys.logRange(0), limit: ROWS_MAX }), ...await disk.range({ ...keys.states(0, ROWS_MAX), limit: ROWS_MAX })]
      const stored = Buffer.concat(rows.map(([, row]) => row)).toString('latin1')
      for (const name of this.#erased) {
        if (!name.startsWith(`${conversation} `)) continue
        // Numbers end the texts: the one that is followed by another digit is another text.
        for (const text of [this.#sent.get(name)?.text, ...this.#edits.get(name) ?? []]) {
          if (text !== undefined && new RegExp(`${text}(?![0-9])`).test(stored)) throw new Breach(`${name} '${text}' was deleted and is on the disk`)
        }
      }
    }
  }
}

const ROWS_MAX = 10_000

function key(conversation: string, seq: number): string {
  return `${conversation} ${String(seq)}`
}

function setOf(sets: Map<string, Set<string>>, name: string): Set<string> {
  let set = sets.get(name)
  if (set === undefined) sets.set(name, set = new Set())
  return set
}
