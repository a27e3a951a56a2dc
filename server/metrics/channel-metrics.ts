/** Numbers of the channels between shards, for the operator: where there are several shards alone. */
import { Gauge, type Registry } from 'prom-client'
import type { ChannelState } from '../channels/channels.js'

/** The channels from one shard to all others. */
export type ChannelsOfShard = readonly [from: number, channels: readonly ChannelState[]]

/** `states`: of the shards that are open, as far as it is known here. */
export function addChannelMetrics(registry: Registry, states: () => Iterable<ChannelsOfShard>): void {
  const gauge = (name: string, help: string, value: (state: ChannelState) => number): void => {
    new Gauge({
      name, help, labelNames: ['from', 'to'], registers: [registry],
      collect() {
        // Shards come and go.
        this.reset()
        for (const [from, channels] of states()) for (const state of channels) this.set({ from, to: state.shard }, value(state))
      },
    })
  }
  gauge('chatd_channel_entries_waiting', 'How many entries has the other shard not confirmed?', ({ waiting }) => waiting)
  gauge('chatd_channel_bytes_waiting', 'How many bytes are they?', ({ waitingBytes }) => waitingBytes)
  gauge('chatd_channel_oldest_seconds', 'For how long has the oldest of them waited?', ({ oldestMs }) => oldestMs / 1000)
  gauge('chatd_channel_reached', 'Is there a way to the other shard? (1: yes)', ({ isReached }) => isReached ? 1 : 0)
  gauge('chatd_channel_stopped', 'Has one of the two lost its memory, so that nothing goes any more? (1: yes; the log says which)', ({ fault }) => fault === null ? 0 : 1)
}
