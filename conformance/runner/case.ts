/** What a case is, as its file has it. `cases/schema.json` says the same for editors and is what the files are checked by. */
import type { Shown } from './certificate.js'

export type Level = 'MUST' | 'SHOULD' | 'MAY'

/** Attributes of a frame, by their XML names. */
export type Attributes = Readonly<Record<string, string | number>>

/** What the client's user would see. What is left out is not looked at; `messages` names every conversation that is shown. */
export interface ExpectedDump {
  /** By conversation, in order: seq, from, text, and what else is told of it. */
  readonly messages?: Readonly<Record<string, readonly ExpectedMessage[]>>
  readonly outbox?: readonly (readonly [to: string, text: string])[]
  readonly refused?: readonly (readonly [to: string, text: string, error: string])[]
  readonly watermarks?: Readonly<Record<string, { readonly delivered?: number; readonly read?: number }>>
  readonly unread?: Readonly<Record<string, number>>
  readonly typing?: readonly (readonly [conversation: string, from: string])[]
  readonly presence?: Readonly<Record<string, string>>
  readonly state?: string
  readonly error?: string
  /** What was downloaded and is shown, by the id of the blob, as text. */
  readonly files?: Readonly<Record<string, string>>
}

export type ExpectedMessage = readonly [seq: number, from: string, text: string, more?: ExpectedMore]

export interface ExpectedMore {
  readonly edited?: boolean
  readonly deleted?: boolean
  readonly incomplete?: boolean
  readonly change?: boolean
  /** By emoji, who. */
  readonly reactions?: Readonly<Record<string, readonly string[]>>
}

/** A command to the client's adapter: `do` is its name, all else its arguments. */
export interface Command {
  readonly do: string
  readonly [argument: string]: unknown
}

export interface OpenStep {
  readonly welcome?: Attributes
  readonly features?: Attributes
  readonly mechanisms?: readonly string[]
  /** Which way of authentication the client has to take; any where left out. */
  readonly by?: 'password' | 'token'
  /** False: no `done` behind `welcome`. */
  readonly done?: boolean
  /** Stops when this frame has been read or sent; what comes next is for other steps. */
  readonly until?: string
  /** What the SCRAM exchange has otherwise than the right one. */
  readonly scram?: ScramTwist
  /** Milliseconds from the end of the last connection, at least and at most. */
  readonly after?: readonly [number, number]
  readonly at?: string
}

/** Another server-first or server-final, as text; `$clientNonce`, `$serverNonce` and `$salt` stand for the right parts. */
export interface ScramTwist {
  readonly challenge?: string
  readonly final?: string
}

export interface AcceptStep {
  readonly after?: readonly [number, number]
  readonly at?: string
  /** With the feature `clock`: lets the client's clock jump ahead by so many milliseconds again and again until it connects. */
  readonly advancing?: number
}

/** Bytes that no frame can be made of: hexadecimal, or a piece of it many times. */
export type RawBytes = string | { readonly repeat: string; readonly times: number } | readonly RawBytes[]

/** One step: one of the verbs, with what it needs beside it. */
export interface Step {
  /** Of the client, by its adapter. */
  readonly do?: string
  /** Kill it without warning, start it again with the same storage. */
  readonly restart?: true
  readonly kill?: true
  /** Wait for a connection, alone or with the whole opening. */
  readonly accept?: AcceptStep
  readonly open?: OpenStep
  /** No connection comes for so many milliseconds. */
  readonly noConnection?: number
  /** With TLS: within so many milliseconds the client tries, and sends nothing. */
  readonly untrusted?: number
  /** The next frames of the client. */
  readonly expect?: string | readonly string[]
  /** No frame that changes anything comes for so many milliseconds, nor one of these that may come at any time otherwise. */
  readonly quiet?: number
  readonly even?: readonly string[]
  /** The client says close with one of these errors, and ends the transport. */
  readonly expectClose?: string | readonly string[]
  /** The transport ends, with a close before it or without. */
  readonly expectEnd?: true
  /** From now on the server does not end its side when the client has ended its own. */
  readonly hold?: true
  /** With `hold`: the client drops the transport, which its own end alone does not do. */
  readonly expectDrop?: true
  readonly send?: string | readonly string[]
  /** Sent, and sent again. */
  readonly duplicate?: string
  /** Sent in the opposite order. */
  readonly reorder?: readonly string[]
  /** Counts as sent, and never arrives. */
  readonly drop?: string | readonly string[]
  /** The first bytes of a frame; then nothing, until another step. */
  readonly cut?: string
  readonly bytes?: number
  readonly raw?: RawBytes
  /** A WebSocket message of text. */
  readonly text?: string
  /** What is sent from now on goes out in pieces of so many bytes, so many milliseconds apart. */
  readonly throttle?: { readonly bytes: number; readonly everyMs: number }
  /** Ends the transport: in good order, or with a reset. */
  readonly close?: 'end' | 'reset'
  /** From now on nothing is read and nothing written, and the transport stays. */
  readonly halfOpen?: true
  /** From now on the server answers no ping by itself. */
  readonly silent?: true
  readonly delay?: number
  /** The client has read all that was sent: a ping and its pong. */
  readonly sync?: true
  /** So many messages of `from`, each with its number as its text, no more at a time than the window has room for. */
  readonly backlog?: number
  readonly from?: string
  /** The entries behind the cursor that bind named, as they were sent before. */
  readonly resend?: true
  readonly repeat?: number
  readonly steps?: readonly Step[]
  readonly dump?: ExpectedDump
  /** So many messages are shown, each conversation without a hole, and each seq once. */
  readonly shown?: number
  /** Pairs of a value and its pattern. */
  readonly check?: readonly (readonly [value: string, pattern: string])[]
  /** How the waits before connections were spread, all or the `last` ones: all within the bounds, and not all alike. */
  readonly waits?: { readonly least: number; readonly most: number; readonly spread: number; readonly last?: number }
  /** Another port, whose `host:port` is known under this name. */
  readonly listen?: string
  /** A file at a URL that is known under this name: its text, and after how many bytes the connection ends too early. */
  readonly serve?: string
  readonly body?: string
  readonly cutAfter?: number
  /** Of server mode: which of the two accounts. */
  readonly as?: string
  /** Milliseconds in which it has to happen. */
  readonly within?: number
  /** With `do`: what the client is expected to say of it. */
  readonly refused?: string
  /** With `do`: the answer comes when it comes; the case is over when all have come. */
  readonly later?: true
  readonly [argument: string]: unknown
}

/** A case as it is written; a table makes several of one. */
export interface CaseSource {
  readonly id: string
  readonly title: string
  readonly requirements: readonly string[]
  readonly level?: Level
  /** The peer does something wrong, or something goes wrong, and the client has to withstand it. */
  readonly negative?: boolean
  readonly features?: readonly string[]
  /** Default: any, which is TCP for all but browsers. */
  readonly transport?: Transport | 'any'
  readonly begin?: string
  /** Attributes of every `welcome` of the case. */
  readonly welcome?: Attributes
  /** What the user types as the password; without it one is made up. */
  readonly password?: string
  /** With TLS: what the server shows; without it a certificate for its address that the client was told to trust. */
  readonly certificate?: Shown
  /** With TLS: the newest version that the server speaks. */
  readonly tlsMax?: 'TLSv1.2' | 'TLSv1.3'
  /** Every message, mark and operation is acked as a server would. */
  readonly acks?: boolean
  /** Answers to queries, by the name of the query; one more than is here gets the last again. */
  readonly answers?: Readonly<Record<string, string | readonly string[]>>
  /** Rows: `{{name}}` in all that the case says stands for the row's value. A row has a `name`. */
  readonly table?: readonly Readonly<Record<string, string | number | boolean | readonly string[]>>[]
  readonly steps: readonly Step[]
  readonly dump?: ExpectedDump
}

export type Transport = 'tcp' | 'ws' | 'tls' | 'wss'

/** A file of cases. */
export interface CaseFile {
  readonly about: string
  readonly mode?: Mode
  readonly cases: readonly CaseSource[]
}

/** What is tested: a client or a server. */
export type Mode = 'client' | 'server'

/** A case as it is played. */
export interface Case extends Omit<CaseSource, 'table'> {
  readonly level: Level
  readonly negative: boolean
  readonly features: readonly string[]
  readonly transport: Transport | 'any'
  readonly mode: Mode
  /** The file, below `cases/`. */
  readonly file: string
  /** With those of its beginning in front. */
  readonly steps: readonly Step[]
}
