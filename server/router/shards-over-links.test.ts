/** What is true of shards in one process has to be true of those that whoever takes clients reaches over links: their tests once more. */
import { ShardsHarness } from '../testing/shards-harness.js'

ShardsHarness.between = ShardsHarness.reach = 'links'
await import('../channels/shards.test.js')
