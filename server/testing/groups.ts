/** Groups on a harness, of one shard or several, as tests make and change them. */
import { element, type Element } from '../../protocol/element.js'
import { readChange, readNewGroup } from '../groups/change.js'
import type { DeviceHarness } from './shard-harness.js'

export const SKIING = '#skiing'

/** A change that names these users. */
export function naming(kind: string, ...users: string[]): Element {
  return element(kind, {}, ...users.map((name) => element('member', { name })))
}

export async function createGroup(
  harness: DeviceHarness, creator: string, users: readonly string[], attributes: Record<string, string> = {}, group = SKIING,
): Promise<number> {
  const query = element('group-create', { id: group, name: 'Skiing', ...attributes }, ...naming('x', ...users).children)
  return harness.router.groups.create(creator, group, readNewGroup(query, group))
}

export async function changeGroup(harness: DeviceHarness, author: string, item: Element, group = SKIING): Promise<number> {
  return harness.router.groups.change(author, group, readChange(item))
}
