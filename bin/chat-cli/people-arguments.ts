/** The command lines of `chat profile`, `contacts`, `block`, `report`, `mute` and their like as checked values. Pure. */
import { parseSpan, SPAN_EXAMPLES } from '../span.js'
import { usageFailure } from './failure.js'
import type { PictureWish } from './pictures.js'

export type PeopleTopic =
  | 'profile' | 'contacts' | 'block' | 'unblock' | 'blocked' | 'report' | 'mute' | 'unmute' | 'archive' | 'unarchive' | 'pin' | 'unpin' | 'timer'

export type PeopleAction =
  /** user null: one's own */
  | { readonly kind: 'profile-get'; readonly user: string | null }
  /** undefined: as it is */
  | { readonly kind: 'profile-set'; readonly name: string | undefined; readonly about: string | undefined; /** A file. */ readonly picture: string | undefined }
  /** user null: one's own */
  | { readonly kind: 'profile-picture'; readonly user: string | null; readonly wish: PictureWish }
  | { readonly kind: 'contacts-list' }
  | { readonly kind: 'contacts-set'; readonly user: string; readonly name: string }
  | { readonly kind: 'contacts-remove'; readonly user: string }
  | { readonly kind: 'block' | 'unblock'; readonly user: string }
  | { readonly kind: 'blocked' }
  | { readonly kind: 'report'; readonly conversation: string; readonly reason: string; readonly blocks: boolean }
  /** How long from now; null: for ever */
  | { readonly kind: 'mute'; readonly conversation: string; readonly forMs: number | null }
  | { readonly kind: 'timer-get'; readonly conversation: string }
  /** 0: off */
  | { readonly kind: 'timer-set'; readonly conversation: string; readonly afterMs: number }
  | { readonly kind: 'unmute' | 'archive' | 'unarchive' | 'pin' | 'unpin'; readonly conversation: string }

/** The conversation or the user that it is about; '' for none. */
export function namedInAction(action: PeopleAction): string {
  if ('conversation' in action) return action.conversation
  return 'user' in action ? action.user ?? '' : ''
}

/** Their options beside those that every command has. */
export const PEOPLE_OPTIONS = {
  profile: { name: { type: 'string' }, about: { type: 'string' }, picture: { type: 'string' }, out: { type: 'string' }, thumbnail: { type: 'boolean' } },
  contacts: {},
  block: {},
  unblock: {},
  blocked: {},
  report: { block: { type: 'boolean' } },
  mute: { for: { type: 'string' } },
  unmute: {},
  archive: {},
  unarchive: {},
  pin: {},
  unpin: {},
  timer: {},
} as const

export function isPeopleTopic(topic: string): topic is PeopleTopic {
  return Object.hasOwn(PEOPLE_OPTIONS, topic)
}

/** Throws a ChatFailure (usage) that says what is wrong. */
export function peopleAction(
  topic: PeopleTopic, values: Readonly<Record<string, string | boolean | undefined>>, positionals: readonly string[],
): PeopleAction {
  switch (topic) {
    case 'profile': return profileAction(values, positionals)
    case 'contacts': return contactsAction(positionals)
    case 'blocked':
      checkCount(positionals, 0, topic)
      return { kind: 'blocked' }
    case 'block': case 'unblock': return { kind: topic, user: only(positionals, topic) }
    case 'report': {
      const [conversation, reason] = positionals
      if (conversation === undefined || reason === undefined) throw usageFailure('say whom to report and why: NAME REASON', topic)
      checkCount(positionals, 2, topic)
      return { kind: 'report', conversation, reason, blocks: values['block'] === true }
    }
    case 'mute': {
      const conversation = only(positionals, topic)
      if (values['for'] === undefined) return { kind: 'mute', conversation, forMs: null }
      const forMs = parseSpan(String(values['for']))
      if (forMs === null) throw usageFailure(`--for takes a time like ${SPAN_EXAMPLES}, not '${String(values['for'])}'`, topic)
      return { kind: 'mute', conversation, forMs }
    }
    case 'timer': {
      const [conversation, after] = positionals
      if (conversation === undefined) throw usageFailure('say whose conversation: NAME', topic)
      checkCount(positionals, 2, topic)
      if (after === undefined) return { kind: 'timer-get', conversation }
      const afterMs = timerSpan(after)
      if (afterMs === null) throw usageFailure(`'${after}' is neither off nor a time like ${SPAN_EXAMPLES}`, topic)
      return { kind: 'timer-set', conversation, afterMs }
    }
    default: return { kind: topic, conversation: only(positionals, topic) }
  }
}

/** `off`, or a span; null: neither. */
export function timerSpan(text: string): number | null {
  return text === 'off' ? 0 : parseSpan(text)
}

function profileAction(values: Readonly<Record<string, string | boolean | undefined>>, positionals: readonly string[]): PeopleAction {
  const [action, user = null] = positionals
  const [name, about, picture] = ['name', 'about', 'picture'].map((key) => typeof values[key] === 'string' ? values[key] : undefined)
  const changes = [name, about, picture].some((value) => value !== undefined)
  const out = typeof values['out'] === 'string' ? values['out'] : null
  const isSmall = values['thumbnail'] === true
  if (action === 'picture' && !changes) {
    checkCount(positionals, 2, 'profile')
    return { kind: 'profile-picture', user, wish: { out, isSmall } }
  }
  if (out !== null || isSmall) throw usageFailure('--out and --thumbnail go with `chat profile picture`', 'profile')
  if (action === 'get' && !changes) {
    checkCount(positionals, 2, 'profile')
    return { kind: 'profile-get', user }
  }
  if (action === 'set' && changes) {
    checkCount(positionals, 1, 'profile')
    return { kind: 'profile-set', name, about, picture }
  }
  throw usageFailure('say `chat profile get [NAME]`, `chat profile set` with --name, --about or --picture, or `chat profile picture [NAME]`', 'profile')
}

function contactsAction(positionals: readonly string[]): PeopleAction {
  const [action, user, name = ''] = positionals
  if (action === 'list') {
    checkCount(positionals, 1, 'contacts')
    return { kind: 'contacts-list' }
  }
  if (user === undefined || (action !== 'set' && action !== 'remove')) {
    throw usageFailure('say `chat contacts list`, `chat contacts set NAME [OWN-NAME]` or `chat contacts remove NAME`', 'contacts')
  }
  checkCount(positionals, action === 'set' ? 3 : 2, 'contacts')
  return action === 'set' ? { kind: 'contacts-set', user, name } : { kind: 'contacts-remove', user }
}

function only(positionals: readonly string[], topic: PeopleTopic): string {
  const [name] = positionals
  if (name === undefined) throw usageFailure('say whom: NAME', topic)
  checkCount(positionals, 1, topic)
  return name
}

function checkCount(positionals: readonly string[], max: number, topic: PeopleTopic): void {
  const extra = positionals[max]
  if (extra !== undefined) throw usageFailure(`'${extra}' is one argument too many`, topic)
}
