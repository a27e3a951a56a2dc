/** Two ends of a connection within one process: bytes come whole and in order in a later turn, and are lost where it is cut. */
import type { Transport, TransportHandler } from '../listeners/transport.js'
import type { Scheduler } from '../shard/environment.js'

export class TestPipe implements Transport {
  readonly scheme = 'tcp'
  readonly isEncrypted = false
  readonly remoteAddress = 'test'
  readonly acceptedMs = 0
  readonly bufferedBytes = 0
  readonly #scheduler: Scheduler
  #other: TestPipe | null = null
  /** Whose end it is. */
  handler: TransportHandler | null = null
  readonly #early: Uint8Array[] = []
  isOpen = true
  /** Nothing that is written is taken: the other end reads nothing. */
  isStuck = false
  /** What is written gets lost. */
  isMute = false

  private constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  static pair(scheduler: Scheduler): readonly [TestPipe, TestPipe] {
    const [one, other] = [new TestPipe(scheduler), new TestPipe(scheduler)]
    one.#other = other
    other.#other = one
    return [one, other]
  }

  start(handler: TransportHandler): void {
    this.handler = handler
    for (const bytes of this.#early.splice(0)) handler.received(bytes, false)
  }

  write(bytes: Uint8Array): boolean {
    if (this.isStuck) return false
    if (this.isMute) return true
    // As a kernel would: what comes behind may be written over.
    const copy = Uint8Array.prototype.slice.call(bytes)
    this.#scheduler.defer(() => { if (this.isOpen && this.#other?.isOpen === true) this.#other.#receive(copy) })
    return true
  }

  #receive(bytes: Uint8Array): void {
    if (this.handler === null) this.#early.push(bytes)
    else this.handler.received(bytes, false)
  }

  /** Nothing of what this end writes gets through any more, or of what the other one does. */
  mute(end: 'this' | 'other'): void {
    if (end === 'this') this.isMute = true
    else if (this.#other !== null) this.#other.isMute = true
  }

  /** Nothing gets through any more, also of what is on its way. */
  cut(): void {
    for (const end of [this, this.#other]) end?.destroy()
  }

  end(): void {
    this.#scheduler.defer(() => { if (this.isOpen && !this.isMute && this.#other?.isOpen === true) this.#other.handler?.peerEnded() })
  }

  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#scheduler.defer(() => this.handler?.gone())
    this.#scheduler.defer(() => this.#other?.destroy())
  }

  pause(): void {}
  resume(): void {}
  channelBinding(): null { return null }
}
