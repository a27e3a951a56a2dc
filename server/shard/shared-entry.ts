/**
 * An entry that goes into many queues and differs in its index alone: encoded once, appended with each queue's own index. The frames of
 * entries all begin with it.
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { uintSize, writeRaw, writeUint } from '../../protocol/writer.js'

/** Index of the frame that is handed over: one byte. */
export const ANY_INDEX = 0

export class SharedEntry {
  readonly #type: number
  /** What stands behind the index. */
  readonly #rest: Uint8Array

  /** @param frame the entry's whole frame, its length included, with ANY_INDEX for index; its bytes are kept */
  constructor(frame: Uint8Array) {
    let at = 0
    while (frame[at]! >= 0x80) at++
    this.#type = frame[at + 1]!
    this.#rest = frame.subarray(at + 3)
  }

  append(frames: ByteBuffer, index: number): void {
    const rest = this.#rest
    const size = 1 + uintSize(index) + rest.length
    let position = frames.reserve(uintSize(size) + size)
    const { bytes } = frames
    position = writeUint(bytes, position, size)
    bytes[position] = this.#type
    writeRaw(bytes, writeUint(bytes, position + 1, index), rest)
  }
}
