/**
 * What a client keeps on stable storage, the changes it makes to it, and the interface of a storage. The client's state moves by
 * changes alone: the same reduction that a storage does at load time.
 */

/** What a stanza is: a message, a read mark, or an operation on a message. */
export type StanzaKind = 'message' | 'mark' | OperationName

/** As operate.kind names them. */
export type OperationName = 'edit' | 'delete' | 'react'

/** A message, mark or operation that has not been answered. [MSG-12] */
export interface OutboxRecord {
  /** Permanent: it stays when the client id has to change. 1 or more, rising. */
  readonly handle: number
  /** Under which it was or will be sent. [MSG-2] */
  readonly clientId: number
  readonly kind: StanzaKind
  /** The conversation, normalised. */
  readonly to: string
  /** Of a message or an operation; '' in a mark. */
  readonly text: string
  /** Of a message: encoded extensions. */
  readonly extensions: Uint8Array
  /** Of a mark: read up to here; of an operation: its target; 0 in a message. */
  readonly seq: number
}

export interface MarkRecord {
  readonly delivered: number
  readonly read: number
}

/** What was known of a log that may be another one of the same name now, until all is fetched that there is. */
export interface DoubtRecord {
  /** How far it was known to go: one that is shorter is another. */
  readonly tail: number
  /** What was accepted of this device since, whichever it is. */
  readonly accepted: readonly number[]
}

/** What a client knows of a conversation. Lists of seqs are ranges: from, to, from, to…, rising. */
export interface ConversationRecord {
  /** Highest seq known to exist. */
  readonly tail: number
  /** Highest seq that the application has been given as a message. */
  readonly shown: number
  /** Acknowledged to this device, above `shown`: their entries are this device's own. [QUE-11] */
  readonly own: readonly number[]
  /** The user's own messages given to the application while an unanswered one of this device waited for its ack. */
  readonly echoes: readonly number[]
  /** Absent, as in what storages of before kept, or null: the log is the one that is known. */
  readonly doubt?: DoubtRecord | null
  /** Watermarks as told, which may be ahead of `tail`; the user's own under the user's name. */
  readonly members: ReadonlyMap<string, MarkRecord>
}

/** All that a device must not forget. */
export interface ClientState {
  /** '' until the first session: which user and device this state belongs to. */
  readonly user: string
  readonly device: string
  /** null: authenticate with the password. */
  readonly token: Uint8Array | null
  /** 0: the device has no cursor yet. */
  readonly queueEpoch: number
  readonly cursor: number
  /** 0: none yet; what the outbox holds is not sent before it is known. [OPN-11] */
  readonly outboxEpoch: number
  /** As the last welcome said, for the flight before the next one. */
  readonly unacknowledgedMax: number
  readonly nextClientId: number
  readonly nextHandle: number
  /** The device was told too old and has not yet fetched all it missed. [QUE-9] */
  readonly isBehind: boolean
  /** By handle. */
  readonly outbox: ReadonlyMap<number, OutboxRecord>
  readonly conversations: ReadonlyMap<string, ConversationRecord>
}

/** One change. A batch of them is applied as a whole or not at all. */
export type StorageChange =
  | { readonly kind: 'identity'; readonly user: string; readonly device: string }
  | { readonly kind: 'token'; readonly token: Uint8Array | null }
  | { readonly kind: 'cursor'; readonly queueEpoch: number; readonly cursor: number }
  | { readonly kind: 'outboxEpoch'; readonly outboxEpoch: number }
  | { readonly kind: 'limits'; readonly unacknowledgedMax: number }
  | { readonly kind: 'counters'; readonly nextClientId: number; readonly nextHandle: number }
  | { readonly kind: 'behind'; readonly isBehind: boolean }
  | { readonly kind: 'outboxPut'; readonly record: OutboxRecord }
  | { readonly kind: 'outboxRemove'; readonly handle: number }
  | {
    readonly kind: 'conversation'; readonly conversation: string
    readonly tail: number; readonly shown: number; readonly own: readonly number[]; readonly echoes: readonly number[]
    /** Absent in nearly all of them, and in what older versions wrote: none. */
    readonly doubt?: DoubtRecord
  }
  | { readonly kind: 'watermark'; readonly conversation: string; readonly member: string; readonly delivered: number; readonly read: number }

/**
 * Where a client keeps its state. One client uses it at a time, and calls one method at a time.
 * A rejection of `apply` stops the client: nothing is acknowledged on the strength of a write that failed.
 */
export interface ClientStorage {
  /** Opens the storage and reads the state; called once, first. Rejects with ClientError `storage-locked` or `storage-damaged`. */
  load(): Promise<ClientState>
  /** Applies all changes, atomically and durably: when the promise resolves they survive a crash, before that all or none of them. */
  apply(changes: readonly StorageChange[]): Promise<void>
  /** Releases the storage. */
  close(): Promise<void>
}

/** The state of a device that knows nothing. [OPN-10] */
export function emptyState(): MutableState {
  return {
    user: '', device: '', token: null, queueEpoch: 0, cursor: 0, outboxEpoch: 0, unacknowledgedMax: 0, nextClientId: 1, nextHandle: 1,
    isBehind: false, outbox: new Map(), conversations: new Map(),
  }
}

interface MutableConversation {
  tail: number
  shown: number
  own: readonly number[]
  echoes: readonly number[]
  doubt: DoubtRecord | null
  members: Map<string, MarkRecord>
}

/** The state as a storage builds it. */
export interface MutableState extends ClientState {
  user: string
  device: string
  token: Uint8Array | null
  queueEpoch: number
  cursor: number
  outboxEpoch: number
  unacknowledgedMax: number
  nextClientId: number
  nextHandle: number
  isBehind: boolean
  readonly outbox: Map<number, OutboxRecord>
  readonly conversations: Map<string, MutableConversation>
}

/** Applies changes to a state in place, in order. Any prefix of batches gives a state from which a client can go on. */
export function applyChanges(state: MutableState, changes: readonly StorageChange[]): void {
  for (const change of changes) applyChange(state, change)
}

function applyChange(state: MutableState, change: StorageChange): void {
  switch (change.kind) {
    case 'identity':
      state.user = change.user
      state.device = change.device
      return
    case 'token':
      state.token = change.token
      return
    case 'cursor':
      state.queueEpoch = change.queueEpoch
      state.cursor = change.cursor
      return
    case 'outboxEpoch':
      state.outboxEpoch = change.outboxEpoch
      return
    case 'limits':
      state.unacknowledgedMax = change.unacknowledgedMax
      return
    case 'counters':
      state.nextClientId = Math.max(state.nextClientId, change.nextClientId)
      state.nextHandle = Math.max(state.nextHandle, change.nextHandle)
      return
    case 'behind':
      state.isBehind = change.isBehind
      return
    case 'outboxPut':
      state.outbox.set(change.record.handle, change.record)
      // Numbers once used are never used again, not even after their record is gone. [MSG-2]
      state.nextClientId = Math.max(state.nextClientId, change.record.clientId + 1)
      state.nextHandle = Math.max(state.nextHandle, change.record.handle + 1)
      return
    case 'outboxRemove':
      state.outbox.delete(change.handle)
      return
    case 'conversation': {
      const known = conversationIn(state, change.conversation)
      known.tail = change.tail
      known.shown = change.shown
      known.own = change.own
      known.echoes = change.echoes
      known.doubt = change.doubt ?? null
      return
    }
    case 'watermark':
      conversationIn(state, change.conversation).members.set(change.member, { delivered: change.delivered, read: change.read })
      return
  }
}

function conversationIn(state: MutableState, conversation: string): MutableConversation {
  let known = state.conversations.get(conversation)
  if (known === undefined) {
    known = { tail: 0, shown: 0, own: [], echoes: [], doubt: null, members: new Map() }
    state.conversations.set(conversation, known)
  }
  return known
}

/** The changes that build this state from an empty one; for compaction. */
export function snapshotOf(state: ClientState): StorageChange[] {
  const changes: StorageChange[] = [
    { kind: 'identity', user: state.user, device: state.device },
    { kind: 'token', token: state.token },
    { kind: 'cursor', queueEpoch: state.queueEpoch, cursor: state.cursor },
    { kind: 'outboxEpoch', outboxEpoch: state.outboxEpoch },
    { kind: 'limits', unacknowledgedMax: state.unacknowledgedMax },
    { kind: 'counters', nextClientId: state.nextClientId, nextHandle: state.nextHandle },
    { kind: 'behind', isBehind: state.isBehind },
  ]
  for (const record of state.outbox.values()) changes.push({ kind: 'outboxPut', record })
  for (const [conversation, { tail, shown, own, echoes, doubt = null, members }] of state.conversations) {
    changes.push({ kind: 'conversation', conversation, tail, shown, own, echoes, ...doubt === null ? {} : { doubt } })
    for (const [member, { delivered, read }] of members) changes.push({ kind: 'watermark', conversation, member, delivered, read })
  }
  return changes
}

/** A copy that later changes to `state` do not touch. Records are shared: they never change. */
export function copyState(state: ClientState): MutableState {
  const copy = emptyState()
  applyChanges(copy, snapshotOf(state))
  return copy
}
