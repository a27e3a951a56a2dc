/**
 * What users have received and read: watermarks in their conversations, which rise with what devices acknowledge and with what they mark,
 * and the cursors of these devices behind them.
 */
import { ERROR } from '../../protocol/generated/registry.js'
import { raiseDeliveredAt } from '../groups/watermarks.js'
import type { Author } from './author.js'
import { raiseDelivered, raiseRead } from './conversation.js'
import type { ShardEnvironment } from './environment.js'
import type { Feed } from './feed.js'
import { DELIVERED, EMPTY, GateCommand, MARK_READ } from './gate.js'
import type { Life } from './life.js'
import { conversationName } from './conversation-name.js'
import type { DeviceState } from './device-state.js'
import type { UserState } from './user-state.js'
import { Answer, type Route, type Transaction } from './transaction.js'

/** What receipts ask of their shard. */
export interface ReceiptsHost {
  readonly environment: Pick<ShardEnvironment, 'clock' | 'limits'>
  readonly life: Life
  /** The one that fills at present: never kept over an await. */
  readonly transaction: Transaction
  answer(answer: Answer): void
  /** Asks for a commit that tells of watermarks, which nobody hurries for… */
  scheduleWatermarks(): void
  /** …and for one that writes what can wait longer. */
  scheduleLazily(): void
}

export class Receipts {
  readonly #host: ReceiptsHost

  constructor(host: ReceiptsHost) {
    this.#host = host
  }

  // ——— Read ———

  /** Raises the user's read watermark; answered through the author's sink. `address` is a normalised user or group. */
  markRead(author: Author, clientId: number, address: string, seq: number): void {
    const { life } = this.#host
    const route = life.routeFor(author, address)
    if (route !== null && this.markNow(route, author, clientId, seq)) return
    life.gates.wait(conversationName(author.user.name, address), GateCommand.of(MARK_READ, author, clientId, seq, EMPTY, EMPTY))
  }

  /** false: what remains unread has to be counted in the log, which takes the gate. */
  markNow(route: Route, author: Author, clientId: number, seq: number): boolean {
    const { conversation } = route
    const member = conversation.member(author.user.name)
    const tail = conversation.visible(author.user.name, conversation.tail)
    if (member === undefined || seq > tail) {
      // [RCP-3]
      const error = member === undefined || conversation.isHiddenFrom(author.user.name) ? ERROR.noSuchConversation : ERROR.invalidWatermark
      this.#host.answer(new Answer(author, clientId, error, 0, 0))
      return true
    }
    if (seq > member.read) {
      if (seq < tail && member.unread > 0) return false
      raiseRead(this.#host.transaction, route, author.user, member, seq, 0)
    }
    // [RCP-10]
    this.#host.answer(new Answer(author, clientId, 0, seq, this.#host.environment.clock.nowMs()))
    return true
  }

  // ——— Delivered ———

  /** A device's cumulative acknowledgement; false: never sent, or backwards. */
  acknowledged(feed: Feed, index: number): boolean {
    return feed.hasEnded || feed.acknowledge(index)
  }

  /**
   * The user's devices have everything of others in this conversation up to `seq`. false: it has to wait for the conversation, and
   * `applied` is called in the turn in which it counts. [RCP-1]
   */
  delivered(user: UserState, conversation: string, seq: number, applied: () => void): boolean {
    const name = conversationName(user.name, conversation)
    const { channels } = this.#host.life
    const away = channels?.to(name) ?? null
    if (away === null || channels === null) return this.deliveredHere(user, name, seq, applied)
    if (!channels.delivered(away, user.name, name, seq, applied)) return false
    this.#host.scheduleWatermarks()
    return true
  }

  /** The same for a conversation that is at home here, by its name in the store; the user may be at home elsewhere. */
  deliveredHere(user: { readonly name: string }, name: string, seq: number, applied: () => void): boolean {
    const { life } = this.#host
    const route = life.freeRoute(name)
    if (route === null) {
      life.gates.wait(name, new GateCommand(DELIVERED, user, null, 0, seq, EMPTY, EMPTY, applied))
      return false
    }
    this.deliverNow(route, user, seq)
    return true
  }

  /** Raises the watermark; it is told with its commit, which nobody hurries for. */
  deliverNow(route: Route, user: { readonly name: string }, seq: number): void {
    const member = route.conversation.member(user.name)
    if (member === undefined) this.#raised(false)
    else if (member.place >= 0) this.#raised(raiseDeliveredAt(this.#host.transaction, route, member.place, seq))
    else this.#raised(raiseDelivered(this.#host.transaction, route, member, seq))
  }

  /** The same in a group, where the user's place among the members is known from when the route was made; false: it is not known any more. */
  deliveredAt(route: Route, place: number, seq: number): boolean {
    const host = this.#host
    if (!route.isAlive || host.life.gates.has(route.conversation.name)) return false
    this.#raised(raiseDeliveredAt(host.transaction, route, place, seq))
    return true
  }

  #raised(hasToBeTold: boolean): void {
    if (hasToBeTold) this.#host.scheduleWatermarks()
    else this.#host.scheduleLazily()
  }

  // ——— Cursors ———

  /**
   * A device has acknowledged its queue up to here, and all that follows from it is in the open transaction or on disk: only then may
   * the cursor be, or a crash between the two would lose a watermark.
   */
  moveCursor(user: UserState, device: DeviceState, index: number): void {
    if (!user.alive || index <= device.cursor || !user.devices.includes(device)) return
    const { environment, transaction: { late }, life } = this.#host
    device.cursor = index
    device.lastActiveMs = environment.clock.nowMs()
    late.moveCursor(user, device)
    life.journal.acknowledged(user)
    const hasRows = user.lastRow >= Math.max(1, user.removedBelow)
    if (hasRows && index - user.rowsTrimmedTo >= environment.limits.trimEvery) late.trim(user)
    this.#host.scheduleLazily()
  }
}
