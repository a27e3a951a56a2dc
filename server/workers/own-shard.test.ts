/** The shard of a worker; bin/chatd-cli/shards.test.ts runs several. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryDirectory } from '../../storage/testing/temporary-directory.js'
import { configOf } from '../config/config.js'
import { systemLinkEnvironment } from '../link/link-environment.js'
import { SILENT_LOG } from '../log.js'
import { LINK_CLUSTER, shardNode } from './names.js'
import { openOwnShard, type OwnShard } from './own-shard.js'

test('a store belongs to one process, and sessions of a later life are later, whatever the clock says', async (t) => {
  const directory = await temporaryDirectory(t)
  const config = configOf({ data: { directory, engine: 'leveldb' } })
  const linkAddresses = [0, 1].map((shard) => `unix:${join(directory, `${String(shard)}.sock`)}`)
  const open = (life: number): Promise<OwnShard> => openOwnShard(
    config, { kind: 'several', shard: 1, life, linkAddresses, filesAddress: '' }, { cluster: LINK_CLUSTER, node: shardNode(1), secret: new Uint8Array(32).fill(1) },
    systemLinkEnvironment(), SILENT_LOG,
  )
  const first = await open(1)
  const stamp = first.shard.sessions.nextStamp()
  await assert.rejects(open(2), { code: 'locked' })
  await first.close()
  const second = await open(2)
  t.after(() => second.close())
  // By more than sessions begin in one life; and numbers have room for a million lives.
  const later = second.shard.sessions.nextStamp()
  assert.ok(later > stamp + 2 ** 31)
  assert.ok(Number.isSafeInteger(later * 2 ** 19))
})
