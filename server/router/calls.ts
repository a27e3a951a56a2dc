/**
 * The calls of the router that return a promise, by name: what may be asked of another node, and nothing else. A link's listener looks
 * names up here alone. The tables are checked against the interfaces: a method that is missing, or is none, does not compile.
 */
import type { BlobCommands } from '../blobs/blob-router.js'
import type { Desk } from '../blobs/blob-desk.js'
import type { TimerCommands } from '../expiry/timers.js'
import type { GroupCommands } from '../groups/group-commands.js'
import type { ProfileAdmin, ProfileService } from '../profiles/service.js'
import type { HomeCommands, HomeRouter } from './home-router.js'
import type { Router } from './router.js'

type PromiseMethods<T> = { [K in keyof T]: T[K] extends (...args: never[]) => Promise<unknown> ? K : never }[keyof T]

/** Reads, and changes that come to the same when they are made twice: asked again when an answer was lost. */
const AGAIN = true
/** A second one would be refused, or do more than the first. */
const ONCE = false

const ROUTER = {
  account: AGAIN, checkToken: AGAIN, history: AGAIN, conversations: AGAIN, receipts: AGAIN, devices: AGAIN, removeDevice: ONCE,
  settings: AGAIN, changeSettings: AGAIN, privacy: AGAIN, changePrivacy: AGAIN,
  addUser: ONCE, changeVerifier: AGAIN, removeUser: ONCE, setDisabled: AGAIN, users: AGAIN,
  register: AGAIN, makeInvite: ONCE, invites: AGAIN, revokeInvite: ONCE, search: AGAIN, rebuildSearch: AGAIN,
} as const satisfies Record<Exclude<PromiseMethods<Router>, 'attach'>, boolean>

const GROUPS = {
  create: ONCE, change: ONCE, join: ONCE, details: AGAIN, makeLink: ONCE, revokeLink: ONCE,
} as const satisfies Record<PromiseMethods<GroupCommands>, boolean>

const TIMERS = { get: AGAIN, set: AGAIN } as const satisfies Record<PromiseMethods<TimerCommands>, boolean>

const BLOBS = {
  openUpload: AGAIN, upload: AGAIN, storing: AGAIN, finishUpload: ONCE, abandonUpload: AGAIN, uploaded: AGAIN, find: AGAIN, keep: AGAIN,
  blob: AGAIN, usage: AGAIN,
} as const satisfies Record<PromiseMethods<BlobCommands>, boolean>

const PROFILES = {
  profiles: AGAIN, changeProfile: AGAIN, contacts: AGAIN, setContact: AGAIN, removeContact: AGAIN, blocked: AGAIN, block: AGAIN, unblock: AGAIN,
  flags: AGAIN, changeFlags: AGAIN, report: ONCE, isBlocked: AGAIN, isContact: AGAIN, reports: AGAIN, readReport: AGAIN, closeReport: ONCE,
} as const satisfies Record<PromiseMethods<ProfileService & ProfileAdmin>, boolean>

/** Of one shard among several. */
const HOME = {
  receipts: AGAIN, summaryPart: AGAIN, profileVersions: AGAIN, conversationNames: AGAIN, flags: AGAIN, searchIn: AGAIN,
} as const satisfies Record<PromiseMethods<HomeCommands>, boolean>

/** Not the router's, but asked by the same sessions: of the node that keeps the files. */
const DESK = {
  upload: AGAIN, whatBecame: AGAIN, url: AGAIN, find: AGAIN, keep: AGAIN, usage: AGAIN,
} as const satisfies Record<PromiseMethods<Desk>, boolean>

const PARTS = { router: ROUTER, groups: GROUPS, timers: TIMERS, blobs: BLOBS, profiles: PROFILES, home: HOME, desk: DESK } as const

export type CallPart = keyof typeof PARTS

/** What a call is asked of. */
export interface CallTargets {
  readonly router: HomeRouter
  /** null: the node keeps no files. */
  readonly desk: Desk | null
}

interface Call {
  readonly part: CallPart
  readonly method: string
  readonly isRepeatable: boolean
}

const CALLS: ReadonlyMap<string, Call> = new Map(Object.entries(PARTS).flatMap(([part, methods]) =>
  Object.entries(methods).map(([method, isRepeatable]) => [`${part}.${method}`, { part: part as CallPart, method, isRepeatable }] as const)))

/** Every name there is, as `groups.create`. */
export function callNames(): string[] {
  return [...CALLS.keys()]
}

/** Whether it may be asked again when the answer was lost. */
export function isRepeatable(name: string): boolean {
  return CALLS.get(name)?.isRepeatable === true
}

/** null: there is no call of this name, or it is asked of a part that is not there. Else as the method called. */
export function performCall(targets: CallTargets, name: string, args: readonly unknown[]): Promise<unknown> | null {
  const call = CALLS.get(name)
  if (call === undefined) return null
  const target = call.part === 'router' ? targets.router : call.part === 'desk' ? targets.desk : targets.router[call.part]
  if (target === null) return null
  const method = (target as unknown as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>)[call.method]
  return method === undefined ? null : method.apply(target, [...args])
}

/** Asks for a call by its name. */
export type Ask = (name: string, args: readonly unknown[]) => Promise<unknown>

/** All calls of a part as an object that asks for them. */
function partOf(part: Exclude<CallPart, 'router'>, ask: Ask): Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>> {
  return Object.fromEntries(Object.keys(PARTS[part]).map((method) => {
    const name = `${part}.${method}`
    return [method, (...args: readonly unknown[]) => ask(name, args)]
  }))
}

export interface CallParts {
  readonly groups: GroupCommands
  readonly timers: TimerCommands
  readonly blobs: BlobCommands
  readonly profiles: ProfileService & ProfileAdmin
  readonly home: HomeCommands
}

export function callParts(ask: Ask): CallParts {
  return {
    groups: partOf('groups', ask), timers: partOf('timers', ask), blobs: partOf('blobs', ask), profiles: partOf('profiles', ask),
    home: partOf('home', ask),
  } as unknown as CallParts
}

/** What sessions ask about blobs, asked of the node that keeps the files. `sizeMax` in bytes, as that node has it. */
export function remoteDesk(ask: Ask, sizeMax: number): Desk {
  return Object.assign({ sizeMax }, partOf('desk', ask)) as unknown as Desk
}
