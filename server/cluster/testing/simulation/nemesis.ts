/** What goes wrong in a simulated cluster, one thing at a time, and what an operator does there. */
import type { Random } from '../../../testing/simulation/random.js'
import type { ModelServer } from '../model-store.js'
import type { Machine } from './machine.js'
import type { Wires } from './wires.js'

/** What is broken. */
export interface Scenery {
  readonly random: Random
  readonly machines: readonly Machine[]
  /** Of each shard. */
  readonly servers: readonly ModelServer[]
  readonly storeAway: Set<number>
  readonly wires: Wires
  /** The store loses something far more often than it would. */
  readonly isStormy: boolean
  note(text: string): void
  report(error: unknown): void
}

/** How many of its acts are losses of the store, in a storm. */
const STORM = 0.12
/** Longer than a picture is held for no message. */
const FORWARD_MS = 10_000

export class Nemesis {
  readonly #scenery: Scenery
  crashes = 0
  storeLosses = 0
  /** Nodes that were ended in order. */
  stops = 0
  /** Shards that went to the node that the operator named. */
  moves = 0
  /** Which node that is, by shard; until it has another owner. */
  readonly #wanted = new Map<number, string>()

  constructor(scenery: Scenery) {
    this.#scenery = scenery
  }

  act(): void {
    const dice = this.#scenery.random.below(100)
    if (this.#scenery.isStormy && this.#scenery.random.chance(STORM)) {
      if (dice < 60) this.#failOver()
      else this.#empty()
      return
    }
    const machine = this.#scenery.random.pick(this.#scenery.machines)
    if (dice < 6) this.#crash(machine)
    else if (dice < 18) this.#start(machine)
    else if (dice < 22) this.#pause(machine)
    else if (dice < 30) this.#resume(machine)
    else if (dice < 33) this.#cutOff(machine)
    else if (dice < 40) this.#connect(machine)
    else if (dice < 43) this.#slow(machine)
    else if (dice < 46) this.#failOver()
    else if (dice < 47) this.#empty()
    else if (dice < 49) this.#takeStore()
    else if (dice < 58) this.#giveStore()
    else if (dice < 59) this.#full(true)
    else if (dice < 63) this.#full(false)
    else if (dice < 66) this.#resign(machine)
    else if (dice < 81) this.#apart(dice, machine)
    else if (dice < 84) this.#stop(machine)
    else if (dice < 86) this.#drain(machine)
    else if (dice < 90) this.#stay(machine)
    else if (dice < 93) this.#setForward()
  }

  /** What there is only where nodes have links, and wall clocks count. */
  #apart(dice: number, machine: Machine): void {
    const { random, wires, note } = this.#scenery
    if ((machine.process?.work?.move ?? null) === null) return
    if (dice < 72) this.#move(machine)
    else if (dice < 76) {
      note(`some links of ${machine.name} are cut`)
      wires.cut(machine.name, () => random.chance(0.6))
    } else if (dice < 79) {
      const other = random.pick(this.#scenery.machines)
      if (other === machine) return
      note(`${machine.name} is not heard by ${other.name}`)
      wires.part(machine.name, other.name)
    } else if (dice < 81) {
      machine.clockErrorMs += random.below(20_000) - 10_000
      note(`the clock of ${machine.name} jumps`)
    }
  }

  /** What is held for a time alone ends now, while everything else goes wrong. */
  #setForward(): void {
    const { machines, note } = this.#scenery
    if (machines.every(({ process }) => (process?.work?.move ?? null) === null)) return
    note('all clocks are set forward')
    for (const machine of machines) machine.clockErrorMs += FORWARD_MS
  }

  /** Of one shard, or of all of them. */
  #someShards(): number[] {
    const { random, servers } = this.#scenery
    const all = [...servers.keys()]
    return all.length === 1 || random.chance(0.4) ? all : [random.pick(all)]
  }

  #crash(machine: Machine): void {
    if (machine.process === null) return
    this.crashes++
    const isSilent = this.#scenery.random.chance(0.4)
    this.#scenery.note(`${machine.name} ${isSilent ? 'loses its power' : 'crashes'}`)
    machine.crash(isSilent)
  }

  #start(machine: Machine): void {
    if (machine.process !== null) return
    this.#scenery.note(`${machine.name} starts`)
    machine.start()
  }

  #pause(machine: Machine): void {
    if (machine.process === null || machine.process.isPaused) return
    this.#scenery.note(`${machine.name} is paused`)
    machine.process.isPaused = true
  }

  #resume(machine: Machine): void {
    if (machine.process?.isPaused !== true) return
    this.#scenery.note(`${machine.name} goes on`)
    machine.process.resume()
  }

  #cutOff(machine: Machine): void {
    if (machine.isCut) return
    this.#scenery.note(`${machine.name} is cut off`)
    machine.isCut = true
    this.#scenery.wires.cutOff(machine.name, this.#scenery.machines.map(({ name }) => name))
  }

  #connect(machine: Machine): void {
    this.#scenery.wires.join(machine.name)
    if (!machine.isCut) return
    this.#scenery.note(`${machine.name} is connected`)
    machine.isCut = false
    // Who is cut off from all stays so.
    for (const { name, isCut } of this.#scenery.machines) if (isCut) this.#scenery.wires.cutOff(name, this.#scenery.machines.map((each) => each.name))
  }

  #slow(machine: Machine): void {
    machine.isDiskSlow = !machine.isDiskSlow
    this.#scenery.note(`the disk of ${machine.name} is ${machine.isDiskSlow ? 'slow' : 'well'}`)
  }

  #failOver(): void {
    const { random, servers, note } = this.#scenery
    this.storeLosses++
    for (const shard of this.#someShards()) {
      const lost = random.below(12)
      note(`the store of shard ${String(shard)} fails over and loses ${String(lost)} writes`)
      servers[shard]?.failOver(lost)
    }
  }

  #empty(): void {
    const { random, servers, note } = this.#scenery
    this.storeLosses++
    const isFlushed = random.chance(0.5)
    for (const shard of this.#someShards()) {
      note(`the store of shard ${String(shard)} ${isFlushed ? 'is flushed' : 'starts again, empty'}`)
      if (isFlushed) servers[shard]?.flush()
      else servers[shard]?.restartEmpty()
    }
  }

  #takeStore(): void {
    const { storeAway, note } = this.#scenery
    for (const shard of this.#someShards()) storeAway.add(shard)
    note(`the store is away for ${[...storeAway].join(', ')}`)
  }

  #giveStore(): void {
    if (this.#scenery.storeAway.size === 0) return
    this.#scenery.note('the store is back')
    this.#scenery.storeAway.clear()
  }

  #full(isFull: boolean): void {
    const shards = isFull ? this.#someShards() : [...this.#scenery.servers.keys()]
    for (const shard of shards) {
      const server = this.#scenery.servers[shard]
      if (server === undefined || server.isFull === isFull) continue
      this.#scenery.note(`the store of shard ${String(shard)} ${isFull ? 'is full' : 'has room'}`)
      server.isFull = isFull
    }
  }

  /** It gives up a shard that it owns, and may have it again then. */
  #resign(machine: Machine): void {
    const { random, servers, machines, note, report } = this.#scenery
    const { process } = machine
    const shard = random.pick([...servers.keys()])
    const node = process?.work?.nodes[shard]
    if (process === null || process.isPaused || node === undefined || process.work?.isOwner(shard) !== true) return
    note(`${machine.name} resigns shard ${String(shard)}`)
    this.#wanted.delete(shard)
    node.resign(random.pick(machines).name).then(() => { node.stay() }, report)
  }

  /** As an operator ends a node, whatever it does at the moment. */
  #stop(machine: Machine): void {
    const { process } = machine
    if (process === null || process.isPaused || process.work === null || process.isStopping) return
    this.stops++
    this.#scenery.note(`${machine.name} is stopped`)
    process.stop(() => {
      if (machine.process !== process) return
      this.#scenery.note(`${machine.name} has ended`)
      machine.crash(false)
      if (machine.isToStart) this.#start(machine)
    })
  }

  /** It gives up all that it has, or is about to have, and takes nothing until it is told to stay. */
  #drain(machine: Machine): void {
    const { note, report } = this.#scenery
    const nodes = machine.process?.isPaused === false ? machine.process.work?.nodes ?? [] : []
    if (nodes.length === 0) return
    note(`${machine.name} is drained`)
    for (const node of nodes) node.resign().catch(report)
  }

  #stay({ name, process }: Machine): void {
    const nodes = (process?.work?.nodes ?? []).filter(({ report: { isDrained } }) => isDrained)
    // What ends takes nothing more.
    if (process === null || process.isPaused || process.isStopping || nodes.length === 0) return
    this.#scenery.note(`${name} may stay`)
    for (const node of nodes) node.stay()
  }

  #move(machine: Machine): void {
    const { random, servers, machines, note } = this.#scenery
    if (machine.process === null || machine.process.isPaused) return
    const shard = random.pick([...servers.keys()])
    // Mostly to one that is there; but an operator may name any.
    const present = machines.filter(({ process, isCut }) => process?.work?.isOwner(shard) === false && !process.isPaused && !isCut)
    const heir = random.pick(present.length > 0 && random.chance(0.8) ? present : machines).name
    this.#wanted.set(shard, heir)
    note(`${machine.name} is told to move shard ${String(shard)} to ${heir}`)
    machine.process.work?.move?.(shard, heir)
  }

  /** A node begins to own a shard. It was moved there if its last owner left it to that node, as it was told. */
  owned(shard: number, node: string): void {
    if (this.#wanted.get(shard) === node && this.#scenery.servers[shard]?.leftTo === node) this.moves++
    this.#wanted.delete(shard)
  }

  /** Everything is healed. */
  rest(): void {
    this.#giveStore()
    this.#full(false)
    for (const machine of this.#scenery.machines) machine.isCut = false
    for (const machine of this.#scenery.machines) {
      machine.isDiskSlow = false
      this.#scenery.wires.join(machine.name)
      this.#resume(machine)
      this.#stay(machine)
      // Who is stopping comes back when it has ended.
      if (machine.process?.isStopping === true) machine.isToStart = true
      this.#start(machine)
    }
  }
}
