/** What goes from shard to shard: it takes its time, comes in another order, twice, or not at all; and asking fails now and then. */
import { ERROR } from '../../../protocol/generated/registry.js'
import type { Peers } from '../../channels/federation.js'
import { localPeers } from '../../channels/local-peers.js'
import type { LocalRouter } from '../../router/local-router.js'
import { RouterError } from '../../router/router.js'
import type { World } from './world.js'

const DELAY_MAX_MS = 40

export function simPeers(shard: number, world: World, routerOf: (shard: number) => LocalRouter | null, isAlive: () => boolean, isFaulty: () => boolean): Peers {
  const { random } = world
  const carry = (task: () => void): void => {
    const dice = isFaulty() ? random.below(20) : 20
    if (dice === 0) return
    for (let copies = dice === 1 ? 2 : 1; copies > 0; copies--) world.after(random.below(DELAY_MAX_MS), task)
  }
  // What a dead process has sent is on its way all the same.
  const peers = localPeers(shard, routerOf, { defer: carry, after: () => undefined })
  return {
    ...peers,
    offer: (to, first, entries) => peers.offer(to, first, Uint8Array.prototype.slice.call(entries)),
    // What comes late says nothing of a lost memory.
    confirm: (to, cursor, again) => { carry(() => { routerOf(to)?.shard.channels?.confirmed(shard, cursor, again) }) },
    ask: (of, name, ...args) => {
      if (!isAlive() || (isFaulty() && random.chance(0.05))) return Promise.reject(new RouterError(ERROR.unavailable, 'simulated: the other shard is not heard'))
      return peers.ask(of, name, ...args)
    },
  }
}
