/**
 * A client core against the model server, driven by a seed: bytes are delayed, connections break, storage writes are late or lost, and
 * the client crashes between any two steps. The promises are checked at every step, and at the end, when all has come to rest.
 */
import assert from 'node:assert/strict'
import { backOffMs } from '../../back-off.js'
import { EMPTY_BYTES, concatBytes } from '../../bytes.js'
import { FrameDecoder } from '../../frame-decoder.js'
import { ERROR, FRAME, MARK } from '../../generated/registry.js'
import { decodeText } from '../../utf8.js'
import { localError } from '../client-error.js'
import type { ClientCore } from '../core.js'
import type { CoreEvent, CoreNeed, CoreOptions, CoreOutput, Message } from '../core-types.js'
import { conversationsQuery, historyQuery, readConversations, readHistory } from '../query-elements.js'
import type { ConversationInfo } from '../query-elements.js'
import { applyChanges, copyState, emptyState } from '../state.js'
import type { ClientState, StorageChange } from '../state.js'
import { ModelConnection, ModelServer } from './model-server.js'

export type CoreClass = new (options: CoreOptions, state: ClientState) => ClientCore

export interface SimulationOptions {
  readonly steps: number
  readonly echoes: boolean
  readonly refusals: boolean
  readonly tooOld: boolean
}

/** xorshift32: small, and the same everywhere. */
function randomFrom(seed: number): () => number {
  let state = (seed * 2654435761 + 88675123) >>> 0 || 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    state >>>= 0
    return state / 0x100000000
  }
}

/** Ordinary steps for each that may be a mishap: sessions open only if most goes well. */
const QUIET_STEPS = 6

const PEERS = ['bob', 'carol']

export class Simulation {
  readonly #Core: CoreClass
  readonly #options: SimulationOptions
  readonly #random: () => number
  readonly server: ModelServer
  #nowMs = 1000
  #core!: ClientCore
  #dueMs = Infinity
  /** What survives a crash. */
  readonly #disk = emptyState()
  #writing: readonly StorageChange[] | null = null
  #link: { readonly connection: ModelConnection; readonly decoder: FrameDecoder; toServer: Uint8Array[]; toClient: Uint8Array[] } | null = null
  #mustConnect = false
  #message: Message | null = null
  #sent = 0
  /** Texts by their number, which were in the durable outbox at some time. */
  readonly #durable = new Set<string>()
  readonly #acknowledged = new Map<string, number>()
  /** What went out, by client id. */
  readonly #flown = new Map<number, { readonly to: string; readonly number: number }>()
  /** Numbers of messages that this life of the process knows to be refused for a time, by conversation. */
  #refused = new Map<string, Set<number>>()
  /** Handed to the application in this life of the process. */
  #shownInLife = new Set<string>()
  readonly #shownEver = new Set<string>()
  #lastSeq = new Map<string, number>()
  #bootState: ClientState = emptyState()
  #watermarks = new Map<string, number>()
  #catchUp: { todo: ConversationInfo[] | null; asked: number; after: number } | null = null
  isQuiet = false
  /** The core's last draw, and its attempts since the last welcome. [RCN-1] [RCN-2] */
  #drawn = -1
  #attempt = 0
  /** Shares of the steps that get something done: either may be slower than the network and its reconnects. */
  readonly #diskSpeed: number
  readonly #handlerSpeed: number

  constructor(Core: CoreClass, seed: number, options: SimulationOptions) {
    this.#Core = Core
    this.#options = options
    this.#random = randomFrom(seed)
    this.#diskSpeed = this.#random() < 0.5 ? 1 : 0.05
    this.#handlerSpeed = this.#random() < 0.5 ? 1 : 0.1
    this.server = new ModelServer({ window: 8, unacknowledgedMax: 5, echoes: options.echoes })
    this.#boot()
  }

  /** Runs all steps, then lets everything come to rest and checks the whole. */
  run(): void {
    for (let step = 0; step < this.#options.steps; step++) {
      this.#step()
      for (let quiet = 0; quiet < QUIET_STEPS; quiet++) this.#quietStep()
    }
    this.isQuiet = true
    for (let step = 0; step < 20_000 && !this.#isAtRest(); step++) this.#quietStep()
    this.#checkEnd()
  }

  // ——— The client's process ———

  #boot(): void {
    this.#bootState = copyState(this.#disk)
    this.#shownInLife = new Set()
    this.#lastSeq = new Map()
    this.#watermarks = new Map()
    this.#refused = new Map()
    this.#message = null
    this.#writing = null
    this.#catchUp = null
    this.#mustConnect = false
    this.#link = null
    this.#dueMs = Infinity
    this.#attempt = 0
    this.#core = new this.#Core({
      servers: [{ scheme: 'tls', host: 'model', port: 1, path: '/' }],
      user: 'alice', device: 'phone', deviceName: '', agent: '', receives: true, window: 0, hasPassword: true, reconnects: true, allowsPlaintext: false,
      fetchesWhenFresh: this.#options.tooOld,
      random: () => {
        this.#drawn = this.#random()
        return this.#drawn
      },
      connectTimeoutMs: 15_000, queryTimeoutMs: 1e9, outboxEntriesMax: 1000,
    }, copyState(this.#disk))
    this.#core.start(this.#nowMs)
    this.#take()
  }

  /** Power off. The write under way may have made it, whole. */
  #crash(): void {
    if (this.#writing !== null && this.#random() < 0.5) this.#applyToDisk(this.#writing)
    this.#boot()
  }

  #applyToDisk(changes: readonly StorageChange[]): void {
    applyChanges(this.#disk, changes)
    for (const record of this.#disk.outbox.values()) this.#durable.add(record.text)
  }

  #take(): void {
    if (this.#message === null) {
      this.#message = this.#core.nextMessage()
      if (this.#message !== null) this.#checkMessage(this.#message)
    }
    const output = this.#core.take()
    this.#checkFrames(output)
    if (output.frames.length > 0 && this.#link !== null) this.#link.toServer.push(concatBytes(...output.frames))
    if (output.changes.length > 0) {
      assert.equal(this.#writing, null, 'two batches at a time')
      this.#writing = output.changes
    }
    for (const need of output.needs) this.#carryOut(need)
    this.#dueMs = output.dueMs
    for (const event of output.events) this.#occurred(event)
  }

  #carryOut(need: CoreNeed): void {
    switch (need.kind) {
      case 'connect': this.#mustConnect = true; return
      case 'disconnect':
        if (this.#link !== null && !need.isDead) this.#flushToServer()
        this.#link = null
        this.#mustConnect = false
        return
      case 'scramStart': this.#core.scramData(this.#nowMs, 'SCRAM-SHA-256', EMPTY_BYTES); break
      case 'scramChallenge': this.#core.scramData(this.#nowMs, 'SCRAM-SHA-256', EMPTY_BYTES); break
      case 'scramVerify': this.#core.scramVerified(this.#nowMs); break
    }
    this.#take()
  }

  // ——— Steps ———

  #step(): void {
    const dice = this.#random()
    if (dice < 0.14) this.#send()
    else if (dice < 0.17) this.#markRead()
    else if (dice < 0.26) this.#someoneElse()
    else if (dice < 0.275) this.#crash()
    else if (dice < 0.29) this.#breakLink()
    else if (dice < 0.295 && this.#options.tooOld) this.#loseQueue()
    else if (dice < 0.3 && this.#options.refusals) this.server.refusals = 1 + Math.floor(this.#random() * 3)
    else if (dice < 0.303) this.#serverCloses()
    else this.#quietStep()
  }

  #quietStep(): void {
    const steps = [
      () => { this.#toServer() }, () => { this.#toClient() }, () => { this.#link?.connection.commit() },
      () => { this.#link?.connection.push(1 + Math.floor(this.#random() * 4)) }, () => { this.#stored() }, () => { this.#handled() },
      () => { this.#connect() }, () => { this.#timePasses() }, () => { this.#goOnCatchingUp() },
    ]
    steps[Math.floor(this.#random() * steps.length)]?.()
  }

  #send(): void {
    const to = PEERS[Math.floor(this.#random() * PEERS.length)] ?? 'bob'
    const handle = this.#core.send(this.#nowMs, to, `own ${++this.#sent}`, EMPTY_BYTES)
    assert.equal(typeof handle, 'number')
    this.#take()
  }

  #markRead(): void {
    const { tail } = this.#core.watermarks('bob')
    if (tail > 0) this.#core.markRead(this.#nowMs, 'bob', tail)
    this.#take()
  }

  #someoneElse(): void {
    const dice = this.#random()
    const peer = PEERS[Math.floor(this.#random() * PEERS.length)] ?? 'bob'
    if (dice < 0.7) this.server.incoming(peer, `theirs ${this.server.log(peer).length + 1}`)
    else if (dice < 0.8) this.server.skip()
    else this.server.receipt(peer, dice < 0.9 ? MARK.delivered : MARK.read, this.#random())
  }

  /** Both directions lose what is under way, but for what the server may get of it. */
  #breakLink(): void {
    if (this.#link === null) return
    if (this.#random() < 0.5) this.#flushToServer()
    if (this.#random() < 0.7) this.#link.connection.commit()
    this.#link = null
    this.#core.ended(this.#nowMs, localError('connect-failed', 'broken'))
    this.#take()
  }

  #loseQueue(): void {
    this.server.forgetQueue()
    this.#breakLink()
  }

  #serverCloses(): void {
    this.#link?.connection.close(ERROR.shuttingDown, 100)
  }

  #connect(): void {
    if (!this.#mustConnect) return
    this.#mustConnect = false
    if (!this.isQuiet && this.#random() < 0.2) {
      this.#core.ended(this.#nowMs, localError('connect-failed', 'refused'))
    } else {
      this.#link = { connection: new ModelConnection(this.server), decoder: new FrameDecoder(), toServer: [], toClient: [] }
      this.#core.connected(this.#nowMs, false)
    }
    this.#take()
  }

  #toServer(): void {
    const link = this.#link
    const bytes = link?.toServer.shift()
    if (link === null || bytes === undefined) return
    const cut = this.#random() < 0.5 ? bytes.length : Math.floor(this.#random() * (bytes.length + 1))
    link.connection.receive(bytes.subarray(0, cut))
    if (cut < bytes.length) link.toServer.unshift(bytes.subarray(cut))
  }

  #flushToServer(): void {
    for (const bytes of this.#link?.toServer.splice(0) ?? []) this.#link?.connection.receive(bytes)
  }

  #toClient(): void {
    const link = this.#link
    if (link === null) return
    link.toClient.push(...link.connection.output.splice(0))
    const count = Math.ceil(this.#random() * link.toClient.length)
    for (const bytes of link.toClient.splice(0, count)) {
      link.decoder.push(bytes)
      for (;;) {
        link.decoder.frameBytesMax = this.#core.frameBytesMax
        const frame = link.decoder.next()
        if (frame === null) break
        assert.equal(typeof frame, 'object')
        if (typeof frame !== 'object') continue
        if (frame.type === FRAME.refuse || frame.type === FRAME.ack) this.#noteAnswer(frame.clientId, frame.type === FRAME.refuse)
        this.#core.received(this.#nowMs, frame)
      }
    }
    this.#take()
  }

  #stored(): void {
    if (this.#writing === null || this.#random() > this.#diskSpeed) return
    this.#applyToDisk(this.#writing)
    this.#writing = null
    this.#core.stored(this.#nowMs)
    this.#take()
  }

  #handled(): void {
    if (this.#message === null || this.#random() > this.#handlerSpeed) return
    this.#message = null
    this.#core.handled()
    this.#take()
  }

  #timePasses(): void {
    if (this.#dueMs === Infinity || this.#random() > this.#haste()) return
    this.#nowMs = Math.max(this.#nowMs, this.#dueMs)
    this.server.nowMs = this.#nowMs
    this.#core.tick(this.#nowMs)
    this.#take()
  }

  /** Timers are slow beside all else, but now and then something is slower. */
  #haste(): number {
    const link = this.#link
    const isBusy = this.#mustConnect || (this.isQuiet && (this.#message !== null || this.#writing !== null))
      || (link !== null && link.toServer.length + link.toClient.length + link.connection.output.length > 0)
    return isBusy ? this.isQuiet ? 0 : 0.02 : 0.3
  }

  /** What catch-up does, one answer at a time. */
  #goOnCatchingUp(): void {
    const catchUp = this.#catchUp
    if (catchUp === null || catchUp.asked !== 0 || this.#message !== null) return
    const next = catchUp.todo?.[0]
    let asked: unknown
    if (catchUp.todo === null) {
      asked = this.#core.query(this.#nowMs, conversationsQuery('', undefined))
    } else if (next === undefined) {
      this.#catchUp = null
      this.#core.caughtUp()
    } else {
      catchUp.after = this.#core.watermarks(next.conversation).shown
      asked = this.#core.query(this.#nowMs, historyQuery(next.conversation, { after: catchUp.after }))
    }
    if (typeof asked === 'number') catchUp.asked = asked
    this.#take()
  }

  #caughtSome(event: CoreEvent & { readonly kind: 'answer' }): void {
    const catchUp = this.#catchUp
    if (catchUp?.asked !== event.id) return
    catchUp.asked = 0
    if (catchUp.todo === null) {
      catchUp.todo = [...readConversations(event.element, 'alice')?.conversations ?? []]
      return
    }
    const page = readHistory(event.element, 'alice')
    assert.ok(page !== null)
    for (const { conversation, from, seq, text, own, timeMs } of page.messages) {
      if (this.#core.isNews(conversation, seq)) {
        this.#checkMessage({ conversation, from, seq, text, own, timeMs, index: 0, missed: true, isIncomplete: false, attachments: [], extensions: EMPTY_BYTES, expiresMs: 0, change: null, operation: null })
      }
      this.#core.recovered(conversation, from, seq)
    }
    if (!page.more) catchUp.todo.shift()
  }

  // ——— Checks ———

  #noteAnswer(clientId: number, isRefused: boolean): void {
    const flown = this.#flown.get(clientId)
    if (flown === undefined) return
    const refused = this.#refused.get(flown.to) ?? new Set()
    this.#refused.set(flown.to, refused)
    if (isRefused) refused.add(flown.number)
    else refused.delete(flown.number)
  }

  /** Only what may have been accepted already goes out before an earlier one that was refused for a time. [MSG-13] [MSG-20] */
  #checkOrder(clientId: number, to: string, number: number): void {
    // After a crash nobody knows what went out.
    const mayBeRepeated = this.#flown.has(clientId) || [...this.#bootState.outbox.values()].some((record) => record.clientId === clientId)
    this.#flown.set(clientId, { to, number })
    if (mayBeRepeated) return
    for (const earlier of this.#refused.get(to) ?? []) assert.ok(earlier >= number, `[MSG-20] ${number} to ${to} overtakes ${earlier}, which was refused for a time`)
  }

  #occurred(event: CoreEvent): void {
    switch (event.kind) {
      case 'sent': {
        const { ack } = event
        if (ack.kind === 'mark') return
        const message = this.server.log(ack.to)[ack.seq - 1]
        assert.equal(message?.from, 'alice', 'an ack for a message that is not in the log')
        assert.equal(this.#acknowledged.has(message.text), false, `two acks for ${message.text}`)
        this.#acknowledged.set(message.text, ack.seq)
        assert.equal(message.timeMs, ack.timeMs)
        for (const record of this.#disk.outbox.values()) assert.notEqual(record.text, message.text, 'told as sent before that was stored')
        this.#checkEcho(ack.to, ack.seq, ack.isEchoed)
        return
      }
      case 'receipt': {
        const { conversation, member, mark, seq } = event.receipt
        const key = `${conversation} ${member} ${mark}`
        assert.ok(seq > (this.#watermarks.get(key) ?? 0), '[RCP-9] a watermark fell')
        assert.ok(seq <= this.#core.watermarks(conversation).tail, '[RCP-9] a watermark beyond the messages')
        this.#watermarks.set(key, seq)
        return
      }
      case 'welcome': this.#attempt = 0; return
      case 'disconnected':
        assert.ok(this.#drawn >= 0, '[RCN-1] waits a time that is not drawn')
        assert.equal(event.retryInMs, backOffMs(this.#attempt++, event.error.retryAfterMs, this.#drawn), '[RCN-1] [RCN-3]')
        this.#drawn = -1
        return
      case 'tooOld': this.#catchUp = { todo: null, asked: 0, after: 0 }; return
      case 'answer': this.#caughtSome(event); return
      case 'refused': assert.fail(`refused for good: ${event.refusal.error.symbol}`)
       
      case 'stopped': assert.fail(`stopped: ${event.error?.message ?? ''}`)
       
      default:
    }
  }

  /** What was given in an earlier life counts if it was stored as given. */
  #checkEcho(conversation: string, seq: number, isEchoed: boolean): void {
    const key = `${conversation} ${seq}`
    const wasStored = seq <= (this.#bootState.conversations.get(conversation)?.shown ?? 0)
    if (isEchoed) assert.ok(this.#shownEver.has(key), `${key} was never shown`)
    else assert.equal(this.#shownInLife.has(key) || (wasStored && this.#shownEver.has(key)), false, `${key} was shown`)
  }

  /** The application is given a message. */
  #checkMessage(message: Message): void {
    const { conversation, seq, text, index } = message
    const key = `${conversation} ${seq}`
    assert.equal(this.server.log(conversation)[seq - 1]?.text, text, 'another text than in the log')
    assert.equal(this.#shownInLife.has(key), false, `${key} was shown twice`)
    assert.ok(seq > (this.#lastSeq.get(conversation) ?? 0), `${key} was shown out of order`)
    assert.ok(seq > (this.#bootState.conversations.get(conversation)?.shown ?? 0), `${key} was stored as shown, and is shown again`)
    assert.ok(index === 0 || this.#bootState.queueEpoch !== this.server.queueEpoch || index > this.#bootState.cursor)
    if (message.own) assert.equal(this.#acknowledged.get(text), undefined, `${text} was told as sent, and is shown`)
    this.#shownInLife.add(key)
    this.#shownEver.add(key)
    this.#lastSeq.set(conversation, seq)
  }

  /** What goes out must be true on the disk already. */
  #checkFrames(output: CoreOutput): void {
    const decoder = new FrameDecoder(1 << 20)
    for (const bytes of output.frames) {
      decoder.push(bytes)
      const frame = decoder.next()
      if (frame === null || typeof frame === 'number') assert.fail('the core made bytes that are no frame')
      if (frame.type === FRAME.cursor) assert.ok(frame.index <= this.#disk.cursor, '[QUE-4] acknowledged before it was stored')
      if (frame.type === FRAME.bind && frame.queueEpoch === this.#disk.queueEpoch) assert.ok(frame.cursor <= this.#disk.cursor)
      if (frame.type === FRAME.auth && frame.mechanism === 'TOKEN') {
        assert.ok(this.#disk.token !== null && decodeText(frame.data).endsWith(decodeText(this.#disk.token)), '[OPN-9] token not stored')
      }
      if (frame.type !== FRAME.message) continue
      const isStored = [...this.#disk.outbox.values()].some(({ clientId, text }) => clientId === frame.clientId && text === decodeText(frame.text))
      assert.ok(isStored, '[MSG-12] sent before it was stored')
      assert.notEqual(this.#disk.outboxEpoch, 0, '[OPN-11] sent before the epoch was stored')
      this.#checkOrder(frame.clientId, frame.to, Number(decodeText(frame.text).slice('own '.length)))
    }
  }

  #isAtRest(): boolean {
    return this.#core.state === 'online' && !this.#core.isBehind && this.#core.outbox().length === 0 && this.#writing === null
      && this.#message === null && this.server.cursor === this.server.queueEnd && this.#disk.outbox.size === 0
  }

  #checkEnd(): void {
    assert.ok(this.#isAtRest(), 'nothing came to rest: something is stuck')
    for (const [conversation, log] of this.server.conversations) {
      const own = log.filter(({ from }) => from === 'alice').map(({ text }) => text)
      assert.equal(new Set(own).size, own.length, `a message is in the log of ${conversation} twice: ${own.join()}`)
      const numbers = own.map((text) => Number(text.slice('own '.length)))
      if (!this.#options.refusals) assert.deepEqual(numbers, numbers.toSorted((left, right) => left - right), 'out of order')
      log.forEach(({ from }, index) => {
        const isShown = this.#shownEver.has(`${conversation} ${index + 1}`)
        assert.ok(isShown || from === 'alice', `${conversation} ${index + 1} was never shown`)
      })
      for (const text of own) this.#durable.delete(text)
    }
    this.#durable.delete('')
    assert.deepEqual([...this.#durable], [], 'stored in the outbox, and never sent')
  }
}
