/** The types of `chatd/client`, alike in Node and browsers. */
export type { ClientEvents, ClientOptions, PendingSend } from './client.js'
export type { LocalErrorSymbol } from './client-error.js'
export type { MemberMarks, ReceiptEvent, Watermarks } from './conversations.js'
export type { GroupChange, GroupInfo, GroupLinkInfo, GroupMember, GroupPolicy, GroupRole, NewGroupOptions } from './group-client.js'
export type { Ack, ClientStateName, Message, Refusal, WelcomeEvent } from './core-types.js'
export type { ConversationInfo, DeviceRecord, HistoryMessage, HistoryPage, HistoryRequest, Settings } from './query-elements.js'
export type { ClientState, ClientStorage, ConversationRecord, MarkRecord, OutboxRecord, StorageChange } from './state.js'
