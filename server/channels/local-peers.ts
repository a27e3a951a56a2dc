/** The shards of one process, as each of them sees the others. */
import { ERROR } from '../../protocol/generated/registry.js'
import type { LocalRouter } from '../router/local-router.js'
import { RouterError } from '../router/router.js'
import type { Scheduler } from '../shard/environment.js'
import type { Peers } from './federation.js'

/**
 * @param shard who sees them
 * @param routerOf the router of a shard; null: it is not there at present. What was sent to it comes again.
 */
export function localPeers(shard: number, routerOf: (shard: number) => LocalRouter | null, scheduler: Scheduler): Peers {
  const ask = <T>(of: number, question: (router: LocalRouter) => Promise<T>): Promise<T> => {
    const router = routerOf(of)
    return router === null ? Promise.reject(new RouterError(ERROR.unavailable, 'a shard is not there')) : question(router)
  }
  return {
    // In a later turn, so that no shard runs within another's.
    offer: (to, first, entries) => { scheduler.defer(() => { routerOf(to)?.shard.channels?.receive(shard, first, entries) }) },
    confirm: (to, cursor, again) => { scheduler.defer(() => { routerOf(to)?.shard.channels?.confirmed(shard, cursor, again) }) },
    visitor: (of, user) => ask(of, (router) => router.visitorFacts(user)),
    side: (of, user, other) => ask(of, (router) => router.side(user, other)),
    groupCounts: (of, user) => ask(of, (router) => router.groups.counts(user)),
    mustRead: (of, user, conversation) => ask(of, (router) => router.mustRead(user, conversation)),
    lastMessages: (of, user, conversation) => ask(of, (router) => router.profiles.lastMessages(user, conversation)),
    audience: (of, user, conversation) => ask(of, (router) => router.presence.audience(user, conversation)),
    typing: (to, from, conversation, users, kind) => {
      // Nobody waits for it, and whom it does not reach it does not concern any more.
      scheduler.defer(() => { routerOf(to)?.presence.hear(from, conversation, users, kind).catch(() => undefined) })
    },
    isGone: (of, conversation, seq) => ask(of, (router) => router.shard.reading(router.shard.isGone(conversation, seq))),
  }
}
