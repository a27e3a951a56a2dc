#!/usr/bin/env node
/**
 * A whole client in one file, written from these pages alone: nothing but Node's standard library and protocol.json. It keeps what
 * it must in a JSON file, sends and receives over TCP, survives a crash at any line, and reconnects. What a real client adds: TLS,
 * queries (history after "too old"), marks, several messages in flight, a database.
 *
 *     node spec/example-client.mjs HOST:PORT USER PASSWORD STATE.json              prints messages as they come
 *     node spec/example-client.mjs HOST:PORT USER PASSWORD STATE.json TO TEXT      sends one, prints its ack, ends
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

const registry = JSON.parse(readFileSync(new URL('protocol.json', import.meta.url), 'utf8'))
const limit = Object.fromEntries(registry.limits.map(({ name, value }) => [name, value]))
const frameByName = new Map(registry.frames.map((frame) => [frame.name, frame]))
const frameByType = new Map(registry.frames.map((frame) => [frame.type, frame]))

// ——— Bytes: framing.md ———

function uint(value) {
  const bytes = []
  for (; value > 0x7f; value = Math.floor(value / 0x80)) bytes.push(0x80 | value % 0x80)
  return Buffer.from([...bytes, value])
}

function encodeField(type, value) {
  if (type === 'uint') return uint(value)
  if (type === 'uint[]') return Buffer.concat([uint(value.length), ...value.map(uint)])
  const bytes = Buffer.from(value) // string, text and bytes
  return Buffer.concat([uint(bytes.length), bytes])
}

function encode(name, values) {
  const { type, fields } = frameByName.get(name)
  const body = Buffer.concat([uint(type), ...fields.map((field) => encodeField(field.type, values[field.name]))])
  return Buffer.concat([uint(body.length), body])
}

/** Reads a body; throws when it ends too early. [FRM-4] */
class Reader {
  constructor(bytes) {
    this.bytes = bytes
    this.position = 0
  }

  take(length) {
    if (length > this.bytes.length - this.position) throw new RangeError('the bytes end here')
    this.position += length
    return this.bytes.subarray(this.position - length, this.position)
  }

  uint() {
    let value = 0
    for (let place = 0; place < limit.uintBytesMax; place++) {
      const byte = this.take(1)[0]
      value += (byte & 0x7f) * 2 ** (7 * place)
      if (byte < 0x80 && value <= limit.uintMax && (byte !== 0 || place === 0)) return value
      if (byte < 0x80) break
    }
    throw new TypeError('not the shortest form of a uint') // [FRM-2]
  }

  field(type) {
    switch (type) {
      case 'uint': return this.uint()
      case 'int': {
        const zigzag = this.uint()
        return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2
      }
      case 'time': return this.take(6).readUIntBE(0, 6)
      case 'string':
      case 'text': return this.take(this.uint()).toString('utf8')
      case 'string[]': return Array.from({ length: this.uint() }, () => this.field('string'))
      default: return this.take(this.uint()) // bytes, element
    }
  }
}

/** A frame; null for an unknown one that is to be ignored. Extensions are left unread. [FRM-6] */
function decode(body) {
  const reader = new Reader(body)
  const type = reader.uint()
  const frame = frameByType.get(type)
  if (frame !== undefined) return { name: frame.name, ...Object.fromEntries(frame.fields.map((field) => [field.name, reader.field(field.type)])) }
  if (type % 2 === 0) throw new TypeError(`frame type ${type} is critical and unknown`)
  return null
}

/** Frames from a socket, whatever pieces they come in. [FRM-5] */
async function* framesOf(socket, client) {
  let waiting = Buffer.alloc(0)
  for await (const chunk of socket) {
    waiting = Buffer.concat([waiting, chunk])
    for (;;) {
      const reader = new Reader(waiting)
      let body
      try {
        const length = reader.uint()
        if (length > client.frameBytesMax) throw new TypeError('a frame is too large') // [FRM-3]
        body = reader.take(length)
      } catch (error) {
        if (error instanceof RangeError) break
        throw error
      }
      waiting = waiting.subarray(reader.position)
      const frame = decode(body)
      if (frame !== null) yield frame
    }
  }
}

// ——— State: state.md. One write of the whole file is the atomic, synced step. ———

function save(path, state) {
  const file = openSync(`${path}.new`, 'w', 0o600)
  writeSync(file, JSON.stringify(state))
  fsyncSync(file)
  closeSync(file)
  renameSync(`${path}.new`, path)
}

function load(path) {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'))
  // The device id is stored before the first login, so that a crash makes no second device.
  const device = `example-${randomBytes(4).toString('hex')}`
  const state = { device, token: null, queueEpoch: 0, cursor: 0, outboxEpoch: 0, nextClientId: 1, outbox: [] }
  save(path, state)
  return state
}

// ——— SCRAM-SHA-256: opening.md, RFC 5802. This client sends no password that its preparation [ADR-6] would change. ———

const hmac = (key, text) => createHmac('sha256', key).update(text).digest()

function scram(user, password) {
  const bare = `n=${user},r=${randomBytes(18).toString('base64')}`
  let serverSignature
  return {
    first: `n,,${bare}`,
    final(challenge) {
      const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(challenge)
      if (!nonce.startsWith(bare.slice(bare.indexOf('r=') + 2))) throw new TypeError('the nonce is not ours')
      if (iterations < limit.scramIterationsMin || iterations > limit.scramIterationsMax) throw new TypeError('iterations') // [SCR-5]
      const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
      const clientKey = hmac(salted, 'Client Key')
      const message = `${bare},${challenge},c=biws,r=${nonce}`
      const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
      serverSignature = hmac(hmac(salted, 'Server Key'), message)
      return `c=biws,r=${nonce},p=${clientKey.map((byte, index) => byte ^ signature[index]).toString('base64')}`
    },
    /** [SCR-4] */
    verify: (data) => timingSafeEqual(Buffer.from(data.toString().slice(2), 'base64'), serverSignature),
  }
}

// ——— The client: one call of `session` is one connection ———

/** Resolves with what the server closed with, or null when the transport just ended. */
async function session(client, socket) {
  const { state } = client
  const send = (name, values) => socket.write(encode(name, values))
  const bind = () => send('bind', {
    device: state.device, deviceName: '', queueEpoch: state.queueEpoch, cursor: state.cursor, outboxEpoch: state.outboxEpoch, window: 0,
  })
  let sentClientId = 0
  /** What the outbox holds, in order, under the same client ids; one at a time keeps this file short. [MSG-13] [MSG-2] */
  const sendNext = () => {
    const next = state.outbox[0]
    if (next === undefined || next.clientId <= sentClientId) return
    sentClientId = next.clientId
    send('message', next)
  }
  const login = scram(client.user, client.password)
  const usesToken = state.token !== null
  client.frameBytesMax = limit.frameBytesMax
  send('hello', { versions: [registry.version], agent: 'example/1' })
  if (usesToken) {
    // Everything in one flight. [OPN-3] [TOK-1]
    const token = Buffer.from(state.token, 'base64')
    send('auth', { mechanism: 'TOKEN', data: Buffer.concat([Buffer.from(`${client.user}\0${state.device}\0`), token]) })
    bind()
    if (state.outboxEpoch !== 0) sendNext() // [OPN-16]
  } else {
    send('auth', { mechanism: 'SCRAM-SHA-256', data: login.first })
  }

  for await (const frame of framesOf(socket, client)) {
    client.hasHeard = true
    switch (frame.name) {
      case 'challenge':
        send('response', { data: login.final(frame.data.toString()) })
        break
      case 'authenticated':
        if (usesToken) break
        if (!login.verify(frame.data)) throw new TypeError('the server does not know the password')
        bind()
        break
      case 'welcome':
        if (frame.token.length > 0) state.token = frame.token.toString('base64') // [OPN-9]
        Object.assign(state, { queueEpoch: frame.queueEpoch, cursor: frame.cursor, outboxEpoch: frame.outboxEpoch }) // [OPN-11]
        save(client.path, state)
        if (frame.resume === 2) console.error('too long away: the rest is in the history') // [QUE-9]
        client.attempt = 0 // [RCN-2]
        client.timeMs = frame.time
        client.keepAlive(socket, frame.keepAliveMs)
        sendNext()
        break
      case 'delivery':
      case 'deliveryFrom':
      case 'change': // of a group: an element that this client keeps no account of [GRP-20]
      case 'receipt':
      case 'skip':
        if (frame.index <= state.cursor) break // stored before [QUE-3]
        if (frame.name !== 'skip' && frame.index !== state.cursor + 1) throw new TypeError('a gap in the queue')
        if (frame.text !== undefined) client.message({ conversation: frame.conversation, from: frame.from ?? frame.conversation, seq: frame.seq, text: frame.text })
        state.cursor = frame.index
        save(client.path, state) // a crash before this line brings the entry again [QUE-4]
        send('cursor', { index: state.cursor })
        break
      case 'ack':
        if (state.outbox[0]?.clientId !== frame.clientId) break
        client.acked({ ...state.outbox.shift(), seq: frame.seq, time: client.timeMs + frame.timeOffset })
        save(client.path, state)
        sendNext()
        break
      case 'refuse': {
        const { retryable, name } = registry.errors.find(({ code }) => code === frame.error) ?? { retryable: frame.error < 400, name: '' }
        if (state.outbox[0]?.clientId !== frame.clientId) break
        if (retryable || name === 'stale-client-id') {
          await sleep(frame.retryAfterMs)
          state.outbox[0].clientId = state.nextClientId++ // [MSG-16]
        } else {
          client.refused({ ...state.outbox.shift(), error: name })
        }
        save(client.path, state)
        sendNext()
        break
      }
      case 'ping':
        send('pong', { nonce: frame.nonce }) // [KAL-2]
        break
      case 'close':
        return frame
      default: // features, done, pong: nothing to do
    }
    if (client.isFinished()) {
      send('close', { error: 100, retryAfterMs: 0, host: '', reason: '' })
      return frame
    }
  }
  return null
}

async function run(client, host, port) {
  for (client.attempt = 0; !client.isFinished(); client.attempt++) {
    let end = null
    const socket = connect({ host, port, noDelay: true })
    try {
      end = await session(client, socket)
    } catch (error) {
      console.error(error.message)
    } finally {
      clearInterval(client.timer)
      socket.destroy()
    }
    if (client.isFinished()) return
    if (end?.error === 221) {
      client.state.token = null // token-invalid: log in with the password [CLS-5]
    } else if (end !== null && end.error >= 200) {
      console.error(`the server closed with ${end.error}: ${end.reason}`)
      process.exitCode = 1
      return // not again by itself [CLS-5]
    }
    const boundMs = Math.min(limit.reconnectCapMs, limit.reconnectBaseMs * 2 ** client.attempt)
    await sleep((end?.retryAfterMs ?? 0) + Math.random() * boundMs) // [RCN-1] [RCN-3]
  }
}

const [address = '', user = '', password = '', path = '', to, text] = process.argv.slice(2)
const print = (line) => console.log(JSON.stringify(line))
const client = {
  user, password, path, state: load(path), attempt: 0, frameBytesMax: 0, timeMs: 0, timer: undefined, hasHeard: true,
  message: print,
  acked: print,
  refused: print,
  isFinished: () => to !== undefined && client.state.outbox.length === 0,
  /** Pings in half of the silence allowed; nothing heard in answer: the connection is dead. [KAL-1] [KAL-4] */
  keepAlive(socket, keepAliveMs) {
    client.timer = setInterval(() => {
      client.hasHeard = false
      socket.write(encode('ping', { nonce: 1 }))
      setTimeout(() => client.hasHeard || socket.destroy(), limit.pongTimeoutMs).unref()
    }, keepAliveMs / 2)
  },
}
if (text !== undefined) {
  // Into the outbox, on stable storage, before anything is sent. [MSG-12]
  client.state.outbox.push({ clientId: client.state.nextClientId++, to, text })
  save(path, client.state)
}
await run(client, ...address.split(':'))
