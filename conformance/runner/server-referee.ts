/**
 * The referee of server mode: rules that hold of a server in every case, whatever it is about. It sees each frame in both directions, and
 * the first fault fails the case.
 */
import { registry } from '../spec/registry.js'
import { limitOf } from './decode.js'
import type { WireFrame } from './decode.js'
import { noQueueKey } from './referee.js'
import type { Fault } from './referee.js'
import { frameToXml } from './frame-xml.js'
import { plain } from './step-parts.js'

const entries = new Map(registry.frames.map((frame) => [frame.name, frame]))
const errors = new Map(registry.errors.map((error) => [error.code, error]))

/** What is known of a device over all its connections in a case. */
export class DeviceRecord {
  /** Of its cursor; 0: it has none. */
  queueEpoch = 0
  /** Last index that it has stored. */
  cursor = 0
  outboxEpoch = 0
  /** In hex, the one issued last; '': none. */
  token = ''
  lastClientId = 0
  /** By epoch and index: what it was. */
  readonly entries = new Map<string, string>()
  /** By epoch: the highest index that came. */
  readonly highest = new Map<number, number>()
  /** By conversation, of messages, operations and changes that came in the order of the queue: seq and time of the last. */
  readonly positions = new Map<string, { seq: number; time: number }>()
  /** By conversation, member and mark. */
  readonly watermarks = new Map<string, number>()
  /** By outbox epoch and client id: the seq of its ack, 0 for none. */
  readonly acked = new Map<string, number>()
}

/** What is known of one connection. */
export class SessionState {
  hasFeatures = false
  hasAuthenticated = false
  hasWelcome = false
  hasDone = false
  /** The server has said close. */
  isClosed = false
  /** Bind said that nothing is taken off the queue. */
  isWithoutQueue = false
  openFrameBytesMax = limitOf('openFrameBytesMax')
  frameBytesMax = limitOf('frameBytesMax')
  keepAliveMs = limitOf('keepAliveMs')
  window = limitOf('windowDefault')
  queueEpoch = 0
  outboxEpoch = 0
  lastIndex = 0
  /** Indexes of entries that came and were not acknowledged on this connection. */
  owed: number[] = []
  readonly pings: number[] = []
  /** Stanzas without an answer. */
  readonly open = new Set<number>()
  /** What they name, where an ack has to tell a place. */
  readonly stanzas = new Map<number, WireFrame>()
  readonly queries = new Set<number>()
}

export class ServerReferee {
  readonly #fault: (fault: Fault) => void

  constructor(fault: (fault: Fault) => void) {
    this.#fault = fault
  }

  #say(requirement: string, text: string): void {
    this.#fault({ requirement, text })
  }

  /** The largest body that the server may send now. */
  bodyBytesMax(state: SessionState): number {
    return state.hasWelcome ? state.frameBytesMax : Math.max(state.openFrameBytesMax, limitOf('openFrameBytesMax'))
  }

  receivedUnknown(type: number): void {
    if (type % 2 === 0) this.#say('FRM-6', `the server sent a critical frame of the unknown type ${String(type)}`)
  }

  /** What the suite sends. */
  sent(state: SessionState, record: DeviceRecord, frame: WireFrame): void {
    const { values } = frame
    switch (frame.frame) {
      case 'ping': state.pings.push(values['nonce'] as number); return
      case 'bind': state.isWithoutQueue = noQueueKey in frame.extensions; return
      case 'query': state.queries.add(values['id'] as number); return
      case 'cursor':
        state.owed = state.owed.filter((index) => index > (values['index'] as number))
        record.cursor = Math.max(record.cursor, values['index'] as number)
        return
      case 'message':
      case 'mark':
      case 'operate': {
        const id = values['clientId'] as number
        record.lastClientId = Math.max(record.lastClientId, id)
        state.open.add(id)
        state.stanzas.set(id, frame)
      }
    }
  }

  received(state: SessionState, record: DeviceRecord, frame: WireFrame): void {
    this.#order(state, frame)
    this.#addresses(frame)
    const { values } = frame
    switch (frame.frame) {
      case 'features': this.#features(state, values as Readonly<Record<string, number>>); return
      case 'authenticated': state.hasAuthenticated = true; return
      case 'welcome': this.#welcome(state, record, values as Readonly<Record<string, number | string>>); return
      case 'done': this.#done(state, values['index'] as number); return
      case 'pong': {
        const place = state.pings.indexOf(values['nonce'] as number)
        if (place < 0) this.#say('KAL-2', `a pong with the nonce ${plain(values['nonce'])}, of which there was no ping without an answer`)
        else state.pings.splice(place, 1)
        return
      }
      case 'ack': this.#ack(state, record, values as Readonly<Record<string, number>>); return
      case 'refuse':
        this.#answered(state, values['clientId'] as number)
        this.#error(values['error'] as number, 'stanza', frame)
        return
      case 'result': this.#query(state, values['id'] as number); return
      case 'fail':
        this.#query(state, values['id'] as number)
        this.#error(values['error'] as number, 'stanza', frame)
        return
      case 'decline': this.#error(values['error'] as number, 'stanza', frame); return
      case 'close':
        state.isClosed = true
        this.#error(values['error'] as number, 'stream', frame)
        return
    }
    if (entries.get(frame.frame)?.entry === true) this.#entry(state, record, frame)
  }

  #order(state: SessionState, { frame }: WireFrame): void {
    const entry = entries.get(frame)!
    if (state.isClosed) this.#say('CLS-1', `${frame} came behind close`)
    if (entry.from === 'client') this.#say('FRM-10', `a server may not send ${frame}`)
    if (entry.phase === 'session' && !state.hasWelcome) this.#say('FRM-10', `${frame} came before welcome`)
    if (entry.phase === 'start' && state.hasWelcome) this.#say('FRM-10', `${frame} came behind welcome`)
    if (entry.phase === 'start' && frame !== 'features' && !state.hasFeatures) this.#say('OPN-2', `${frame} came before features`)
    if (frame === 'features' && state.hasFeatures) this.#say('OPN-2', 'features came twice')
    if (frame === 'welcome' && !state.hasAuthenticated) this.#say('OPN-4', 'welcome came before authenticated')
  }

  /** [ADR-5] */
  #addresses({ frame, values }: WireFrame): void {
    for (const { name } of entries.get(frame)!.fields) {
      if (!['conversation', 'from', 'member', 'user'].includes(name)) continue
      const value = values[name] as string
      if (value === '' && frame === 'receipt' && name === 'member') continue
      if (!/^#?[a-z0-9][a-z0-9._-]{0,63}$/.test(value)) this.#say('ADR-5', `${frame} has the ${name} ${JSON.stringify(value)}`)
    }
  }

  #error(code: number, scope: 'stream' | 'stanza', frame: WireFrame): void {
    const error = errors.get(code)
    if (error === undefined) this.#say(scope === 'stream' ? 'CLS-1' : 'MSG-1', `an error that the registry does not have: ${frameToXml(frame)}`)
    else if (error.scope !== scope) this.#say(scope === 'stream' ? 'CLS-1' : 'MSG-1', `${error.name} is no error of a ${scope}: ${frameToXml(frame)}`)
  }

  #features(state: SessionState, values: Readonly<Record<string, number>>): void {
    state.hasFeatures = true
    state.openFrameBytesMax = values['openFrameBytesMax']!
    if (state.openFrameBytesMax < limitOf('openFrameBytesMax')) this.#say('OPN-20', `features say openFrameBytesMax ${String(state.openFrameBytesMax)}`)
  }

  #welcome(state: SessionState, record: DeviceRecord, values: Readonly<Record<string, number | string>>): void {
    state.hasWelcome = true
    state.frameBytesMax = Number(values['frameBytesMax'])
    state.keepAliveMs = Number(values['keepAliveMs'])
    state.window = Number(values['window'])
    state.queueEpoch = Number(values['queueEpoch'])
    state.outboxEpoch = Number(values['outboxEpoch'])
    state.lastIndex = Number(values['cursor'])
    const token = String(values['token'])
    if (token !== '' && token.length !== 2 * limitOf('tokenBytes')) this.#say('TOK-1', `a token of ${String(token.length / 2)} bytes`)
    if (Number(values['unacknowledgedMax']) < limitOf('openStanzasMax')) this.#say('OPN-14', `welcome says unacknowledgedMax ${String(values['unacknowledgedMax'])}`)
    if (state.queueEpoch === 0 || state.outboxEpoch === 0) this.#say('OPN-10', 'welcome has an epoch of 0')
    if (state.window < 1 || state.window > limitOf('windowMax')) this.#say('QUE-6', `welcome says window ${String(state.window)}`)
    if (token !== '') record.token = token
    if (record.outboxEpoch !== state.outboxEpoch) {
      if (state.outboxEpoch < record.outboxEpoch) this.#say('OPN-17', `the outbox epoch ${String(state.outboxEpoch)} came after ${String(record.outboxEpoch)}`)
      record.lastClientId = 0
    }
    record.outboxEpoch = state.outboxEpoch
    // [QUE-19]
    if (state.isWithoutQueue) return
    record.queueEpoch = state.queueEpoch
    record.cursor = state.lastIndex
  }

  #done(state: SessionState, index: number): void {
    if (state.isWithoutQueue) this.#say('QUE-17', 'done came in a session that takes nothing off the queue')
    if (state.hasDone) this.#say('QUE-7', 'done came twice')
    if (index !== state.lastIndex) this.#say('QUE-7', `done says ${String(index)}, and the last entry was ${String(state.lastIndex)}`)
    state.hasDone = true
  }

  #answered(state: SessionState, id: number): void {
    if (!state.open.delete(id)) this.#say('MSG-1', `an answer to the client id ${String(id)}, of which nothing waits`)
  }

  #ack(state: SessionState, record: DeviceRecord, values: Readonly<Record<string, number>>): void {
    const id = values['clientId']!
    const seq = values['seq']!
    this.#answered(state, id)
    const stanza = state.stanzas.get(id)
    if (stanza === undefined) return
    if (stanza.frame === 'message' && seq === 0) this.#say('MSG-6', 'a message was acked with seq 0')
    if (stanza.frame === 'mark') {
      if (seq !== stanza.values['seq']) this.#say('RCP-10', `a mark of ${plain(stanza.values['seq'])} was acked with ${String(seq)}`)
      return
    }
    const key = `${String(state.outboxEpoch)} ${String(id)} ${plain(stanza.values['to'] ?? stanza.values['conversation'])}`
    const before = record.acked.get(key)
    if (before !== undefined && before !== 0 && seq !== before) this.#say('MSG-3', `the client id ${String(id)} was acked with seq ${String(before)}, and again with ${String(seq)}`)
    record.acked.set(key, seq)
  }

  #query(state: SessionState, id: number): void {
    if (!state.queries.delete(id)) this.#say('QRY-1', `an answer to the query ${String(id)}, which nobody asked`)
  }

  #entry(state: SessionState, record: DeviceRecord, frame: WireFrame): void {
    const index = frame.values['index'] as number
    if (state.isWithoutQueue) this.#say('QUE-17', `the entry ${String(index)} came in a session that takes nothing off the queue`)
    const isSkip = frame.frame === 'skip'
    if (isSkip ? index <= state.lastIndex : index !== state.lastIndex + 1) {
      this.#say('QUE-1', `the entry ${String(index)} came behind ${String(state.lastIndex)}`)
    }
    state.lastIndex = Math.max(state.lastIndex, index)
    state.owed.push(index)
    if (state.owed.length > state.window) this.#say('QUE-6', `${String(state.owed.length)} entries wait for an acknowledgement, and the window is ${String(state.window)}`)
    this.#again(state, record, frame)
    const highest = record.highest.get(state.queueEpoch) ?? 0
    if (index <= highest) return
    record.highest.set(state.queueEpoch, index)
    if (frame.frame === 'receipt') this.#receipt(record, frame)
    else if ('seq' in frame.values) this.#position(record, frame)
  }

  /** What came before under this index comes again as it was, or as nothing. */
  #again(state: SessionState, record: DeviceRecord, { frame, values }: WireFrame): void {
    const key = `${String(state.queueEpoch)} ${plain(values['index'])}`
    // A delete takes a text away, and receipts may be merged as long as nobody has stored them.
    const what = frame === 'skip' || frame === 'receipt' || frame === 'changed' ? '' : JSON.stringify([frame, values['conversation'], values['from'], values['seq'], values['time']])
    const before = record.entries.get(key) ?? ''
    if (before !== '' && what !== '' && before !== what) this.#say('QUE-1', `the entry ${plain(values['index'])} was another one before`)
    if (what !== '') record.entries.set(key, what)
  }

  #receipt(record: DeviceRecord, { values }: WireFrame): void {
    const key = [values['conversation'], values['member'], values['mark']].map(plain).join(' ')
    const seq = values['seq'] as number
    const before = record.watermarks.get(key) ?? 0
    if (seq < before) this.#say('RCP-2', `a receipt of ${plain(values['conversation'])} says ${String(seq)}, after one that said ${String(before)}`)
    record.watermarks.set(key, Math.max(before, seq))
  }

  #position(record: DeviceRecord, { frame, values }: WireFrame): void {
    const conversation = values['conversation'] as string
    const seq = values['seq'] as number
    const time = values['time'] as number
    const before = record.positions.get(conversation)
    if (before !== undefined && seq <= before.seq) this.#say('MSG-6', `${frame} of ${conversation} has seq ${String(seq)}, and came behind ${String(before.seq)}`)
    if (before !== undefined && time < before.time) this.#say('MSG-14', `seq ${String(seq)} of ${conversation} has an earlier time than seq ${String(before.seq)}`)
    record.positions.set(conversation, { seq, time })
  }
}
