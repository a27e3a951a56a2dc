/**
 * The worked examples of the prose: one story, told frame by frame. Alice's phone has a token and comes back after a night offline;
 * she writes to Bob, gets his answer and reads it.
 */
import { framePieces } from './wire.js'
import { xmlOf } from './xml-form.js'
import type { ExtensionValues, FieldValues, Piece } from './wire.js'

export interface Example {
  readonly frame: string
  readonly values: FieldValues
  readonly extensions?: ExtensionValues
}

const welcomeTimeMs = Date.UTC(2026, 0, 1, 8, 0, 0)
/** What a CSPRNG would never draw, so that nobody takes it for a secret. */
const token = Array.from({ length: 32 }, (_, place) => place.toString(16).padStart(2, '0')).join('')
const newToken = Array.from({ length: 32 }, (_, place) => (0xe0 + place).toString(16)).join('')
const tokenData = `${Buffer.from('alice\0phone\0', 'utf8').toString('hex')}${token}`

// The first message of the exchange in RFC 7677, section 3.
const scramFirst = Buffer.from('n,,n=user,r=rOprNGfwEbeRWgbNEkqO', 'utf8').toString('hex')

export const examples: Readonly<Record<string, Example>> = {
  'hello': { frame: 'hello', values: { versions: [1], agent: 'weekend/0.1' } },
  'features': {
    frame: 'features',
    values: {
      version: 1, mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'TOKEN'], channelBindings: ['tls-exporter'],
      openFrameBytesMax: 4096, openTimeoutMs: 10000,
    },
  },
  'auth-scram': { frame: 'auth', values: { mechanism: 'SCRAM-SHA-256', data: scramFirst } },
  'auth-token': { frame: 'auth', values: { mechanism: 'TOKEN', data: tokenData } },
  'authenticated': { frame: 'authenticated', values: { user: 'alice', data: '' } },
  'features-registration': {
    frame: 'features',
    values: { version: 1, mechanisms: ['SCRAM-SHA-256', 'TOKEN'], channelBindings: [], openFrameBytesMax: 4096, openTimeoutMs: 10000 },
    extensions: { 113: '02a08d06' },
  },
  'register': {
    frame: 'register',
    values: {
      user: 'carol', invite: '7m4hx2kq-9c1vw8e5s3jtd-p0zr6ynbgf2a4', salt: token.slice(0, 32), iterations: 100_000, storedKey: token, serverKey: newToken,
    },
  },
  'registered': { frame: 'registered', values: { user: 'carol' } },
  'query-search': { frame: 'query', values: { id: 4, element: { name: 'search', attributes: { words: 'good mor', limit: '20' } } } },
  'bind': {
    frame: 'bind',
    values: { device: 'phone', deviceName: 'Alice’s phone', queueEpoch: 1, cursor: 300, outboxEpoch: 2, window: 0 },
  },
  'bind-no-queue': {
    frame: 'bind',
    values: { device: 'logger', deviceName: '', queueEpoch: 0, cursor: 0, outboxEpoch: 3, window: 0 },
    extensions: { 15: '' },
  },
  'welcome': {
    frame: 'welcome',
    values: {
      session: 's7', time: welcomeTimeMs, resume: 1, queueEpoch: 1, cursor: 300, pending: 2, outboxEpoch: 2, window: 256,
      unacknowledgedMax: 1024, frameBytesMax: 65536, keepAliveMs: 120000, token: newToken,
    },
  },
  'message': { frame: 'message', values: { clientId: 41, to: 'bob', text: 'good morning ☀' } },
  'message-extended': { frame: 'message', values: { clientId: 42, to: 'bob', text: 'hi' }, extensions: { 9: 'cafe' } },
  'ack': { frame: 'ack', values: { clientId: 41, seq: 129, timeOffset: 35 } },
  'ack-earlier': { frame: 'ack', values: { clientId: 41, seq: 129, timeOffset: -2500 } },
  'refuse': { frame: 'refuse', values: { clientId: 42, error: 402, retryAfterMs: 0, reason: 'no user has this name' } },
  'delivery': {
    frame: 'delivery',
    values: { index: 301, conversation: 'bob', seq: 128, time: welcomeTimeMs - 28_800_000, text: 'good night' },
  },
  'delivery-from': {
    frame: 'deliveryFrom',
    values: { index: 303, conversation: 'bob', from: 'alice', seq: 130, time: welcomeTimeMs + 60_000, text: 'sent from the laptop' },
  },
  'receipt': { frame: 'receipt', values: { index: 302, conversation: 'bob', member: '', mark: 2, seq: 127 } },
  'change': {
    frame: 'change',
    values: {
      index: 304, conversation: '#skiing', from: 'bob', seq: 2, time: welcomeTimeMs + 90_000,
      element: { name: 'add', children: [{ name: 'member', attributes: { name: 'carol' } }] },
    },
  },
  'changed': { frame: 'changed', values: { index: 303, list: 2, version: 19 } },
  'skip': { frame: 'skip', values: { index: 310 } },
  'done': { frame: 'done', values: { index: 302 } },
  'cursor': { frame: 'cursor', values: { index: 302 } },
  'mark': { frame: 'mark', values: { clientId: 43, conversation: 'bob', mark: 2, seq: 128 } },
  'operate': { frame: 'operate', values: { clientId: 44, conversation: 'bob', target: 127, kind: 1, text: 'sleep very well' } },
  'operation': {
    frame: 'operation',
    values: { index: 305, conversation: 'bob', from: 'bob', seq: 131, time: welcomeTimeMs + 120_000, target: 127, kind: 3, text: '👍' },
  },
  'query-history': {
    frame: 'query',
    values: { id: 1, element: { name: 'history', attributes: { with: 'bob', before: '128', limit: '1' } } },
  },
  'result-history': {
    frame: 'result',
    values: {
      id: 1,
      element: {
        name: 'history', attributes: { with: 'bob', more: 'true', tail: '129' },
        children: [{
          name: 'message', attributes: { seq: '127', from: 'alice', time: String(welcomeTimeMs - 28_805_000) },
          children: [{ name: 'body', children: ['sleep well'] }],
        }],
      },
    },
  },
  'query-settings': { frame: 'query', values: { id: 2, element: { name: 'settings', attributes: { 'read-receipts': 'off' } } } },
  'fail': { frame: 'fail', values: { id: 3, error: 411, retryAfterMs: 0, reason: 'no device is called tablet' } },
  'ping': { frame: 'ping', values: { nonce: 7 } },
  'pong': { frame: 'pong', values: { nonce: 7 } },
  'activity': { frame: 'activity', values: { activity: 2 } },
  'watch': { frame: 'watch', values: { users: ['bob', 'carol'] } },
  'unwatch': { frame: 'unwatch', values: { users: ['carol'] } },
  'presence': { frame: 'presence', values: { user: 'bob', state: 0, lastSeen: welcomeTimeMs - 28_800_000 } },
  'decline': { frame: 'decline', values: { frame: 53, names: ['carol'], error: 440, retryAfterMs: 0, reason: 'this session watches 256 users' } },
  'typing': { frame: 'typing', values: { conversation: 'bob', kind: 1 } },
  'typing-from': { frame: 'typingFrom', values: { conversation: 'bob', from: 'bob', kind: 1, expiresMs: 10000 } },
  'close': { frame: 'close', values: { error: 101, retryAfterMs: 1500, host: '', reason: '' } },
}

const bytesPerLine = 16
const hexColumn = bytesPerLine * 3 - 1

function hexLines(piece: Piece): string[] {
  const lines: string[] = []
  for (let start = 0; start < piece.bytes.length; start += bytesPerLine) {
    const hex = piece.bytes.slice(start, start + bytesPerLine).map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
    lines.push(start === 0 ? `${hex.padEnd(hexColumn)}  ; ${piece.note}` : hex)
  }
  return lines
}

/** A fenced block: the XML form, an empty line, the bytes with what they are. Throws a RangeError for an unknown example. */
export function exampleBlock(name: string): string {
  const example = examples[name]
  if (example === undefined) throw new RangeError(`no example is called ${name}`)
  const pieces = framePieces(example.frame, example.values, example.extensions)
  return ['```frame', xmlOf(example), '', ...pieces.flatMap(hexLines), '```'].join('\n')
}
