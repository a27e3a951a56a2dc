/** The shards of a node of a cluster taken together: their stores, the router in front of them, and what metrics and health say of them. */
import type { Engine } from '../../storage/engine.js'
import type { EngineName } from '../../storage/metadata.js'
import { openEngine } from '../../storage/open.js'
import { makeShards, storeDirectories } from '../../storage/shards-file.js'
import type { ShardOwner } from '../cluster/directory.js'
import { ConfigError } from '../config/config-error.js'
import type { Config } from '../config/settings.js'
import type { LinkDesk } from '../link/link-desk.js'
import type { LinkEnvironment } from '../link/link-environment.js'
import { LINK_CLOSE } from '../link/link-frames.js'
import { LinkError } from '../link/open-link.js'
import type { ShardGauges } from '../metrics/metrics.js'
import type { NodePart } from './node-part.js'
import { NodePeers, type NodePeersOptions } from '../peers/node-peers.js'
import type { Router } from '../router/router.js'
import { ShardsRouter } from '../router/shards-router.js'
import type { Start } from './run.js'
import { sumOfGauges } from '../metrics/shard-gauges.js'
import { readShape } from '../workers/shape.js'

/** Opens a store for each shard, by their numbers. Rejects with StorageError, or with ConfigError where the directory holds another number of them. */
export async function openEngines({ config, wrapEngine, steps }: Start): Promise<readonly Engine[]> {
  const engines: Engine[] = []
  for (const directory of await shardDirectories(config)) {
    const engine = wrapEngine(await openEngine({ directory, engine: config.data.engine as 'auto' | EngineName, create: true }))
    steps.push(() => engine.close())
    engines.push(engine)
  }
  return engines
}

async function shardDirectories(config: Config): Promise<readonly string[]> {
  const { directory } = config.data
  const { shards, isNew } = await readShape(config)
  if (shards > 1 && config.listen.workers !== 1) throw new ConfigError(`listen.workers: ${directory} holds several shards, and a node of a cluster with several has no worker processes; start more nodes`)
  if (isNew) await makeShards(directory, shards)
  return storeDirectories(directory, shards)
}

/** Channels between shards, wherever each is owned at present; null: there is one alone. */
export function openPeers(
  links: Pick<LinkDesk, 'identity' | 'environment' | 'dial'>, federation: Pick<NodePeersOptions, 'shards' | 'shardOf' | 'limits' | 'random'>,
  ownerOf: (shard: number) => ShardOwner | null,
): NodePeers | null {
  if (federation.shards === 1) return null
  return new NodePeers({
    ...federation, identity: links.identity, environment: links.environment,
    dial: async (shard) => {
      const owner = ownerOf(shard)
      if (owner === null) throw new LinkError(LINK_CLOSE.unreachable)
      return { transport: await links.dial(owner.address), node: owner.node }
    },
    isAt: (shard, node) => ownerOf(shard)?.node === node,
  })
}

/** In front of all shards, wherever each is owned at present. */
export function routerOf(
  { config, clock }: Pick<Start, 'config' | 'clock'>, parts: readonly NodePart[], { scheduler }: LinkEnvironment, shardOf: (slot: number) => number,
): Router {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only.router
  return new ShardsRouter({ routers: parts.map(({ router }) => router), shardOf, clock, scheduler, ownerWaitMs: config.limits.ownerWaitMs })
}

/** Of the shards that this node owns together; null: of none. */
export function gaugesOf(parts: readonly NodePart[]): ShardGauges | null {
  const owned = parts.flatMap(({ shard }) => shard ?? [])
  return owned.length === 0 ? null : sumOfGauges(owned)
}

/** What an operator should know though clients may be sent here; '': nothing. */
export function noticeOf(parts: readonly NodePart[]): string {
  return parts.map(({ node }) => node?.report.notice ?? '').filter((notice) => notice !== '').join('\n')
}

/** Why clients should not be sent to this node; '': they may. */
export function troubleOf(parts: readonly NodePart[]): string {
  for (const [number, part] of parts.entries()) {
    const trouble = part.node?.report.trouble ?? ''
    if (trouble !== '') return trouble
    const ofShard = troubleOfShard(part)
    if (ofShard !== '') return `${parts.length === 1 ? 'the shard' : `shard ${String(number)}`}: ${ofShard}`
  }
  return ''
}

function troubleOfShard({ node, router, unreached }: Pick<NodePart, 'node' | 'router' | 'unreached'>): string {
  if (router.hasOwner) return ''
  const waitingFor = node?.report.waitingFor ?? []
  if (waitingFor.length > 0) return `Redis has lost data, and nobody may own it before ${waitingFor.join(', ')} ${waitingFor.length === 1 ? 'has' : 'have'} been heard`
  return unreached === '' ? 'no node owns it' : unreached
}
