/** What goes over the control socket: one JSON object a line, one answer for each request, in order. Secrets are verifiers only. */
import { LIMIT } from '../../protocol/generated/registry.js'
import { readInviteId } from '../session/invite-code.js'
import type { ClusterStatus } from '../cluster/cluster-status.js'
import type { InviteInfo, NewInvite } from '../accounts/registration-router.js'
import type { AccountSummary, Verifier } from '../router/router.js'
import type { RebuildResult } from '../search/search-router.js'
import { decodeReportRequest, type ReportControlRequest, type ReportLines } from './report-codec.js'

export type ControlRequest =
  | { readonly method: 'addUser' | 'changeVerifier', readonly user: string, readonly verifier: Verifier }
  | { readonly method: 'removeUser', readonly user: string }
  | { readonly method: 'setDisabled', readonly user: string, readonly disabled: boolean }
  | { readonly method: 'users' | 'invites', readonly after: string, readonly limit: number }
  | { readonly method: 'makeInvite', readonly invite: OperatorInvite }
  | { readonly method: 'revokeInvite', readonly id: string }
  | { readonly method: 'rebuildSearch' }
  | ReportControlRequest
  | ClusterControlRequest

const CLUSTER_ACTIONS = ['status', 'drain', 'stay', 'move', 'forget'] as const
export type ClusterAction = (typeof CLUSTER_ACTIONS)[number]

/** Of a server that is a node of a cluster. `node`: whom it is about, empty with status; `shard`: what is moved, 0 else. */
export interface ClusterControlRequest {
  readonly method: 'cluster'
  readonly action: ClusterAction
  readonly node: string
  readonly shard: number
}

/** The code itself stays with who made it. */
export type OperatorInvite = Pick<NewInvite, 'id' | 'secretHash' | 'uses' | 'expiresMs'>

export interface UserPage {
  readonly users: readonly AccountSummary[]
  readonly more: boolean
}

export interface InvitePage {
  readonly invites: readonly InviteInfo[]
  readonly more: boolean
}

export type ControlResult = UserPage | InvitePage | RebuildResult | ReportLines | ClusterStatus | null

export type ControlAnswer =
  | { readonly ok: true, readonly page: ControlResult }
  | { readonly ok: false, readonly code: number, readonly message: string, readonly retryAfterMs: number }

/** Longest line in either direction, in bytes; a page of 1000 users is about a tenth of it. */
export const LINE_BYTES_MAX = 1_048_576

export function encodeRequest(request: ControlRequest): string {
  return `${JSON.stringify(plain(request))}\n`
}

function plain(request: ControlRequest): object {
  if ('verifier' in request) return { ...request, verifier: toText(request.verifier) }
  if ('invite' in request) return { ...request, invite: { ...request.invite, secretHash: base64(request.invite.secretHash) } }
  return request
}

/** The request of a line, or null for anything else. */
export function decodeRequest(line: string): ControlRequest | null {
  let value: Record<string, unknown>
  try {
    value = Object(JSON.parse(line)) as Record<string, unknown>
  } catch {
    return null
  }
  const { method, user, verifier, after, limit, disabled, invite, id, action, node, shard = 0 } = value
  switch (method) {
    case 'addUser':
    case 'changeVerifier': {
      const decoded = fromText(verifier)
      return typeof user !== 'string' || decoded === null ? null : { method, user, verifier: decoded }
    }
    case 'removeUser': return typeof user === 'string' ? { method, user } : null
    case 'setDisabled': return typeof user === 'string' && typeof disabled === 'boolean' ? { method, user, disabled } : null
    case 'users':
    case 'invites': return typeof after === 'string' && isWhole(limit) && limit > 0 ? { method, after, limit } : null
    case 'makeInvite': {
      const decoded = inviteFrom(invite)
      return decoded === null ? null : { method, invite: decoded }
    }
    case 'revokeInvite': return typeof id === 'string' ? { method, id } : null
    case 'rebuildSearch': return { method }
    case 'cluster': {
      const known = CLUSTER_ACTIONS.find((each) => each === action)
      if (known === undefined || typeof node !== 'string' || (known === 'status') !== (node === '') || !isShard(shard)) return null
      return { method, action: known, node, shard }
    }
    default: return decodeReportRequest(value)
  }
}

function isShard(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function inviteFrom(value: unknown): OperatorInvite | null {
  const { id, secretHash, uses, expiresMs } = Object(value) as Record<string, unknown>
  if (typeof id !== 'string' || readInviteId(id) !== id || typeof secretHash !== 'string') return null
  if (!isWhole(uses) || uses < 1 || uses > LIMIT.inviteUsesMax || !isWhole(expiresMs) || expiresMs < 0) return null
  const hash = Buffer.from(secretHash, 'base64')
  return hash.length === 32 ? { id, secretHash: hash, uses, expiresMs } : null
}

function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}

function toText(verifier: Verifier): Record<string, string | number> {
  return {
    salt: base64(verifier.salt), iterations: verifier.iterations, storedKey: base64(verifier.storedKey), serverKey: base64(verifier.serverKey),
  }
}

function fromText(value: unknown): Verifier | null {
  const { salt, iterations, storedKey, serverKey } = Object(value) as Record<string, unknown>
  if (typeof salt !== 'string' || typeof storedKey !== 'string' || typeof serverKey !== 'string') return null
  if (typeof iterations !== 'number' || !Number.isInteger(iterations) || iterations < 1) return null
  const verifier = {
    salt: Buffer.from(salt, 'base64'), iterations, storedKey: Buffer.from(storedKey, 'base64'), serverKey: Buffer.from(serverKey, 'base64'),
  }
  return verifier.salt.length === 16 && verifier.storedKey.length === 32 && verifier.serverKey.length === 32 ? verifier : null
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
