/**
 * A device as the protocol wants it: an outbox and a log that survive its crashes, a cursor stored together with what it took. Its
 * connection is two queues that the simulator moves on one step at a time, and may cut at any moment, on one side before the other.
 */

import type { Frame } from '../../../protocol/generated/frames.js'
import { MessageViews } from '../../../protocol/client/message-views.js'
import { ERROR, FRAME, MARK, OPERATION, RESUME } from '../../../protocol/generated/registry.js'
import type { ErrorCode } from '../../../protocol/generated/registry.js'
import { isGroup } from '../../../protocol/address.js'
import type { Attachment, DeviceSink } from '../../router/router.js'
import { RouterError } from '../../router/router.js'
import { conversationName } from '../../shard/state.js'
import { decodeEntries } from '../entries.js'
import { changeText } from './group-oracle.js'
import { Breach } from './breach.js'
import { type Oracle, reactionText } from './oracle.js'
import { LIMITS } from './server.js'
import type { SimServer } from './server.js'

interface OutboxMessage {
  clientId: number
  readonly to: string
  /** What it says, how far it marks as read, or what it reacts with to which message. */
  readonly text: string
  readonly seq: number
  readonly isReaction: boolean
}

type Up = { kind: 'stanza'; stanza: OutboxMessage } | { kind: 'cursor'; index: number }
type Down =
  | { kind: 'acked'; clientId: number; seq: number; timeMs: number }
  | { kind: 'refused'; clientId: number; error: ErrorCode }
  | { kind: 'entry'; frame: Frame }
  | { kind: 'done'; index: number }

/** Both ends of one connection. */
export class SimConnection implements DeviceSink {
  readonly device: SimDevice
  readonly server: SimServer
  readonly up: Up[] = []
  readonly down: Down[] = []
  attachment: Attachment | null = null
  outboxEpoch = 0
  /** The server's end, and the device's. */
  isServerOpen = true
  isDeviceOpen = true
  doneAt = -1
  lastIndex = 0

  constructor(device: SimDevice, server: SimServer) {
    this.device = device
    this.server = server
  }

  acked(clientId: number, seq: number, timeMs: number): void {
    if (!this.#isHeard()) return
    this.device.checkAck(this, clientId, seq, timeMs)
    this.down.push({ kind: 'acked', clientId, seq, timeMs })
  }

  refused(clientId: number, error: ErrorCode): void {
    if (this.#isHeard()) this.down.push({ kind: 'refused', clientId, error })
  }

  entries(frames: Uint8Array, last: number, count: number): void {
    if (!this.#isHeard()) return
    const decoded = decodeEntries(frames)
    const end = decoded.at(-1)
    if (decoded.length !== count || end === undefined || !('index' in end) || end.index !== last) throw new Breach('a run of entries is not what it says')
    for (const frame of decoded) this.down.push({ kind: 'entry', frame })
  }

  done(index: number): void {
    if (!this.#isHeard()) return
    if (this.doneAt >= 0) throw new Breach('done was sent twice')
    this.doneAt = index
    this.down.push({ kind: 'done', index })
  }

  /** The ephemeral lane carries nothing that counts. */
  presence(): boolean { return true }
  typing(): void { /* nothing that counts */ }
  declined(): void { /* nothing that counts */ }

  ended(): void {
    this.isServerOpen = false
    this.attachment = null
  }

  /** What a dead server says, or into a cut connection, nobody hears. */
  #isHeard(): boolean {
    return this.server.isAlive && this.isServerOpen
  }
}

export class SimDevice {
  readonly user: string
  readonly id: string
  readonly #oracle: Oracle
  connection: SimConnection | null = null
  /** Everything from here on is on the device's own disk. */
  queueEpoch = 0
  cursor = 0
  outboxEpoch = 0
  #nextClientId = 1
  outbox: OutboxMessage[] = []
  /** By conversation (as in the store): seqs received, in order. */
  received = new Map<string, number[]>()
  watermarks = new Map<string, number>()
  /** Messages of pairs as reactions have left them. */
  readonly views = new Map<string, MessageViews>()
  /** Lost its state once: what it held before is gone, and nobody owes it that again. */
  wasReinstalled = false
  /** Was told too old once: what it missed it has from the conversations, which moves no watermark. [RCP-11] */
  wasTooOld = false
  /** Entries wait while it learns from the conversations what it missed. */
  isSyncing = false
  /** Up to where it has learned from the conversations, by conversation. [MSG-18] */
  readonly #syncedTo = new Map<string, number>()

  constructor(user: string, id: string, oracle: Oracle) {
    this.user = user
    this.id = id
    this.#oracle = oracle
  }

  get outboxName(): string {
    return `${this.user}/${this.id}/${String(this.outboxEpoch)}`
  }

  connect(server: SimServer): void {
    const connection = new SimConnection(this, server)
    this.connection = connection
    const request = {
      user: this.user, device: this.id, deviceName: '', queueEpoch: this.queueEpoch, cursor: this.cursor, outboxEpoch: this.outboxEpoch,
      window: 4, usedTokenHash: null, freshTokenHash: new Uint8Array(32),
    }
    server.router.attach(request, connection).then(
      (attached) => {
        if (!server.isAlive || !connection.isServerOpen) return
        connection.attachment = attached.attachment
        if (connection.isDeviceOpen) this.#welcome(connection, attached.outboxEpoch, attached.cursor)
        server.router.start(attached.attachment)
        if (!connection.isDeviceOpen) return
        if (attached.resume !== RESUME.tooOld) {
          this.queueEpoch = attached.queueEpoch
          this.cursor = attached.cursor
          return
        }
        if (server.limits.queueEntriesMax >= LIMITS.queueEntriesMax) {
          throw new Breach(`${this.user}/${this.id} at ${String(this.cursor)} was told too old`)
        }
        this.isSyncing = this.wasTooOld = true
        this.#sync(connection, attached.queueEpoch, attached.cursor).catch((error: unknown) => {
          if (error instanceof RouterError) connection.isServerOpen = false
          else server.report(error)
        })
      },
    ).catch((error: unknown) => {
      connection.isServerOpen = false
      if (!(error instanceof RouterError)) server.report(error)
    })
  }

  /** Takes the epochs, stores them, and sends again what the outbox holds. [OPN-10, OPN-11, MSG-13] */
  #welcome(connection: SimConnection, outboxEpoch: number, cursor: number): void {
    if (outboxEpoch !== this.outboxEpoch) {
      if (this.outboxEpoch !== 0) throw new Breach('a known outbox epoch was not taken')
      this.outboxEpoch = outboxEpoch
    }
    connection.outboxEpoch = outboxEpoch
    connection.lastIndex = cursor
    for (const stanza of this.outbox) connection.up.push({ kind: 'stanza', stanza })
  }

  /** What it missed, from the conversations; only then its cursor counts. [QUE-9] */
  async #sync(connection: SimConnection, queueEpoch: number, cursor: number): Promise<void> {
    const { router } = connection.server
    const { conversations } = await router.conversations(this.user, '', 100)
    for (const { conversation } of conversations) {
      const name = conversationName(this.user, conversation)
      let after = this.received.get(name)?.at(-1) ?? 0
      for (let more = true; more;) {
        const page = await router.history(this.user, conversation, { after, limit: 5 })
        if (!connection.isDeviceOpen || !connection.server.isAlive) return
        for (const { seq, from, text, change, operation, present } of page.messages) {
          const shown = change === null ? Buffer.from(text).toString() : changeText(change)
          if (operation !== null) this.#storeReaction(name, from, seq, operation.target, shown)
          else {
            this.view(name).add({ seq, text: shown, reactions: present?.reactions ?? [] }, page.tail)
            this.#store(name, from, seq, shown)
          }
        }
        after = page.messages.at(-1)?.seq ?? after
        this.#syncedTo.set(name, after)
        more = page.more
      }
    }
    if (!connection.isDeviceOpen || !connection.server.isAlive) return
    this.queueEpoch = queueEpoch
    this.cursor = cursor
    this.isSyncing = false
  }

  get isOnline(): boolean {
    return this.connection !== null && this.connection.attachment !== null && this.connection.isDeviceOpen
  }

  write(to: string, text: string): void {
    this.#post({ clientId: this.#nextClientId++, to, text, seq: 0, isReaction: false })
  }

  react(to: string, seq: number, emoji: string): void {
    this.#post({ clientId: this.#nextClientId++, to, text: emoji, seq, isReaction: true })
  }

  view(conversation: string): MessageViews {
    let view = this.views.get(conversation)
    if (view === undefined) this.views.set(conversation, view = new MessageViews(this.user))
    return view
  }

  markRead(conversation: string, seq: number): void {
    this.#oracle.marked(this.user, conversationName(this.user, conversation), seq)
    if (isGroup(conversation)) this.#oracle.group.marked(this.user, seq)
    this.#post({ clientId: this.#nextClientId++, to: conversation, text: '', seq, isReaction: false })
  }

  #post(stanza: OutboxMessage): void {
    this.outbox.push(stanza)
    if (this.isOnline && this.outboxEpoch !== 0) this.connection?.up.push({ kind: 'stanza', stanza })
  }

  /** One thing arrives at the server. */
  moveUp(): void {
    const { connection } = this
    if (connection === null || !connection.isServerOpen) return
    const { attachment } = connection
    if (attachment === null) return
    const next = connection.up.shift()
    if (next === undefined) return
    const { router } = connection.server
    if (next.kind === 'cursor') {
      if (!router.cursor(attachment, next.index)) throw new Breach(`cursor ${String(next.index)} was refused`)
    } else if (next.stanza.isReaction) {
      router.operate(attachment, next.stanza.clientId, next.stanza.to, next.stanza.seq, OPERATION.react, Buffer.from(next.stanza.text))
    } else if (next.stanza.seq > 0) router.mark(attachment, next.stanza.clientId, next.stanza.to, MARK.read, next.stanza.seq)
    else router.message(attachment, next.stanza.clientId, next.stanza.to, Buffer.from(next.stanza.text), new Uint8Array(0))
  }

  /** One thing arrives at the device, which stores it before anything else. */
  moveDown(): void {
    const { connection } = this
    if (connection === null) return
    const isOver = !connection.isServerOpen || !connection.server.isAlive
    const next = this.isSyncing ? undefined : connection.down.shift()
    if (next === undefined) {
      if (isOver) this.cut()
      return
    }
    switch (next.kind) {
      case 'acked':
        this.#acked(next.clientId, next.seq)
        this.outbox = this.outbox.filter((stanza) => stanza.clientId !== next.clientId)
        return
      case 'refused':
        this.#refused(connection, next.clientId, next.error)
        return
      case 'done':
        return
      case 'entry':
        this.#take(connection, next.frame)
    }
  }

  #acked(clientId: number, seq: number): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza === undefined || isGroup(stanza.to)) return
    const view = this.view(conversationName(this.user, stanza.to))
    if (stanza.isReaction && seq > 0) view.apply({ seq, from: this.user, target: stanza.seq, kind: 'react', text: stanza.text })
    if (stanza.seq === 0) view.add({ seq, text: stanza.text }, 0)
  }

  #refused(connection: SimConnection, clientId: number, error: ErrorCode): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza === undefined) return
    if (error === ERROR.noSuchConversation && isGroup(stanza.to)) {
      // It is no member at the moment.
      this.outbox = this.outbox.filter((each) => each !== stanza)
      if (stanza.seq === 0) this.#oracle.group.refused(stanza.text)
      return
    }
    if (error !== ERROR.staleClientId) throw new Breach(`${this.outboxName} ${String(clientId)} was refused with ${String(error)}`)
    stanza.clientId = this.#nextClientId++
    this.outbox = [...this.outbox.filter((each) => each !== stanza), stanza]
    connection.up.push({ kind: 'stanza', stanza })
  }

  #take(connection: SimConnection, frame: Frame): void {
    if (!('index' in frame)) throw new Breach('an entry without index')
    if (frame.type === FRAME.skip) throw new Breach('a skip where nothing was lost')
    if (frame.index <= this.cursor) return
    if (frame.index !== this.cursor + 1) throw new Breach(`entry ${String(frame.index)} came behind ${String(this.cursor)}`)
    if (frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom) {
      const from = frame.type === FRAME.deliveryFrom ? frame.from : frame.conversation
      const text = Buffer.from(frame.text).toString()
      this.view(conversationName(this.user, frame.conversation)).add({ seq: frame.seq, text }, 0)
      this.#store(conversationName(this.user, frame.conversation), from, frame.seq, text)
    } else if (frame.type === FRAME.operation) {
      this.#storeReaction(conversationName(this.user, frame.conversation), frame.from, frame.seq, frame.target, Buffer.from(frame.text).toString())
    } else if (frame.type === FRAME.change) this.#store(frame.conversation, frame.from, frame.seq, changeText(frame.element))
    else if (frame.type === FRAME.receipt) this.#storeWatermark(frame.conversation, frame.member, frame.mark, frame.seq)
    this.cursor = frame.index
    connection.up.push({ kind: 'cursor', index: frame.index })
  }

  #store(conversation: string, from: string, seq: number, text: string): void {
    const seqs = this.received.get(conversation) ?? []
    const last = seqs.at(-1) ?? 0
    if (seq <= (this.#syncedTo.get(conversation) ?? 0)) return
    if (seq <= last) throw new Breach(`${this.user}/${this.id}: ${conversation} ${String(seq)} came behind ${String(last)}`)
    seqs.push(seq)
    this.received.set(conversation, seqs)
    this.#oracle.received(this.user, { conversation, from, seq, text })
    if (isGroup(conversation)) this.#oracle.group.stored(this.user, seq)
  }

  #storeReaction(conversation: string, from: string, seq: number, target: number, text: string): void {
    this.view(conversation).apply({ seq, from, target, kind: 'react', text })
    this.#oracle.received(this.user, { conversation, from, seq, text: reactionText(target) })
  }

  #storeWatermark(conversation: string, member: string, mark: number, seq: number): void {
    const isOwn = member === this.user
    const name = conversationName(this.user, conversation)
    const key = `${name} ${isOwn ? this.user : conversation} ${String(mark)}`
    const before = this.watermarks.get(key) ?? 0
    if (seq < before) throw new Breach(`${key} fell from ${String(before)} to ${String(seq)}`)
    this.watermarks.set(key, seq)
    if (isGroup(conversation) && !isOwn) this.#oracle.group.told(this.user, mark === MARK.read, seq)
    else this.#oracle.toldWatermark(name, isOwn ? this.user : conversation, mark === MARK.read, seq)
  }

  /** How far the other user of the pair has received or read, as this device knows. */
  knownDelivered(conversation: string): number {
    const name = conversationName(this.user, conversation)
    const known = [MARK.delivered, MARK.read].map((mark) => this.watermarks.get(`${name} ${conversation} ${String(mark)}`) ?? 0)
    return Math.max(...known)
  }

  /** The device's end is gone; the server's may not know yet. */
  cut(): void {
    const { connection } = this
    if (connection === null) return
    connection.isDeviceOpen = false
    this.isSyncing = false
    this.connection = null
    connection.server.lost(connection)
  }

  /** All is lost, as by a factory reset; only the name of the device stays. What waited in the outbox was never acknowledged. */
  reinstall(): void {
    this.cut()
    this.wasReinstalled = true
    this.queueEpoch = this.cursor = this.outboxEpoch = 0
    this.#nextClientId = 1
    this.outbox = []
    this.received.clear()
    this.views.clear()
    this.#syncedTo.clear()
    this.watermarks.clear()
  }

  checkAck(connection: SimConnection, clientId: number, seq: number, timeMs: number): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza?.isReaction === true && connection.outboxEpoch === this.outboxEpoch) {
      try {
        this.#oracle.reacted(this.outboxName, clientId, this.user, stanza.to, stanza.seq, seq)
      } catch (error) {
        connection.server.report(error)
      }
      return
    }
    if (stanza === undefined || stanza.seq > 0 || connection.outboxEpoch !== this.outboxEpoch) return
    connection.server.checkAcked(this.outboxName, clientId, this.user, stanza.to, stanza.text, seq, timeMs)
  }
}
