/** What the server and its process of blobs say to each other, beside calls. Some messages carry a socket. */
import type { Config } from '../../config/settings.js'
import type { CountChanges } from './counts.js'
import type { CallMessage, SentError } from './calls.js'

/** A value of a log line; errors in the form in which they travel. */
export type SentField = string | number | boolean | null | undefined | { readonly error: SentError }

/** From the server. */
export type ToProcess =
  | CallMessage
  /** The first message. */
  | { readonly kind: 'start', readonly config: Config, readonly key: Uint8Array }
  /** With a socket, or without one where it closed on the way. `isStandIn`: the server moves the bytes of the real one, which is TLS. */
  | { readonly kind: 'connection', readonly id: number, readonly head: Uint8Array, readonly address: string, readonly isStandIn: boolean }
  /**
   * Behind each connection: the next may be sent, whether or not this one has arrived. node holds messages back until a socket is there, and
   * gives one up that can't be, as where the process has no descriptor left; it tells nobody.
   */
  | { readonly kind: 'sent', readonly id: number }
  /** Blobs with these objects are no more. */
  | { readonly kind: 'forgotten', readonly objects: readonly string[] }

/** To the server. */
export type FromProcess =
  | CallMessage
  | { readonly kind: 'ready' }
  | { readonly kind: 'not-ready', readonly error: SentError }
  /** The answer to `sent`. */
  | { readonly kind: 'taken', readonly id: number }
  | { readonly kind: 'closed', readonly id: number }
  /** Of a stand-in, before it is left over: nothing more is to be written to it. What has been is read to its end. */
  | { readonly kind: 'leaving', readonly id: number }
  /** With the socket, unless it is a stand-in. `closed` comes behind it, for one that gets lost. */
  | { readonly kind: 'left-over', readonly id: number, readonly head: Uint8Array }
  | { readonly kind: 'log', readonly level: 'debug' | 'info' | 'warn' | 'error', readonly fields: Readonly<Record<string, SentField>>, readonly event: string }
  /** `promised`: bytes that bodies under way have been promised room for. */
  | { readonly kind: 'counts', readonly changes: CountChanges, readonly promised: number }
