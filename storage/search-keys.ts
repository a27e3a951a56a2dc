/** The keys of the index of a conversation's text. */
import type { KeyRange } from './engine.js'
import { OwnerKeys, TABLE } from './owner-keys.js'

const KIND_SEGMENT = 0x60

/** Keys of the index of a conversation's text: derived from its log, and made again from it. */
export class SearchKeys extends OwnerKeys {
  constructor(conversation: string) {
    super(TABLE.search, conversation)
  }

  /** The segment whose last message has this seq. */
  segment(last: number): Buffer {
    return this.numbered(KIND_SEGMENT, last)
  }

  /** Segments whose last message lies from `from` up to, without, `to`; without `to` up to the last. */
  segments(from: number, to?: number): KeyRange {
    return this.numbers(KIND_SEGMENT, from, to)
  }
}

/** Keys of a conversation's index, by its name in the store. */
export function searchKeys(name: string): SearchKeys {
  return new SearchKeys(name)
}
