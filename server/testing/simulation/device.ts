/** A device as the protocol wants it: an outbox and a log that survive its crashes, a cursor stored together with what it took. */
import type { Element } from '../../../protocol/element.js'
import type { Frame } from '../../../protocol/generated/frames.js'
import { expiryOf } from '../../../protocol/expiry.js'
import { type MessageSource, MessageViews } from '../../../protocol/client/message-views.js'
import { ERROR, FRAME, LIST, MARK, OPERATION, PRESENCE, RESUME } from '../../../protocol/generated/registry.js'
import type { ErrorCode } from '../../../protocol/generated/registry.js'
import { isGroup } from '../../../protocol/address.js'
import type { StoredMessage } from '../../router/router.js'
import { RouterError } from '../../router/router.js'
import { conversationName } from '../../shard/conversation-name.js'
import { Breach } from './breach.js'
import { type DeviceServer, type OutboxMessage, SimConnection } from './connection.js'
import { changeText } from './group-oracle.js'
import type { OperationName, SimOperation } from './operation-oracle.js'
import { type Oracle, operationText } from './oracle.js'
import { carrying } from './picture.js'
import { LIMITS } from './server.js'

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
  /** Seqs of what was written here, as acknowledged. */
  readonly ownSeqs = new Map<string, number[]>()
  /** Messages as operations have left them. */
  readonly views = new Map<string, MessageViews>()
  /** Lost its state once: what it held before is gone, and nobody owes it that again. */
  wasReinstalled = false
  /** Was told too old once: what it missed it has from the conversations, which moves no watermark. [RCP-11] */
  wasTooOld = false
  /** Entries wait while it learns from the conversations what it missed. */
  isSyncing = false
  /** The last version it was told of each of its user's lists. */
  readonly listVersions = new Map<number, number>()
  /** Up to where it has learned from the conversations, by conversation. [MSG-18] */
  readonly #syncedTo = new Map<string, number>()
  #busyCount = 0

  constructor(user: string, id: string, oracle: Oracle) {
    this.user = user
    this.id = id
    this.#oracle = oracle
  }

  get outboxName(): string {
    return `${this.user}/${this.id}/${String(this.outboxEpoch)}`
  }

  connect(server: DeviceServer): void {
    const connection = new SimConnection(this, server)
    this.connection = connection
    const request = {
      user: this.user, device: this.id, deviceName: '', queueEpoch: this.queueEpoch, cursor: this.cursor, outboxEpoch: this.outboxEpoch,
      window: 4, usedTokenHash: null, freshTokenHash: new Uint8Array(32),
    }
    const asked = this.#oracle.access.of(this.user).version
    server.router.attach(request, connection).then(
      (attached) => {
        if (server.isAlive) this.#oracle.access.begun(this.user, asked)
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
        for (const message of page.messages) this.#storeShown(name, message, page.tail)
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

  write(to: string, text: string, picture = ''): void {
    this.#post({ clientId: this.#nextClientId++, to, kind: 'message', text, seq: 0, picture })
  }

  operate(to: string, kind: OperationName, seq: number, text: string): void {
    this.#oracle.operations.asked({ conversation: conversationName(this.user, to), from: this.user, target: seq, kind, text })
    this.#post({ clientId: this.#nextClientId++, to, kind, text, seq, picture: '' })
  }

  view(conversation: string): MessageViews {
    let view = this.views.get(conversation)
    if (view === undefined) this.views.set(conversation, view = new MessageViews(this.user))
    return view
  }

  markRead(conversation: string, seq: number): void {
    this.#oracle.marked(this.user, conversationName(this.user, conversation), seq)
    if (isGroup(conversation)) this.#oracle.group.marked(this.user, seq)
    this.#post({ clientId: this.#nextClientId++, to: conversation, kind: 'mark', text: '', seq, picture: '' })
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
      return
    }
    const { clientId, kind, to, text, seq, picture } = next.stanza
    if (!isGroup(to)) this.#oracle.blocks.arrived(`${this.outboxName}/${String(clientId)}`, this.user, to)
    if (kind === 'message') router.message(attachment, clientId, to, Buffer.from(text), carrying(picture))
    else if (kind === 'mark') router.mark(attachment, clientId, to, MARK.read, seq)
    else router.operate(attachment, clientId, to, seq, OPERATION[kind], Buffer.from(text))
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
    if (stanza === undefined || stanza.kind === 'mark') return
    const name = conversationName(this.user, stanza.to)
    const view = this.view(name)
    if (stanza.kind === 'message') {
      view.add({ seq, text: stanza.text }, 0)
      this.ownSeqs.set(name, [...this.ownSeqs.get(name) ?? [], seq])
    }
    if (stanza.kind !== 'message' && seq > 0) view.apply({ seq, from: this.user, target: stanza.seq, kind: stanza.kind, text: stanza.text })
  }

  #refused(connection: SimConnection, clientId: number, error: ErrorCode): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza === undefined) return
    this.outbox = this.outbox.filter((each) => each !== stanza)
    if (error !== ERROR.staleClientId && error !== ERROR.unavailable) {
      // Only now: an answer that is lost says nothing of the next attempt.
      if (stanza.kind === 'message') this.#oracle.refused(stanza.to, stanza.text)
      return
    }
    // [MSG-16]
    stanza.clientId = this.#nextClientId++
    this.outbox.push(stanza)
    connection.up.push({ kind: 'stanza', stanza })
  }

  /** The server has refused something: there has to be a reason for it. */
  checkRefusal(connection: SimConnection, clientId: number, error: ErrorCode): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza === undefined || error === ERROR.staleClientId || connection.outboxEpoch !== this.outboxEpoch) return
    // Another shard is away, or has too much under way.
    if (error === ERROR.unavailable && connection.server.shards.length > 1) return
    const { kind, to, picture } = stanza
    const isMessage = kind === 'message'
    if (isGroup(to) && (error === ERROR.noSuchConversation || (error === ERROR.noSuchMessage && !isMessage))) {
      // It is no member at the moment, or was none when that was said.
    } else if (error === ERROR.noSuchBlob && picture !== '') {
      // Its user does not hold it, or no longer.
    } else if (error === ERROR.contactBlocked && !isGroup(to) && (isMessage || kind === 'react' || kind === 'edit')) {
      this.#oracle.blocks.refused(`${this.outboxName}/${String(clientId)}`, this.user, to)
    } else if (!isMessage && kind !== 'mark') {
      const operation = this.#operationOf(stanza, kind)
      this.#oracle.operations.refused(operation, error, this.#oracle.authorOf(operation.conversation, stanza.seq) ?? '')
    } else throw new Breach(`${this.outboxName} ${String(clientId)} was refused with ${String(error)}`)
  }

  #operationOf({ to, text, seq }: OutboxMessage, kind: OperationName): SimOperation {
    return { conversation: conversationName(this.user, to), from: this.user, target: seq, kind, text }
  }

  /** The server sends entries. */
  checkEntries(frames: readonly Frame[]): void {
    this.#oracle.handedOut(this.user, frames)
  }

  checkPresence(user: string, state: number, lastSeenMs: number): void {
    this.#oracle.onPresence(this, user, state === PRESENCE.online, lastSeenMs)
  }

  #take(connection: SimConnection, frame: Frame): void {
    if (!('index' in frame)) throw new Breach('an entry without index')
    if (frame.type === FRAME.skip) throw new Breach('a skip where nothing was lost')
    if (frame.index <= this.cursor) return
    if (frame.index !== this.cursor + 1) throw new Breach(`entry ${String(frame.index)} came behind ${String(this.cursor)}`)
    if (frame.type === FRAME.delivery || frame.type === FRAME.deliveryFrom) {
      const from = frame.type === FRAME.deliveryFrom ? frame.from : frame.conversation
      const name = conversationName(this.user, frame.conversation)
      const text = Buffer.from(frame.text).toString()
      this.view(name).add({ seq: frame.seq, text }, 0)
      this.#store(name, from, frame.seq, text)
      this.#oracle.operations.sent(name, frame.seq, frame.time, text)
      if (from !== this.user && !isGroup(name)) this.#oracle.blocks.given(this.user, text)
    } else if (frame.type === FRAME.operation) {
      const { conversation, from, seq, target } = frame
      this.#storeOperation(conversationName(this.user, conversation), from, seq, target, frame.kind, Buffer.from(frame.text).toString())
    } else if (frame.type === FRAME.change) this.#storeChange(conversationName(this.user, frame.conversation), frame.from, frame.seq, frame.element)
    else if (frame.type === FRAME.receipt) this.#storeWatermark(frame.conversation, frame.member, frame.mark, frame.seq)
    else if (frame.type === FRAME.changed) this.#storeVersion(frame.list, frame.version)
    this.cursor = frame.index
    connection.up.push({ kind: 'cursor', index: frame.index })
  }

  /** What a page of history shows. */
  #storeShown(conversation: string, { seq, from, text, change, operation, present, extensions }: StoredMessage, tail: number): void {
    if (change !== null) {
      this.#storeChange(conversation, from, seq, change)
      return
    }
    const shown = Buffer.from(text).toString()
    if (operation !== null) {
      this.#storeOperation(conversation, from, seq, operation.target, operation.kind, shown)
      return
    }
    this.#oracle.expiry.told(conversation, seq, expiryOf(extensions))
    this.view(conversation).add({ seq, text: shown, ...shownState(present) }, tail)
    this.#store(conversation, from, seq, shown)
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

  #storeChange(conversation: string, from: string, seq: number, change: Element): void {
    this.#oracle.expiry.changed(conversation, seq, change)
    this.#store(conversation, from, seq, changeText(change))
  }

  #storeOperation(conversation: string, from: string, seq: number, target: number, code: number, text: string): void {
    const kind = OPERATION_KINDS.get(code)
    if (kind === undefined) throw new Breach(`${conversation} ${String(seq)} is an operation of kind ${String(code)}`)
    this.view(conversation).apply({ seq, from, target, kind, text })
    // Places of a group's log are counted, whatever they hold.
    if (isGroup(conversation)) this.#store(conversation, from, seq, operationText(kind, target))
    this.#oracle.happened(this.user, { conversation, from, target, kind, text }, seq)
    if (from !== this.user && kind === 'edit' && !isGroup(conversation)) this.#oracle.blocks.given(this.user, text)
  }

  /** A list's version rises; a profile's is only another one. */
  #storeVersion(list: number, version: number): void {
    if (list !== LIST.profile && version < (this.listVersions.get(list) ?? 0)) throw new Breach(`${this.user}/${this.id}: list ${String(list)} fell to ${String(version)}`)
    this.listVersions.set(list, version)
  }

  #storeWatermark(conversation: string, member: string, mark: number, seq: number): void {
    const isOwn = member === this.user
    const name = conversationName(this.user, conversation)
    const key = `${name} ${isOwn ? this.user : conversation} ${String(mark)}`
    const before = this.watermarks.get(key) ?? 0
    if (seq < before) throw new Breach(`${key} fell from ${String(before)} to ${String(seq)}`)
    this.watermarks.set(key, Math.max(seq, before))
    if (isGroup(conversation) && !isOwn) this.#oracle.group.told(this.user, mark === MARK.read, seq)
    else this.#oracle.toldWatermark(name, this.user, isOwn ? this.user : conversation, mark === MARK.read, seq)
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
    this.ownSeqs.clear()
    this.#syncedTo.clear()
    this.watermarks.clear()
    this.listVersions.clear()
  }

  checkAck(connection: SimConnection, clientId: number, seq: number, timeMs: number, expiresMs: number): void {
    const stanza = this.outbox.find((each) => each.clientId === clientId)
    if (stanza === undefined || connection.outboxEpoch !== this.outboxEpoch) return
    const { kind, to, text } = stanza
    if (kind === 'message') this.#oracle.expiry.told(conversationName(this.user, to), seq, expiresMs)
    if (kind === 'message') connection.server.checkAcked(this.outboxName, clientId, this.user, to, text, seq, timeMs)
    else if (kind === 'mark') this.#oracle.markAcked(this.user, conversationName(this.user, to), stanza.seq)
    else this.#oracle.operated(this.outboxName, clientId, this.#operationOf(stanza, kind), seq, timeMs)
  }

  /** Every other moment its connection takes no more than it must. */
  isBusy(): boolean {
    this.#busyCount++
    return this.#busyCount % 4 === 0
  }
}

export const OPERATION_KINDS: ReadonlyMap<number, OperationName> = new Map<number, OperationName>([[OPERATION.edit, 'edit'], [OPERATION.delete, 'delete'], [OPERATION.react, 'react']])

/** Of a message as a page shows it, for MessageViews. */
export function shownState(present: StoredMessage['present']): Pick<MessageSource, 'isDeleted' | 'editedMs' | 'reactions'> {
  if (present === null) return {}
  const { editedMs, deletedMs, reactions } = present
  return { isDeleted: deletedMs > 0, editedMs: editedMs === 0 ? null : editedMs, reactions }
}
