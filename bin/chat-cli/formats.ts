/** The lines that `send`, `recv`, `history` and `devices` print: JSON for scripts, text for people. Without the line end. */
import type { Element } from '../../protocol/element.js'
import { changeObject, changeText } from './change-text.js'
import type { OperationEvent } from '../../protocol/client/node.js'
import { isDeleted, isGone, type MarkedMessage, marksJson, marksText } from './message-marks.js'
import { safeJson, safeText } from './safe-text.js'

/** One acknowledged message. */
export interface AckLine {
  readonly to: string
  readonly clientId: number
  readonly seq: number
  /** Unix time */
  readonly timeMs: number
}

/** One message as received, or from the history; or a change of a group, which stands in its place. */
export interface MessageLine extends MarkedMessage {
  readonly conversation: string
  readonly from: string
  readonly seq: number
  /** Position in the queue; 0: fetched from the history after "too old"; absent: the line has no such field. */
  readonly index?: number
  /** Unix time */
  readonly timeMs: number
  readonly text: string
  /** It has more to it than this version can show. */
  readonly isIncomplete: boolean
  /** What changed in the group; absent or null: it is a message. */
  readonly change?: Element | null
}

/** What people are told of a message that has more to it than this version can show. [FRM-7] */
export const INCOMPLETE_NOTE = '[this version can\'t show all of it]'

export interface DeviceLine {
  readonly device: string
  readonly name: string
  /** Unix time */
  readonly createdMs: number
  /** Unix time */
  readonly lastActiveMs: number
  readonly current: boolean
}

/** The fields of a line stand in the order of the contract, whatever object they came in. */
export function ackJson(ack: AckLine): string {
  return safeJson({ to: ack.to, clientId: ack.clientId, seq: ack.seq, time: ack.timeMs })
}

export function ackText(ack: AckLine): string {
  return `sent to ${safeText(ack.to)} as number ${ack.seq} at ${localTime(ack.timeMs)}`
}

export function messageJson(message: MessageLine): string {
  const { conversation, from, seq, index, timeMs, text, isIncomplete, change } = message
  const content = change === undefined || change === null ? { text } : { change: changeObject(change) }
  return safeJson({
    conversation, from, seq, ...(index === undefined ? {} : { index }), time: timeMs, ...content, ...marksJson(marked(message)), ...(isIncomplete ? { incomplete: true } : {}),
  })
}

/**
 * `2026-01-01 12:00:00  alice: hello`, for one's own and in groups `2026-01-01 12:00:00  alice → bob: hello`, and for a change of a group
 * `2026-01-01 12:00:00  alice added bob to #skiing`.
 */
export function messageText(message: MessageLine): string {
  if (message.change !== undefined && message.change !== null) {
    return `${localTime(message.timeMs)}  ${changeText(message.change, message.from, { me: null, group: message.conversation })}`
  }
  const from = safeText(message.from)
  const names = message.from === message.conversation ? from : `${from} → ${safeText(message.conversation)}`
  const content = isGone(message) ? ' [disappeared]' : `${safeText(message.text)}${marksText(marked(message))}`
  return `${localTime(message.timeMs)}  ${names}: ${message.text === '' ? content.trimStart() : content}${message.isIncomplete ? ` ${INCOMPLETE_NOTE}` : ''}`
}

function marked(message: MessageLine): MarkedMessage {
  return { ...message, isDeleted: isDeleted(message) }
}

export function operationJson({ conversation, from, seq, index, timeMs, target, kind, text }: OperationEvent): string {
  return safeJson({ conversation, from, seq, index, time: timeMs, operation: kind ?? 'unknown', target, text })
}

/** `2026-01-01 12:00:00  alice edited message 7: hello` */
export function operationText({ conversation, from, timeMs, target, kind, text }: OperationEvent): string {
  const who = from === conversation ? safeText(from) : `${safeText(from)} → ${safeText(conversation)}`
  const done = kind === 'edit' ? `edited message ${target}${text === '' ? '' : `: ${safeText(text)}`}`
    : kind === 'delete' ? `deleted message ${target}`
      : kind === 'react' ? (text === '' ? `took a reaction to message ${target} away` : `reacted to message ${target}: ${safeText(text)}`)
        : `did something to message ${target} that this version can't show`
  return `${localTime(timeMs)}  ${who} ${done}`
}

export function deviceJson(device: DeviceLine): string {
  return safeJson({
    device: device.device,
    name: device.name,
    created: device.createdMs,
    lastActive: device.lastActiveMs,
    current: device.current,
  })
}

export function deviceText(device: DeviceLine): string {
  const name = device.name === '' ? '' : `  ${safeText(device.name)}`
  return `${safeText(device.device)}${name}  last active ${localTime(device.lastActiveMs)}${device.current ? '  (this one)' : ''}`
}

/** What may be seen of one user. */
export interface PresenceLine {
  readonly user: string
  readonly isOnline: boolean
  /** Unix time; null: online, not known or not shown. */
  readonly lastSeenMs: number | null
}

export function presenceJson({ user, isOnline, lastSeenMs }: PresenceLine): string {
  return safeJson({ user, online: isOnline, lastSeen: lastSeenMs })
}

/** `bob  online`, `bob  last seen 2026-01-01 12:00:00` or, where neither is to be seen, `bob  not online` */
export function presenceLine({ user, isOnline, lastSeenMs }: PresenceLine): string {
  return `${safeText(user)}  ${isOnline ? 'online' : lastSeenMs === null ? 'not online' : `last seen ${localTime(lastSeenMs)}`}`
}

export function privacyJson({ seen, online, except }: { readonly seen: string; readonly online: string; readonly except: readonly string[] }): string {
  return safeJson({ seen, online, except })
}

/** `2026-01-01 12:00:00` in the time zone of the process. */
export function localTime(timeMs: number): string {
  return `${localDate(timeMs)} ${localClock(timeMs)}:${twoDigits(new Date(timeMs).getSeconds())}`
}

/** `2026-01-01` */
export function localDate(timeMs: number): string {
  const time = new Date(timeMs)
  return `${time.getFullYear()}-${twoDigits(time.getMonth() + 1)}-${twoDigits(time.getDate())}`
}

/** `12:00` */
export function localClock(timeMs: number): string {
  const time = new Date(timeMs)
  return `${twoDigits(time.getHours())}:${twoDigits(time.getMinutes())}`
}

function twoDigits(number: number): string {
  return String(number).padStart(2, '0')
}
