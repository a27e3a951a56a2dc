/** Stands in for a shard: writes numbered batches to the engine of an owner, reads, and opens it again when a commit has failed. */
import { StorageError } from '../../../../storage/engine.js'
import type { ReplicatedEngine } from '../../replicated-engine.js'
import { HEAD_KEY, itemKey, type Oracle } from './oracle.js'
import type { SimProcess } from './sim-process.js'

export class Driver {
  readonly #process: SimProcess
  readonly #engine: ReplicatedEngine
  readonly #oracle: Oracle
  readonly #name: string
  #isStopped = false
  #running: Promise<void> = Promise.resolve()
  #serial = 0
  #head = 0

  constructor(process: SimProcess, engine: ReplicatedEngine, oracle: Oracle) {
    this.#process = process
    this.#engine = engine
    this.#oracle = oracle
    this.#name = `${process.machine.name}.${String(oracle.ownerships)}`
  }

  start(): void {
    this.#running = Promise.all([this.#run(), this.#readOn()]).then(() => undefined, (error: unknown) => { this.#process.machine.room.report(error) })
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #run(): Promise<void> {
    const { room } = this.#process.machine
    while (!this.#isStopped) {
      try {
        await this.#readHead()
        for (let left = 1 + room.world.random.below(8); left > 0 && !this.#isStopped; left--) {
          if (!room.isQuiet) await this.#commitSome()
          await this.#process.sleep(room.world.random.below(120))
        }
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
        await this.#reopen()
      }
    }
  }

  /** Reads beside the commits: one that hangs is no reason not to look. */
  async #readOn(): Promise<void> {
    const { world } = this.#process.machine.room
    const oracle = this.#oracle
    while (!this.#isStopped) {
      const least = oracle.ackedHead
      try {
        const row = await this.#engine.get(HEAD_KEY)
        oracle.read(this.#name, row === undefined ? 0 : Number(Buffer.from(row).toString()), least)
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
      }
      await this.#process.sleep(50 + world.random.below(100))
    }
  }

  async #reopen(): Promise<void> {
    while (!this.#isStopped) {
      await this.#process.sleep(50)
      try {
        await this.#engine.reopen()
        return
      } catch (error) {
        if (!(error instanceof StorageError)) throw error
      }
    }
  }

  async #readHead(): Promise<void> {
    const oracle = this.#oracle
    const least = oracle.ackedHead
    const row = await this.#engine.get(HEAD_KEY)
    this.#head = row === undefined ? 0 : Number(Buffer.from(row).toString())
    oracle.read(this.#name, this.#head, least)
  }

  /** One commit, or two that do not wait for each other; some trim, some are large enough for several entries. */
  async #commitSome(): Promise<void> {
    const { random } = this.#process.machine.room.world
    if (random.chance(0.2)) this.#engine.trim({ gte: Buffer.from('junk/'), lt: Buffer.from(`junk/${String(random.below(10))}`) }).catch(() => undefined)
    const commits = [this.#commit()]
    if (random.chance(0.2)) commits.push(this.#commit())
    const outcomes = await Promise.allSettled(commits)
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
  }

  async #commit(): Promise<void> {
    const { world } = this.#process.machine.room
    const number = ++this.#head
    const id = `${this.#name}/${String(++this.#serial)}`
    const batch = this.#engine.batch()
    batch.put(itemKey(number), Buffer.from(world.random.chance(0.1) ? `${id} ${'x'.repeat(200)}` : id))
    batch.put(HEAD_KEY, Buffer.from(String(number)))
    batch.put(Buffer.from(`junk/${String(world.random.below(10))}`), Buffer.from(id))
    await this.#engine.commit(batch)
    this.#oracle.acked(number, id)
  }
}
