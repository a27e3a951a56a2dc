/** What goes from shard to shard beside what becomes of links: now and then it is lost, or comes twice. */
import type { Peers } from '../../../channels/federation.js'
import type { Room } from './room.js'

export function lossy(peers: Peers, { world: { random }, faults }: Pick<Room, 'world' | 'faults'>, isFaulty: () => boolean): Peers {
  const copies = (): number => {
    if (!isFaulty()) return 1
    if (random.chance(faults.lost)) return 0
    return random.chance(faults.doubled) ? 2 : 1
  }
  return {
    ask: (of, name, ...args) => peers.ask(of, name, ...args),
    isReached: (shard) => peers.isReached(shard),
    offer: (to, first, entries) => {
      let isTaken = true
      for (let left = copies(); left > 0; left--) isTaken = peers.offer(to, first, entries)
      return isTaken
    },
    confirm: (to, cursor, again) => {
      // What asks for entries once more, as a way opens or where some are missing, always comes, once.
      for (let left = again ? 1 : copies(); left > 0; left--) peers.confirm(to, cursor, again)
    },
    tell: (to, name, ...args) => {
      for (let left = copies(); left > 0; left--) peers.tell(to, name, ...args)
    },
  }
}
