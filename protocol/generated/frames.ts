// Generated from spec/protocol.json by `npm run generate`; change that file or the generator, not this one.
import { EMPTY_BYTES } from '../bytes.js'
import { elementSize, readElement, writeElement } from '../element.js'
import type { Element } from '../element.js'
import { checkExtensions } from '../extensions.js'
import { ByteBuffer } from '../byte-buffer.js'
import { Reader } from '../reader.js'
import { utf8Size } from '../utf8.js'
import {
  stringListSize, timeSize, uintListSize, uintSize, writeByteString, writeRaw, writeString, writeStringList, writeTime, writeUint,
  writeUintList, zigzag,
} from '../writer.js'
import { ERROR, LIMIT } from './registry.js'
import type { ErrorCode } from './registry.js'

/** The first frame of every connection: which versions the client speaks and what it is. */
export interface HelloFrame {
  readonly type: 2
  /** protocol versions the client speaks, best first */
  readonly versions: readonly number[]
  /** name and version of the client software, for the operator's eyes */
  readonly agent: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The answer to hello: the version chosen and how the client may authenticate. */
export interface FeaturesFrame {
  readonly type: 4
  /** the version both will speak */
  readonly version: number
  /** authentication mechanisms offered on this connection, best first */
  readonly mechanisms: readonly string[]
  /** channel-binding types offered; empty without TLS */
  readonly channelBindings: readonly string[]
  /** largest frame body accepted before welcome */
  readonly openFrameBytesMax: number
  /** time left to reach welcome, in milliseconds */
  readonly openTimeoutMs: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Begins one authentication exchange. */
export interface AuthFrame {
  readonly type: 6
  /** one of the mechanisms */
  readonly mechanism: string
  /** the mechanism's initial response */
  readonly data: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The mechanism's next question. */
export interface ChallengeFrame {
  readonly type: 8
  /** mechanism data */
  readonly data: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The answer to a challenge. */
export interface ResponseFrame {
  readonly type: 10
  /** mechanism data */
  readonly data: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Authentication succeeded. */
export interface AuthenticatedFrame {
  readonly type: 12
  /** the user's address as the server spells it */
  readonly user: string
  /** the mechanism's final data: the SCRAM server signature, empty for TOKEN */
  readonly data: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Names the device and where its cursor and outbox stand. */
export interface BindFrame {
  readonly type: 14
  /** the device's id */
  readonly device: string
  /** what a person calls the device; may be empty */
  readonly deviceName: string
  /** epoch of the cursor; 0: the device has none */
  readonly queueEpoch: number
  /** last queue index the device has stored */
  readonly cursor: number
  /** epoch of the device's client ids; 0: the device has none */
  readonly outboxEpoch: number
  /** unacknowledged queue entries the device is ready for; 0: the server's default */
  readonly window: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The session is open: its limits, where the queue stands, and what waits. */
export interface WelcomeFrame {
  readonly type: 16
  /** id of the session, for support and logs */
  readonly session: string
  /** the server's clock; base of ack.timeOffset */
  readonly time: number
  /** how the cursor was taken: 0 fresh, 1 resumed, 2 too old */
  readonly resume: number
  /** epoch of the queue */
  readonly queueEpoch: number
  /** the position the server will send from: the first entry is cursor + 1 */
  readonly cursor: number
  /** preview: queue entries that wait now */
  readonly pending: number
  /** epoch under which the device's client ids count from now on */
  readonly outboxEpoch: number
  /** unacknowledged entries the server will send at most */
  readonly window: number
  /** messages, marks and operations the client may have without an answer */
  readonly unacknowledgedMax: number
  /** largest frame body in both directions from now on */
  readonly frameBytesMax: number
  /** longest silence either side may keep, in milliseconds */
  readonly keepAliveMs: number
  /** a new token for this device, to be stored before it is used; empty: keep the present one */
  readonly token: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** A message to a conversation. Answered by ack or refuse. */
export interface MessageFrame {
  readonly type: 18
  /** the device's number for it: 1 or more, rising */
  readonly clientId: number
  /** a user or a group */
  readonly to: string
  /** the plain text, UTF-8 */
  readonly text: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** A stanza with a client id is on stable storage. */
export interface AckFrame {
  readonly type: 20
  /** which stanza */
  readonly clientId: number
  /** its position in the conversation */
  readonly seq: number
  /** when it was accepted: milliseconds from welcome.time; negative when accepted in an earlier session */
  readonly timeOffset: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** A stanza with a client id was not accepted; the connection goes on. */
export interface RefuseFrame {
  readonly type: 22
  /** which stanza */
  readonly clientId: number
  /** code from the error table */
  readonly error: number
  /** with a retryable error: wait at least this long */
  readonly retryAfterMs: number
  /** one sentence for a developer */
  readonly reason: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: a message from the other member of a pair. */
export interface DeliveryFrame {
  readonly type: 24
  /** position in the user's queue */
  readonly index: number
  /** the conversation: the other user */
  readonly conversation: string
  /** position in the conversation */
  readonly seq: number
  /** when the server accepted it */
  readonly time: number
  /** the plain text, UTF-8 */
  readonly text: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: a message whose sender is not implied: one's own from another device, or a group member's. */
export interface DeliveryFromFrame {
  readonly type: 26
  /** position in the user's queue */
  readonly index: number
  /** the conversation: the other user, or the group */
  readonly conversation: string
  /** the user who sent it */
  readonly from: string
  /** position in the conversation */
  readonly seq: number
  /** when the server accepted it */
  readonly time: number
  /** the plain text, UTF-8 */
  readonly text: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: a member's watermark in a conversation rose. */
export interface ReceiptFrame {
  readonly type: 28
  /** position in the user's queue */
  readonly index: number
  /** the conversation */
  readonly conversation: string
  /** whose watermark; empty: the other user of the pair, or in a group all the others */
  readonly member: string
  /** which watermark: 1 delivered, 2 read */
  readonly mark: number
  /** the watermark: it covers every message up to this one */
  readonly seq: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: who is in a group, or how it is set up, has changed. */
export interface ChangeFrame {
  readonly type: 50
  /** position in the user's queue */
  readonly index: number
  /** the group */
  readonly conversation: string
  /** the user who did it */
  readonly from: string
  /** position in the conversation */
  readonly seq: number
  /** when the server accepted it */
  readonly time: number
  /** what changed */
  readonly element: Element
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: the user's own profile, contacts, blocked users or flags changed; what changed is asked for. */
export interface ChangedFrame {
  readonly type: 100
  /** position in the user's queue */
  readonly index: number
  /** what changed: 1 profile, 2 contacts, 3 blocked, 4 flags */
  readonly list: number
  /** its version now */
  readonly version: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: the entries up to this index hold nothing for the device. */
export interface SkipFrame {
  readonly type: 30
  /** last index skipped */
  readonly index: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The queue has been sent up to this index; what follows is live. */
export interface DoneFrame {
  readonly type: 32
  /** last index sent; welcome.cursor if there was none */
  readonly index: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Cumulative acknowledgement: the device has stored every entry up to this index. */
export interface CursorFrame {
  readonly type: 34
  /** last index stored */
  readonly index: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Raises the user's read watermark in a conversation. Answered by ack or refuse. */
export interface MarkFrame {
  readonly type: 36
  /** the device's number for it: 1 or more, rising */
  readonly clientId: number
  /** a user or a group */
  readonly conversation: string
  /** which watermark: 2 read */
  readonly mark: number
  /** read up to here */
  readonly seq: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Changes a message of a conversation for all its members. Answered by ack or refuse. */
export interface OperateFrame {
  readonly type: 64
  /** the device's number for it: 1 or more, rising */
  readonly clientId: number
  /** a user or a group */
  readonly conversation: string
  /** seq of the message */
  readonly target: number
  /** what is done to it: 1 edit, 2 delete, 3 react */
  readonly kind: number
  /** edit: the new text; react: the emoji, or nothing to take it away; delete: nothing */
  readonly text: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Queue entry: a message was edited, deleted or reacted to. */
export interface OperationFrame {
  readonly type: 66
  /** position in the user's queue */
  readonly index: number
  /** the conversation: the other user, or the group */
  readonly conversation: string
  /** the user who did it */
  readonly from: string
  /** position in the conversation */
  readonly seq: number
  /** when the server accepted it */
  readonly time: number
  /** seq of the message */
  readonly target: number
  /** what was done to it: 1 edit, 2 delete, 3 react */
  readonly kind: number
  /** edit: the new text; react: the emoji, or nothing where it was taken away; delete: nothing */
  readonly text: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** A question or a change that is not a message. Answered by result or fail. */
export interface QueryFrame {
  readonly type: 38
  /** the client's number for it, unique among those without an answer */
  readonly id: number
  /** what is asked */
  readonly element: Element
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The answer to a query. */
export interface ResultFrame {
  readonly type: 40
  /** which query */
  readonly id: number
  /** the answer */
  readonly element: Element
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** A query was refused; the connection goes on. */
export interface FailFrame {
  readonly type: 42
  /** which query */
  readonly id: number
  /** code from the error table */
  readonly error: number
  /** with a retryable error: wait at least this long */
  readonly retryAfterMs: number
  /** one sentence for a developer */
  readonly reason: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Asks the peer for a sign of life. */
export interface PingFrame {
  readonly type: 44
  /** returned in pong */
  readonly nonce: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The answer to ping. */
export interface PongFrame {
  readonly type: 46
  /** that of the ping */
  readonly nonce: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The last frame its sender sends. */
export interface CloseFrame {
  readonly type: 48
  /** code from the error table */
  readonly error: number
  /** reconnect no sooner than this */
  readonly retryAfterMs: number
  /** with go-to-host: host:port to connect to instead; else empty */
  readonly host: string
  /** one sentence for a developer; may be empty */
  readonly reason: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: whether somebody looks at the device. */
export interface ActivityFrame {
  readonly type: 51
  /** 1 active, 2 inactive: in the background, to be spared */
  readonly activity: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: subscribes to the presence of users. */
export interface WatchFrame {
  readonly type: 53
  /** whom */
  readonly users: readonly string[]
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: ends subscriptions to the presence of users. */
export interface UnwatchFrame {
  readonly type: 55
  /** whose; none: all */
  readonly users: readonly string[]
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: the user writes or records something in a conversation, or has paused. */
export interface TypingFrame {
  readonly type: 57
  /** a user or a group */
  readonly conversation: string
  /** 1 typing, 2 recording, 3 paused */
  readonly kind: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: what the device may see of a user that it watches. */
export interface PresenceFrame {
  readonly type: 59
  /** who */
  readonly user: string
  /** 1 online; 0 offline, or not to be seen */
  readonly state: number
  /** when the user was online last; 0 while it is seen online, and where it is not known or not to be seen */
  readonly lastSeen: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: another member of a conversation types, records or has paused. */
export interface TypingFromFrame {
  readonly type: 61
  /** the conversation: the other user, or the group */
  readonly conversation: string
  /** the user who does */
  readonly from: string
  /** 1 typing, 2 recording, 3 paused */
  readonly kind: number
  /** it is over after this, in milliseconds from its arrival; 0: paused */
  readonly expiresMs: number
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Ephemeral: an ephemeral frame, or a part of it, was not taken; the connection goes on. */
export interface DeclineFrame {
  readonly type: 63
  /** type of the frame */
  readonly frame: number
  /** for which of its users, or its conversation, as the client spelt them */
  readonly names: readonly string[]
  /** code from the error table */
  readonly error: number
  /** with a retryable error: wait at least this long */
  readonly retryAfterMs: number
  /** one sentence for a developer */
  readonly reason: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Asks for a new account, in the place of auth. Answered by registered, or by close. */
export interface RegisterFrame {
  readonly type: 112
  /** the name wanted */
  readonly user: string
  /** the invite code as its person has it; empty: none */
  readonly invite: string
  /** of the SCRAM verifier: 16 random bytes */
  readonly salt: Uint8Array
  /** of the SCRAM verifier: the number that features named */
  readonly iterations: number
  /** of the SCRAM verifier: 32 bytes */
  readonly storedKey: Uint8Array
  /** of the SCRAM verifier: 32 bytes */
  readonly serverKey: Uint8Array
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** The account is on stable storage. */
export interface RegisteredFrame {
  readonly type: 114
  /** the user's address as the server spells it */
  readonly user: string
  /** Raw extensions; see decodeExtensions. */
  readonly extensions: Uint8Array
}

/** Any frame of the protocol, told apart by `type` (see FRAME). */
export type Frame =
  | HelloFrame
  | FeaturesFrame
  | AuthFrame
  | ChallengeFrame
  | ResponseFrame
  | AuthenticatedFrame
  | BindFrame
  | WelcomeFrame
  | MessageFrame
  | AckFrame
  | RefuseFrame
  | DeliveryFrame
  | DeliveryFromFrame
  | ReceiptFrame
  | ChangeFrame
  | ChangedFrame
  | SkipFrame
  | DoneFrame
  | CursorFrame
  | MarkFrame
  | OperateFrame
  | OperationFrame
  | QueryFrame
  | ResultFrame
  | FailFrame
  | PingFrame
  | PongFrame
  | CloseFrame
  | ActivityFrame
  | WatchFrame
  | UnwatchFrame
  | TypingFrame
  | PresenceFrame
  | TypingFromFrame
  | DeclineFrame
  | RegisterFrame
  | RegisteredFrame

/** Appends a hello frame, its length included. */
export function appendHello(
  frames: ByteBuffer, versions: readonly number[], agent: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const agentBytes = utf8Size(agent)
  const size = 1
    + uintListSize(versions)
    + uintSize(agentBytes) + agentBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 2)
  position = writeUintList(bytes, position, versions)
  position = writeString(bytes, position, agent, agentBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a hello frame, its length included. The bytes are the caller's. */
export function encodeHello(
  versions: readonly number[], agent: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendHello(frames, versions, agent, extensions)
  return frames.bytes
}

/** Appends a features frame, its length included. */
export function appendFeatures(
  frames: ByteBuffer, version: number, mechanisms: readonly string[], channelBindings: readonly string[], openFrameBytesMax: number, openTimeoutMs: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(version)
    + stringListSize(mechanisms)
    + stringListSize(channelBindings)
    + uintSize(openFrameBytesMax)
    + uintSize(openTimeoutMs)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 4)
  position = writeUint(bytes, position, version)
  position = writeStringList(bytes, position, mechanisms)
  position = writeStringList(bytes, position, channelBindings)
  position = writeUint(bytes, position, openFrameBytesMax)
  position = writeUint(bytes, position, openTimeoutMs)
  writeRaw(bytes, position, extensions)
}

/** Encodes a features frame, its length included. The bytes are the caller's. */
export function encodeFeatures(
  version: number, mechanisms: readonly string[], channelBindings: readonly string[], openFrameBytesMax: number, openTimeoutMs: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendFeatures(frames, version, mechanisms, channelBindings, openFrameBytesMax, openTimeoutMs, extensions)
  return frames.bytes
}

/** Appends an auth frame, its length included. */
export function appendAuth(
  frames: ByteBuffer, mechanism: string, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const mechanismBytes = utf8Size(mechanism)
  const size = 1
    + uintSize(mechanismBytes) + mechanismBytes
    + uintSize(data.length) + data.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 6)
  position = writeString(bytes, position, mechanism, mechanismBytes)
  position = writeByteString(bytes, position, data)
  writeRaw(bytes, position, extensions)
}

/** Encodes an auth frame, its length included. The bytes are the caller's. */
export function encodeAuth(
  mechanism: string, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendAuth(frames, mechanism, data, extensions)
  return frames.bytes
}

/** Appends a challenge frame, its length included. */
export function appendChallenge(
  frames: ByteBuffer, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(data.length) + data.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 8)
  position = writeByteString(bytes, position, data)
  writeRaw(bytes, position, extensions)
}

/** Encodes a challenge frame, its length included. The bytes are the caller's. */
export function encodeChallenge(
  data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendChallenge(frames, data, extensions)
  return frames.bytes
}

/** Appends a response frame, its length included. */
export function appendResponse(
  frames: ByteBuffer, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(data.length) + data.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 10)
  position = writeByteString(bytes, position, data)
  writeRaw(bytes, position, extensions)
}

/** Encodes a response frame, its length included. The bytes are the caller's. */
export function encodeResponse(
  data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendResponse(frames, data, extensions)
  return frames.bytes
}

/** Appends an authenticated frame, its length included. */
export function appendAuthenticated(
  frames: ByteBuffer, user: string, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const userBytes = utf8Size(user)
  const size = 1
    + uintSize(userBytes) + userBytes
    + uintSize(data.length) + data.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 12)
  position = writeString(bytes, position, user, userBytes)
  position = writeByteString(bytes, position, data)
  writeRaw(bytes, position, extensions)
}

/** Encodes an authenticated frame, its length included. The bytes are the caller's. */
export function encodeAuthenticated(
  user: string, data: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendAuthenticated(frames, user, data, extensions)
  return frames.bytes
}

/** Appends a bind frame, its length included. */
export function appendBind(
  frames: ByteBuffer, device: string, deviceName: string, queueEpoch: number, cursor: number, outboxEpoch: number, window: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const deviceBytes = utf8Size(device)
  const deviceNameBytes = utf8Size(deviceName)
  const size = 1
    + uintSize(deviceBytes) + deviceBytes
    + uintSize(deviceNameBytes) + deviceNameBytes
    + uintSize(queueEpoch)
    + uintSize(cursor)
    + uintSize(outboxEpoch)
    + uintSize(window)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 14)
  position = writeString(bytes, position, device, deviceBytes)
  position = writeString(bytes, position, deviceName, deviceNameBytes)
  position = writeUint(bytes, position, queueEpoch)
  position = writeUint(bytes, position, cursor)
  position = writeUint(bytes, position, outboxEpoch)
  position = writeUint(bytes, position, window)
  writeRaw(bytes, position, extensions)
}

/** Encodes a bind frame, its length included. The bytes are the caller's. */
export function encodeBind(
  device: string, deviceName: string, queueEpoch: number, cursor: number, outboxEpoch: number, window: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendBind(frames, device, deviceName, queueEpoch, cursor, outboxEpoch, window, extensions)
  return frames.bytes
}

/** Appends a welcome frame, its length included. */
export function appendWelcome(
  frames: ByteBuffer, session: string, time: number, resume: number, queueEpoch: number, cursor: number, pending: number, outboxEpoch: number, window: number, unacknowledgedMax: number, frameBytesMax: number, keepAliveMs: number, token: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const sessionBytes = utf8Size(session)
  const size = 1
    + uintSize(sessionBytes) + sessionBytes
    + timeSize(time)
    + uintSize(resume)
    + uintSize(queueEpoch)
    + uintSize(cursor)
    + uintSize(pending)
    + uintSize(outboxEpoch)
    + uintSize(window)
    + uintSize(unacknowledgedMax)
    + uintSize(frameBytesMax)
    + uintSize(keepAliveMs)
    + uintSize(token.length) + token.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 16)
  position = writeString(bytes, position, session, sessionBytes)
  position = writeTime(bytes, position, time)
  position = writeUint(bytes, position, resume)
  position = writeUint(bytes, position, queueEpoch)
  position = writeUint(bytes, position, cursor)
  position = writeUint(bytes, position, pending)
  position = writeUint(bytes, position, outboxEpoch)
  position = writeUint(bytes, position, window)
  position = writeUint(bytes, position, unacknowledgedMax)
  position = writeUint(bytes, position, frameBytesMax)
  position = writeUint(bytes, position, keepAliveMs)
  position = writeByteString(bytes, position, token)
  writeRaw(bytes, position, extensions)
}

/** Encodes a welcome frame, its length included. The bytes are the caller's. */
export function encodeWelcome(
  session: string, time: number, resume: number, queueEpoch: number, cursor: number, pending: number, outboxEpoch: number, window: number, unacknowledgedMax: number, frameBytesMax: number, keepAliveMs: number, token: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendWelcome(frames, session, time, resume, queueEpoch, cursor, pending, outboxEpoch, window, unacknowledgedMax, frameBytesMax, keepAliveMs, token, extensions)
  return frames.bytes
}

/** Appends a message frame, its length included. */
export function appendMessage(
  frames: ByteBuffer, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const toBytes = utf8Size(to)
  const size = 1
    + uintSize(clientId)
    + uintSize(toBytes) + toBytes
    + uintSize(text.length) + text.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 18)
  position = writeUint(bytes, position, clientId)
  position = writeString(bytes, position, to, toBytes)
  position = writeByteString(bytes, position, text)
  writeRaw(bytes, position, extensions)
}

/** Encodes a message frame, its length included. The bytes are the caller's. */
export function encodeMessage(
  clientId: number, to: string, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendMessage(frames, clientId, to, text, extensions)
  return frames.bytes
}

/** Appends an ack frame, its length included. */
export function appendAck(
  frames: ByteBuffer, clientId: number, seq: number, timeOffset: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(clientId)
    + uintSize(seq)
    + uintSize(zigzag(timeOffset))
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 20)
  position = writeUint(bytes, position, clientId)
  position = writeUint(bytes, position, seq)
  position = writeUint(bytes, position, zigzag(timeOffset))
  writeRaw(bytes, position, extensions)
}

/** Encodes an ack frame, its length included. The bytes are the caller's. */
export function encodeAck(
  clientId: number, seq: number, timeOffset: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendAck(frames, clientId, seq, timeOffset, extensions)
  return frames.bytes
}

/** Appends a refuse frame, its length included. */
export function appendRefuse(
  frames: ByteBuffer, clientId: number, error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const reasonBytes = utf8Size(reason)
  const size = 1
    + uintSize(clientId)
    + uintSize(error)
    + uintSize(retryAfterMs)
    + uintSize(reasonBytes) + reasonBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 22)
  position = writeUint(bytes, position, clientId)
  position = writeUint(bytes, position, error)
  position = writeUint(bytes, position, retryAfterMs)
  position = writeString(bytes, position, reason, reasonBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a refuse frame, its length included. The bytes are the caller's. */
export function encodeRefuse(
  clientId: number, error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendRefuse(frames, clientId, error, retryAfterMs, reason, extensions)
  return frames.bytes
}

/** Appends a delivery frame, its length included. */
export function appendDelivery(
  frames: ByteBuffer, index: number, conversation: string, seq: number, time: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const size = 1
    + uintSize(index)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(seq)
    + timeSize(time)
    + uintSize(text.length) + text.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 24)
  position = writeUint(bytes, position, index)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeUint(bytes, position, seq)
  position = writeTime(bytes, position, time)
  position = writeByteString(bytes, position, text)
  writeRaw(bytes, position, extensions)
}

/** Encodes a delivery frame, its length included. The bytes are the caller's. */
export function encodeDelivery(
  index: number, conversation: string, seq: number, time: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendDelivery(frames, index, conversation, seq, time, text, extensions)
  return frames.bytes
}

/** Appends a deliveryFrom frame, its length included. */
export function appendDeliveryFrom(
  frames: ByteBuffer, index: number, conversation: string, from: string, seq: number, time: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const fromBytes = utf8Size(from)
  const size = 1
    + uintSize(index)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(fromBytes) + fromBytes
    + uintSize(seq)
    + timeSize(time)
    + uintSize(text.length) + text.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 26)
  position = writeUint(bytes, position, index)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeString(bytes, position, from, fromBytes)
  position = writeUint(bytes, position, seq)
  position = writeTime(bytes, position, time)
  position = writeByteString(bytes, position, text)
  writeRaw(bytes, position, extensions)
}

/** Encodes a deliveryFrom frame, its length included. The bytes are the caller's. */
export function encodeDeliveryFrom(
  index: number, conversation: string, from: string, seq: number, time: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendDeliveryFrom(frames, index, conversation, from, seq, time, text, extensions)
  return frames.bytes
}

/** Appends a receipt frame, its length included. */
export function appendReceipt(
  frames: ByteBuffer, index: number, conversation: string, member: string, mark: number, seq: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const memberBytes = utf8Size(member)
  const size = 1
    + uintSize(index)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(memberBytes) + memberBytes
    + uintSize(mark)
    + uintSize(seq)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 28)
  position = writeUint(bytes, position, index)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeString(bytes, position, member, memberBytes)
  position = writeUint(bytes, position, mark)
  position = writeUint(bytes, position, seq)
  writeRaw(bytes, position, extensions)
}

/** Encodes a receipt frame, its length included. The bytes are the caller's. */
export function encodeReceipt(
  index: number, conversation: string, member: string, mark: number, seq: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendReceipt(frames, index, conversation, member, mark, seq, extensions)
  return frames.bytes
}

/** Appends a change frame, its length included. */
export function appendChange(
  frames: ByteBuffer, index: number, conversation: string, from: string, seq: number, time: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const fromBytes = utf8Size(from)
  const elementBytes = elementSize(element)
  const size = 1
    + uintSize(index)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(fromBytes) + fromBytes
    + uintSize(seq)
    + timeSize(time)
    + uintSize(elementBytes) + elementBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 50)
  position = writeUint(bytes, position, index)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeString(bytes, position, from, fromBytes)
  position = writeUint(bytes, position, seq)
  position = writeTime(bytes, position, time)
  position = writeElement(bytes, writeUint(bytes, position, elementBytes), element)
  writeRaw(bytes, position, extensions)
}

/** Encodes a change frame, its length included. The bytes are the caller's. */
export function encodeChange(
  index: number, conversation: string, from: string, seq: number, time: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendChange(frames, index, conversation, from, seq, time, element, extensions)
  return frames.bytes
}

/** Appends a changed frame, its length included. */
export function appendChanged(
  frames: ByteBuffer, index: number, list: number, version: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(index)
    + uintSize(list)
    + uintSize(version)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 100)
  position = writeUint(bytes, position, index)
  position = writeUint(bytes, position, list)
  position = writeUint(bytes, position, version)
  writeRaw(bytes, position, extensions)
}

/** Encodes a changed frame, its length included. The bytes are the caller's. */
export function encodeChanged(
  index: number, list: number, version: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendChanged(frames, index, list, version, extensions)
  return frames.bytes
}

/** Appends a skip frame, its length included. */
export function appendSkip(
  frames: ByteBuffer, index: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(index)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 30)
  position = writeUint(bytes, position, index)
  writeRaw(bytes, position, extensions)
}

/** Encodes a skip frame, its length included. The bytes are the caller's. */
export function encodeSkip(
  index: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendSkip(frames, index, extensions)
  return frames.bytes
}

/** Appends a done frame, its length included. */
export function appendDone(
  frames: ByteBuffer, index: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(index)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 32)
  position = writeUint(bytes, position, index)
  writeRaw(bytes, position, extensions)
}

/** Encodes a done frame, its length included. The bytes are the caller's. */
export function encodeDone(
  index: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendDone(frames, index, extensions)
  return frames.bytes
}

/** Appends a cursor frame, its length included. */
export function appendCursor(
  frames: ByteBuffer, index: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(index)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 34)
  position = writeUint(bytes, position, index)
  writeRaw(bytes, position, extensions)
}

/** Encodes a cursor frame, its length included. The bytes are the caller's. */
export function encodeCursor(
  index: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendCursor(frames, index, extensions)
  return frames.bytes
}

/** Appends a mark frame, its length included. */
export function appendMark(
  frames: ByteBuffer, clientId: number, conversation: string, mark: number, seq: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const size = 1
    + uintSize(clientId)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(mark)
    + uintSize(seq)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 36)
  position = writeUint(bytes, position, clientId)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeUint(bytes, position, mark)
  position = writeUint(bytes, position, seq)
  writeRaw(bytes, position, extensions)
}

/** Encodes a mark frame, its length included. The bytes are the caller's. */
export function encodeMark(
  clientId: number, conversation: string, mark: number, seq: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendMark(frames, clientId, conversation, mark, seq, extensions)
  return frames.bytes
}

/** Appends an operate frame, its length included. */
export function appendOperate(
  frames: ByteBuffer, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const size = 1
    + uintSize(clientId)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(target)
    + uintSize(kind)
    + uintSize(text.length) + text.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 64)
  position = writeUint(bytes, position, clientId)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeUint(bytes, position, target)
  position = writeUint(bytes, position, kind)
  position = writeByteString(bytes, position, text)
  writeRaw(bytes, position, extensions)
}

/** Encodes an operate frame, its length included. The bytes are the caller's. */
export function encodeOperate(
  clientId: number, conversation: string, target: number, kind: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendOperate(frames, clientId, conversation, target, kind, text, extensions)
  return frames.bytes
}

/** Appends an operation frame, its length included. */
export function appendOperation(
  frames: ByteBuffer, index: number, conversation: string, from: string, seq: number, time: number, target: number, kind: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const fromBytes = utf8Size(from)
  const size = 1
    + uintSize(index)
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(fromBytes) + fromBytes
    + uintSize(seq)
    + timeSize(time)
    + uintSize(target)
    + uintSize(kind)
    + uintSize(text.length) + text.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 66)
  position = writeUint(bytes, position, index)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeString(bytes, position, from, fromBytes)
  position = writeUint(bytes, position, seq)
  position = writeTime(bytes, position, time)
  position = writeUint(bytes, position, target)
  position = writeUint(bytes, position, kind)
  position = writeByteString(bytes, position, text)
  writeRaw(bytes, position, extensions)
}

/** Encodes an operation frame, its length included. The bytes are the caller's. */
export function encodeOperation(
  index: number, conversation: string, from: string, seq: number, time: number, target: number, kind: number, text: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendOperation(frames, index, conversation, from, seq, time, target, kind, text, extensions)
  return frames.bytes
}

/** Appends a query frame, its length included. */
export function appendQuery(
  frames: ByteBuffer, id: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const elementBytes = elementSize(element)
  const size = 1
    + uintSize(id)
    + uintSize(elementBytes) + elementBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 38)
  position = writeUint(bytes, position, id)
  position = writeElement(bytes, writeUint(bytes, position, elementBytes), element)
  writeRaw(bytes, position, extensions)
}

/** Encodes a query frame, its length included. The bytes are the caller's. */
export function encodeQuery(
  id: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendQuery(frames, id, element, extensions)
  return frames.bytes
}

/** Appends a result frame, its length included. */
export function appendResult(
  frames: ByteBuffer, id: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const elementBytes = elementSize(element)
  const size = 1
    + uintSize(id)
    + uintSize(elementBytes) + elementBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 40)
  position = writeUint(bytes, position, id)
  position = writeElement(bytes, writeUint(bytes, position, elementBytes), element)
  writeRaw(bytes, position, extensions)
}

/** Encodes a result frame, its length included. The bytes are the caller's. */
export function encodeResult(
  id: number, element: Element, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendResult(frames, id, element, extensions)
  return frames.bytes
}

/** Appends a fail frame, its length included. */
export function appendFail(
  frames: ByteBuffer, id: number, error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const reasonBytes = utf8Size(reason)
  const size = 1
    + uintSize(id)
    + uintSize(error)
    + uintSize(retryAfterMs)
    + uintSize(reasonBytes) + reasonBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 42)
  position = writeUint(bytes, position, id)
  position = writeUint(bytes, position, error)
  position = writeUint(bytes, position, retryAfterMs)
  position = writeString(bytes, position, reason, reasonBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a fail frame, its length included. The bytes are the caller's. */
export function encodeFail(
  id: number, error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendFail(frames, id, error, retryAfterMs, reason, extensions)
  return frames.bytes
}

/** Appends a ping frame, its length included. */
export function appendPing(
  frames: ByteBuffer, nonce: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(nonce)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 44)
  position = writeUint(bytes, position, nonce)
  writeRaw(bytes, position, extensions)
}

/** Encodes a ping frame, its length included. The bytes are the caller's. */
export function encodePing(
  nonce: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendPing(frames, nonce, extensions)
  return frames.bytes
}

/** Appends a pong frame, its length included. */
export function appendPong(
  frames: ByteBuffer, nonce: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(nonce)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 46)
  position = writeUint(bytes, position, nonce)
  writeRaw(bytes, position, extensions)
}

/** Encodes a pong frame, its length included. The bytes are the caller's. */
export function encodePong(
  nonce: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendPong(frames, nonce, extensions)
  return frames.bytes
}

/** Appends a close frame, its length included. */
export function appendClose(
  frames: ByteBuffer, error: number, retryAfterMs: number, host: string, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const hostBytes = utf8Size(host)
  const reasonBytes = utf8Size(reason)
  const size = 1
    + uintSize(error)
    + uintSize(retryAfterMs)
    + uintSize(hostBytes) + hostBytes
    + uintSize(reasonBytes) + reasonBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 48)
  position = writeUint(bytes, position, error)
  position = writeUint(bytes, position, retryAfterMs)
  position = writeString(bytes, position, host, hostBytes)
  position = writeString(bytes, position, reason, reasonBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a close frame, its length included. The bytes are the caller's. */
export function encodeClose(
  error: number, retryAfterMs: number, host: string, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendClose(frames, error, retryAfterMs, host, reason, extensions)
  return frames.bytes
}

/** Appends an activity frame, its length included. */
export function appendActivity(
  frames: ByteBuffer, activity: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + uintSize(activity)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 51)
  position = writeUint(bytes, position, activity)
  writeRaw(bytes, position, extensions)
}

/** Encodes an activity frame, its length included. The bytes are the caller's. */
export function encodeActivity(
  activity: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendActivity(frames, activity, extensions)
  return frames.bytes
}

/** Appends a watch frame, its length included. */
export function appendWatch(
  frames: ByteBuffer, users: readonly string[], extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + stringListSize(users)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 53)
  position = writeStringList(bytes, position, users)
  writeRaw(bytes, position, extensions)
}

/** Encodes a watch frame, its length included. The bytes are the caller's. */
export function encodeWatch(
  users: readonly string[], extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendWatch(frames, users, extensions)
  return frames.bytes
}

/** Appends an unwatch frame, its length included. */
export function appendUnwatch(
  frames: ByteBuffer, users: readonly string[], extensions: Uint8Array = EMPTY_BYTES,
): void {
  const size = 1
    + stringListSize(users)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 55)
  position = writeStringList(bytes, position, users)
  writeRaw(bytes, position, extensions)
}

/** Encodes an unwatch frame, its length included. The bytes are the caller's. */
export function encodeUnwatch(
  users: readonly string[], extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendUnwatch(frames, users, extensions)
  return frames.bytes
}

/** Appends a typing frame, its length included. */
export function appendTyping(
  frames: ByteBuffer, conversation: string, kind: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const size = 1
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(kind)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 57)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeUint(bytes, position, kind)
  writeRaw(bytes, position, extensions)
}

/** Encodes a typing frame, its length included. The bytes are the caller's. */
export function encodeTyping(
  conversation: string, kind: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendTyping(frames, conversation, kind, extensions)
  return frames.bytes
}

/** Appends a presence frame, its length included. */
export function appendPresence(
  frames: ByteBuffer, user: string, state: number, lastSeen: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const userBytes = utf8Size(user)
  const size = 1
    + uintSize(userBytes) + userBytes
    + uintSize(state)
    + timeSize(lastSeen)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 59)
  position = writeString(bytes, position, user, userBytes)
  position = writeUint(bytes, position, state)
  position = writeTime(bytes, position, lastSeen)
  writeRaw(bytes, position, extensions)
}

/** Encodes a presence frame, its length included. The bytes are the caller's. */
export function encodePresence(
  user: string, state: number, lastSeen: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendPresence(frames, user, state, lastSeen, extensions)
  return frames.bytes
}

/** Appends a typingFrom frame, its length included. */
export function appendTypingFrom(
  frames: ByteBuffer, conversation: string, from: string, kind: number, expiresMs: number, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const conversationBytes = utf8Size(conversation)
  const fromBytes = utf8Size(from)
  const size = 1
    + uintSize(conversationBytes) + conversationBytes
    + uintSize(fromBytes) + fromBytes
    + uintSize(kind)
    + uintSize(expiresMs)
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 61)
  position = writeString(bytes, position, conversation, conversationBytes)
  position = writeString(bytes, position, from, fromBytes)
  position = writeUint(bytes, position, kind)
  position = writeUint(bytes, position, expiresMs)
  writeRaw(bytes, position, extensions)
}

/** Encodes a typingFrom frame, its length included. The bytes are the caller's. */
export function encodeTypingFrom(
  conversation: string, from: string, kind: number, expiresMs: number, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendTypingFrom(frames, conversation, from, kind, expiresMs, extensions)
  return frames.bytes
}

/** Appends a decline frame, its length included. */
export function appendDecline(
  frames: ByteBuffer, frame: number, names: readonly string[], error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const reasonBytes = utf8Size(reason)
  const size = 1
    + uintSize(frame)
    + stringListSize(names)
    + uintSize(error)
    + uintSize(retryAfterMs)
    + uintSize(reasonBytes) + reasonBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 63)
  position = writeUint(bytes, position, frame)
  position = writeStringList(bytes, position, names)
  position = writeUint(bytes, position, error)
  position = writeUint(bytes, position, retryAfterMs)
  position = writeString(bytes, position, reason, reasonBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a decline frame, its length included. The bytes are the caller's. */
export function encodeDecline(
  frame: number, names: readonly string[], error: number, retryAfterMs: number, reason: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendDecline(frames, frame, names, error, retryAfterMs, reason, extensions)
  return frames.bytes
}

/** Appends a register frame, its length included. */
export function appendRegister(
  frames: ByteBuffer, user: string, invite: string, salt: Uint8Array, iterations: number, storedKey: Uint8Array, serverKey: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const userBytes = utf8Size(user)
  const inviteBytes = utf8Size(invite)
  const size = 1
    + uintSize(userBytes) + userBytes
    + uintSize(inviteBytes) + inviteBytes
    + uintSize(salt.length) + salt.length
    + uintSize(iterations)
    + uintSize(storedKey.length) + storedKey.length
    + uintSize(serverKey.length) + serverKey.length
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 112)
  position = writeString(bytes, position, user, userBytes)
  position = writeString(bytes, position, invite, inviteBytes)
  position = writeByteString(bytes, position, salt)
  position = writeUint(bytes, position, iterations)
  position = writeByteString(bytes, position, storedKey)
  position = writeByteString(bytes, position, serverKey)
  writeRaw(bytes, position, extensions)
}

/** Encodes a register frame, its length included. The bytes are the caller's. */
export function encodeRegister(
  user: string, invite: string, salt: Uint8Array, iterations: number, storedKey: Uint8Array, serverKey: Uint8Array, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendRegister(frames, user, invite, salt, iterations, storedKey, serverKey, extensions)
  return frames.bytes
}

/** Appends a registered frame, its length included. */
export function appendRegistered(
  frames: ByteBuffer, user: string, extensions: Uint8Array = EMPTY_BYTES,
): void {
  const userBytes = utf8Size(user)
  const size = 1
    + uintSize(userBytes) + userBytes
    + extensions.length
  let position = frames.reserve(uintSize(size) + size)
  const { bytes } = frames
  position = writeUint(bytes, position, size)
  position = writeUint(bytes, position, 114)
  position = writeString(bytes, position, user, userBytes)
  writeRaw(bytes, position, extensions)
}

/** Encodes a registered frame, its length included. The bytes are the caller's. */
export function encodeRegistered(
  user: string, extensions: Uint8Array = EMPTY_BYTES,
): Uint8Array {
  const frames = new ByteBuffer()
  appendRegistered(frames, user, extensions)
  return frames.bytes
}

/**
 * Encodes any frame, its length included. The bytes are the caller's. Throws a RangeError for a value outside its range or a string
 * with U+0000: those are mistakes of the program. It checks neither text nor extensions, which pass through as they are.
 */
export function encodeFrame(frame: Frame): Uint8Array {
  switch (frame.type) {
    case 2:
      return encodeHello(frame.versions, frame.agent, frame.extensions)
    case 4:
      return encodeFeatures(frame.version, frame.mechanisms, frame.channelBindings, frame.openFrameBytesMax, frame.openTimeoutMs, frame.extensions)
    case 6:
      return encodeAuth(frame.mechanism, frame.data, frame.extensions)
    case 8:
      return encodeChallenge(frame.data, frame.extensions)
    case 10:
      return encodeResponse(frame.data, frame.extensions)
    case 12:
      return encodeAuthenticated(frame.user, frame.data, frame.extensions)
    case 14:
      return encodeBind(frame.device, frame.deviceName, frame.queueEpoch, frame.cursor, frame.outboxEpoch, frame.window, frame.extensions)
    case 16:
      return encodeWelcome(frame.session, frame.time, frame.resume, frame.queueEpoch, frame.cursor, frame.pending, frame.outboxEpoch, frame.window, frame.unacknowledgedMax, frame.frameBytesMax, frame.keepAliveMs, frame.token, frame.extensions)
    case 18:
      return encodeMessage(frame.clientId, frame.to, frame.text, frame.extensions)
    case 20:
      return encodeAck(frame.clientId, frame.seq, frame.timeOffset, frame.extensions)
    case 22:
      return encodeRefuse(frame.clientId, frame.error, frame.retryAfterMs, frame.reason, frame.extensions)
    case 24:
      return encodeDelivery(frame.index, frame.conversation, frame.seq, frame.time, frame.text, frame.extensions)
    case 26:
      return encodeDeliveryFrom(frame.index, frame.conversation, frame.from, frame.seq, frame.time, frame.text, frame.extensions)
    case 28:
      return encodeReceipt(frame.index, frame.conversation, frame.member, frame.mark, frame.seq, frame.extensions)
    case 50:
      return encodeChange(frame.index, frame.conversation, frame.from, frame.seq, frame.time, frame.element, frame.extensions)
    case 100:
      return encodeChanged(frame.index, frame.list, frame.version, frame.extensions)
    case 30:
      return encodeSkip(frame.index, frame.extensions)
    case 32:
      return encodeDone(frame.index, frame.extensions)
    case 34:
      return encodeCursor(frame.index, frame.extensions)
    case 36:
      return encodeMark(frame.clientId, frame.conversation, frame.mark, frame.seq, frame.extensions)
    case 64:
      return encodeOperate(frame.clientId, frame.conversation, frame.target, frame.kind, frame.text, frame.extensions)
    case 66:
      return encodeOperation(frame.index, frame.conversation, frame.from, frame.seq, frame.time, frame.target, frame.kind, frame.text, frame.extensions)
    case 38:
      return encodeQuery(frame.id, frame.element, frame.extensions)
    case 40:
      return encodeResult(frame.id, frame.element, frame.extensions)
    case 42:
      return encodeFail(frame.id, frame.error, frame.retryAfterMs, frame.reason, frame.extensions)
    case 44:
      return encodePing(frame.nonce, frame.extensions)
    case 46:
      return encodePong(frame.nonce, frame.extensions)
    case 48:
      return encodeClose(frame.error, frame.retryAfterMs, frame.host, frame.reason, frame.extensions)
    case 51:
      return encodeActivity(frame.activity, frame.extensions)
    case 53:
      return encodeWatch(frame.users, frame.extensions)
    case 55:
      return encodeUnwatch(frame.users, frame.extensions)
    case 57:
      return encodeTyping(frame.conversation, frame.kind, frame.extensions)
    case 59:
      return encodePresence(frame.user, frame.state, frame.lastSeen, frame.extensions)
    case 61:
      return encodeTypingFrom(frame.conversation, frame.from, frame.kind, frame.expiresMs, frame.extensions)
    case 63:
      return encodeDecline(frame.frame, frame.names, frame.error, frame.retryAfterMs, frame.reason, frame.extensions)
    case 112:
      return encodeRegister(frame.user, frame.invite, frame.salt, frame.iterations, frame.storedKey, frame.serverKey, frame.extensions)
    case 114:
      return encodeRegistered(frame.user, frame.extensions)
  }
}

const reader = new Reader()

function readUintList(reader: Reader): number[] {
  const list: number[] = []
  for (let count = reader.count(LIMIT.listItemsMax); count > 0 && !reader.failed; count--) list.push(reader.uint())
  return list
}

function readStringList(reader: Reader): string[] {
  const list: string[] = []
  for (let count = reader.count(LIMIT.listItemsMax); count > 0 && !reader.failed; count--) list.push(reader.string())
  return list
}

/** 0, or the code that refuses the whole frame; where `passesCritical`, unknown critical extensions are left to others. [FRM-7] */
function refuseExtensions(extensions: Uint8Array, passesCritical: boolean): 0 | ErrorCode {
  const check = checkExtensions(extensions)
  if (check === 'malformed') return ERROR.malformedFrame
  return check === 'critical' && !passesCritical ? ERROR.unsupportedCriticalExtension : 0
}

function decodeHello(reader: Reader): HelloFrame | ErrorCode {
  const versions = readUintList(reader)
  const agent = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 2, versions, agent, extensions }
}

function decodeFeatures(reader: Reader): FeaturesFrame | ErrorCode {
  const version = reader.uint()
  const mechanisms = readStringList(reader)
  const channelBindings = readStringList(reader)
  const openFrameBytesMax = reader.uint()
  const openTimeoutMs = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 4, version, mechanisms, channelBindings, openFrameBytesMax, openTimeoutMs, extensions }
}

function decodeAuth(reader: Reader): AuthFrame | ErrorCode {
  const mechanism = reader.string()
  const data = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 6, mechanism, data, extensions }
}

function decodeChallenge(reader: Reader): ChallengeFrame | ErrorCode {
  const data = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 8, data, extensions }
}

function decodeResponse(reader: Reader): ResponseFrame | ErrorCode {
  const data = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 10, data, extensions }
}

function decodeAuthenticated(reader: Reader): AuthenticatedFrame | ErrorCode {
  const user = reader.string()
  const data = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 12, user, data, extensions }
}

function decodeBind(reader: Reader): BindFrame | ErrorCode {
  const device = reader.string()
  const deviceName = reader.string()
  const queueEpoch = reader.uint()
  const cursor = reader.uint()
  const outboxEpoch = reader.uint()
  const window = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 14, device, deviceName, queueEpoch, cursor, outboxEpoch, window, extensions }
}

function decodeWelcome(reader: Reader): WelcomeFrame | ErrorCode {
  const session = reader.string()
  const time = reader.time()
  const resume = reader.uint()
  const queueEpoch = reader.uint()
  const cursor = reader.uint()
  const pending = reader.uint()
  const outboxEpoch = reader.uint()
  const window = reader.uint()
  const unacknowledgedMax = reader.uint()
  const frameBytesMax = reader.uint()
  const keepAliveMs = reader.uint()
  const token = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 16, session, time, resume, queueEpoch, cursor, pending, outboxEpoch, window, unacknowledgedMax, frameBytesMax, keepAliveMs, token, extensions }
}

function decodeMessage(reader: Reader): MessageFrame | ErrorCode {
  const clientId = reader.uint()
  const to = reader.string()
  const text = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 18, clientId, to, text, extensions }
}

function decodeAck(reader: Reader): AckFrame | ErrorCode {
  const clientId = reader.uint()
  const seq = reader.uint()
  const timeOffset = reader.int()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 20, clientId, seq, timeOffset, extensions }
}

function decodeRefuse(reader: Reader): RefuseFrame | ErrorCode {
  const clientId = reader.uint()
  const error = reader.uint()
  const retryAfterMs = reader.uint()
  const reason = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 22, clientId, error, retryAfterMs, reason, extensions }
}

function decodeDelivery(reader: Reader): DeliveryFrame | ErrorCode {
  const index = reader.uint()
  const conversation = reader.string()
  const seq = reader.uint()
  const time = reader.time()
  const text = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 24, index, conversation, seq, time, text, extensions }
}

function decodeDeliveryFrom(reader: Reader): DeliveryFromFrame | ErrorCode {
  const index = reader.uint()
  const conversation = reader.string()
  const from = reader.string()
  const seq = reader.uint()
  const time = reader.time()
  const text = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 26, index, conversation, from, seq, time, text, extensions }
}

function decodeReceipt(reader: Reader): ReceiptFrame | ErrorCode {
  const index = reader.uint()
  const conversation = reader.string()
  const member = reader.string()
  const mark = reader.uint()
  const seq = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 28, index, conversation, member, mark, seq, extensions }
}

function decodeChange(reader: Reader): ChangeFrame | ErrorCode {
  const index = reader.uint()
  const conversation = reader.string()
  const from = reader.string()
  const seq = reader.uint()
  const time = reader.time()
  const element = readElement(reader)
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 50, index, conversation, from, seq, time, element, extensions }
}

function decodeChanged(reader: Reader): ChangedFrame | ErrorCode {
  const index = reader.uint()
  const list = reader.uint()
  const version = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 100, index, list, version, extensions }
}

function decodeSkip(reader: Reader): SkipFrame | ErrorCode {
  const index = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 30, index, extensions }
}

function decodeDone(reader: Reader): DoneFrame | ErrorCode {
  const index = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 32, index, extensions }
}

function decodeCursor(reader: Reader): CursorFrame | ErrorCode {
  const index = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 34, index, extensions }
}

function decodeMark(reader: Reader): MarkFrame | ErrorCode {
  const clientId = reader.uint()
  const conversation = reader.string()
  const mark = reader.uint()
  const seq = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 36, clientId, conversation, mark, seq, extensions }
}

function decodeOperate(reader: Reader): OperateFrame | ErrorCode {
  const clientId = reader.uint()
  const conversation = reader.string()
  const target = reader.uint()
  const kind = reader.uint()
  const text = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 64, clientId, conversation, target, kind, text, extensions }
}

function decodeOperation(reader: Reader): OperationFrame | ErrorCode {
  const index = reader.uint()
  const conversation = reader.string()
  const from = reader.string()
  const seq = reader.uint()
  const time = reader.time()
  const target = reader.uint()
  const kind = reader.uint()
  const text = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, true)
    if (code !== 0) return code
  }
  return { type: 66, index, conversation, from, seq, time, target, kind, text, extensions }
}

function decodeQuery(reader: Reader): QueryFrame | ErrorCode {
  const id = reader.uint()
  const element = readElement(reader)
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 38, id, element, extensions }
}

function decodeResult(reader: Reader): ResultFrame | ErrorCode {
  const id = reader.uint()
  const element = readElement(reader)
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 40, id, element, extensions }
}

function decodeFail(reader: Reader): FailFrame | ErrorCode {
  const id = reader.uint()
  const error = reader.uint()
  const retryAfterMs = reader.uint()
  const reason = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 42, id, error, retryAfterMs, reason, extensions }
}

function decodePing(reader: Reader): PingFrame | ErrorCode {
  const nonce = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 44, nonce, extensions }
}

function decodePong(reader: Reader): PongFrame | ErrorCode {
  const nonce = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 46, nonce, extensions }
}

function decodeClose(reader: Reader): CloseFrame | ErrorCode {
  const error = reader.uint()
  const retryAfterMs = reader.uint()
  const host = reader.string()
  const reason = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 48, error, retryAfterMs, host, reason, extensions }
}

function decodeActivity(reader: Reader): ActivityFrame | ErrorCode {
  const activity = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 51, activity, extensions }
}

function decodeWatch(reader: Reader): WatchFrame | ErrorCode {
  const users = readStringList(reader)
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 53, users, extensions }
}

function decodeUnwatch(reader: Reader): UnwatchFrame | ErrorCode {
  const users = readStringList(reader)
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 55, users, extensions }
}

function decodeTyping(reader: Reader): TypingFrame | ErrorCode {
  const conversation = reader.string()
  const kind = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 57, conversation, kind, extensions }
}

function decodePresence(reader: Reader): PresenceFrame | ErrorCode {
  const user = reader.string()
  const state = reader.uint()
  const lastSeen = reader.time()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 59, user, state, lastSeen, extensions }
}

function decodeTypingFrom(reader: Reader): TypingFromFrame | ErrorCode {
  const conversation = reader.string()
  const from = reader.string()
  const kind = reader.uint()
  const expiresMs = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 61, conversation, from, kind, expiresMs, extensions }
}

function decodeDecline(reader: Reader): DeclineFrame | ErrorCode {
  const frame = reader.uint()
  const names = readStringList(reader)
  const error = reader.uint()
  const retryAfterMs = reader.uint()
  const reason = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 63, frame, names, error, retryAfterMs, reason, extensions }
}

function decodeRegister(reader: Reader): RegisterFrame | ErrorCode {
  const user = reader.string()
  const invite = reader.string()
  const salt = reader.byteString()
  const iterations = reader.uint()
  const storedKey = reader.byteString()
  const serverKey = reader.byteString()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 112, user, invite, salt, iterations, storedKey, serverKey, extensions }
}

function decodeRegistered(reader: Reader): RegisteredFrame | ErrorCode {
  const user = reader.string()
  if (reader.failed) return ERROR.malformedFrame
  const extensions = reader.rest()
  if (extensions.length !== 0) {
    const code = refuseExtensions(extensions, false)
    if (code !== 0) return code
  }
  return { type: 114, user, extensions }
}

function decodeBody(reader: Reader): Frame | ErrorCode | null {
  const type = reader.uint()
  if (reader.failed) return ERROR.malformedFrame
  switch (type) {
    case 2:
      return decodeHello(reader)
    case 4:
      return decodeFeatures(reader)
    case 6:
      return decodeAuth(reader)
    case 8:
      return decodeChallenge(reader)
    case 10:
      return decodeResponse(reader)
    case 12:
      return decodeAuthenticated(reader)
    case 14:
      return decodeBind(reader)
    case 16:
      return decodeWelcome(reader)
    case 18:
      return decodeMessage(reader)
    case 20:
      return decodeAck(reader)
    case 22:
      return decodeRefuse(reader)
    case 24:
      return decodeDelivery(reader)
    case 26:
      return decodeDeliveryFrom(reader)
    case 28:
      return decodeReceipt(reader)
    case 50:
      return decodeChange(reader)
    case 100:
      return decodeChanged(reader)
    case 30:
      return decodeSkip(reader)
    case 32:
      return decodeDone(reader)
    case 34:
      return decodeCursor(reader)
    case 36:
      return decodeMark(reader)
    case 64:
      return decodeOperate(reader)
    case 66:
      return decodeOperation(reader)
    case 38:
      return decodeQuery(reader)
    case 40:
      return decodeResult(reader)
    case 42:
      return decodeFail(reader)
    case 44:
      return decodePing(reader)
    case 46:
      return decodePong(reader)
    case 48:
      return decodeClose(reader)
    case 51:
      return decodeActivity(reader)
    case 53:
      return decodeWatch(reader)
    case 55:
      return decodeUnwatch(reader)
    case 57:
      return decodeTyping(reader)
    case 59:
      return decodePresence(reader)
    case 61:
      return decodeTypingFrom(reader)
    case 63:
      return decodeDecline(reader)
    case 112:
      return decodeRegister(reader)
    case 114:
      return decodeRegistered(reader)
    default:
      return type % 2 === 0 ? ERROR.unsupportedFrame : null
  }
}

/**
 * Decodes one body, `bytes[start, end)`, without the length before it; the caller guarantees 0 <= start <= end <= bytes.length.
 * Returns the frame; null for an unknown frame that is to be ignored [FRM-6]; or the code of the error that closes the connection:
 * malformed-frame, unsupported-frame or unsupported-critical-extension. Never throws.
 *
 * Byte fields and extensions of the frame are views of `bytes`: valid as long as the owner of `bytes` leaves them alone.
 */
export function decodeFrame(bytes: Uint8Array, start: number, end: number): Frame | ErrorCode | null {
  reader.reset(bytes, start, end)
  const frame = decodeBody(reader)
  // Let go of the chunk: the reader outlives it.
  reader.reset(EMPTY_BYTES, 0, 0)
  return frame
}
