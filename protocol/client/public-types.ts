/** The types of `chatd/client`, alike in Node and browsers. */
export type { ClientEvents, ClientOptions, PendingSend, SendOptions } from './client.js'
export type { InviteRecord, MadeInvite, SearchOptions, SearchResults } from './account-queries.js'
export type { RegisterOptions } from './register.js'
export type { LocalErrorSymbol } from './client-error.js'
export type { DeclinedEvent, PresenceEvent, TypingEvent, TypingKind } from './ephemeral.js'
export type { Audience, Privacy } from './privacy-elements.js'
export type { MemberMarks, ReceiptEvent, Watermarks } from './conversations.js'
export type { GroupChange, GroupInfo, GroupLinkInfo, GroupMember, GroupPolicy, GroupRole, NewGroupOptions } from './group-client.js'
export type { Ack, ChangedEvent, ClientStateName, Message, MessageOperation, OperationEvent, Refusal, WelcomeEvent } from './core-types.js'
export type {
  ConversationInfo, DeviceRecord, HistoryMessage, HistoryOperation, HistoryPage, HistoryRequest, ReactionRecord, ServerLimits, Settings,
} from './query-elements.js'
export type { ClientState, ClientStorage, ConversationRecord, MarkRecord, OperationName, OutboxRecord, StanzaKind, StorageChange } from './state.js'
export type { MessageView } from './message-views.js'
export type { References } from '../references.js'
export type { BlockedInfo, ContactInfo, Flags, FlagsInfo, ListPage, ListRequest, Profile, ProfileInfo } from './profile-elements.js'
