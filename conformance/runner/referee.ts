/**
 * The referee: rules that hold in every case, whatever it is about. It sees each frame in both directions and notes what the client may
 * not do; the first fault fails the case. So a case of one subject finds faults of another, and needs to say only what is its own.
 */
import { registry } from '../spec/registry.js'
import { limitOf, uintsOf } from './decode.js'
import type { WireFrame } from './decode.js'
import type { Device, Stanza } from './device.js'
import { verifierOf } from './scram.js'

export interface Fault {
  readonly requirement: string
  readonly text: string
}

/** What the referee remembers of a connection. */
export class ConnectionState {
  hasHello = false
  versions = 0
  hasFeatures = false
  hasAuth = false
  hasRegister = false
  /** Iterations of a verifier, as features named them; null: it takes no registrations. */
  registrationIterations: number | null = null
  bind: WireFrame | null = null
  hasWelcome = false
  frameBytesMax = limitOf('frameBytesMax')
  openFrameBytesMax = limitOf('openFrameBytesMax')
  unacknowledgedMax = limitOf('openStanzasMax')
  /** Entries beyond the cursor that the client takes. */
  window = limitOf('windowDefault')
  bytesBeforeWelcome = 0
  stanzasBeforeWelcome = 0
  lastClientId = 0
  /** Client ids without an answer on this connection. */
  readonly open = new Set<number>()
  readonly queries = new Set<number>()
  /** Old stanzas that have to come before anything new. */
  owed: Stanza[] = []
  cursor = 0
  sentTo = 0
  /** When the client said close; 0: it did not. */
  clientClosedMs = 0
  serverClosedMs = 0
  /** Nonces of pings without a pong, in order. */
  readonly pings: number[] = []
}

const entries = new Map(registry.frames.map((frame) => [frame.name, frame]))
/** Of the extension of bind. */
export const noQueueKey = registry.extensions.find(({ name }) => name === 'noQueue')!.key
const registrationKey = registry.extensions.find(({ name }) => name === 'registration')!.key
/** So late may come on a busy machine what a client wrote before it read our close. */
const crossingMs = 1500

export class Referee {
  readonly #device: Device
  readonly #fault: (fault: Fault) => void

  constructor(device: Device, fault: (fault: Fault) => void) {
    this.#device = device
    this.#fault = fault
  }

  #say(requirement: string, text: string): void {
    this.#fault({ requirement, text })
  }

  /** The largest body that the client may send now. */
  bodyBytesMax(state: ConnectionState): number {
    return state.hasWelcome ? Math.max(state.frameBytesMax, state.openFrameBytesMax) : state.openFrameBytesMax
  }

  /** A frame of a type that the registry does not have. */
  receivedUnknown(type: number): void {
    if (type % 2 === 0) this.#say('FRM-6', `the client sent a critical frame of the unknown type ${String(type)}`)
  }

  received(state: ConnectionState, frame: WireFrame, bytes: Uint8Array): void {
    this.#order(state, frame)
    const { password } = this.#device
    if (password !== '' && Buffer.from(bytes).includes(password)) this.#say('INV-3', `${frame.frame} has the password in it`)
    if (!state.hasWelcome) {
      state.bytesBeforeWelcome += bytes.length
      const most = limitOf('openBytesMax')
      if (state.bytesBeforeWelcome > most) this.#say('OPN-5', `the client sent more than ${String(most)} bytes before it had welcome`)
    }
    switch (frame.frame) {
      case 'hello':
        state.hasHello = true
        state.versions = (frame.values['versions'] as readonly number[]).length
        return
      case 'auth': this.#auth(state, frame); return
      case 'register': this.#register(state, frame.values as Readonly<Record<string, string | number>>); return
      case 'bind': this.#bind(state, frame); return
      case 'message':
      case 'mark':
      case 'operate': this.#stanza(state, frame); return
      case 'cursor': this.#cursor(state, frame.values['index'] as number); return
      case 'query': this.#query(state, frame.values['id'] as number); return
      case 'pong': {
        const nonce = frame.values['nonce'] as number
        const place = state.pings.indexOf(nonce)
        if (place >= 0) state.pings.splice(place, 1)
        else this.#say('KAL-2', `a pong with the nonce ${String(nonce)}, of which there was no ping`)
        return
      }
      case 'close': state.clientClosedMs = performance.now()
    }
  }

  #order(state: ConnectionState, { frame }: WireFrame): void {
    const entry = entries.get(frame)!
    if (state.clientClosedMs > 0) this.#say('CLS-1', `${frame} came behind close`)
    if (state.serverClosedMs > 0) {
      // No case says close to a client that has a reason of its own to do so.
      if (frame === 'close') this.#say('CLS-2', 'close was answered with close')
      else if (performance.now() - state.serverClosedMs > crossingMs) this.#say('CLS-2', `${frame} came after the server had said close`)
    }
    if (entry.phase === 'any') return
    if (entry.from === 'server') this.#say('FRM-10', `a client may not send ${frame}`)
    if (!state.hasHello && frame !== 'hello') this.#say('OPN-1', `the first frame is ${frame}, not hello`)
    if (state.hasHello && frame === 'hello') this.#say('FRM-10', 'hello came twice')
    if (state.hasHello && !state.hasFeatures && state.versions !== 1) {
      this.#say('OPN-15', `${frame} came before features, and hello names ${String(state.versions)} versions`)
    }
    if (entry.phase === 'session' && state.bind === null) this.#say('FRM-10', `${frame} came before bind`)
    if (entry.phase === 'start' && state.bind !== null) this.#say('FRM-10', `${frame} came behind bind`)
  }

  #auth(state: ConnectionState, frame: WireFrame): void {
    if (state.hasAuth) this.#say('OPN-19', 'a second auth on one connection')
    state.hasAuth = true
    if (frame.values['mechanism'] !== 'TOKEN') return
    const [user, device, token] = splitToken(frame.values['data'] as string)
    const known = this.#device
    if (user !== known.user || device !== known.device) this.#say('TOK-1', `the token is shown for ${user}/${device}, not ${known.user}/${known.device}`)
    const place = known.tokens.indexOf(token)
    if (place < 0) this.#say('TOK-7', 'the client shows a token that it was never given')
    else if (place > 0 && known.isTokenProven) this.#say('TOK-7', 'the client shows an older token than the one that it was given last')
  }

  #register(state: ConnectionState, { user, salt, iterations, storedKey, serverKey }: Readonly<Record<string, string | number>>): void {
    if (state.hasRegister) this.#say('INV-2', 'a second register on one connection')
    if (state.hasAuth) this.#say('INV-2', 'register came behind auth')
    if (!state.hasFeatures) this.#say('INV-2', 'register came before features')
    state.hasRegister = true
    const known = this.#device
    if (user !== known.user) this.#say('INV-3', `register asks for the name ${String(user)}, not ${known.user}`)
    for (const [name, value, count] of [['salt', salt, 16], ['storedKey', storedKey, 32], ['serverKey', serverKey, 32]] as const) {
      if (String(value).length !== 2 * count) this.#say('INV-3', `${name} has ${String(String(value).length / 2)} bytes, not ${String(count)}`)
    }
    if (state.registrationIterations === null || iterations !== state.registrationIterations) {
      this.#say('INV-3', `register says ${String(iterations)} iterations, features named ${String(state.registrationIterations)}`)
      return
    }
    const right = verifierOf(known.password, Buffer.from(String(salt), 'hex'), state.registrationIterations)
    if (storedKey !== right.storedKey || serverKey !== right.serverKey) this.#say('INV-3', 'the verifier is not that of the password')
  }

  #bind(state: ConnectionState, frame: WireFrame): void {
    const known = this.#device
    const { device, queueEpoch, cursor, outboxEpoch } = frame.values as Readonly<Record<string, string | number>>
    state.bind = frame
    if (device !== known.device) this.#say('OPN-7', `bind names the device ${String(device)}, not ${known.device}`)
    if (queueEpoch === known.queueEpoch) {
      if (Number(cursor) < known.acknowledged) {
        this.#say('QUE-4', `bind says cursor ${String(cursor)}, but ${String(known.acknowledged)} was acknowledged before: it was not stored`)
      }
      if (Number(cursor) > known.sentTo) this.#say('QUE-4', `bind says cursor ${String(cursor)}, but only ${String(known.sentTo)} were sent`)
    } else if (queueEpoch === 0 && known.acknowledged > 0) {
      this.#say('QUE-4', 'bind says that the device has no cursor, but it has acknowledged entries')
    }
    if (outboxEpoch !== 0 && !known.outboxEpochs.has(Number(outboxEpoch))) {
      this.#say('OPN-11', `bind says outboxEpoch ${String(outboxEpoch)}, which was never issued`)
    }
    state.owed = [...known.unanswered.values()].filter(({ frame: { frame: name } }) => name !== 'mark')
  }

  #stanza(state: ConnectionState, frame: WireFrame): void {
    const clientId = frame.values['clientId'] as number
    if (!state.hasWelcome) {
      state.stanzasBeforeWelcome++
      if (state.bind?.values['outboxEpoch'] === 0) this.#say('OPN-16', `${frame.frame} came before welcome, though bind says outboxEpoch 0`)
      if (state.stanzasBeforeWelcome > limitOf('openStanzasMax')) this.#say('OPN-14', 'too many stanzas before welcome')
    }
    if (clientId <= state.lastClientId || clientId < 1) {
      this.#say('MSG-2', `the client id ${String(clientId)} came behind ${String(state.lastClientId)}`)
    }
    state.lastClientId = clientId
    state.open.add(clientId)
    if (state.open.size > state.unacknowledgedMax) this.#say('MSG-15', `${String(state.open.size)} stanzas wait for an answer`)
    this.#identity(state, frame, clientId)
  }

  #identity(state: ConnectionState, frame: WireFrame, clientId: number): void {
    const known = this.#device
    const content = JSON.stringify([frame.frame, { ...frame.values, clientId: 0 }, frame.extensions])
    const before = known.sent.get(clientId)
    if (before !== undefined && before.content !== content) {
      this.#say('MSG-13', `the client id ${String(clientId)} was used before for something else`)
    }
    const [first] = state.owed
    if (before !== undefined && first !== undefined && state.owed.includes(before)) {
      if (first !== before) this.#say('MSG-13', `${String(clientId)} came before ${String(first.clientId)}, which is older and unanswered`)
      state.owed = state.owed.filter((stanza) => stanza !== before)
    } else if (before === undefined && first !== undefined && frame.frame !== 'mark') {
      this.#say('MSG-13', `something new came, ${String(clientId)}, while ${String(first.clientId)} of an earlier connection is unanswered`)
    }
    const stanza = before ?? { clientId, frame, content, seq: 0 }
    known.sent.set(clientId, stanza)
    known.unanswered.set(clientId, stanza)
  }

  #cursor(state: ConnectionState, index: number): void {
    const known = this.#device
    if (isWithoutQueue(state)) this.#say('QUE-19', `the cursor ${String(index)} came, and bind said that nothing is taken off the queue`)
    if (index > state.sentTo) this.#say('QUE-5', `the cursor ${String(index)} is beyond ${String(state.sentTo)}, the last entry sent`)
    if (index < state.cursor) this.#say('QUE-5', `the cursor ${String(index)} lies below ${String(state.cursor)}, sent before`)
    state.cursor = index
    known.acknowledged = Math.max(known.acknowledged, index)
    // What came with welcome is stored no later than the entries behind it.
    known.isTokenProven = true
  }

  #query(state: ConnectionState, id: number): void {
    if (state.queries.has(id)) this.#say('QRY-1', `the query ${String(id)} has no answer yet, and its id is used again`)
    state.queries.add(id)
    if (state.queries.size > limitOf('queriesMax')) this.#say('QRY-2', `${String(state.queries.size)} queries wait for an answer`)
  }

  /** A frame goes out to the client, or would have. */
  sent(state: ConnectionState, { frame, values, extensions }: WireFrame): void {
    const known = this.#device
    switch (frame) {
      case 'features':
        state.hasFeatures = true
        state.openFrameBytesMax = values['openFrameBytesMax'] as number
        state.registrationIterations = uintsOf(extensions[registrationKey] ?? '')[1] ?? null
        return
      case 'welcome': this.#welcome(state, values as Readonly<Record<string, string | number>>); return
      case 'ack':
      case 'refuse':
        state.open.delete(values['clientId'] as number)
        known.answered(values['clientId'] as number)
        return
      case 'result':
      case 'fail': state.queries.delete(values['id'] as number); return
      case 'ping': state.pings.push(values['nonce'] as number); return
      case 'close': state.serverClosedMs = performance.now(); return
    }
    if (entries.get(frame)?.entry !== true) return
    const index = values['index'] as number
    state.sentTo = Math.max(state.sentTo, index)
    known.sentTo = Math.max(known.sentTo, index)
  }

  #welcome(state: ConnectionState, values: Readonly<Record<string, string | number>>): void {
    const known = this.#device
    state.hasWelcome = true
    state.frameBytesMax = Number(values['frameBytesMax'])
    state.unacknowledgedMax = Number(values['unacknowledgedMax'])
    state.window = Number(values['window'])
    state.cursor = Number(values['cursor'])
    state.sentTo = Number(values['cursor'])
    if (!isWithoutQueue(state)) this.#position(values)
    if (Number(values['outboxEpoch']) !== known.outboxEpoch) {
      known.outboxEpoch = Number(values['outboxEpoch'])
      known.outboxEpochs.add(known.outboxEpoch)
    }
    const token = String(values['token'])
    if (token === '') return
    known.tokens = [token, ...known.tokens.filter((other) => other !== token).slice(0, 1)]
    known.isTokenProven = false
  }

  /** Where the device is in the queue from now on. */
  #position(values: Readonly<Record<string, string | number>>): void {
    const known = this.#device
    known.sentTo = Math.max(known.sentTo, Number(values['cursor']))
    if (Number(values['resume']) !== 1 || Number(values['queueEpoch']) !== known.queueEpoch) {
      // Positions of another epoch, or of a queue that begins elsewhere, are not compared.
      known.acknowledged = Number(values['cursor'])
      known.sentTo = Number(values['cursor'])
      known.lastIndex = Math.max(known.queueEpoch === Number(values['queueEpoch']) ? known.lastIndex : 0, Number(values['cursor']))
    }
    known.queueEpoch = Number(values['queueEpoch'])
  }
}

/** [QUE-17] */
function isWithoutQueue({ bind }: ConnectionState): boolean {
  return bind !== null && noQueueKey in bind.extensions
}

/** User, device and token of `auth.data`. */
function splitToken(hex: string): readonly [string, string, string] {
  const bytes = Buffer.from(hex, 'hex')
  const first = bytes.indexOf(0)
  const second = bytes.indexOf(0, first + 1)
  return [bytes.subarray(0, first).toString(), bytes.subarray(first + 1, second).toString(), bytes.subarray(second + 1).toString('hex')]
}
