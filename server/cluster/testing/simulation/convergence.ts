/** Whether the nodes of a simulated cluster have come together, and have the same then. */
import type { KeyRange } from '../../../../storage/engine.js'
import { everything } from '../../../../storage/owner-keys.js'
import type { MemoryEngine } from '../../../../storage/memory-engine.js'
import { Breach } from '../../../testing/simulation/breach.js'
import type { NodeReport } from '../../node.js'
import { showPosition } from '../../position.js'
import { readMembership, STATE_KEY } from '../../shard-rows.js'
import type { Machine } from './machine.js'
import type { Room } from './room.js'

/** One owner; and all that are to follow it do, up to the last entry. */
export function isTogether(room: Room, shard: number): boolean {
  const { log, members } = room.servers[shard]!
  const last = log.at(-1)?.position.number ?? 0
  const reports = [...room.machines.values()].map((machine) => ({ name: machine.name, report: reportOf(machine, shard) }))
  if (reports.filter(({ report }) => report?.role === 'owner').length !== 1) return false
  const { standbys } = room.limits
  if (members.length < (standbys === 0 ? reports.length : Math.min(reports.length, 1 + standbys))) return false
  return reports.every(({ name, report }) => members.includes(name)
    ? (report?.role === 'owner' || report?.role === 'standby') && report.position.number === last
    : report?.role === 'spare')
}

/** For a complaint. */
export async function describe(room: Room, shard: number): Promise<string> {
  const nodes = [...room.machines.values()].map(async (machine) => {
    const { members, before, by, change } = await readMembership(machine.disks[shard]!)
    const report = reportOf(machine, shard)
    const at = report === undefined ? 'down' : `${report.role} at ${showPosition(report.position)} waiting for ${report.waitingFor.join('+')} ${report.trouble}`
    return `${machine.name} ${at}, members ${members.join('+')} by ${by} (${change.slice(0, 4)}), before ${before.join('+')}`
  })
  return `shard ${String(shard)}: ${(await Promise.all(nodes)).join('; ')}`
}

/** All members have the same rows but for those of `trimmed`: that is what nobody reads, and a crash may leave it in one engine and not in another. */
export async function compareMembers(room: Room, shard: number, trimmed: readonly KeyRange[]): Promise<void> {
  const { members } = room.servers[shard]!
  const [first, ...others] = [...room.machines.values()].filter(({ name }) => members.includes(name))
  if (first === undefined) return
  const rows = await rowsOf(first.disks[shard]!)
  for (const other of others) {
    const its = await rowsOf(other.disks[shard]!)
    const odd = [...differing(rows, its), ...differing(its, rows)].filter((key) => !trimmed.some((range) => isWithin(key, range)))
    if (odd.length > 0) throw new Breach(`${other.name} has other rows of shard ${String(shard)} than ${first.name}: ${JSON.stringify(odd.slice(0, 10))}`)
  }
}

function reportOf({ process }: Machine, shard: number): NodeReport | undefined {
  return process?.work?.nodes[shard]?.report
}

/** As text of one byte a letter, without the row that is each engine's own. */
async function rowsOf(disk: MemoryEngine): Promise<ReadonlyMap<string, string>> {
  const rows = await disk.range({ ...everything(), limit: 1_000_000 })
  return new Map(rows.filter(([key]) => Buffer.compare(key, STATE_KEY) !== 0).map(([key, value]) => [Buffer.from(key).toString('latin1'), Buffer.from(value).toString('latin1')]))
}

function differing(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [...one].flatMap(([key, value]) => other.get(key) === value ? [] : key)
}

function isWithin(key: string, { gte, lt }: KeyRange): boolean {
  const bytes = Buffer.from(key, 'latin1')
  return Buffer.compare(bytes, gte) >= 0 && Buffer.compare(bytes, lt) < 0
}
