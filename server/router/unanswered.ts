/**
 * Stanzas of one session that were handed to its shard and not answered, in order: sent again where the shard has another owner, under
 * the same client ids. They are kept as the frames of a link, one behind another in one piece of memory: no object for a stanza.
 */
import { ByteBuffer } from '../../protocol/byte-buffer.js'
import { Reader } from '../../protocol/reader.js'
import { LINK_NEEDS_MORE, LinkDecoder } from '../link/link-decoder.js'
import { appendMark, appendMessage, appendOperate } from '../link/link-frames.js'
import { carryOutSaid } from './link-commands.js'
import type { Attachment, Router } from './router.js'

/** Memory that is kept while nothing waits: most sessions send little. */
const KEPT_BYTES = 512
/** Answered stanzas in front before they are taken out: a range at a time. */
const COMPACT_COUNT = 64

const reader = new Reader()

export class Unanswered {
  #frames = new ByteBuffer()
  /** Client ids, rising; negated once answered. Behind #head none in front is. */
  #ids: number[] = []
  /** Where each frame ends in #frames. */
  #ends: number[] = []
  #head = 0
  /** Where the frame at #head begins. */
  #start = 0

  get isEmpty(): boolean {
    return this.#head === this.#ids.length
  }

  message(clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
    appendMessage(this.#frames, 0, clientId, to, text, extensions)
    this.#note(clientId)
  }

  mark(clientId: number, conversation: string, mark: number, seq: number): void {
    appendMark(this.#frames, 0, clientId, conversation, mark, seq)
    this.#note(clientId)
  }

  operate(clientId: number, conversation: string, target: number, kind: number, text: Uint8Array): void {
    appendOperate(this.#frames, 0, clientId, conversation, target, kind, text)
    this.#note(clientId)
  }

  #note(clientId: number): void {
    this.#ids.push(clientId)
    this.#ends.push(this.#frames.length)
  }

  /** false: it was answered before, or never handed over. */
  answered(clientId: number): boolean {
    const at = this.#ids[this.#head] === clientId ? this.#head : this.#find(clientId)
    if (at < 0) return false
    this.#ids[at] = -clientId
    while (this.#head < this.#ids.length && this.#ids[this.#head]! < 0) this.#start = this.#ends[this.#head++]!
    if (this.isEmpty) this.#clear()
    else if (this.#head >= COMPACT_COUNT && this.#head * 2 > this.#ids.length) this.#compact()
    return true
  }

  #find(clientId: number): number {
    let low = this.#head
    let high = this.#ids.length - 1
    while (low <= high) {
      const middle = (low + high) >>> 1
      const id = this.#ids[middle]!
      if (id === clientId) return middle
      if (Math.abs(id) < clientId) low = middle + 1
      else high = middle - 1
    }
    return -1
  }

  /** Hands all of them to a router, in order. Some may be refused within this call. */
  sendTo(router: Router, attachment: Attachment): void {
    const ids = this.#ids.slice(this.#head)
    const ends = this.#ends.slice(this.#head)
    // What is answered meanwhile frees this memory; nothing is written over it before the next stanza.
    const { bytes } = this.#frames
    let start = this.#start
    for (let i = 0; i < ids.length; i++) {
      const end = ends[i]!
      if (ids[i]! > 0) handOver(router, attachment, bytes.subarray(start, end))
      start = end
    }
  }

  #clear(): void {
    this.#ids = []
    this.#ends = []
    this.#head = 0
    this.#start = 0
    if (this.#frames.bytes.length > KEPT_BYTES) this.#frames = new ByteBuffer()
    else this.#frames.length = 0
  }

  #compact(): void {
    const frames = new ByteBuffer()
    frames.append(this.#frames.bytes.subarray(this.#start, this.#frames.length))
    this.#frames = frames
    this.#ids = this.#ids.slice(this.#head)
    this.#ends = this.#ends.slice(this.#head).map((end) => end - this.#start)
    this.#head = 0
    this.#start = 0
  }
}

function handOver(router: Router, attachment: Attachment, frame: Uint8Array): void {
  const decoder = new LinkDecoder(frame.length)
  decoder.push(frame)
  const type = decoder.next()
  if (type === LINK_NEEDS_MORE) throw new TypeError('not a whole frame')
  reader.reset(decoder.reader.bytes, decoder.reader.position, decoder.reader.end)
  // The session, which is another one now.
  reader.uint()
  carryOutSaid(router, attachment, type, reader)
}
