/** One machine of the simulated cluster: disks that outlive its processes, one for each shard, and clocks that are its own. */
import { MemoryEngine } from '../../../../storage/memory-engine.js'
import { plantDisk } from './node-plants.js'
import type { Room } from './room.js'
import { SimProcess } from './sim-process.js'

export class Machine {
  readonly name: string
  readonly room: Room
  /** How fast its clock runs. */
  readonly speed: number
  /** By how much its wall clock is wrong. */
  clockErrorMs = 0
  readonly disks: MemoryEngine[]
  process: SimProcess | null = null
  isDiskSlow = false
  /** It is to run again once its process has ended. */
  isToStart = false
  /** From the store, and from other machines. */
  isCut = false

  constructor(name: string, room: Room, speed: number) {
    this.name = name
    this.room = room
    this.speed = speed
    this.disks = room.servers.map(() => new MemoryEngine())
  }

  start(): void {
    if (this.process !== null) return
    for (const shard of this.disks.keys()) this.disks[shard] = this.#openDisk(shard)
    this.process = new SimProcess(this)
  }

  /** `isSilent`: others are not told, as when the power fails. */
  crash(isSilent: boolean): void {
    this.process?.die(isSilent)
    this.process = null
    // What was under way never arrives.
    for (const [shard, disk] of this.disks.entries()) this.disks[shard] = disk.copy()
  }

  #openDisk(shard: number): MemoryEngine {
    const { world, faults, plants } = this.room
    const engine: MemoryEngine = this.disks[shard]!.copy({
      beforeCommit: async () => {
        await this.#wait()
        if (this.room.isFaulty && world.random.chance(faults.disk)) throw new Error('simulated: input/output error before the write')
        if (engine !== this.disks[shard]) await new Promise(() => undefined)
      },
      afterCommit: async () => {
        if (world.random.chance(0.5)) await this.#wait()
        await this.process?.awake()
        if (this.room.isFaulty && world.random.chance(faults.disk)) throw new Error('simulated: input/output error after the write')
      },
    })
    plantDisk(engine, plants)
    return engine
  }

  #wait(): Promise<void> {
    const { world } = this.room
    return new Promise((resolve) => { world.after(world.random.below(this.isDiskSlow && this.room.isFaulty ? 600 : 6), resolve) })
  }
}
