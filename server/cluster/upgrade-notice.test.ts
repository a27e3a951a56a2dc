import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelState } from '../channels/channels.js'
import { upgradeNotice, waitingForUpgrade } from './upgrade-notice.js'

function channel(shard: number, waiting: number, oldestMs = 0): ChannelState {
  return { shard, waiting, waitingBytes: 10 * waiting, oldestMs, isReached: false, fault: null }
}

test('what waits for nodes of an earlier version is told with what to do, and nothing else is', () => {
  const states = [channel(1, 3, 12_400), channel(2, 5), channel(3, 0), channel(4, 2, 61_000)]
  const waiting = waitingForUpgrade(states, (shard) => shard !== 2)
  assert.deepEqual(waiting.map(({ shard }) => shard), [1, 4])
  assert.match(upgradeNotice(0, waiting), /^what shard 0 has for shard 1, 4 waits \(entries: 5, for 61 s\), .*: go on with the upgrade; nothing is lost meanwhile$/)
  assert.equal(upgradeNotice(0, waitingForUpgrade(states, () => false)), '')
})
