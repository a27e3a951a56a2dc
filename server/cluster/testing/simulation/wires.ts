/**
 * The network between the machines of a simulated cluster, over which they have their links: connections that take their time, end in the
 * middle of everything, or fall silent, one way or both.
 */
import { LinkError } from '../../../link/open-link.js'
import { LINK_CLOSE } from '../../../link/link-frames.js'
import type { LinkAcceptor } from '../../../link/link-acceptor.js'
import { TestPipe } from '../../../testing/test-pipe.js'
import type { SimProcess } from './sim-process.js'

/** A connection that nobody answers. */
const CONNECT_TIMEOUT_MS = 1500

/** `pipe` is the end of who has dialled, `other` that of who was. */
interface Wire {
  readonly from: SimProcess
  readonly to: SimProcess
  readonly pipe: TestPipe
  readonly other: TestPipe
}

export class Wires {
  readonly #listeners = new Map<string, { readonly process: SimProcess, readonly acceptor: LinkAcceptor }>()
  #wires: Wire[] = []
  /** Who is not heard by whom, `n1>n2`. */
  readonly #deaf = new Set<string>()

  listen(process: SimProcess, acceptor: LinkAcceptor): void {
    this.#listeners.set(process.machine.name, { process, acceptor })
  }

  /** Rejects with LinkError, or never, where the process that dials dies. */
  dial(from: SimProcess, address: string): Promise<TestPipe> {
    const { world } = from.machine.room
    const name = address.split(':')[0] ?? ''
    return new Promise((resolve, reject) => {
      const refuse = (): void => { reject(new LinkError(LINK_CLOSE.unreachable)) }
      world.after(world.random.below(8), from.guarded(() => {
        const listener = this.#listeners.get(name)
        if (!this.#hears(from.machine.name, name) || !this.#hears(name, from.machine.name)) world.after(CONNECT_TIMEOUT_MS, from.guarded(refuse))
        else if (listener?.process.isAlive !== true) refuse()
        else resolve(this.#connect(from, listener.process, listener.acceptor))
      }))
    })
  }

  #connect(from: SimProcess, to: SimProcess, acceptor: LinkAcceptor): TestPipe {
    const lane = laneTo(to)
    const [pipe, other] = TestPipe.pair(laneTo(from), lane)
    this.#wires = [...this.#wires.filter((wire) => wire.pipe.isOpen || wire.other.isOpen), { from, to, pipe, other }]
    lane.defer(() => { acceptor.accept(other) })
    return pipe
  }

  #hears(listener: string, speaker: string): boolean {
    return !this.#deaf.has(`${speaker}>${listener}`)
  }

  /** What the one says to the other is lost from now on: connections that are there never come back from that. */
  part(speaker: string, listener: string): void {
    this.#deaf.add(`${speaker}>${listener}`)
    for (const wire of this.#wires) if (wire.from.machine.name === speaker && wire.to.machine.name === listener) wire.pipe.mute('this')
    for (const wire of this.#wires) if (wire.to.machine.name === speaker && wire.from.machine.name === listener) wire.other.mute('this')
  }

  /** The machine says nothing to others, and hears nothing of them. */
  cutOff(name: string, names: Iterable<string>): void {
    for (const each of names) {
      if (each === name) continue
      this.part(name, each)
      this.part(each, name)
    }
  }

  join(name: string): void {
    for (const way of [...this.#deaf]) if (way.split('>').includes(name)) this.#deaf.delete(way)
  }

  /** Some connections of a machine end, with all that was on its way. */
  cut(name: string, isChosen: () => boolean): void {
    for (const { from, to, pipe } of this.#wires) if ((from.machine.name === name || to.machine.name === name) && isChosen()) pipe.cut()
  }

  /** `isSilent`: nobody says so. */
  died(process: SimProcess, isSilent: boolean): void {
    for (const { from, to, pipe } of this.#wires) {
      if (from !== process && to !== process) continue
      if (isSilent) for (const end of ['this', 'other'] as const) pipe.mute(end)
      else pipe.cut()
    }
  }
}

/** What a process hears over one connection: in its order, after a while, and while it runs. */
function laneTo(process: SimProcess): { defer(task: () => void): void } {
  const { room } = process.machine
  const { world, faults } = room
  const tasks: (() => void)[] = []
  return {
    defer: (task) => {
      tasks.push(task)
      const delayMs = room.isFaulty && world.random.chance(faults.slow) ? world.random.below(800) : world.random.below(4)
      world.after(delayMs, process.guarded(() => { tasks.shift()?.() }))
    },
  }
}
