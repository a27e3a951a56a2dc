/** `chat profile`, `contacts`, `block`, `report`, `mute` and their like: ask, print, leave. */
import type { BlockedInfo, Client, ContactInfo, Flags, FlagsInfo, ListPage, ListRequest, ProfileInfo } from '../../protocol/client/node.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { spanText } from '../span.js'
import type { Command } from './arguments.js'
import { ask } from './ask.js'
import type { ExitCode } from './failure.js'
import { localTime } from './formats.js'
import type { LineOutput } from './line-output.js'
import type { PeopleAction } from './people-arguments.js'
import { savePicture, uploadPicture } from './pictures.js'
import type { PictureCommand } from './pictures.js'
import { safeJson, safeText } from './safe-text.js'
import type { World } from './world.js'

/** With `json` every command prints what it read or changed, without it a change prints nothing. Rejects with a ChatFailure. */
export async function people(command: Extract<Command, { kind: 'people' }>, world: World): Promise<ExitCode> {
  const { timeoutMs, json } = command
  return ask(command, world, (client, output, ending) => new Printer(client, { world, output, ending, timeoutMs, json }).run(command.action))
}

class Printer {
  readonly #client: Client
  readonly #output: LineOutput
  readonly #isJson: boolean
  readonly #command: PictureCommand

  constructor(client: Client, command: PictureCommand) {
    this.#client = client
    this.#command = command
    this.#output = command.output
    this.#isJson = command.json
  }

  async run(action: PeopleAction): Promise<void> {
    const client = this.#client
    switch (action.kind) {
      case 'profile-get':
        await this.#read(action.user === null ? await client.setProfile() : await client.profile(action.user), profileFields, profileText)
        return
      case 'profile-set': {
        const { name, about } = action
        const picture = action.picture === undefined ? undefined : await uploadPicture(client, action.picture, this.#command)
        const change = { ...name === undefined ? {} : { name }, ...about === undefined ? {} : { about }, ...picture === undefined ? {} : { picture } }
        await this.#changed(profileFields(await client.setProfile(change)))
        return
      }
      case 'profile-picture':
        await savePicture(client, { user: action.user ?? (await client.setProfile()).user }, action.wish, this.#command)
        return
      case 'contacts-list':
        for await (const contact of whole((request) => client.contacts(request), ({ user }) => user)) {
          await this.#read(contact, contactFields, contactText)
        }
        return
      case 'contacts-set':
        await this.#changed({ user: action.user, name: action.name, version: await client.setContact(action.user, action.name) })
        return
      case 'contacts-remove':
        await this.#changed({ user: action.user, removed: true, version: await client.removeContact(action.user) })
        return
      case 'block':
        await this.#changed({ user: action.user, blocked: true, version: await client.block(action.user) })
        return
      case 'unblock':
        await this.#changed({ user: action.user, blocked: false, version: await client.unblock(action.user) })
        return
      case 'blocked':
        for await (const blocked of whole((request) => client.blocked(request), ({ user }) => user)) {
          await this.#read(blocked, blockedFields, blockedText)
        }
        return
      case 'report':
        await client.report(action.conversation, action.reason, action.blocks)
        await this.#changed({ conversation: action.conversation, reported: true })
        return
      case 'timer-get':
        await this.#read({ conversation: action.conversation, after: await client.timer(action.conversation) }, (fields) => fields, timerText)
        return
      case 'timer-set':
        await this.#changed({ conversation: action.conversation, after: action.afterMs, seq: await client.setTimer(action.conversation, action.afterMs) })
        return
      default:
        await this.#changed(flagsFields(await client.setFlags(action.conversation, flagsOf(action, Date.now()))))
    }
  }

  async #read<T>(item: T, fields: (item: T) => object, text: (item: T) => string): Promise<void> {
    await this.#output.line(this.#isJson ? safeJson(fields(item)) : text(item))
  }

  async #changed(fields: object): Promise<void> {
    if (this.#isJson) await this.#output.line(safeJson(fields))
  }
}

/** What the action sets. */
export function flagsOf(action: Extract<PeopleAction, { readonly conversation: string }>, nowMs: number): Partial<Flags> {
  switch (action.kind) {
    case 'mute': return { mutedUntilMs: action.forMs === null ? Infinity : nowMs + action.forMs }
    case 'unmute': return { mutedUntilMs: 0 }
    case 'archive': case 'unarchive': return { isArchived: action.kind === 'archive' }
    case 'pin': case 'unpin': return { isPinned: action.kind === 'pin' }
    case 'report': case 'timer-get': case 'timer-set': return {}
  }
}

/** `new messages disappear after 7 days` */
export function timerText({ after }: { readonly after: number }): string {
  return after === 0 ? 'new messages stay' : `new messages disappear after ${spanText(after)}`
}

/** All items of a list, page by page. */
export async function* whole<T>(ask_: (request: ListRequest) => Promise<ListPage<T>>, nameOf: (item: T) => string): AsyncGenerator<T, void, undefined> {
  for (let after = ''; ;) {
    const page = await ask_({ after, limit: LIMIT.listPageMax })
    yield* page.items
    const last = page.items.at(-1)
    // A page without progress would go on for ever.
    if (!page.more || last === undefined || nameOf(last) <= after) return
    after = nameOf(last)
  }
}

function profileFields({ user, version, profile }: ProfileInfo): object {
  return { user, name: profile?.name ?? '', about: profile?.about ?? '', picture: profile?.picture ?? '', version }
}

/** The address first: names are not unique. [PRF-19] */
function profileText({ user, profile }: ProfileInfo): string {
  const { name = '', about = '', picture = '' } = profile ?? {}
  const lines = [[name, `~ ${name}`], [about, `"${about}"`], [picture, `picture ${picture}`]].filter(([value]) => value !== '')
  return [user, ...lines.map(([, text]) => text ?? '')].map((part) => safeText(part)).join('  ')
}

function contactFields({ user, name }: ContactInfo): object {
  return { user, name }
}

function contactText({ user, name }: ContactInfo): string {
  return name === '' ? safeText(user) : `${safeText(user)}  ${safeText(name)}`
}

function blockedFields({ user, sinceMs }: BlockedInfo): object {
  return { user, since: sinceMs }
}

function blockedText({ user, sinceMs }: BlockedInfo): string {
  return `${safeText(user)}  since ${localTime(sinceMs)}`
}

function flagsFields({ conversation, mutedUntilMs, isArchived, isPinned, isMarked }: FlagsInfo): object {
  return {
    conversation, mutedUntil: mutedUntilMs === Infinity ? 'forever' : mutedUntilMs, archived: isArchived, pinned: isPinned, marked: isMarked,
  }
}
