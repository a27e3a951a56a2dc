/** `chatd cluster`: what an operator sees and orders of a cluster, through the node that runs on the data directory. */
import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { openEngine } from '../../storage/open.js'
import type { EngineName } from '../../storage/metadata.js'
import { leaveCluster } from '../../server/cluster/cluster-data.js'
import type { ClusterStatus, NodeStatus } from '../../server/cluster/cluster-admin.js'
import type { Config } from '../../server/config/settings.js'
import { connectControl, type ControlClient } from '../../server/control/control-client.js'
import { table } from '../table.js'
import { CommandFailure, EXIT } from './failure.js'

/** Twice what is asked for. */
const SECRET_BYTES = 48

export async function printStatus(config: Config, json: boolean): Promise<void> {
  const status = await withNode(config, (node) => node.cluster('status', ''))
  if (status !== null) process.stdout.write(json ? `${JSON.stringify(status)}\n` : statusText(status))
}

/** What is ordered is done when the promise resolves. */
export async function order(config: Config, action: 'drain' | 'stay' | 'move' | 'forget', node: string): Promise<void> {
  await withNode(config, (control) => control.cluster(action, node))
  process.stdout.write(`${DONE[action](node)}\n`)
}

const DONE: Readonly<Record<'drain' | 'stay' | 'move' | 'forget', (node: string) => string>> = {
  drain: (node) => `${node} has given up what it owned, and takes nothing until chatd cluster stay ${node}`,
  stay: (node) => `${node} may own the shard again`,
  move: (node) => `the shard was given up for ${node}`,
  forget: (node) => `${node} is not waited for any more`,
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
  const engine = await openEngine({ directory, engine: config.data.engine as 'auto' | EngineName, create: false })
  try {
    const wasNode = await leaveCluster(engine)
    process.stdout.write(wasNode ? `${directory} belongs to no cluster any more; give another node its name before it joins again\n` : `${directory} belongs to no cluster\n`)
  } finally {
    await engine.close()
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
export function statusText({ cluster, node, owner, members, nodes }: ClusterStatus): string {
  const rows = nodes.map((each) => [each.node, roleOf(each), each.position, members.includes(each.node) ? 'yes' : 'no', `${String(Math.round(each.ageMs / 1000))} s ago`, each.version, each.address])
  const troubles = nodes.filter(({ trouble }) => trouble !== '').map((each) => `  ${each.node}: ${each.trouble}${waiting(each)}\n`)
  return `cluster ${cluster}, as ${node} sees it; ${owner === '' ? 'nobody owns the shard' : `${owner} owns the shard`}

${table([['node', 'is', 'position', 'may own', 'seen', 'version', 'links'], ...rows])}
${troubles.length === 0 ? '' : `\n${troubles.join('')}`}`
}

function roleOf({ role }: NodeStatus): string {
  return role === 'silent' ? 'silent (!)' : role
}

function waiting({ waitingFor }: NodeStatus): string {
  return waitingFor.length === 0 ? '' : `; waits for ${waitingFor.join(', ')} (gone for good? chatd cluster forget NODE)`
}
