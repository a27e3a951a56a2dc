// Generated from spec/protocol.json by `npm run generate`; change that file, not this one.

/** Version of the protocol that this codec speaks. [OPN-2] */
export const PROTOCOL_VERSION = 1

/** Name of the WebSocket subprotocol. [FRM-12] */
export const SUBPROTOCOL = 'chatd.v1'

/** Name of the protocol in TLS ALPN. [FRM-13] */
export const ALPN = 'chatd/1'

/** Version of the dictionary of elements. */
export const DICTIONARY_VERSION = 1

/** Default ports by kind of listener. */
export const PORTS = { tcp: 5322, tls: 5323, ws: 5380, wss: 5381 } as const

/** Authentication mechanisms, best first. */
export const MECHANISMS = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'TOKEN'] as const

/** Channel-binding types. [SCR-2] */
export const CHANNEL_BINDINGS = ['tls-exporter'] as const

/** The dictionary of elements: names and values sent as one number. [ELM-2] */
export const TOKENS = [
  'body',
  'message',
  'history',
  'conversations',
  'conversation',
  'devices',
  'device',
  'remove-device',
  'settings',
  'receipts',
  'member',
  'last',
  'logout',
  'x',
  'with',
  'from',
  'to',
  'id',
  'seq',
  'time',
  'after',
  'before',
  'since',
  'until',
  'limit',
  'more',
  'tail',
  'first',
  'unread',
  'delivered',
  'read',
  'name',
  'created',
  'last-active',
  'current',
  'current-device',
  'read-receipts',
  'on',
  'off',
  'true',
  'false',
  'key',
  'type',
  'kind',
  'error',
  'reason',
  'version',
  'count',
  'index',
  'own',
] as const

/** Types of frames by name. */
export const FRAME = {
  /** The first frame of every connection: which versions the client speaks and what it is. */
  hello: 2,
  /** The answer to hello: the version chosen and how the client may authenticate. */
  features: 4,
  /** Begins one authentication exchange. */
  auth: 6,
  /** The mechanism's next question. */
  challenge: 8,
  /** The answer to a challenge. */
  response: 10,
  /** Authentication succeeded. */
  authenticated: 12,
  /** Names the device and where its cursor and outbox stand. */
  bind: 14,
  /** The session is open: its limits, where the queue stands, and what waits. */
  welcome: 16,
  /** A message to a conversation. Answered by ack or refuse. */
  message: 18,
  /** A stanza with a client id is on stable storage. */
  ack: 20,
  /** A stanza with a client id was not accepted; the connection goes on. */
  refuse: 22,
  /** Queue entry: a message from the other member of a pair. */
  delivery: 24,
  /** Queue entry: a message whose sender is not implied: one's own from another device, or a group member's. */
  deliveryFrom: 26,
  /** Queue entry: a member's watermark in a conversation rose. */
  receipt: 28,
  /** Queue entry: who is in a group, or how it is set up, has changed. */
  change: 50,
  /** Queue entry: the user's own profile, contacts, blocked users or flags changed; what changed is asked for. */
  changed: 100,
  /** Queue entry: the entries up to this index hold nothing for the device. */
  skip: 30,
  /** The queue has been sent up to this index; what follows is live. */
  done: 32,
  /** Cumulative acknowledgement: the device has stored every entry up to this index. */
  cursor: 34,
  /** Raises the user's read watermark in a conversation. Answered by ack or refuse. */
  mark: 36,
  /** Changes a message of a conversation for all its members. Answered by ack or refuse. */
  operate: 64,
  /** Queue entry: a message was edited, deleted or reacted to. */
  operation: 66,
  /** A question or a change that is not a message. Answered by result or fail. */
  query: 38,
  /** The answer to a query. */
  result: 40,
  /** A query was refused; the connection goes on. */
  fail: 42,
  /** Asks the peer for a sign of life. */
  ping: 44,
  /** The answer to ping. */
  pong: 46,
  /** The last frame its sender sends. */
  close: 48,
  /** Ephemeral: whether somebody looks at the device. */
  activity: 51,
  /** Ephemeral: subscribes to the presence of users. */
  watch: 53,
  /** Ephemeral: ends subscriptions to the presence of users. */
  unwatch: 55,
  /** Ephemeral: the user writes or records something in a conversation, or has paused. */
  typing: 57,
  /** Ephemeral: what the device may see of a user that it watches. */
  presence: 59,
  /** Ephemeral: another member of a conversation types, records or has paused. */
  typingFrom: 61,
  /** Ephemeral: an ephemeral frame, or a part of it, was not taken; the connection goes on. */
  decline: 63,
  /** Asks for a new account, in the place of auth. Answered by registered, or by close. */
  register: 112,
  /** The account is on stable storage. */
  registered: 114,
} as const

export type FieldType = 'uint' | 'int' | 'time' | 'string' | 'bytes' | 'text' | 'uint[]' | 'string[]' | 'element'

export interface FieldInfo {
  readonly name: string
  readonly type: FieldType
  /** Name of the attribute or child in the XML form. */
  readonly xml: string
  /** Names of the values of an enumerated field. */
  readonly values: Readonly<Record<string, number>> | null
}

export interface FrameInfo {
  readonly type: number
  readonly name: string
  readonly from: 'client' | 'server' | 'both'
  /** When it may be sent: before welcome, after it, or always. [FRM-10] */
  readonly phase: 'start' | 'session' | 'any'
  /** Carries a client id; answered by ack or refuse. */
  readonly stanza: boolean
  /** An entry of the queue. */
  readonly entry: boolean
  /** Name of the element in the XML form. */
  readonly xml: string
  readonly fields: readonly FieldInfo[]
}

/** What the registry says of each frame, by type. */
export const FRAMES: ReadonlyMap<number, FrameInfo> = new Map<number, FrameInfo>([
  [2, {
    type: 2,
    name: 'hello',
    from: 'client',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'hello',
    fields: [
      { name: 'versions', type: 'uint[]', xml: 'version', values: null },
      { name: 'agent', type: 'string', xml: 'agent', values: null },
    ],
  }],
  [4, {
    type: 4,
    name: 'features',
    from: 'server',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'features',
    fields: [
      { name: 'version', type: 'uint', xml: 'version', values: null },
      { name: 'mechanisms', type: 'string[]', xml: 'mechanism', values: null },
      { name: 'channelBindings', type: 'string[]', xml: 'channelBinding', values: null },
      { name: 'openFrameBytesMax', type: 'uint', xml: 'openFrameBytesMax', values: null },
      { name: 'openTimeoutMs', type: 'uint', xml: 'openTimeoutMs', values: null },
    ],
  }],
  [6, {
    type: 6,
    name: 'auth',
    from: 'client',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'auth',
    fields: [
      { name: 'mechanism', type: 'string', xml: 'mechanism', values: null },
      { name: 'data', type: 'bytes', xml: 'data', values: null },
    ],
  }],
  [8, {
    type: 8,
    name: 'challenge',
    from: 'server',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'challenge',
    fields: [
      { name: 'data', type: 'bytes', xml: 'data', values: null },
    ],
  }],
  [10, {
    type: 10,
    name: 'response',
    from: 'client',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'response',
    fields: [
      { name: 'data', type: 'bytes', xml: 'data', values: null },
    ],
  }],
  [12, {
    type: 12,
    name: 'authenticated',
    from: 'server',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'authenticated',
    fields: [
      { name: 'user', type: 'string', xml: 'user', values: null },
      { name: 'data', type: 'bytes', xml: 'data', values: null },
    ],
  }],
  [14, {
    type: 14,
    name: 'bind',
    from: 'client',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'bind',
    fields: [
      { name: 'device', type: 'string', xml: 'device', values: null },
      { name: 'deviceName', type: 'string', xml: 'deviceName', values: null },
      { name: 'queueEpoch', type: 'uint', xml: 'queueEpoch', values: null },
      { name: 'cursor', type: 'uint', xml: 'cursor', values: null },
      { name: 'outboxEpoch', type: 'uint', xml: 'outboxEpoch', values: null },
      { name: 'window', type: 'uint', xml: 'window', values: null },
    ],
  }],
  [16, {
    type: 16,
    name: 'welcome',
    from: 'server',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'welcome',
    fields: [
      { name: 'session', type: 'string', xml: 'session', values: null },
      { name: 'time', type: 'time', xml: 'time', values: null },
      { name: 'resume', type: 'uint', xml: 'resume', values: { fresh: 0, resumed: 1, tooOld: 2 } },
      { name: 'queueEpoch', type: 'uint', xml: 'queueEpoch', values: null },
      { name: 'cursor', type: 'uint', xml: 'cursor', values: null },
      { name: 'pending', type: 'uint', xml: 'pending', values: null },
      { name: 'outboxEpoch', type: 'uint', xml: 'outboxEpoch', values: null },
      { name: 'window', type: 'uint', xml: 'window', values: null },
      { name: 'unacknowledgedMax', type: 'uint', xml: 'unacknowledgedMax', values: null },
      { name: 'frameBytesMax', type: 'uint', xml: 'frameBytesMax', values: null },
      { name: 'keepAliveMs', type: 'uint', xml: 'keepAliveMs', values: null },
      { name: 'token', type: 'bytes', xml: 'token', values: null },
    ],
  }],
  [18, {
    type: 18,
    name: 'message',
    from: 'client',
    phase: 'session',
    stanza: true,
    entry: false,
    xml: 'message',
    fields: [
      { name: 'clientId', type: 'uint', xml: 'id', values: null },
      { name: 'to', type: 'string', xml: 'to', values: null },
      { name: 'text', type: 'text', xml: 'text', values: null },
    ],
  }],
  [20, {
    type: 20,
    name: 'ack',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'ack',
    fields: [
      { name: 'clientId', type: 'uint', xml: 'id', values: null },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
      { name: 'timeOffset', type: 'int', xml: 'timeOffset', values: null },
    ],
  }],
  [22, {
    type: 22,
    name: 'refuse',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'refuse',
    fields: [
      { name: 'clientId', type: 'uint', xml: 'id', values: null },
      { name: 'error', type: 'uint', xml: 'error', values: null },
      { name: 'retryAfterMs', type: 'uint', xml: 'retryAfterMs', values: null },
      { name: 'reason', type: 'string', xml: 'reason', values: null },
    ],
  }],
  [24, {
    type: 24,
    name: 'delivery',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'message',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'conversation', type: 'string', xml: 'from', values: null },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
      { name: 'time', type: 'time', xml: 'time', values: null },
      { name: 'text', type: 'text', xml: 'text', values: null },
    ],
  }],
  [26, {
    type: 26,
    name: 'deliveryFrom',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'message',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'from', type: 'string', xml: 'from', values: null },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
      { name: 'time', type: 'time', xml: 'time', values: null },
      { name: 'text', type: 'text', xml: 'text', values: null },
    ],
  }],
  [28, {
    type: 28,
    name: 'receipt',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'receipt',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'member', type: 'string', xml: 'from', values: null },
      { name: 'mark', type: 'uint', xml: 'mark', values: { delivered: 1, read: 2 } },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
    ],
  }],
  [50, {
    type: 50,
    name: 'change',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'change',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'from', type: 'string', xml: 'from', values: null },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
      { name: 'time', type: 'time', xml: 'time', values: null },
      { name: 'element', type: 'element', xml: 'element', values: null },
    ],
  }],
  [100, {
    type: 100,
    name: 'changed',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'changed',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'list', type: 'uint', xml: 'list', values: { profile: 1, contacts: 2, blocked: 3, flags: 4 } },
      { name: 'version', type: 'uint', xml: 'version', values: null },
    ],
  }],
  [30, {
    type: 30,
    name: 'skip',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'skip',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
    ],
  }],
  [32, {
    type: 32,
    name: 'done',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'done',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
    ],
  }],
  [34, {
    type: 34,
    name: 'cursor',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'cursor',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
    ],
  }],
  [36, {
    type: 36,
    name: 'mark',
    from: 'client',
    phase: 'session',
    stanza: true,
    entry: false,
    xml: 'mark',
    fields: [
      { name: 'clientId', type: 'uint', xml: 'id', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'mark', type: 'uint', xml: 'mark', values: { read: 2 } },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
    ],
  }],
  [64, {
    type: 64,
    name: 'operate',
    from: 'client',
    phase: 'session',
    stanza: true,
    entry: false,
    xml: 'operate',
    fields: [
      { name: 'clientId', type: 'uint', xml: 'id', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'target', type: 'uint', xml: 'target', values: null },
      { name: 'kind', type: 'uint', xml: 'kind', values: { edit: 1, delete: 2, react: 3 } },
      { name: 'text', type: 'text', xml: 'text', values: null },
    ],
  }],
  [66, {
    type: 66,
    name: 'operation',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: true,
    xml: 'operation',
    fields: [
      { name: 'index', type: 'uint', xml: 'index', values: null },
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'from', type: 'string', xml: 'from', values: null },
      { name: 'seq', type: 'uint', xml: 'seq', values: null },
      { name: 'time', type: 'time', xml: 'time', values: null },
      { name: 'target', type: 'uint', xml: 'target', values: null },
      { name: 'kind', type: 'uint', xml: 'kind', values: { edit: 1, delete: 2, react: 3 } },
      { name: 'text', type: 'text', xml: 'text', values: null },
    ],
  }],
  [38, {
    type: 38,
    name: 'query',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'iq',
    fields: [
      { name: 'id', type: 'uint', xml: 'id', values: null },
      { name: 'element', type: 'element', xml: 'element', values: null },
    ],
  }],
  [40, {
    type: 40,
    name: 'result',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'iq',
    fields: [
      { name: 'id', type: 'uint', xml: 'id', values: null },
      { name: 'element', type: 'element', xml: 'element', values: null },
    ],
  }],
  [42, {
    type: 42,
    name: 'fail',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'iq',
    fields: [
      { name: 'id', type: 'uint', xml: 'id', values: null },
      { name: 'error', type: 'uint', xml: 'error', values: null },
      { name: 'retryAfterMs', type: 'uint', xml: 'retryAfterMs', values: null },
      { name: 'reason', type: 'string', xml: 'reason', values: null },
    ],
  }],
  [44, {
    type: 44,
    name: 'ping',
    from: 'both',
    phase: 'any',
    stanza: false,
    entry: false,
    xml: 'ping',
    fields: [
      { name: 'nonce', type: 'uint', xml: 'nonce', values: null },
    ],
  }],
  [46, {
    type: 46,
    name: 'pong',
    from: 'both',
    phase: 'any',
    stanza: false,
    entry: false,
    xml: 'pong',
    fields: [
      { name: 'nonce', type: 'uint', xml: 'nonce', values: null },
    ],
  }],
  [48, {
    type: 48,
    name: 'close',
    from: 'both',
    phase: 'any',
    stanza: false,
    entry: false,
    xml: 'close',
    fields: [
      { name: 'error', type: 'uint', xml: 'error', values: null },
      { name: 'retryAfterMs', type: 'uint', xml: 'retryAfterMs', values: null },
      { name: 'host', type: 'string', xml: 'host', values: null },
      { name: 'reason', type: 'string', xml: 'reason', values: null },
    ],
  }],
  [51, {
    type: 51,
    name: 'activity',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'activity',
    fields: [
      { name: 'activity', type: 'uint', xml: 'activity', values: { active: 1, inactive: 2 } },
    ],
  }],
  [53, {
    type: 53,
    name: 'watch',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'watch',
    fields: [
      { name: 'users', type: 'string[]', xml: 'user', values: null },
    ],
  }],
  [55, {
    type: 55,
    name: 'unwatch',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'unwatch',
    fields: [
      { name: 'users', type: 'string[]', xml: 'user', values: null },
    ],
  }],
  [57, {
    type: 57,
    name: 'typing',
    from: 'client',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'typing',
    fields: [
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'kind', type: 'uint', xml: 'kind', values: { typing: 1, recording: 2, paused: 3 } },
    ],
  }],
  [59, {
    type: 59,
    name: 'presence',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'presence',
    fields: [
      { name: 'user', type: 'string', xml: 'from', values: null },
      { name: 'state', type: 'uint', xml: 'state', values: { offline: 0, online: 1 } },
      { name: 'lastSeen', type: 'time', xml: 'lastSeen', values: null },
    ],
  }],
  [61, {
    type: 61,
    name: 'typingFrom',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'typing',
    fields: [
      { name: 'conversation', type: 'string', xml: 'conversation', values: null },
      { name: 'from', type: 'string', xml: 'from', values: null },
      { name: 'kind', type: 'uint', xml: 'kind', values: { typing: 1, recording: 2, paused: 3 } },
      { name: 'expiresMs', type: 'uint', xml: 'expiresMs', values: null },
    ],
  }],
  [63, {
    type: 63,
    name: 'decline',
    from: 'server',
    phase: 'session',
    stanza: false,
    entry: false,
    xml: 'decline',
    fields: [
      { name: 'frame', type: 'uint', xml: 'frame', values: null },
      { name: 'names', type: 'string[]', xml: 'name', values: null },
      { name: 'error', type: 'uint', xml: 'error', values: null },
      { name: 'retryAfterMs', type: 'uint', xml: 'retryAfterMs', values: null },
      { name: 'reason', type: 'string', xml: 'reason', values: null },
    ],
  }],
  [112, {
    type: 112,
    name: 'register',
    from: 'client',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'register',
    fields: [
      { name: 'user', type: 'string', xml: 'user', values: null },
      { name: 'invite', type: 'string', xml: 'invite', values: null },
      { name: 'salt', type: 'bytes', xml: 'salt', values: null },
      { name: 'iterations', type: 'uint', xml: 'iterations', values: null },
      { name: 'storedKey', type: 'bytes', xml: 'storedKey', values: null },
      { name: 'serverKey', type: 'bytes', xml: 'serverKey', values: null },
    ],
  }],
  [114, {
    type: 114,
    name: 'registered',
    from: 'server',
    phase: 'start',
    stanza: false,
    entry: false,
    xml: 'registered',
    fields: [
      { name: 'user', type: 'string', xml: 'user', values: null },
    ],
  }],
])

/** Keys of the extensions by name, reserved ones included. */
export const EXTENSION = { attachment: 2, reply: 3, encrypted: 4, mention: 5, expires: 7, forwarded: 11, noQueue: 15, registration: 113 } as const

/** Keys of the extensions that this version defines; all others are unknown to it. [FRM-7] */
export const EXTENSIONS_DEFINED: ReadonlySet<number> = new Set<number>([2, 3, 5, 7, 11, 15, 113])

/** Codes of the errors by name. */
export const ERROR = {
  /** Orderly close by choice of the sender. */
  closed: 100,
  /** The server is stopping; connect again, here or elsewhere. */
  shuttingDown: 101,
  /** Connect to the host that is named. */
  goToHost: 102,
  /** The server takes no more connections for now. */
  overloaded: 103,
  /** The client did not read or acknowledge what was sent; nothing is lost, the queue keeps it. */
  slowConsumer: 104,
  /** Nothing was heard for too long. */
  keepAliveTimeout: 105,
  /** The session was not open in time. */
  openTimeout: 106,
  /** The shard can't commit at present; what was acknowledged is safe. */
  storageUnavailable: 107,
  /** A fault of the server. */
  internalError: 108,
  /** Too many connections from this network address. */
  tooManyConnections: 109,
  /** Too many failed authentications or registrations, or too many sessions of this device that ended by its own fault; wait as said. */
  tooManyAttempts: 110,
  /** A frame does not decode. */
  malformedFrame: 200,
  /** A frame is longer than its limit. */
  frameTooLarge: 201,
  /** No protocol version in common. */
  unsupportedVersion: 202,
  /** A critical frame type is not known. */
  unsupportedFrame: 203,
  /** A frame came from the wrong side or in the wrong phase. */
  unexpectedFrame: 204,
  /** A cursor acknowledged entries that were never sent, or ran backwards. */
  invalidCursor: 205,
  /** A frame other than a stanza carries a critical extension that is not known. */
  unsupportedCriticalExtension: 206,
  /** A client id is 0, or does not rise within the session. */
  invalidClientId: 207,
  /** More stanzas or queries without an answer than the welcome allows. */
  tooManyUnacknowledged: 208,
  /** User unknown or credentials wrong. */
  notAuthorized: 220,
  /** The token is unknown, expired or revoked; authenticate with the password. */
  tokenInvalid: 221,
  /** The mechanism is not offered here. */
  unsupportedMechanism: 222,
  /** Channel-binding data differ, or the peer was talked out of using them. */
  channelBindingFailed: 223,
  /** This listener authenticates over TLS only. */
  encryptionRequired: 224,
  /** The account is disabled. */
  accountDisabled: 225,
  /** New accounts are not made this way here. */
  registrationClosed: 226,
  /** The invite code is missing, unknown, used up, expired or revoked. */
  inviteInvalid: 227,
  /** The name belongs to a user, belonged to one, or is kept back; choose another. */
  nameTaken: 228,
  /** The name or the verifier of the new account breaks the rules. */
  malformedRegistration: 229,
  /** Another connection bound the same device. */
  replaced: 240,
  /** The device was removed from the account. */
  deviceRemoved: 241,
  /** The account no longer exists. */
  accountRemoved: 242,
  /** The account has as many devices as it may; remove one first. */
  tooManyDevices: 243,
  /** The device id breaks the rules for addresses. */
  malformedDevice: 244,
  /** Too many in too short a time; wait as said. */
  rateLimited: 300,
  /** The shard in charge can't be reached or can't commit at present. */
  unavailable: 301,
  /** A limit on work in progress is reached, as that on a user's uploads under way. */
  resourceLimit: 302,
  /** The server has no room for more blobs at present. */
  storageFull: 303,
  /** The stanza is well-formed but makes no sense. */
  badRequest: 400,
  /** An address breaks the rules for addresses. */
  malformedAddress: 401,
  /** There is no such user. */
  noSuchUser: 402,
  /** The session has no right to do this. */
  notAllowed: 403,
  /** There is no such conversation, or the user is not in it. */
  noSuchConversation: 404,
  /** The text has more characters than allowed. */
  textTooLong: 405,
  /** The text is not well-formed UTF-8, or holds a character that is not allowed. */
  malformedText: 406,
  /** The message has neither text nor content. */
  emptyMessage: 407,
  /** The stanza carries a critical extension that is not known. */
  unsupportedExtension: 408,
  /** The client id, or the id of what was to be made, was used before for something else. */
  conflict: 409,
  /** The client id is lower than one accepted, and no message was ever accepted under it; send again under a new one. */
  staleClientId: 410,
  /** The user has no such device. */
  noSuchDevice: 411,
  /** The query is not known. */
  unsupportedQuery: 412,
  /** The watermark lies beyond the end of the conversation. */
  invalidWatermark: 413,
  /** The group has, or would have, more members than it may. */
  groupFull: 414,
  /** The name of the group is taken. */
  groupTaken: 415,
  /** The link to the group is unknown, revoked, expired or used up. */
  invalidLink: 416,
  /** The group has no such member. */
  noSuchMember: 417,
  /** A user would be in more groups than it may be. */
  tooManyGroups: 418,
  /** The conversation has no such message, or the user may not read it. */
  noSuchMessage: 430,
  /** The message is too old for this. */
  tooLate: 431,
  /** The message was deleted. */
  messageDeleted: 432,
  /** A reaction is one emoji. */
  invalidReaction: 433,
  /** The session watches as many users as it may; unwatch some first. */
  tooManyWatches: 440,
  /** The list of exceptions is longer than it may be. */
  tooManyExceptions: 441,
  /** The user has blocked the other; to write, unblock first. */
  contactBlocked: 450,
  /** The list has as many entries as it may have; remove one first. */
  listFull: 451,
  /** Users do not make invites here. */
  noInvites: 460,
  /** The user has given out as many invites as it may for now; they count until they expire. */
  tooManyInvites: 461,
  /** The user has no such invite. */
  noSuchInvite: 462,
  /** Messages are not searched here. */
  noSearch: 463,
  /** The user holds no such blob, or the message carries none of this id. */
  noSuchBlob: 470,
  /** The blob is larger than the server takes. */
  blobTooLarge: 471,
  /** Blobs of this type are not taken here. */
  typeNotAllowed: 472,
  /** The user's blobs would take more room than they may; delete messages that carry some. */
  quotaExceeded: 473,
  /** Blobs are not kept here. */
  noBlobs: 474,
  /** What was uploaded does not have the hash that was announced; told by HTTP alone. */
  hashMismatch: 475,
} as const

/** A code that this version knows. A peer may send others. */
export type ErrorCode = (typeof ERROR)[keyof typeof ERROR]

export interface ErrorInfo {
  readonly code: ErrorCode
  /** As the registry spells it. */
  readonly name: string
  /** stream: the connection is closed; stanza: one request is refused. */
  readonly scope: 'stream' | 'stanza'
  /** What the client does next. [CLS-4] [CLS-5] */
  readonly class: 'again' | 'fault' | 'credentials' | 'ended' | 'retry' | 'refused'
  readonly retryable: boolean
  readonly doc: string
  /** What it is reserved for: our server does not send it yet, every client handles it. null: it is sent. */
  readonly reserved: string | null
}

/** What the registry says of each error, by code. */
export const ERRORS: ReadonlyMap<number, ErrorInfo> = new Map<number, ErrorInfo>([
  [100, {
    code: 100,
    name: 'closed',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'Orderly close by choice of the sender.',
    reserved: null,
  }],
  [101, {
    code: 101,
    name: 'shutting-down',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'The server is stopping; connect again, here or elsewhere.',
    reserved: null,
  }],
  [102, {
    code: 102,
    name: 'go-to-host',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'Connect to the host that is named.',
    reserved: null,
  }],
  [103, {
    code: 103,
    name: 'overloaded',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'The server takes no more connections for now.',
    reserved: null,
  }],
  [104, {
    code: 104,
    name: 'slow-consumer',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'The client did not read or acknowledge what was sent; nothing is lost, the queue keeps it.',
    reserved: null,
  }],
  [105, {
    code: 105,
    name: 'keep-alive-timeout',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'Nothing was heard for too long.',
    reserved: null,
  }],
  [106, {
    code: 106,
    name: 'open-timeout',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'The session was not open in time.',
    reserved: null,
  }],
  [107, {
    code: 107,
    name: 'storage-unavailable',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'The shard can\'t commit at present; what was acknowledged is safe.',
    reserved: null,
  }],
  [108, {
    code: 108,
    name: 'internal-error',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'A fault of the server.',
    reserved: null,
  }],
  [109, {
    code: 109,
    name: 'too-many-connections',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'Too many connections from this network address.',
    reserved: null,
  }],
  [110, {
    code: 110,
    name: 'too-many-attempts',
    scope: 'stream',
    class: 'again',
    retryable: true,
    doc: 'Too many failed authentications or registrations, or too many sessions of this device that ended by its own fault; wait as said.',
    reserved: null,
  }],
  [200, {
    code: 200,
    name: 'malformed-frame',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A frame does not decode.',
    reserved: null,
  }],
  [201, {
    code: 201,
    name: 'frame-too-large',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A frame is longer than its limit.',
    reserved: null,
  }],
  [202, {
    code: 202,
    name: 'unsupported-version',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'No protocol version in common.',
    reserved: null,
  }],
  [203, {
    code: 203,
    name: 'unsupported-frame',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A critical frame type is not known.',
    reserved: null,
  }],
  [204, {
    code: 204,
    name: 'unexpected-frame',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A frame came from the wrong side or in the wrong phase.',
    reserved: null,
  }],
  [205, {
    code: 205,
    name: 'invalid-cursor',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A cursor acknowledged entries that were never sent, or ran backwards.',
    reserved: null,
  }],
  [206, {
    code: 206,
    name: 'unsupported-critical-extension',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A frame other than a stanza carries a critical extension that is not known.',
    reserved: null,
  }],
  [207, {
    code: 207,
    name: 'invalid-client-id',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'A client id is 0, or does not rise within the session.',
    reserved: null,
  }],
  [208, {
    code: 208,
    name: 'too-many-unacknowledged',
    scope: 'stream',
    class: 'fault',
    retryable: false,
    doc: 'More stanzas or queries without an answer than the welcome allows.',
    reserved: null,
  }],
  [220, {
    code: 220,
    name: 'not-authorized',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'User unknown or credentials wrong.',
    reserved: null,
  }],
  [221, {
    code: 221,
    name: 'token-invalid',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The token is unknown, expired or revoked; authenticate with the password.',
    reserved: null,
  }],
  [222, {
    code: 222,
    name: 'unsupported-mechanism',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The mechanism is not offered here.',
    reserved: null,
  }],
  [223, {
    code: 223,
    name: 'channel-binding-failed',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'Channel-binding data differ, or the peer was talked out of using them.',
    reserved: null,
  }],
  [224, {
    code: 224,
    name: 'encryption-required',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'This listener authenticates over TLS only.',
    reserved: null,
  }],
  [225, {
    code: 225,
    name: 'account-disabled',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The account is disabled.',
    reserved: null,
  }],
  [226, {
    code: 226,
    name: 'registration-closed',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'New accounts are not made this way here.',
    reserved: null,
  }],
  [227, {
    code: 227,
    name: 'invite-invalid',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The invite code is missing, unknown, used up, expired or revoked.',
    reserved: null,
  }],
  [228, {
    code: 228,
    name: 'name-taken',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The name belongs to a user, belonged to one, or is kept back; choose another.',
    reserved: null,
  }],
  [229, {
    code: 229,
    name: 'malformed-registration',
    scope: 'stream',
    class: 'credentials',
    retryable: false,
    doc: 'The name or the verifier of the new account breaks the rules.',
    reserved: null,
  }],
  [240, {
    code: 240,
    name: 'replaced',
    scope: 'stream',
    class: 'ended',
    retryable: false,
    doc: 'Another connection bound the same device.',
    reserved: null,
  }],
  [241, {
    code: 241,
    name: 'device-removed',
    scope: 'stream',
    class: 'ended',
    retryable: false,
    doc: 'The device was removed from the account.',
    reserved: null,
  }],
  [242, {
    code: 242,
    name: 'account-removed',
    scope: 'stream',
    class: 'ended',
    retryable: false,
    doc: 'The account no longer exists.',
    reserved: null,
  }],
  [243, {
    code: 243,
    name: 'too-many-devices',
    scope: 'stream',
    class: 'ended',
    retryable: false,
    doc: 'The account has as many devices as it may; remove one first.',
    reserved: null,
  }],
  [244, {
    code: 244,
    name: 'malformed-device',
    scope: 'stream',
    class: 'ended',
    retryable: false,
    doc: 'The device id breaks the rules for addresses.',
    reserved: null,
  }],
  [300, {
    code: 300,
    name: 'rate-limited',
    scope: 'stanza',
    class: 'retry',
    retryable: true,
    doc: 'Too many in too short a time; wait as said.',
    reserved: null,
  }],
  [301, {
    code: 301,
    name: 'unavailable',
    scope: 'stanza',
    class: 'retry',
    retryable: true,
    doc: 'The shard in charge can\'t be reached or can\'t commit at present.',
    reserved: null,
  }],
  [302, {
    code: 302,
    name: 'resource-limit',
    scope: 'stanza',
    class: 'retry',
    retryable: true,
    doc: 'A limit on work in progress is reached, as that on a user\'s uploads under way.',
    reserved: null,
  }],
  [303, {
    code: 303,
    name: 'storage-full',
    scope: 'stanza',
    class: 'retry',
    retryable: true,
    doc: 'The server has no room for more blobs at present.',
    reserved: null,
  }],
  [400, {
    code: 400,
    name: 'bad-request',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The stanza is well-formed but makes no sense.',
    reserved: null,
  }],
  [401, {
    code: 401,
    name: 'malformed-address',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'An address breaks the rules for addresses.',
    reserved: null,
  }],
  [402, {
    code: 402,
    name: 'no-such-user',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'There is no such user.',
    reserved: null,
  }],
  [403, {
    code: 403,
    name: 'not-allowed',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The session has no right to do this.',
    reserved: null,
  }],
  [404, {
    code: 404,
    name: 'no-such-conversation',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'There is no such conversation, or the user is not in it.',
    reserved: null,
  }],
  [405, {
    code: 405,
    name: 'text-too-long',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The text has more characters than allowed.',
    reserved: null,
  }],
  [406, {
    code: 406,
    name: 'malformed-text',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The text is not well-formed UTF-8, or holds a character that is not allowed.',
    reserved: null,
  }],
  [407, {
    code: 407,
    name: 'empty-message',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The message has neither text nor content.',
    reserved: null,
  }],
  [408, {
    code: 408,
    name: 'unsupported-extension',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The stanza carries a critical extension that is not known.',
    reserved: null,
  }],
  [409, {
    code: 409,
    name: 'conflict',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The client id, or the id of what was to be made, was used before for something else.',
    reserved: null,
  }],
  [410, {
    code: 410,
    name: 'stale-client-id',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The client id is lower than one accepted, and no message was ever accepted under it; send again under a new one.',
    reserved: null,
  }],
  [411, {
    code: 411,
    name: 'no-such-device',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user has no such device.',
    reserved: null,
  }],
  [412, {
    code: 412,
    name: 'unsupported-query',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The query is not known.',
    reserved: null,
  }],
  [413, {
    code: 413,
    name: 'invalid-watermark',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The watermark lies beyond the end of the conversation.',
    reserved: null,
  }],
  [414, {
    code: 414,
    name: 'group-full',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The group has, or would have, more members than it may.',
    reserved: null,
  }],
  [415, {
    code: 415,
    name: 'group-taken',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The name of the group is taken.',
    reserved: null,
  }],
  [416, {
    code: 416,
    name: 'invalid-link',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The link to the group is unknown, revoked, expired or used up.',
    reserved: null,
  }],
  [417, {
    code: 417,
    name: 'no-such-member',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The group has no such member.',
    reserved: null,
  }],
  [418, {
    code: 418,
    name: 'too-many-groups',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'A user would be in more groups than it may be.',
    reserved: null,
  }],
  [430, {
    code: 430,
    name: 'no-such-message',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The conversation has no such message, or the user may not read it.',
    reserved: null,
  }],
  [431, {
    code: 431,
    name: 'too-late',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The message is too old for this.',
    reserved: null,
  }],
  [432, {
    code: 432,
    name: 'message-deleted',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The message was deleted.',
    reserved: null,
  }],
  [433, {
    code: 433,
    name: 'invalid-reaction',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'A reaction is one emoji.',
    reserved: null,
  }],
  [440, {
    code: 440,
    name: 'too-many-watches',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The session watches as many users as it may; unwatch some first.',
    reserved: null,
  }],
  [441, {
    code: 441,
    name: 'too-many-exceptions',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The list of exceptions is longer than it may be.',
    reserved: null,
  }],
  [450, {
    code: 450,
    name: 'contact-blocked',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user has blocked the other; to write, unblock first.',
    reserved: null,
  }],
  [451, {
    code: 451,
    name: 'list-full',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The list has as many entries as it may have; remove one first.',
    reserved: null,
  }],
  [460, {
    code: 460,
    name: 'no-invites',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'Users do not make invites here.',
    reserved: null,
  }],
  [461, {
    code: 461,
    name: 'too-many-invites',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user has given out as many invites as it may for now; they count until they expire.',
    reserved: null,
  }],
  [462, {
    code: 462,
    name: 'no-such-invite',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user has no such invite.',
    reserved: null,
  }],
  [463, {
    code: 463,
    name: 'no-search',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'Messages are not searched here.',
    reserved: null,
  }],
  [470, {
    code: 470,
    name: 'no-such-blob',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user holds no such blob, or the message carries none of this id.',
    reserved: null,
  }],
  [471, {
    code: 471,
    name: 'blob-too-large',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The blob is larger than the server takes.',
    reserved: null,
  }],
  [472, {
    code: 472,
    name: 'type-not-allowed',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'Blobs of this type are not taken here.',
    reserved: null,
  }],
  [473, {
    code: 473,
    name: 'quota-exceeded',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'The user\'s blobs would take more room than they may; delete messages that carry some.',
    reserved: null,
  }],
  [474, {
    code: 474,
    name: 'no-blobs',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'Blobs are not kept here.',
    reserved: null,
  }],
  [475, {
    code: 475,
    name: 'hash-mismatch',
    scope: 'stanza',
    class: 'refused',
    retryable: false,
    doc: 'What was uploaded does not have the hash that was announced; told by HTTP alone.',
    reserved: null,
  }],
])

/** Limits and times of the protocol by name. */
export const LIMIT = {
  /** Body of a frame (type and fields) once the session is open. (bytes) */
  frameBytesMax: 65536,
  /** Body of a frame before welcome. (bytes) */
  openFrameBytesMax: 4096,
  /** All that a client may send before it has welcome. (bytes) */
  openBytesMax: 16384,
  /** Messages, marks and operations that a client may send before it has welcome. (stanzas) */
  openStanzasMax: 64,
  /** From the accepted connection to welcome. (ms) */
  openTimeoutMs: 10000,
  /** Largest unsigned integer: 2^53 - 1. */
  uintMax: 9007199254740991,
  /** Longest encoding of an unsigned integer. (bytes) */
  uintBytesMax: 8,
  /** Items of a list field. (items) */
  listItemsMax: 16,
  /** Extensions of one frame. (items) */
  extensionsMax: 16,
  /** Nesting of elements; the outermost is level 1. (levels) */
  elementDepthMax: 8,
  /** Elements and texts of one tree. (nodes) */
  elementNodesMax: 4096,
  /** Attributes of one element. (items) */
  elementAttributesMax: 32,
  /** A user name or a device id. (bytes) */
  nameBytesMax: 64,
  /** A full address: name, slash, device. (bytes) */
  addressBytesMax: 129,
  /** hello.agent, bind.deviceName and every reason; a longer agent or name is cut. (bytes) */
  labelBytesMax: 128,
  /** A password after preparation, in UTF-8. (bytes) */
  passwordBytesMax: 1024,
  /** Plain text of a message, in Unicode code points. (characters) */
  textCharactersMax: 700,
  /** Unacknowledged queue entries where the device names no number. (entries) */
  windowDefault: 256,
  /** Largest window a server grants. (entries) */
  windowMax: 1024,
  /** Messages, marks and operations of one device without ack or refuse. (stanzas) */
  unacknowledgedMax: 1024,
  /** Queries of one session without result or fail. (queries) */
  queriesMax: 8,
  /** Messages of one history page. (messages) */
  historyPageMax: 100,
  /** Conversations of one page of the list. (conversations) */
  conversationsPageMax: 100,
  /** Messages of one page of search. (messages) */
  searchPageMax: 50,
  /** Different words of one search. (words) */
  searchWordsMax: 8,
  /** The words of one search, in UTF-8. (bytes) */
  searchBytesMax: 256,
  /** Different words by which one message is found: the first ones. (words) */
  searchMessageWordsMax: 256,
  /** An invite code as a person may write it. (bytes) */
  inviteBytesMax: 64,
  /** Accounts that one invite may make. (uses) */
  inviteUsesMax: 1000000,
  /** A name of a profile, and the own name for a contact, in code points. (characters) */
  profileNameCharactersMax: 64,
  /** The about of a profile, in code points. (characters) */
  profileAboutCharactersMax: 140,
  /** Users of one profile query. (users) */
  profileUsersMax: 100,
  /** Contacts of one user. (contacts) */
  contactsMax: 10000,
  /** Users that one user may have blocked. (users) */
  blockedMax: 10000,
  /** Items of one page of contacts, blocked or flags. (items) */
  listPageMax: 500,
  /** Messages that go with a report. (messages) */
  reportMessagesMax: 5,
  /** Messages that may be sent at once to somebody who has neither answered nor the sender among the contacts. (messages) */
  strangerMessagesBurst: 60,
  /** Longest silence either side may keep. (ms) */
  keepAliveMs: 120000,
  /** A ping without an answer for this long: the connection is dead. (ms) */
  pongTimeoutMs: 20000,
  /** After sending close: wait this long for the peer to end the connection. (ms) */
  closeTimeoutMs: 5000,
  /** A client acknowledges an entry no later than this after storing it. (ms) */
  cursorDelayMs: 1000,
  /** Members of one group. (members) */
  groupMembersMax: 200,
  /** Groups that one user is in, and as many others that it is invited to or has asked to join. (groups) */
  groupsMax: 1000,
  /** Display name of a group, in Unicode code points. (characters) */
  groupNameCharactersMax: 100,
  /** Description of a group, in Unicode code points. (characters) */
  groupAboutCharactersMax: 512,
  /** Links of one group that are in force. (links) */
  groupLinksMax: 8,
  /** Users invited to a group, and users who asked to join it, without an answer. (users) */
  groupGuestsMax: 200,
  /** Times that one user was a member of a group, with something between them; of earlier ones it may read no longer. (intervals) */
  groupIntervalsMax: 32,
  /** Former members of a group who may still read what they could read; beyond it the first to have left may no longer. (users) */
  groupFormerMax: 400,
  /** A message older than this is not edited any more: 15 minutes. (ms) */
  editAgeMs: 900000,
  /** A message older than this is not deleted by its author any more: 2 days. (ms) */
  deleteAgeMs: 172800000,
  /** Shortest timer of a conversation: 5 seconds. (ms) */
  timerMinMs: 5000,
  /** Longest timer of a conversation: a year. (ms) */
  timerMaxMs: 31536000000,
  /** What has expired is gone from the log of a running server no later than this: 2 minutes. (ms) */
  expiryDelayMs: 120000,
  /** A reaction, in Unicode code points. (characters) */
  reactionCharactersMax: 10,
  /** Different reactions to one message that history shows, those given most first. (reactions) */
  reactionsShownMax: 20,
  /** Users that history names with the reactions to one message, as far as a frame has room. (users) */
  reactionNamesMax: 200,
  /** Users that one message mentions. (users) */
  mentionsMax: 20,
  /** How often a message says that it was forwarded; beyond it the number stays. (times) */
  forwardsMax: 100,
  /** Devices of one user. (devices) */
  devicesMax: 10,
  /** A device further behind than this may be told too old: a queue need not hold more. (entries) */
  queueEntriesMax: 100000,
  /** A device not seen for this long is told too old: 30 days. (ms) */
  queueAgeMs: 2592000000,
  /** A client id is recognised at least this long: 30 days. (ms) */
  dedupAgeMs: 2592000000,
  /** A token not used for this long expires: 90 days. (ms) */
  tokenAgeMs: 7776000000,
  /** A token older than this is rotated at the next bind: 7 days. (ms) */
  tokenRotateMs: 604800000,
  /** A token. (bytes) */
  tokenBytes: 32,
  /** A client refuses fewer (RFC 7677). (iterations) */
  scramIterationsMin: 4096,
  /** A client refuses more. (iterations) */
  scramIterationsMax: 10000000,
  /** First bound of the back-off. (ms) */
  reconnectBaseMs: 500,
  /** Largest bound of the back-off. (ms) */
  reconnectCapMs: 60000,
  /** Users whose presence one session watches. (users) */
  watchesMax: 256,
  /** Changes of a user's presence within this make one. (ms) */
  presenceDelayMs: 500,
  /** Typing that is not repeated is over after this. (ms) */
  typingExpiryMs: 10000,
  /** The same typing is repeated no sooner than this. (ms) */
  typingRefreshMs: 4000,
  /** Users on the list of exceptions of the privacy settings. (users) */
  privacyExceptMax: 256,
  /** One blob: 16 MiB. (bytes) */
  blobBytesMax: 16777216,
  /** Attachments of one message. (attachments) */
  attachmentsMax: 10,
  /** Name of an attachment, in UTF-8. (bytes) */
  attachmentNameBytesMax: 255,
  /** Media type of a blob. (bytes) */
  mediaTypeBytesMax: 127,
  /** Width or height of an attachment. (pixels) */
  attachmentPixelsMax: 65535,
  /** What stands for a picture until it has loaded. (bytes) */
  placeholderBytesMax: 1024,
  /** Key of an attachment that its client has encrypted. (bytes) */
  attachmentKeyBytesMax: 128,
  /** Longer edge of a thumbnail. (pixels) */
  thumbnailPixelsMax: 320,
  /** Uploads of one user under way. (uploads) */
  uploadsMax: 16,
  /** An upload that lies for this long is over: a day. (ms) */
  uploadAgeMs: 86400000,
  /** A blob waits so long for the message that carries it: a day. (ms) */
  blobHoldMs: 86400000,
  /** A download URL is good for so long: an hour. (ms) */
  blobUrlAgeMs: 3600000,
} as const

/** Values of welcome.resume. [QUE-8] */
export const RESUME = { fresh: 0, resumed: 1, tooOld: 2 } as const

/** Values of receipt.mark and mark.mark. */
export const MARK = { delivered: 1, read: 2 } as const

/** Values of activity.activity. [PRS-2] */
export const ACTIVITY = { active: 1, inactive: 2 } as const

/** Values of presence.state. [PRS-5] */
export const PRESENCE = { offline: 0, online: 1 } as const

/** Values of typing.kind and typingFrom.kind. [PRS-12] */
export const TYPING = { typing: 1, recording: 2, paused: 3 } as const

/** Values of operate.kind and operation.kind. */
export const OPERATION = { edit: 1, delete: 2, react: 3 } as const

/** Values of changed.list. */
export const LIST = { profile: 1, contacts: 2, blocked: 3, flags: 4 } as const
