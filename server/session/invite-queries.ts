/** The queries by which users make, list and revoke invites of their own. */
import { element, type Element, uintAttribute } from '../../protocol/element.js'
import { ERROR, LIMIT } from '../../protocol/generated/registry.js'
import type { Clock } from '../clock.js'
import type { Config } from '../config/settings.js'
import { type Router, RouterError } from '../router/router.js'
import { newInviteCode, readInviteId } from './invite-code.js'
import type { InviteInfo } from '../accounts/registration-router.js'

const PAGE = 100

export interface InviteContext {
  readonly user: string
  readonly router: Router
  readonly config: Config
  readonly clock: Clock
}

/** [INV-12] */
export async function inviteQuery({ user, router, config, clock }: InviteContext, query: Element): Promise<Element> {
  const { userInvites, userInviteAgeMs, registration } = config.auth
  // Where no invite opens anything, none is given out.
  if (userInvites === 0 || registration !== 'invite') throw new RouterError(ERROR.noInvites, 'users do not make invites here')
  const uses = positive(query, 'uses') ?? 1
  const ageMs = Math.min(positive(query, 'age') ?? userInviteAgeMs, userInviteAgeMs)
  if (uses > LIMIT.inviteUsesMax) throw new RouterError(ERROR.badRequest, 'an invite can\'t have so many uses')
  const expiresMs = clock.nowMs() + ageMs
  const id = query.attributes.get('id')
  const chosen = id === undefined ? undefined : readInviteId(id)
  if (chosen === null) throw new RouterError(ERROR.badRequest, 'id has to be 8 letters and digits without i, l, o and u')
  const { code, proof } = newInviteCode(chosen)
  await router.makeInvite({ ...proof, maker: user, uses, expiresMs, allowance: { uses: userInvites, periodMs: userInviteAgeMs } })
  return element('invite', { id: proof.id, code, uses, expires: expiresMs })
}

/** [INV-13] */
export async function invitesQuery({ user, router }: InviteContext, query: Element): Promise<Element> {
  const typed = query.attributes.get('after')
  const after = typed === undefined ? '' : readInviteId(typed)
  if (after === null) throw new RouterError(ERROR.badRequest, 'after is no id of an invite')
  const page = await router.invites(user, after, PAGE)
  return element('invites', { more: String(page.more) }, ...page.invites.map(inviteElement))
}

/** [INV-13] */
export async function revokeInviteQuery({ user, router }: InviteContext, query: Element): Promise<Element> {
  const typed = query.attributes.get('id')
  if (typed === undefined) throw new RouterError(ERROR.badRequest, 'id is missing: name the invite')
  const id = readInviteId(typed)
  if (id === null) throw new RouterError(ERROR.noSuchInvite, 'there is no such invite')
  await router.revokeInvite(user, id)
  return element('revoke-invite', { id })
}

function inviteElement({ id, createdMs, expiresMs, uses, used, state }: InviteInfo): Element {
  return element('invite', { id, created: createdMs, expires: expiresMs, uses, used, state })
}

function positive(query: Element, name: string): number | null {
  if (!query.attributes.has(name)) return null
  const value = uintAttribute(query, name)
  if (value === null || value === 0) throw new RouterError(ERROR.badRequest, `${name} is no number from 1`)
  return value
}
