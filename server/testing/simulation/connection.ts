/**
 * A device's connection: two queues that the simulator moves on one step at a time, and may cut at any moment, on one side before the
 * other.
 */
import type { Frame } from '../../../protocol/generated/frames.js'
import { FRAME, type ErrorCode } from '../../../protocol/generated/registry.js'
import type { Attachment, DeviceSink, Router } from '../../router/router.js'
import type { ShardLimits } from '../../shard/environment.js'
import { decodeEntries } from '../entries.js'
import { Breach } from './breach.js'
import type { SimDevice } from './device.js'
import type { OperationName } from './operation-oracle.js'

/** What waits in a device's outbox. */
export interface OutboxMessage {
  clientId: number
  readonly to: string
  readonly kind: 'message' | 'mark' | OperationName
  /** What it says, or gives another text or reaction. */
  readonly text: string
  /** How far it marks as read, or what it changes. */
  readonly seq: number
  /** What a message shows; '': nothing. */
  readonly picture: string
}

type Up = { kind: 'stanza'; stanza: OutboxMessage } | { kind: 'cursor'; index: number }
type Down =
  | { kind: 'acked'; clientId: number; seq: number; timeMs: number }
  | { kind: 'refused'; clientId: number; error: ErrorCode }
  | { kind: 'entry'; frame: Frame }
  | { kind: 'done'; index: number }

/** A life of a server, or of one node of it, as devices have it. */
export interface DeviceServer {
  readonly router: Router
  readonly limits: Pick<ShardLimits, 'queueEntriesMax'>
  /** One at least. */
  readonly shards: { readonly length: number }
  readonly isAlive: boolean
  /** What a device gets comes from the shard itself, in this moment; else it may have been on its way. */
  readonly isHome: boolean
  /** The connection broke. */
  lost(connection: SimConnection): void
  checkAcked(outbox: string, clientId: number, from: string, to: string, text: string, seq: number, timeMs: number): void
  /** A breach found where nobody could catch it. */
  report(error: unknown): void
}

/** Both ends of one connection. */
export class SimConnection implements DeviceSink {
  readonly device: SimDevice
  readonly server: DeviceServer
  readonly up: Up[] = []
  readonly down: Down[] = []
  attachment: Attachment | null = null
  outboxEpoch = 0
  /** The server's end, and the device's. */
  isServerOpen = true
  isDeviceOpen = true
  doneAt = -1
  lastIndex = 0
  isActive = true
  /** What it was told last of whom it watches; null: nothing yet. */
  readonly watched = new Map<string, { readonly state: number; readonly lastSeenMs: number } | null>()

  constructor(device: SimDevice, server: DeviceServer) {
    this.device = device
    this.server = server
  }

  /** As the server knows. */
  get isGone(): boolean {
    return !this.isServerOpen
  }

  acked(clientId: number, seq: number, timeMs: number, expiresMs = 0): void {
    if (!this.#isHeard()) return
    this.#reporting(() => { this.device.checkAck(this, clientId, seq, timeMs, expiresMs) })
    this.down.push({ kind: 'acked', clientId, seq, timeMs })
  }

  refused(clientId: number, error: ErrorCode): void {
    if (this.#isHeard()) this.#reporting(() => { this.device.checkRefusal(this, clientId, error) })
    if (this.#isHeard()) this.down.push({ kind: 'refused', clientId, error })
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    if (!this.#isHeard()) return
    const decoded = decodeEntries(frames)
    const end = decoded.at(-1)
    if (decoded.length !== count || end === undefined || !('index' in end) || end.index !== last) throw new Breach('a run of entries is not what it says')
    if (this.server.isHome) this.#reporting(() => { this.device.checkEntries(decoded) })
    for (const frame of decoded) this.down.push({ kind: 'entry', frame })
  }

  done(index: number): void {
    if (!this.#isHeard()) return
    if (this.doneAt >= 0) throw new Breach('done was sent twice')
    this.doneAt = index
    this.down.push({ kind: 'done', index })
  }

  presence(user: string, state: number, lastSeenMs: number): boolean {
    if (!this.#isHeard()) return true
    // The connection takes nothing at the moment. [PRS-1]
    if (this.device.isBusy()) return false
    this.#reporting(() => { this.device.checkPresence(user, state, lastSeenMs) })
    if (this.watched.has(user)) this.watched.set(user, { state, lastSeenMs })
    return true
  }

  typing(): void { /* nothing that counts */ }

  /** Who is at home in a shard that can't be asked is not watched. */
  declined(frame: number, names: readonly string[]): void {
    if (frame === FRAME.watch) for (const name of names) this.watched.delete(name)
  }

  ended(): void {
    this.isServerOpen = false
    this.attachment = null
  }

  /** A breach is heard where nothing stands between it and the simulation. */
  #reporting(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.server.report(error)
    }
  }

  /** What a dead server says, or into a cut connection, nobody hears. */
  #isHeard(): boolean {
    return this.server.isAlive && this.isServerOpen
  }
}
