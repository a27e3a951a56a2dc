/** One life of a node's process: its time, its way to the store, and what it is there for. */
import type { Log } from '../../../log.js'
import type { Scheduler } from '../../../shard/environment.js'
import { Breach } from '../../../testing/simulation/breach.js'
import { ClusterStoreError } from '../../cluster-store.js'
import { ModelStore } from '../model-store.js'
import type { Machine } from './machine.js'
import { plantTrust } from './node-plants.js'
import type { Work } from './room.js'

/** How long a process may take to end in order: some leases, and calls to others that give no answer. */
const STOP_S_MAX = 30
/** No answer within this is none. */
const TIMEOUT_MS = 800

export class SimProcess {
  readonly machine: Machine
  /** null: it has only just begun. */
  work: Work | null = null
  isAlive = true
  isPaused = false
  /** It ends in order. */
  isStopping = false
  #held: (() => void)[] = []
  readonly #deferred: (() => void)[] = []
  /** As of an event loop: what is deferred keeps its order. */
  readonly scheduler: Scheduler = {
    defer: (task) => {
      this.#deferred.push(task)
      this.machine.room.world.defer(this.guarded(() => { this.#deferred.shift()?.() }))
    },
    after: (delayMs, task) => { this.machine.room.world.after(Math.ceil(delayMs / this.machine.speed), this.guarded(task)) },
  }

  constructor(machine: Machine) {
    this.machine = machine
    const { room } = machine
    room.begin(this).then((work) => { this.work = work }, (error: unknown) => { room.report(error) })
  }

  monotonicMs(): number {
    return Math.floor(this.machine.room.world.nowMs() * this.machine.speed)
  }

  nowMs(): number {
    return this.machine.room.world.nowMs() + this.machine.clockErrorMs
  }

  randomToken(): string {
    const { random } = this.machine.room.world
    return (random.next32().toString(16) + random.next32().toString(16)).padStart(16, '0').slice(-16)
  }

  /** `onError`: told of each error, beside the trace. */
  log(onError: (event: string, text: string) => void = () => undefined): Log {
    const { room, name } = this.machine
    const write = (level: string) => (fields: object, event: string): void => {
      if (!this.isAlive) return
      const text = Object.entries(fields).map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`).join(' ')
      room.note(`  ${name} ${level === 'info' ? '' : `${level} `}${event} ${text}`)
      if (level === 'error') onError(event, text)
    }
    return { debug: () => undefined, info: write('info'), warn: write('warn'), error: write('error') }
  }

  /** Runs when the process does: not in a dead one, and later in one that is paused. */
  guarded(task: () => void): () => void {
    return () => {
      if (!this.isAlive) return
      if (this.isPaused) this.#held.push(task)
      else task()
    }
  }

  /** Resolves when the process runs. */
  awake(): Promise<void> {
    return new Promise((resolve) => { this.guarded(resolve)() })
  }

  resume(): void {
    this.isPaused = false
    const held = this.#held
    this.#held = []
    for (const task of held) this.machine.room.world.defer(this.guarded(task))
  }

  die(isSilent: boolean): void {
    this.isAlive = false
    this.#held = []
    this.work?.died(isSilent)
  }

  /** Ends in order, and within a time that it has had to run; `ended` is called then. */
  stop(ended: () => void): void {
    const { work } = this
    if (work === null || this.isStopping) return
    this.isStopping = true
    let isOver = false
    work.close().then(() => {
      isOver = true
      ended()
    }, (error: unknown) => { this.machine.room.report(error) })
    this.#tick(STOP_S_MAX, () => isOver)
  }

  /** By the second: one that stands still has not had its time. */
  #tick(leftS: number, isOver: () => boolean): void {
    this.scheduler.after(1000, () => {
      if (isOver()) return
      if (leftS === 0) this.machine.room.report(new Breach(`${this.machine.name} is stopped, and does not end`))
      else this.#tick(leftS - 1, isOver)
    })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => { this.machine.room.world.after(ms, this.guarded(resolve)) })
  }

  /** Its way to what the store has of a shard. */
  storeOf(shard: number): ModelStore {
    const { room } = this.machine
    const carry = <T>(call: () => T): Promise<T> => this.travel(() => room.storeAway.has(shard), () => Promise.resolve(call()), true)
    const store = new ModelStore(room.servers[shard]!, carry, (delayMs, task) => { room.world.after(delayMs, this.guarded(task)) })
    if (room.plants.trustsLease === true) plantTrust(store)
    checkEpochs(store, (error) => { room.report(error) })
    return store
  }

  /** There and back. What is lost on the way shows as a time limit. */
  travel<T>(isAway: () => boolean, call: () => Promise<T>, mayDouble: boolean): Promise<T> {
    const { room } = this.machine
    const { world, faults } = room
    return new Promise<T>((resolve, reject) => {
      const isLost = (): boolean => this.machine.isCut || isAway() || (room.isFaulty && world.random.chance(faults.lost))
      const delay = (): number => room.isFaulty && world.random.chance(faults.slow) ? world.random.below(1500) : world.random.below(4)
      let isOver = false
      const back = (task: () => void): void => {
        if (!isLost()) world.after(delay(), this.guarded(() => {
          isOver = true
          task()
        }))
      }
      const arrive = (): void => {
        // A paused peer answers when it wakes; what it would throw goes back as well.
        const result = new Promise<T>((settle) => { settle(call()) })
        result.then((value) => { back(() => { resolve(value) }) }, (error: unknown) => {
          back(() => { reject(error instanceof Error ? error : new Error('something else was thrown', { cause: error })) })
        })
      }
      world.after(delay(), () => { if (!isLost()) arrive() })
      if (mayDouble && room.isFaulty && world.random.chance(faults.doubled)) world.after(world.random.below(300), () => { if (!isLost()) arrive() })
      world.after(TIMEOUT_MS, this.guarded(() => {
        // An error for every call that has its answer, with its stack, took a sixth of a simulation's time.
        if (!isOver) reject(new ClusterStoreError('unreachable', 'simulated: no answer'))
      }))
    })
  }
}

/** Whoever gets the shard gets an epoch beyond all that it knows of: entries of two owners are told apart by it. */
function checkEpochs(store: ModelStore, report: (error: unknown) => void): void {
  const acquire = store.acquire.bind(store)
  store.acquire = async (request) => {
    const answer = await acquire(request)
    const { node, position, epoch } = request
    if (answer.kind === 'acquired' && answer.epoch <= Math.max(position.epoch, epoch)) {
      report(new Breach(`${node} takes the shard in epoch ${String(answer.epoch)}, and has been in ${String(Math.max(position.epoch, epoch))}`))
    }
    return answer
  }
}
