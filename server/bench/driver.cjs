'use strict'
/**
 * A raw client of the protocol for measuring: as little work per message as JavaScript allows, so that the figures are the server's.
 * Bytes are latin1 strings (one character a byte), everything written in one turn of the event loop is one write, and an
 * acknowledgement of the queue goes out once a turn, as from a real client. Texts have to be ASCII. Written from spec/protocol.json
 * alone, with no import from the rest of the code: other benches can load this file as it is, and it shares no bug with the codec.
 *
 *     const client = create({ port, localAddress })
 *     await client.connect(user, password)       first SCRAM-SHA-256, then the token of the welcome, in one flight
 *     client.onAccepted((n) => …)                n more of its messages are on stable storage
 *     client.onDelivery((from, text, seq) => …)  a message for it
 *     client.onReceipt((id) => …)                the message sent as `id` has been acknowledged by the recipient's device
 *     client.send(to, text, id)                  to: a user, or a group with its #
 *     await client.createGroup('#name', users)   …and of a bench's room: join(room, isFirst), sendGroup(room, text, id)
 *     client.look(users), client.lookAway()      in the foreground, watching these users; in the background, watching nobody
 *     await client.close()
 */
const crypto = require('node:crypto')
const net = require('node:net')
const tls = require('node:tls')

const FEATURES = 4, CHALLENGE = 8, AUTHENTICATED = 12, WELCOME = 16, ACK = 20, REFUSE = 22, DELIVERY = 24, DELIVERY_FROM = 26,
  RECEIPT = 28, SKIP = 30, DONE = 32, QUERY = 38, RESULT = 40, FAIL = 42, PING = 44, PONG = 46, CLOSE = 48, CHANGE = 50,
  ACTIVITY = 51, WATCH = 53, UNWATCH = 55
const MARK_DELIVERED = 1
const TOKEN_INVALID = 221
const DEVICE = 'bench'
/** Unanswered stanzas are found by client id in rings of this size at most, a power of two: the largest unacknowledgedMax we can use. */
const RING = 4096
/** How long an acknowledgement that nobody waits for may be held back: below cursorDelayMs. [QUE-13] */
const LAZY_ACK_MS = 500
const NO_CONVERSATION = null
/** Tokens of the dictionary, as items. */
const MEMBER = 13, ID = 20, NAME = 34

// ---- encoding -------------------------------------------------------------------------------------------------------------------

function uint(n) {
  if (n < 128) return String.fromCharCode(n)
  let out = ''
  while (n >= 128) { out += String.fromCharCode(n % 128 + 128); n = Math.floor(n / 128) }
  return out + String.fromCharCode(n)
}
const bytes = (s) => uint(s.length) + s
const frame = (type, fields) => uint(fields.length + 1) + String.fromCharCode(type) + fields   // every type is below 128
const literal = (s) => '\0' + bytes(s)
const HELLO = frame(2, uint(1) + uint(1) + bytes('chatd bench'))

// ---- what a device keeps between connections ------------------------------------------------------------------------------------

/** One for each user of this process: token, cursor and outbox, kept in memory. */
const devices = new Map()
function deviceOf(user) {
  let device = devices.get(user)
  if (device === undefined) {
    device = { token: '', queueEpoch: 0, cursor: 0, outboxEpoch: 0, clientId: 0, tlsSession: undefined }
    devices.set(user, device)
  }
  return device
}
/** Forgets every device and room, for a server that starts with an empty store. */
function forget() { devices.clear(); links.clear() }
/** null: plain TCP. Else TLS: what to trust, and whether a device that comes back continues its session of TLS. */
let security = null
/** From the next connection on; null: plain TCP again. `ca`: PEM of the server's certificate. */
function secure(how) { security = how === null ? null : { context: tls.createSecureContext({ ca: how.ca, minVersion: 'TLSv1.3' }), resumes: how.resumes } }

/** By room: the link that lets its members in. */
const links = new Map()

/** Clients whose held-back acknowledgement is due; one timer for all of them. */
const lazy = new Set()
let lazyTimer = null
function acknowledgeLater(client) {
  lazy.add(client)
  lazyTimer ??= setTimeout(() => {
    lazyTimer = null
    for (const each of lazy) each.acknowledge()
    lazy.clear()
  }, LAZY_ACK_MS)
  lazyTimer.unref()
}

class Conversation {
  constructor() {
    this.watermark = 0   // highest seq that the other side has
    this.seqs = []       // own messages on stable storage without a receipt: seqs, rising…
    this.ids = []        // …and what the caller called them
    this.head = 0
  }
}

/** A server's answer during the opening that is not the one hoped for. `code` is that of the error table. */
class Refused extends Error {
  constructor(code, reason) { super(`closed with ${code} ${reason}`); this.code = code }
}

class Client {
  /** `ring` is a power of two: as many stanzas may be unanswered. */
  constructor({ port, host = '127.0.0.1', localAddress, ring = RING }) {
    this.port = port; this.host = host; this.localAddress = localAddress
    this.user = ''; this.device = null; this.sock = null
    this.out = ''; this.buf = ''; this.pos = 0
    this.scheduled = false; this.closed = false
    this.acked = 0           // cursor last sent
    this.ackNow = false      // somebody waits for the next acknowledgement: send it with this turn's write
    this.halfWindow = 128
    this.unanswered = 0; this.unansweredMax = 1024; this.held = []
    this.ring = ring
    this.ids = new Float64Array(ring)
    this.conversationsOf = new Array(ring).fill(NO_CONVERSATION)
    this.conversations = new Map()
    this.preview = 0; this.resume = 0; this.refused = 0
    this.queries = 0; this.asked = new Map()
    this._delivery = this._accepted = this._receipt = this._done = () => {}
    this.got = this.fail = null
  }

  onDelivery(callback) { this._delivery = callback }
  onAccepted(callback) { this._accepted = callback }
  onReceipt(callback) { this._receipt = callback }
  onDone(callback) { this._done = callback }

  // ---- opening ----

  async connect(user, password) {
    this.user = user
    this.device = deviceOf(user)
    try {
      await this.open()
      if (this.device.token !== '') await this.openWithToken()
      else await this.openWithPassword(password)
    } catch (error) {
      this.drop()
      if (error.code !== TOKEN_INVALID || this.device.token === '') throw error
      this.device.token = ''
      this.closed = false
      return this.connect(user, password)
    }
  }

  /** Everything in one flight. [OPN-3] */
  openWithToken() {
    return this.step(HELLO + frame(6, bytes('TOKEN') + bytes(`${this.user}\0${DEVICE}\0${this.device.token}`)) + this.bind(), WELCOME)
  }

  async openWithPassword(password) {
    const nonce = crypto.randomBytes(18).toString('base64')
    const first = `n=${this.user},r=${nonce}`
    const challenge = await this.step(HELLO + frame(6, bytes('SCRAM-SHA-256') + bytes('n,,' + first)), CHALLENGE)
    const proof = await scramProof(password, first, challenge)
    const signature = await this.step(frame(10, bytes(proof.response)), AUTHENTICATED)
    if (signature !== proof.serverFinal) throw new Error('the server does not know the password')
    await this.step(this.bind(), WELCOME)
  }

  bind() {
    const { queueEpoch, cursor, outboxEpoch } = this.device
    return frame(14, bytes(DEVICE) + bytes('') + uint(queueEpoch) + uint(cursor) + uint(outboxEpoch) + uint(0))
  }

  open() {
    return new Promise((resolve, reject) => {
      const sock = this.sock = this.dial()
      this.out = this.buf = ''
      this.fail = reject
      sock.once(security === null ? 'connect' : 'secureConnect', resolve)
      sock.on('error', (error) => { if (sock === this.sock) this.fail?.(error) })
      sock.on('close', () => {
        if (sock !== this.sock) return
        if (!this.closed) this.fail?.(new Error('the server ended the connection'))
        this.onClosed?.()
      })
      sock.on('data', (chunk) => {
        this.buf = this.buf === '' ? chunk.latin1Slice() : this.buf + chunk.latin1Slice()
        this.parse()
      })
    })
  }

  dial() {
    const { host, port, localAddress, device } = this
    const socket = net.connect({ host, port, localAddress, noDelay: true })
    if (security === null) return socket
    const session = security.resumes ? device.tlsSession : undefined
    const secured = tls.connect({ socket, secureContext: security.context, servername: 'localhost', ALPNProtocols: ['chatd/1'], session })
    if (security.resumes) secured.on('session', (next) => { device.tlsSession = next })
    // The socket beneath has no other way to tell.
    socket.on('error', (error) => { secured.destroy(error) })
    return secured
  }

  /** Writes, and resolves with what the frame of the type awaited carries. */
  step(out, awaited) {
    return new Promise((resolve, reject) => {
      this.awaited = awaited
      this.got = (value) => { this.got = this.fail = null; resolve(value) }
      this.fail = (error) => { this.got = this.fail = null; reject(error) }
      this.write(out)
    })
  }
  answer(type, value) { if (this.got !== null && type === this.awaited) this.got(value) }

  // ---- groups ----

  /** Asks with an element that is encoded already; resolves with the attributes of the answer, names that are tokens as numbers. */
  ask(element) {
    return new Promise((resolve, reject) => {
      const id = ++this.queries
      this.asked.set(id, { resolve, reject })
      this.write(frame(QUERY, uint(id) + bytes(element)))
    })
  }

  createGroup(group, members = []) {
    const children = members.map((user) => uint(2) + uint(MEMBER) + uint(1) + uint(NAME) + literal(user) + uint(0))
    return this.ask(literal('group-create') + uint(1) + uint(ID) + literal(group) + uint(members.length) + children.join(''))
  }

  /** The first one makes the room, everybody else comes by its link. */
  async join(room, isFirst = false) {
    const group = `#${room}`
    if (!isFirst) return this.ask(literal('group-join') + uint(2) + uint(ID) + literal(group) + literal('link') + literal(links.get(room)) + uint(0))
    await this.createGroup(group)
    const link = await this.ask(literal('group-link') + uint(1) + uint(ID) + literal(group) + uint(0))
    links.set(room, link.get('code'))
  }

  sendGroup(room, text, id) { this.send(`#${room}`, text, id) }

  onResult() {
    const asked = this.takeAsked(this.uint())
    this.uint(); this.item()            // length, name
    const attributes = new Map()
    for (let count = this.uint(); count > 0; count--) attributes.set(this.item(), this.item())
    asked?.resolve(attributes)
  }

  onFail() {
    const asked = this.takeAsked(this.uint()), error = this.uint()
    asked?.reject(new Error(`the query was refused with ${error}`))
  }

  takeAsked(id) {
    const asked = this.asked.get(id)
    this.asked.delete(id)
    return asked
  }

  item() {
    const kind = this.uint()
    return kind === 0 ? this.string() : kind === 1 ? this.uint() : kind
  }

  // ---- presence ----

  look(users) { this.write(frame(ACTIVITY, uint(1)) + frame(WATCH, uint(users.length) + users.map(bytes).join(''))) }

  lookAway() { this.write(frame(UNWATCH, uint(0)) + frame(ACTIVITY, uint(2))) }

  // ---- sending ----

  send(to, text, id = 0) {
    if (this.unanswered >= this.unansweredMax) { this.held.push(to, text, id); return }
    this.unanswered++
    const clientId = ++this.device.clientId, slot = clientId & this.ring - 1
    this.ids[slot] = id
    this.conversationsOf[slot] = this.conversation(to)
    this.write(frame(18, uint(clientId) + bytes(to) + bytes(text)))
  }

  conversation(name) {
    let found = this.conversations.get(name)
    if (found === undefined) { found = new Conversation(); this.conversations.set(name, found) }
    return found
  }

  acknowledge() {
    this.ackNow = false
    const { cursor } = this.device
    if (cursor > this.acked && !this.closed) { this.acked = cursor; this.write(frame(34, uint(cursor))) }
  }

  write(out) {
    this.out += out
    if (!this.scheduled) { this.scheduled = true; setImmediate(flush, this) }
  }

  // ---- receiving ----

  parse() {
    const end = this.buf.length
    this.pos = 0
    let start = 0
    while (start < end) {
      const length = this.frameLength(end)
      if (length < 0 || this.pos + length > end) break
      const after = this.pos + length
      this.handle(this.uint())
      this.pos = start = after
    }
    this.buf = start === end ? '' : start === 0 ? this.buf : this.buf.slice(start)
    if (this.ackNow) this.acknowledge()
    else if (this.device.cursor > this.acked) {
      if (this.device.cursor - this.acked >= this.halfWindow) this.acknowledge()
      else acknowledgeLater(this)
    }
  }

  /** -1: the length itself is not here yet. */
  frameLength(end) {
    let length = 0, scale = 1
    for (let at = this.pos; at < end; at++) {
      const byte = this.buf.charCodeAt(at)
      length += (byte & 127) * scale
      if (byte < 128) { this.pos = at + 1; return length }
      scale *= 128
    }
    return -1
  }

  uint() {
    let byte = this.buf.charCodeAt(this.pos++)
    if (byte < 128) return byte
    let value = byte & 127, scale = 128
    do { byte = this.buf.charCodeAt(this.pos++); value += (byte & 127) * scale; scale *= 128 } while (byte >= 128)
    return value
  }
  string() { const length = this.uint(), from = this.pos; this.pos += length; return this.buf.slice(from, this.pos) }

  handle(type) {
    switch (type) {
      case ACK: return this.onAck(this.uint(), this.uint())
      case DELIVERY: {
        if (!this.entry(this.uint())) return
        const from = this.string(), seq = this.uint()
        this.pos += 6
        this.ackNow = true
        this._delivery(from, this.string(), seq)
        return
      }
      case RECEIPT: {
        if (!this.entry(this.uint())) return
        const conversation = this.string()
        this.string()
        const mark = this.uint()
        if (mark === MARK_DELIVERED) this.onWatermark(this.conversation(conversation), this.uint())
        return
      }
      case DELIVERY_FROM: {
        if (!this.entry(this.uint())) return
        this.string()                     // conversation
        const from = this.string()
        if (from === this.user) return
        const seq = this.uint()
        this.pos += 6
        this.ackNow = true
        this._delivery(from, this.string(), seq)
        return
      }
      case CHANGE: { this.entry(this.uint()); return }
      case RESULT: return this.onResult()
      case FAIL: return this.onFail()
      case SKIP: { this.device.cursor = Math.max(this.device.cursor, this.uint()); return }
      case DONE: return this._done()
      case PING: return this.write(frame(PONG, uint(this.uint())))
      case REFUSE: {
        const clientId = this.uint(), error = this.uint()
        this.refused++
        this.answered()
        this.onRefused?.(clientId, error)
        return
      }
      case CHALLENGE: return this.answer(type, this.string())
      case AUTHENTICATED: { this.string(); return this.answer(type, this.string()) }
      case WELCOME: { this.onWelcome(); return this.answer(type, undefined) }
      case CLOSE: {
        const error = new Refused(this.uint(), '')
        this.uint(); this.string(); error.message += this.string()
        this.closeCode = error.code
        this.fail?.(error)
        return
      }
      case FEATURES: case PONG: return
      default: if (type % 2 === 0) throw new Error(`frame of type ${type} is not known here`)
    }
  }

  /** The gap rule: whether the entry is the next one. [QUE-3] */
  entry(index) {
    const { device } = this
    if (index === device.cursor + 1) { device.cursor = index; return true }
    if (index > device.cursor) throw new Error(`${this.user}: gap in the queue: entry ${index} after ${device.cursor}`)
    return false
  }

  onWelcome() {
    const { device } = this
    this.string()                       // session
    this.pos += 6                       // time
    this.resume = this.uint()
    device.queueEpoch = this.uint()
    this.acked = device.cursor = this.uint()
    this.preview = this.uint()
    const outboxEpoch = this.uint()
    if (outboxEpoch !== device.outboxEpoch) { device.outboxEpoch = outboxEpoch; device.clientId = 0 }
    this.halfWindow = this.uint() >> 1
    this.unansweredMax = Math.min(this.uint(), this.ring)
    this.uint(); this.uint()            // frameBytesMax, keepAliveMs
    const token = this.string()
    if (token !== '') device.token = token
  }

  onAck(clientId, seq) {
    const slot = clientId & this.ring - 1, conversation = this.conversationsOf[slot], id = this.ids[slot]
    if (seq <= conversation.watermark) this._receipt(id)
    else { conversation.seqs.push(seq); conversation.ids.push(id) }
    this.answered()
    this._accepted(1)
  }

  onWatermark(conversation, seq) {
    conversation.watermark = seq
    const { seqs, ids } = conversation
    let head = conversation.head
    while (head < seqs.length && seqs[head] <= seq) this._receipt(ids[head++])
    if (head === seqs.length) { seqs.length = ids.length = head = 0 }
    else if (head > 4096) { seqs.splice(0, head); ids.splice(0, head); head = 0 }
    conversation.head = head
  }

  answered() {
    this.unanswered--
    if (this.held.length > 0) this.send(...this.held.splice(0, 3))
  }

  // ---- closing ----

  drop() { this.closed = true; this.sock?.destroy() }

  close() {
    if (this.closed) return Promise.resolve()
    this.acknowledge()
    this.closed = true
    lazy.delete(this)
    return new Promise((resolve) => {
      if (this.sock.destroyed) { resolve(); return }
      this.onClosed = resolve
      this.write(frame(CLOSE, uint(100) + uint(0) + bytes('') + bytes('')))
      flush(this)
      this.sock.end()
      setTimeout(() => this.sock.destroy(), 1000).unref()
    })
  }

  /** Bytes of TCP payload. */
  get bytesIn() { return this.sock.bytesRead }
  get bytesOut() { return this.sock.bytesWritten }
}

function flush(client) {
  client.scheduled = false
  if (client.out === '' || client.sock.destroyed) return
  const { out } = client
  client.out = ''
  client.sock.write(out, 'latin1')
}

/** RFC 5802, section 3, without channel binding. */
async function scramProof(password, first, challenge) {
  const parts = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(challenge)
  if (parts === null) throw new Error('the challenge is no SCRAM message')
  const salted = await new Promise((resolve, reject) => {
    crypto.pbkdf2(password, Buffer.from(parts[2], 'base64'), Number(parts[3]), 32, 'sha256',
      (error, key) => { if (error) reject(error); else resolve(key) })
  })
  const hmac = (key, data) => crypto.createHmac('sha256', key).update(data).digest()
  const clientKey = hmac(salted, 'Client Key'), storedKey = crypto.createHash('sha256').update(clientKey).digest()
  const withoutProof = `c=biws,r=${parts[1]}`
  const message = `${first},${challenge},${withoutProof}`
  const signature = hmac(storedKey, message)
  const proof = Buffer.from(clientKey.map((byte, at) => byte ^ signature[at]))
  return {
    response: `${withoutProof},p=${proof.toString('base64')}`,
    serverFinal: 'v=' + hmac(hmac(salted, 'Server Key'), message).toString('base64'),
  }
}

/** Makes every user's device known to the server, and earns its token. */
async function prepare(users, connect, pool) {
  await pool(users, async (user) => { const client = await connect(user); await client.close() })
}

module.exports = { create: (options) => new Client(options), modes: ['hop', 'receipt'], prepare, forget, secure }
