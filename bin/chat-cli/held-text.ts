/** Why a message waits that the server did not take at once, in words for the person who wrote it. Pure. */
import { isGroup } from '../../protocol/address.js'
import type { ClientError } from '../../protocol/client/client-error.js'
import { safeJson, safeText } from './safe-text.js'

/** A whole sentence, without the full stop. */
export function heldReason({ symbol }: Pick<ClientError, 'symbol'>, to: string): string {
  const name = safeText(to)
  switch (symbol) {
    case 'rate-limited': return isGroup(to) ? `the server takes messages to ${name} more slowly at present` : `${name} has not answered yet, and until then the server takes messages to ${name} slowly`
    case 'unavailable': return `the server can't take messages to ${name} at present`
    default: return `the server asks to wait with messages to ${name}`
  }
}

/** For people, on stderr. */
export function heldText(error: Pick<ClientError, 'symbol'>, to: string, count: number): string {
  return `${heldReason(error, to)}: ${count === 1 ? 'one waits, and goes by itself' : `${count} wait, and go by themselves, in order`}`
}

/** For scripts, a line among the acks. */
export function heldJson({ symbol }: Pick<ClientError, 'symbol'>, to: string, count: number): string {
  return safeJson({ to, waiting: count, error: symbol })
}
