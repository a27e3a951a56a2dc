/**
 * The shard of a worker that has one of several: store, channels to the others, and who reaches it over links.
 *
 * In which order: the store first, whose lock keeps a second process out; then links, which find the shard open. The end the other way
 * round: what others give and ask is cut off, then the shard finishes what it has, then the store is closed.
 */
import type { EngineName } from '../../storage/metadata.js'
import { openEngine } from '../../storage/open.js'
import { shardDirectory } from '../../storage/shards-file.js'
import { CHANNEL_LIMITS } from '../channels/limits.js'
import { evenTable } from '../channels/federation.js'
import { SYSTEM_CLOCK } from '../clock.js'
import { refuseClusterData } from '../cluster/cluster-data.js'
import type { Config } from '../config/settings.js'
import type { LinkIdentity } from '../link/handshake.js'
import { LinkAcceptor } from '../link/link-acceptor.js'
import { parseLinkAddress } from '../link/link-address.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { openLinkListener } from '../link/link-sockets.js'
import type { Log } from '../log.js'
import { LinkPeers, shardPurpose } from '../peers/link-peers.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import { LinkServer, routerPurpose } from '../router/link-server.js'
import { LocalRouter } from '../router/local-router.js'
import type { BlobEnvironment } from '../shard/environment.js'
import { Shard } from '../shard/shard.js'
import { shardEnvironment } from '../run/shard-environment.js'
import type { ShardOfSeveral } from './messages.js'
import { shardNode } from './names.js'
import { dialAddress } from './reach.js'

/** More sessions than begin in one life of a shard. */
const STAMPS_BY_LIFE = 2 ** 32

export interface OwnShard {
  readonly shard: Shard
  readonly router: LocalRouter
  close(): Promise<void>
}

/** `blobs`: null where none are kept. Rejects with StorageError, ConfigError (the data is a cluster's), and the error of `listen`; nothing is left open then. */
export async function openOwnShard(
  config: Config, { shard: number, life, linkAddresses }: ShardOfSeveral, identity: LinkIdentity, environment: LinkEnvironment, log: Log,
  blobs: BlobEnvironment | null = null,
): Promise<OwnShard> {
  const { directory, engine: name } = config.data
  const engine = await openEngine({ directory: shardDirectory(directory, number), engine: name as 'auto' | EngineName, create: true })
  try {
    // By nobody else than nodes of it.
    await refuseClusterData(engine, directory)
  } catch (error) {
    await engine.close()
    throw error
  }
  const peers = new LinkPeers({
    shard: number, shards: linkAddresses.length, shardOf: evenTable(linkAddresses.length), limits: CHANNEL_LIMITS,
    identity, environment, random: Math.random,
    dial: async (to) => ({ transport: await dialAddress(linkAddresses[to]!, environment), node: shardNode(to) }),
    isAt: (shard, node) => node === shardNode(shard),
  })
  // Not by the clock, which may be set back while sessions wait for the next life.
  const shard = new Shard(engine, { ...shardEnvironment(config, SYSTEM_CLOCK, log, blobs, linkAddresses.length), federation: peers.federation, firstStamp: life * STAMPS_BY_LIFE })
  const router = new LocalRouter(shard, { ...PRESENCE_LIMITS, ...config.presence })
  const linkServer = new LinkServer()
  const acceptor = new LinkAcceptor(identity, environment, { [routerPurpose(number)]: linkServer, [shardPurpose(number)]: peers })
  linkServer.serve({ router, desk: null })
  peers.serve(router)
  const stop = async (): Promise<void> => {
    peers.stopServing()
    linkServer.stopServing()
    acceptor.close()
    await shard.close()
    await engine.close()
  }
  try {
    const listener = await openLinkListener(parseLinkAddress(linkAddresses[number]!)!, null, (transport) => acceptor.accept(transport))
    return {
      shard, router,
      close: async () => {
        listener.stop()
        await stop()
      },
    }
  } catch (error) {
    await stop()
    throw error
  }
}
