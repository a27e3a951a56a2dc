import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { StorageError } from '../../storage/engine.js'
import { MemoryEngine } from '../../storage/memory-engine.js'
import type { ClusterStore } from '../cluster/cluster-store.js'
import { Directory } from '../cluster/directory.js'
import type { ClusterNode } from '../cluster/node.js'
import type { ClusterNodeOptions } from '../cluster/node-options.js'
import type { ReplicatedEngine } from '../cluster/replicated-engine.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { configOf } from '../config/config.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { SILENT_LOG } from '../log.js'
import { NodePart } from './node-part.js'
import { shardEnvironment } from './shard-environment.js'
import { testIdentity } from '../testing/live-front.js'

/** A part whose node does nothing by itself, and what that was given. */
async function joined(t: TestContext, engine: MemoryEngine): Promise<{ part: NodePart, given: ClusterNodeOptions }> {
  const config = configOf({})
  const steps: (() => Promise<void> | void)[] = []
  const part = new NodePart({
    start: { config, clock: SYSTEM_CLOCK, log: SILENT_LOG, steps }, shard: 0, life: 'a life', engine, openStore: () => ({} as ClusterStore),
    environment: shardEnvironment(config, SYSTEM_CLOCK, SILENT_LOG),
    links: { identity: testIdentity('n1'), environment: systemLinkEnvironment(), dial: () => Promise.reject(new Error('there is nobody')) },
    hasBlobs: false, peers: null, random: () => 0,
  })
  const given = await new Promise<ClusterNodeOptions>((resolve, reject) => {
    part.join('tcp://127.0.0.1:1', { ask: () => Promise.reject(new Error('there is nobody')) }, (options) => {
      resolve(options)
      return Promise.resolve({ directory: new Directory('n1') } as ClusterNode)
    }).catch(reject)
  })
  t.after(async () => {
    await given.onLost('resigned')
    for (const step of steps.reverse()) await step()
  })
  return { part, given }
}

test('a node says of a shard that it owns why its store takes nothing, and nothing of one that is another\'s', async (t) => {
  let isFull = false
  const full = (): void => { if (isFull) throw new StorageError('disk-full', 'no space left') }
  const engine = new MemoryEngine({ beforeCommit: full, beforeOpen: full })
  const { part, given } = await joined(t, engine)
  assert.equal(given.trouble?.(), '')
  await given.onOwner(engine as Partial<ReplicatedEngine> as ReplicatedEngine, 1)
  assert.equal(given.trouble?.(), '')
  isFull = true
  part.shard!.transaction.batch.put(Buffer.from('key'), Buffer.from('value'))
  await assert.rejects(part.shard!.committed())
  assert.equal(given.trouble?.(), 'the shard: the store takes nothing: no space left')
  await given.onLost('failed')
  assert.equal(given.trouble?.(), '')
})
