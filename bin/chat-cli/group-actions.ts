/** Carries out what `group-words.ts` reads, and says a refusal in one sentence. */
import { normalizeGroup } from '../../protocol/address.js'
import type { Client, GroupInfo, GroupLinkInfo } from '../../protocol/client/node.js'
import { ClientError } from '../../protocol/client/node.js'
import { ChatFailure } from './failure.js'
import type { GroupAction, GroupRequest } from './group-words.js'
import type { PictureWish } from './pictures.js'
import { refusalText } from './refusal.js'
import { safeText } from './safe-text.js'

export type GroupOutcome =
  /** seq 0: it was so already. [GRP-6] */
  | { readonly kind: 'changed'; readonly group: string; readonly seq: number; readonly isPending: boolean }
  | { readonly kind: 'info'; readonly info: GroupInfo }
  | { readonly kind: 'link'; readonly group: string; readonly link: GroupLinkInfo }
  /** Told already. */
  | { readonly kind: 'saved' }
  | { readonly kind: 'unlinked'; readonly group: string; readonly code: string }

/** What is done otherwise in script mode than on the screen. */
export interface GroupPerformer {
  /** Unix time. */
  readonly nowMs: number
  /** Resolves to what names the picture. */
  readonly upload: (path: string) => Promise<string>
  readonly save: (group: string, wish: PictureWish) => Promise<void>
}

/** Rejects with a ClientError; `groupRefusal` says it in words. */
export async function performGroupRequest(client: Client, { group, action }: GroupRequest, { nowMs, upload, save }: GroupPerformer): Promise<GroupOutcome> {
  const { groups } = client
  switch (action.kind) {
    case 'create': return { kind: 'changed', group, seq: await groups.create(group, action.options), isPending: false }
    case 'change': return { kind: 'changed', group, seq: await groups.change(group, action.change), isPending: false }
    case 'join': return { kind: 'changed', group, ...await groups.join(group, action.code ?? undefined) }
    case 'link': {
      const { expiresInMs, uses, needsApproval } = action
      const link = await groups.makeLink(group, { needsApproval, ...(expiresInMs === null ? {} : { expiresMs: nowMs + expiresInMs }), ...(uses === null ? {} : { uses }) })
      return { kind: 'link', group, link }
    }
    case 'unlink':
      await groups.revokeLink(group, action.code)
      return { kind: 'unlinked', group, code: action.code }
    case 'set-picture': return { kind: 'changed', group, seq: await groups.change(group, { kind: 'info', picture: await upload(action.path) }), isPending: false }
    case 'get-picture':
      await save(group, action.wish)
      return { kind: 'saved' }
    case 'info': return { kind: 'info', info: await groups.info(group, action.code ?? undefined) }
  }
}

/** Why it was not done, for the person who asked. Safe for a terminal. */
export function groupRefusal(error: unknown, { group, action }: GroupRequest): string {
  if (error instanceof ChatFailure) return error.message
  const symbol = error instanceof ClientError ? error.symbol : ''
  const named = namedIn(action)
  switch (symbol) {
    case 'not-allowed': return notAllowed(group, action)
    case 'no-such-conversation': return action.kind === 'join' ? `you are not invited to ${group}, or there is no such group` : `you are not in ${group}, or there is no such group`
    case 'no-such-user': return named.length === 1 ? `there is no user ${safeText(named[0] ?? '')}` : `not all of these are users, so nothing was done: ${safeText(named.join(', '))}`
    case 'no-such-member': return named.length === 1 ? `${safeText(named[0] ?? '')} is no member of ${group}` : `not all of these are members of ${group}, so nothing was done: ${safeText(named.join(', '))}`
    case 'group-full': return `${group} would have more members than a group may have`
    case 'group-taken': return `the name ${group} is taken: choose another one`
    case 'invalid-link': return `the link to ${group} is unknown, revoked, expired or used up`
    case 'too-many-groups': return 'you, or somebody whom you named, would be in more groups than allowed'
    default: return refusalText(error, group)
  }
}

/** Why a message to a group was refused, where the group is the reason. Safe for a terminal. */
export function groupSendRefusal(error: unknown, to: string): string | null {
  const group = normalizeGroup(to)
  if (group === null) return null
  const symbol = error instanceof ClientError ? error.symbol : ''
  if (symbol === 'not-allowed') return `only admins may write in ${group}`
  return symbol === 'no-such-conversation' ? `you are not in ${group}` : null
}

function namedIn(action: GroupAction): readonly string[] {
  if (action.kind === 'create') return action.options.members ?? []
  return action.kind === 'change' && 'members' in action.change ? action.change.members : []
}

/** An admin who is told to ask one would ask in vain, as for what is done to the owner. */
function notAllowed(group: string, action: GroupAction): string {
  const isOwners = action.kind === 'change' && (action.change.kind === 'disband' || action.change.kind === 'owner')
  if (isOwners) return `only the owner of ${group} may do that`
  const isToMembers = action.kind === 'change' && (action.change.kind === 'remove' || action.change.kind === 'role')
  return `your role in ${group} does not allow that: ask an admin or the owner${isToMembers ? '; nobody may do it to the owner' : ''}`
}
