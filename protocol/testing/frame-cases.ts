/** Hand-chosen frames for the vectors: one plain case of every frame with its XML form, and every field at its bounds. */
import { frameSpec, toHex } from './reference-encoder.js'
import type { JsonElement, JsonExtension, JsonFields, JsonValue } from './reference-encoder.js'

export interface FrameCase {
  readonly name: string
  readonly frame: string
  readonly fields: JsonFields
  readonly extensions?: readonly JsonExtension[]
  readonly xml?: string
}

/** Hex of a text. */
export function hex(text: string): string {
  return toHex(new TextEncoder().encode(text))
}

function tree(name: string, attributes: Record<string, string> = {}, ...children: (JsonElement | string)[]): JsonElement {
  return { name, attributes, children }
}

const TIME = 1_763_892_000_123
const TIME_XML = '2025-11-23T10:00:00.123Z'
const TOKEN = '000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'
const TOKEN_XML = 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='

/** One of each frame, as it would pass in a session. The XML is written by hand. */
export const plainCases: readonly FrameCase[] = [
  {
    name: 'hello', frame: 'hello', fields: { versions: [1], agent: 'chat/0.1' },
    xml: '<hello agent="chat/0.1"><version>1</version></hello>',
  },
  {
    name: 'features', frame: 'features',
    fields: {
      version: 1, mechanisms: ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'TOKEN'], channelBindings: ['tls-exporter'],
      openFrameBytesMax: 4096, openTimeoutMs: 10000,
    },
    xml: '<features version="1" openFrameBytesMax="4096" openTimeoutMs="10000"><mechanism>SCRAM-SHA-256-PLUS</mechanism>'
      + '<mechanism>SCRAM-SHA-256</mechanism><mechanism>TOKEN</mechanism><channelBinding>tls-exporter</channelBinding></features>',
  },
  {
    name: 'auth with SCRAM', frame: 'auth', fields: { mechanism: 'SCRAM-SHA-256', data: hex('n,,n=bob,r=abc') },
    xml: '<auth mechanism="SCRAM-SHA-256" data="biwsbj1ib2Iscj1hYmM="/>',
  },
  {
    name: 'auth with a token', frame: 'auth', fields: { mechanism: 'TOKEN', data: `${hex('bob')}00${hex('phone')}00${TOKEN}` },
    xml: '<auth mechanism="TOKEN" data="Ym9iAHBob25lAAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"/>',
  },
  { name: 'challenge', frame: 'challenge', fields: { data: hex('r=abcdef') }, xml: '<challenge data="cj1hYmNkZWY="/>' },
  { name: 'response', frame: 'response', fields: { data: hex('c=biws') }, xml: '<response data="Yz1iaXdz"/>' },
  { name: 'authenticated', frame: 'authenticated', fields: { user: 'bob', data: '' }, xml: '<authenticated user="bob" data=""/>' },
  {
    name: 'register', frame: 'register',
    fields: { user: 'carol', invite: 'kf7c2m9q-x4', salt: '00'.repeat(16), iterations: 100_000, storedKey: '01'.repeat(32), serverKey: '02'.repeat(32) },
    xml: '<register user="carol" invite="kf7c2m9q-x4" salt="AAAAAAAAAAAAAAAAAAAAAA==" iterations="100000"'
      + ' storedKey="AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=" serverKey="AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="/>',
  },
  { name: 'registered', frame: 'registered', fields: { user: 'carol' }, xml: '<registered user="carol"/>' },
  {
    name: 'features that offer registration by invite', frame: 'features',
    fields: { version: 1, mechanisms: ['SCRAM-SHA-256', 'TOKEN'], channelBindings: [], openFrameBytesMax: 4096, openTimeoutMs: 10000 },
    extensions: [{ key: 113, hex: '02a08d06' }],
  },
  {
    name: 'bind of a device that knows where it stands', frame: 'bind',
    fields: { device: 'phone', deviceName: 'Bob\u2019s "phone"', queueEpoch: 3, cursor: 1000, outboxEpoch: 2, window: 0 },
    xml: '<bind device="phone" deviceName="Bob\u2019s &quot;phone&quot;" queueEpoch="3" cursor="1000" outboxEpoch="2" window="0"/>',
  },
  {
    name: 'welcome', frame: 'welcome',
    fields: {
      session: 's-1', time: TIME, resume: 1, queueEpoch: 3, cursor: 1000, pending: 2, outboxEpoch: 2, window: 256,
      unacknowledgedMax: 1024, frameBytesMax: 65536, keepAliveMs: 120000, token: TOKEN,
    },
    xml: `<welcome session="s-1" time="${TIME_XML}" resume="resumed" queueEpoch="3" cursor="1000" pending="2" outboxEpoch="2"`
      + ` window="256" unacknowledgedMax="1024" frameBytesMax="65536" keepAliveMs="120000" token="${TOKEN_XML}"/>`,
  },
  {
    name: 'message', frame: 'message', fields: { clientId: 7, to: 'bob', text: hex('hi') },
    xml: '<message id="7" to="bob"><body>hi</body></message>',
  },
  {
    name: 'message with optional extensions', frame: 'message', fields: { clientId: 8, to: '#team', text: hex('a < b & "c"\n\u{1f600}') },
    extensions: [{ key: 1001, hex: '' }, { key: 1003, hex: '00ff' }],
    xml: '<message id="8" to="#team"><body>a &lt; b &amp; &quot;c&quot;\n\u{1f600}</body><x key="1001"/><x key="1003">AP8=</x></message>',
  },
  {
    name: 'message whose text XML can not carry', frame: 'message', fields: { clientId: 9, to: 'bob', text: hex('\u0001\r\\') },
    xml: '<message id="9" to="bob"><body>\\u{1}\\u{d}\\u{5c}</body></message>',
  },
  { name: 'message without text', frame: 'message', fields: { clientId: 10, to: 'bob', text: '' }, xml: '<message id="10" to="bob"/>' },
  {
    name: 'ack', frame: 'ack', fields: { clientId: 7, seq: 42, timeOffset: 1234 }, xml: '<ack id="7" seq="42" timeOffset="1234"/>',
  },
  {
    name: 'refuse', frame: 'refuse', fields: { clientId: 7, error: 300, retryAfterMs: 1500, reason: 'Too fast.' },
    xml: '<refuse id="7" error="rate-limited" retryAfterMs="1500" reason="Too fast."/>',
  },
  {
    name: 'delivery', frame: 'delivery', fields: { index: 1001, conversation: 'alice', seq: 42, time: TIME, text: hex('hi') },
    xml: `<message index="1001" from="alice" seq="42" time="${TIME_XML}"><body>hi</body></message>`,
  },
  {
    name: 'deliveryFrom', frame: 'deliveryFrom',
    fields: { index: 1002, conversation: '#team', from: 'carol', seq: 43, time: TIME, text: hex('hello') },
    xml: `<message index="1002" conversation="#team" from="carol" seq="43" time="${TIME_XML}"><body>hello</body></message>`,
  },
  {
    name: 'receipt', frame: 'receipt', fields: { index: 1003, conversation: 'alice', member: '', mark: 2, seq: 42 },
    xml: '<receipt index="1003" conversation="alice" from="" mark="read" seq="42"/>',
  },
  {
    name: 'change', frame: 'change',
    fields: { index: 1004, conversation: '#team', from: 'carol', seq: 44, time: TIME, element: tree('add', {}, tree('member', { name: 'dave' })) },
    xml: `<change index="1004" conversation="#team" from="carol" seq="44" time="${TIME_XML}"><add><member name="dave"/></add></change>`,
  },
  { name: 'changed', frame: 'changed', fields: { index: 1004, list: 4, version: 7 }, xml: '<changed index="1004" list="flags" version="7"/>' },
  {
    name: 'operate', frame: 'operate', fields: { clientId: 12, conversation: 'alice', target: 42, kind: 1, text: hex('hello') },
    xml: '<operate id="12" conversation="alice" target="42" kind="edit"><body>hello</body></operate>',
  },
  {
    name: 'operation', frame: 'operation',
    fields: { index: 1005, conversation: '#team', from: 'carol', seq: 45, time: TIME, target: 43, kind: 3, text: hex('👍') },
    xml: `<operation index="1005" conversation="#team" from="carol" seq="45" time="${TIME_XML}" target="43" kind="react"><body>👍</body></operation>`,
  },
  { name: 'skip', frame: 'skip', fields: { index: 1010 }, xml: '<skip index="1010"/>' },
  { name: 'done', frame: 'done', fields: { index: 1010 }, xml: '<done index="1010"/>' },
  { name: 'cursor', frame: 'cursor', fields: { index: 1010 }, xml: '<cursor index="1010"/>' },
  {
    name: 'mark', frame: 'mark', fields: { clientId: 11, conversation: 'alice', mark: 2, seq: 42 },
    xml: '<mark id="11" conversation="alice" mark="read" seq="42"/>',
  },
  {
    name: 'query', frame: 'query', fields: { id: 1, element: tree('history', { with: 'bob', limit: '20' }) },
    xml: '<iq type="get" id="1"><history limit="20" with="bob"/></iq>',
  },
  {
    name: 'result', frame: 'result',
    fields: { id: 1, element: tree('history', { more: 'false' }, tree('message', { seq: '1' }, tree('body', {}, 'hi'))) },
    xml: '<iq type="result" id="1"><history more="false"><message seq="1"><body>hi</body></message></history></iq>',
  },
  {
    name: 'fail', frame: 'fail', fields: { id: 1, error: 404, retryAfterMs: 0, reason: '' },
    xml: '<iq type="error" id="1" error="no-such-conversation" retryAfterMs="0" reason=""/>',
  },
  { name: 'ping', frame: 'ping', fields: { nonce: 5 }, xml: '<ping nonce="5"/>' },
  { name: 'pong', frame: 'pong', fields: { nonce: 5 }, xml: '<pong nonce="5"/>' },
  {
    name: 'close', frame: 'close', fields: { error: 102, retryAfterMs: 0, host: 'b.example:5323', reason: 'Go there.' },
    xml: '<close error="go-to-host" retryAfterMs="0" host="b.example:5323" reason="Go there."/>',
  },
  { name: 'activity', frame: 'activity', fields: { activity: 2 }, xml: '<activity activity="inactive"/>' },
  {
    name: 'watch', frame: 'watch', fields: { users: ['bob', 'carol'] }, xml: '<watch><user>bob</user><user>carol</user></watch>',
  },
  { name: 'unwatch', frame: 'unwatch', fields: { users: ['bob'] }, xml: '<unwatch><user>bob</user></unwatch>' },
  {
    name: 'typing', frame: 'typing', fields: { conversation: '#team', kind: 2 }, xml: '<typing conversation="#team" kind="recording"/>',
  },
  {
    name: 'presence', frame: 'presence', fields: { user: 'bob', state: 0, lastSeen: TIME },
    xml: `<presence from="bob" state="offline" lastSeen="${TIME_XML}"/>`,
  },
  {
    name: 'typingFrom', frame: 'typingFrom', fields: { conversation: '#team', from: 'bob', kind: 1, expiresMs: 10000 },
    xml: '<typing conversation="#team" from="bob" kind="typing" expiresMs="10000"/>',
  },
  {
    name: 'decline', frame: 'decline', fields: { frame: 53, names: ['bob'], error: 300, retryAfterMs: 1500, reason: 'Too fast.' },
    xml: '<decline frame="53" error="rate-limited" retryAfterMs="1500" reason="Too fast."><name>bob</name></decline>',
  },
]

const UINT_MAX = Number.MAX_SAFE_INTEGER

/** Values at the bounds of each type; where an encoding grows by a byte, both sides. */
const bounds: Readonly<Record<string, readonly (readonly [string, JsonValue])[]>> = {
  'uint': [['0', 0], ['2^53 - 1', UINT_MAX]],
  'int': [['0', 0], ['-1', -1], ['63', 63], ['-64', -64], ['64', 64], ['2^52 - 1', 2 ** 52 - 1], ['-2^52', -(2 ** 52)]],
  'time': [['0', 0], ['2^48 - 1', 2 ** 48 - 1], ['2^32', 2 ** 32]],
  'string': [
    ['empty', ''], ['128 bytes', 'a'.repeat(128)], ['of 1 to 4 bytes a character', 'a\u00e9\u20ac\u{1f600}'],
    ['with a byte order mark', '\ufeffa'], ['at the ends of each width', '\u0001\u007f\u0080\u07ff\u0800\ud7ff\ue000\uffff\u{10000}\u{10ffff}'],
  ],
  'bytes': [['empty', ''], ['00 and ff', '00ff'], ['200 bytes', 'ab'.repeat(200)]],
  'text': [['empty', ''], ['700 characters of 4 bytes', hex('\u{1f600}'.repeat(700))], ['127 bytes', '61'.repeat(127)], ['not UTF-8', 'ff00']],
  'uint[]': [['empty', []], ['16 items', Array.from({ length: 16 }, (_, index) => 2 ** (index * 3))]],
  'string[]': [['empty', []], ['16 items', Array.from({ length: 16 }, (_, index) => 'x'.repeat(index))]],
  'element': [['a name alone', tree('devices')]],
}

/** Every field of every frame at its bounds, the other fields as in the frame's first plain case. */
export function boundCases(): FrameCase[] {
  const cases: FrameCase[] = []
  const seen = new Set<string>()
  for (const plain of plainCases) {
    if (seen.has(plain.frame)) continue
    seen.add(plain.frame)
    for (const field of frameSpec(plain.frame).fields) {
      for (const [label, value] of bounds[field.type] ?? []) {
        cases.push({ name: `${plain.frame} with ${field.name} ${label}`, frame: plain.frame, fields: { ...plain.fields, [field.name]: value } })
      }
    }
  }
  return cases
}

/** Every length of a uint, on both sides of each step. */
export function uintCases(): FrameCase[] {
  const cases: FrameCase[] = []
  for (const bits of [7, 14, 21, 28, 31, 32, 35, 42, 49]) {
    for (const [label, value] of [[`2^${bits} - 1`, 2 ** bits - 1], [`2^${bits}`, 2 ** bits]] as const) {
      cases.push({ name: `ping with nonce ${label}`, frame: 'ping', fields: { nonce: value } })
    }
  }
  return cases
}

/** Extensions at their bounds. */
export const extensionCases: readonly FrameCase[] = [
  {
    name: '16 extensions', frame: 'message', fields: { clientId: 1, to: 'bob', text: '' },
    extensions: Array.from({ length: 16 }, (_, index) => ({ key: 101 + 2 * index, hex: '' })),
  },
  {
    name: 'an extension with the largest odd key', frame: 'ping', fields: { nonce: 1 }, extensions: [{ key: UINT_MAX, hex: '00' }],
  },
]
