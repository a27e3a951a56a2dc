/** The lines that `chat group` prints: JSON for scripts, text for people. Without the line end. */
import type { ConversationInfo, GroupInfo, GroupLinkInfo } from '../../protocol/client/node.js'
import { policyText } from './change-text.js'
import { localTime } from './formats.js'
import type { GroupOutcome } from './group-actions.js'
import { safeJson, safeText } from './safe-text.js'

/** One object on one line; null: there is nothing to tell. */
export function outcomeJson(outcome: GroupOutcome): string | null {
  switch (outcome.kind) {
    case 'changed': return safeJson({ group: outcome.group, seq: outcome.seq, ...(outcome.isPending ? { pending: true } : {}) })
    case 'link': return safeJson({ group: outcome.group, ...linkObject(outcome.link) })
    case 'unlinked': return safeJson({ group: outcome.group, revoked: outcome.code })
    case 'info': return infoJson(outcome.info)
    case 'saved': return null
  }
}

/** None, one or more lines. */
export function outcomeLines(outcome: GroupOutcome): string[] {
  switch (outcome.kind) {
    case 'changed':
      if (outcome.isPending) return [`asked to join ${outcome.group}: an admin has to approve`]
      return [outcome.seq === 0 ? `${outcome.group}: it was so already` : `${outcome.group}: done, as number ${outcome.seq}`]
    case 'link': return [linkText(outcome.group, outcome.link)]
    case 'unlinked': return [`${outcome.group}/${outcome.code} lets nobody in any more`]
    case 'info': return infoLines(outcome.info)
    case 'saved': return []
  }
}

export function groupJson({ conversation, group, tail, unread }: ConversationInfo): string {
  return safeJson({ group: conversation, name: group?.name ?? '', size: group?.size ?? 0, role: group?.role ?? '', tail, unread })
}

export function groupText({ conversation, group, unread }: ConversationInfo): string {
  const count = unread === 0 ? '' : `  ${unread} unread`
  return `${conversation}  ${safeText(group?.name ?? '')}  ${membersText(group?.size ?? 0)}  ${roleText(group?.role ?? '')}${count}`
}

export function membersText(size: number): string {
  return size === 1 ? '1 member' : `${size} members`
}

function roleText(role: string): string {
  return role === 'former' ? 'no longer a member' : safeText(role)
}

/** What a person is shown of a group. */
function infoLines(info: GroupInfo): string[] {
  return infoPanel(info).map((line) => typeof line === 'string' ? line : line.text)
}

/** The same, with the lines that are about one member told apart. */
export function infoPanel(info: GroupInfo): (string | { readonly text: string; readonly user: string })[] {
  const { group, name, about, policy, members, invited, requests, links } = info
  const lines: (string | { readonly text: string; readonly user: string })[] = [`${group}  ${safeText(name)}  ${membersText(info.size)}, since ${localTime(info.createdMs)}`]
  if (about !== '') lines.push(`about: ${safeText(about)}`)
  if (info.picture !== '') lines.push(`picture: ${safeText(info.picture)}`)
  if (info.role === 'invited') lines.push('you are invited')
  if (policy !== null) lines.push(policyText({ attributes: new Map(Object.entries(policy)) }))
  for (const { user, role, sinceMs } of members) lines.push({ user, text: `  ${safeText(user).padEnd(20)}  ${role.padEnd(6)}  since ${localTime(sinceMs)}` })
  if (invited.length > 0) lines.push(`invited: ${safeText(invited.join(', '))}`)
  if (requests.length > 0) lines.push(`asked to join: ${safeText(requests.join(', '))}`)
  for (const link of links) lines.push(`link: ${linkText(group, link)}`)
  return lines
}

/** `#skiing/CODE  until …, 3 uses left, waits for approval` */
export function linkText(group: string, { code, expiresMs, usesLeft, needsApproval }: GroupLinkInfo): string {
  const conditions = [
    ...(expiresMs === null ? [] : [`until ${localTime(expiresMs)}`]),
    ...(usesLeft === null ? [] : [usesLeft === 1 ? '1 use left' : `${usesLeft} uses left`]),
    ...(needsApproval ? ['an admin approves'] : []),
  ]
  return `${group}/${safeText(code)}${conditions.length === 0 ? '' : `  ${conditions.join(', ')}`}`
}

function infoJson(info: GroupInfo): string {
  const { group, name, about, picture, createdMs, size, role, policy, members, invited, requests, links } = info
  return safeJson({
    group, name, about, picture, created: createdMs, size, role, policy,
    members: members.map((member) => ({ user: member.user, role: member.role, since: member.sinceMs })),
    invited, requests, links: links.map(linkObject),
  })
}

function linkObject({ code, createdMs, expiresMs, usesLeft, needsApproval }: GroupLinkInfo): object {
  return { code, created: createdMs, expires: expiresMs, uses: usesLeft, approval: needsApproval }
}
