/** `chatd cluster`: what an operator sees and orders of a cluster, through the node that runs on the data directory. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { openStores } from '../../storage/open-stores.js'
import type { EngineName } from '../../storage/metadata.js'
import { leaveCluster } from '../../server/cluster/cluster-data.js'
import type { ClusterStatus, NodeInShard, ShardStatus } from '../../server/cluster/cluster-status.js'
import type { Config } from '../../server/config/settings.js'
import { connectControl, type ControlClient } from '../../server/control/control-client.js'
import { readShape } from '../../server/workers/shape.js'
import { table } from '../table.js'
import type { ClusterOrder } from './cluster-arguments.js'
import { CommandFailure, EXIT } from './failure.js'

/** Twice what is asked for. */
const SECRET_BYTES = 48

export async function printStatus(config: Config, json: boolean): Promise<void> {
  const status = await withNode(config, (node) => node.cluster('status', ''))
  if (status !== null) process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusText(status))
}

/** What is ordered is done when the promise resolves. */
export async function order(config: Config, ordered: ClusterOrder): Promise<void> {
  await withNode(config, (control) => control.cluster(ordered.action, ordered.node, ordered.action === 'move' ? ordered.shard : 0))
  process.stdout.write(`${done(ordered)}\n`)
}

function done(ordered: ClusterOrder): string {
  const { node } = ordered
  switch (ordered.action) {
    case 'drain': return `${node} has given up what it owned, and takes nothing until chatd cluster stay ${node}`
    case 'stay': return `${node} may own shards again`
    case 'move': return `shard ${String(ordered.shard)} was given up for ${node}`
    case 'forget': return `${node} is not waited for any more`
  }
}

/** For the owner of the file alone; one that is there stays. */
export function makeSecret(file: string): void {
  try {
    writeFileSync(file, `${randomBytes(SECRET_BYTES).toString('base64url')}\n`, { mode: 0o600, flag: 'wx', flush: true })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new CommandFailure(EXIT.failed, `${file} is there already, and is left as it is`)
    throw error
  }
  process.stdout.write(`${file} holds a new secret: copy it to every node, and name it with cluster.secretFile\n`)
}

/** The data of a node that does not run. */
export async function leave(config: Config): Promise<void> {
  const { directory } = config.data
  const { shards } = await readShape(config)
  const stores = await openStores(shards, { directory, engine: config.data.engine as 'auto' | EngineName, create: false })
  try {
    const wasNode = await leaveCluster(stores.engines, directory)
    process.stdout.write(wasNode ? `${directory} belongs to no cluster any more; give another node its name before it joins again\n` : `${directory} belongs to no cluster\n`)
  } finally {
    await stores.close()
  }
}

async function withNode<T>(config: Config, ask: (node: ControlClient) => Promise<T>): Promise<T> {
  const control = await connectControl(config.data.directory)
  if (control === null) throw new CommandFailure(EXIT.failed, `no node runs on ${config.data.directory}: start it, or name another's data directory with --data`)
  try {
    return await ask(control)
  } finally {
    await control.close()
  }
}

/** For people. */
export function statusText({ cluster, node, nodes, shards }: ClusterStatus): string {
  const [only] = shards
  const [head, body] = shards.length === 1 && only !== undefined ? [ownedBy(only), shardTable(nodes, only)] : [`${String(shards.length)} shards`, shardsTables(nodes, shards)]
  const troubles = [...new Set(shards.flatMap((shard) => shard.nodes.map(said).filter((line) => line !== '')))]
  const notices = [...new Set(shards.flatMap((shard) => shard.nodes.filter(({ notice }) => notice !== '').map((each) => `  ${each.node}: ${each.notice}\n`)))]
  return `cluster ${cluster}, as ${node} sees it; ${head}

${body}
${troubles.length + notices.length === 0 ? '' : `\n${[...troubles, ...notices].join('')}`}`
}

function ownedBy({ owner }: ShardStatus): string {
  return owner === '' ? 'nobody owns the shard' : `${owner} owns the shard`
}

function shardTable(nodes: ClusterStatus['nodes'], shard: ShardStatus): string {
  const rows = nodes.map((seen, at) => [seen.node, ...partOf(shard, at), ...showSeen(seen)])
  return table([['node', 'is', 'position', 'may own', ...SEEN], ...rows])
}

function shardsTables(nodes: ClusterStatus['nodes'], shards: readonly ShardStatus[]): string {
  const parts = shards.flatMap((shard) => nodes.map(({ node }, at) => [at === 0 ? String(shard.shard) : '', node, ...partOf(shard, at)]))
  return `${table([['node', ...SEEN], ...nodes.map((seen) => [seen.node, ...showSeen(seen)])])}\n\n${table([['shard', 'node', 'is', 'position', 'may own'], ...parts])}`
}

const SEEN = ['seen', 'version', 'links'] as const

function showSeen({ ageMs, version, address }: ClusterStatus['nodes'][number]): string[] {
  return [`${String(Math.round(ageMs / 1000))} s ago`, version, address]
}

function partOf({ members, nodes }: ShardStatus, at: number): string[] {
  const { node, role, position, isDrained } = nodes[at]!
  return [role === 'silent' ? 'silent (!)' : role, position, isDrained ? 'drained' : members.includes(node) ? role === 'silent' ? 'once back' : 'yes' : 'no']
}

/** What a node has to say beside its row; '': nothing. */
function said({ node, trouble, waitingFor }: NodeInShard): string {
  const parts = [trouble, waitingFor.length === 0 ? '' : `waits for ${waitingFor.join(', ')} (gone for good? chatd cluster forget NODE)`].filter((part) => part !== '')
  return parts.length === 0 ? '' : `  ${node}: ${parts.join('; ')}\n`
}
