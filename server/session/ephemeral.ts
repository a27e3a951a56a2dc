/**
 * The ephemeral lane of one session: frames without number or memory. What comes in has a rate of its own; what goes out is written
 * only where the connection has nothing better to do. [PRS-1] [PRS-15]
 */
import {
  type ActivityFrame, encodeDecline, encodePresence, encodeTypingFrom, type Frame, type TypingFrame, type UnwatchFrame, type WatchFrame,
} from '../../protocol/generated/frames.js'
import { ERROR, ERRORS, type ErrorCode, FRAME, LIMIT } from '../../protocol/generated/registry.js'
import { shorten } from './labels.js'
import type { Session } from './session.js'

export type EphemeralFrame = ActivityFrame | WatchFrame | UnwatchFrame | TypingFrame

export function isEphemeral(frame: Frame): frame is EphemeralFrame {
  return frame.type === FRAME.watch || frame.type === FRAME.typing || frame.type === FRAME.activity || frame.type === FRAME.unwatch
}

/** From the device. Being active or not costs nothing: it is always taken, so that a phone never stays awake for a rate. */
export function handleEphemeral(session: Session, frame: EphemeralFrame): void {
  const { attachment, environment: { router, counters } } = session
  counters.ephemeralIn++
  if (attachment === null) return
  switch (frame.type) {
    case FRAME.activity:
      router.activity(attachment, frame.activity)
      return
    case FRAME.watch:
      if (isWithinRate(session, frame)) router.watch(attachment, frame.users)
      return
    case FRAME.unwatch:
      if (isWithinRate(session, frame)) router.unwatch(attachment, frame.users)
      return
    case FRAME.typing:
      if (session.rates.ephemeral.tryTake(1, session.environment.clock) === 0) router.typing(attachment, frame.conversation, frame.kind)
  }
}

/** Each name counts, for each is work. */
function isWithinRate(session: Session, frame: WatchFrame | UnwatchFrame): boolean {
  const waitMs = session.rates.ephemeral.tryTake(Math.max(1, frame.users.length), session.environment.clock)
  if (waitMs > 0) sendDecline(session, frame.type, frame.users, ERROR.rateLimited, waitMs)
  return waitMs === 0
}

/** false: the connection is busy with other things, and nothing was sent. */
export function sendPresence(session: Session, user: string, state: number, lastSeenMs: number): boolean {
  if (!hasRoom(session)) return false
  session.connection.send(encodePresence(user, state, lastSeenMs))
  return true
}

export function sendTyping(session: Session, conversation: string, from: string, kind: number, expiresMs: number): void {
  if (hasRoom(session)) session.connection.send(encodeTypingFrom(conversation, from, kind, expiresMs))
}

export function sendDecline(session: Session, frame: number, names: readonly string[], error: ErrorCode, retryAfterMs: number): void {
  if (!hasRoom(session)) return
  const told = names.map((name) => shorten(name, LIMIT.addressBytesMax))
  session.connection.send(encodeDecline(frame, told, error, retryAfterMs, ERRORS.get(error)?.doc ?? ''))
}

function hasRoom({ connection, environment: { counters } }: Session): boolean {
  if (connection.isCongested) {
    counters.ephemeralDropped++
    return false
  }
  counters.ephemeralOut++
  return true
}
