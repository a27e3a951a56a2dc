/**
 * The frames of a link, see spec/links.md: length (uint), type (one byte), fields in the forms of the registry. Those that every
 * message causes have fields of their own and are appended to one buffer for a turn; a session is named by a number that its node
 * gave it and that is never used again on the link. Nothing here knows sockets or sessions.
 */
import type { ByteBuffer } from '../../protocol/byte-buffer.js'
import { utf8Size } from '../../protocol/utf8.js'
import {
  stringListSize, stringSize, timeSize, uintListSize, uintSize, writeByteString, writeRaw, writeString, writeStringList, writeTime, writeUint, writeUintList,
} from '../../protocol/writer.js'

/** The versions of the link's protocol that this program speaks, the best one first. */
export const LINK_VERSIONS: readonly number[] = [1]

export const LINK = {
  // Either side
  close: 1, ping: 2,
  // The opening: dialler, listener, dialler, listener
  hello: 3, challenge: 4, proof: 5, welcome: 6,
  // To the shard
  attach: 16, start: 17, detach: 18, message: 19, mark: 20, operate: 21, cursor: 22, activity: 23, watch: 24, unwatch: 25, typing: 26, call: 27,
  visit: 28,
  // From the shard
  attached: 32, acked: 33, refused: 34, entries: 35, done: 36, presence: 37, typed: 38, declined: 39, ended: 40, result: 41, failed: 42, crowded: 43,
  // Channels between shards; the last one from who takes
  shard: 48, offer: 49, notice: 50, confirm: 51,
} as const

/** Why a link ended. Those from 100 on are never sent: one side notices them alone. */
export const LINK_CLOSE = {
  closed: 0,
  unsupportedVersion: 1,
  notAuthorized: 2,
  /** Another cluster, or another node than the one that was dialled. */
  wrongNode: 3,
  unknownPurpose: 4,
  /** The node doesn't own the shard, or not any more. */
  notOwner: 5,
  tooMany: 6,
  malformed: 7,
  /** Nothing was heard for too long. */
  silent: 8,
  /** More waits to be sent than may. */
  overflow: 9,
  openTimeout: 10,
  /** The two don't mean the same shards. */
  otherShards: 11,
  lost: 100,
  unreachable: 101,
} as const
export type LinkClose = (typeof LINK_CLOSE)[keyof typeof LINK_CLOSE]

const CLOSE_NAMES = new Map<number, string>(Object.entries(LINK_CLOSE).map(([name, code]) => [code, name]))

export function closeName(code: number): string {
  return CLOSE_NAMES.get(code) ?? String(code)
}

/** Where the fields of a frame begin that has `size` bytes of them. `out.bytes` may be other memory behind the call. */
function begin(out: ByteBuffer, type: number, size: number): number {
  const body = size + 1
  const at = out.reserve(uintSize(body) + body)
  const fields = writeUint(out.bytes, at, body)
  out.bytes[fields] = type
  return fields + 1
}

// Either side

export function appendClose(out: ByteBuffer, code: number): void {
  const at = begin(out, LINK.close, uintSize(code))
  writeUint(out.bytes, at, code)
}

export function appendPing(out: ByteBuffer): void {
  begin(out, LINK.ping, 0)
}

// The opening

export interface LinkHello {
  readonly versions: readonly number[]
  /** The cluster's name. */
  readonly cluster: string
  /** Of the node that dials, and of the one that it means to reach; '' is any. */
  readonly node: string
  readonly expects: string
  /** What the link is for. */
  readonly purpose: string
  readonly nonce: Uint8Array
}

export function appendHello(out: ByteBuffer, { versions, cluster, node, expects, purpose, nonce }: LinkHello): void {
  const texts = [cluster, node, expects, purpose]
  let at = begin(out, LINK.hello, uintListSize(versions) + stringListSize(texts) + nonce.length)
  at = writeUintList(out.bytes, at, versions)
  at = writeStringList(out.bytes, at, texts)
  writeRaw(out.bytes, at, nonce)
}

export function appendChallenge(out: ByteBuffer, version: number, node: string, nonce: Uint8Array): void {
  let at = begin(out, LINK.challenge, uintSize(version) + stringSize(node) + nonce.length)
  at = writeUint(out.bytes, at, version)
  at = writeString(out.bytes, at, node, utf8Size(node))
  writeRaw(out.bytes, at, nonce)
}

export function appendProof(out: ByteBuffer, mac: Uint8Array): void {
  const at = begin(out, LINK.proof, mac.length)
  writeRaw(out.bytes, at, mac)
}

/** `details`: what the purpose has to say, MessagePack. */
export function appendWelcome(out: ByteBuffer, mac: Uint8Array, details: Uint8Array): void {
  let at = begin(out, LINK.welcome, uintSize(mac.length) + mac.length + details.length)
  at = writeByteString(out.bytes, at, mac)
  writeRaw(out.bytes, at, details)
}

// To the shard

/** `request`: MessagePack. */
export function appendAttach(out: ByteBuffer, session: number, call: number, request: Uint8Array): void {
  let at = begin(out, LINK.attach, uintSize(session) + uintSize(call) + request.length)
  at = writeUint(out.bytes, at, session)
  at = writeUint(out.bytes, at, call)
  writeRaw(out.bytes, at, request)
}

/** `start` and `detach`. */
export function appendSession(out: ByteBuffer, type: number, session: number): void {
  const at = begin(out, type, uintSize(session))
  writeUint(out.bytes, at, session)
}

export function appendMessage(out: ByteBuffer, session: number, clientId: number, to: string, text: Uint8Array, extensions: Uint8Array): void {
  const toBytes = utf8Size(to)
  let at = begin(out, LINK.message, uintSize(session) + uintSize(clientId) + uintSize(toBytes) + toBytes + uintSize(text.length) + text.length + extensions.length)
  const { bytes } = out
  at = writeUint(bytes, at, session)
  at = writeUint(bytes, at, clientId)
  at = writeString(bytes, at, to, toBytes)
  at = writeByteString(bytes, at, text)
  writeRaw(bytes, at, extensions)
}

export function appendMark(out: ByteBuffer, session: number, clientId: number, conversation: string, mark: number, seq: number): void {
  const nameBytes = utf8Size(conversation)
  let at = begin(out, LINK.mark, uintSize(session) + uintSize(clientId) + uintSize(nameBytes) + nameBytes + uintSize(mark) + uintSize(seq))
  const { bytes } = out
  at = writeUint(bytes, at, session)
  at = writeUint(bytes, at, clientId)
  at = writeString(bytes, at, conversation, nameBytes)
  at = writeUint(bytes, at, mark)
  writeUint(bytes, at, seq)
}

export function appendOperate(
  out: ByteBuffer, session: number, clientId: number, conversation: string, target: number, kind: number, text: Uint8Array,
): void {
  const nameBytes = utf8Size(conversation)
  let at = begin(out, LINK.operate,
    uintSize(session) + uintSize(clientId) + uintSize(nameBytes) + nameBytes + uintSize(target) + uintSize(kind) + text.length)
  const { bytes } = out
  at = writeUint(bytes, at, session)
  at = writeUint(bytes, at, clientId)
  at = writeString(bytes, at, conversation, nameBytes)
  at = writeUint(bytes, at, target)
  at = writeUint(bytes, at, kind)
  writeRaw(bytes, at, text)
}

/** `cursor`, `activity`, `done` and `ended`: a session and one number. */
export function appendNumber(out: ByteBuffer, type: number, session: number, value: number): void {
  const at = begin(out, type, uintSize(session) + uintSize(value))
  writeUint(out.bytes, writeUint(out.bytes, at, session), value)
}

/** `watch` and `unwatch`. */
export function appendNames(out: ByteBuffer, type: number, session: number, names: readonly string[]): void {
  const at = begin(out, type, uintSize(session) + stringListSize(names))
  writeStringList(out.bytes, writeUint(out.bytes, at, session), names)
}

export function appendTyping(out: ByteBuffer, session: number, conversation: string, kind: number): void {
  const nameBytes = utf8Size(conversation)
  let at = begin(out, LINK.typing, uintSize(session) + uintSize(nameBytes) + nameBytes + uintSize(kind))
  at = writeUint(out.bytes, at, session)
  at = writeString(out.bytes, at, conversation, nameBytes)
  writeUint(out.bytes, at, kind)
}

export function appendVisit(out: ByteBuffer, session: number, user: string, deviceNumber: number, outboxEpoch: number): void {
  const nameBytes = utf8Size(user)
  let at = begin(out, LINK.visit, uintSize(session) + uintSize(nameBytes) + nameBytes + uintSize(deviceNumber) + uintSize(outboxEpoch))
  at = writeUint(out.bytes, at, session)
  at = writeString(out.bytes, at, user, nameBytes)
  at = writeUint(out.bytes, at, deviceNumber)
  writeUint(out.bytes, at, outboxEpoch)
}

/** `args`: MessagePack. */
export function appendCall(out: ByteBuffer, call: number, method: string, args: Uint8Array): void {
  const nameBytes = utf8Size(method)
  let at = begin(out, LINK.call, uintSize(call) + uintSize(nameBytes) + nameBytes + args.length)
  at = writeUint(out.bytes, at, call)
  at = writeString(out.bytes, at, method, nameBytes)
  writeRaw(out.bytes, at, args)
}

// From the shard

/** `attached` and `result`; `value`: MessagePack. */
export function appendAnswer(out: ByteBuffer, type: number, call: number, value: Uint8Array): void {
  const at = begin(out, type, uintSize(call) + value.length)
  writeRaw(out.bytes, writeUint(out.bytes, at, call), value)
}

/** `code` 0: a fault of the other node, and its log says more. */
export function appendFailed(out: ByteBuffer, call: number, code: number, retryAfterMs: number, message: string): void {
  const messageBytes = utf8Size(message)
  let at = begin(out, LINK.failed, uintSize(call) + uintSize(code) + uintSize(retryAfterMs) + uintSize(messageBytes) + messageBytes)
  at = writeUint(out.bytes, at, call)
  at = writeUint(out.bytes, at, code)
  at = writeUint(out.bytes, at, retryAfterMs)
  writeString(out.bytes, at, message, messageBytes)
}

export function appendAcked(out: ByteBuffer, session: number, clientId: number, seq: number, timeMs: number, expiresMs: number): void {
  let at = begin(out, LINK.acked, uintSize(session) + uintSize(clientId) + uintSize(seq) + timeSize(timeMs) + uintSize(expiresMs))
  const { bytes } = out
  at = writeUint(bytes, at, session)
  at = writeUint(bytes, at, clientId)
  at = writeUint(bytes, at, seq)
  at = writeTime(bytes, at, timeMs)
  writeUint(bytes, at, expiresMs)
}

export function appendRefused(out: ByteBuffer, session: number, clientId: number, error: number, retryAfterMs: number): void {
  let at = begin(out, LINK.refused, uintSize(session) + uintSize(clientId) + uintSize(error) + uintSize(retryAfterMs))
  at = writeUint(out.bytes, at, session)
  at = writeUint(out.bytes, at, clientId)
  at = writeUint(out.bytes, at, error)
  writeUint(out.bytes, at, retryAfterMs)
}

/** All of `entries` but the frames: the next bytes of the link are `framesBytes` bytes of whole frames. */
export function appendEntriesHead(out: ByteBuffer, session: number, last: number, count: number, framesBytes: number): void {
  const headBytes = uintSize(session) + uintSize(last) + uintSize(count)
  const body = 1 + headBytes + framesBytes
  let at = out.reserve(uintSize(body) + 1 + headBytes)
  const { bytes } = out
  at = writeUint(bytes, at, body)
  bytes[at++] = LINK.entries
  at = writeUint(bytes, at, session)
  at = writeUint(bytes, at, last)
  writeUint(bytes, at, count)
}

export function appendPresence(out: ByteBuffer, session: number, user: string, state: number, lastSeenMs: number): void {
  const nameBytes = utf8Size(user)
  let at = begin(out, LINK.presence, uintSize(session) + uintSize(nameBytes) + nameBytes + uintSize(state) + uintSize(lastSeenMs))
  at = writeUint(out.bytes, at, session)
  at = writeString(out.bytes, at, user, nameBytes)
  at = writeUint(out.bytes, at, state)
  writeUint(out.bytes, at, lastSeenMs)
}

export function appendTyped(out: ByteBuffer, session: number, conversation: string, from: string, kind: number, expiresMs: number): void {
  let at = begin(out, LINK.typed, uintSize(session) + stringSize(conversation) + stringSize(from) + uintSize(kind) + uintSize(expiresMs))
  at = writeUint(out.bytes, at, session)
  at = writeString(out.bytes, at, conversation, utf8Size(conversation))
  at = writeString(out.bytes, at, from, utf8Size(from))
  at = writeUint(out.bytes, at, kind)
  writeUint(out.bytes, at, expiresMs)
}

export function appendDeclined(out: ByteBuffer, session: number, frame: number, names: readonly string[], error: number, retryAfterMs: number): void {
  let at = begin(out, LINK.declined, uintSize(session) + uintSize(frame) + uintSize(error) + uintSize(retryAfterMs) + stringListSize(names))
  at = writeUint(out.bytes, at, session)
  at = writeUint(out.bytes, at, frame)
  at = writeUint(out.bytes, at, error)
  at = writeUint(out.bytes, at, retryAfterMs)
  writeStringList(out.bytes, at, names)
}

export function appendCrowded(out: ByteBuffer, isCrowded: boolean): void {
  const at = begin(out, LINK.crowded, 1)
  out.bytes[at] = isCrowded ? 1 : 0
}

// Channels between shards

/** `identity`: MessagePack. */
export function appendShard(out: ByteBuffer, identity: Uint8Array): void {
  writeRaw(out.bytes, begin(out, LINK.shard, identity.length), identity)
}

/** All of `offer` but the entries: the next bytes of the link are `entriesBytes` bytes of them, each behind its length. */
export function appendOfferHead(out: ByteBuffer, first: number, entriesBytes: number): void {
  const body = 1 + uintSize(first) + entriesBytes
  let at = out.reserve(uintSize(body) + 1 + uintSize(first))
  const { bytes } = out
  at = writeUint(bytes, at, body)
  bytes[at++] = LINK.offer
  writeUint(bytes, at, first)
}

/** `args`: MessagePack. */
export function appendNotice(out: ByteBuffer, name: string, args: Uint8Array): void {
  const nameBytes = utf8Size(name)
  const at = begin(out, LINK.notice, uintSize(nameBytes) + nameBytes + args.length)
  writeRaw(out.bytes, writeString(out.bytes, at, name, nameBytes), args)
}

export function appendConfirm(out: ByteBuffer, cursor: number, again: boolean): void {
  const at = begin(out, LINK.confirm, uintSize(cursor) + 1)
  const flag = writeUint(out.bytes, at, cursor)
  out.bytes[flag] = again ? 1 : 0
}
