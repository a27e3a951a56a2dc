/** Two ends of a connection in simulated time: bytes come in order, in pieces of any size, and are lost where it is cut. */
import type { Transport, TransportHandler } from '../../listeners/transport.js'
import type { World } from '../../testing/simulation/world.js'

const DELAY_MS_MAX = 4
const PIECE_BYTES_MAX = 400

export class SimPipe implements Transport {
  readonly scheme = 'tcp'
  readonly isEncrypted = false
  readonly remoteAddress = 'simulated'
  readonly acceptedMs = 0
  readonly bufferedBytes = 0
  readonly #world: World
  #other: SimPipe | null = null
  #handler: TransportHandler | null = null
  /** On their way from here to the other end. */
  readonly #sent: Uint8Array[] = []
  #isMoving = false
  #isEnding = false
  isOpen = true
  /** What is written is lost, and nobody is told. */
  isMuted = false
  /** Nothing that is written is taken: the other end reads nothing. */
  isStuck = false
  writes = 0

  private constructor(world: World) {
    this.#world = world
  }

  /** Both ends, to be started in the same turn. */
  static pair(world: World): readonly [SimPipe, SimPipe] {
    const [one, other] = [new SimPipe(world), new SimPipe(world)]
    one.#other = other
    other.#other = one
    return [one, other]
  }

  start(handler: TransportHandler): void {
    this.#handler = handler
    // What came before waited, as it does in a kernel.
    if (this.#other !== null && this.#other.#sent.length > 0) this.#other.#move()
  }

  write(bytes: Uint8Array): boolean {
    this.writes++
    if (!this.isOpen || this.isMuted) return true
    if (this.isStuck) return false
    // As the kernel would, for what comes behind may be written over.
    this.#sent.push(bytes.slice())
    this.#move()
    if (!this.#world.random.chance(0.05)) return true
    this.#world.after(this.#world.random.below(3 * DELAY_MS_MAX), () => { if (this.isOpen) this.#handler?.drained() })
    return false
  }

  #move(): void {
    if (this.#isMoving) return
    this.#isMoving = true
    this.#world.after(this.#world.random.below(DELAY_MS_MAX), () => {
      this.#isMoving = false
      const other = this.#other
      if (!this.isOpen || other === null || !other.isOpen || other.#handler === null) return
      const bytes = Buffer.concat(this.#sent.splice(0))
      const size = this.#world.random.chance(0.3) ? 1 + this.#world.random.below(PIECE_BYTES_MAX) : bytes.length
      if (bytes.length > size) this.#sent.push(bytes.subarray(size))
      if (bytes.length > 0) other.#handler.received(Uint8Array.prototype.slice.call(bytes, 0, size), false)
      if (this.#sent.length > 0) this.#move()
      else if (this.#isEnding) other.#handler.peerEnded()
    })
  }

  end(): void {
    this.#isEnding = true
    this.#move()
  }

  destroy(): void {
    if (!this.isOpen) return
    this.isOpen = false
    const other = this.#other
    this.#world.defer(() => this.#handler?.gone())
    this.#world.after(this.#world.random.below(DELAY_MS_MAX), () => other?.destroy())
  }

  /** Nothing gets through any more; the ends notice one after the other. */
  cut(): void {
    for (const end of [this, this.#other]) {
      if (end?.isOpen !== true) continue
      end.isOpen = false
      this.#world.after(this.#world.random.below(200), () => end.#handler?.gone())
    }
  }

  pause(): void {}
  resume(): void {}
  channelBinding(): null { return null }
}
