/** A line of `chatd invite list`. */
import type { InviteInfo } from '../../server/accounts/registration-router.js'

export function inviteText({ id, maker, createdMs, expiresMs, uses, used, state }: InviteInfo, json: boolean): string {
  const created = new Date(createdMs).toISOString()
  const expires = expiresMs === 0 ? null : new Date(expiresMs).toISOString()
  const by = maker === '' ? 'operator' : maker
  if (json) return JSON.stringify({ id, by, created, expires, uses, used, state })
  return `${id}\t${state}\t${String(used)} of ${String(uses)} used\t${expires === null ? 'does not expire' : `until ${expires.slice(0, 16)}Z`}\tby ${by}`
}
