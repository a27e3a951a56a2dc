/** The core alone, with time that the test turns: what is told to whom, and how much of it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PRESENCE, TYPING } from '../../protocol/generated/registry.js'
import { PresenceCore } from './core.js'
import type { PresenceSink, Seat } from './watch.js'
import { PRESENCE_LIMITS } from './limits.js'
import type { PresenceLimits } from './limits.js'
import { SEES_ALL } from './privacy.js'

const BEGIN_MS = 1_767_225_600_000
/** Every stored time is fresh enough that coming online alone saves nothing. */
const STORED_MS = BEGIN_MS - 1000

class TestSink implements PresenceSink {
  frames = 0
  isReading = true
  readonly told: string[] = []
  presence(user: string, state: number, lastSeenMs: number): boolean {
    if (!this.isReading) return false
    this.frames++
    this.told.push(`${user} ${state === PRESENCE.online ? 'online' : `offline ${String(lastSeenMs - BEGIN_MS)}`}`)
    return true
  }

  typing(conversation: string, from: string, kind: number): void { this.told.push(`${conversation} ${from} ${String(kind)}`) }
  take(): string[] { return this.told.splice(0) }
}

class World {
  nowMs = BEGIN_MS
  readonly saved: string[] = []
  readonly core: PresenceCore
  #deferred: (() => void)[] = []
  #timers: { readonly dueMs: number; readonly run: () => void }[] = []
  turns = 0

  constructor(limits: Partial<PresenceLimits> = {}) {
    this.core = new PresenceCore({
      clock: { nowMs: () => this.nowMs },
      scheduler: {
        defer: (run) => { this.#deferred.push(run) },
        after: (delayMs, run) => { this.#timers.push({ dueMs: this.nowMs + delayMs, run }) },
      },
      limits: { ...PRESENCE_LIMITS, ...limits },
      elsewhere: null,
      save: (user, lastSeenMs) => { this.saved.push(`${user} ${String(lastSeenMs - BEGIN_MS)}`) },
    })
  }

  /** What is deferred runs, turn by turn. */
  settle(): void {
    while (this.#deferred.length > 0) {
      this.turns++
      for (const run of this.#deferred.splice(0)) run()
    }
  }

  pass(ms: number): void {
    const endMs = this.nowMs + ms
    this.settle()
    for (;;) {
      const due = this.#timers.filter((timer) => timer.dueMs <= endMs).sort((one, other) => one.dueMs - other.dueMs)[0]
      if (due === undefined) break
      this.#timers.splice(this.#timers.indexOf(due), 1)
      this.nowMs = due.dueMs
      due.run()
      this.settle()
    }
    this.nowMs = endMs
  }

  enter(user: string, sink: TestSink = new TestSink(), lastSeenMs = STORED_MS): Seat {
    return this.core.enter(user, sink, lastSeenMs)
  }

  /** The watcher may see everything, which is found out at once. */
  watch(seat: Seat, user: string, sees = SEES_ALL): boolean {
    const watch = this.core.watch(seat, user)
    if (watch !== null) this.core.show(watch, sees, STORED_MS)
    return watch !== null
  }
}

test('[PRS-5] 100,000 logins cost a frame for each watcher of one of them, and nothing where nobody watches', () => {
  const world = new World()
  const users = 100_000
  const watchers = [new TestSink(), new TestSink(), new TestSink()]
  watchers.forEach((sink, i) => {
    const seat = world.enter(`watcher${String(i)}`, sink)
    for (let k = 0; k < 10; k++) assert.ok(world.watch(seat, `user${String(k)}`))
  })
  world.pass(1000)
  assert.deepEqual(watchers.map((sink) => sink.frames), [10, 10, 10], 'each is answered once')
  const others = new TestSink()
  const seats = Array.from({ length: users }, (_, i) => world.enter(`user${String(i)}`, others))
  world.pass(1000)
  assert.deepEqual(watchers.map((sink) => sink.frames), [20, 20, 20])
  assert.equal(others.frames, 0)
  world.pass(1000)
  for (const seat of seats) world.core.leave(seat)
  world.pass(1000)
  assert.deepEqual(watchers.map((sink) => sink.frames), [30, 30, 30])
  assert.equal(world.core.size, 13, 'who is gone and not watched is forgotten')
})

test('[PRS-7] flapping costs one frame where it ends otherwise, and none where it ends as it began', () => {
  const world = new World()
  const alice = new TestSink()
  world.watch(world.enter('alice', alice), 'bob')
  world.pass(1000)
  assert.deepEqual(alice.take(), ['bob offline -1000'])
  for (let i = 0; i < 20; i++) {
    world.core.leave(world.enter('bob'))
    world.pass(10)
  }
  world.pass(1000)
  assert.deepEqual(alice.take(), [], 'never seen for as long as it takes to be told')
  let bob = world.enter('bob')
  for (let i = 0; i < 20; i++) {
    world.core.leave(bob)
    bob = world.enter('bob')
    world.pass(10)
  }
  world.pass(1000)
  assert.deepEqual(alice.take(), ['bob online'])
})

test('[PRS-7] the delay counts from the first change: who flaps for ever is told all the same', () => {
  const world = new World()
  const alice = new TestSink()
  world.watch(world.enter('alice', alice), 'bob')
  world.pass(1000)
  alice.take()
  const bob = world.enter('bob')
  for (let i = 0; i < 200; i++) {
    world.core.setActive(bob, i % 2 === 1)
    world.pass(90)
  }
  const frames = alice.take().length
  assert.ok(frames > 0 && frames <= 200 * 90 / PRESENCE_LIMITS.delayMs + 1, `${String(frames)} frames`)
})

test('[PRS-4] [PRS-2] online is a matter of all devices that are active, and last seen is when the last one went', () => {
  const world = new World()
  const alice = new TestSink()
  world.watch(world.enter('alice', alice), 'bob')
  const phone = world.enter('bob')
  const laptop = world.enter('bob')
  world.pass(1000)
  assert.deepEqual(alice.take().at(-1), 'bob online')
  world.core.setActive(phone, false)
  world.pass(1000)
  assert.deepEqual(alice.take(), [], 'the laptop is still there')
  world.core.leave(laptop)
  world.pass(1000)
  assert.deepEqual(alice.take(), ['bob offline 2000'])
  world.core.setActive(phone, true)
  world.pass(1000)
  world.core.setActive(phone, true)
  world.core.leave(phone)
  world.core.leave(phone)
  world.pass(1000)
  assert.deepEqual(alice.take(), ['bob online', 'bob offline 4000'])
})

test('[PRS-4] who was told of as online was seen, however short it was', () => {
  const world = new World()
  const alice = new TestSink()
  const watcher = world.enter('alice', alice)
  const bob = world.enter('bob')
  world.pass(100)
  world.watch(watcher, 'bob')
  world.pass(100)
  assert.deepEqual(alice.take(), ['bob online'])
  world.core.leave(bob)
  world.pass(1000)
  assert.deepEqual(alice.take(), ['bob offline 200'])
  // Nobody has been told of the next one.
  world.core.leave(world.enter('bob'))
  world.pass(1000)
  assert.deepEqual(alice.take(), [])
})

test('[PRS-2] a phone that connects in the background was not seen', () => {
  const world = new World()
  const alice = new TestSink()
  world.watch(world.enter('alice', alice), 'bob')
  world.pass(5000)
  alice.take()
  const bob = world.enter('bob')
  world.pass(100)
  world.core.setActive(bob, false)
  world.pass(5000)
  world.core.leave(bob)
  world.pass(100_000)
  assert.deepEqual(alice.take(), [])
  assert.deepEqual(world.saved, [])
})

test('[PRS-2] [PRS-3] [PRS-5] an inactive device is told nothing, and when it is back what has changed, once for each user', () => {
  const world = new World()
  const sink = new TestSink()
  const alice = world.enter('alice', sink)
  for (const user of ['bob', 'carol', 'dave']) world.watch(alice, user)
  world.pass(1000)
  sink.take()
  world.core.setActive(alice, false)
  const bob = world.enter('bob')
  world.pass(1000)
  world.core.leave(bob)
  world.pass(1000)
  world.enter('bob')
  world.core.leave(world.enter('dave'))
  world.watch(alice, 'erin')
  world.pass(1000)
  world.core.tellTyping('alice', 'bob', 'bob', TYPING.typing)
  assert.deepEqual(sink.take(), [])
  world.core.setActive(alice, true)
  world.settle()
  assert.deepEqual(sink.take(), ['bob online', 'erin offline -1000'])
})

test('[PRS-3] a device that can not make up its mind is looked at once in a delay', () => {
  const world = new World()
  const sink = new TestSink()
  const alice = world.enter('alice', sink)
  world.watch(alice, 'bob')
  world.pass(1000)
  sink.take()
  for (const isActive of [false, true, false, true, false]) world.core.setActive(alice, isActive)
  world.enter('bob')
  world.pass(1000)
  assert.deepEqual(sink.take(), [])
  world.core.setActive(alice, true)
  world.core.setActive(alice, false)
  world.core.setActive(alice, true)
  world.pass(PRESENCE_LIMITS.delayMs)
  assert.deepEqual(sink.take(), ['bob online'])
  world.pass(1000)
  world.core.leave(alice)
  world.pass(1000)
})

test('[PRS-6] a session watches so many and no more; watching one again does not count, and who is let go makes room', () => {
  const world = new World({ watchesMax: 3 })
  const sink = new TestSink()
  const seat = world.enter('alice', sink)
  assert.deepEqual(['a', 'b', 'c', 'd', 'a'].map((user) => world.watch(seat, user)), [true, true, true, false, true])
  world.core.unwatch(seat, 'b')
  world.core.unwatch(seat, 'never watched')
  assert.deepEqual(['d', 'b'].map((user) => world.watch(seat, user)), [true, false])
  assert.equal(seat.watchCount, 3)
})

test('[PRS-8] watch sets and users go with their sessions', () => {
  const world = new World()
  const seat = world.enter('alice')
  for (let i = 0; i < 256; i++) world.watch(seat, `user${String(i)}`)
  assert.equal(world.core.size, 257)
  world.core.leave(seat)
  assert.equal(world.core.size, 0)
  assert.equal(world.watch(seat, 'bob'), false, 'a session that is over watches nobody')
  assert.equal(world.core.size, 0)
  world.pass(1000)
})

test('[PRS-1] a busy connection is told later what is true then, once, and nothing in between', () => {
  const world = new World()
  const sink = new TestSink()
  const alice = world.enter('alice', sink)
  world.watch(alice, 'bob')
  world.pass(1000)
  sink.take()
  sink.isReading = false
  let bob = world.enter('bob')
  for (let i = 0; i < 10; i++) {
    world.pass(1000)
    world.core.leave(bob)
    world.pass(1000)
    bob = world.enter('bob')
  }
  world.pass(1000)
  assert.deepEqual(sink.take(), [])
  sink.isReading = true
  world.pass(PRESENCE_LIMITS.retryMs)
  assert.deepEqual(sink.take(), ['bob online'])
  world.pass(10_000)
  assert.deepEqual(sink.take(), [])
})

test('[PRS-1] many who watch one are told in portions, a turn for each', () => {
  const world = new World({ turnFramesMax: 100 })
  const sink = new TestSink()
  for (let i = 0; i < 1000; i++) world.watch(world.enter(`fan${String(i)}`, sink), 'star')
  world.pass(1000)
  sink.frames = 0
  world.turns = 0
  world.enter('star')
  world.pass(1000)
  assert.equal(sink.frames, 1000)
  assert.ok(world.turns >= 10, `${String(world.turns)} turns`)
})

test('[PRS-13] typing of one kind is forwarded again after a while, another kind at once, and a pause once after either', () => {
  const world = new World({ typingRefreshMs: 4000, typingConversationsMax: 2 })
  const seat = world.enter('alice')
  const isNews = (kind: number, conversation = 'bob'): boolean => world.core.isNews(seat, conversation, kind)
  assert.equal(isNews(TYPING.paused), false)
  assert.deepEqual([isNews(TYPING.typing), isNews(TYPING.typing)], [true, false])
  world.pass(3999)
  assert.equal(isNews(TYPING.typing), false)
  world.pass(1)
  assert.deepEqual([isNews(TYPING.typing), isNews(TYPING.recording), isNews(TYPING.paused), isNews(TYPING.paused)], [true, true, true, false])
  // What comes between makes no kind come sooner.
  assert.deepEqual([isNews(TYPING.typing), isNews(TYPING.paused), isNews(TYPING.recording)], [false, false, false])
  // Only the last few conversations are remembered, and none of them is forgotten before it may be told again.
  assert.deepEqual(['x', 'y', 'z', 'bob', 'x'].map((name) => isNews(TYPING.typing, name)), [true, false, false, false, false])
  world.pass(4000)
  assert.deepEqual(['y', 'z', 'x'].map((name) => isNews(TYPING.typing, name)), [true, true, false])
  assert.equal(seat.typed?.size, 2)
  // A clock that is set back must not silence anybody.
  world.nowMs -= 3_600_000
  assert.equal(isNews(TYPING.typing, 'z'), true)
})

test('[PRS-4] last seen is saved with the end of the last session, and else once in a while', () => {
  const world = new World({ saveEveryMs: 60_000 })
  const bob = world.enter('bob')
  world.pass(1000)
  for (let i = 0; i < 10; i++) {
    world.core.setActive(bob, false)
    world.pass(1000)
    world.core.setActive(bob, true)
    world.pass(1000)
  }
  assert.deepEqual(world.saved, [], 'not for each time')
  world.core.setActive(bob, false)
  world.pass(60_000)
  assert.deepEqual(world.saved, ['bob 21000'])
  world.core.setActive(bob, true)
  world.pass(1000)
  const laptop = world.enter('bob')
  world.core.leave(bob)
  world.pass(1000)
  world.core.leave(laptop)
  assert.deepEqual(world.saved, ['bob 21000', `bob ${String(world.nowMs - BEGIN_MS)}`])
  world.pass(100_000)
  assert.equal(world.saved.length, 2)
})

test('[PRS-4] who comes online after long is noted as seen soon, for the case of a crash', () => {
  const world = new World({ saveEveryMs: 60_000, staleMs: 3_600_000 })
  world.enter('bob', new TestSink(), BEGIN_MS - 3_600_001)
  world.enter('carol', new TestSink(), BEGIN_MS - 3_600_000)
  world.pass(60_000)
  assert.deepEqual(world.saved, ['bob 60000'])
})

test('an older answer to what a watcher may see does not count, nor one for a watch that is over', () => {
  const world = new World()
  const sink = new TestSink()
  const seat = world.enter('alice', sink)
  const watch = world.core.watch(seat, 'bob')
  assert.ok(watch !== null)
  world.pass(1000)
  assert.deepEqual(sink.take(), [], 'nothing is told before it is known')
  world.core.unwatch(seat, 'bob')
  world.core.show(watch, SEES_ALL, STORED_MS)
  world.pass(1000)
  assert.deepEqual(sink.take(), [])
})
