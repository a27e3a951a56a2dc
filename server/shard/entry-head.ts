/** Reads just enough of a stored queue entry to know what its acknowledgement means. */
import { FRAME } from '../../protocol/generated/registry.js'

export interface EntryHead {
  /** As the user addresses it; '' where nothing counts as delivered. */
  readonly conversation: string
  /** 0 where nothing counts as delivered. */
  readonly seq: number
}

const NOTHING: EntryHead = { conversation: '', seq: 0 }

/** Cursor over the bytes; `at` is -1 once they have run out. */
class Head {
  readonly bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  uint(): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8 && this.at >= 0; i++) {
      const byte = this.bytes[this.at]
      if (byte === undefined) break
      this.at++
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    this.at = -1
    return 0
  }

  /** Addresses are ASCII, so latin1 reads them. */
  ascii(): string {
    const length = this.uint()
    if (this.at < 0 || this.at + length > this.bytes.length) {
      this.at = -1
      return ''
    }
    const { buffer, byteOffset } = this.bytes
    const text = Buffer.from(buffer, byteOffset + this.at, length).toString('latin1')
    this.at += length
    return text
  }
}

/** null: the bytes are not the entry with this index. */
export function readEntryHead(frame: Uint8Array, index: number, user: string): EntryHead | null {
  const head = new Head(frame)
  const length = head.uint()
  if (head.at < 0 || head.at + length !== frame.length) return null
  const type = head.uint()
  if (head.uint() !== index || head.at < 0) return null
  if (type !== FRAME.delivery && type !== FRAME.deliveryFrom) return NOTHING
  const conversation = head.ascii()
  const from = type === FRAME.deliveryFrom ? head.ascii() : conversation
  const seq = head.uint()
  if (head.at < 0) return null
  return from === user ? NOTHING : { conversation, seq }
}
