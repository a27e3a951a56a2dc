/** What an application gives to a client, and hears of it. */
import type { Attachment } from '../attachments.js'
import type { ClientError } from './client-error.js'
import type { ReceiptEvent } from './conversations.js'
import type { Ack, ChangedEvent, ClientStateName, Held, Message, OperationEvent, Refusal, WelcomeEvent } from './core-types.js'
import type { DeclinedEvent, PresenceEvent, TypingEvent } from './ephemeral.js'
import type { ClientStorage, StanzaKind } from './state.js'
import type { TransportOptions } from './transport.js'

export interface ClientOptions extends TransportOptions {
  /**
   * `tcp://`, `tls://`, `ws://` or `wss://`, host and port; the port may be left out. Several, such as the nodes of a cluster, are tried in turn
   * whenever a connection is lost, the first one first.
   */
  readonly server: string | readonly string[]
  readonly user: string
  /** Needed for the first login and when the token is not valid any more; a function is asked only then. */
  readonly password?: string | (() => string | Promise<string>)
  /** The device's id: stays the same for the same storage. */
  readonly device: string
  /** What a person calls the device. */
  readonly deviceName?: string
  /** Default: memory, which forgets with the process. */
  readonly storage?: ClientStorage
  /**
   * False: it sends and asks alone. No `message`, `operation`, `receipt` or `changed` comes; what waits for the user waits for its other
   * devices, and for this one until it receives. What it sent before then comes as a message with `own`. Default true. [QUE-17]
   */
  readonly receive?: boolean
  /** Unacknowledged queue entries at most, 1 to 1024. Default: the server's. */
  readonly window?: number
  /** Name and version of the program, for the operator's eyes. */
  readonly agent?: string
  /** Default 30,000. */
  readonly queryTimeoutMs?: number
  /** For opening the transport, and again for reaching welcome. Default 15,000. */
  readonly connectTimeoutMs?: number
  /** Messages and marks without an answer that are kept. Default 100,000. */
  readonly outboxEntriesMax?: number
  /** Messages of one conversation that are fetched after `tooOld`, the newest. Default 1,000; older ones stay in `history`. */
  readonly missedMessagesMax?: number
  /** A device without state fetches the history of all conversations as if it had been told too old. Default false. [QUE-9] */
  readonly fetchWhenFresh?: boolean
  /**
   * True: authenticates over `tcp://` and `ws://` to any host, so that whoever listens on the way reads all messages and can take the
   * token. Default false: only to loopback (127.0.0.0/8, ::1, localhost); else `connect` rejects with `plaintext-refused`. [TOK-8]
   */
  readonly allowPlaintext?: boolean
  /** False: the end of a connection stops the client. Default true. */
  readonly reconnect?: boolean
}

/** Events by name. */
export interface ClientEvents {
  /**
   * A message, in order of the queue; the next one comes when all handlers of this one have settled. Don't await `close` in it. A
   * handler that throws or rejects stops the client with `handler-failed`; the message comes again next time.
   */
  message: Message
  /** The same for what was done to a message, in its place among the messages. */
  operation: OperationEvent
  sent: Ack
  refused: Refusal
  /** Not taken now; nothing has to be done, but a person may want to know why it takes so long. */
  held: Held
  receipt: ReceiptEvent
  /** Of a user who is watched: at first, and when it changes. After a reconnect it is told anew. */
  presence: PresenceEvent
  /** Another member of a conversation types or records; `paused` follows in any case. */
  typing: TypingEvent
  /** The server did not take what was watched or told; the connection goes on. */
  declined: DeclinedEvent
  /** The user's own profile, contacts, blocked users or flags have a new version: ask for what changed `since` the one you have. */
  changed: ChangedEvent
  state: ClientStateName
  welcome: WelcomeEvent
  /** What waited at the last welcome has been handed out. */
  synced: { readonly index: number }
  /** What was missed follows as messages with `missed`. A promise of a handler is waited for first. */
  tooOld: undefined
  /** The connection to `server`, a URL, ended or could not be had; another try follows, at another server where there are several. */
  disconnected: { readonly error: ClientError; readonly server: string; readonly retryInMs: number }
  /** The client has stopped and will not go on by itself. */
  error: ClientError
}

/** What waits in the outbox. */
export interface PendingSend {
  readonly handle: number
  readonly kind: StanzaKind
  readonly to: string
  readonly text: string
  readonly attachments: readonly Attachment[]
  /** Raw, as `send` takes them. */
  readonly extensions: Uint8Array
  /** Of a mark; of an operation its target. */
  readonly seq: number
}
