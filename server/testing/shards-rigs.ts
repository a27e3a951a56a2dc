/** How tests of several shards begin: who talks with whom, and where each of them is at home. */
import assert from 'node:assert/strict'
import type { TestDevice } from './shard-harness.js'
import { ShardsHarness, type ShardsOptions } from './shards-harness.js'

/** Where two users and their conversation are at home. */
export type PairPlace = readonly [one: number, other: number, conversation: number]

/** In three different shards: what there is to go wrong does so there. */
const APART: PairPlace = [0, 1, 2]

export interface PairRig {
  readonly harness: ShardsHarness
  readonly one: string
  readonly other: string
  /** Of the one. */
  readonly phone: TestDevice
  /** Of the other. */
  readonly friend: TestDevice
}

/** Two users with a device each, who have said nothing yet. */
export async function pairRig(options: ShardsOptions = {}, place = APART): Promise<PairRig> {
  const harness = new ShardsHarness(options)
  const [one, other] = harness.pairAt(...place)
  await harness.addUsers(one, other)
  return { harness, one, other, phone: await harness.attach(one), friend: await harness.attach(other) }
}

export const NEW_GROUP = { displayName: 'Skiing', about: '', policy: {} } as const

/** A group at home in shard 0, owned by a user of shard 1, with others in shards 0, 1 and 2. */
export async function groupRig(options: ShardsOptions = {}): Promise<{ harness: ShardsHarness, group: string, owner: string, members: string[] }> {
  const harness = new ShardsHarness(options)
  const group = harness.groupAt(0)
  const owner = harness.userAt(1)
  const members: string[] = []
  for (const shard of [0, 1, 2, 2]) members.push(harness.userAt(shard, [owner, ...members]))
  await harness.addUsers(owner, ...members)
  assert.equal(await harness.router.groups.create(owner, group, { ...NEW_GROUP, users: members }), 1)
  await harness.settle()
  return { harness, group, owner, members }
}
