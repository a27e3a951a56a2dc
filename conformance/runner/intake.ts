/** Bytes of the other side become frames; the first fault ends that, since nobody knows where the next frame would begin. */
import { StreamDecoder, WireFault } from './decode.js'
import type { Decoded } from './decode.js'

export interface IntakeUser {
  /** The longest body that may come now. */
  bodyBytesMax(): number
  take(decoded: Decoded): void
  /** What came does not decode. `bytes`: the last of it. */
  broken(fault: WireFault, bytes: Uint8Array): void
}

export class Intake {
  readonly #user: IntakeUser
  readonly #decoder = new StreamDecoder()
  #isBroken = false

  constructor(user: IntakeUser) {
    this.#user = user
  }

  /** `isMessage`: the bytes are one WebSocket message, which holds whole frames. [FRM-12] */
  push(bytes: Uint8Array, isMessage: boolean): void {
    if (this.#isBroken) return
    this.#decoder.push(bytes)
    try {
      for (;;) {
        const decoded = this.#decoder.next(this.#user.bodyBytesMax())
        if (decoded === null) break
        this.#user.take(decoded)
      }
      if (isMessage && this.#decoder.rest > 0) throw new WireFault('FRM-12', 'a WebSocket message ends within a frame')
    } catch (error) {
      if (!(error instanceof WireFault)) throw error
      this.#isBroken = true
      this.#user.broken(error, bytes)
    }
  }
}
