/** People who block each other, and think better of it. */
import type { EndScene, Life, Scene } from './scene.js'

export class BlockLife implements Life {
  readonly #scene: Scene

  constructor(scene: Scene) {
    this.#scene = scene
  }

  act(): string {
    const { random, users, oracle, server } = this.#scene
    const owner = random.pick(users)
    const other = random.pick(users.filter((user) => user !== owner))
    const known = oracle.blocks.of(owner, other)
    if (known.isAsked) return `${owner} waits to be rid of ${other}`
    const isBlock = known.value === true ? random.chance(0.2) : random.chance(0.8)
    oracle.blocks.asked(owner, other)
    const { profiles } = server.router
    known.ask(this.#scene, () => isBlock, isBlock ? profiles.block(owner, other) : profiles.unblock(owner, other), (isBlocked) => {
      if (isBlocked) oracle.blockBegan(owner, other)
    })
    return `${owner} ${isBlock ? 'blocks' : 'unblocks'} ${other}`
  }

  check(): Promise<void> {
    return checkBlocks(this.#scene)
  }
}

/** What is known to be blocked is blocked on every page. */
export async function checkBlocks(scene: EndScene): Promise<void> {
  const { users, oracle, server } = scene
  for (const owner of users) {
    const { items } = await scene.finish(server.router.profiles.blocked(owner, { after: '', since: null, limit: 100 }))
    for (const other of users) {
      if (other !== owner) oracle.blocks.check(owner, other, items.some(({ user }) => user === other))
    }
  }
}
