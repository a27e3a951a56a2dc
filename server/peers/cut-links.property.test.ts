/**
 * Shards in several processes that talk while links are cut, fall silent one way or can't be had, and shards die, or move: what was
 * accepted comes to whom it is for, once and in order.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ShardsHarness } from '../testing/shards-harness.js'
import { assertHeard, Talker } from '../testing/talker.js'

const SHARDS = 4

const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('say' as const), from: fc.nat(SHARDS - 1), to: fc.nat(SHARDS - 1) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1500 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('cut' as const, 'apart' as const, 'together' as const), node: fc.nat(SHARDS - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('mute' as const), from: fc.nat(SHARDS - 1), to: fc.nat(SHARDS - 1), isAnswer: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('crash' as const, 'move' as const), shard: fc.nat(SHARDS - 1), node: fc.nat(SHARDS - 1) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Play {
  readonly #harness: ShardsHarness
  readonly #nodes: number
  readonly #talkers: Talker[]
  #said = 0

  constructor(nodes: number) {
    this.#nodes = nodes
    this.#harness = new ShardsHarness({
      between: 'links', shards: SHARDS, nodes, silentLinks: true,
      channels: { windowEntries: 4, windowBytes: 2000, resendMs: 700, answerMs: 2000, trimEvery: 3, trimMs: 500 },
    })
    this.#talkers = Array.from({ length: SHARDS }, (_, shard) => new Talker(this.#harness.userAt(shard), (before, cursor) =>
      before === null ? this.#harness.attach(this.#harness.userAt(shard)) : this.#harness.reattach(before, cursor)))
  }

  async run(steps: readonly Step[]): Promise<void> {
    await this.#harness.addUsers(...this.#talkers.map(({ user }) => user))
    await this.#settle()
    for (const each of steps) {
      await this.#step(each)
      await this.#settle()
    }
    this.#harness.cutOff.clear()
    for (let tries = 0; tries < 40 && !this.#isDone; tries++) {
      await this.#harness.pass(1000)
      await this.#settle()
    }
    assert.ok(this.#isDone, 'something never goes on')
    // Who came back in the last turn has heard something since.
    await this.#settle()
    assertHeard(this.#talkers)
  }

  get #isDone(): boolean {
    return this.#talkers.every(({ isContent }) => isContent)
      && this.#harness.routers.every(({ shard }) => shard.channels!.states().every(({ waiting, isReached }) => waiting === 0 && isReached))
  }

  async #settle(): Promise<void> {
    await this.#harness.settle()
    for (const talker of this.#talkers) talker.look()
    await this.#harness.settle()
  }

  async #step(each: Step): Promise<void> {
    const { cutOff, links } = this.#harness
    switch (each.kind) {
      case 'say':
        if (each.from !== each.to) this.#talkers[each.from]!.say(this.#talkers[each.to]!.user, `number ${String(++this.#said)}`)
        return
      case 'pass':
        await this.#harness.pass(each.ms)
        return
      case 'cut':
        links!.cut(each.node % this.#nodes)
        return
      case 'apart':
        cutOff.add(each.node % this.#nodes)
        return
      case 'together':
        cutOff.delete(each.node % this.#nodes)
        return
      case 'mute':
        links!.mute(each.from % this.#nodes, each.to % this.#nodes, each.isAnswer)
        return
      case 'crash':
        this.#harness.crash(each.shard)
        return
      case 'move':
        if (this.#nodes < SHARDS) this.#harness.move(each.shard, each.node % this.#nodes)
    }
  }
}

for (const nodes of [SHARDS, 2]) {
  void test(`what is accepted comes once and in order, whatever becomes of the links: ${String(SHARDS)} shards in ${String(nodes)} processes`, async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => new Play(nodes).run(steps)), { numRuns: 25 })
  })
}
