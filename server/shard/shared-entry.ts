/**
 * An entry that goes into many queues and differs in its index alone: encoded once, appended with each queue's own index. The frames of
 * entries all begin with it.
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { uintSize, writeRaw, writeUint } from '../../protocol/writer.js'

/** Index of a frame that is made to be shared. */
export const ANY_INDEX = 0

export class SharedEntry {
  readonly type: number
  /** What stands behind the index. */
  readonly rest: Uint8Array

  constructor(type: number, rest: Uint8Array) {
    this.type = type
    this.rest = rest
  }

  /** @param frame the entry's whole frame, its length included, with any index; its bytes are kept */
  static of(frame: Uint8Array): SharedEntry {
    let at = behindUint(frame, 0)
    const type = frame[at]!
    at = behindUint(frame, at + 1)
    return new SharedEntry(type, frame.subarray(at))
  }

  /** Bytes of its frame with this index. */
  sizeWith(index: number): number {
    const size = 1 + uintSize(index) + this.rest.length
    return uintSize(size) + size
  }

  append(frames: ByteBuffer, index: number): void {
    const rest = this.rest
    const size = 1 + uintSize(index) + rest.length
    let position = frames.reserve(uintSize(size) + size)
    const { bytes } = frames
    position = writeUint(bytes, position, size)
    bytes[position] = this.type
    writeRaw(bytes, writeUint(bytes, position + 1, index), rest)
  }
}

function behindUint(bytes: Uint8Array, at: number): number {
  while (bytes[at]! >= 0x80) at++
  return at + 1
}
