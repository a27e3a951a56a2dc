/**
 * A shard behind a LocalRouter on an engine in memory, with time that tests turn (test-time.ts). Devices record what their sinks are told.
 */
import assert from 'node:assert/strict'
import type { Frame } from '../../protocol/generated/frames.js'
import { FRAME, MARK, PRESENCE, TYPING } from '../../protocol/generated/registry.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { Engine } from '../../storage/engine.js'
import { MemoryEngine, type MemoryEngineOptions } from '../../storage/memory-engine.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import type { PresenceLimits } from '../presence/limits.js'
import { ConversationRelations } from './conversation-relations.js'
import type { Relations } from '../presence/relations.js'
import { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import type { Attached, AttachRequest, DeviceSink, Router, Verifier } from '../router/router.js'
import { SHARD_LIMITS } from '../shard/environment.js'
import type { ShardLimits } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import type { Blob } from '../blobs/blob-router.js'
import { type BlobShape, BlobStoreProcess, TestBlobStore, uploadTo } from './blob-store.js'
import { decodeEntries } from './entries.js'
import { TestTime } from './test-time.js'

export const VERIFIER: Verifier = {
  salt: new Uint8Array(16), iterations: 4096, storedKey: new Uint8Array(32).fill(1), serverKey: new Uint8Array(32).fill(2),
}
/** A token's hash, different for every number. */
export function tokenHash(number: number): Uint8Array {
  return new Uint8Array(32).fill(number)
}

/** What a device has to do with. */
export interface DeviceHarness {
  readonly router: Router
  settle(): Promise<void>
}

export class TestDevice implements DeviceSink {
  readonly harness: DeviceHarness
  readonly user: string
  readonly id: string
  readonly acks: { clientId: number; seq: number; timeMs: number }[] = []
  /** When what was acknowledged expires, by seq; without those that stay. */
  readonly expiries = new Map<number, number>()
  readonly refusals: { clientId: number; error: ErrorCode; retryAfterMs: number }[] = []
  /** Frames of entries and the done marker, in the order in which they came. */
  readonly frames: Frame[] = []
  endedWith: ErrorCode | 0 = 0
  /** Entries are acknowledged as they come, once a turn. */
  acknowledgesAtOnce = false
  /** Index of the last entry or skip that came. */
  lastIndex = 0
  #isAcknowledging = false
  attached!: Attached
  #nextClientId = 1

  constructor(harness: DeviceHarness, user: string, id: string) {
    this.harness = harness
    this.user = user
    this.id = id
  }

  acked(clientId: number, seq: number, timeMs: number, expiresMs = 0): void {
    this.acks.push({ clientId, seq, timeMs })
    if (expiresMs > 0) this.expiries.set(seq, expiresMs)
  }

  refused(clientId: number, error: ErrorCode, retryAfterMs: number): void { this.refusals.push({ clientId, error, retryAfterMs }) }
  entries(bytes: Uint8Array, last: number, count: number): void {
    const frames = decodeEntries(bytes)
    assert.equal(frames.length, count)
    this.frames.push(...frames)
    const end = frames.at(-1)
    assert.ok(end !== undefined && 'index' in end && end.index === last, 'the run ends with another entry than it says')
    this.lastIndex = last
    if (!this.acknowledgesAtOnce || this.#isAcknowledging) return
    this.#isAcknowledging = true
    setImmediate(() => {
      this.#isAcknowledging = false
      this.acknowledge()
    })
  }

  done(index: number): void { this.frames.push({ type: FRAME.done, index, extensions: new Uint8Array(0) }) }
  ended(error: ErrorCode): void { this.endedWith = error }

  /** What `presence` returns: false for a connection that takes nothing. */
  isReading = true
  /** Presences that came, as `bob online` or `bob offline 1767225600000`; without a time where none was told. */
  readonly presences: string[] = []
  /** Typing that came, as `conversation from kind expiresMs`. */
  readonly typings: string[] = []
  readonly declines: { frame: number; names: readonly string[]; error: ErrorCode }[] = []

  presence(user: string, state: number, lastSeenMs: number): boolean {
    if (!this.isReading) return false
    this.presences.push(`${user} ${state === PRESENCE.online ? 'online' : 'offline'}${lastSeenMs === 0 ? '' : ` ${String(lastSeenMs)}`}`)
    return true
  }

  typing(conversation: string, from: string, kind: number, expiresMs: number): void {
    const name = Object.entries(TYPING).find(([, value]) => value === kind)?.[0] ?? String(kind)
    this.typings.push(`${conversation} ${from} ${name} ${String(expiresMs)}`)
  }

  declined(frame: number, names: readonly string[], error: ErrorCode): void { this.declines.push({ frame, names, error }) }

  /** Indexes of entries, skips included. */
  get indexes(): number[] {
    return this.frames.flatMap((frame) => frame.type !== FRAME.done && 'index' in frame ? [frame.index] : [])
  }

  /** Texts of the messages that came. */
  get texts(): string[] {
    return this.frames.flatMap((frame) =>
      frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom ? [Buffer.from(frame.text).toString()] : [])
  }

  /** Receipts that came, as `conversation member mark seq`; member '' is the other of the pair. */
  get receipts(): string[] {
    return this.frames.flatMap((frame) =>
      frame.type === FRAME.receipt
        ? [`${frame.conversation} '${frame.member}' ${frame.mark === MARK.read ? 'read' : 'delivered'} ${String(frame.seq)}`]
        : [])
  }

  /** The kinds of what came, in order. */
  get kinds(): string[] {
    return this.frames.map((frame) => Object.entries(FRAME).find(([, type]) => type === frame.type)?.[0] ?? '')
  }

  /** Sends under the next client id, or the one given, which is returned. */
  send(to: string, text: string, clientId = this.#nextClientId, extensions: Uint8Array = new Uint8Array(0)): number {
    this.#nextClientId = Math.max(this.#nextClientId, clientId + 1)
    this.harness.router.message(this.attached.attachment, clientId, to, Buffer.from(text), extensions)
    return clientId
  }

  operate(conversation: string, target: number, kind: number, text = '', clientId = this.#nextClientId): number {
    this.#nextClientId = Math.max(this.#nextClientId, clientId + 1)
    this.harness.router.operate(this.attached.attachment, clientId, conversation, target, kind, Buffer.from(text))
    return clientId
  }

  mark(conversation: string, seq: number, mark: number = MARK.read): number {
    const clientId = this.#nextClientId++
    this.harness.router.mark(this.attached.attachment, clientId, conversation, mark, seq)
    return clientId
  }

  /** Acknowledges up to the index, or everything that came. */
  acknowledge(index = Math.max(this.lastIndex, this.attached.cursor)): boolean {
    return this.harness.router.cursor(this.attached.attachment, index)
  }

  watch(...users: string[]): void { this.harness.router.watch(this.attached.attachment, users) }
  unwatch(...users: string[]): void { this.harness.router.unwatch(this.attached.attachment, users) }
  setActivity(activity: number): void { this.harness.router.activity(this.attached.attachment, activity) }
  type(conversation: string, kind: number = TYPING.typing): void { this.harness.router.typing(this.attached.attachment, conversation, kind) }
  /** Takes the presences that came so far. */
  seen(): string[] { return this.presences.splice(0) }

  detach(): void { this.harness.router.detach(this.attached.attachment) }
}

export interface HarnessOptions {
  readonly limits?: Partial<ShardLimits>
  readonly engine?: Engine
  readonly presence?: Partial<PresenceLimits>
  /** Of the first life and those after it; default: the shard's own. */
  readonly relations?: Relations
  /** null: no blobs are kept. */
  readonly blobs?: null
  /** Called with the shard of each life before anything else is: for bugs that are planted. */
  readonly plant?: (shard: Shard, blobs: TestBlobStore) => void
  /** Called around every commit of an engine that is not given; a throw fails it. */
  readonly beforeCommit?: () => void
  readonly afterCommit?: () => void
}

export class ShardHarness {
  readonly limits: ShardLimits
  engine: Engine
  shard: Shard
  router: LocalRouter
  readonly #options: HarnessOptions
  /** Survives crashes of the process, as a disk does. */
  readonly blobs = new TestBlobStore()
  #store: BlobStoreProcess | null = null
  readonly #time = new TestTime()
  #life = 0
  /** Events of the log. */
  readonly events: string[] = []
  #random = 0

  constructor(options: HarnessOptions = {}) {
    this.limits = { ...SHARD_LIMITS, watermarkDelayMs: 0, gatherOperations: Infinity, strangerPerSecond: 0, ...options.limits }
    this.engine = options.engine ?? new MemoryEngine(commitHooks(options))
    this.#options = options
    this.shard = this.#start()
    this.router = this.#route()
  }

  get nowMs(): number {
    return this.#time.nowMs
  }

  set nowMs(nowMs: number) {
    this.#time.nowMs = nowMs
  }

  /** What the user shows has changed behind the back of the server. */
  refreshPresence(user: string): Promise<void> {
    return this.router.presence.refresh(user)
  }

  /** Tasks and reads that are due have run; timers have not. */
  settle(): Promise<void> {
    return this.#time.settle()
  }

  /** Time passes, for the clock and for timers, one after the other. */
  pass(ms: number): Promise<void> {
    return this.#time.pass(ms)
  }

  async addUsers(...names: string[]): Promise<void> {
    for (const name of names) await this.router.addUser(name, VERIFIER)
  }

  /** The user uploads what is called by this name; it holds it then. */
  upload(user: string, name: string, shape: BlobShape = {}): Promise<Blob> {
    return uploadTo(this.router.blobs, this.blobs, user, name, shape)
  }

  /** A device that has lost nothing names its cursor and epochs in `request`; without, it is a fresh one. */
  async attach(user: string, id = 'phone', request: Partial<AttachRequest> = {}): Promise<TestDevice> {
    const device = new TestDevice(this, user, id)
    device.attached = await this.router.attach({
      user, device: id, deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, window: 0, usedTokenHash: null,
      freshTokenHash: tokenHash(1), ...request,
    }, device)
    this.router.start(device.attached.attachment)
    await this.settle()
    return device
  }

  /** The device comes back where it left off: same epochs, and the cursor it acknowledged last, or `cursor`. */
  async reattach(device: TestDevice, cursor: number, request: Partial<AttachRequest> = {}): Promise<TestDevice> {
    const { queueEpoch, outboxEpoch } = device.attached
    return this.attach(device.user, device.id, { queueEpoch, outboxEpoch, cursor, ...request })
  }

  /** The process dies at this moment and starts again on what is stored, or on what was when it died. */
  crash(stored = this.engine): void {
    if (!(stored instanceof MemoryEngine)) assert.fail('only an engine in memory can crash')
    this.engine = stored.copy(commitHooks(this.#options))
    this.shard = this.#start()
    this.router = this.#route()
  }

  /** From now on the process does nothing to the blob store any more: it is about to die. */
  endStore(): void {
    this.#store?.die()
  }

  async restart(): Promise<void> {
    await this.shard.close()
    this.crash()
  }

  /** A restart, after which the devices come back where they left off. */
  async restartWith<T extends readonly TestDevice[]>(...devices: T): Promise<{ [K in keyof T]: TestDevice }> {
    await this.restart()
    const again: TestDevice[] = []
    for (const device of devices) again.push(await this.reattach(device, device.lastIndex))
    return again as { [K in keyof T]: TestDevice }
  }

  #route(): LocalRouter {
    const { presence, relations } = this.#options
    return new LocalRouter(this.shard, { ...PRESENCE_LIMITS, ...presence }, relations ?? new ConversationRelations(this.shard))
  }

  #start(): Shard {
    this.#store?.die()
    this.#store = new BlobStoreProcess(this.blobs)
    const shard = this.#shard(this.#store)
    this.#options.plant?.(shard, this.blobs)
    return shard
  }

  #shard(store: BlobStoreProcess): Shard {
    const life = ++this.#life
    return new Shard(this.engine, {
      clock: { nowMs: () => this.nowMs },
      scheduler: this.#time.scheduler(() => this.#life === life),
      random32: () => ++this.#random,
      limits: this.limits,
      ...this.#options.blobs === null ? {} : { blobs: store },
      log: {
        info: (_, event) => { this.events.push(event) },
        warn: (_, event) => { this.events.push(event) },
        error: (_, event) => { this.events.push(event) },
      },
    })
  }

}

function commitHooks({ beforeCommit, afterCommit }: HarnessOptions): MemoryEngineOptions {
  return { ...beforeCommit === undefined ? {} : { beforeCommit }, ...afterCommit === undefined ? {} : { afterCommit } }
}

/** For assert.rejects: a RouterError with this code. */
export function routerError(code: ErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof RouterError && error.code === code
}
