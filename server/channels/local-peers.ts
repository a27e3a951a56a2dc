/** The shards of one process, as each of them sees the others. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import type { Scheduler } from '../shard/environment.js'
import type { Peers } from './federation.js'
import { answer, hear } from './questions.js'

/**
 * @param shard who sees them
 * @param routerOf the router of a shard; null: it is not there at present. What was sent to it comes again.
 * @param scheduler runs what is deferred in its order: a cursor that comes late would be taken for a lost memory
 */
export function localPeers(shard: number, routerOf: (shard: number) => LocalRouter | null, scheduler: Scheduler): Peers {
  return {
    // In a later turn, so that no shard runs within another's.
    offer: (to, first, entries) => {
      scheduler.defer(() => { routerOf(to)?.shard.channels?.receive(shard, first, entries) })
      return true
    },
    isReached: (other) => routerOf(other) !== null,
    confirm: (to, cursor, again) => {
      scheduler.defer(() => {
        const channels = routerOf(to)?.shard.channels
        // Within a process nothing overtakes, so that each beginning is a greeting.
        if (again) channels?.greeted(shard, cursor)
        else channels?.confirmed(shard, cursor, false)
      })
    },
    ask: (of, name, ...args) => {
      const router = routerOf(of)
      return router === null ? Promise.reject(new RouterError(ERROR.unavailable, 'a shard is not there')) : answer(router, name, args)
    },
    tell: (to, name, ...args) => {
      scheduler.defer(() => {
        const router = routerOf(to)
        if (router !== null) hear(router, name, args)
      })
    },
  }
}
