/** The arithmetic from what one thing costs to what a service of a given size needs. Pure; nothing of it is measured at that size. */
import { type Answers, CONSTANTS } from './constants.js'

const SECONDS_A_DAY = 86_400
const MIB = 1_048_576

export interface Load {
  readonly connections: number
  /** A second, at the daily peak. */
  readonly messages: number
  readonly deliveries: number
  readonly returns: number
  readonly uploads: number
}

/** One resource of the nodes that hold shards and connections. */
export interface Need {
  readonly name: 'CPU' | 'memory' | 'connections' | 'disk' | 'network'
  readonly unit: 'cores' | 'bytes' | 'connections' | 'bits/s'
  /** In all, at the daily peak. */
  readonly total: number
  /** What a node gives of it, used as far as `busy` says; the disk may be filled. */
  readonly byNode: number
  readonly nodes: number
}

export interface Plan {
  readonly load: Load
  /** The one that asks for most nodes first. */
  readonly needs: readonly Need[]
  readonly nodes: number
  /** Cores by what they do. */
  readonly cores: Readonly<Record<'events' | 'standbys', number>>
  /** Files beside them: cores at the peak, bytes in the object store, bits a second to and from it. */
  readonly files: { readonly cores: number; readonly bytes: number; readonly bitsPerSecond: number }
  readonly redis: { readonly bytes: number; readonly bytesPerSecond: number; readonly processes: number }
  /** Bytes written to one node's disk in a day. */
  readonly writtenByNodeADay: number
  /** When a node dies: its connections, what each of the others gets, and how long their free CPU takes to let them in. */
  readonly death: { readonly connections: number; readonly each: number; readonly seconds: number }
}

export function plan(asked: Answers): Plan {
  const load = loadOf(asked)
  const cores = coresOf(asked, load)
  const redis = redisOf(asked, load)
  const perDay = asked['messages-per-day']
  const stored = asked['text-bytes'] + CONSTANTS.storedBytes.value
  const waiting = (CONSTANTS.waitingBytes.value + asked['text-bytes'] - 100) * asked.deliveries
  const diskBytes = (perDay * asked['keep-days'] * stored + perDay * asked['away-share'] * waiting) * asked.copies
  const needs = [
    need('CPU', 'cores', cores.events + cores.standbys, asked.cores * asked.busy),
    need('memory', 'bytes', load.connections * connectionBytes(), asked.memory * asked.busy),
    need('connections', 'connections', load.connections, asked.connections),
    need('disk', 'bytes', diskBytes, asked.disk * 0.8),
    need('network', 'bits/s', networkBits(asked, load) + redis.bytesPerSecond * 8 * asked.copies, asked.network * asked.busy),
  ].sort((one, other) => other.nodes - one.nodes)
  const nodes = needs[0]!.nodes
  return {
    load, needs, nodes, cores, redis,
    files: filesOf(asked, load),
    writtenByNodeADay: perDay * (stored + waiting) * asked.copies * CONSTANTS.writeFactor.value / nodes,
    death: deathOf(asked, load, nodes, cores.events + cores.standbys),
  }
}

function loadOf(asked: Answers): Load {
  const connections = asked.users * asked['online-share']
  const messages = asked['messages-per-day'] / SECONDS_A_DAY * asked['peak-factor']
  return {
    connections, messages,
    deliveries: messages * asked.deliveries,
    returns: connections / asked['return-seconds'],
    uploads: messages * asked['media-share'],
  }
}

function coresOf(asked: Answers, { messages, deliveries, returns }: Load): Plan['cores'] {
  const { eventCpuUs, tlsFactor, handshakeCpuUs, linkFactor, changelogFactor, standbyCpuUs } = CONSTANTS
  const replicated = asked.copies > 1 ? changelogFactor.value : 1
  const eventUs = eventCpuUs.value * tlsFactor.value * linkFactor.value * replicated
  return {
    events: ((messages + deliveries + returns) * eventUs + returns * handshakeCpuUs.value) / 1e6,
    standbys: (messages + deliveries) * standbyCpuUs.value * (asked.copies - 1) / 1e6,
  }
}

function connectionBytes(): number {
  return CONSTANTS.connectionBytes.value + CONSTANTS.socketBytes.value + CONSTANTS.tlsBytes.value
}

/** In and out of the nodes by what clients see; a message whose session and shard are on two nodes goes over the network once more each way. */
function networkBits(asked: Answers, { messages, deliveries }: Load): number {
  const { wireBytes, packets, packetBytes } = CONSTANTS
  const each = asked['text-bytes'] + wireBytes.value / 2 + packets.value * packetBytes.value
  return (messages + deliveries) * each * 2 * 8
}

function redisOf(asked: Answers, { messages }: Load): Plan['redis'] {
  if (asked.copies < 2) return { bytes: 0, bytesPerSecond: 0, processes: 0 }
  const bytesPerSecond = messages * (CONSTANTS.changelogBytes.value + asked['text-bytes'] * (1 + asked.deliveries))
  return {
    bytes: bytesPerSecond * CONSTANTS.changelogSeconds.value,
    bytesPerSecond,
    processes: Math.ceil(bytesPerSecond / (CONSTANTS.redisBytesPerSecond.value * asked.busy)),
  }
}

function filesOf(asked: Answers, { uploads }: Load): Plan['files'] {
  const { uploadCpuMs, downloadCpuMs, previewCpuMs, blobCopies } = CONSTANTS
  const mebibytes = asked['media-bytes'] / MIB
  const cpuMs = mebibytes * (uploadCpuMs.value + downloadCpuMs.value * asked.deliveries) + previewCpuMs.value
  return {
    cores: uploads * cpuMs / 1000,
    bytes: asked['messages-per-day'] * asked['media-share'] * asked['media-bytes'] * asked['keep-days'] * blobCopies.value,
    bitsPerSecond: uploads * asked['media-bytes'] * 8 * (1 + asked.deliveries),
  }
}

function deathOf(asked: Answers, { connections }: Load, nodes: number, busyCores: number): Plan['death'] {
  const others = Math.max(1, nodes - 1)
  const each = connections / nodes / others
  const freeCores = Math.max(0.1, asked.cores - busyCores / nodes)
  return { connections: connections / nodes, each, seconds: each * (CONSTANTS.returnCpuUs.value + CONSTANTS.handshakeCpuUs.value) / 1e6 / freeCores }
}

function need(name: Need['name'], unit: Need['unit'], total: number, byNode: number): Need {
  return { name, unit, total, byNode, nodes: Math.max(1, Math.ceil(total / byNode)) }
}
