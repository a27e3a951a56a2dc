/** What goes over the control socket: one JSON object a line, one answer for each request, in order. Secrets are verifiers only. */
import type { Verifier } from '../router/router.js'

export type ControlRequest =
  | { readonly method: 'addUser' | 'changeVerifier', readonly user: string, readonly verifier: Verifier }
  | { readonly method: 'removeUser', readonly user: string }
  | { readonly method: 'users', readonly after: string, readonly limit: number }

export interface UserPage {
  readonly users: readonly { user: string, createdMs: number, devices: number }[]
  readonly more: boolean
}

export type ControlAnswer =
  | { readonly ok: true, readonly page: UserPage | null }
  | { readonly ok: false, readonly code: number, readonly message: string, readonly retryAfterMs: number }

/** Longest line in either direction, in bytes; a page of 1000 users is about a tenth of it. */
export const LINE_BYTES_MAX = 1_048_576

export function encodeRequest(request: ControlRequest): string {
  const line = 'verifier' in request ? { ...request, verifier: toText(request.verifier) } : request
  return `${JSON.stringify(line)}\n`
}

/** The request of a line, or null for anything else. */
export function decodeRequest(line: string): ControlRequest | null {
  let value: Record<string, unknown>
  try {
    value = Object(JSON.parse(line)) as Record<string, unknown>
  } catch {
    return null
  }
  const { method, user, verifier, after, limit } = value
  if ((method === 'addUser' || method === 'changeVerifier') && typeof user === 'string') {
    const decoded = fromText(verifier)
    return decoded === null ? null : { method, user, verifier: decoded }
  }
  if (method === 'removeUser' && typeof user === 'string') return { method, user }
  if (method === 'users' && typeof after === 'string' && typeof limit === 'number' && Number.isInteger(limit) && limit > 0) {
    return { method, after, limit }
  }
  return null
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
