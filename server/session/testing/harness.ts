/** Connections over transports in memory, a fake router and a clock that tests turn: everything but sockets is real. */
import { createHash, randomBytes } from 'node:crypto'
import { FrameDecoder } from '../../../protocol/frame-decoder.js'
import { encodeAuth, encodeBind, encodeHello, type Frame } from '../../../protocol/generated/frames.js'
import { ERROR, type ErrorCode, FRAME } from '../../../protocol/generated/registry.js'
import type { Clock } from '../../clock.js'
import { configOf } from '../../config/config.js'
import type { ListenScheme } from '../../config/listen-url.js'
import type { Config } from '../../config/settings.js'
import { Admission } from '../../connection/admission.js'
import { Connections } from '../../connection/connections.js'
import type { Transport, TransportHandler } from '../../listeners/transport.js'
import { type Log, type LogFields } from '../../log.js'
import { Counters } from '../../metrics/metrics.js'
import { FakeRouter, type Place } from './fake-router.js'

export class FakeClock implements Clock {
  ms = 0
  nowMs(): number { return 1_700_000_000_000 + this.ms }
  monotonicMs(): number { return this.ms }
}

/** The peer's end is the test: it delivers chunks and decodes what was written. */
export class FakeTransport implements Transport {
  readonly scheme: ListenScheme
  readonly remoteAddress: string
  readonly acceptedMs: number
  bufferedBytes = 0
  binding: Uint8Array | null = null
  /** What `write` returns: false for a peer that does not read. */
  isWritable = true
  isPaused = false
  isDestroyed = false
  endedWith: ErrorCode | 0 = 0
  /** Sizes of the single writes. */
  readonly writes: number[] = []
  readonly frames: Frame[] = []
  handler: TransportHandler | null = null
  readonly #decoder = new FrameDecoder(1 << 24)

  constructor(scheme: ListenScheme, remoteAddress: string, acceptedMs: number) {
    this.scheme = scheme
    this.remoteAddress = remoteAddress
    this.acceptedMs = acceptedMs
  }

  get isEncrypted(): boolean { return this.scheme === 'tls' || this.scheme === 'wss' }
  start(handler: TransportHandler): void { this.handler = handler }
  write(frames: Uint8Array): boolean {
    if (this.endedWith !== 0) throw new Error('written after end')
    this.writes.push(frames.length)
    this.#decoder.push(frames)
    for (let frame = this.#decoder.next(); frame !== null; frame = this.#decoder.next()) {
      if (typeof frame === 'number') throw new Error(`wrote a bad frame: ${String(frame)}`)
      this.frames.push(frame)
    }
    return this.isWritable
  }

  end(error: ErrorCode): void { this.endedWith = error }
  destroy(): void {
    if (this.isDestroyed) return
    this.isDestroyed = true
    this.handler?.gone()
  }

  pause(): void { this.isPaused = true }
  resume(): void { this.isPaused = false }
  channelBinding(): Uint8Array | null { return this.binding }

  /** Bytes from the peer, as one chunk. */
  deliver(...frames: readonly Uint8Array[]): void { this.handler?.received(Buffer.concat(frames), false) }
  deliverMessage(...frames: readonly Uint8Array[]): void { this.handler?.received(Buffer.concat(frames), true) }

  /** Takes the frames written so far. */
  take(): Frame[] { return this.frames.splice(0) }

  /** The code of the close frame that ended it; fails if the last frame is none. */
  get closedWith(): number {
    const last = this.frames.at(-1)
    if (last?.type !== FRAME.close) throw new Error(`not closed; last frame: ${JSON.stringify(last)}`)
    return last.error
  }
}

export interface Harness {
  readonly config: Config
  readonly clock: FakeClock
  readonly router: FakeRouter
  readonly counters: Counters
  readonly admission: Admission
  readonly connections: Connections
  /** Every line logged: event and fields. */
  readonly lines: { event: string, fields: LogFields }[]
  connect(options?: { scheme?: ListenScheme, address?: string, binding?: Uint8Array }): FakeTransport
  /** A token that the router takes for this device. */
  tokenFor(user: string, device: string): Uint8Array
  /** A device that has reached welcome; the frames up to there are taken. */
  open(user?: string, device?: string): Promise<{ transport: FakeTransport, place: Place }>
}

export function createHarness(changes: Parameters<typeof configOf>[0] = {}, shards = 1): Harness {
  const config = configOf(changes)
  const clock = new FakeClock()
  const router = new FakeRouter()
  router.shards = shards
  const counters = new Counters()
  const admission = new Admission(config, clock)
  const lines: { event: string, fields: LogFields }[] = []
  const record = (fields: LogFields, event: string): void => { lines.push({ event, fields }) }
  const log: Log = { debug: record, info: record, warn: record, error: record }
  const secret = { key: new Uint8Array(32).fill(7), iterations: 4096 }
  const connections = new Connections({ config, clock, log, counters, router, admission, secret, blobs: null })
  const harness: Harness = {
    config, clock, router, counters, admission, connections, lines,
    connect: ({ scheme = 'tcp', address = '192.0.2.1', binding } = {}) => {
      const transport = new FakeTransport(scheme, address, clock.ms)
      transport.binding = binding ?? null
      admission.enter(address)
      connections.accept(transport)
      return transport
    },
    tokenFor: (user, device) => {
      const token = randomBytes(32)
      router.tokens.set(`${user}/${device}`, createHash('sha256').update(token).digest('hex'))
      return token
    },
    open: async (user = 'alice', device = 'phone') => {
      const transport = harness.connect()
      transport.deliver(flight(user, device, harness.tokenFor(user, device)))
      await settle()
      const last = transport.take().at(-1)
      if (last?.type !== FRAME.welcome) throw new Error(`no welcome: ${JSON.stringify(last)}`)
      return { transport, place: router.places.at(-1)! }
    },
  }
  return harness
}

export const HELLO = encodeHello([1], 'test 1.0')

export function tokenAuth(user: string, device: string, token: Uint8Array): Uint8Array {
  return encodeAuth('TOKEN', Buffer.concat([Buffer.from(`${user}\0${device}\0`), token]))
}

export function bindFrame(device: string): Uint8Array {
  return encodeBind(device, `${device} of a test`, 0, 0, 0, 0)
}

/** hello, auth and bind in one. */
export function flight(user: string, device: string, token: Uint8Array): Uint8Array {
  return Buffer.concat([HELLO, tokenAuth(user, device, token), bindFrame(device)])
}

/** Lets everything that is under way in memory come to rest. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 6; turn++) await new Promise((resolve) => { setImmediate(resolve) })
}

export function names(frames: readonly Frame[]): string[] {
  return frames.map((frame) => Object.entries(FRAME).find(([, type]) => type === frame.type)?.[0] ?? String(frame.type))
}

export { ERROR }
