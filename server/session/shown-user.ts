/** Who a client says it is, before it has proved anything. */
import { decodeLoginToken } from '../../protocol/login-token.js'
import { ScramServer } from '../../protocol/scram-server.js'
import type { AuthFrame } from '../../protocol/generated/frames.js'
import { NODE_CRYPTO } from './node-crypto.js'

/** The mechanism of login tokens. [TOK-1] */
export const TOKEN = 'TOKEN'

/** The normalised user; null: nobody can have that name, or it says none. */
export function shownUser({ mechanism, data }: AuthFrame): string | null {
  if (mechanism === TOKEN) return decodeLoginToken(data)?.user ?? null
  // Whether the client binds the channel as it should makes no difference here.
  const exchange = new ScramServer({ isPlus: false, bindingData: null, crypto: NODE_CRYPTO })
  exchange.start(data)
  return exchange.user
}
