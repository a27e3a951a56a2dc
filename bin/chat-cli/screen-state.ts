/** What the interactive program knows and shows: the state, the events that change it, and what they ask of the client. No I/O. */
import { isGroup } from '../../protocol/address.js'
import type { Attachment, Flags, OperationName, PresenceEvent, Privacy, ReactionRecord, TypingKind } from '../../protocol/client/node.js'
import { MessageViews, type OperationSource } from '../../protocol/client/message-views.js'
import type { Element } from '../../protocol/element.js'
import type { GroupRequest } from './group-words.js'
import type { Key, Line } from './line-editor.js'
import { EMPTY_LINE } from './line-editor.js'
import type { PeopleAction } from './people-arguments.js'
import type { UploadState } from './screen-files.js'
import type { Names } from './screen-people.js'

export const NO_FLAGS: Flags = { mutedUntilMs: 0, isArchived: false, isPinned: false, isMarked: false }

/** A member's watermarks. */
export interface Marks {
  readonly delivered: number
  readonly read: number
}

export interface ShownMessage {
  readonly seq: number
  readonly from: string
  readonly own: boolean
  /** Unix time */
  readonly timeMs: number
  readonly text: string
  /** It has more to it than this version can show. [FRM-7] */
  readonly isIncomplete: boolean
  /** What changed in the group; absent or null: it is a message. */
  readonly change?: Element | null
  /** What became of it, and what it refers to; absent: nothing. */
  readonly editedMs?: number | null
  readonly isDeleted?: boolean
  readonly reactions?: readonly ReactionRecord[]
  /** When it goes from the screen, by the server's clock; absent or 0: it stays. */
  readonly expiresMs?: number
  readonly replyTo?: number
  readonly forwards?: number
  /** Users; absent: none. */
  readonly mentions?: readonly string[]
  /** Absent: none. */
  readonly attachments?: readonly Attachment[]
}

/** What makes a conversation a group; see screen-groups.ts. */
export interface GroupFacts {
  /** Display name; empty: not known yet. */
  name: string
  size: number
  /** `owner`, `admin`, `member`, `former`, `invited`; empty: not known yet. */
  role: string
  /** Names, for completion; as of the last time that they were asked for. */
  members: readonly string[]
  /** Whether it has changed since it was asked for, and whether an answer is on its way. */
  isStale: boolean
  isLoading: boolean
}

/** A message that was typed and is not acknowledged. */
export interface PendingMessage {
  readonly localId: number
  readonly text: string
  /** Why it was refused; empty while it waits. */
  readonly failure: string
  /** What has to be done to send it once more. */
  readonly again: SendEffect
  readonly references?: SentReferences
  readonly attachments?: readonly Attachment[]
  /** Its file is on the way. */
  readonly upload?: UploadState
}

/** Files of another message that go along. */
export interface ForwardedFiles {
  readonly conversation: string
  readonly seq: number
  readonly attachments: readonly Attachment[]
}

export interface SentReferences {
  readonly replyTo?: number
  readonly forwards?: number
}

export interface ConversationState {
  readonly name: string
  /** Last seq that is known. */
  tail: number
  /** One's own read watermark, and how many messages of others lie above it. */
  read: number
  unread: number
  /** The watermarks of the other members. [RCP-9] */
  readonly members: Map<string, Marks>
  /** Ascending by seq, without a gap, ending with the latest; empty until the conversation was opened. */
  messages: ShownMessage[]
  pending: PendingMessage[]
  /** Why the server does not take what waits; may be of an earlier time where nothing does. */
  heldReason: string
  /** Set by the user, for all own devices. */
  flags: Flags
  /** Whether the server has messages before the first of `messages`. */
  more: boolean
  /** Whether the latest page has been asked for, and whether it came. */
  loading: boolean
  loaded: boolean
  last: ShownMessage | null
  /** null: a pair, or one's notes. */
  readonly group: GroupFacts | null
  /** Messages as operations have left them. */
  readonly views: MessageViews
}

export type Connection = 'connecting' | 'online' | 'waiting'

/** A line about a user, who is watched as long as it is shown. */
export interface UserLine {
  readonly text: string
  readonly user: string
}

export type Panel = readonly (string | UserLine)[]

export interface ScreenState {
  readonly me: string
  readonly server: string
  /** Whether colours may be used; without them the marks differ by their text. */
  readonly isColored: boolean
  columns: number
  rows: number
  connection: Connection
  /** Why there is no connection; may be empty. */
  detail: string
  readonly conversations: Map<string, ConversationState>
  /** Names in the order of the list. It stands still while a line is being typed, so that a number keeps its meaning. */
  order: string[]
  /** Name of the conversation on the screen; null: the list. */
  open: string | null
  /** Lines that the conversation is scrolled up. */
  scroll: number
  /** Lines that cover the screen until Esc: the help, the members of a group … ; null: none. */
  panel: Panel | null
  /** First line of the panel that is shown. */
  panelTop: number
  /** The answer to /who is on the screen. */
  isWhoShown: boolean
  /** What is known of the users who are watched. */
  readonly presences: Map<string, PresenceEvent>
  /** Who types or records, by conversation and user. */
  readonly typists: Map<string, Map<string, TypingKind>>
  /** Whether messages are shown with their numbers. */
  areNumbersShown: boolean
  line: Line
  /** One line about the last thing that went wrong or was asked for; empty: none. */
  notice: string
  nextLocalId: number
  readonly names: Names
}

/** A conversation as the server lists it. */
export interface ListedConversation {
  readonly conversation: string
  readonly tail: number
  readonly last: ShownMessage | null
  readonly read: number
  readonly unread: number
  readonly members: readonly (Marks & { readonly member: string })[]
  readonly group?: { readonly name: string; readonly size: number; readonly role: string } | null
  /** Absent where nothing is known of them. */
  readonly flags?: Flags
}

/** A group as the server describes it to those who are in it, or may come in. */
export interface ListedGroup {
  readonly name: string
  readonly size: number
  readonly role: string
  readonly members: readonly { readonly user: string }[]
}

export type ScreenEvent =
  | { readonly kind: 'connection'; readonly connection: Connection; readonly detail: string }
  | { readonly kind: 'conversations'; readonly list: readonly ListedConversation[] }
  | {
    readonly kind: 'history'
    readonly conversation: string
    readonly messages: readonly ShownMessage[]
    readonly more: boolean
    /** The conversation's last seq as of the page. */
    readonly tail?: number
  }
  | { readonly kind: 'operation'; readonly conversation: string; readonly operation: OperationSource }
  | { readonly kind: 'history-failed'; readonly conversation: string; readonly isUnknown: boolean; readonly reason: string }
  | { readonly kind: 'message'; readonly conversation: string; readonly message: ShownMessage }
  | {
    readonly kind: 'receipt'
    readonly conversation: string
    readonly member: string
    readonly mark: 'delivered' | 'read'
    readonly seq: number
  }
  /** A message of an earlier run that still waits in the outbox. */
  | { readonly kind: 'leftover'; readonly localId: number; readonly to: string; readonly text: string; readonly attachments?: readonly Attachment[]; readonly extensions?: Uint8Array }
  | { readonly kind: 'upload'; readonly localId: number; readonly to: string; readonly upload: UploadState }
  | { readonly kind: 'uploaded'; readonly localId: number; readonly to: string; readonly attachments: readonly Attachment[] }
  /** Names of files that `before`, the line up to the cursor, may go on with. */
  | { readonly kind: 'paths'; readonly before: string; readonly names: readonly string[] }
  | { readonly kind: 'sent'; readonly localId: number; readonly to: string; readonly seq: number; readonly timeMs: number; readonly expiresMs?: number }
  | { readonly kind: 'refused'; readonly localId: number; readonly to: string; readonly reason: string }
  /** What waits for this conversation was not taken for now. */
  | { readonly kind: 'held'; readonly to: string; readonly reason: string }
  /** null: the server does not tell, for now or for good. */
  | { readonly kind: 'group'; readonly group: string; readonly info: ListedGroup | null }
  | { readonly kind: 'panel'; readonly lines: Panel }
  /** A conversation that was asked for can be opened. */
  | { readonly kind: 'open'; readonly conversation: string }
  | { readonly kind: 'presence'; readonly presence: PresenceEvent }
  | { readonly kind: 'typing'; readonly conversation: string; readonly from: string; readonly typing: TypingKind }
  /** Something that was asked for is done, or failed. */
  | { readonly kind: 'notice'; readonly text: string }
  | { readonly kind: 'key'; readonly key: Key }
  | { readonly kind: 'paste'; readonly text: string }
  /** It is this time by the server's clock: what has expired goes. */
  | { readonly kind: 'expire'; readonly nowMs: number }
  /** Own names of all contacts. */
  | { readonly kind: 'contacts'; readonly contacts: ReadonlyMap<string, string> }
  | { readonly kind: 'profiles'; readonly profiles: Names['profiles'] }
  | { readonly kind: 'resize'; readonly columns: number; readonly rows: number }

/** A message is to go. `extensions`: instead of all else that it carries, as an earlier run had it. */
export type SendEffect =
  | {
    readonly kind: 'send'; readonly localId: number; readonly to: string; readonly text: string
    readonly references?: SentReferences; readonly forwarded?: ForwardedFiles; readonly extensions?: Uint8Array
  }
  | { readonly kind: 'send-file'; readonly localId: number; readonly to: string; readonly path: string; readonly text: string }

/** What the state asks of the client and the terminal. */
export type Effect =
  | SendEffect
  /** Into a folder; '': the present one. */
  | { readonly kind: 'fetch'; readonly conversation: string; readonly seq: number; readonly attachments: readonly Attachment[]; readonly folder: string }
  /** Which files have names that begin like this. */
  | { readonly kind: 'list-paths'; readonly before: string; readonly path: string }
  | { readonly kind: 'operate'; readonly conversation: string; readonly operation: OperationName; readonly target: number; readonly text: string }
  | { readonly kind: 'mark-read'; readonly conversation: string; readonly seq: number }
  /** A page of history before a seq; null: the latest. */
  | { readonly kind: 'load'; readonly conversation: string; readonly before: number | null }
  /** What the server tells of a group. */
  | { readonly kind: 'load-group'; readonly group: string }
  | { readonly kind: 'group-request'; readonly request: GroupRequest }
  /** Who has received and read the message. */
  | { readonly kind: 'who-read'; readonly conversation: string; readonly seq: number; readonly timeMs: number; readonly text: string }
  | { readonly kind: 'typing'; readonly conversation: string; readonly isPaused: boolean }
  | { readonly kind: 'privacy'; readonly change: Partial<Privacy> }
  /** In one conversation, or in all. */
  | { readonly kind: 'search'; readonly words: string; readonly conversation: string | null }
  | { readonly kind: 'invite' }
  | { readonly kind: 'people'; readonly action: PeopleAction }
  | { readonly kind: 'redraw' }
  | { readonly kind: 'quit' }

export function newScreenState(options: Pick<ScreenState, 'me' | 'server' | 'isColored' | 'columns' | 'rows'>): ScreenState {
  return {
    ...options,
    connection: 'connecting',
    detail: '',
    conversations: new Map(),
    order: [],
    open: null,
    scroll: 0,
    panelTop: 0,
    isWhoShown: false,
    presences: new Map(),
    typists: new Map(),
    panel: null,
    areNumbersShown: false,
    line: EMPTY_LINE,
    notice: '',
    nextLocalId: 1,
    names: { contacts: new Map(), profiles: new Map() },
  }
}

/** The conversation of that name, made if there is none. */
export function conversationOf(state: ScreenState, name: string): ConversationState {
  const known = state.conversations.get(name)
  if (known !== undefined) return known
  const made: ConversationState = {
    name,
    tail: 0,
    read: 0,
    unread: 0,
    members: new Map(),
    messages: [],
    pending: [],
    heldReason: '',
    flags: NO_FLAGS,
    more: false,
    loading: false,
    loaded: false,
    last: null,
    group: isGroup(name) ? { name: '', size: 0, role: '', members: [], isStale: true, isLoading: false } : null,
    views: new MessageViews(state.me),
  }
  state.conversations.set(name, made)
  return made
}

export function openConversation(state: ScreenState): ConversationState | null {
  return state.open === null ? null : state.conversations.get(state.open) ?? null
}

export type Tick = 'waiting' | 'sent' | 'delivered' | 'read'

/** How far an own message has come: the slowest of the other members counts, and what was read was delivered. [RCP-4] */
export function tickOf(conversation: ConversationState, seq: number): Tick {
  if (conversation.members.size === 0) return 'sent'
  let delivered = true
  let read = true
  for (const marks of conversation.members.values()) {
    if (marks.read < seq) read = false
    if (Math.max(marks.delivered, marks.read) < seq) delivered = false
  }
  if (read) return 'read'
  return delivered ? 'delivered' : 'sent'
}
