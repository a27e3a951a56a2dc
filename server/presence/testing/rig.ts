/** What tests of presence begin with, on one shard or several. */
import assert from 'node:assert/strict'
import type { Router } from '../../router/router.js'
import { type HarnessOptions, ShardHarness, type TestDevice } from '../../testing/shard-harness.js'
import { ShardsHarness, type ShardsOptions } from '../../testing/shards-harness.js'
import type { Relations } from '../relations.js'

export const DAY_MS = 86_400_000

/** As much of a harness as presence needs. */
export interface PresenceHarness {
  readonly router: Router
  readonly nowMs: number
  addUsers(...names: string[]): Promise<void>
  attach(user: string, id?: string): Promise<TestDevice>
  reattach(device: TestDevice, cursor: number): Promise<TestDevice>
  refreshPresence(user: string): Promise<void>
  settle(): Promise<void>
  pass(ms: number): Promise<void>
}

type SharedOptions = Pick<HarnessOptions & ShardsOptions, 'relations' | 'presence'>

/** One shard, and three, in one process and in several: of those who watch and are watched some are at home in each. */
export const KINDS: readonly { readonly where: string, readonly start: (options: SharedOptions) => PresenceHarness }[] = [
  { where: 'on one shard', start: (options) => new ShardHarness(options) },
  { where: 'on three shards', start: (options) => new ShardsHarness(options) },
  { where: 'on three shards over links', start: (options) => new ShardsHarness({ ...options, between: 'links' }) },
]

/** A user who was online and left `agoMs` before now. */
export async function wasSeen(harness: PresenceHarness, user: string, agoMs = 0): Promise<number> {
  const device = await harness.attach(user)
  await harness.pass(2000)
  device.detach()
  const leftMs = harness.nowMs
  await harness.pass(agoMs)
  return leftMs
}

/** What a watcher is told now. */
export async function look(harness: PresenceHarness, watcher: TestDevice, user: string): Promise<string> {
  watcher.seen()
  watcher.watch(user)
  await harness.settle()
  const told = watcher.seen()
  assert.equal(told.length, 1, `${user}: ${told.join(', ')}`)
  return told[0]!
}

export class TestRelations implements Relations {
  readonly contacts = new Set<string>()
  readonly blocked = new Set<string>()
  isContact(owner: string, other: string): boolean { return this.contacts.has(`${owner} ${other}`) }
  async isBlocked(owner: string, other: string): Promise<boolean> { return Promise.resolve(this.blocked.has(`${owner} ${other}`)) }
}
