/** Steps of server mode: the suite is the clients. `cases/server-schema.json` says the same for editors, and is what files are checked by. */
import type { Attributes, Case, RawBytes } from './case.js'
import type { DialTwist } from './dial.js'

/** How the SCRAM exchange of a login goes otherwise than the right one. */
export interface ScramChange {
  /** The name in client-first. */
  readonly name?: string
  readonly password?: string
  readonly gs2?: string
  /** The whole of client-first; `$clientNonce` stands for the nonce. */
  readonly first?: string
  /** What client-final says of the channel binding, in base64. */
  readonly binding?: string
  /** Put behind the nonce of client-final. */
  readonly nonce?: string
  /** Of the proof, in base64. */
  readonly proof?: string
}

export type LoginPhase = 'connected' | 'features' | 'challenge' | 'authenticated' | 'welcome' | 'done'

export interface LoginStep {
  /** By token where the device has one and nothing is said. */
  readonly by?: 'password' | 'token'
  /** Everything up to bind in one write, by token; then these frames behind it. */
  readonly flight?: readonly string[]
  /** Stops when it has come so far; without it at `done`, with all of the backlog acknowledged. */
  readonly until?: LoginPhase
  readonly bind?: Attributes
  /** Binds with the extension noQueue, and stops at welcome. */
  readonly noQueue?: true
  /** In the place of the device's own; bytes as in frames. */
  readonly token?: string
  readonly scram?: ScramChange
  readonly mechanism?: string
  /** It does not come to that: the server closes with one of these errors. */
  readonly refused?: string | readonly string[]
}

/** A request of HTTP, and what is expected of its answer. */
export interface HttpStep {
  readonly method: string
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly status: number | readonly number[]
  /** Patterns by header, in lower case; `absent` stands for none. */
  readonly answer?: Readonly<Record<string, string>>
  /** Pattern of the body as text; bytes that are no text as `hex:00ff`. */
  readonly text?: string
}

export interface ServerStep {
  /** Which device: `bob/laptop`; `bob/laptop#2` has the same state on another connection. Without it `alice/phone`. */
  readonly as?: string
  readonly within?: number
  readonly connect?: DialTwist & { readonly refused?: boolean }
  readonly login?: LoginStep
  /** The device forgets all that it has: token, epochs, cursor. */
  readonly lose?: true
  readonly send?: string | readonly string[]
  /** With `send`: acks of all come, that of the last with a seq of this pattern. */
  readonly acked?: string
  /** With `send`: its last frame is refused with this error, the others are acked. */
  readonly refused?: string
  readonly raw?: RawBytes
  readonly cut?: string
  readonly bytes?: number
  /** A WebSocket message of text. */
  readonly text?: string
  readonly throttle?: { readonly bytes: number; readonly everyMs: number }
  readonly close?: 'end' | 'reset'
  readonly halfOpen?: true
  /** Answers no ping, and sends none by itself. */
  readonly silent?: true
  /** Goes as a client goes in good order: close, and the end of the transport. */
  readonly leave?: true
  readonly expect?: string | readonly string[]
  /** In whatever order. */
  readonly expectAll?: readonly string[]
  /** One like this has come, or comes, since `forget` or the opening. */
  readonly some?: string
  /** Everything up to now has come, and none of it, since `forget` or the opening, is like this. */
  readonly never?: string
  /** So many frames like the one named have come, since `forget` or the opening. */
  readonly count?: number
  readonly of?: string
  readonly quiet?: number
  readonly expectClose?: string | readonly string[]
  readonly expectEnd?: true
  /** All that has come so far is of no more interest. */
  readonly forget?: true
  /** Acknowledges everything that has come; a number: up to that index, or the variable's. */
  readonly store?: true | string
  /** A query, with the answer expected: an element's pattern, or the name of an error, or of one of several. */
  readonly ask?: string
  readonly result?: string
  readonly fail?: string | readonly string[]
  readonly sync?: true
  readonly delay?: number
  readonly check?: readonly (readonly [value: string, pattern: string])[]
  /** The same; where it does not hold, the server can't be shown the case. */
  readonly need?: readonly (readonly [value: string, pattern: string])[]
  readonly repeat?: number | string
  readonly steps?: readonly ServerStep[]
  readonly http?: HttpStep
}

/** Of a case of server mode. The schema has seen to it that they are such. */
export function serverSteps(one: Case): readonly ServerStep[] {
  return one.steps as readonly unknown[] as readonly ServerStep[]
}

/** The people of cases, in the order of their addresses. */
export const roles = ['alice', 'bob', 'carol', 'dave', 'erin', 'frank'] as const

export type Role = typeof roles[number]

/** Whom a case speaks of: each gets an account. */
export function rolesOf(one: Case): Role[] {
  const text = JSON.stringify(one.steps)
  return roles.filter((role) => role === 'alice' || text.includes(`$${role}`) || text.includes(`"as":"${role}/`))
}
