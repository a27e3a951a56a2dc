/**
 * One group commit in the making: the writes of all commands that came in meanwhile, and what to tell whom once they are on disk.
 * Objects of one shape, no closures: a message costs one answer and one entry here.
 */
import type { Batch } from '../../storage/engine.js'
import type { ErrorCode } from '../../protocol/generated/registry.js'
import type { Feed } from './feed.js'
import type { ConversationState, DeviceState, Resident, UserState, Writer } from './state.js'

/** A conversation and the users who are its members, in the order of its members; what a message needs in memory. */
export class Route {
  readonly conversation: ConversationState
  readonly users: readonly UserState[]
  /** The outbox that used this route before, where one did: saves looking it up for every message. */
  writer: Writer | null = null

  constructor(conversation: ConversationState, users: readonly UserState[]) {
    this.conversation = conversation
    this.users = users
  }

  /** Whether these are still the states in memory; otherwise the route has to be made anew. */
  get isAlive(): boolean {
    if (!this.conversation.alive) return false
    for (const user of this.users) if (!user.alive) return false
    return true
  }
}

/** An ack, or a refusal, for one stanza. */
export class Answer {
  readonly feed: Feed
  readonly clientId: number
  /** 0: accepted */
  readonly error: ErrorCode | 0
  readonly seq: number
  /** An ack's time; a refusal's retryAfterMs. */
  readonly timeMs: number
  /** Where the message is the last on disk from now on; null for a mark and a refusal. */
  readonly conversation: ConversationState | null

  constructor(
    feed: Feed, clientId: number, error: ErrorCode | 0, seq: number, timeMs: number, conversation: ConversationState | null,
  ) {
    this.feed = feed
    this.clientId = clientId
    this.error = error
    this.seq = seq
    this.timeMs = timeMs
    this.conversation = conversation
  }
}

/** An entry appended to a user's queue. */
export class QueueEntry {
  readonly user: UserState
  readonly index: number
  readonly frame: Uint8Array
  /** Where and what the device's acknowledgement counts as delivered; seq 0: nowhere. [RCP-1] */
  readonly conversation: string
  readonly seq: number

  constructor(user: UserState, index: number, frame: Uint8Array, conversation: string, seq: number) {
    this.user = user
    this.index = index
    this.frame = frame
    this.conversation = conversation
    this.seq = seq
  }
}

/** Somebody on the control path who waits for a commit. */
export interface Waiter {
  resolve(): void
  reject(error: Error): void
}

export class Transaction {
  /** Rising by one; what a state object remembers as the transaction that last changed it. */
  readonly number: number
  readonly batch: Batch
  readonly answers: Answer[] = []
  readonly entries: QueueEntry[] = []
  readonly waiters: Waiter[] = []
  /** Conversations with risen watermarks or a checkpoint due; written when the transaction is sealed. */
  readonly dirtyRoutes: Route[] = []
  /** Devices whose cursor moved; written when the transaction is sealed. */
  readonly movedCursors = new Map<DeviceState, UserState>()
  /** Users whose queue may be trimmed once this is on disk, and the last index that goes then, 0 before it is sealed. */
  readonly trims = new Map<UserState, number>()

  constructor(number: number, batch: Batch) {
    this.number = number
    this.batch = batch
  }

  /** Whether there is nothing to commit and nobody to tell. */
  get isEmpty(): boolean {
    return !this.isUrgent && this.dirtyRoutes.length === 0 && this.movedCursors.size === 0 && this.trims.size === 0
  }

  /** Whether somebody waits for it; cursors alone can wait. */
  get isUrgent(): boolean {
    return this.batch.size > 0 || this.answers.length > 0 || this.waiters.length > 0
  }

  touch(state: Resident): void {
    state.lastTransaction = this.number
  }

  /** Device and user stay in memory until it is on disk: read back before, the cursor would have fallen. */
  moveCursor(user: UserState, device: DeviceState): void {
    this.touch(user)
    this.movedCursors.set(device, user)
  }

  /** The same for a user's queue: read back before, it would promise entries that are gone. */
  trim(user: UserState): void {
    this.touch(user)
    this.trims.set(user, 0)
  }

  /** Its members' queues will be written to when the transaction is sealed, so they have to stay in memory until then. */
  markDirty(route: Route): void {
    for (const user of route.users) this.touch(user)
    if (route.conversation.isDirty) return
    route.conversation.isDirty = true
    this.dirtyRoutes.push(route)
  }
}
