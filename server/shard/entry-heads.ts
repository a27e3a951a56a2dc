/** Reads just enough of stored queue entries to know where each ends and what its acknowledgement means. */
import { FRAME } from '../../protocol/generated/registry.js'

/** Of an operation: target and kind. */
const OPERATION_FIELDS = 2
const TIME_BYTES = 6

/**
 * Walks over whole frames that stand one behind another. The fields tell of the entry that `next` has come to; no object is made for
 * an entry, and a conversation's name is made once where it repeats.
 */
export class EntryHeads {
  readonly #bytes: Uint8Array
  readonly #user: string
  /** -1: the bytes are not what they should be. */
  #at = 0
  #nameAt = 0
  #nameLength = 0
  #name = ''
  /** Where the entry's frame ends. */
  end = 0
  index = 0
  /** As the user addresses it; '' where nothing counts as delivered. */
  conversation = ''
  /** 0 where nothing counts as delivered: receipts, and what the user has written. */
  seq = 0
  /** Whether one of the messages and operations so far carries extensions. */
  hasExtensions = false

  /** @param user whose queue it is */
  constructor(bytes: Uint8Array, user: string) {
    this.#bytes = bytes
    this.#user = user
  }

  /** Comes to the next entry; false when there is none that can be read. */
  next(): boolean {
    const start = this.#at = this.end
    if (start >= this.#bytes.length) return false
    const length = this.#uint()
    this.end = this.#at + length
    if (this.#at < 0 || this.end > this.#bytes.length) return false
    const type = this.#uint()
    this.index = this.#uint()
    this.conversation = ''
    this.seq = 0
    if (type === FRAME.delivery) this.#readMessage(false, 0)
    else if (type === FRAME.deliveryFrom) this.#readMessage(true, 0)
    else if (type === FRAME.operation) this.#readMessage(true, OPERATION_FIELDS)
    else if (type === FRAME.change) this.#readHead(true)
    return this.#at >= 0 && this.#at <= this.end
  }

  /** A head, and whether there is something behind the text; `fields`: numbers between time and text. */
  #readMessage(hasSender: boolean, fields: number): void {
    this.#readHead(hasSender)
    if (this.hasExtensions || this.#at < 0) return
    this.#at += TIME_BYTES
    for (let i = 0; i < fields; i++) this.#uint()
    const length = this.#uint()
    if (this.#at >= 0 && this.#at + length < this.end) this.hasExtensions = true
  }

  #readHead(hasSender: boolean): void {
    const conversation = this.#ascii()
    const from = hasSender ? this.#ascii() : conversation
    const seq = this.#uint()
    if (from === this.#user) return
    this.conversation = conversation
    this.seq = seq
  }

  #uint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8 && this.#at >= 0; i++) {
      const byte = this.#bytes[this.#at]
      if (byte === undefined) break
      this.#at++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    this.#at = -1
    return 0
  }

  /** Addresses are ASCII, so latin1 reads them. */
  #ascii(): string {
    const length = this.#uint()
    const start = this.#at
    if (start < 0 || start + length > this.end) {
      this.#at = -1
      return ''
    }
    this.#at += length
    if (this.#isSameName(start, length)) return this.#name
    const { buffer, byteOffset } = this.#bytes
    this.#nameAt = start
    this.#nameLength = length
    this.#name = Buffer.from(buffer, byteOffset + start, length).toString('latin1')
    return this.#name
  }

  #isSameName(start: number, length: number): boolean {
    if (length !== this.#nameLength) return false
    for (let i = 0; i < length; i++) if (this.#bytes[start + i] !== this.#bytes[this.#nameAt + i]) return false
    return true
  }
}
