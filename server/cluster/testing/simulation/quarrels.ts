/** People who block each other at whatever node they have, and think better of it: a pair and the two users are at home in up to three shards. */
import { checkBlocks } from '../../../testing/simulation/block-life.js'
import type { EndScene, Known } from '../../../testing/simulation/scene.js'
import type { Room } from './room.js'
import type { ServerWork } from './server-work.js'

/** What had no answer may come true later: longer than calls and shards that wait take. Until then nothing else is asked for of the same pair. */
const UNCLEAR_MS = 15_000

export class Quarrels {
  readonly #room: Room
  readonly #scene: EndScene
  /** Which node was asked last, and until when it is not clear what comes of it. */
  readonly #asked = new Map<Known<boolean>, { readonly server: ServerWork, untilMs: number }>()

  constructor(room: Room, scene: EndScene) {
    this.#room = room
    this.#scene = scene
  }

  act(server: ServerWork): void {
    const { world: { random } } = this.#room
    const { users, oracle } = this.#scene
    const owner = random.pick(users)
    const other = random.pick(users.filter((user) => user !== owner))
    const known = oracle.blocks.of(owner, other)
    if (this.#isUnclear(known)) return
    const isBlock = known.value === true ? random.chance(0.3) : random.chance(0.8)
    const asked = { server, untilMs: 0 }
    this.#asked.set(known, asked)
    oracle.blocks.asked(owner, other)
    const { profiles } = server.router
    const asking = isBlock ? profiles.block(owner, other) : profiles.unblock(owner, other)
    asking.catch(() => { asked.untilMs = this.#room.world.nowMs() + UNCLEAR_MS })
    known.ask({ server, report: (error) => { this.#room.report(error) } }, () => isBlock, asking, (isBlocked) => {
      if (isBlocked) oracle.blockBegan(owner, other)
    })
  }

  #isUnclear(known: Known<boolean>): boolean {
    const asked = this.#asked.get(known)
    if (asked === undefined) return false
    if (known.isAsked && !asked.server.isAlive) {
      known.abandon()
      asked.untilMs = this.#room.world.nowMs() + UNCLEAR_MS
    }
    return known.isAsked || this.#room.world.nowMs() < asked.untilMs
  }

  /** Whatever was asked for has come true, or never will. */
  get areOver(): boolean {
    return [...this.#asked.keys()].every((known) => !this.#isUnclear(known))
  }

  check(): Promise<void> {
    return checkBlocks(this.#scene)
  }
}
