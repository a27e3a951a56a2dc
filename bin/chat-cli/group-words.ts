/** What can be done with groups, as words say it: the same in script mode and on the screen. Pure. */
import { normalizeGroup, normalizeUser } from '../../protocol/address.js'
import { parseSpan, SPAN_EXAMPLES } from '../span.js'
import type { PictureWish } from './pictures.js'
import type { GroupChange, GroupPolicy, NewGroupOptions } from '../../protocol/client/node.js'

export type GroupAction =
  | { readonly kind: 'create'; readonly options: NewGroupOptions }
  | { readonly kind: 'change'; readonly change: GroupChange }
  /** null: by an invitation */
  | { readonly kind: 'join'; readonly code: string | null }
  | { readonly kind: 'link'; readonly expiresInMs: number | null; readonly uses: number | null; readonly needsApproval: boolean }
  | { readonly kind: 'unlink'; readonly code: string }
  | { readonly kind: 'info'; readonly code: string | null }
  /** From a file; '': none */
  | { readonly kind: 'set-picture'; readonly path: string }
  | { readonly kind: 'get-picture'; readonly wish: PictureWish }

/** An action and the group it is done to. */
export interface GroupRequest {
  readonly group: string
  readonly action: GroupAction
}

/** Options of the words, as `parseArgs` of `node:util` takes them. */
export const GROUP_WORD_OPTIONS = {
  name: { type: 'string' },
  about: { type: 'string' },
  expires: { type: 'string' },
  uses: { type: 'string' },
  approval: { type: 'boolean' },
  out: { type: 'string' },
  thumbnail: { type: 'boolean' },
} as const

export type GroupWordValues = Readonly<Record<string, string | boolean | undefined>>

export const GROUP_VERBS = [
  'create', 'info', 'add', 'invite', 'remove', 'leave', 'role', 'owner', 'rename', 'about', 'picture', 'policy', 'link', 'unlink', 'join', 'deny', 'disband',
] as const
export type GroupVerb = (typeof GROUP_VERBS)[number]

export const POLICY_WORDS: { readonly [K in keyof GroupPolicy]: readonly GroupPolicy[K][] } = {
  post: ['all', 'admins'], add: ['all', 'admins'], edit: ['all', 'admins'], history: ['all', 'joined'],
}

/** The words make no sense; the message says why. */
export class WrongWords extends Error {
  override readonly name = 'WrongWords'
}

export function isGroupVerb(word: string | undefined): word is GroupVerb {
  return word !== undefined && (GROUP_VERBS as readonly string[]).includes(word)
}

/** Which options mean something to which verb. */
const OPTIONS_OF: Partial<Record<GroupVerb, readonly string[]>> = { create: ['name', 'about'], link: ['expires', 'uses', 'approval'], picture: ['out', 'thumbnail'] }

/**
 * `words`: what follows the verb, the group first; its `#` may be missing, and `#skiing/CODE` names a link. Throws WrongWords.
 */
export function groupRequest(verb: GroupVerb, [first, ...rest]: readonly string[], values: GroupWordValues = {}): GroupRequest {
  for (const option of Object.keys(GROUP_WORD_OPTIONS)) {
    if (values[option] !== undefined && OPTIONS_OF[verb]?.includes(option) !== true) throw new WrongWords(`${verb} has no --${option}`)
  }
  if (first === undefined) throw new WrongWords(`say which group: ${verb} ID`)
  const { group, code } = groupAndCode(first)
  if (code !== null && verb !== 'join' && verb !== 'info' && verb !== 'unlink') throw new WrongWords(`${verb} takes a group, not a link to it`)
  return { group, action: actionOf(verb, code === null ? rest : [code, ...rest], values) }
}

/** `#skiing`, `skiing` or `#skiing/CODE`. */
function groupAndCode(text: string): { group: string; code: string | null } {
  const slash = text.indexOf('/')
  const name = slash === -1 ? text : text.slice(0, slash)
  const group = normalizeGroup(name.startsWith('#') ? name : `#${name}`)
  if (group === null) throw new WrongWords(`'${name}' is no name of a group: # and a-z, 0-9, '.', '-' and '_', at most 64`)
  return { group, code: slash === -1 ? null : checkedCode(text.slice(slash + 1)) }
}

function actionOf(verb: GroupVerb, words: readonly string[], values: GroupWordValues): GroupAction {
  switch (verb) {
    case 'create': return { kind: 'create', options: newGroup(words, values) }
    case 'add': case 'invite': case 'deny': case 'remove':
      return { kind: 'change', change: { kind: verb, members: users(words, verb) } }
    case 'owner': return { kind: 'change', change: { kind: 'owner', members: only(users(words, verb), 'owner takes one member') } }
    case 'role': {
      const [role, ...names] = words
      if (role !== 'admin' && role !== 'member') throw new WrongWords('role takes admin or member, and then who')
      return { kind: 'change', change: { kind: 'role', role, members: users(names, verb) } }
    }
    case 'rename': return { kind: 'change', change: { kind: 'info', name: sentence(words, 'rename takes the name to show') } }
    case 'about': return { kind: 'change', change: { kind: 'info', about: words.length === 0 ? sentence(words, 'about takes a text') : words.join(' ') } }
    case 'picture': return pictureAction(words, values)
    case 'policy': return { kind: 'change', change: { kind: 'policy', policy: policy(words) } }
    case 'leave': case 'disband': return none(words, { kind: 'change', change: { kind: verb } }, verb)
    case 'join': case 'info': return { kind: verb, code: words.length === 0 ? null : onlyCode(words, verb) }
    case 'unlink': return { kind: 'unlink', code: onlyCode(words, verb) }
    case 'link': return none(words, linkAction(values), verb)
  }
}

function pictureAction(words: readonly string[], values: GroupWordValues): GroupAction {
  const [path, more] = words
  const { out, thumbnail } = values
  const isAsked = out !== undefined || thumbnail !== undefined
  if (more !== undefined) throw new WrongWords('the name of the file is more than one word: put it in quotes')
  if (path === undefined) return { kind: 'get-picture', wish: { out: typeof out === 'string' ? out : null, isSmall: thumbnail === true } }
  if (isAsked) throw new WrongWords('picture takes a file to set it, or --out and --thumbnail to get it')
  return { kind: 'set-picture', path }
}

function newGroup(words: readonly string[], values: GroupWordValues): NewGroupOptions {
  const settings = words.filter((word) => word.includes('='))
  const names = words.filter((word) => !word.includes('='))
  return {
    ...(typeof values['name'] === 'string' ? { name: values['name'] } : {}),
    ...(typeof values['about'] === 'string' ? { about: values['about'] } : {}),
    members: names.length === 0 ? [] : users(names, 'create'),
    policy: settings.length === 0 ? {} : policy(settings),
  }
}

function linkAction(values: GroupWordValues): GroupAction {
  const { expires, uses } = values
  const count = typeof uses === 'string' ? /^[1-9]\d{0,8}$/.test(uses) ? Number(uses) : Number.NaN : null
  if (Number.isNaN(count)) throw new WrongWords(`--uses takes a whole number from 1, not '${String(uses)}'`)
  return { kind: 'link', expiresInMs: typeof expires === 'string' ? expiry(expires) : null, uses: count, needsApproval: values['approval'] === true }
}

function expiry(text: string): number {
  const spanMs = parseSpan(text)
  if (spanMs === null) throw new WrongWords(`--expires takes a time like ${SPAN_EXAMPLES}, not '${text}'`)
  return spanMs
}

function policy(words: readonly string[]): Partial<GroupPolicy> {
  if (words.length === 0) throw new WrongWords('policy takes one or more of post=, add=, edit= and history=')
  const chosen: Record<string, string> = {}
  for (const word of words) {
    const [key = '', value = ''] = word.split('=')
    const allowed: readonly string[] | undefined = Object.hasOwn(POLICY_WORDS, key) ? POLICY_WORDS[key as keyof GroupPolicy] : undefined
    if (allowed === undefined) throw new WrongWords(`'${word}' is no policy: post=, add=, edit= or history=`)
    if (!allowed.includes(value)) throw new WrongWords(`${key}= takes ${allowed.join(' or ')}`)
    chosen[key] = value
  }
  return chosen
}

function users(words: readonly string[], verb: string): string[] {
  if (words.length === 0) throw new WrongWords(`say whom: ${verb} ${verb === 'role' ? 'ROLE ' : ''}NAME…`)
  return words.map((word) => {
    const user = normalizeUser(word)
    if (user === null) throw new WrongWords(`'${word}' is no name of a user: a-z, 0-9, '.', '-' and '_', at most 64`)
    return user
  })
}

function only(names: readonly string[], message: string): readonly string[] {
  if (names.length > 1) throw new WrongWords(message)
  return names
}

function onlyCode(words: readonly string[], verb: string): string {
  const [code, more] = words
  if (code === undefined) throw new WrongWords(`${verb} takes the code of a link`)
  if (more !== undefined) throw new WrongWords(`'${more}' is one word too many`)
  // Whole as it was shown, so that it can be pasted.
  return code.includes('/') ? groupAndCode(code).code ?? '' : checkedCode(code)
}

function checkedCode(code: string): string {
  if (!/^[A-Za-z0-9_-]{1,64}$/.test(code)) throw new WrongWords(`'${code}' is no code of a link`)
  return code
}

function none(words: readonly string[], action: GroupAction, verb: string): GroupAction {
  const [word] = words
  if (word !== undefined) throw new WrongWords(`${verb} takes nothing more, not '${word}'`)
  return action
}

function sentence(words: readonly string[], message: string): string {
  const text = words.join(' ')
  if (text.trim() === '') throw new WrongWords(message)
  return text
}
