/** What waits in channels while a cluster is upgraded. */
import type { ChannelState } from '../channels/channels.js'

/** The channels of a shard whose other ends can't read what it gives, as far as anything waits in them. */
export function waitingForUpgrade(channels: readonly ChannelState[], isOutdated: (shard: number) => boolean): readonly ChannelState[] {
  return channels.filter(({ shard, waiting }) => waiting > 0 && isOutdated(shard))
}

/** For the operator; '': nothing waits. */
export function upgradeNotice(shard: number, waiting: readonly ChannelState[]): string {
  if (waiting.length === 0) return ''
  const entries = waiting.reduce((sum, state) => sum + state.waiting, 0)
  const oldestS = Math.round(Math.max(...waiting.map(({ oldestMs }) => oldestMs)) / 1000)
  const others = waiting.map((state) => String(state.shard)).join(', ')
  return `what shard ${String(shard)} has for shard ${others} waits (entries: ${String(entries)}, for ${String(oldestS)} s), since the nodes that own these run an earlier ` +
    'version that can\'t read it: go on with the upgrade; nothing is lost meanwhile'
}
