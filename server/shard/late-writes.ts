/**
 * What nobody waits for: cursors, watermarks of groups in which only `delivered` rose, when a user was last seen, and trims of queues.
 * Losing it costs what devices say again. One transaction in half a second writes all of it; the others hand it on as it is, whatever
 * there is of it. All at once, so that no cursor is ever on disk before the watermarks that follow from it: a trim writes cursors too.
 *
 * Whatever waits here stays in memory until it is on disk: read back before, it would have fallen.
 */
import type { ConversationState } from './conversation-state.js'
import type { DeviceState } from './device-state.js'
import type { Resident } from './resident.js'
import type { UserState } from './user-state.js'

export class LateWrites {
  /** Devices whose cursor moved. */
  readonly cursors = new Map<DeviceState, UserState>()
  readonly watermarks: ConversationState[] = []
  /** Users whose last seen is to be written. */
  readonly seen = new Set<UserState>()
  /** Users whose queue may be trimmed. */
  readonly trims = new Set<UserState>()
  /** Whether there is something in the journal that may go. */
  hasJournal = false

  get isEmpty(): boolean {
    return this.cursors.size === 0 && this.watermarks.length === 0 && this.seen.size === 0 && this.trims.size === 0 && !this.hasJournal
  }

  moveCursor(user: UserState, device: DeviceState): void {
    if (device.isMoved) return
    device.isMoved = true
    this.cursors.set(device, user)
    user.lateWrites++
  }

  /** The device is gone. */
  dropCursor(device: DeviceState): void {
    const user = this.cursors.get(device)
    if (!this.cursors.delete(device)) return
    device.isMoved = false
    if (user !== undefined) user.lateWrites--
  }

  raiseWatermarks(conversation: ConversationState): void {
    if (conversation.isRaised) return
    conversation.isRaised = true
    conversation.lateWrites++
    this.watermarks.push(conversation)
  }

  noteSeen(user: UserState): void {
    add(this.seen, user)
  }

  /** There is no such user any more. */
  dropSeen(user: UserState): void {
    if (this.seen.delete(user)) user.lateWrites--
  }

  trim(user: UserState): void {
    add(this.trims, user)
  }

  /** It is in a transaction now, which keeps its states itself. */
  release(): void {
    for (const [device, user] of this.cursors) {
      device.isMoved = false
      user.lateWrites--
    }
    for (const conversation of this.watermarks) {
      conversation.isRaised = false
      conversation.lateWrites--
    }
    for (const states of [this.seen, this.trims]) for (const state of states) state.lateWrites--
  }
}

function add<T extends Resident>(states: Set<T>, state: T): void {
  if (states.has(state)) return
  states.add(state)
  state.lateWrites++
}
