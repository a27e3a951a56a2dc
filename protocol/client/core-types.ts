/** What goes into a ClientCore and what comes out of it. */
import type { Attachment } from '../attachments.js'
import type { Element } from '../element.js'
import type { ClientError } from './client-error.js'
import type { ReceiptEvent } from './conversations.js'
import type { EphemeralEvent } from './ephemeral.js'
import type { ServerAddress } from './server-url.js'
import type { OperationName, StanzaKind, StorageChange } from './state.js'

export interface CoreOptions {
  /** One or more. */
  readonly servers: readonly ServerAddress[]
  /** Normalised. */
  readonly user: string
  /** Normalised. */
  readonly device: string
  readonly deviceName: string
  readonly agent: string
  /** False: nothing is taken off the queue. [QUE-17] */
  readonly receives: boolean
  /** Unacknowledged queue entries asked for; 0: the server's default. */
  readonly window: number
  /** Whether a fresh device fetches the history of all conversations as if it had been told too old. [QUE-9] */
  readonly fetchesWhenFresh: boolean
  /** Whether the shell can answer `scramStart`. */
  readonly hasPassword: boolean
  /** Whether it may authenticate over a plain transport to a host that is not loopback. [TOK-8] */
  readonly allowsPlaintext: boolean
  /** False: the end of the connection stops the client. */
  readonly reconnects: boolean
  /** From 0 up to, not including, 1. */
  readonly random: () => number
  /** From the attempt to an open transport, and again from there to welcome. */
  readonly connectTimeoutMs: number
  readonly queryTimeoutMs: number
  readonly outboxEntriesMax: number
}

/** `waiting`: for the time to connect again. */
export type ClientStateName = 'idle' | 'connecting' | 'online' | 'waiting' | 'stopped'

/** A message of somebody else, or of this user from another device; or a change of a group, by whomever. */
export interface Message {
  readonly conversation: string
  readonly from: string
  /** Position in the conversation. */
  readonly seq: number
  /** Position in the queue; 0: fetched from history after `tooOld`. */
  readonly index: number
  /** When the server accepted it, Unix time. */
  readonly timeMs: number
  readonly text: string
  /** Sent by this user. Messages sent by this device come as `sent` alone, but for one whose ack was lost in a crash: see `Ack.isEchoed`. */
  readonly own: boolean
  /** Fetched from history after `tooOld`. */
  readonly missed: boolean
  /** It has more to it than this version understands, an unknown critical extension: show that there is something. [FRM-7] */
  readonly isIncomplete: boolean
  /** Files that it carries, mostly none; `download` gets them. */
  readonly attachments: readonly Attachment[]
  /** Raw; see decodeExtensions. */
  readonly extensions: Uint8Array
  /** When it has to be dropped, Unix time by the server's clock (`serverNowMs`); 0: it stays. It comes without text where that has passed. [DIS-8] */
  readonly expiresMs: number
  /** What changed in the group, see spec/groups.md; null: it is a message. A name that you don't know is still a change. [GRP-20] */
  readonly change: Element | null
  /** What was done to which message; null: it is none. `BaseClient` gives it out as `operation`, not as `message`. */
  readonly operation: MessageOperation | null
}

export interface MessageOperation {
  /** Seq of the message. */
  readonly target: number
  /** null: a kind that this version does not know. [OPS-15] */
  readonly kind: OperationName | null
}

/** A message was edited, deleted or reacted to: by somebody else, or by this user on another device. See spec/operations.md. */
export interface OperationEvent {
  readonly conversation: string
  readonly from: string
  /** Position in the conversation. */
  readonly seq: number
  /** Position in the queue; 0: fetched from history after `tooOld`. */
  readonly index: number
  /** When the server accepted it, Unix time. */
  readonly timeMs: number
  readonly own: boolean
  readonly missed: boolean
  /** Seq of the message. */
  readonly target: number
  /** null: a kind that this version does not know. */
  readonly kind: OperationName | null
  /** Edit: the new text, '' where a later operation has replaced it, or the message may not be read; react: the emoji, '' for none. */
  readonly text: string
  /** Of an edit: when its text has to be dropped, as for the message; 0: it stays. */
  readonly expiresMs: number
}

/** A stanza of this device is on the server's stable storage. [MSG-1] */
export interface Ack {
  /** As `enqueue` gave it. */
  readonly handle: number
  readonly kind: StanzaKind
  readonly to: string
  readonly clientId: number
  /** 0: of an operation that changed nothing. [OPS-11] */
  readonly seq: number
  /** When the server accepted it, Unix time. */
  readonly timeMs: number
  /** When the message has to be dropped; 0: it stays. [DIS-8] */
  readonly expiresMs: number
  /** The application was given the same message as an entry with `own` before, because the ack was lost in a crash. */
  readonly isEchoed: boolean
}

/** A stanza of this device was refused for good. */
export interface Refusal {
  readonly handle: number
  readonly kind: StanzaKind
  readonly to: string
  readonly clientId: number
  readonly error: ClientError
}

/** A stanza of this device was refused for a time: it goes again by itself, and later ones of its conversation wait for it. [MSG-20] */
export interface Held extends Refusal {
  /** No sooner. */
  readonly retryInMs: number
}

export interface WelcomeEvent {
  readonly session: string
  /** How the queue goes on; `resumed` where the client does not receive. */
  readonly resume: 'fresh' | 'resumed' | 'tooOld'
  /** Queue entries that wait. */
  readonly pending: number
}

/** One of the user's own lists, or its profile, was changed, by this device or another. [PRF-8] */
export interface ChangedEvent {
  readonly list: 'profile' | 'contacts' | 'blocked' | 'flags'
  /** Its version now. A profile's says only whether it is the same. */
  readonly version: number
}

export type CoreEvent =
  | { readonly kind: 'state'; readonly state: ClientStateName }
  | { readonly kind: 'welcome'; readonly welcome: WelcomeEvent }
  /** In the durable outbox. */
  | { readonly kind: 'queued'; readonly handle: number }
  | { readonly kind: 'sent'; readonly ack: Ack }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | { readonly kind: 'held'; readonly held: Held }
  | { readonly kind: 'receipt'; readonly receipt: ReceiptEvent }
  | { readonly kind: 'changed'; readonly changed: ChangedEvent }
  /** The device has to fetch what it missed; no entry is given out before `caughtUp`. [QUE-9] */
  | { readonly kind: 'tooOld' }
  /** The backlog up to this index has been given out. */
  | { readonly kind: 'synced'; readonly index: number }
  | EphemeralEvent
  | { readonly kind: 'answer'; readonly id: number; readonly element: Element }
  | { readonly kind: 'failed'; readonly id: number; readonly error: ClientError }
  | { readonly kind: 'disconnected'; readonly error: ClientError; readonly server: string; readonly retryInMs: number }
  /** The last event. null: closed by the application. */
  | { readonly kind: 'stopped'; readonly error: ClientError | null }

/** What the shell has to do. It carries out each once, in order, after it has written the frames of the same output. */
export type CoreNeed =
  /** Open a transport; answer with `connected` or `ended`. */
  | { readonly kind: 'connect'; readonly address: ServerAddress }
  /** End the transport. `isDead`: at once, nobody listens; else in an orderly way, within closeTimeoutMs [CLS-3]. No input of it follows. */
  | { readonly kind: 'disconnect'; readonly isDead: boolean }
  /** Begin SCRAM; answer with `scramData` or `scramFailed`. */
  | { readonly kind: 'scramStart'; readonly binding: 'none' | 'unoffered' | 'bound' }
  /** Answer a challenge; answer with `scramData` or `scramFailed`. */
  | { readonly kind: 'scramChallenge'; readonly data: Uint8Array }
  /** Check the server's signature; answer with `scramVerified` or `scramFailed`. [SCR-4] */
  | { readonly kind: 'scramVerify'; readonly data: Uint8Array }

export interface CoreOutput {
  /** To be written in one go, in order. */
  readonly frames: readonly Uint8Array[]
  /** To be applied atomically; then call `stored`. Empty while an earlier batch is under way. */
  readonly changes: readonly StorageChange[]
  readonly events: readonly CoreEvent[]
  readonly needs: readonly CoreNeed[]
  /** When to call `tick`, on the clock of `nowMs`; Infinity: not at all. Replaces the one before. */
  readonly dueMs: number
}
