/** What the simulation is to its parts: who is there, what to ask, and where a breach is heard. */
import { RouterError } from '../../router/router.js'
import type { DeviceServer } from './connection.js'
import type { SimDevice } from './device.js'
import type { Disk } from './disk.js'
import type { Oracle } from './oracle.js'
import type { Random } from './random.js'
import type { SimServer } from './server.js'
import type { World } from './world.js'

/** What is needed to see what has become of everything. */
export interface EndScene {
  readonly oracle: Oracle
  readonly devices: readonly SimDevice[]
  readonly users: readonly string[]
  /** One that lives now. */
  readonly server: Pick<DeviceServer, 'router' | 'limits'>
  /** Lets time pass until the promise has settled. */
  finish<T>(promise: Promise<T>): Promise<T>
}

/** What the lives of the subjects get of it. */
export interface Scene extends EndScene {
  readonly random: Random
  readonly world: World
  /** Of the only shard, or the first. */
  readonly disk: Disk
  /** Of all shards. */
  readonly disks: readonly Disk[]
  readonly server: SimServer
  /** A number that no other text has. */
  nextNumber(): number
  report(error: unknown): void
}

/** What people do of one subject, and what has to be true of it when all has come to rest. */
export interface Life {
  /** Does one random thing, and says what. */
  act(): string
  /** Called while everything comes to rest: ends what keeps it from that; false: it has not ended yet. */
  isAtRest?(): boolean
  check?(): Promise<void>
  /** The server died: what it was asked it does not answer any more. */
  abandon?(): void
}

/**
 * Something that changes by being asked for: a failed change, or one whose server died, may have come true or not. Between two versions
 * nothing was asked for, so that what was known at the first held all the time.
 */
export class Known<T> {
  /** null: it is not clear at the moment. */
  value: T | null
  /** Whatever it may be now. */
  possible: readonly T[]
  version = 0
  isAsked = false
  readonly #same: (one: T, other: T) => boolean

  constructor(value: T, same: (one: T, other: T) => boolean = Object.is) {
    this.value = value
    this.possible = [value]
    this.#same = same
  }

  /** `wanted` as it would be, for each value that it may have; one thing is asked for at a time, of one server. */
  ask(scene: Pick<Scene, 'report'> & { readonly server: Pick<DeviceServer, 'isAlive'> }, wanted: (before: T) => T, asked: Promise<unknown>, settled: (value: T) => void = () => undefined): void {
    const { server } = scene
    const before = this.possible
    this.version++
    const { version } = this
    this.value = null
    this.possible = this.#each([...before, ...before.map(wanted)])
    this.isAsked = true
    const end = (): boolean => {
      if (!server.isAlive || version !== this.version) return false
      this.isAsked = false
      return true
    }
    asked.then(
      () => {
        if (!end()) return
        this.version++
        this.possible = this.#each(before.map(wanted))
        if (this.possible.length > 1) return
        this.value = this.possible[0] ?? null
        if (this.value !== null) settled(this.value)
      },
      (error: unknown) => {
        end()
        if (!(error instanceof RouterError)) scene.report(error)
      },
    ).catch((error: unknown) => { scene.report(error) })
  }

  /** The server died: nobody answers any more. */
  abandon(): void {
    if (this.isAsked) this.version++
    this.isAsked = false
  }

  #each(values: readonly T[]): T[] {
    return values.filter((value, at) => values.findIndex((other) => this.#same(value, other)) === at)
  }
}

export function ignore(scene: Scene, promise: Promise<unknown>): void {
  promise.catch((error: unknown) => {
    if (!(error instanceof RouterError)) scene.report(error)
  })
}
