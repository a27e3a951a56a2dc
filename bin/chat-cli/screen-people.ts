/** What the interactive program does with people: names, blocks, flags, reports. Pure but for the driver's end at the bottom. */
import { isGroup, normalizeUser } from '../../protocol/address.js'
import type { Client, ConversationInfo } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { parseSpan, SPAN_EXAMPLES } from '../span.js'
import { flagsOf, timerText, whole } from './people.js'
import { timerSpan } from './people-arguments.js'
import type { PeopleAction } from './people-arguments.js'
import { openConversation } from './screen-state.js'
import type { Effect, ScreenEvent, ScreenState } from './screen-state.js'

/** Names by which people are shown. */
export interface Names {
  /** One's own for contacts; may be empty. */
  readonly contacts: Map<string, string>
  /** Out of profiles, with the version they have. */
  readonly profiles: Map<string, { readonly name: string; readonly version: number }>
}

/** One's own name for a contact stands alone; a name out of a profile behind the address, which it can't imitate. [PRF-19] */
export function shownName({ contacts, profiles }: Names, user: string): string {
  const own = contacts.get(user) ?? ''
  if (own !== '') return own
  const name = profiles.get(user)?.name ?? ''
  return name === '' ? user : `${user} ~ ${name}`
}

/** In the middle of a sentence: one's own name for a contact, else the address alone. [PRF-19] */
export function givenName({ contacts }: Names, user: string): string {
  const own = contacts.get(user) ?? ''
  return own === '' ? user : own
}

const COMMANDS = ['block', 'unblock', 'mute', 'unmute', 'pin', 'unpin', 'archive', 'unarchive', 'profile', 'contact', 'report', 'timer'] as const
/** For completion. */
export const PEOPLE_COMMANDS: readonly string[] = COMMANDS.map((word) => `/${word}`)
type PeopleWord = (typeof COMMANDS)[number]

export const PEOPLE_HELP: readonly string[] = [
  '/block, /unblock [NAME]       hear nothing of somebody any more, or again',
  '/mute [30m|8h|7d], /unmute    no notice of this conversation, on all your devices',
  '/pin, /unpin, /archive, /unarchive    where this conversation stands in the list',
  '/profile [NAME]               what somebody shows; /profile = NAME changes your own name',
  '/contact OWN NAME             what you call this person; /contact - forgets it',
  '/timer [30m|8h|7d|off]        after what time new messages here disappear, for all',
  '/report REASON                put this conversation before the operator',
]

/** Does what a command says; false: it is none of these. Where it names nobody it is about the open conversation. */
export function runPeopleCommand(state: ScreenState, word: string, rest: string, effects: Effect[]): boolean {
  if (!(COMMANDS as readonly string[]).includes(word)) return false
  const open = openConversation(state)?.name ?? null
  const action = actionOf(word as PeopleWord, rest, open)
  if (typeof action === 'string') state.notice = action
  else effects.push({ kind: 'people', action })
  return true
}

/** What is asked for, or what to tell the person instead. */
function actionOf(word: PeopleWord, rest: string, open: string | null): PeopleAction | string {
  const nobody = `open a conversation first, or say /${word} NAME`
  switch (word) {
    case 'block': case 'unblock': {
      const user = rest === '' ? open : normalizeUser(rest)
      if (user === null || isGroup(user)) return rest === '' ? nobody : `'${rest}' is no name of a user`
      return { kind: word, user }
    }
    case 'profile': {
      if (rest.startsWith('=')) return { kind: 'profile-set', name: rest.slice(1).trim(), about: undefined, picture: undefined }
      const user = rest === '' ? open : normalizeUser(rest)
      return rest !== '' && user === null ? `'${rest}' is no name of a user` : { kind: 'profile-get', user: user !== null && isGroup(user) ? null : user }
    }
    case 'contact':
      if (open === null || isGroup(open)) return 'open a conversation with somebody first'
      if (rest === '') return 'say what you call this person: /contact OWN NAME'
      return rest === '-' ? { kind: 'contacts-remove', user: open } : { kind: 'contacts-set', user: open, name: rest }
    case 'report':
      if (open === null) return 'open the conversation first'
      return rest === '' ? 'say why: /report REASON' : { kind: 'report', conversation: open, reason: rest, blocks: false }
    case 'mute': {
      if (open === null) return 'open the conversation first'
      const forMs = rest === '' ? null : parseSpan(rest)
      return rest !== '' && forMs === null ? `'${rest}' is no time like ${SPAN_EXAMPLES}` : { kind: 'mute', conversation: open, forMs }
    }
    case 'timer': {
      if (open === null) return 'open the conversation first'
      if (rest === '') return { kind: 'timer-get', conversation: open }
      const afterMs = timerSpan(rest)
      return afterMs === null ? `'${rest}' is neither off nor a time like ${SPAN_EXAMPLES}` : { kind: 'timer-set', conversation: open, afterMs }
    }
    default: return open === null ? 'open the conversation first' : { kind: word, conversation: open }
  }
}

/** And how to hear no more of it: a group is not blocked, but left. */
export function reportedText(conversation: string): string {
  return `reported: the operator sees the last messages; ${isGroup(conversation) ? '/leave' : '/block'} hears nothing more of ${conversation}`
}

/** Carries an action out; returns what to tell the person. */
export async function performPeople(client: Client, action: PeopleAction): Promise<string> {
  switch (action.kind) {
    case 'block':
      await client.block(action.user)
      return `${action.user} is blocked: nothing from there arrives any more; /unblock takes it back`
    case 'unblock':
      await client.unblock(action.user)
      return `${action.user} is not blocked`
    case 'profile-get': {
      const { user, profile } = action.user === null ? await client.setProfile() : await client.profile(action.user)
      const { name = '', about = '' } = profile ?? {}
      return `${user} ~ ${name === '' ? 'no name' : name}${about === '' ? '' : `: "${about}"`}`
    }
    case 'profile-set':
      await client.setProfile({ name: action.name ?? '' })
      return action.name === '' ? 'you have no name any more' : `others see you as ${action.name ?? ''}`
    case 'contacts-set':
      await client.setContact(action.user, action.name)
      return `${action.user} is your contact ${action.name}`
    case 'contacts-remove':
      await client.removeContact(action.user)
      return `${action.user} is not among your contacts`
    case 'report':
      await client.report(action.conversation, action.reason)
      return reportedText(action.conversation)
    case 'timer-get': return `${action.conversation}: ${timerText({ after: await client.timer(action.conversation) })}`
    case 'timer-set':
      await client.setTimer(action.conversation, action.afterMs)
      return `${action.conversation}: ${timerText({ after: action.afterMs })}`
    case 'mute': case 'unmute': case 'archive': case 'unarchive': case 'pin': case 'unpin':
      await client.setFlags(action.conversation, flagsOf(action, Date.now()))
      return `${action.conversation}: ${action.kind} done`
    // Typed nowhere on the screen.
    case 'contacts-list': case 'blocked': case 'profile-picture': return ''
  }
}

/** Own names of all contacts. */
export async function readContactNames(client: Client): Promise<ScreenEvent> {
  const contacts = new Map<string, string>()
  for await (const { user, name } of whole((request) => client.contacts(request), ({ user: each }) => each)) contacts.set(user, name)
  return { kind: 'contacts', contacts }
}

/** Names of those in the list whose profile is not known in its present version. [PRF-4] */
export async function readProfileNames(client: Client, list: readonly ConversationInfo[], known: Names['profiles']): Promise<ScreenEvent> {
  const users = list.filter(({ conversation, profileVersion }) => profileVersion !== 0 && known.get(conversation)?.version !== profileVersion)
    .map(({ conversation }) => conversation).slice(0, LIMIT.profileUsersMax)
  const profiles = new Map<string, { name: string; version: number }>()
  for (const info of await client.profiles(users)) {
    if (info?.profile !== null && info?.profile !== undefined) profiles.set(info.user, { name: info.profile.name, version: info.version })
  }
  return { kind: 'profiles', profiles }
}
