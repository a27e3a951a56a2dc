/** What people do to the group of the simulation. Its owner stays; everybody else comes and goes. */
import type { Change } from '../../groups/change.js'
import type { Random } from './random.js'

export const OWNER = 'ann'

/** A change that may or may not be allowed when it arrives. */
export function anyChange(random: Random, users: readonly string[]): { author: string, change: Change } {
  const author = random.chance(0.6) ? OWNER : random.pick(users)
  const other = random.pick(users.filter((user) => user !== OWNER))
  const dice = random.below(100)
  if (dice < 35) return { author, change: { kind: 'add', users: [other] } }
  if (dice < 60) return { author, change: { kind: 'remove', users: [other] } }
  if (dice < 70) return author === OWNER ? { author, change: { kind: 'info', name: `ski ${String(random.below(5))}` } } : { author, change: { kind: 'leave' } }
  if (dice < 85) return { author, change: { kind: 'role', users: [other], role: random.chance(0.5) ? 'admin' : 'member' } }
  return { author, change: { kind: 'policy', policy: { history: random.chance(0.5) ? 'all' : 'joined' } } }
}
