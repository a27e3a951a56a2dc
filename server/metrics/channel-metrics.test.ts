import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { addChannelMetrics, type ChannelsOfShard } from './channel-metrics.js'
import type { ShardsHarness } from '../testing/shards-harness.js'
import { pairRig } from '../testing/shards-rigs.js'

function statesOf(harness: ShardsHarness): ChannelsOfShard[] {
  return harness.routers.map(({ shard }, number) => [number, shard.channels!.states()])
}

/** The values of the channels from shard 2, by the shard that they go to. */
async function valuesOf(registry: Registry, name: string): Promise<Record<string, number>> {
  const lines = (await registry.getSingleMetricAsString(name)).split('\n')
  return Object.fromEntries(lines.flatMap((line) => {
    const [, to, value] = /from="2",to="(\d+)"\} (.*)/.exec(line) ?? []
    return to === undefined ? [] : [[to, Number(value)]]
  }))
}

void test('the operator sees what waits for another shard, for how long, and that it is not reached', async () => {
  const { harness, phone, other } = await pairRig({ between: 'links' })
  const registry = new Registry()
  addChannelMetrics(registry, () => statesOf(harness))
  phone.send(other, 'first')
  await harness.settle()
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_reached'), { 0: 1, 1: 1 })
  harness.cutOff.add(1)
  phone.send(other, 'second')
  await harness.pass(3000)
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_entries_waiting'), { 0: 0, 1: 1 })
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_oldest_seconds'), { 0: 0, 1: 3 })
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_reached'), { 0: 1, 1: 0 })
  assert.ok((await valuesOf(registry, 'chatd_channel_bytes_waiting'))[1]! > 0)
})

void test('a channel that is stopped is one that the operator sees', async () => {
  const { harness, phone, other } = await pairRig({ between: 'links' })
  const registry = new Registry()
  addChannelMetrics(registry, () => statesOf(harness))
  const backup = harness.engines[1]!.copy()
  phone.send(other, 'first')
  await harness.settle()
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_stopped'), { 0: 0, 1: 0 })
  harness.crash(1, backup)
  await harness.pass(1000)
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_stopped'), { 0: 0, 1: 1 })
})

void test('of a shard that is not here any more nothing is said', async () => {
  const { harness } = await pairRig()
  const registry = new Registry()
  let states = statesOf(harness)
  addChannelMetrics(registry, () => states)
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_stopped'), { 0: 0, 1: 0 })
  states = []
  assert.deepEqual(await valuesOf(registry, 'chatd_channel_stopped'), {})
})
