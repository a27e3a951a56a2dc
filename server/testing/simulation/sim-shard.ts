/** One shard of the server: from its start to the crash that ends it. What is asked of it then is not answered any more. */
import { ERROR } from '../../../protocol/generated/registry.js'
import type { Federation } from '../../channels/federation.js'
import { LocalRouter } from '../../router/local-router.js'
import { PRESENCE_LIMITS } from '../../presence/limits.js'
import { RouterError } from '../../router/router.js'
import type { Scheduler, ShardLimits } from '../../shard/environment.js'
import type { Logger } from '../../shard/log.js'
import { Shard } from '../../shard/shard.js'
import { BlobStoreProcess } from '../blob-store.js'
import { Breach } from './breach.js'
import type { Disk } from './disk.js'
import type { World } from './world.js'

/** So seldom that there is quiet in between. */
export const RENEW_MS = 60_000

/** What a shard is started with. */
export interface SimShardOptions {
  readonly world: World
  readonly disk: Disk
  readonly limits: ShardLimits
  /** Of several; null: it is the only one. `isAlive` is that of the shard that is started. */
  readonly federation: ((isAlive: () => boolean) => Federation) | null
  /** A breach is found. */
  readonly report: (breach: Breach) => void
}

export class SimShard {
  readonly shard: Shard
  readonly router: LocalRouter
  readonly disk: Disk
  readonly #blobs: BlobStoreProcess
  readonly #world: World
  readonly #died: Promise<never>
  #die: (error: Error) => void = () => undefined
  isAlive = true

  constructor({ world, disk, limits, federation, report }: SimShardOptions) {
    this.disk = disk
    this.#world = world
    this.#died = new Promise((_, reject) => { this.#die = reject })
    this.#died.catch(() => undefined)
    this.#blobs = new BlobStoreProcess(disk.blobs)
    this.shard = new Shard(disk.engine, {
      clock: world, scheduler: this.#scheduler(), random32: () => world.random.next32(), limits, log: logOf(disk, limits, report),
      blobs: this.#blobs, ...federation === null ? {} : { federation: federation(() => this.isAlive) },
    })
    this.router = new LocalRouter(this.shard, { ...PRESENCE_LIMITS, renewMs: RENEW_MS })
  }

  /** A dead process runs nothing. */
  #scheduler(): Scheduler {
    const whileAlive = (run: () => void) => (): void => { if (this.isAlive) run() }
    return {
      defer: (run) => { this.#world.defer(whileAlive(run)) },
      after: (delayMs, run) => { this.#world.after(delayMs, whileAlive(run)) },
    }
  }

  crash(): void {
    this.isAlive = false
    this.#blobs.die()
    this.disk.crash()
    this.#die(new RouterError(ERROR.unavailable, 'the shard has died'))
  }

  /** What another process gets of the router: who asks when the shard dies is told that. */
  get mortalRouter(): LocalRouter {
    return this.#mortal(this.router)
  }

  #mortal<T extends object>(target: T): T {
    return new Proxy(target, {
      get: (_, name): unknown => {
        const value: unknown = Reflect.get(target, name, target)
        if (name === 'shard') return value
        if (typeof value === 'object' && value !== null) return this.#mortal(value)
        if (typeof value !== 'function') return value
        return (...args: unknown[]): unknown => {
          const result: unknown = Reflect.apply(value, target, args)
          return result instanceof Promise ? Promise.race([result, this.#died]) : result
        }
      },
    })
  }
}

/** Nothing goes wrong by itself: where the disk is well, and what was under way when it was not is over, no shard has an error to tell of. */
function logOf(disk: Disk, { commitTimeoutMs }: ShardLimits, report: (breach: Breach) => void): Logger {
  const silent = (): void => undefined
  return {
    info: silent, warn: silent,
    error: (fields, message) => {
      if (disk.isWellFor(commitTimeoutMs)) report(new Breach(`nothing is wrong with the disk: ${message}`, { cause: fields }))
    },
  }
}
