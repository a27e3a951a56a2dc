/** What is true of shards in one process has to be true of those that speak over links: their tests once more. */
import { ShardsHarness } from '../testing/shards-harness.js'

ShardsHarness.between = 'links'
await import('../channels/shards.test.js')
await import('../channels/away.test.js')
