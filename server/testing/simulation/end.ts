/** What must be true when all has come to rest: of conversations, as users and devices have them, and of what shards have stored. */
import { channelEntries } from '../../../storage/channel-keys.js'
import type { Engine } from '../../../storage/engine.js'
import { everything, ownerAt } from '../../../storage/owner-keys.js'
import { Breach } from './breach.js'
import { GroupEnd } from './group-end.js'
import { OWNER } from './group-life.js'
import { GROUP } from './group-oracle.js'
import { PairEnd } from './pair-end.js'
import type { EndScene } from './scene.js'

/** Exactly once, in order, at every device; ticks that tell the truth; unread counts that follow. */
export async function checkConversations(scene: EndScene): Promise<void> {
  const [pairs, group] = [new PairEnd(scene), new GroupEnd(scene)]
  const log = await group.log(OWNER)
  await group.check(log)
  for (const user of scene.users) {
    const { conversations } = await scene.finish(scene.server.router.conversations(user, '', 100))
    for (const other of scene.users) await pairs.check(user, other, conversations)
    const summary = conversations.find(({ conversation }) => conversation === GROUP)
    if (summary !== undefined) group.checkSummary(user, summary, log)
  }
}

/** A shard holds nothing of what is at home elsewhere, and of channels nothing that was confirmed. */
export async function checkHomes(shard: number, stored: Engine, shards: number, homeOf: (name: string) => number): Promise<void> {
  for (const [key] of await stored.range({ ...everything(), limit: 100_000 })) {
    const owner = ownerAt(key)
    if (owner !== null && homeOf(owner.name) !== shard) throw new Breach(`shard ${String(shard)} holds a row of ${owner.name}`)
  }
  for (let other = 0; other < shards; other++) {
    if ((await stored.range({ ...channelEntries(other, 0), limit: 1 })).length > 0) throw new Breach(`shard ${String(shard)} keeps what ${String(other)} has`)
  }
}
