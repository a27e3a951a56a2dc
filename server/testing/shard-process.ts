/** A process with one of several shards, on a real store, for tests that kill it. It is forked with a ShardProcessOrder as its argument. */
import { join } from 'node:path'
import { openEngine } from '../../storage/open.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { evenTable } from '../channels/federation.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import type { LinkAddress } from '../link/link-address.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { LINK_LIMITS, systemLinkEnvironment } from '../link/link-environment.js'
import { dialLink, openLinkListener } from '../link/link-sockets.js'
import { SILENT_LOG } from '../log.js'
import { NodePeers } from '../peers/node-peers.js'
import { LinkServer, routerPurpose } from '../router/link-server.js'
import { LocalRouter } from '../router/local-router.js'
import { SHARD_LIMITS } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { testIdentity } from './live-front.js'

export interface ShardProcessOrder {
  readonly shard: number
  readonly shards: number
  /** Of all of them. */
  readonly directory: string
}

export function shardNode(shard: number): string {
  return `shard-${String(shard)}`
}

/** Where a shard takes links. */
export function shardAddress(directory: string, shard: number): LinkAddress {
  return { kind: 'unix', path: join(directory, `${String(shard)}.sock`) }
}

async function run({ shard: number, shards, directory }: ShardProcessOrder): Promise<void> {
  const environment = systemLinkEnvironment()
  const { scheduler } = environment
  const identity = testIdentity(shardNode(number))
  const peers = new NodePeers({
    shards, shardOf: evenTable(shards), limits: CHANNEL_LIMITS, identity, environment, random: Math.random,
    dial: async (to) => ({ transport: await dialLink(shardAddress(directory, to), null, LINK_LIMITS.openTimeoutMs), node: shardNode(to) }),
    isAt: (shard, node) => node === shardNode(shard),
  })
  const engine = await openEngine({ directory: join(directory, shardNode(number)), engine: 'auto', create: true })
  const shard = new Shard(engine, {
    clock: SYSTEM_CLOCK, scheduler, random32: () => Math.floor(Math.random() * 2 ** 32), federation: peers.federationOf(number),
    limits: { ...SHARD_LIMITS, strangerPerSecond: 0, searchEnabled: false }, log: SILENT_LOG,
  })
  const router = new LocalRouter(shard)
  const linkServer = new LinkServer()
  linkServer.serve({ router, desk: null })
  const acceptor = new LinkAcceptor(identity, environment, { [routerPurpose(number)]: linkServer, ...peers.purposes })
  await openLinkListener(shardAddress(directory, number), null, (transport) => acceptor.accept(transport))
  peers.serve(number, router)
  process.on('disconnect', () => process.exit(0))
  process.on('message', () => process.send?.(shard.channels?.states().reduce((sum, { waiting }) => sum + waiting, 0)))
  process.send?.('ready')
}

const [order] = process.argv.slice(2)
if (order !== undefined && process.send !== undefined) await run(JSON.parse(order) as ShardProcessOrder)
