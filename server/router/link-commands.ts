/** From the frames of a session on a link to the calls of the router. */
import type { Reader } from '../../protocol/reader.js'
import { LINK } from '../link/link-frames.js'
import type { Attachment, Router } from './router.js'

/** Names in one frame; a client's frame holds fewer. */
const NAMES_MAX = 100_000

/**
 * Has the router do what a frame behind its session says that anybody may say who is the author of something; false: it is no such frame.
 * A field that does not decode fails the reader, and nothing is done.
 */
export function carryOutSaid(router: Router, attachment: Attachment, type: number, reader: Reader): boolean {
  switch (type) {
    case LINK.message: {
      const clientId = reader.uint()
      const to = reader.string()
      const text = reader.byteString()
      const extensions = reader.rest()
      if (!reader.failed) router.message(attachment, clientId, to, text, extensions)
      return true
    }
    case LINK.mark: {
      const clientId = reader.uint()
      const conversation = reader.string()
      const mark = reader.uint()
      const seq = reader.uint()
      if (!reader.failed) router.mark(attachment, clientId, conversation, mark, seq)
      return true
    }
    case LINK.operate: {
      const clientId = reader.uint()
      const conversation = reader.string()
      const target = reader.uint()
      const kind = reader.uint()
      const text = reader.rest()
      if (!reader.failed) router.operate(attachment, clientId, conversation, target, kind, text)
      return true
    }
    default: return false
  }
}

/** The same for all that a session may say that has its queue there. */
export function carryOut(router: Router, attachment: Attachment, type: number, reader: Reader): boolean {
  if (carryOutSaid(router, attachment, type, reader)) return true
  switch (type) {
    case LINK.cursor: {
      const index = reader.uint()
      // The node has looked whether it may be; see RemoteRouter.cursor.
      if (!reader.failed) router.cursor(attachment, index)
      return true
    }
    case LINK.start:
      router.start(attachment)
      return true
    case LINK.activity:
      router.activity(attachment, reader.uint())
      return true
    case LINK.watch: {
      const names = readNames(reader)
      if (!reader.failed) router.watch(attachment, names)
      return true
    }
    case LINK.unwatch: {
      const names = readNames(reader)
      if (!reader.failed) router.unwatch(attachment, names)
      return true
    }
    case LINK.typing: {
      const conversation = reader.string()
      const kind = reader.uint()
      if (!reader.failed) router.typing(attachment, conversation, kind)
      return true
    }
    default: return false
  }
}

export function readNames(reader: Reader): string[] {
  const names: string[] = []
  for (let left = reader.count(NAMES_MAX); left > 0 && !reader.failed; left--) names.push(reader.string())
  return names
}
