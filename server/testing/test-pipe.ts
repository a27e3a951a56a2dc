/** Two ends of a connection: bytes come whole and in order in a later turn of who hears them, and are lost where it is cut. */
import type { Transport, TransportHandler } from '../listeners/transport.js'
import type { Scheduler } from '../shard/environment.js'

export class TestPipe implements Transport {
  readonly scheme = 'tcp'
  readonly isEncrypted = false
  readonly remoteAddress = 'test'
  readonly acceptedMs = 0
  readonly bufferedBytes = 0
  readonly #scheduler: Pick<Scheduler, 'defer'>
  #other: TestPipe | null = null
  /** Whose end it is. */
  handler: TransportHandler | null = null
  readonly #early: Uint8Array[] = []
  isOpen = true
  /** Nothing that is written is taken: the other end reads nothing. */
  isStuck = false
  /** What is written gets lost. */
  isMute = false

  private constructor(scheduler: Pick<Scheduler, 'defer'>) {
    this.#scheduler = scheduler
  }

  /** Of two processes: what each of them hears it hears in its own time. Both have to keep the order of what is deferred. */
  static pair(ofOne: Pick<Scheduler, 'defer'>, ofOther = ofOne): readonly [TestPipe, TestPipe] {
    const [one, other] = [new TestPipe(ofOne), new TestPipe(ofOther)]
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
    this.#atOther((other) => { if (this.isOpen && other.isOpen) other.#receive(copy) })
    return true
  }

  #atOther(task: (other: TestPipe) => void): void {
    const other = this.#other
    if (other !== null) other.#scheduler.defer(() => { task(other) })
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
    this.#atOther((other) => { if (this.isOpen && !this.isMute && other.isOpen) other.handler?.peerEnded() })
  }

  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    this.#scheduler.defer(() => this.handler?.gone())
    if (!this.isMute) this.#atOther((other) => { other.destroy() })
  }

  pause(): void {}
  resume(): void {}
  channelBinding(): null { return null }
}
