/**
 * What it costs that a message goes from shard to shard: pairs who are at home together or apart, in a server of several shards, each with
 * a process. Clients come to the processes by turns, wherever they are at home.
 */
import { evenTable, homeOf } from '../channels/federation.js'
import { conversationName } from '../shard/conversation-name.js'
import type { Options } from './options.js'
import { online, PAIRS, type Pairs } from './pairs.js'
import type { Figures } from './statistics.js'

const SHARDS = 2
export function onShards(where: 'same' | 'cross', options: Options): Promise<Figures[]> {
  const shards = options.size === 0 ? SHARDS : options.size
  return online(options, pairsOf(where, shards), shards)
}

/** As many senders at home in each shard. Names of several lengths: those of one length alone may have no pair that is at home where it is wanted. */
function pairsOf(where: 'same' | 'cross', shards: number): Pairs {
  const home = (name: string): number => homeOf({ shardOf: evenTable(shards) }, name)
  const [senders, recipients]: [string[], string[]] = [[], []]
  for (let number = 0; senders.length < PAIRS; number++) {
    const [sender, recipient] = [`from${String(number)}`, `to${String(number)}`]
    const shard = home(sender)
    if (shard !== senders.length % shards || (home(recipient) === shard) !== (where === 'same')) continue
    if (where === 'same' && home(conversationName(sender, recipient)) !== shard) continue
    senders.push(sender)
    recipients.push(recipient)
  }
  return { senders, recipients }
}
