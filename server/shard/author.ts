/** Who gives a command: a session of this shard, or one that is at home in another; see channels/visiting-session.ts. */
import type { DeviceSink } from '../router/router.js'
import type { UserState } from './user-state.js'
import type { Route } from './transaction.js'

export interface Author {
  /** As this shard knows the user. */
  readonly user: UserState
  readonly device: { readonly number: number }
  readonly outboxEpoch: number
  /** Nobody is there any more to be answered. */
  readonly hasEnded: boolean
  readonly sink: Pick<DeviceSink, 'acked' | 'refused'>
  /** Routes that it has used, by the address as the client wrote it. */
  readonly routes: ReadonlyMap<string, Route>
  /** Keeps a route for the next message to this address. */
  remember(address: string, route: Route): void
}
